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
from nautilus_trader.common.enums import ComponentState
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.core.data import Data
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import DataType
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.serialization.base import register_serializable_type
from nautilus_trader.serialization.serializer import MsgSpecSerializer

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeRun
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.facts.support import VERSION
from tests.facts.support import eventually


ENCODINGS = {"json": msgspec.json, "msgpack": msgspec.msgpack}

# What the reader of the stream, which is not written in Python, has learned since 1.221
READS_FIELDS_BY_NAME = RECONNECTS = VERSION >= (1, 222)


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
        self.states: set[ComponentState] = set()

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
        self.states.add(self.state)
        if call.number < 0:
            raise RuntimeError("a handler that raises")
        self.heard.append(call.number)


def topic(kind: type[Order]) -> str:
    return f"data.{DataType(kind).topic}"


class Stream:
    """
    A stream, and the node that listens to it.
    """

    def __init__(self, valkey: EmbeddedValkey, name: str, encoding: str = "json") -> None:
        self.valkey = valkey
        self.name = name
        self.encoding = encoding
        self.listener = Listener()
        self.client: Any = valkey.client()

    def payload(self, number: int, kind: type[Order] = Call, ts_init: Any = "0") -> bytes:
        values = {"type": kind.__name__, "number": number, "ts_init": ts_init}
        return ENCODINGS[self.encoding].encode(values)  # type: ignore[no-any-return]

    def send(self, number: int, kind: type[Order] = Call, **fields: Any) -> None:
        payload = self.payload(number, kind, **fields)
        self.client.xadd(self.name, {"topic": topic(kind), "payload": payload})

    def readers(self) -> set[str]:
        return {c["id"] for c in self.client.client_list() if c["cmd"] == "xread"}

    def node(self) -> TradingNode:
        """
        Return a node that reads the stream already, and has not been started.
        """
        before = self.readers()
        bus = MessageBusConfig(
            database=self.valkey.database_config(),
            encoding=self.encoding,
            external_streams=[self.name],
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


def test_the_default_encoding_of_a_message_bus_differs_between_versions() -> None:
    """
    So who writes to a stream has to know the version or the configuration of who reads it.
    """
    assert MessageBusConfig().encoding == ("json" if VERSION >= (1, 222) else "msgpack")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_entry_is_a_topic_and_a_payload_in_the_encoding_of_the_message_bus(
    valkey: EmbeddedValkey, trader_id: str, encoding: str
) -> None:
    """
    The stream's name is the one in `external_streams`, without any prefix.
    """
    stream = Stream(valkey, trader_id, encoding)

    async def scenario() -> None:
        async with stream.read() as run:
            stream.send(1)
            await run.until(lambda: stream.listener.heard == [1])

    asyncio.run(scenario())


def test_the_fields_of_an_entry_count_by_their_place_or_by_their_name(stream: Stream) -> None:
    """
    1.221 takes the first for the topic and the second for the payload, 1.231 goes by the names.
    """

    async def scenario() -> None:
        async with stream.read() as run:
            fields = [
                {"first": topic(Call), "second": stream.payload(1)},
                {"payload": stream.payload(2), "topic": topic(Call)},
            ]
            for entry in fields:
                stream.client.xadd(stream.name, entry)
            stream.send(3)
            await run.until(lambda: 3 in stream.listener.heard)

    asyncio.run(scenario())
    assert stream.listener.heard == [2 if READS_FIELDS_BY_NAME else 1, 3]


def test_a_timestamp_must_be_text(stream: Stream) -> None:
    """
    The message bus writes them so, and takes a number for damage.
    """

    async def scenario() -> None:
        async with stream.read() as run:
            stream.send(1, ts_init=0)
            stream.send(2, ts_init="0")
            await run.until(lambda: 2 in stream.listener.heard)

    asyncio.run(scenario())
    assert stream.listener.heard == [2]


def test_a_key_that_is_a_part_of_expire_time_ns_is_taken_for_a_timestamp() -> None:
    """
    A field named `n` or `time` must be text as well.
    """
    serializer = MsgSpecSerializer(encoding=msgspec.json, timestamps_as_str=True)
    assert serializer.deserialize(b'{"n": "1", "time": "2"}') == {"n": 1, "time": 2}
    with pytest.raises(TypeError):
        serializer.deserialize(b'{"n": 1}')


def test_an_entry_that_cannot_be_read_is_passed_over(stream: Stream) -> None:
    """
    Whatever the damage, the node reads on, and so it does after a handler that raises.
    """
    damaged = [
        {"name": "value"},
        {"topic": b"\xff\xfe", "payload": b"{}"},
        {"topic": topic(Call), "payload": b""},
        {"topic": topic(Call), "payload": b"\xff["},
        {"topic": topic(Call), "payload": b"[1]"},
        {"topic": topic(Call), "payload": b'{"type":"Call"}'},
        {"topic": topic(Call), "payload": b'{"type":7}'},
        {"topic": topic(Call), "payload": stream.payload(-1)},
        {"topic": "", "payload": stream.payload(4)},
    ]

    async def scenario() -> None:
        async with stream.read() as run:
            for entry in damaged:
                stream.client.xadd(stream.name, entry)
            stream.send(1)
            await run.until(lambda: stream.listener.heard == [1])
            assert run.is_trading

    asyncio.run(scenario())


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


def test_a_node_reads_from_the_time_it_was_made_and_hears_when_its_trader_runs(
    stream: Stream,
) -> None:
    """
    What was sent before is never heard; what was sent before its start has ended waits for that.
    """
    stream.send(1)

    async def scenario() -> None:
        node = stream.node()
        stream.client.xadd(  # Not in the millisecond from which the node reads
            stream.name,
            {"topic": topic(Call), "payload": stream.payload(2)},
            id=f"{(int(stream.client.time()[0]) + 1) * 1000}-0",
        )
        async with running(node) as run:
            stream.send(3)
            await run.until(lambda: 3 in stream.listener.heard)

    asyncio.run(scenario())
    assert stream.listener.heard == [2, 3]
    assert stream.listener.states == {ComponentState.RUNNING}
    assert stream.client.xlen(stream.name) == 3


def test_what_was_sent_before_is_heard_if_the_clock_of_the_server_is_ahead(stream: Stream) -> None:
    """
    The time of an entry is the server's, the time from which a node reads is its own.
    """
    ahead_ms = (int(stream.client.time()[0]) + 3600) * 1000
    stream.client.xadd(
        stream.name, {"topic": topic(Call), "payload": stream.payload(1)}, id=f"{ahead_ms}-0"
    )

    async def scenario() -> None:
        async with stream.read() as run:
            await run.until(lambda: stream.listener.heard == [1])

    asyncio.run(scenario())


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


def test_after_a_lost_connection_older_versions_are_deaf_for_good_and_say_nothing(
    stream: Stream,
) -> None:
    """
    1.221 ends the task that reads, without an error; 1.231 connects again.
    """

    async def scenario() -> None:
        before = stream.readers()
        async with stream.read() as run:
            task: Any = run.node._task_streaming
            for reader in stream.readers() - before:
                stream.client.client_kill_filter(_id=reader)
            stream.send(1)
            if RECONNECTS:
                await run.until(lambda: stream.listener.heard == [1])
                assert not task.done()
            else:
                await run.until(task.done)
                assert task.exception() is None
                assert run.is_trading
                assert stream.listener.heard == []

    asyncio.run(scenario())
