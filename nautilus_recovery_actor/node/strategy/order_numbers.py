"""
Client order ids that no run before has used.
"""

from contextlib import AbstractContextManager
from functools import partial

from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.order_ids import first_count
from nautilus_recovery_actor.node.internals import called_before_on_start


def orders_numbered_before_on_start(strategy: Strategy) -> AbstractContextManager[None]:
    """Number the orders of a strategy that is started within, before it makes the first."""
    return called_before_on_start(strategy, partial(_number_orders, strategy))


def _number_orders(strategy: Strategy) -> None:
    factory = strategy.order_factory
    count = first_count(strategy.clock.timestamp_ns())
    factory.set_client_order_id_count(max(count, factory.get_client_order_id_count()))
    factory.set_order_list_id_count(max(count, factory.get_order_list_id_count()))
