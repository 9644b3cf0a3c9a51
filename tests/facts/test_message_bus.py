"""
How messages travel between components, and out of the node.
"""

import asyncio
import json
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
from nautilus_trader.model.data import DataType
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.serialization.base import register_serializable_type

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import VERSION
from tests.facts.support import Trader
from tests.facts.support import Witness
from tests.facts.support import trading


class Message(Data):
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
        return {"type": type(self).__name__, "number": self.number}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Message":
        return cls(values["number"])


class News(Message):
    pass


class UnregisteredNews(Message):
    pass


class LateRegisteredNews(Message):
    pass


register_serializable_type(News, News.to_dict, News.from_dict)

NEWS_TOPIC = "data.News*"


class Publisher(Actor):
    def on_start(self) -> None:
        self.publish(0)

    def publish(self, number: int) -> None:
        self.publish_data(DataType(News), News(number))


class Reader(Trader):
    """
    Subscribes as early as a test asks for, and keeps what `on_data` gets.
    """

    def __init__(self, *, at_registration: bool) -> None:
        super().__init__()
        self.read: list[int] = []
        self.told: list[tuple[int, ComponentState]] = []
        self._is_early = at_registration

    def register_base(
        self, portfolio: PortfolioFacade, msgbus: MessageBus, cache: CacheFacade, clock: Clock
    ) -> None:
        super().register_base(portfolio, msgbus, cache, clock)
        if self._is_early:
            self._subscribe()

    def on_start(self) -> None:
        if not self._is_early:
            self._subscribe()

    def _subscribe(self) -> None:
        self.msgbus.subscribe(NEWS_TOPIC, self.handle_data)
        self.msgbus.subscribe(NEWS_TOPIC, self._on_news)

    def _on_news(self, news: News) -> None:
        self.told.append((news.number, self.state))

    def on_data(self, data: Any) -> None:
        self.read.append(data.number)


def test_what_an_actor_publishes_in_its_on_start_reaches_no_strategy_that_subscribes_in_its_own(
    venue: PaperVenueControl,
) -> None:
    """
    Actors start before strategies, so the message is gone when the strategy subscribes.
    """
    publisher, reader = Publisher(), Reader(at_registration=False)

    async def scenario() -> None:
        async with trading(venue, publisher, reader):
            publisher.publish(1)
            assert reader.read == [1]
            assert reader.told == [(1, ComponentState.RUNNING)]

    asyncio.run(scenario())


def test_a_component_drops_a_bus_message_while_it_is_not_running(venue: PaperVenueControl) -> None:
    """
    Only a running component passes on to `on_data`; a handler of one's own hears everything.
    """
    publisher, reader = Publisher(), Reader(at_registration=True)

    async def scenario() -> None:
        async with trading(venue, publisher, reader):
            publisher.publish(1)
            reader.stop()
            publisher.publish(2)
            reader.resume()
            publisher.publish(3)

    asyncio.run(scenario())
    assert reader.read == [1, 3]
    assert reader.told == [
        (0, ComponentState.READY),
        (1, ComponentState.RUNNING),
        (2, ComponentState.STOPPED),
        (3, ComponentState.RUNNING),
    ]


def test_custom_data_without_metadata_is_published_on_a_topic_that_ends_in_a_star() -> None:
    """
    The star is part of the topic itself, not a wildcard that somebody subscribed with.
    """
    assert f"data.{DataType(News).topic}" == NEWS_TOPIC


def test_subscribing_to_custom_data_without_a_client_subscribes_and_on_newer_versions_logs_an_error(
    venue: PaperVenueControl,
) -> None:
    """
    So subscribe on the message bus, which says nothing.
    """
    client = {"port": venue.port, "account_id": venue.account_id}
    with NodeProcess("tests.facts.nodes:subscriber", client=client) as process:
        assert process.wait_for("heard")["number"] == 1
        process.wait_for("started")
        process.stop()
        errors = [line for line in process.log.splitlines() if "[ERROR]" in line]
    # It was logged before this one
    assert any("MARKER" in line for line in errors)
    assert any("subscribe_data" in line for line in errors) == (VERSION >= (1, 222))


def test_a_wildcard_reaches_a_topic_that_was_published_on_before_on_newer_versions_only(
    venue: PaperVenueControl,
) -> None:
    """
    On 1.221 subscribe before the first message, or to the exact topic.
    """
    heard: list[tuple[str, int]] = []

    class Late(Actor):
        def on_start(self) -> None:
            self.msgbus.publish("facts.old", 1)
            self.msgbus.subscribe("facts.*", lambda n: heard.append(("facts.*", n)))
            self.msgbus.subscribe("facts.old", lambda n: heard.append(("facts.old", n)))
            self.msgbus.publish("facts.old", 2)
            self.msgbus.publish("facts.new", 3)

    async def scenario() -> None:
        async with trading(venue, Late()):
            pass

    asyncio.run(scenario())
    reached = [("facts.*", 2)] if VERSION >= (1, 222) else []
    assert sorted(heard) == sorted([*reached, ("facts.old", 2), ("facts.*", 3)])


def test_a_star_in_a_published_topic_reaches_exact_subscribers_and_wildcards(
    venue: PaperVenueControl,
) -> None:
    """
    `data.News*` reaches who subscribed to it early or late, and who subscribed to `data.*` early.
    """
    publisher, early, reader = (
        Publisher(),
        Witness(NEWS_TOPIC, "data.*"),
        Reader(at_registration=False),
    )

    async def scenario() -> None:
        async with trading(venue, publisher, early, reader):
            publisher.publish(1)

    asyncio.run(scenario())
    assert [news.number for news in early.on(NEWS_TOPIC)] == [0, 1]
    assert [news.number for news in early.on("data.*")] == [0, 1]
    assert reader.read == [1]


def test_custom_data_reaches_an_external_stream_only_if_registered_before_the_node_was_made(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The message bus takes the list of registered types when it is made.
    """
    streams = MessageBusConfig(
        database=valkey.database_config(),
        encoding="json",  # The default of 1.221 is msgpack
    )
    publisher = Publisher()

    async def scenario() -> None:
        async with trading(venue, publisher, trader_id=trader_id, message_bus=streams) as run:
            register_serializable_type(
                LateRegisteredNews, LateRegisteredNews.to_dict, LateRegisteredNews.from_dict
            )
            heard: list[Message] = []
            for kind in (UnregisteredNews, LateRegisteredNews):
                run.node.kernel.msgbus.subscribe(f"data.{DataType(kind).topic}", heard.append)
                publisher.publish_data(DataType(kind), kind(1))
            assert [type(news) for news in heard] == [UnregisteredNews, LateRegisteredNews]
            publisher.publish(1)
            with valkey.client(decode_responses=True) as client:
                stream = f"trader-{trader_id}:stream:{NEWS_TOPIC}"
                await run.until(lambda: client.xlen(stream) == 2)
                news = [json.loads(entry["payload"]) for _, entry in client.xrange(stream)]
                assert [values["number"] for values in news] == [0, 1]
                assert client.keys(f"trader-{trader_id}:stream:data.*News*") == [stream]

    asyncio.run(scenario())


def test_a_msgspec_struct_cannot_subclass_data() -> None:
    """
    So a message on the bus is a class of its own, with a struct inside.
    """
    with pytest.raises(TypeError):
        type("Message", (msgspec.Struct, Data), {})
    with pytest.raises(TypeError):
        type("Message", (Data, msgspec.Struct), {})
