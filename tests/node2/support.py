"""
A venue and a server, on which one node of 2.0 after another runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from tests.venues.binance.control import FakeBinance


SYMBOL, OTHER = "C00USDT", "C01USDT"
TRADER = "TWO-001"
# Of an order that was filled, and of one that rests
FILLED, RESTING = 4, 3


class Node2Process(NodeProcess):
    """A node of 2.0 in a process of its own."""

    _child = "tests.node2.child"

    def all(self, fact: str) -> list[dict[str, Any]]:
        """Return what was emitted so far under this name."""
        return [one for one in self.facts if one["fact"] == fact]


class Bench:
    """What happens between two runs happens at `venue`."""

    def __init__(self, venue: FakeBinance, valkey: EmbeddedValkey) -> None:
        self.venue = venue
        self.valkey = valkey

    def node(self, **arguments: Any) -> Node2Process:
        port = self.valkey.port
        target = arguments.pop("target", "tests.node2.node:run")
        return Node2Process(target, venue_port=self.venue.port, redis_port=port, **arguments)

    @contextmanager
    def after_a_kill(self, orders: int = 2, **arguments: Any) -> Iterator[list[str]]:
        """
        Run a node until it holds a position and a resting order, kill it, and yield the venue's IDs
        of its orders: that which was filled, and that which rests.
        """
        with self.node(**arguments) as node:
            node.wait_for("filled")
            node.wait_for(lambda _: len(node.all("accepted")) == orders)
            ids = [one["client_order_id"] for one in node.all("accepted")]
            keys = [f"trader-{TRADER}:orders:{one}" for one in ids]
            self.valkey.wait_for(
                lambda client: (
                    sum(map(client.llen, keys)) == FILLED + RESTING * (orders - 1)
                    and client.scard(f"trader-{TRADER}:index:positions_open") == 1
                )
            )
            node.kill()
        # The adapter encodes what fits: these are the IDs that the venue has
        state = self.venue.state()
        by_status = {one["algoStatus"]: one["clientAlgoId"] for one in state["algo_orders"]}
        by_status |= {one["status"]: one["clientOrderId"] for one in state["orders"]}
        yield [by_status["FILLED"], by_status["NEW"]]
