"""
Nodes that a test runs in a process of their own.
"""

from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import DataType
from nautilus_trader.portfolio.base import PortfolioFacade

from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


class Subscriber(Actor):
    """
    Subscribes to custom data as the documentation of `Actor` has it.
    """

    def on_start(self) -> None:
        from tests.facts.test_message_bus import News

        self.subscribe_data(DataType(News))
        self.clock.set_time_alert_ns("PUBLISH", self.clock.timestamp_ns(), self._publish)

    def _publish(self, _: Any) -> None:
        from tests.facts.test_message_bus import News

        self.publish_data(DataType(News), News(1))
        self.log.error("MARKER")

    def on_data(self, data: Any) -> None:
        emit("heard", number=data.number)


class Counter(Actor):
    """
    Counts the starts of its node in the cache.
    """

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        before = cache.get("facts.starts")
        emit("restored", starts=None if before is None else before.decode())
        cache.add("facts.starts", str(int(before or b"0") + 1).encode())


def subscriber(client: dict[str, Any]) -> TradingNode:
    """
    Return a node with a `Subscriber`.
    """
    node = paper_node(paper_node_config([PaperVenueExecClientConfig(**client)]))
    node.trader.add_actor(Subscriber())
    return node


def counter(client: dict[str, Any], database: dict[str, Any], trader_id: str) -> TradingNode:
    """
    Return a node with a `Counter`, whose cache is in Redis.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(**client)],
        trader_id=trader_id,
        database=DatabaseConfig(**database),
        buffer_interval_ms=None,  # What is buffered may be lost in a kill
    )
    node = paper_node(config)
    node.trader.add_actor(Counter())
    return node
