"""
What comes in from the bus while a node runs, and how it becomes facts for the core.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from typing import TypeAlias

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.node.evidence.reports import reads
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.monitor.decisions import Decisions
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.intake import Intake


Report: TypeAlias = ExecutionMassStatus | OrderStatusReport | FillReport | PositionStatusReport


class Incoming:
    """Keeps what comes in, and says what the core has to know of it, each in a guard of its own."""

    def __init__(
        self,
        intake: Intake,
        evidence: Evidence,
        seam: Seam,
        cache: CacheFacade,
        decisions: Decisions,
    ) -> None:
        self._intake = intake
        self._evidence = evidence
        self._seam = seam
        self._cache = cache
        self._decisions = decisions
        self._is_change_noted = False
        self._is_stir_noted = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def on_order_event(self, event: OrderEvent) -> None:
        """Keep a reference: called for every order event of the node, so the flag comes first."""
        intake = self._intake
        try:
            is_flagged = event.reconciliation  # First: what is no order event ends here
            intake.newest = event
            if is_flagged:
                intake.flagged.append(event)
                if intake.is_over and len(intake.flagged) == 1:
                    self._soon(self._on_flagged)
            elif type(event) is OrderFilled:
                intake.live_fills.append(event)
                if intake.is_over and (
                    event.venue_order_id in intake.reported_orders  # It may be claimed
                    or event.strategy_id.value in UNCLAIMED_STRATEGIES
                ):
                    self._soon(self._on_nobodys_fill, event)
            if intake.is_attentive:
                self._attend(event)
        except Exception as e:
            if isinstance(event, OrderEvent):
                self._decisions.break_off("reading an order event", e)
            # Else it is from outside: whoever writes to a stream names the topic

    def _attend(self, event: OrderEvent) -> None:
        if self._decisions.recovery.is_rechecking and not self._is_change_noted:
            self._is_change_noted = True
            self._soon(self._on_change)
        if not self._is_stir_noted and event.instrument_id.value in self._intake.blocked:
            self._is_stir_noted = True
            self._soon(self._on_stir)
        if type(event) is OrderFilled:
            place = (event.account_id.value, event.instrument_id.value)
            if self._decisions.recovery.is_in_doubt(*place, event.ts_event):
                self._soon(self._on_doubt, *place)

    def _soon(self, call: Callable[..., None], *args: Any) -> None:
        # What a report brings at run time is applied before it is published, in one turn of the
        # loop: so it is looked at when the turn is over
        if self.loop is not None:
            self.loop.call_soon(call, *args)

    def _on_flagged(self) -> None:
        with self._decisions.guarded("reading reconciliation events at run time"):
            made_up = self._intake.made_up_fills(self._cache)
            if not made_up and (stranger := self._intake.stranger(self._cache)) is not None:
                self._stranger_traded(stranger)
                if not self._intake.is_over:
                    return  # The epoch that opened takes all of them
            self._decisions.decide(
                happened.FlaggedAtRuntime(
                    *self._decisions.moment(),
                    is_made_up=bool(made_up),
                    accounts=frozenset(fill.account_id.value for fill in made_up),
                )
            )

    def _on_nobodys_fill(self, fill: OrderFilled) -> None:
        # Most adapters send the fills of an order that is known by now without a report
        with self._decisions.guarded("reading a fill of nobody's"):
            if self._intake.is_strangers(self._cache, fill):
                self._stranger_traded(fill)

    def _stranger_traded(self, fill: OrderFilled) -> None:
        self._decisions.decide(
            happened.StrangerTraded(
                *self._decisions.moment(),
                account_id=fill.account_id.value,
                instrument_id=fill.instrument_id.value,
            )
        )

    def _on_change(self) -> None:
        self._is_change_noted = False
        with self._decisions.guarded("reading an order event"):
            self._decisions.decide(epoch.Changed(self._decisions.moment()[0]))

    def _on_stir(self) -> None:
        self._is_stir_noted = False
        with self._decisions.guarded("reading an order event of a blocked instrument"):
            self._decisions.decide(happened.Stirred(*self._decisions.moment()))

    def _on_doubt(self, account_id: str, instrument_id: str) -> None:
        with self._decisions.guarded("reading a late fill"):
            self._decisions.decide(
                happened.Doubted(
                    *self._decisions.moment(), account_id=account_id, instrument_id=instrument_id
                )
            )

    def on_report(self, report: Report) -> None:
        """Keep what a venue reported."""
        if self._seam.is_repairing:
            return
        with self._decisions.guarded("reading a mass status"):
            if type(report) is ExecutionMassStatus:
                self._on_mass_status(report)
            elif type(report) is OrderStatusReport:
                self._intake.add_order_report(report.venue_order_id)

    def _on_mass_status(self, mass_status: ExecutionMassStatus) -> None:
        self._seam.give_later(mass_status)
        reports = self._seam.reports(mass_status)
        if reports.problem is not None:
            self._decisions.log.error(
                f"The mass status of {mass_status.client_id} proves nothing: {reports.problem}"
            )
            return
        found = reads(reports, *self._intake.counts())
        for account_id, read in found.items():
            self._decisions.decide(
                happened.Reported(*self._decisions.moment(), account_id=account_id, read=read)
            )
            if account_id in self._decisions.recovery.reports:
                self._evidence.add(account_id, read)
