"""
What happens to a recovery, and what is to be done about it: the words between `recovery` and a
host. Those that concern one epoch alone are in `epoch`.
"""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import observation
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import Judgment


# A venue's report costs as much as its orders, so that it is read once, and late
Read: TypeAlias = Callable[[], VenueReport]


# -- WHAT HAPPENED --


class Fact(msgspec.Struct, frozen=True):
    """Something that happened `now` (UNIX ns), after `flagged` flagged events had come."""

    now: int
    flagged: int = 0


class KernelStarted(Fact, frozen=True):
    """The kernel starts: nothing was reconciled yet. `chance` is a random number from 0 to 1."""

    chance: float = 0.5


class TraderRuns(Fact, frozen=True):
    """The trader is starting, or runs again after a stop. What the stop ended stays ended."""


class BacktestStarted(Fact, frozen=True):
    """Simulated time began to move: there is nothing to reconcile."""


class Reported(Fact, frozen=True, kw_only=True):
    """An account's mass status came; it is read when it is judged."""

    account_id: str
    read: Read


class FlaggedAtRuntime(Fact, frozen=True, kw_only=True):
    """Flagged events came after the epoch ended; the engine made up one of their fills, or none."""

    is_made_up: bool
    # Those of the events
    accounts: frozenset[str] = frozenset()


class Doubted(Fact, frozen=True, kw_only=True):
    """A fill came for which `Recovery.is_in_doubt` holds."""

    account_id: str
    instrument_id: str


class Looked(Fact, frozen=True, kw_only=True):
    """The host looked which accounts' clients are disconnected."""

    disconnected: frozenset[str]


class Returning(Fact, frozen=True, kw_only=True):
    """The client of an account comes back: what it is about to report is not known yet."""

    account_id: str


class Returned(Fact, frozen=True):
    """No client is about to report by itself any more."""


class Answered(Fact, frozen=True, kw_only=True):
    """The answer to `Ask`: what each account said, or why it did not."""

    answers: tuple[observation.Answer, ...]


class Repaired(Fact, frozen=True, kw_only=True):
    """The answer to `Repair`: how many of the steps were made, and why the next one was not."""

    made: int
    problem: str | None = None


class Proved(Fact, frozen=True, kw_only=True):
    """The answer to `Prove`: what each account said, or why it did not, and what differs."""

    answers: tuple[observation.Answer, ...]
    found: tuple[Discrepancy, ...] = ()
    # The accounts and instruments whose orders or trades have just changed
    active: frozenset[tuple[str, str]] = frozenset()
    # How many instruments were compared
    instruments: int = 0
    # The accounts that the cache knows, and whether clients can be made to report once more
    known: frozenset[str] = frozenset()
    can_report: bool = False
    # A random number from 0 to 1
    chance: float = 0.5


class Stirred(Fact, frozen=True):
    """An order of a blocked instrument has changed."""


class StrangerTraded(Fact, frozen=True, kw_only=True):
    """Somebody else traded what a strategy of this node holds."""

    account_id: str
    instrument_id: str


class Judged(Fact, frozen=True, kw_only=True):
    """The answer to `Judge`."""

    judgment: Judgment


class Described(Fact, frozen=True, kw_only=True):
    """The answer to `Fail`: what was seen so far."""

    failure: "Fail"
    report: RecoveryReport


class Commanded(Fact, frozen=True, kw_only=True):
    """An operator's command came, and the cache knew the accounts `known`."""

    command_id: str
    action: str
    instrument_id: str
    reason: str
    operator: str
    # How long a release lasts (ns), and when the sender no longer waits (UNIX ns)
    duration: int
    ts_expires: int
    known: frozenset[str]
    # Which plan a repair is to carry out
    plan_id: str = ""


class Leased(Fact, frozen=True, kw_only=True):
    """
    What the lease says has changed: `problem` is why another node may run this trader, empty if
    none can. The cache knew the accounts `known`.
    """

    problem: str
    known: frozenset[str] = frozenset()


class Broke(Fact, frozen=True, kw_only=True):
    """The host raised, as `message` says."""

    message: str


Happening: TypeAlias = Fact | epoch.TraderStarted | epoch.Changed | epoch.Woke | epoch.Stopped


# -- WHAT TO DO --


class Open(msgspec.Struct, frozen=True):
    """Publish `RecoveryStarted`, and note what the cache held before if a trader runs already."""

    is_at_runtime: bool = False


class Ask(msgspec.Struct, frozen=True):
    """
    Ask the venues of these accounts, ``None`` for all, what they hold, and answer with `Answered`.

    Those of `again` are to report all to the engine once more before. Of the instruments of
    `explored`, by account, the past is asked for too.
    """

    accounts: frozenset[str] | None = None
    again: frozenset[str] = frozenset()
    explored: frozenset[tuple[str, str]] = frozenset()


class Prove(msgspec.Struct, frozen=True):
    """
    Ask the venues of these accounts, ``None`` for all, and answer with `Proved`. For the
    instruments in `explored`, by account, the past is asked for too.
    """

    accounts: frozenset[str] | None = None
    explored: frozenset[tuple[str, str]] = frozenset()


class Judge(msgspec.Struct, frozen=True):
    """Compare the venue's report with the cache, and answer with `Judged`."""


class Repair(msgspec.Struct, frozen=True):
    """Have the engine do these, in order, and answer with `Repaired`."""

    steps: tuple[Step, ...]


class Fail(msgspec.Struct, frozen=True):
    """Describe what was seen, unless the node is stopping, and answer with `Described`."""

    reason: FailureReason
    message: str
    is_stopping: bool = False


class End(msgspec.Struct, frozen=True):
    """Publish the terminal message of the epoch."""

    kind: MessageKind
    report: RecoveryReport


class Revise(msgspec.Struct, frozen=True):
    """Publish `RecoveryOverridden`."""

    report: RecoveryReport


class Record(msgspec.Struct, frozen=True):
    """Replace the report of an epoch that is over in the history."""

    report: RecoveryReport


class Absorb(msgspec.Struct, frozen=True):
    """Count the flagged events that came after the end of the epoch as live trading."""


class Log(msgspec.Struct, frozen=True):
    """Write a line to the log."""

    severity: Severity
    text: str


class Answer(msgspec.Struct, frozen=True):
    """Answer an operator's command."""

    command_id: str
    is_accepted: bool
    text: str


class Shutdown(msgspec.Struct, frozen=True):
    """Shut the node down."""

    reason: str


Action: TypeAlias = (
    Open
    | Ask
    | Prove
    | Judge
    | Repair
    | Fail
    | End
    | Revise
    | Record
    | Absorb
    | Log
    | Answer
    | Shutdown
)
