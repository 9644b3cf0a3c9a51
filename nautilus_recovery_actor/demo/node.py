"""
The node of the demo, in a process of its own: a monitor, a small strategy, and the facts they emit.
"""

import time
from decimal import Decimal
from typing import Any

from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import trading_state_to_str
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryGate
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.demo import scene
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


class DemoStrategyConfig(RecoverableStrategyConfig, frozen=True, forbid_unknown_fields=True):
    """Configuration for `DemoStrategy` instances."""

    # The instrument that it buys
    instrument_id: InstrumentId
    # The quantity that it buys
    qty: Decimal
    # The trigger price of the stop-loss
    stop_px: Decimal
    # The quantity of a bid
    bid_qty: Decimal
    # The prices of its bids after a restart, by instrument ID
    bids: dict[str, Decimal]


class DemoStrategy(RecoverableStrategy):
    """
    Buys once, with a stop-loss. After a restart it only bids: too early, in `on_start`, on the
    instrument that it bought, and on all of its instruments when trading is enabled.
    """

    def __init__(self, config: DemoStrategyConfig) -> None:
        super().__init__(config)
        self._is_restart = False

    def on_start(self) -> None:
        """Bid at once after a restart."""
        self._is_restart = self.cache.orders_total_count(strategy_id=self.id) > 0
        if self._is_restart:
            self._bid(self.config.instrument_id)

    def on_trading_enabled(self) -> None:
        """Buy, or bid after a restart."""
        config = self.config
        emit(
            "belief",
            net_position=self.portfolio.net_position(config.instrument_id),
            orders_open=[o.client_order_id for o in self.cache.orders_open(strategy_id=self.id)],
        )
        if self._is_restart:
            for instrument_id in config.bids:
                self._bid(InstrumentId.from_str(instrument_id))
            return
        qty = self.cache.instrument(config.instrument_id).make_qty(config.qty)
        self.submit_order(self.order_factory.market(config.instrument_id, OrderSide.BUY, qty))

    def on_order_filled(self, event: OrderFilled) -> None:
        """Rest the stop-loss for what was bought."""
        trigger_price = self.cache.instrument(event.instrument_id).make_price(self.config.stop_px)
        self.submit_order(
            self.order_factory.stop_market(
                event.instrument_id, OrderSide.SELL, event.last_qty, trigger_price, reduce_only=True
            )
        )

    def on_order_event(self, event: OrderEvent) -> None:
        """Emit what became of an order."""
        emit(
            type(event).__name__,
            ts=event.ts_event or event.ts_init,
            order_id=event.client_order_id,
            instrument_id=event.instrument_id,
            reason=getattr(event, "reason", ""),
        )

    def _bid(self, instrument_id: InstrumentId) -> None:
        instrument = self.cache.instrument(instrument_id)
        self.submit_order(
            self.order_factory.limit(
                instrument_id,
                OrderSide.BUY,
                instrument.make_qty(self.config.bid_qty),
                instrument.make_price(self.config.bids[instrument_id.value]),
            )
        )


def node(port: int, trader_id: str, valkey_url: str | None) -> TradingNode:
    """Return the node: one paper venue, the cache in Valkey, the monitor with all its defaults."""
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=(scene.SYMBOL, scene.OTHER_SYMBOL))],
        trader_id=trader_id,
        database=EmbeddedValkey(url=valkey_url).database_config(),
        # 1.221 holds back what it buffers until the next write comes, however long that takes
        buffer_interval_ms=None,
        actors=[
            ImportableActorConfig(
                actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                config={"verify_timeout_secs": 2.0},  # A demo need not wait for 10 s
            )
        ],
        strategies=[
            ImportableStrategyConfig(
                strategy_path="nautilus_recovery_actor.demo.node:DemoStrategy",
                config_path="nautilus_recovery_actor.demo.node:DemoStrategyConfig",
                config={
                    "instrument_id": scene.INSTRUMENT_ID,
                    "qty": scene.QTY,
                    "stop_px": scene.STOP_PX,
                    "bid_qty": scene.BID_QTY,
                    "bids": scene.BIDS,
                },
            )
        ],
        log_level="INFO",
    )
    trading_node = paper_node(config)

    def emit_gate(_: Any, gate: RecoveryGate) -> None:
        state = trading_state_to_str(trading_node.kernel.risk_engine.trading_state)
        emit("gate_opened", ts=time.time_ns(), epoch=gate.epoch, trading_state=state)

    for signal in (signals.recovery_started, signals.recovery_completed, signals.recovery_failed):
        signal.connect(_emit_recovery)
    signals.gate_opened.connect(emit_gate, weak=False)
    return trading_node


def _emit_recovery(_: Any, event: RecoveryMessage) -> None:
    emit(type(event).__name__, ts=event.ts_event, report=event.report.to_dict())
