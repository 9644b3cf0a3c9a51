"""
What comes in from the bus while a node runs, and how it becomes facts for the core.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Sequence
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
from nautilus_recovery_actor.node.monitor.decisions import Decisions
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.orders import torn_orders


Report: TypeAlias = ExecutionMassStatus | OrderStatusReport | FillReport | PositionStatusReport


class Incoming:
    """Keeps what comes in, and says what the core has to know of it, each in a guard of its own."""

    def __init__(
        self, intake: Intake, evidence: Evidence, cache: CacheFacade, decisions: Decisions
    ) -> None:
        self._intake = intake
        self._evidence = evidence
        self._cache = cache
        self._decisions = decisions
        self._is_change_noted = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def on_order_event(self, event: OrderEvent) -> None:
        """Keep a reference: called for every order event of the node, so the flag comes first."""
        try:
            self._intake.has_news = True
            if event.reconciliation:
                self._intake.flagged.append(event)
                if self._intake.is_over and len(self._intake.flagged) == 1:
                    self._soon(self._on_flagged)
            elif type(event) is OrderFilled:
                self._intake.live_fills.append(event)
            if self._intake.is_attentive:
                self._attend(event)
        except Exception as e:
            self._decisions.break_off("reading an order event", e)

    def _attend(self, event: OrderEvent) -> None:
        if self._decisions.recovery.is_rechecking and not self._is_change_noted:
            self._is_change_noted = True
            self._soon(self._on_change)
        if type(event) is OrderFilled:
            place = (event.account_id.value, event.instrument_id.value)
            if self._decisions.recovery.is_in_doubt(*place, event.ts_event):
                self._soon(self._on_doubt, *place)

    def _soon(self, call: Callable[..., None], *args: str) -> None:
        # What a report brings at run time is applied before it is published, in one turn of the
        # loop: so it is looked at when the turn is over
        if self.loop is not None:
            self.loop.call_soon(call, *args)

    def _on_flagged(self) -> None:
        with self._decisions.guarded("reading reconciliation events at run time"):
            is_made_up = bool(self._intake.made_up_fills(self._cache))
            self._decisions.decide(
                happened.FlaggedAtRuntime(*self._decisions.moment(), is_made_up=is_made_up)
            )

    def _on_change(self) -> None:
        self._is_change_noted = False
        with self._decisions.guarded("reading an order event"):
            self._decisions.decide(epoch.Changed(self._decisions.moment()[0]))

    def _on_doubt(self, account_id: str, instrument_id: str) -> None:
        with self._decisions.guarded("reading a late fill"):
            self._decisions.decide(
                happened.Doubted(
                    *self._decisions.moment(), account_id=account_id, instrument_id=instrument_id
                )
            )

    def on_report(self, report: Report) -> None:
        """Keep what a venue reported."""
        with self._decisions.guarded("reading a mass status"):
            if type(report) is ExecutionMassStatus:
                account_id, read = report.account_id.value, self._intake.reading(report)
                reported = happened.Reported(
                    *self._decisions.moment(), account_id=account_id, read=read
                )
                self._decisions.decide(reported)
                if account_id in self._decisions.recovery.reports:
                    self._evidence.add(account_id, read)
            elif type(report) is OrderStatusReport:
                self._intake.add_order_report(report.venue_order_id)

    def on_reports_added(
        self, _: object, reports: Sequence[OrderStatusReport | FillReport]
    ) -> None:
        """Forget what a kill has torn, before the engine sees it."""
        try:
            for client_order_id in torn_orders(self._cache, reports):
                self._decisions.log.warning(
                    f"The venue has {client_order_id}, but only its position was stored when the "
                    f"node was killed: its entry was removed, so that the engine can add the order"
                )
                self._cache.purge_order(client_order_id)
        except Exception as e:
            self._decisions.log.exception(
                "Looking for orders that were only partly stored raised", e
            )
