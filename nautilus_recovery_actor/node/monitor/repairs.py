"""
Carries out what the core has planned to make the cache equal to the venue.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterable

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import MessageBus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.names import EXEC_ENGINE_PROCESS
from nautilus_recovery_actor.core.repair.steps import Adopt
from nautilus_recovery_actor.core.repair.steps import Book
from nautilus_recovery_actor.core.repair.steps import End
from nautilus_recovery_actor.core.repair.steps import Fill
from nautilus_recovery_actor.core.repair.steps import Infer
from nautilus_recovery_actor.core.repair.steps import Operation
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.repair.steps import Update
from nautilus_recovery_actor.node.evidence.past import Past
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.monitor.repair_events import RepairEvents
from nautilus_recovery_actor.node.observing.exits import own_positions


# The engine takes an event from its queue within a few turns of the loop
_WAIT_SECS = 5.0
_TURNS = 100


class StoppedError(Exception):
    """Raised where a step cannot be made as it was planned, with the reason."""


class Repairs:
    """
    Has the execution engine do one operation after another, so that strategies see native events.

    Each is made only if the cache still holds what it was planned for, and the next one only once
    the cache shows it. Reports reach the engine through the `seam`, which tells nobody else.
    """

    def __init__(
        self, cache: CacheFacade, msgbus: MessageBus, events: RepairEvents, past: Past, seam: Seam
    ) -> None:
        self._cache = cache
        self._msgbus = msgbus
        self._events = events
        self._past = past
        self._seam = seam

    def forget(self) -> None:
        """Let go of what venues reported for an epoch that is over."""
        self._past.forget()

    async def carry_out(self, steps: Iterable[Step]) -> tuple[int, str | None]:
        """Make the steps, and return how many were made, and why the next one was not."""
        made = 0
        for step in steps:
            try:
                self._check(step)
                for operation in step.operations:
                    await self._do(step, operation)
            except StoppedError as e:
                return made, f"{step.told.detail}: {e}"
            made += 1
        return made, None

    def _check(self, step: Step) -> None:
        # All that it changes, before any of it is changed: half a move would be a new difference
        books = [one for one in step.operations if isinstance(one, Book)]
        first = {one.position_id or one.strategy_id: one for one in reversed(books)}
        for book in first.values():
            self._held(book, step)

    def _held(self, book: Book, step: Step) -> Position | None:
        position = self._position(book.strategy_id, book.position_id, step)
        held = 0 if position is None else position.signed_decimal_qty()
        if held != book.held:
            raise StoppedError(f"the position holds {held} by now, and not {book.held}")
        return position

    async def _do(self, step: Step, operation: Operation) -> None:
        account_id, instrument_id = AccountId(step.told.account_id), step.told.instrument_id
        instrument = self._cache.instrument(InstrumentId.from_str(instrument_id))
        if instrument is None:
            raise StoppedError(f"{instrument_id} is not loaded")
        match operation:
            case Book():
                await self._book(operation, step, instrument)
            case Fill():
                await self._fill(operation, account_id, instrument)
            case Infer():
                await self._infer(operation, account_id, instrument)
            case Update():
                await self._update(operation, account_id)
            case End():
                order = self._alive(operation.client_order_id)
                self._send(self._events.ended(order, account_id, operation))
                await self._until(lambda: order.is_closed)
            case Adopt():
                await self._adopt(operation, account_id)

    async def _book(self, book: Book, step: Step, instrument: Instrument) -> None:
        position, account_id = self._held(book, step), AccountId(step.told.account_id)
        order = self._events.order_for(self._with_target(book, step), instrument)
        position_id = None if book.position_id is None else PositionId(book.position_id)
        if position is not None:
            position_id = position.id
        self._make_room(position_id, order.strategy_id)
        # A kill between the two would leave a position of an order that there is not
        self._cache.add_order(order)
        if position_id is not None:
            self._cache.add_position_id(
                position_id, instrument.id.venue, order.client_order_id, order.strategy_id
            )
        for event in self._events.booked(order, instrument, account_id, position_id, book.px):
            self._send(event)
        await self._until(lambda: order.is_closed)

    def _with_target(self, book: Book, step: Step) -> Book:
        # A strategy may have another position by the time that the rest of the move is made
        if book.goes_to is None:
            return book
        strategy_id, position_id = book.goes_to
        target = self._position(strategy_id, position_id, step)
        if target is None:
            return book
        return msgspec.structs.replace(book, goes_to=(strategy_id, target.id.value))

    def _position(self, strategy_id: str, position_id: str | None, step: Step) -> Position | None:
        if position_id is not None:
            return self._cache.position(PositionId(position_id))
        account_id, instrument_id = step.place
        held = own_positions(
            self._cache, StrategyId(strategy_id), InstrumentId.from_str(instrument_id)
        )
        own = [one for one in held if one.account_id.value == account_id]
        if len(own) > 1:
            raise StoppedError(f"{strategy_id} holds {len(own)} positions by now, any may be meant")
        return next(iter(own), None)

    async def _fill(self, fill: Fill, account_id: AccountId, instrument: Instrument) -> None:
        order = self._order(fill.client_order_id)
        report = self._past.fill(account_id.value, fill.venue_order_id, fill.trade_id)
        if report is None or report.trade_id in order.trade_ids:
            raise StoppedError("the cache has it by now")
        filled = self._events.filled(order, report, instrument)
        self._make_room(filled.position_id, order.strategy_id)
        self._send(filled)
        await self._until(lambda: report.trade_id in order.trade_ids)

    async def _infer(self, infer: Infer, account_id: AccountId, instrument: Instrument) -> None:
        order = self._order(infer.client_order_id)
        filled = order.filled_qty.as_decimal() + abs(infer.qty)
        if order.filled_qty.as_decimal() != infer.filled or filled > order.quantity:
            raise StoppedError(f"the cache has {order.filled_qty} of it filled by now")
        inferred = self._events.inferred(order, infer, account_id, instrument)
        self._make_room(inferred.position_id, order.strategy_id)
        self._send(inferred)
        await self._until(lambda: order.filled_qty == filled)

    async def _update(self, update: Update, account_id: AccountId) -> None:
        order = self._alive(update.client_order_id)
        report = self._past.order(account_id.value, update.venue_order_id)
        ts_event = order.ts_last if report is None else report.ts_last
        new = VenueOrderId(update.venue_order_id)
        if order.venue_order_id is None:
            self._send(self._events.accepted(order, account_id, new, ts_event))
        updated = self._events.updated(order, account_id, update, ts_event)
        self._send(updated)
        await self._until(lambda: order.last_event.id == updated.id)

    async def _adopt(self, adopt: Adopt, account_id: AccountId) -> None:
        report = self._past.order(account_id.value, adopt.venue_order_id)
        if report is None:
            raise StoppedError("the venue's report of it is gone")
        fills = [
            fill
            for trade_id in adopt.trade_ids
            if (fill := self._past.fill(account_id.value, adopt.venue_order_id, trade_id))
        ]
        for fill in fills:
            self._make_room(fill.venue_position_id, StrategyId(adopt.strategy_id))
        self._seam.reconcile(account_id, report, fills)
        await self._until(lambda: self._is_adopted(report, fills))

    def _is_adopted(self, report: OrderStatusReport, fills: Iterable[FillReport]) -> bool:
        found = (report.client_order_id, self._cache.client_order_id(report.venue_order_id))
        orders = (self._cache.order(each) for each in found if each is not None)
        order = next((order for order in orders if order is not None), None)
        return (
            order is not None
            and all(fill.trade_id in order.trade_ids for fill in fills)
            and order.filled_qty >= report.filled_qty
        )

    def _make_room(self, position_id: PositionId | None, strategy_id: StrategyId) -> None:
        # A position that another strategy has closed: 1.221 would go on with it, as that one's, and
        # 1.231 would forget what it has realized
        position = None if position_id is None else self._cache.position(position_id)
        if position is None or position.is_open or position.strategy_id == strategy_id:
            return
        lives = [*self._cache.position_snapshots(position_id), position]
        self._cache.purge_position(position_id, purge_from_database=True)
        for life in lives:
            self._cache.snapshot_position(life)

    def _order(self, client_order_id: str) -> Order:
        order = self._cache.order(ClientOrderId(client_order_id))
        if order is None:
            raise StoppedError(f"the order {client_order_id} is gone")
        return order

    def _alive(self, client_order_id: str) -> Order:
        order = self._order(client_order_id)
        if order.is_closed:
            raise StoppedError(f"the order is {order.status_string()} by now")
        return order

    def _send(self, event: OrderEvent) -> None:
        self._msgbus.send(EXEC_ENGINE_PROCESS, event)

    async def _until(self, is_done: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        deadline, turns = loop.time() + _WAIT_SECS, 0
        while not is_done():
            if loop.time() > deadline:
                raise StoppedError("the execution engine did not do it, see the node's log")
            turns += 1
            await asyncio.sleep(0 if turns < _TURNS else 0.01)
