"""
One restart of all cells at once.
"""

from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import msgspec
import redis

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from tests.restart.cells import Cell
from tests.restart.cells import Plan
from tests.restart.judge import Result
from tests.restart.judge import State
from tests.restart.judge import judged
from tests.restart.page import Pair
from tests.restart.ways import Way
from tests.venues.binance.control import FakeBinance


TRADER = "RESTARTS-001"
_KEYS = f"trader-{TRADER}:*"
_START_SECS = 60.0

# Keys, and what they hold as Redis writes it
Stored: TypeAlias = dict[bytes, bytes]


class Bench:
    """A venue and a server, on which one node after another sets up cells and comes back."""

    def __init__(self, venue: FakeBinance, valkey: EmbeddedValkey) -> None:
        self.venue = venue
        self._valkey = valkey

    def pairs(self, way: Way, cells: Sequence[Cell]) -> tuple[Pair, ...]:
        """Restart the cells natively and with the monitor."""
        native = self.restart(way, cells, is_monitored=False)
        ours = self.restart(way, cells, is_monitored=True)
        return tuple(map(Pair, native, ours))

    def restart(self, way: Way, cells: Sequence[Cell], *, is_monitored: bool) -> list[Result]:
        """Set up the cells, go away, let happen what happens meanwhile, and come back."""
        self.set_up(way, cells, is_monitored=is_monitored)
        with self.node(way, cells, is_monitored=is_monitored) as node:
            back = node.wait_for("state", _START_SECS)
            node.stop()
        return self.judged(way, cells, back)

    def set_up(self, way: Way, cells: Sequence[Cell], *, is_monitored: bool) -> None:
        """Bring venue and server to where the node is about to come back."""
        self.forget()
        self.venue.reset(*(cell.symbol for cell in cells))
        for cell in cells:
            cell.prepare(self.venue)
        node = self.node(way, cells, is_monitored=is_monitored, sets_up=True)
        before = self.ended(node, is_killed=way.is_killed)
        if way.is_old:
            self.venue.forget_history()
        for cell in cells:
            cell.happen(self.venue, before["client_ids"][cell.symbol])
        if not way.is_redis_kept:
            self.forget()

    def ended(self, node: NodeProcess, *, is_killed: bool = True) -> State:
        """End a node as soon as what it has set up is stored, and return that."""
        with node:
            before = node.wait_for("state", _START_SECS)
            assert "failure" not in before, (before, node.log)
            self._valkey.wait_for(lambda client: _is_stored(client, before))
            if is_killed:
                node.kill()
            else:
                node.stop()
        return before

    def node(
        self, way: Way, cells: Sequence[Cell], *, is_monitored: bool, sets_up: bool = False
    ) -> NodeProcess:
        arguments = self.arguments(way, cells, is_monitored=is_monitored)
        return NodeProcess("tests.restart.node:node", sets_up=sets_up, **arguments)

    def arguments(self, way: Way, cells: Sequence[Plan], *, is_monitored: bool) -> State:
        """Return what a node is built from."""
        return {
            "venue_port": self.venue.port,
            "database": msgspec.to_builtins(self._valkey.database_config()),
            "trader_id": TRADER,
            "monitored": is_monitored,
            "claimed": way.is_claimed,
            "symbols": [cell.symbol for cell in cells],
        }

    def judged(self, way: Way, cells: Sequence[Cell], node: State) -> list[Result]:
        """Compare what a node holds with what the venue has now."""
        at_venue = self.venue.state()
        return [judged(cell, way, at_venue, node) for cell in cells]

    # -- WHAT IS STORED --

    def stored(self) -> Stored:
        """Return all that Redis holds of the trader."""
        with self._valkey.client() as client:
            return {key: client.dump(key) for key in client.scan_iter(_KEYS)}

    def store(self, stored: Stored) -> None:
        """Put back what was stored."""
        with self._valkey.client() as client:
            for key, value in stored.items():
                client.restore(key, 0, value)

    def forget(self) -> None:
        """Lose all that Redis holds of the trader."""
        with self._valkey.client() as client:
            for key in client.scan_iter(_KEYS):
                client.delete(key)


def _is_stored(client: redis.Redis, state: State) -> bool:
    events = {f"orders:{one['client_id']}": one["events"] for one in state["orders"]}
    events |= {f"positions:{one['id']}": one["events"] for one in state["positions"]}
    stored: Any = [client.llen(f"trader-{TRADER}:{key}") for key in events]
    return all(there >= count for there, count in zip(stored, events.values(), strict=True))
