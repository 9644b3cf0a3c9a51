"""
What stands between a client and the engine (long: one way, from the question to the engine).

It keeps what the client reported, and gives the engine a report that it cannot misread.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.messages import GeneratePositionStatusReports
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.events import OrderUpdated
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core import corrections
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.names import EXEC_ENGINE_RECONCILE
from nautilus_recovery_actor.core.names import EXEC_ENGINE_RECONCILE_ONE
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.node.evidence.known import KnownToCache
from nautilus_recovery_actor.node.evidence.known import missing_orders
from nautilus_recovery_actor.node.evidence.questions import Limits
from nautilus_recovery_actor.node.evidence.questions import Questions
from nautilus_recovery_actor.node.evidence.questions import is_asking
from nautilus_recovery_actor.node.evidence.reporters import Reporters
from nautilus_recovery_actor.node.evidence.reports import Reports
from nautilus_recovery_actor.node.evidence.reports import filled
from nautilus_recovery_actor.node.evidence.reports import rebuilt
from nautilus_recovery_actor.node.observing.fills import signed_qty
from nautilus_recovery_actor.node.observing.orders import torn_orders


_MASS_STATUS = "generate_mass_status"
_POSITIONS = "generate_position_status_reports"
# For the engine's queue to take an event before what comes next
_MAX_YIELDS = 1_000
# What can be wrong in a report whatever the cache holds
_COLD = frozenset({Correction.DUPLICATE_FILL, Correction.CASH_POSITION_FLAT})


class UnprovenError(RuntimeError):
    """Raised in place of an answer that the engine would misread."""


class Seam:
    """
    Wraps the clients of one node, each once.

    `on_asked` is called with an account whose client is about to report without being asked by the
    monitor, `on_idle` when no client is any more, and `break_off` with what was being done when
    this raised.
    """

    def __init__(
        self,
        cache: CacheFacade,
        msgbus: MessageBus,
        clock: LiveClock,
        log: Logger,
        limits: Limits,
        on: frozenset[Correction],
        reporters: Reporters,
        on_asked: Callable[[str], None],
        on_idle: Callable[[], None],
        break_off: Callable[[str, Exception], None],
    ) -> None:
        self._cache = cache
        self._msgbus = msgbus
        self._clock = clock
        self._log = log
        self._limits = limits
        self._on = on
        self._reporters = reporters
        self._on_asked = on_asked
        self._on_idle = on_idle
        self._break_off = break_off
        self._engine: ExecutionEngine | None = None
        self._reconcile: Callable[[ExecutionMassStatus], None] | None = None
        self._seen: dict[str, Reports] = {}
        # The clients that are making a mass status
        self.busy: set[str] = set()
        # Whether the engine is being given what a repair consists of, which is no report
        self.is_repairing = False

    @property
    def may_report_again(self) -> bool:
        """Whether the engine may be given a mass status that it did not ask for."""
        return bool(self._on) and getattr(self._engine, "reconciliation", False)

    @property
    def lookback_mins(self) -> int | None:
        """How far back a mass status is to reach, in minutes, ``None`` for all there is."""
        return getattr(self._engine, "reconciliation_lookback_mins", None) or None

    # -- OPENING AND CLOSING --

    def open(self, engine: ExecutionEngine) -> None:
        """Wrap the clients of an engine that has not reconciled yet."""
        if self._engine is not None:
            return
        self._engine = engine
        for client in internals.clients(engine) or ():
            if isinstance(client, LiveExecutionClient) and internals.are_clients_open():
                self._wrap(client)
        reconcile = getattr(engine, "reconcile_execution_mass_status", None)
        if reconcile is not None and EXEC_ENGINE_RECONCILE in self._msgbus.endpoints():
            self._reconcile = reconcile
            self._msgbus.deregister(EXEC_ENGINE_RECONCILE, reconcile)
            self._msgbus.register(EXEC_ENGINE_RECONCILE, self._on_sent)

    def close(self) -> None:
        """Leave the clients as they were."""
        for questions in self._reporters.questions.values():
            questions.close()
            internals.take_back(questions.client, _MASS_STATUS, _POSITIONS)
        if self._reconcile is not None and self._engine is not None:
            self._msgbus.deregister(EXEC_ENGINE_RECONCILE, self._on_sent)
            self._msgbus.register(EXEC_ENGINE_RECONCILE, self._reconcile)
            self._reconcile = None

    def _wrap(self, client: LiveExecutionClient) -> None:
        questions = Questions(client, self._limits, self._clock, self._log)
        self._reporters.questions[client.id.value] = questions
        mass_status, positions = (
            client.generate_mass_status,
            client.generate_position_status_reports,
        )

        async def generate_mass_status(*args: Any, **kwargs: Any) -> ExecutionMassStatus | None:
            return await self._answered(questions, lambda: mass_status(*args, **kwargs))

        async def generate_position_status_reports(
            command: GeneratePositionStatusReports,
        ) -> list[PositionStatusReport]:
            reports = await positions(command)
            if is_asking.get():
                return reports
            try:
                return await self._told(questions, command, reports)
            except UnprovenError:
                raise
            except Exception as e:
                self._break_off("correcting positions", e)
                return reports

        internals.put(client, _MASS_STATUS, generate_mass_status)
        internals.put(client, _POSITIONS, generate_position_status_reports)

    # -- A MASS STATUS, FROM THE QUESTION TO THE ENGINE --

    async def _answered(
        self, questions: Questions, question: Callable[[], Awaitable[ExecutionMassStatus | None]]
    ) -> ExecutionMassStatus | None:
        client = questions.client
        if client.account_id is not None and not is_asking.get():
            self._on_asked(client.account_id.value)
        self.busy.add(client.id.value)
        try:
            return await self._mass_status(questions, question)
        finally:
            self.busy.discard(client.id.value)
            if not self.busy:
                self._on_idle()

    async def _mass_status(
        self, questions: Questions, question: Callable[[], Awaitable[ExecutionMassStatus | None]]
    ) -> ExecutionMassStatus | None:
        client, omitted = questions.client, set[InstrumentId]()

        def is_useless(mass_status: ExecutionMassStatus | None, attempt: int) -> str | None:
            if mass_status is None:
                return "no mass status"
            try:
                missing = self._omitted(mass_status)
            except Exception as e:
                self._break_off("looking for what a mass status leaves out", e)
                return None
            is_news = missing and missing != omitted
            omitted.clear()
            omitted.update(missing)
            if not is_news or attempt == self._limits.retries:
                return None  # Asked twice, and left out twice
            names = corrections.listed(sorted(each.value for each in missing))
            return f"it leaves out what was just held: {names}"

        asked = await questions.ask("its mass status", question, is_useless)
        mass_status: ExecutionMassStatus | None = asked.value
        problem = asked.problem
        if mass_status is None:
            self._log.error(f"{client.id} gave no mass status: {problem}")
            return None
        try:
            return await self._corrected(questions, mass_status, problem)
        except Exception as e:  # The node starts all the same, and the gates stay closed
            self._break_off("correcting a mass status", e)
            return mass_status

    async def _corrected(
        self, questions: Questions, mass_status: ExecutionMassStatus, problem: str | None
    ) -> ExecutionMassStatus:
        orders, fills = _as_made(mass_status)
        asked: list[OrderStatusReport] = []
        if Correction.ORDER_ASKED in self._on:
            asked = await self._ask_for_missing(questions, mass_status, orders, fills)
        reports, renamed = self._given(mass_status, orders, fills, problem)
        reports.corrections.extend(_noted(Correction.ORDER_ASKED, asked, "client_order_id"))
        await self._rename(renamed)
        return reports.given

    def _on_sent(self, mass_status: ExecutionMassStatus) -> None:
        # Sent by an adapter: most of them have asked for it, and it was corrected then
        if self._is_given(mass_status):
            self._on_given(mass_status)
            return
        try:
            reports, renamed = self._given(mass_status, *_as_made(mass_status), None)
        except Exception as e:
            self._break_off("correcting a mass status that was sent", e)
            self._on_given(mass_status)
            return
        if renamed:
            self._later = asyncio.ensure_future(self._rename_first(renamed, reports.given))
        else:
            self._on_given(reports.given)

    async def _rename_first(
        self, renamed: list[tuple[Order, OrderStatusReport]], given: ExecutionMassStatus
    ) -> None:
        try:
            await self._rename(renamed)
        except Exception as e:
            self._break_off("renaming orders", e)
        self._on_given(given)

    def _on_given(self, mass_status: ExecutionMassStatus) -> None:
        if self._reconcile is not None:
            self._reconcile(mass_status)

    def reconcile(
        self, account_id: AccountId, report: OrderStatusReport, fills: list[FillReport]
    ) -> None:
        """Give the engine one order, with its trades, as its client reported them."""
        client = next(
            questions.client
            for questions in self._reporters.questions.values()
            if account_id.value in self._reporters.accounts_of(questions.client)
        )
        assert self._engine is not None
        mass_status = ExecutionMassStatus(
            client_id=client.id,
            account_id=account_id,
            venue=report.instrument_id.venue,
            report_id=UUID4(),
            ts_init=self._clock.timestamp_ns(),
        )
        mass_status.add_order_reports([report])
        mass_status.add_fill_reports(fills)
        self.is_repairing = True
        try:
            self._engine.reconcile_execution_mass_status(mass_status)
        finally:
            self.is_repairing = False

    def _is_given(self, mass_status: ExecutionMassStatus) -> bool:
        seen = self._seen.get(mass_status.client_id.value)
        return seen is not None and seen.given is mass_status

    def reports(self, mass_status: ExecutionMassStatus) -> Reports:
        """Return what the client reported for which the engine was given `mass_status`."""
        if self._is_given(mass_status):
            return self._seen[mass_status.client_id.value]
        # It went round: the engine may have edited what is in it
        orders, fills = _as_made(mass_status)
        is_as_made = not ((orders or fills) and internals.edits_mass_status())
        positions = [one for each in mass_status.position_reports.values() for one in each]
        if not is_as_made:
            orders, fills = [], []
        return Reports(
            mass_status,
            tuple(orders),
            tuple(fills),
            positions,
            self._reporters.accounts(mass_status),
            is_as_made=is_as_made,
        )

    def give_later(self, mass_status: ExecutionMassStatus) -> None:
        """Give the engine, which has reconciled a mass status, what it is to have after it."""
        later = self._seen[mass_status.client_id.value].later if self._is_given(mass_status) else []
        if not later:
            return
        reports = list(later)
        later.clear()
        # So that it does not ask for them again
        mass_status.add_position_reports(
            [report for report in reports if isinstance(report, PositionStatusReport)]
        )
        for report in reports:
            self._msgbus.send(EXEC_ENGINE_RECONCILE_ONE, report)

    def _given(
        self,
        mass_status: ExecutionMassStatus,
        orders: list[OrderStatusReport],
        fills: list[FillReport],
        problem: str | None,
    ) -> tuple[Reports, list[tuple[Order, OrderStatusReport]]]:
        positions = [one for each in mass_status.position_reports.values() for one in each]
        self._reporters.note(positions)
        self._forget_torn((*orders, *fills))
        accounts = self._reporters.accounts(mass_status)
        reports = Reports(
            mass_status, tuple(orders), tuple(fills), list(positions), accounts, problem
        )
        renamed: list[tuple[Order, OrderStatusReport]] = []
        account_id = self._reporters.account_id(mass_status)
        if account_id is not None and (self._on or mass_status.account_id is None):
            known = KnownToCache(self._cache, accounts)
            done = corrections.correct(
                orders,
                fills,
                positions,
                known,
                rebuilt,
                # With nothing in the cache the others have nothing to compare a report with
                self._on
                if self._cache.orders_total_count() or self._cache.positions_total_count()
                else self._on & _COLD,
                is_price_average=self._reporters.is_price_average(mass_status),
            )
            renamed = done.renamed
            later, cold = self._apart(done, known)
            reports.corrections.extend(done.made)
            reports.later.extend(self._left_out(done.orders, known))
            reports.later.extend(later)
            given = filled(mass_status, account_id, done.orders, done.fills, cold)
            reports.given = given
        self._seen[mass_status.client_id.value] = reports
        return reports, renamed

    def _forget_torn(self, reports: Iterable[OrderStatusReport | FillReport]) -> None:
        for client_order_id in torn_orders(self._cache, reports):
            self._log.warning(
                f"The venue has {client_order_id}, but only its position was stored when the "
                f"node was killed: its entry was removed, so that the engine can add the order"
            )
            self._cache.purge_order(client_order_id)

    def _apart(
        self, done: corrections.Corrected, known: KnownToCache
    ) -> tuple[list[PositionStatusReport], list[PositionStatusReport]]:
        # Where the engine sees a position it takes the trades reported for all that there were,
        # and makes up what is missing: of what the cache knows it would be given only the rest, and
        # where nothing is missing it can drop an open order that is filled in part
        positions: list[PositionStatusReport] = done.positions
        is_filtering = getattr(self._engine, "filter_position_reports", False)
        if not self._on or not internals.edits_mass_status() or is_filtering:
            return [], positions
        traded = _traded(done)
        parts = {one.instrument_id for one in done.orders if one.is_open and one.filled_qty > 0}
        later: list[PositionStatusReport] = []
        cold: list[PositionStatusReport] = []
        for report in positions:
            instrument_id = report.instrument_id
            is_whole = traded.get(instrument_id) == report.signed_decimal_qty
            is_known = known.is_warm(instrument_id) or (is_whole and instrument_id in parts)
            (later if is_known and report.venue_position_id is None else cold).append(report)
        return later, cold

    def _left_out(
        self, orders: list[OrderStatusReport], known: KnownToCache
    ) -> list[OrderStatusReport]:
        # An engine that edits leaves out an order of equal status, whatever its price
        if not self._on or not internals.edits_mass_status():
            return []
        return [report for report in orders if _is_amended(report, known)]

    def _omitted(self, mass_status: ExecutionMassStatus) -> set[InstrumentId]:
        known = KnownToCache(self._cache, self._reporters.accounts(mass_status))
        reported = mass_status.position_reports
        rest = {
            each: qty
            for each, qty in known.instruments_held().items()
            if qty and each not in reported and known.base(each) is None
        }
        for fills in mass_status.fill_reports.values() if rest else ():
            for fill in fills:
                if fill.instrument_id in rest:
                    order = known.order_at_venue(fill.venue_order_id)
                    if order is None or fill.trade_id not in order.trade_ids:
                        rest[fill.instrument_id] += signed_qty(fill)
        return {each for each, qty in rest.items() if qty}

    async def _ask_for_missing(
        self,
        questions: Questions,
        mass_status: ExecutionMassStatus,
        orders: list[OrderStatusReport],
        fills: list[FillReport],
    ) -> list[OrderStatusReport]:
        accounts = self._reporters.accounts(mass_status)
        asked = await questions.single(missing_orders(self._cache, accounts, orders))
        reported = {fill.venue_order_id for fill in fills}
        for report in asked:
            if report.filled_qty > 0 and report.venue_order_id not in reported:
                fills += await questions.fills(report)
        orders += asked
        return asked

    async def _rename(self, renamed: list[tuple[Order, OrderStatusReport]]) -> None:
        for order, report in renamed:
            self._msgbus.send(EXEC_ENGINE_PROCESS, _update(order, report, self._clock))
        for order, report in renamed:
            for _ in range(_MAX_YIELDS):
                known = order.venue_order_id
                if known is not None and known == report.venue_order_id:
                    break
                await asyncio.sleep(0)

    # -- THE ENGINE'S OWN QUESTIONS --

    async def _told(
        self,
        questions: Questions,
        command: GeneratePositionStatusReports,
        reports: list[PositionStatusReport],
    ) -> list[PositionStatusReport]:
        client = questions.client
        self._reporters.note(reports)
        seen = self._seen.get(client.id.value)
        if seen is not None and command.instrument_id is not None:
            seen.positions.extend(reports)
        if not self._on or client.account_id is None:
            return reports
        known = KnownToCache(self._cache, self._reporters.accounts_of(client))
        if command.instrument_id is None and not reports and any(known.instruments_held().values()):
            # The engine would take it for the end of each position, and make up what closed it
            if not self._reporters.is_reporting(client):
                raise UnprovenError(
                    f"{client.account_id} reports no positions: that none is reported means nothing"
                )
            again = await questions.positions()
            if again.problem is not None:
                raise UnprovenError(f"{client.account_id} does not report: {again.problem}")
            reports = again.value
        if Correction.CASH_POSITION_FLAT not in self._on:
            return reports
        kept, untrue = corrections.cash_positions(reports, known)
        if seen is not None:
            seen.corrections.extend(
                _noted(Correction.CASH_POSITION_FLAT, untrue, "signed_decimal_qty")
            )
        return kept


def _as_made(mass_status: ExecutionMassStatus) -> tuple[list[OrderStatusReport], list[FillReport]]:
    fills = [fill for each in mass_status.fill_reports.values() for fill in each]
    return list(mass_status.order_reports.values()), fills


def _is_amended(report: OrderStatusReport, known: KnownToCache) -> bool:
    order = None if report.client_order_id is None else known.order(report.client_order_id)
    return bool(
        order is not None
        and not order.is_closed
        and order.status == report.order_status
        and order.filled_qty == report.filled_qty
    )


def _traded(done: corrections.Corrected) -> dict[InstrumentId, Decimal]:
    # By the orders that are reported
    numbered = {report.venue_order_id for report in done.orders}
    traded: dict[InstrumentId, Decimal] = defaultdict(Decimal)
    for fill in done.fills:
        if fill.venue_order_id in numbered:
            traded[fill.instrument_id] += signed_qty(fill)
    return traded


def _noted(name: Correction, reports: Iterable[Any], subject: str) -> list[CorrectionMade]:
    return list(corrections.noted(name, reports, subject))


def _update(order: Order, report: OrderStatusReport, clock: LiveClock) -> OrderUpdated:
    return OrderUpdated(
        trader_id=order.trader_id,
        strategy_id=order.strategy_id,
        instrument_id=order.instrument_id,
        client_order_id=order.client_order_id,
        venue_order_id=report.venue_order_id,
        account_id=report.account_id,
        quantity=order.quantity,
        price=order.price if order.has_price else None,
        trigger_price=order.trigger_price if order.has_trigger_price else None,
        event_id=UUID4(),
        ts_event=report.ts_last,
        ts_init=clock.timestamp_ns(),
        reconciliation=True,
    )
