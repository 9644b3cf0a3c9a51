"""
The state of a recovery, what the configuration says of it, and what its epoch makes of a happening.
"""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Read
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.proving import Pace
from nautilus_recovery_actor.core.proving import Proving
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import Approval
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep


_replace = msgspec.structs.replace


class Rules(msgspec.Struct, frozen=True):
    """What the configuration says about recoveries."""

    timing: Timing
    policy: Policy
    # The accounts that must report at a start, ``None`` for those that the cache knows
    accounts: frozenset[str] | None = None
    reopens_on_mass_status: bool = True
    reopens_on_synthetic_fill: bool = True
    # Whether a failure shuts the node down
    shuts_down: bool = False
    # Whether a plan is carried out without an operator's word
    is_repairing: bool = False
    # How often the venues are asked while nothing is recovered
    pace: Pace = Pace()


class Recovery(msgspec.Struct, frozen=True):
    """The current epoch, and what it took over from those before."""

    epoch: int
    # When it opened (UNIX ns)
    ts_started: int
    trigger: str = "startup"
    # ``None`` until the kernel starts
    state: RecoveryState | None = None
    is_trader_running: bool = False
    # What counts as reported in this epoch, by account, and when the last of it came (UNIX ns)
    reports: Mapping[str, Read] = {}
    ts_reconciled: int | None = None
    # The accounts that must report, ``None`` for those that a start requires; and those that must
    # report again as well, since their clients were seen disconnected
    required: frozenset[str] | None = None
    demanded: frozenset[str] = frozenset()
    disconnected: frozenset[str] = frozenset()
    # The accounts that the epoch is about, ``None`` for all: what their venues have answered since
    # they reported, and those that are to report once more
    concerned: frozenset[str] | None = None
    answers: tuple[Answer, ...] = ()
    outdated: frozenset[str] = frozenset()
    # What was done in it to make the cache equal to the venue
    repairs: tuple[RepairStep, ...] = ()
    # The steps that were made, or failed and why, so that none is planned again that changed
    # nothing; and those that are being made
    tried: Mapping[Step, str] = {}
    repairings: int = 0
    under_way: tuple[Step, ...] = ()
    # The accounts and instruments whose past the venues are asked for
    explored: frozenset[tuple[str, str]] = frozenset()
    # The operator's word on which repairs are made, until they are
    approval: Approval | None = None
    is_approved: bool = False
    # What the epoch before found, and what this one found when it was checked last
    carried: tuple[Discrepancy, ...] = ()
    earlier: tuple[Discrepancy, ...] = ()
    # When the venue reported (UNIX ns), by account and instrument whose fills the engine guessed
    guessed: Mapping[tuple[str, str], int] = {}
    # When epochs opened at run time (UNIX ns)
    openings: tuple[int, ...] = ()
    command_ids: tuple[str, ...] = ()
    # Whether the host raised in this epoch: what raised may have been any account's report
    is_broken: bool = False
    # Why another node may run this trader, empty if none can
    fenced: str = ""
    # What the venues are asked once it has ended
    proving: Proving = Proving()
    # Set once the epoch has ended
    report: RecoveryReport | None = None

    @property
    def phase(self) -> RecoveryPhase:
        """Where the epoch stands."""
        return RecoveryPhase.PENDING if self.state is None else self.state.phase

    def phase_at(self, flagged: int) -> RecoveryPhase:
        """Return where it stands after so many flagged events: no work is done for each."""
        if flagged and self.state is not None and self.phase is RecoveryPhase.PENDING:
            return RecoveryPhase.RECONCILING
        return self.phase

    @property
    def is_rechecking(self) -> bool:
        """Whether something blocked when it was checked, and is checked again."""
        return self.state is not None and self.state.limit is not None and not self.state.is_over

    @property
    def is_asking(self) -> bool:
        """Whether an answer of the venues is awaited."""
        return self.state is not None and self.state.asking_until is not None

    @property
    def is_starting(self) -> bool:
        """Whether the trader has yet to start."""
        return self.report is None and self.state is not None and self.state.settle_at is None

    @property
    def wake_at(self) -> int | None:
        """When the host has to send `Woke` (UNIX ns), ``None`` if nothing is due."""
        if self.report is None:
            return None if self.state is None else self.state.wake_at
        due = [one.ts_until for one in self.report.overrides if one.ts_ended is None]
        if self.is_trader_running and self.proving.wake_at is not None:
            due.append(self.proving.wake_at)
        return min(due, default=None)

    def required_accounts(self, rules: Rules, known: frozenset[str]) -> frozenset[str]:
        """Return the accounts that must report in this epoch; `known` are those of the cache."""
        at_start = known if rules.accounts is None else rules.accounts
        return (at_start if self.required is None else self.required) | self.demanded

    def is_in_doubt(self, account_id: str, instrument_id: str, ts_event: int) -> bool:
        """Return whether a fill is so old that the engine may have guessed it before it came."""
        return ts_event <= self.guessed.get((account_id, instrument_id), -1)


Decision: TypeAlias = tuple[Recovery, tuple[Action, ...]]


def advance(recovery: Recovery, what: epoch.Happening, rules: Rules) -> Decision:
    """Let the epoch take what happened, and return what it asks for."""
    assert recovery.state is not None
    state, action = epoch.decide(recovery.state, what, rules.timing)
    recovery = _replace(recovery, state=state)
    match action:
        case epoch.Ask():
            # Who has to report, and has not, is asked for that at once
            required = (recovery.required or frozenset()) | recovery.demanded
            again = recovery.outdated | (required - recovery.reports.keys())
            ask = happened.Ask(recovery.concerned, again, recovery.explored)
            return _replace(recovery, outdated=again), (ask,)
        case epoch.Judge():
            return recovery, (happened.Judge(),)
        case epoch.Fail(reason, message):
            is_stopping = isinstance(what, epoch.Stopped)
            return recovery, (happened.Fail(reason, message, is_stopping),)
        case _:
            return recovery, ()


def demand(recovery: Recovery, lost: frozenset[str]) -> Recovery:
    """Have accounts report again: what their clients said before is of no use."""
    # What a client reported before it was disconnected is of no use
    kept = {key: report for key, report in recovery.reports.items() if key not in lost}
    answers = tuple(answer for answer in recovery.answers if answer.account_id not in lost)
    demanded = recovery.demanded | lost
    recovery = _replace(recovery, demanded=demanded, reports=kept, answers=answers)
    return concern(recovery, *lost)


def concern(recovery: Recovery, *accounts: str) -> Recovery:
    """Let the epoch be about more accounts."""
    # A start concerns all of them
    concerned = recovery.concerned
    if concerned is None:
        return recovery
    return _replace(recovery, concerned=concerned.union(accounts))
