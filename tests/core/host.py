"""
A host for the pure core without NautilusTrader: one epoch after another in simulated time.

It looks and carries out, as the monitor and a strategy do, and decides nothing.
"""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.gate import apply_message
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.recovery import decide
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import describe
from nautilus_recovery_actor.core.verdict import judge
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import STRATEGY
from tests.core.builders import cached_position
from tests.core.builders import fill


# How long an answer of the venues is awaited
ANSWER = 100
ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
INSTRUMENTS = (BTC, ETH)
INCREMENT = Decimal("0.1")
OWNERS = {"L": STRATEGY, "S": STRATEGY, "X": "Other-002"}
TIMING = epoch.Timing(
    startup=1_000, settle=10, verify=60, recheck=15, storm_epochs=3, storm_window=400
)


@dataclass(frozen=True, eq=False)
class Trade:
    """
    A fill as it came, real or made up by the engine.
    """

    account_id: str
    instrument_id: str
    position_id: str
    qty: Decimal
    is_made_up: bool
    ts: int
    ts_event: int

    def observed(self, index: int) -> ObservedFill:
        return fill(
            self.qty,
            index,
            trade_id=f"T-{id(self)}",
            venue_order_id="V-made-up" if self.is_made_up else "V-1",
            instrument_id=self.instrument_id,
            account_id=self.account_id,
            placed_here=not self.is_made_up,
            is_made_up=self.is_made_up,
            ts_init=self.ts,
            position_id=self.position_id,
        )


@dataclass(frozen=True)
class Sent:
    """
    A message of the monitor.
    """

    kind: MessageKind
    epoch: int
    report: RecoveryReport


class InjectedError(Exception):
    """
    What carrying out an action raised.
    """


class Host:
    def __init__(self, policy: Policy, asks: int = 0) -> None:
        timing = msgspec.structs.replace(TIMING, asks=asks, answer=ANSWER)
        self.rules = Rules(timing=timing, policy=policy)
        self.now = 1_000_000
        self.gate = RecoveryGate(lambda: self.now)
        self.held: dict[tuple[str, str, str], Decimal] = {}
        self.before: tuple[CachedPosition, ...] = ()
        self.disconnected: frozenset[str] = frozenset()
        self.flagged: list[Trade] = []
        self.live: list[Trade] = []
        self.reported_events = 0
        self.ends: Counter[int] = Counter()
        self.judgements = 0
        self.command_ids = count()
        self.answers: list[happened.Answer] = []
        self.asked: list[happened.Ask] = []  # Questions to the venues that were not answered yet
        self.judged: Observation | None = None
        self.is_fragile = False  # Whether carrying out the next opening raises
        self.recovery = Recovery(epoch=1, ts_started=self.now)
        self.happen(happened.KernelStarted(*self.moment))
        self.over_at = self.now + TIMING.startup

    @property
    def moment(self) -> tuple[int, int]:
        return self.now, len(self.flagged)

    @property
    def report(self) -> RecoveryReport | None:
        return self.recovery.report

    # -- WHAT COMES IN --

    def start_trader(self) -> None:
        if not self.recovery.is_trader_running:
            self.over_at = self.now + TIMING.settle + 2 * TIMING.verify
            self.happen(happened.TraderRuns(*self.moment))
            self.happen(epoch.TraderStarted(*self.moment))

    def report_status(
        self, account_id: str, positions: tuple[VenuePosition, ...], age: int
    ) -> None:
        report = VenueReport(
            account_id=account_id,
            venue="PAPER",
            ts=self.now - age,
            seen_events=len(self.flagged),
            seen_live_fills=len(self.live),
            positions=positions,
        )
        self.happen(happened.Reported(*self.moment, account_id=account_id, read=lambda: report))

    def answer(self, *answers: Answer) -> None:
        """
        Answer a question to the venues, however late it is.
        """
        self.asked.pop(0)
        self.happen(happened.Answered(*self.moment, answers=answers))

    def fill_live(self, trade: Trade) -> None:
        self.live.append(trade)
        self.happen(epoch.Changed(self.now))
        account_id, instrument_id = trade.account_id, trade.instrument_id
        if self.recovery.is_in_doubt(account_id, instrument_id, trade.ts_event):
            self.happen(
                happened.Doubted(*self.moment, account_id=account_id, instrument_id=instrument_id)
            )

    def fill_flagged(self, trade: Trade) -> None:
        self.flagged.append(trade)
        self.happen(epoch.Changed(self.now))
        self.happen(happened.FlaggedAtRuntime(*self.moment, is_made_up=trade.is_made_up))

    def look(self, disconnected: frozenset[str]) -> None:
        self.disconnected = disconnected
        self.happen(happened.Looked(*self.moment, disconnected=disconnected))

    def stop(self) -> None:
        self.happen(epoch.Stopped())
        self.happen(happened.TraderRuns(*self.moment))

    def raise_error(self) -> None:
        self.happen(happened.Broke(*self.moment, message="injected"))

    def command(self, action: str, instrument_id: str = "", duration: int = 0) -> happened.Answer:
        self.happen(
            happened.Commanded(
                *self.moment,
                command_id=str(next(self.command_ids)),
                action=action,
                instrument_id=instrument_id,
                reason="checked",
                operator="desk",
                duration=duration,
                ts_expires=self.now + 1,
                known=frozenset(ACCOUNTS),
            )
        )
        return self.answers[-1]

    def pass_time(self, duration: int, *, is_busy: bool) -> None:
        until = self.now + duration
        if is_busy:  # The loop is blocked, and wakes late
            self.now = until
        while (wake_at := self.recovery.wake_at) is not None and wake_at <= until:
            self.now = max(self.now, wake_at)
            self.happen(epoch.Woke(*self.moment, disconnected=self.disconnected))
        self.now = until

    # -- WHAT FOLLOWS --

    def happen(self, happening: Happening) -> None:
        self.recovery, actions = decide(self.recovery, happening, self.rules)
        try:
            for action in actions:
                self._carry_out(action)
        except InjectedError:
            self.raise_error()

    def _carry_out(self, action: Action) -> None:  # noqa: C901  One case for each action
        match action:
            case happened.Open(is_at_runtime):
                self._tell(MessageKind.STARTED, self._opening_report())
                if self.is_fragile:
                    self.is_fragile = False
                    raise InjectedError
                if is_at_runtime:
                    self.over_at = self.now + TIMING.settle + 2 * TIMING.verify
                    self.before = self.positions()
            case happened.Ask():
                self.asked.append(action)
            case happened.Judge():
                self.judgements += 1
                self.judged = self._observation()
                judgment = judge(self.judged, self.rules.policy)
                self.happen(happened.Judged(*self.moment, judgment=judgment))
            case happened.Fail():
                report = self._opening_report()
                if not action.is_stopping:
                    report = describe(self._observation(), self.rules.policy)
                self.happen(happened.Described(*self.moment, failure=action, report=report))
            case happened.End(kind, report):
                self._end(kind, report)
            case happened.Revise(report):
                self._tell(MessageKind.OVERRIDDEN, report)
            case happened.Absorb():
                self.live += [trade for trade in self.flagged if not trade.is_made_up]
                self.flagged = []
            case happened.Answer():
                self.answers.append(action)

    def _end(self, kind: MessageKind, report: RecoveryReport) -> None:
        self.ends[report.epoch] += 1
        if kind is MessageKind.COMPLETE:
            self.flagged, self.reported_events = [], 0
        else:
            self.reported_events = len(self.flagged)
        self._tell(kind, report)

    def _tell(self, kind: MessageKind, report: RecoveryReport) -> None:
        apply_message(self.gate, Sent(kind, report.epoch, report), lambda: self.now)

    def _opening_report(self) -> RecoveryReport:
        return RecoveryReport(
            trader_id="TRADER-001",
            recovery_id="x",
            epoch=self.recovery.epoch,
            trigger=self.recovery.trigger,
            ts_started=self.recovery.ts_started,
        )

    def positions(self) -> tuple[CachedPosition, ...]:
        return tuple(
            cached_position(qty, instrument_id, position_id, account_id, OWNERS[position_id])
            for (account_id, instrument_id, position_id), qty in self.held.items()
            if qty != 0
        )

    def _asked_accounts(self) -> frozenset[str]:
        state, concerned = self.recovery.state, self.recovery.concerned
        if state is None or not state.asked:
            return frozenset()
        return frozenset(ACCOUNTS) if concerned is None else concerned

    def _observation(self) -> Observation:
        recovery = self.recovery
        return Observation(
            trader_id="TRADER-001",
            recovery_id="x",
            epoch=recovery.epoch,
            trigger=recovery.trigger,
            ts_started=recovery.ts_started,
            required_accounts=recovery.required_accounts(self.rules, frozenset(ACCOUNTS)),
            instruments=dict.fromkeys(INSTRUMENTS, INCREMENT),
            before=self.before,
            after=self.positions(),
            reports=tuple(read() for read in recovery.reports.values()),
            answers=recovery.answers,
            asked_accounts=self._asked_accounts(),
            reporting=frozenset(ACCOUNTS) if self.rules.timing.asks else None,
            events=len(self.flagged),
            fills=tuple(trade.observed(index) for index, trade in enumerate(self.flagged)),
            live_fills=tuple(trade.observed(index) for index, trade in enumerate(self.live)),
            reported_events=self.reported_events,
            carried=recovery.carried,
            earlier=recovery.earlier,
        )
