"""
Kill a node right after `checkpoint()` and `submit_order()`: what came to the venue is in a
checkpoint.
"""

import time
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import NamedTuple

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderDenied

from crashtest.market import TICK
from crashtest.state import FIRST_PX
from crashtest.strategy import ENTRY_PX
from crashtest.strategy import INSTRUMENT_ID
from crashtest.strategy import SYMBOL
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor.core.checkpoint import decode
from nautilus_recovery_actor.core.names import CHECKPOINT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


FIRST_DELAY_MS, LAST_DELAY_MS = 1, 50

_KEY = "trader-TESTER-001:" + general_key(CHECKPOINT_KEY)


class Ended(NamedTuple):
    """
    What one kill left behind.

    Parameters
    ----------
    delay_ms : int
        How long after the submit it came.
    is_sent : bool
        Whether the order is at the venue.
    is_stored : bool
        Whether the checkpoint before it is on the server.
    error : str
        What is wrong.
    """

    delay_ms: int
    is_sent: bool
    is_stored: bool
    error: str = ""


class Sender(RecoverableStrategy):
    """
    Bids once at each new high, as the README says: the checkpoint, and at once the order.
    """

    def __init__(self) -> None:
        super().__init__(
            RecoverableStrategyConfig(
                strategy_id="Sender", order_id_tag="001", checkpoint_secs=None
            )
        )
        self._signal = FIRST_PX

    def on_save(self) -> dict[str, bytes]:
        """
        Return the last price that was acted on.
        """
        return {"signal": str(self._signal).encode()}

    def on_load(self, state: dict[str, bytes]) -> None:
        """
        Take it up.
        """
        self._signal = Decimal(state["signal"].decode())

    def on_start(self) -> None:
        """
        Listen to prices.
        """
        emit("restored", signal=self._signal)
        self.subscribe_quote_ticks(INSTRUMENT_ID)

    def on_trading_enabled(self) -> None:
        """
        Tell that a price will be acted on.
        """
        emit("enabled")

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """
        Act on a new high.
        """
        px = tick.bid_price.as_decimal()
        if px <= self._signal or not self.gate.is_open_for(INSTRUMENT_ID):
            return
        self._signal = px
        instrument = self.cache.instrument(INSTRUMENT_ID)
        order = self.order_factory.limit(
            INSTRUMENT_ID, OrderSide.BUY, instrument.make_qty(1), instrument.make_price(ENTRY_PX)
        )
        self.checkpoint()
        self.submit_order(order)
        emit("decided", signal=px, order_id=order.client_order_id)

    def on_order_denied(self, event: OrderDenied) -> None:
        """
        Tell why.
        """
        emit("denied", reason=event.reason)


def node(port: int, redis_port: int) -> TradingNode:
    """
    Return the node that is killed, its cache as the preset has it.
    """
    database = DatabaseConfig(host="127.0.0.1", port=redis_port)
    trading_node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
            [PaperVenueDataClientConfig(port=port, symbols=(SYMBOL,))],
            cache=recovery_cache_config(database=database),
        )
    )
    monitor = RecoveryMonitorConfig(settle_ms=20, verify_timeout_secs=5.0)
    trading_node.trader.add_actor(RecoveryMonitorActor(monitor))
    trading_node.trader.add_strategy(Sender())
    return trading_node


def run(seed: int, kills: int) -> Iterator[Ended]:
    """
    Return what each kill left behind. Each node goes on from what the one before it left.
    """
    random = Random(f"{seed} durable")
    with PaperVenue() as venue, EmbeddedValkey() as valkey:
        px, stored = FIRST_PX, FIRST_PX
        for _ in range(kills):
            venue.set_price(SYMBOL, px)
            with NodeProcess(
                "crashtest.durable:node", port=venue.port, redis_port=valkey.port
            ) as process:
                restored = Decimal(process.wait_for("restored")["signal"])
                process.wait_for("enabled")
                px += TICK
                venue.set_price(SYMBOL, px)
                order_id = process.wait_for("decided")["order_id"]
                delay_ms = random.randint(FIRST_DELAY_MS, LAST_DELAY_MS)
                time.sleep(delay_ms / 1_000)
                process.kill()
                denied = [fact["reason"] for fact in process.facts if fact["fact"] == "denied"]
            venue.wait_for_connections(0)
            error = f"{stored} was stored, {restored} restored" if restored != stored else ""
            stored = _stored_signal(valkey)
            sent, is_stored = order_id in venue.submitted(), stored == px
            if sent and not is_stored:
                error = f"{order_id} is at the venue, and the checkpoint before it is gone"
            yield Ended(delay_ms, sent, is_stored, error or "; ".join(denied))


def _stored_signal(valkey: EmbeddedValkey) -> Decimal:
    with valkey.client() as client:
        keys = [_KEY.format(strategy_id="Sender-001", slot=slot) for slot in (0, 1)]
        found = [decode(data) for key in keys if (data := client.get(key)) is not None]
    signals = (Decimal(one.state["signal"].decode()) for one in found)
    return max(signals, default=FIRST_PX)
