"""
Nodes that are commanded from outside.
"""

import asyncio
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.link import Link
from nautilus_recovery_actor.link.process import steady_ns
from nautilus_recovery_actor.node.server import server_of
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


REFUSED = "BTCUSDT-PERP.PAPER"
# What is taken and never answered
DROPPED = "SOLUSDT-PERP.PAPER"


class Stub(Actor):
    """
    Answers commands as a monitor does, and decides nothing.
    """

    def __init__(self, cache: CacheConfig) -> None:
        super().__init__()
        self._cache_config = cache

    def on_start(self) -> None:
        server = server_of(self.trader_id.value, self._cache_config, None)
        assert server is not None
        self._link = Link(
            server, 5.0, self.log, lambda: 1, None, self._on_command, is_restored=True
        )
        self._link.open(may_wait=False)
        self._link.begin(asyncio.get_running_loop())

    def on_stop(self) -> None:
        self._link.close()

    def _on_command(self, command: OperatorCommand, until: int) -> None:
        valid_secs = (until - steady_ns()) / 1e9
        emit("commanded", **command.to_dict(), valid_secs=valid_secs)
        if command.instrument_id == DROPPED:
            return
        is_accepted = command.instrument_id != REFUSED
        text = f"{command.action} {'done' if is_accepted else f'of {REFUSED}: not blocked'}"
        now = self.clock.timestamp_ns()
        self._link.commands.answer(CommandAnswer(command.command_id, is_accepted, text, now))


def commanded(database: dict[str, Any], trader_id: str, **cache: Any) -> TradingNode:
    """
    Return a node with a `Stub`, whose cache is in a Redis, without any message bus.
    """
    config = CacheConfig(database=DatabaseConfig(**database), **cache)
    node = paper_node(paper_node_config(trader_id=trader_id, cache=config))
    node.trader.add_actor(Stub(config))
    return node
