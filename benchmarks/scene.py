"""
NautilusTrader's own components, wired as its kernel wires them, and what passes through them.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.live.risk_engine import LiveRiskEngine
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderSubmitted
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import AccountBalance
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from nautilus_recovery_actor import RecoveryMonitorActor


TRADER_ID = TraderId("BENCH-001")
STRATEGY_ID = StrategyId("S-001")
VENUE = Venue("BENCH")
ACCOUNT_ID = AccountId("BENCH-001")

_EXECUTOR = ThreadPoolExecutor(1)


def instruments(count: int) -> list[Instrument]:
    """
    Return `count` instruments of the venue.
    """
    return [TestInstrumentProvider.equity(f"SYM{i}", VENUE.value) for i in range(count)]


class System:
    """
    The bus, the cache, the portfolio and the engines of a node, without its trader.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop of the engines.
    instrument_count : int, default 1
        The number of instruments in the cache.

    """

    def __init__(self, loop: asyncio.AbstractEventLoop, instrument_count: int = 1) -> None:
        self.loop = loop
        self.clock = LiveClock()
        self.msgbus = MessageBus(TRADER_ID, self.clock)
        self.cache = Cache()
        wiring = {"msgbus": self.msgbus, "cache": self.cache, "clock": self.clock}
        self.portfolio = Portfolio(**wiring)
        self.risk_engine = LiveRiskEngine(loop=loop, portfolio=self.portfolio, **wiring)
        self.exec_engine = LiveExecutionEngine(loop=loop, **wiring)
        self.instruments = instruments(instrument_count)
        for instrument in self.instruments:
            self.cache.add_instrument(instrument)

    def add_monitor(self, copies: int = 1) -> RecoveryMonitorActor:
        """
        Add a monitor as a trader would, its handlers subscribed `copies` times.
        """
        monitor = RecoveryMonitorActor()
        monitor.register_base(self.portfolio, self.msgbus, self.cache, self.clock)
        monitor.register_executor(self.loop, _EXECUTOR)
        monitor._seam.open(self.exec_engine)  # No kernel is seen to call
        for copy in range(1, copies):
            # To the bus these are other topics, and they match the same messages
            stars = "*" * (1 + copy)
            self.msgbus.subscribe(f"events.order.{stars}", monitor._incoming.on_order_event)
            self.msgbus.subscribe(f"reports.execution.{stars}", monitor._incoming.on_report)
        return monitor

    def remove_monitor(self, monitor: RecoveryMonitorActor) -> None:
        """
        Stop a monitor, and keep it from hearing of the reports of other systems.
        """
        monitor.on_stop()
        monitor.on_dispose()

    def add_client(self, orders: int) -> "_Client":
        """
        Add an execution client whose account has filled `orders` orders that the cache lacks.
        """
        client = _Client(self, orders)
        self.exec_engine.register_client(client)
        client.generate_account_state(
            balances=[AccountBalance(Money(1e9, USD), Money(0, USD), Money(1e9, USD))],
            margins=[],
            reported=True,
            ts_event=0,
        )
        client._set_connected(True)
        return client

    def fill_cache(self, orders: int) -> None:
        """
        Fill the cache with what comes of those orders, as if it was restored.
        """
        factory = OrderFactory(TRADER_ID, STRATEGY_ID, self.clock)
        positions: dict[PositionId, Position] = {}
        for index, instrument in zip(range(orders), cycle(self.instruments)):
            order = self._accepted(factory, instrument, f"O-{index}", f"V-{index}", 2)
            for fill in _fills(instrument, index):
                order.apply(fill)
                self.cache.update_order(order)
                position = positions.get(fill.position_id)
                if position is None:
                    positions[fill.position_id] = position = Position(instrument, fill)
                    self.cache.add_position(position, OmsType.NETTING)
                else:
                    position.apply(fill)
                    self.cache.update_position(position)

    def rest(self, orders: int) -> list[OrderStatusReport]:
        """
        Add resting orders to the cache, and return what their venue says of them.
        """
        factory = OrderFactory(TRADER_ID, STRATEGY_ID, self.clock)
        reports = []
        for index, instrument in zip(range(orders), cycle(self.instruments)):
            self._accepted(factory, instrument, f"R-{index}", f"VR-{index}", 1, OrderSide.SELL)
            reports.append(_resting(instrument, index))
        return reports

    def _accepted(
        self,
        factory: OrderFactory,
        instrument: Instrument,
        client_order_id: str,
        venue_order_id: str,
        qty: int,
        side: OrderSide = OrderSide.BUY,
    ) -> Order:
        order = factory.limit(
            instrument.id,
            side,
            Quantity.from_int(qty),
            Price.from_str("10.00"),
            client_order_id=ClientOrderId(client_order_id),
        )
        self.cache.add_order(order)
        common = {
            "trader_id": TRADER_ID,
            "strategy_id": STRATEGY_ID,
            "instrument_id": instrument.id,
            "client_order_id": order.client_order_id,
            "account_id": ACCOUNT_ID,
            "ts_event": 0,
            "ts_init": 0,
        }
        order.apply(OrderSubmitted(event_id=UUID4(), **common))
        accepted = VenueOrderId(venue_order_id)
        order.apply(OrderAccepted(venue_order_id=accepted, event_id=UUID4(), **common))
        self.cache.update_order(order)
        return order


class _Client(LiveExecutionClient):
    # Reports what its account has traded and what rests there

    def __init__(self, system: System, orders: int) -> None:
        super().__init__(
            loop=system.loop,
            client_id=ClientId(VENUE.value),
            venue=VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.MARGIN,
            base_currency=USD,
            instrument_provider=InstrumentProvider(),
            msgbus=system.msgbus,
            cache=system.cache,
            clock=system.clock,
        )
        self._set_account_id(ACCOUNT_ID)
        self._instruments = system.instruments
        self._orders = orders
        self._ready: ExecutionMassStatus | None = None
        self.resting: list[OrderStatusReport] = []

    async def generate_mass_status(self, lookback_mins: int | None = None) -> ExecutionMassStatus:
        status, self._ready = self._ready or mass_status(self._instruments, self._orders), None
        status.add_order_reports(self.resting)
        return status

    def prepare(self) -> None:
        # To make the reports is the venue's part
        self._ready = mass_status(self._instruments, self._orders)

    async def generate_position_status_reports(self, command: object) -> list[PositionStatusReport]:
        held = _held(self._instruments, self._orders)
        return [_position_report(*position) for position in held.items()]

    async def generate_order_status_reports(self, command: object) -> list[OrderStatusReport]:
        return list(self.resting)

    async def generate_order_status_report(self, command: object) -> OrderStatusReport | None:
        return None

    async def generate_fill_reports(self, command: object) -> list[FillReport]:
        return []


def mass_status(instruments: list[Instrument], orders: int) -> ExecutionMassStatus:
    """
    Return what the venue reports: `orders` that are filled, every second one in two trades, and the
    long positions that follow from them.
    """
    status = ExecutionMassStatus(
        client_id=ClientId(VENUE.value),
        account_id=ACCOUNT_ID,
        venue=VENUE,
        report_id=UUID4(),
        ts_init=0,
    )
    order_reports, fill_reports = [], []
    for i, instrument in zip(range(orders), cycle(instruments)):
        order_reports.append(_order_report(instrument, i))
        fill_reports += [_fill_report(instrument, i, *trade) for trade in _trades(i)]
    status.add_order_reports(order_reports)
    status.add_fill_reports(fill_reports)
    held = _held(instruments, orders)
    status.add_position_reports([_position_report(*position) for position in held.items()])
    return status


def _held(instruments: list[Instrument], orders: int) -> dict[Instrument, int]:
    return {
        instrument: 2 * len(range(index, orders, len(instruments)))
        for index, instrument in enumerate(instruments)
    }


def _trades(index: int) -> list[tuple[str, int]]:
    return [(f"T-{index}", 2)] if index % 2 else [(f"T-{index}-0", 1), (f"T-{index}-1", 1)]


def _fills(instrument: Instrument, index: int) -> list[OrderFilled]:
    reports = [_fill_report(instrument, index, *trade) for trade in _trades(index)]
    return [_filled(report, is_flagged=False) for report in reports]


def _resting(instrument: Instrument, index: int) -> OrderStatusReport:
    return OrderStatusReport(
        account_id=ACCOUNT_ID,
        instrument_id=instrument.id,
        venue_order_id=VenueOrderId(f"VR-{index}"),
        client_order_id=ClientOrderId(f"R-{index}"),
        order_side=OrderSide.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        order_status=OrderStatus.ACCEPTED,
        quantity=Quantity.from_int(1),
        filled_qty=Quantity.from_int(0),
        price=Price.from_str("10.00"),
        report_id=UUID4(),
        ts_accepted=index,
        ts_last=index,
        ts_init=index,
    )


def _order_report(instrument: Instrument, index: int) -> OrderStatusReport:
    return OrderStatusReport(
        account_id=ACCOUNT_ID,
        instrument_id=instrument.id,
        venue_order_id=VenueOrderId(f"V-{index}"),
        client_order_id=ClientOrderId(f"O-{index}"),
        order_side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        order_status=OrderStatus.FILLED,
        quantity=Quantity.from_int(2),
        filled_qty=Quantity.from_int(2),
        price=Price.from_str("10.00"),
        avg_px=Price.from_str("10.00").as_decimal(),
        report_id=UUID4(),
        ts_accepted=index,
        ts_last=index,
        ts_init=index,
    )


def _fill_report(instrument: Instrument, index: int, trade_id: str, qty: int) -> FillReport:
    return FillReport(
        account_id=ACCOUNT_ID,
        instrument_id=instrument.id,
        venue_order_id=VenueOrderId(f"V-{index}"),
        client_order_id=ClientOrderId(f"O-{index}"),
        trade_id=TradeId(trade_id),
        order_side=OrderSide.BUY,
        last_qty=Quantity.from_int(qty),
        last_px=Price.from_str("10.00"),
        commission=Money(0, USD),
        liquidity_side=LiquiditySide.MAKER,
        report_id=UUID4(),
        ts_event=index,
        ts_init=index,
    )


def _position_report(instrument: Instrument, qty: int) -> PositionStatusReport:
    return PositionStatusReport(
        account_id=ACCOUNT_ID,
        instrument_id=instrument.id,
        position_side=PositionSide.LONG,
        quantity=Quantity.from_int(qty),
        avg_px_open=Price.from_str("10.00").as_decimal(),
        report_id=UUID4(),
        ts_last=0,
        ts_init=0,
    )


def reconciled_fills(status: ExecutionMassStatus) -> list[OrderFilled]:
    """
    Return the events that the engine makes of the fills that `status` reports.
    """
    reports = (fill for fills in status.fill_reports.values() for fill in fills)
    return [_filled(report, is_flagged=True) for report in reports]


def _filled(fill: FillReport, *, is_flagged: bool) -> OrderFilled:
    return OrderFilled(
        trader_id=TRADER_ID,
        strategy_id=STRATEGY_ID,
        instrument_id=fill.instrument_id,
        client_order_id=fill.client_order_id,
        venue_order_id=fill.venue_order_id,
        account_id=fill.account_id,
        trade_id=fill.trade_id,
        position_id=PositionId(f"{fill.instrument_id}-{STRATEGY_ID}"),
        order_side=fill.order_side,
        order_type=OrderType.LIMIT,
        last_qty=fill.last_qty,
        last_px=fill.last_px,
        currency=USD,
        commission=fill.commission,
        liquidity_side=fill.liquidity_side,
        event_id=UUID4(),
        ts_event=fill.ts_event,
        ts_init=fill.ts_init,
        reconciliation=is_flagged,
    )
