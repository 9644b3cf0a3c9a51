"""
Clients that answer otherwise than the venue does, and nodes that look through them.
"""

from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from typing import TypeAlias

import pytest
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.live.execution_client import LiveExecutionClient

from nautilus_recovery_actor import Correction
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient
from tests.node.support import Watched


MASS_STATUS = "generate_mass_status"
ORDER = "generate_order_status_report"
ORDERS = "generate_order_status_reports"
FILLS = "generate_fill_reports"
POSITIONS = "generate_position_status_reports"

# What a client answers to the question of that number, and what it would have answered
Answering: TypeAlias = Callable[[int, Callable[[], Awaitable[Any]]], Awaitable[Any]]


@contextmanager
def answering(name: str, answer: Answering) -> Iterator[list[Any]]:
    """
    Have all clients answer one kind of question so, and return what they were asked.
    """
    own = getattr(PaperVenueExecutionClient, name)
    asked: list[Any] = []

    async def answered(client: Any, *args: Any) -> Any:
        asked.append(args[0] if args else None)
        return await answer(len(asked), lambda: own(client, *args))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PaperVenueExecutionClient, name, answered)
        yield asked


def client_of(node: Watched) -> LiveExecutionClient:
    """
    Return the one execution client of a node.
    """
    (client,) = internals.clients(node.node.kernel.exec_engine) or ()
    assert isinstance(client, LiveExecutionClient)
    return client


def corrections_of(report: RecoveryReport) -> set[Correction]:
    """
    Return the corrections that a report names.
    """
    return {made.name for made in report.corrections}


def orders_in(cache: CacheFacade) -> dict[str, tuple[Any, ...]]:
    """
    Return what counts of the orders of a cache.
    """
    return {
        order.client_order_id.value: (
            order.strategy_id.value,
            order.status_string(),
            order.quantity.as_decimal(),
            order.filled_qty.as_decimal(),
            str(order.venue_order_id),
            order.price.as_decimal() if order.has_price else None,
            order.trigger_price.as_decimal() if order.has_trigger_price else None,
            tuple(sorted(each.value for each in order.trade_ids)),
        )
        for order in cache.orders()
    }


def positions_in(cache: CacheFacade) -> list[tuple[str, str, Decimal, float]]:
    """
    Return what counts of the open positions of a cache.
    """
    return sorted(
        (
            position.strategy_id.value,
            position.instrument_id.value,
            position.signed_decimal_qty(),
            round(float(position.avg_px_open), 6),
        )
        for position in cache.positions_open()
    )


class Stored:
    """
    What a server holds, to begin from it again.
    """

    def __init__(self, valkey: EmbeddedValkey) -> None:
        self._valkey = valkey
        with valkey.client() as client:
            self._values = {key: client.dump(key) for key in client.keys("*")}

    def restore(self) -> None:
        """
        Have the server hold just that.
        """
        self._valkey.flush()
        with self._valkey.client() as client:
            for key, value in self._values.items():
                client.restore(key, 0, value)
