"""
How a message comes into a running node from outside: through a Redis stream that it listens to.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.core.data import Data
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import DataType
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.serialization.base import register_serializable_type

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.facts.support import eventually


class Order(Data):
    """
    Custom data as users write it.
    """

    def __init__(self, number: int) -> None:
        self.number = number

    @property
    def ts_event(self) -> int:
        return 0

    @property
    def ts_init(self) -> int:
        return 0

    def to_dict(self) -> dict[str, Any]:
        return {"type": type(self).__name__, "number": self.number, "ts_init": 0}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Order":
        return cls(values["number"])


class Call(Order):
    pass


class UnannouncedCall(Order):
    pass


class LateCall(Order):
    pass


for _kind in (Call, UnannouncedCall):
    register_serializable_type(_kind, _kind.to_dict, _kind.from_dict)


class Listener(Actor):
    """
    Announces a type to the message bus, and keeps what comes and on which thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[int] = []
        self.threads: set[int] = set()

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        msgbus.add_streaming_type(Call)
        for kind in (Call, UnannouncedCall, LateCall):
            msgbus.subscribe(topic(kind), self.hear)

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def hear(self, call: Order) -> None:
        self.threads.add(threading.get_ident())
        self.heard.append(call.number)


def topic(kind: type[Order]) -> str:
    return f"data.{DataType(kind).topic}"


class Stream:
    """
    A stream, and the node that listens to it.
    """

    def __init__(self, valkey: EmbeddedValkey, name: str) -> None:
        self.valkey = valkey
        self.name = name
        self.listener = Listener()
        self.client: Any = valkey.client()

    def send(self, number: int, kind: type[Order] = Call) -> None:
        payload = msgspec.json.encode({"type": kind.__name__, "number": number, "ts_init": "0"})
        self.client.xadd(self.name, {"topic": topic(kind), "payload": payload})

    def readers(self) -> set[str]:
        return {c["id"] for c in self.client.client_list() if c["cmd"] == "xread"}

    def node(self) -> TradingNode:
        """
        Return a node that reads the stream already, and has not been started.
        """
        before = self.readers()
        bus = MessageBusConfig(
            database=self.valkey.database_config(), encoding="json", external_streams=[self.name]
        )
        node = paper_node(paper_node_config(trader_id=self.name, message_bus=bus))
        node.trader.add_actor(self.listener)
        eventually(lambda: self.readers() - before)
        return node

    @asynccontextmanager
    async def read(self) -> AsyncIterator[NodeRun]:
        """
        Run a node that reads the stream.
        """
        async with running(self.node()) as run:
            yield run


@pytest.fixture
def stream(valkey: EmbeddedValkey, trader_id: str) -> Stream:
    return Stream(valkey, trader_id)


def test_a_type_is_heard_once_it_is_a_streaming_type_of_the_bus_and_registered_even_late(
    stream: Stream,
) -> None:
    """
    Registering alone is not enough, and a type may be both made and announced on a running node.
    """

    async def scenario() -> None:
        async with stream.read() as run:
            stream.send(1, UnannouncedCall)
            stream.send(2, LateCall)
            stream.send(3)
            await run.until(lambda: 3 in stream.listener.heard)
            register_serializable_type(LateCall, LateCall.to_dict, LateCall.from_dict)
            run.node.kernel.msgbus.add_streaming_type(LateCall)
            stream.send(4, LateCall)
            await run.until(lambda: 4 in stream.listener.heard)

    asyncio.run(scenario())
    assert stream.listener.heard == [3, 4]


def test_a_message_is_published_on_another_thread_than_the_loops(stream: Stream) -> None:
    """
    Its handlers run beside the event loop, also while that is busy.
    """

    async def scenario() -> None:
        async with stream.read():
            stream.send(1)
            while not stream.listener.heard:
                pass  # The loop does nothing else meanwhile
            assert threading.get_ident() not in stream.listener.threads

    asyncio.run(scenario())
    assert stream.listener.heard == [1]
