"""
The execution client of a paper venue (long: NautilusTrader wants one class per client).
"""

import asyncio
from datetime import datetime

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.execution import messages
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.orders import Order as NautilusOrder

from nautilus_recovery_actor.testkit.config import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit.connection import VenueConnection
from nautilus_recovery_actor.testkit.events import account_balance
from nautilus_recovery_actor.testkit.events import generate_event
from nautilus_recovery_actor.testkit.events import generate_rejection
from nautilus_recovery_actor.testkit.events import ids_of
from nautilus_recovery_actor.testkit.faults import MassStatusFault
from nautilus_recovery_actor.testkit.instruments import configured_provider
from nautilus_recovery_actor.testkit.records import BalanceEvent
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import EventKind
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.records import SendMassStatus
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.reports import Translation
from nautilus_recovery_actor.testkit.reports import UnsupportedOrderError
from nautilus_recovery_actor.testkit.reports import new_order
from nautilus_recovery_actor.testkit.session import Session
from nautilus_recovery_actor.testkit.wire import CallError
from nautilus_recovery_actor.testkit.wire import Push
from nautilus_recovery_actor.testkit.wire import call


_MAX_YIELDS = 1_000


class PaperVenueExecutionClient(LiveExecutionClient):
    """
    Provides an execution client for one account at a paper venue.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop for the client.
    name : str
        The client ID.
    config : PaperVenueExecClientConfig
        The configuration for the client.
    msgbus : MessageBus
        The message bus for the client.
    cache : Cache
        The cache for the client.
    clock : LiveClock
        The clock for the client.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: PaperVenueExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(name),
            venue=Venue(config.venue) if config.is_venue_client else None,
            oms_type=OmsType[config.oms_type],
            account_type=AccountType[config.account_type],
            base_currency=None,
            instrument_provider=configured_provider(config),
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self._set_account_id(AccountId(config.account_id))
        self._adds_instruments = config.add_instruments
        self._sends_reports = config.live_fill_reports
        self._translation = Translation(
            config.venue, self.account_id, config.price_precision, config.size_precision
        )
        self._connection = VenueConnection(
            config.host,
            config.port,
            hello=call(Session.hello_trading, config.account_id, Oms(config.oms_type)),
            on_push=self._on_push,
            on_reconnect=self._on_reconnect,
        )

    async def _connect(self) -> None:
        await self._instrument_provider.initialize()
        if self._adds_instruments:
            for instrument in self._instrument_provider.list_all():
                self._cache.add_instrument(instrument)
        await self._connection.open()
        await self._send_balances()
        await self._await_account_registered(log_registered=False)

    async def _disconnect(self) -> None:
        await self._connection.close()

    async def _on_reconnect(self) -> None:
        try:
            await self._send_balances()
            await self._send_mass_status()
        except CallError as e:
            self._log.warning(f"After the reconnect: {e}")

    async def _send_mass_status(self) -> None:
        mass_status = await self.generate_mass_status()
        if mass_status is not None:
            self._send_mass_status_report(mass_status)

    async def _send_balances(self) -> None:
        self._apply_balances(await self._connection.request(call(Session.query_balances)))

    def _apply_balances(self, event: BalanceEvent) -> None:
        self.generate_account_state(
            balances=[account_balance(b) for b in event.balances],
            margins=[],
            reported=True,
            ts_event=event.ts,
        )

    # -- COMMANDS ----------------------------------------------------------------------------------

    async def _submit_order(self, command: messages.SubmitOrder) -> None:
        await self._submit([command.order], command.position_id)

    async def _submit_order_list(self, command: messages.SubmitOrderList) -> None:
        await self._submit(command.order_list.orders, command.position_id)

    async def _submit(self, orders: list[NautilusOrder], position_id: PositionId | None) -> None:
        taken: dict[str, NewOrder] = {}
        for order in orders:
            self.generate_order_submitted(*ids_of(order), self._clock.timestamp_ns())
            try:
                taken[order.client_order_id.value] = new_order(order, position_id)
            except UnsupportedOrderError as e:
                self._reject(order, str(e))
        if not taken:
            return
        if self._sends_reports:
            await self._until_submitted(orders)
        try:
            self._connection.send(call(Session.submit_orders, tuple(taken.values())))
        except CallError as e:
            for order in orders:
                if order.client_order_id.value in taken:
                    self._reject(order, str(e))

    async def _until_submitted(self, orders: list[NautilusOrder]) -> None:
        # Reports are reconciled at once and overtake the events in the engine's queue
        for _ in range(_MAX_YIELDS):
            if all(order.status != OrderStatus.INITIALIZED for order in orders):
                return
            await asyncio.sleep(0)

    def _reject(self, order: NautilusOrder, reason: str) -> None:
        self.generate_order_rejected(*ids_of(order), reason, self._clock.timestamp_ns())

    async def _modify_order(self, command: messages.ModifyOrder) -> None:
        self._connection.send(
            call(
                Session.modify_order,
                _order_id(command),
                qty=command.quantity.as_decimal() if command.quantity else None,
                px=command.price.as_decimal() if command.price else None,
                trigger_px=command.trigger_price.as_decimal() if command.trigger_price else None,
            )
        )

    async def _cancel_order(self, command: messages.CancelOrder) -> None:
        self._cancel([command])

    async def _batch_cancel_orders(self, command: messages.BatchCancelOrders) -> None:
        self._cancel(command.cancels)

    def _cancel(self, commands: list[messages.CancelOrder]) -> None:
        order_ids = tuple(_order_id(c) for c in commands)
        self._connection.send(call(Session.cancel_orders, order_ids))

    async def _cancel_all_orders(self, command: messages.CancelAllOrders) -> None:
        side = command.order_side
        self._connection.send(
            call(
                Session.cancel_all,
                symbol=command.instrument_id.symbol.value,
                side=None if side == OrderSide.NO_ORDER_SIDE else Side(OrderSide(side).name),
            )
        )

    async def _query_account(self, command: messages.QueryAccount) -> None:  # noqa: ARG002
        await self._send_balances()

    # -- REPORTS -----------------------------------------------------------------------------------

    async def generate_mass_status(
        self, lookback_mins: int | None = None
    ) -> ExecutionMassStatus | None:
        """
        Generate an `ExecutionMassStatus` report, or fail as the venue is set to.

        Parameters
        ----------
        lookback_mins : int, optional
            The maximum lookback for querying closed orders and trades.

        """
        fault = await self._connection.request(call(Session.begin_mass_status))
        if fault is MassStatusFault.RAISE:
            raise CallError(f"account {self.account_id}: the mass status is set to fail")
        if fault is MassStatusFault.NONE:
            return None
        return await super().generate_mass_status(lookback_mins)

    async def generate_order_status_report(
        self, command: messages.GenerateOrderStatusReport
    ) -> OrderStatusReport | None:
        """Generate an `OrderStatusReport` for one order, ``None`` if the venue does not know it."""
        query = call(Session.query_orders, order_id=_order_id(command))
        try:
            orders = await self._connection.request(query)
        except CallError as e:
            self._log.error(f"Cannot query order {_order_id(command)}: {e}")
            return None
        if not orders:
            return None
        return self._translation.order_report(orders[0], self._clock.timestamp_ns())

    async def generate_order_status_reports(
        self, command: messages.GenerateOrderStatusReports
    ) -> list[OrderStatusReport]:
        """Generate the `OrderStatusReport`s of an instrument or of all."""
        query = call(
            Session.query_orders,
            symbol=_symbol(command),
            open_only=command.open_only,
            since_ns=_unix_ns(command.start),
        )
        orders = await self._connection.request(query)
        return [self._translation.order_report(o, self._clock.timestamp_ns()) for o in orders]

    async def generate_fill_reports(
        self, command: messages.GenerateFillReports
    ) -> list[FillReport]:
        """Generate the `FillReport`s of an order, an instrument or all."""
        query = call(
            Session.query_fills,
            symbol=_symbol(command),
            order_id=command.venue_order_id.value if command.venue_order_id else None,
            since_ns=_unix_ns(command.start),
        )
        fills = await self._connection.request(query)
        return [self._translation.fill_report(f, self._clock.timestamp_ns()) for f in fills]

    async def generate_position_status_reports(
        self, command: messages.GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """Generate the `PositionStatusReport`s of an instrument or of all."""
        query = call(Session.query_positions, symbol=_symbol(command))
        positions = await self._connection.request(query)
        return [self._translation.position_report(x, self._clock.timestamp_ns()) for x in positions]

    # -- WHAT THE VENUE PUSHES ---------------------------------------------------------------------

    def _on_push(self, push: Push) -> None:
        try:
            self._take_push(push)
        except Exception as e:
            # One event that cannot be applied must not end the connection
            self._log.exception(f"Cannot apply {push}", e)

    def _take_push(self, push: Push) -> None:
        match push:
            case OrderEvent():
                self._on_order_event(push)
            case CommandRejected():
                self._on_rejection(push)
            case BalanceEvent():
                self._apply_balances(push)
            case SendMassStatus():
                self.create_task(self._send_mass_status(), log_msg="send_mass_status")

    def _on_order_event(self, event: OrderEvent) -> None:
        order = self._cached_order(event.order.client_order_id, event.order.venue_order_id)
        if order is not None and not (self._sends_reports and _is_reported(event)):
            generate_event(self, self._translation, order, event)
        elif event.fill is not None:
            self._send_fill_report(
                self._translation.fill_report(event.fill, self._clock.timestamp_ns())
            )
        elif event.kind is not EventKind.REJECTED:
            self._send_order_status_report(
                self._translation.order_report(event.order, self._clock.timestamp_ns())
            )

    def _on_rejection(self, rejected: CommandRejected) -> None:
        order = self._cached_order(rejected.client_order_id, rejected.venue_order_id)
        if order is None:
            self._log.warning(f"{rejected.command} of an unknown order rejected: {rejected.reason}")
        else:
            generate_rejection(self, order, rejected)

    def _cached_order(
        self, client_order_id: str | None, venue_order_id: str | None
    ) -> NautilusOrder | None:
        key = None if client_order_id is None else ClientOrderId(client_order_id)
        if key is None and venue_order_id is not None:
            key = self._cache.client_order_id(VenueOrderId(venue_order_id))
        return None if key is None else self._cache.order(key)


def _is_reported(event: OrderEvent) -> bool:
    # No real venue reports a rejected order: it is sent as an event
    return event.kind is not EventKind.REJECTED


def _order_id(
    command: messages.CancelOrder | messages.ModifyOrder | messages.GenerateOrderStatusReport,
) -> str:
    # The venue's own ID where it is known: the only one of an order placed elsewhere
    return str(command.venue_order_id or command.client_order_id)


def _symbol(
    command: messages.GenerateOrderStatusReports
    | messages.GenerateFillReports
    | messages.GeneratePositionStatusReports,
) -> str | None:
    return None if command.instrument_id is None else command.instrument_id.symbol.value


def _unix_ns(start: datetime | None) -> int | None:
    return None if start is None else int(start.timestamp() * 1_000_000_000)
