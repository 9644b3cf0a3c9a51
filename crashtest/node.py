"""
The node that is killed: a strategy that enters and protects what it holds, and what it tells.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import LostOrder
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import Severity
from nautilus_recovery_actor.node.strategy.needs import WarmupNeed
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


SYMBOL = "ETHUSDT-PERP"
INSTRUMENT_ID = InstrumentId.from_str(f"{SYMBOL}.PAPER")
BARS = BarType.from_str(f"{INSTRUMENT_ID}-1-MINUTE-LAST-EXTERNAL")
STRATEGY_ID = "EntryAndStop-001"
FIRST_PX = Decimal("2000.00")
ENTRY_PX = Decimal("1950.00")
STOP_PX = Decimal("1900.00")

_MONITOR = RecoveryMonitorConfig(settle_ms=50, verify_timeout_secs=5.0)
_PAUSE_SECS = 0.01  # Within the delay of a kill, so that one comes before and another after
_ENDS_A_WAIT = (OrderAccepted, OrderCanceled, OrderRejected)
_BALLAST_BYTES = 50_000  # A checkpoint that takes a while to write


class State(msgspec.Struct, frozen=True):
    """
    What the strategy must not forget.

    Parameters
    ----------
    version : int, default 0
        One more with each change.
    signal : Decimal, default ``FIRST_PX``
        The last price that was acted on.
    entry : str, default ""
        The client order ID of the entry that it was acted on with.
    fills : int, default 0
        The fills that were seen.
    has_forgotten : bool, default False
        Whether the present high was acted on with an entry that this knows nothing of.

    """

    version: int = 0
    signal: Decimal = FIRST_PX
    entry: str = ""
    fills: int = 0
    has_forgotten: bool = False


class EntryAndStop(RecoverableStrategy):
    """
    Bids once at each new high, and rests a stop for what was filled.

    Parameters
    ----------
    qty : Decimal
        The quantity of its entries.
    only_checkpoints : bool
        If at a new high it makes checkpoints without an end, and no entry.

    """

    def __init__(self, qty: Decimal, only_checkpoints: bool) -> None:
        super().__init__(
            RecoverableStrategyConfig(
                strategy_id="EntryAndStop",
                order_id_tag="001",
                # A lost entry that was filled must be protected by who sent it
                external_order_claims=[INSTRUMENT_ID],
                warmup_retry_secs=0.1,
            )
        )
        self._qty = qty
        self._only_checkpoints = only_checkpoints
        self._state = State()
        self._px = FIRST_PX
        self._average = ExponentialMovingAverage(20)

    # -- STATE --

    def on_save(self) -> dict[str, bytes]:
        """
        Return the state.
        """
        return {
            "state": msgspec.json.encode(self._state),
            "ballast": self._state.version.to_bytes(4) * (_BALLAST_BYTES // 4),
        }

    def on_load(self, state: dict[str, bytes]) -> None:
        """
        Take the state up.
        """
        self._state = msgspec.json.decode(state["state"], type=State)
        if self.on_save() != state:
            raise ValueError("the state does not fit together")

    def _remember(self, **changes: Any) -> None:
        state = msgspec.structs.replace(self._state, version=self._state.version + 1, **changes)
        emit("saved", state=state)  # Before it can be stored
        self._state = state
        self.checkpoint()

    # -- RECOVERY --

    def on_start(self) -> None:
        """
        Listen to prices.
        """
        emit("restored", state=self._state)
        self.subscribe_quote_ticks(INSTRUMENT_ID)

    def on_stop(self) -> None:
        """
        Leave all orders where they are.
        """

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        """
        Tell the outcome.
        """
        blocking = [
            f"{found.kind} {found.client_order_id or found.instrument_id}: {found.detail}"
            for found in event.report.discrepancies
            if found.severity is Severity.BLOCK and not found.resolved
        ]
        emit("recovered", outcome=event.outcome, blocking=blocking)

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """
        Tell the reason.
        """
        emit("failed", reason=event.reason, message=event.message)

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        """
        Tell what was taken up.
        """
        exits = [order.client_order_id for order in exit_orders]
        emit("took_up", qty=position.signed_decimal_qty(), exits=exits)

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        """
        Count an entry that the state knows nothing of as what the present high was acted on with.
        """
        entries = {lost.client_order_id for lost in orders if lost.qty > 0}
        if entries - {self._state.entry}:
            self._remember(has_forgotten=True)

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        """
        Need some bars.
        """
        emit("warming")
        return [BarsNeeded(bar_type=BARS, count=20, indicators=(self._average,))]

    def on_trading_enabled(self) -> None:
        """
        Protect what is unprotected, and make up for an entry that never left this node.
        """
        held = self.cache.positions_open(strategy_id=self.id)
        emit(
            "enabled",
            is_open=self.gate.is_open_for(INSTRUMENT_ID),
            is_warm=self._average.initialized,
            qty=sum((position.signed_decimal_qty() for position in held), Decimal(0)),
        )
        self._protect()
        if self._state.entry and not self._was_sent(self._state.entry):
            self._enter(self._state.signal)
        self._follow(self._px)

    def _was_sent(self, client_order_id: str) -> bool:
        # Whatever the cache holds may have been sent, also if nobody has answered
        return self.cache.order_exists(ClientOrderId(client_order_id)) or any(
            lost.client_order_id == client_order_id for lost in self.lost_orders
        )

    # -- ENTRIES --

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """
        Act on a new high.
        """
        self._px = tick.bid_price.as_decimal()
        self._follow(self._px)

    def _follow(self, px: Decimal) -> None:
        if px <= self._state.signal or not self.gate.is_open_for(INSTRUMENT_ID):
            return
        if self._state.has_forgotten:
            self._remember(signal=px, has_forgotten=False)
        elif self._only_checkpoints:
            self._remember(signal=px)
            self._go_on_saving()
        else:
            self._enter(px)

    def _go_on_saving(self) -> None:
        self._remember()
        asyncio.get_running_loop().call_later(0.001, self._go_on_saving)

    def _enter(self, signal: Decimal) -> None:
        instrument = self.cache.instrument(INSTRUMENT_ID)
        order = self.order_factory.limit(
            INSTRUMENT_ID,
            OrderSide.BUY,
            instrument.make_qty(self._qty),
            instrument.make_price(ENTRY_PX),
        )
        self._remember(signal=signal, entry=order.client_order_id.value)
        emit("decided", signal=signal, order_id=order.client_order_id)
        asyncio.get_running_loop().call_later(_PAUSE_SECS, self.submit_order, order)

    # -- STOPS --

    def on_order_filled(self, event: OrderFilled) -> None:
        """
        Protect what was bought.
        """
        self._remember(fills=self._state.fills + 1)
        if event.order_side == OrderSide.BUY:
            emit("filled", order_id=event.client_order_id, qty=event.last_qty)
            asyncio.get_running_loop().call_later(_PAUSE_SECS, self._protect)

    def on_order_event(self, event: OrderEvent) -> None:
        """
        Tell when all is protected, and protect again what no longer is.
        """
        if isinstance(event, _ENDS_A_WAIT) and self.gate.is_open_for(INSTRUMENT_ID):
            self._protect()

    def _protect(self) -> None:
        held = self.cache.positions_open(strategy_id=self.id)
        naked = [position for position in held if not self.is_protected(position)]
        if not naked:
            emit("protected")
        for position in naked:
            trigger_price = self.cache.instrument(INSTRUMENT_ID).make_price(STOP_PX)
            try:
                order, position_id = self.closing_order(position, trigger_price=trigger_price)
            except ValueError:
                continue  # A stop is on its way
            self.submit_order(order, position_id)


def node(port: int, redis_port: int, qty: str, only_checkpoints: bool) -> TradingNode:
    """
    Return the node.

    Parameters
    ----------
    port : int
        The port of the venue.
    redis_port : int
        The port of the server that backs the cache.
    qty : str
        The quantity of the entries.
    only_checkpoints : bool
        If checkpoints are made instead of entries.

    Returns
    -------
    TradingNode

    """
    trading_node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
            [PaperVenueDataClientConfig(port=port, symbols=(SYMBOL,))],
            database=DatabaseConfig(host="127.0.0.1", port=redis_port),
            # What the start left open is asked for again, soon enough for the recovery
            exec_engine=LiveExecEngineConfig(
                reconciliation_startup_delay_secs=0.1,
                inflight_check_interval_ms=500,
                inflight_check_threshold_ms=500,
                inflight_check_retries=2,
                open_check_interval_secs=0.5,
                open_check_threshold_ms=500,
                open_check_open_only=False,
            ),
        )
    )
    trading_node.trader.add_actor(RecoveryMonitorActor(_MONITOR))
    trading_node.trader.add_strategy(EntryAndStop(Decimal(qty), only_checkpoints))
    return trading_node
