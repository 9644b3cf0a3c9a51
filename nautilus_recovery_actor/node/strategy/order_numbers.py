"""
Client order ids that no run before has used.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.order_ids import first_count


@contextmanager
def orders_numbered_before_on_start(strategy: Strategy) -> Iterator[None]:
    """
    Number the orders of a strategy that is started within, before its `on_start` makes the first.

    Touches: the attribute `on_start` of the instance, for as long as this takes. `Strategy._start`
    sets the counts to what the cache holds and then calls `on_start`, with nothing in between that
    could be overridden (seen on 1.221 and 1.231). Lost without it: orders made in `on_start` after
    a crash may have the ids of orders that the venue knows.
    """
    own = vars(strategy)
    before = {"on_start": own["on_start"]} if "on_start" in own else {}
    on_start = strategy.on_start

    def restore() -> None:
        own.pop("on_start", None)
        own.update(before)

    def number_and_start() -> None:
        restore()
        _number_orders(strategy)
        on_start()

    own["on_start"] = number_and_start
    try:
        yield
    finally:
        if own.get("on_start") is number_and_start:
            restore()


def _number_orders(strategy: Strategy) -> None:
    factory = strategy.order_factory
    count = first_count(strategy.clock.timestamp_ns())
    factory.set_client_order_id_count(max(count, factory.get_client_order_id_count()))
    factory.set_order_list_id_count(max(count, factory.get_order_list_id_count()))
