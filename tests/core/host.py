"""
A host for the pure core without NautilusTrader: one epoch after another in simulated time.

It does what the monitor and a strategy do with each other, and decides nothing by itself.
"""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.epoch import Changed
from nautilus_recovery_actor.core.epoch import Complete
from nautilus_recovery_actor.core.epoch import Fail
from nautilus_recovery_actor.core.epoch import Happening
from nautilus_recovery_actor.core.epoch import Judge
from nautilus_recovery_actor.core.epoch import Judged
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.epoch import Seen
from nautilus_recovery_actor.core.epoch import Stormed
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.epoch import TraderStarted
from nautilus_recovery_actor.core.epoch import Woke
from nautilus_recovery_actor.core.epoch import decide
from nautilus_recovery_actor.core.epoch import is_storm
from nautilus_recovery_actor.core.epoch import open_runtime
from nautilus_recovery_actor.core.epoch import open_startup
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy
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


ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
INSTRUMENTS = (BTC, ETH)
INCREMENT = Decimal("0.1")
OWNERS = {"L": STRATEGY, "S": STRATEGY, "X": "Other-002"}
TIMING = Timing(
    startup=1_000,
    settle=10,
    verify=60,
    recheck=15,
    storm_epochs=3,
    storm_window=400,
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


class Host:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.now = 1_000_000
        self.gate = RecoveryGate(lambda: self.now)
        self.held: dict[tuple[str, str, str], Decimal] = {}
        self.epoch = 0
        self.trigger = "startup"
        self.is_trader_started = False
        self.report: RecoveryReport | None = None
        self.required = frozenset(ACCOUNTS)
        self.before: tuple[CachedPosition, ...] = ()
        self.reports: dict[str, VenueReport] = {}
        self.flagged: list[Trade] = []
        self.live: list[Trade] = []
        self.told_events = 0
        self.carried: tuple[Discrepancy, ...] = ()
        self.earlier: tuple[Discrepancy, ...] = ()
        self.openings: list[int] = []
        self.ends: Counter[int] = Counter()
        self.judgements = 0
        self.state = open_startup(self.now, TIMING)
        self._begin(self.state, self.now + TIMING.startup)

    # -- WHAT COMES IN --

    def start_trader(self) -> None:
        if not self.is_trader_started:
            self.is_trader_started = True
            self.over_at = self.now + TIMING.settle + 2 * TIMING.verify
            self._advance(TraderStarted(self.now, len(self.flagged)))

    def report_status(
        self,
        account_id: str,
        positions: tuple[VenuePosition, ...],
        age: int,
    ) -> None:
        is_new = self.state.phase is RecoveryPhase.COMPLETE
        if is_new:
            self._reopen("mass_status")
        self.reports[account_id] = VenueReport(
            account_id=account_id,
            venue="PAPER",
            ts=self.now - age,
            seen_events=len(self.flagged),
            seen_live_fills=len(self.live),
            positions=positions,
        )
        if is_new:
            self._end_storm()
        else:
            self._advance(Seen())
            self._advance(Changed(self.now))

    def fill_live(self, trade: Trade) -> None:
        self.live.append(trade)
        self._advance(Changed(self.now))

    def fill_flagged(self, trade: Trade) -> None:
        self.flagged.append(trade)
        if self.state.phase is not RecoveryPhase.COMPLETE:
            self._advance(Changed(self.now))
        elif trade.is_made_up:
            self._reopen("synthetic_fill")
            self._end_storm()
        else:
            self.live.append(self.flagged.pop())

    def pass_time(self, duration: int, *, is_busy: bool) -> None:
        until = self.now + duration
        if is_busy:  # The loop is blocked, and wakes late
            self.now = until
        while (wake_at := self.state.wake_at) is not None and wake_at <= until:
            self.now = max(self.now, wake_at)
            self._advance(Woke(self.now, len(self.flagged)))
        self.now = until

    # -- WHAT AN OPERATOR DOES --

    def release(self, instrument_id: str, duration: int) -> None:
        report = self.report or self._describe()
        self._revise(
            overrides.released(report, instrument_id, "checked", "desk", self.now, duration),
        )

    def withdraw(self, instrument_id: str) -> None:
        report = self.report or self._describe()
        self._revise(overrides.withdrawn(report, instrument_id, self.now))

    def expire(self) -> None:
        if self.report is not None:
            self._revise(overrides.expired(self.report, self.now))

    def resume(self) -> None:
        overrides.may_resume(self.state.phase, self.epoch, self.is_trader_started)
        self.openings.clear()
        self._reopen(self.trigger, frozenset(ACCOUNTS), self.reports)

    # -- WHAT FOLLOWS --

    def _begin(self, state: RecoveryState, over_at: int) -> None:
        self.epoch += 1
        self.report = None
        self.state, self.over_at = state, over_at
        self.before = self._positions()
        self.gate.begin(self.epoch)

    def _reopen(
        self,
        trigger: str,
        required: frozenset[str] = frozenset(),
        reports: dict[str, VenueReport] | None = None,
    ) -> None:
        last = self.report
        assert last is not None
        self.carried = (
            tuple({*self.carried, *last.discrepancies}) if last.failure else last.discrepancies
        )
        self.earlier, self.required, self.reports = (), required, reports or {}
        self.trigger = trigger
        self.openings.append(self.now)
        state = open_runtime(self.now, len(self.flagged), TIMING)
        self._begin(state, self.now + TIMING.settle + 2 * TIMING.verify)

    def _end_storm(self) -> None:
        if is_storm(self.openings, TIMING):
            self._advance(Stormed())

    def _advance(self, happening: Happening) -> None:
        self.state, action = decide(self.state, happening, TIMING)
        match action:
            case Judge():
                report = self._judged = judge(self._observation(), self.policy).report
                self.earlier = report.discrepancies
                self.judgements += 1
                is_blocking = any(found.is_blocking for found in report.discrepancies)
                self._advance(Judged(self.now, report.failure, report.message, is_blocking))
            case Complete():
                self._end(self._judged)
                self.flagged, self.reports, self.told_events = [], {}, 0
            case Fail(reason, message):
                report = self._describe()
                self._end(msgspec.structs.replace(report, failure=reason, message=message))
                self.told_events = len(self.flagged)

    def _end(self, report: RecoveryReport) -> None:
        self.report = report
        self.ends[report.epoch] += 1
        if report.failure is not None:
            self.gate.fail(report.epoch, report.failure, report.message)
        else:
            self.gate.complete(report.epoch, frozenset(report.blocked_instruments))

    def _revise(self, report: RecoveryReport) -> None:
        self.report = report
        self.gate.release(report.epoch, overrides.active(report, self.now))

    def _describe(self) -> RecoveryReport:
        return describe(self._observation(), self.policy)

    def _positions(self) -> tuple[CachedPosition, ...]:
        return tuple(
            cached_position(qty, instrument_id, position_id, account_id, OWNERS[position_id])
            for (account_id, instrument_id, position_id), qty in self.held.items()
            if qty != 0
        )

    def _observation(self) -> Observation:
        return Observation(
            trader_id="TRADER-001",
            recovery_id="x",
            epoch=self.epoch,
            trigger=self.trigger,
            ts_started=self.now,
            required_accounts=self.required,
            instruments=dict.fromkeys(INSTRUMENTS, INCREMENT),
            before=self.before,
            after=self._positions(),
            reports=tuple(self.reports.values()),
            events=len(self.flagged),
            fills=tuple(trade.observed(index) for index, trade in enumerate(self.flagged)),
            live_fills=tuple(trade.observed(index) for index, trade in enumerate(self.live)),
            told_events=self.told_events,
            carried=self.carried,
            earlier=self.earlier,
        )
