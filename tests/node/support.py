"""
What the node tests share: a strategy that records, and a node whose monitor is listened to.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import GenerateOrderStatusReport
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import Discrepancy
from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOverridden
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.node.listeners.gates import GateListener
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests import scenes


ETH = InstrumentId.from_str("ETHUSDT-PERP.PAPER")
BTC = InstrumentId.from_str("BTCUSDT-PERP.PAPER")
ACCOUNT = "PAPER-001"


class Orders:
    """
    Orders as tests write them, for a strategy of either kind.
    """

    def market(
        self: Any,
        quantity: str = "2.000",
        instrument_id: InstrumentId = ETH,
        tags: list[str] | None = None,
    ) -> Order:
        """
        Return a market order that buys.
        """
        instrument = paper_instrument(instrument_id.symbol.value)
        return self.order_factory.market(
            instrument_id, OrderSide.BUY, instrument.make_qty(quantity), tags=tags
        )

    def limit(
        self: Any,
        px: str,
        quantity: str = "1.000",
        instrument_id: InstrumentId = ETH,
        tags: list[str] | None = None,
    ) -> Order:
        """
        Return a limit order that buys.
        """
        instrument = paper_instrument(instrument_id.symbol.value)
        return self.order_factory.limit(
            instrument_id,
            OrderSide.BUY,
            instrument.make_qty(quantity),
            instrument.make_price(px),
            tags=tags,
        )

    def stop_loss(self: Any, px: str, quantity: str = "2.000") -> Order:
        """
        Return a stop order that sells.
        """
        instrument = paper_instrument(ETH.symbol.value)
        return self.order_factory.stop_market(
            ETH,
            OrderSide.SELL,
            instrument.make_qty(quantity),
            instrument.make_price(px),
            reduce_only=True,
        )


class Plain(Orders, Strategy):
    """
    A strategy that knows nothing of recoveries.
    """

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass


class Recorder(Orders, RecoverableStrategy):
    """
    A recoverable strategy that keeps what it is told, and never calls its base class.
    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config)
        self.told: list[str] = []
        self.results: list[RecoveryMessage] = []
        self.recovered: list[tuple[Position, list[Order]]] = []
        self.denied: list[OrderDenied] = []
        self.rejected: list[OrderModifyRejected] = []
        self.on_start_orders: list[Order] = []

    def on_start(self) -> None:
        self.told.append("start")
        for order in self.on_start_orders:
            self.submit_order(order)

    def on_stop(self) -> None:
        pass

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        self.told.append("complete")
        self.results.append(event)

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        self.told.append("failed")
        self.results.append(event)

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        self.told.append("position")
        self.recovered.append((position, exit_orders))

    def on_trading_enabled(self) -> None:
        self.told.append("enabled")

    def on_order_denied(self, event: OrderDenied) -> None:
        self.denied.append(event)

    def on_order_modify_rejected(self, event: OrderModifyRejected) -> None:
        self.rejected.append(event)


class Watched:
    """
    A node that runs with a monitor, and all that the monitor published and answered.
    """

    def __init__(self, node: TradingNode, monitor: RecoveryMonitorActor) -> None:
        self.node = node
        self.monitor = monitor
        self.messages: list[RecoveryMessage] = []
        self.answers: list[CommandAnswer] = []
        if monitor.is_initialized:  # Else it is on no node
            self._answer = monitor._decisions.on_answer
            monitor._decisions.on_answer = self._on_answer
        for kind in (RecoveryStarted, RecoveryComplete, RecoveryFailed, RecoveryOverridden):
            node.kernel.msgbus.subscribe(kind.topic(), self.messages.append)
        self.run: NodeRun

    def _on_answer(self, said: CommandAnswer) -> None:
        self.answers.append(said)
        self._answer(said)

    @property
    def terminals(self) -> list[RecoveryMessage]:
        return [m for m in self.messages if isinstance(m, RecoveryComplete | RecoveryFailed)]

    async def result(self, count: int = 1, timeout_secs: float = 60.0) -> Any:
        """
        Wait for the terminal message number `count`, and return it.
        """
        await self.run.until(lambda: len(self.terminals) >= count, timeout_secs)
        return self.terminals[count - 1]


def gates(node: Watched) -> GateListener:
    """
    Return who calls the gates of a node.
    """
    (listener,) = (one for one in node.monitor._audience._members if type(one) is GateListener)
    return listener


def say(node: Watched, message: RecoveryMessage) -> None:
    """
    Call every gate as the monitor does, which says nothing of the kind by itself.
    """
    for gate in tuple(gates(node)._gates):
        gate(message)


def monitor_config(**fields: Any) -> RecoveryMonitorConfig:
    """
    Return a configuration with times fit for tests.
    """
    defaults: dict[str, Any] = {
        "settle_ms": 50,
        "startup_timeout_secs": 20.0,
        "verify_timeout_secs": 0.5,
    }
    return RecoveryMonitorConfig(**{**defaults, **fields})


@asynccontextmanager
async def watched(
    venue: PaperVenue | None,
    valkey: EmbeddedValkey | None = None,
    *strategies: Strategy,
    trader_id: str = "TESTER-001",
    symbols: tuple[str, ...] = ("ETHUSDT-PERP", "BTCUSDT-PERP"),
    clients: dict[str, Any] | None = None,
    monitor: RecoveryMonitorConfig | None = None,
    wait: bool = True,
    **fields: Any,
) -> AsyncIterator[Watched]:
    """
    Run a node with a monitor and strategies, on the venue if there is one, and stop it at the end.
    """
    config = paper_node_config(
        [venue.exec_config(symbols=symbols, **(clients or {}))] if venue else [],
        trader_id=trader_id,
        database=valkey.database_config() if valkey else None,
        **fields,
    )
    node = paper_node(config)
    actor = RecoveryMonitorActor(monitor or monitor_config())
    node.trader.add_actor(actor)
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    found = Watched(node, actor)
    async with running(node, wait=wait) as run:
        found.run = run
        yield found


def command(action: Any, instrument_id: str = "", **fields: Any) -> OperatorCommand:
    """
    Return an operator's command.
    """
    now = time.time_ns()
    values: dict[str, Any] = {
        "trader_id": "TESTER-001",
        "command_id": str(uuid4()),
        "action": action,
        "instrument_id": instrument_id,
        "reason": "checked at the venue's screen",
        "secs": 60.0 if action == "release" else 0.0,
        "operator": "ann@desk",
        "ts_event": now,
        "ts_init": now,
    }
    return OperatorCommand(**{**values, **fields})


def kinds(event: RecoveryMessage) -> set[DiscrepancyKind]:
    """
    Return the kinds of what differs between venue and cache.
    """
    return {found.kind for found in differences(event)}


def differences(event: RecoveryMessage) -> list[Discrepancy]:
    """
    Return what differs between venue and cache.
    """
    return differing(event.report)


def differing(report: RecoveryReport) -> list[Discrepancy]:
    """
    Return what a report says that differs.
    """
    return [found for found in report.discrepancies if found.kind.is_difference]


async def may_trade(node: Watched, venue: PaperVenueControl, strategy: Recorder) -> bool:
    """
    Return whether an order of the strategy comes to the venue. If not, it was denied.
    """
    before = venue.submitted()
    strategy.submit_order(order := strategy.market())
    await node.run.until(lambda: order.is_closed)
    if order.status_string() == "DENIED":
        assert venue.submitted() == before
        assert strategy.denied[-1].reason.startswith("RECOVERY_")
        return False
    return order.client_order_id.value in venue.submitted()


def heir(**fields: Any) -> Recorder:
    """
    Return a recoverable strategy in the place of the one that the scenes leave behind.
    """
    return Recorder(StrategyConfig(**scenes.TRADER, **fields))


def position_report(qty: str, instrument_id: InstrumentId = ETH) -> PositionStatusReport:
    """
    Return what a venue says of a LONG position by itself.
    """
    return PositionStatusReport(
        account_id=AccountId(ACCOUNT),
        instrument_id=instrument_id,
        position_side=PositionSide.LONG,
        quantity=Quantity.from_str(qty),
        report_id=UUID4(),
        ts_last=1,
        ts_init=1,
    )


def answers_like(node: Watched, status: ExecutionMassStatus) -> None:
    """
    Have the client answer further questions as a mass status that was made by hand.
    """
    client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
    orders = list(status.order_reports.values())
    positions = [one for each in status.position_reports.values() for one in each]

    async def order_reports(_: object) -> list[OrderStatusReport]:
        return [order for order in orders if order.is_open]

    async def order_report(command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        named = (one for one in orders if one.client_order_id == command.client_order_id)
        return next(named, None)

    async def position_reports(_: object) -> list[PositionStatusReport]:
        return positions

    client.generate_order_status_reports = order_reports
    client.generate_order_status_report = order_report
    client.generate_position_status_reports = position_reports


def other_mass_status() -> ExecutionMassStatus:
    """
    Return an empty mass status of another account.
    """
    return ExecutionMassStatus(
        client_id=ClientId("OTHER"),
        account_id=AccountId("OTHER-001"),
        venue=Venue("OTHER"),
        report_id=UUID4(),
        ts_init=1,
    )
