"""
The node that is killed, and the one without a monitor that it is compared with.
"""

from decimal import Decimal

from nautilus_trader.cache.cache import Cache
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.position import Position
from nautilus_trader.trading.strategy import Strategy

from crashtest.state import STRATEGY_ID
from crashtest.strategy import INSTRUMENT_ID
from crashtest.strategy import SYMBOL
from crashtest.strategy import EntryAndStop
from crashtest.strategy import flatten
from crashtest.strategy import held_by
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


_MONITOR = RecoveryMonitorConfig(settle_ms=50, verify_timeout_secs=5.0)
_POST_STOP_SECS = 0.5  # For the answers to what is sent in `on_stop`


def node(
    port: int,
    redis_port: int,
    qty: str,
    *,
    only_checkpoints: bool = False,
    replaces_exits: bool = False,
    flattens: bool = False,
) -> TradingNode:
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
    only_checkpoints : bool, default False
        See `EntryAndStop`.
    replaces_exits : bool, default False
        See `EntryAndStop`.
    flattens : bool, default False
        See `EntryAndStop`.

    Returns
    -------
    TradingNode

    """
    trading_node = _node(port, redis_port)
    trading_node.trader.add_actor(RecoveryMonitorActor(_MONITOR))
    strategy = EntryAndStop(
        Decimal(qty),
        only_checkpoints=only_checkpoints,
        replaces_exits=replaces_exits,
        flattens=flattens,
    )
    trading_node.trader.add_strategy(strategy)
    return trading_node


class Plain(Strategy):
    """
    A strategy of NautilusTrader alone in the place of `EntryAndStop`, which ends flat.
    """

    def __init__(self) -> None:
        name, _, tag = STRATEGY_ID.partition("-")
        super().__init__(
            StrategyConfig(
                strategy_id=name, order_id_tag=tag, external_order_claims=[INSTRUMENT_ID]
            )
        )

    def on_start(self) -> None:
        """
        Do nothing.
        """

    def on_stop(self) -> None:
        """
        End flat.
        """
        emit("stopping", qty=held_by(self))
        flatten(self)


def native_node(port: int, redis_port: int) -> TradingNode:
    """
    Return a node without a monitor.

    Parameters
    ----------
    port : int
        The port of the venue.
    redis_port : int
        The port of the server that backs the cache.

    Returns
    -------
    TradingNode

    """
    trading_node = _node(port, redis_port)
    trading_node.trader.add_strategy(Plain())
    return trading_node


def _node(port: int, redis_port: int) -> TradingNode:
    trading_node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
            [PaperVenueDataClientConfig(port=port, symbols=(SYMBOL,))],
            cache=recovery_cache_config(host="127.0.0.1", port=redis_port),
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
            timeout_post_stop=_POST_STOP_SECS,
        )
    )
    cache = trading_node.cache  # As it was restored: nothing is reconciled yet
    alive = [*cache.orders_open(), *cache.orders_inflight()]
    emit("loaded", alive=[order.client_order_id for order in alive], torn=_torn(cache))
    return trading_node


def _torn(cache: Cache) -> Decimal:
    return sum(
        (
            fill.last_qty.as_decimal() * (1 if fill.is_buy else -1)
            for order in cache.orders()
            for fill in order.events
            if type(fill) is OrderFilled and not _has(cache.position(fill.position_id), fill)
        ),
        Decimal(0),
    )


def _has(position: Position | None, fill: OrderFilled) -> bool:
    if position is None:
        return False
    # What was filled before it opened again was of the position before it
    return fill.trade_id in position.trade_ids or fill.ts_event < position.ts_opened
