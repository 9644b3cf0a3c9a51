"""
Nodes that are commanded from outside.
"""

import asyncio
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node.commands import OperatorCommand
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


REFUSED = "BTCUSDT-PERP.PAPER"


class Stub(Actor):
    """
    Answers commands as a monitor does, and decides nothing.
    """

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        self.journal = RecoveryJournal(cache, 0, self.log.warning)
        msgbus.add_streaming_type(OperatorCommand)
        msgbus.subscribe(OperatorCommand.topic(), self._on_command)

    def on_start(self) -> None:
        self.loop = asyncio.get_running_loop()

    def on_stop(self) -> None:
        pass

    def _on_command(self, command: OperatorCommand) -> None:
        # The bus calls on a thread of its own
        self.loop.call_soon_threadsafe(self._answer, command)

    def _answer(self, command: OperatorCommand) -> None:
        if command.trader_id != self.trader_id.value:
            return
        emit("commanded", **command.to_dict())
        is_accepted = command.instrument_id != REFUSED
        text = f"{command.action} {'done' if is_accepted else f'of {REFUSED}: not blocked'}"
        now = self.clock.timestamp_ns()
        self.journal.answer(CommandAnswer(command.command_id, is_accepted, text, now))


def commanded(
    database: dict[str, Any], trader_id: str, bus: dict[str, Any], **cache: Any
) -> TradingNode:
    """
    Return a node with a `Stub`, whose message bus and cache are in one Redis.
    """
    redis = DatabaseConfig(**database)
    config = paper_node_config(
        trader_id=trader_id,
        cache=CacheConfig(database=redis, **cache),
        message_bus=MessageBusConfig(database=redis, external_streams=["recovery-commands"], **bus),
    )
    node = paper_node(config)
    node.trader.add_actor(Stub())
    return node
