import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.config import MessageBusConfig

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node import listeners
from nautilus_recovery_actor.node.listeners import Listener
from nautilus_recovery_actor.node.listeners import News
from nautilus_recovery_actor.node.listeners.bus import BusListener
from nautilus_recovery_actor.node.listeners.gates import GateListener
from nautilus_recovery_actor.node.listeners.history import HistoryListener
from nautilus_recovery_actor.node.listeners.log import LogListener
from nautilus_recovery_actor.node.listeners.signals import SignalListener
from nautilus_recovery_actor.node.monitor import actor
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import watched


IN_ORDER = (GateListener, BusListener, LogListener, HistoryListener, SignalListener)


class Heard(Listener):
    def __init__(self) -> None:
        self.news: list[News] = []

    def hear(self, news: News) -> None:
        self.news.append(news)


def overhear(
    monkeypatch: pytest.MonkeyPatch, heard: Callable[[type[Listener], News], None]
) -> None:
    """
    Call `heard` before each listener hears something.
    """
    for kind in IN_ORDER:

        def hear(self: Any, news: News, kind: Any = kind, original: Any = kind.hear) -> None:
            heard(kind, news)
            original(self, news)

        monkeypatch.setattr(kind, "hear", hear)


def test_gates_hear_first_and_then_the_bus_the_log_the_journal_and_signals(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may keep the news from a gate, and each message makes the round before the next."""
    order: list[tuple[type[Listener], str]] = []
    overhear(monkeypatch, lambda kind, news: order.append((kind, news.message.kind.value)))

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
        assert order == [
            (kind, message)
            for message in ("RecoveryStarted", "RecoveryComplete")
            for kind in IN_ORDER
        ]

    asyncio.run(scenario())


@pytest.mark.parametrize("deaf", IN_ORDER)
def test_each_listener_fails_alone(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, deaf: type[Listener]
) -> None:
    """What one of them raises is logged, and all the others hear of the result."""
    signaled: list[Any] = []
    recorded: list[Any] = []

    def heard(kind: type[Listener], _: News) -> None:
        if kind is deaf:
            raise RuntimeError("injected")

    overhear(monkeypatch, heard)
    original = RecoveryJournal.record

    def record(self: RecoveryJournal, report: Any) -> None:
        recorded.append(report)
        original(self, report)

    monkeypatch.setattr(RecoveryJournal, "record", record)
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.run.until(lambda: node.monitor.report.outcome is RecoveryOutcome.CLEAN)
            assert bool(node.terminals) is (deaf is not BusListener)
            assert bool(recorded) is (deaf is not HistoryListener)
            # There is no other way to a gate, and without the news it stays closed
            assert strategy.gate.is_open is (deaf is not GateListener)
            assert bool(signaled) is (deaf is not SignalListener)

    with signals.recovery_completed.connected_to(lambda _, event: signaled.append(event)):
        asyncio.run(scenario())


def test_another_listener_is_one_line(venue: PaperVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics or an alert need a class with one method, and a place in the list."""
    mine = Heard()
    original = listeners.listeners
    monkeypatch.setattr(actor, "listeners", lambda *args: (*original(*args), mine))

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert [news.message.kind.value for news in mine.news] == [
                "RecoveryStarted",
                "RecoveryComplete",
            ]
            assert mine.news[1].message is event
            assert mine.news[1].report is event.report

    asyncio.run(scenario())


def test_no_sent_message_is_changed(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps a message has what was sent, also where an external stream follows."""
    sent: dict[int, tuple[Any, dict[str, Any]]] = {}

    def heard(_: type[Listener], news: News) -> None:
        message = news.message
        first, values = sent.setdefault(id(message), (message, dict(vars(message))))
        assert first is message
        assert {key: vars(message)[key] for key in values} == values

    overhear(monkeypatch, heard)

    async def scenario() -> None:
        bus = MessageBusConfig(database=valkey.database_config(), encoding="json")
        async with watched(venue, message_bus=bus) as node:
            await node.result()
        assert len(sent) == 2
        for message, values in sent.values():
            assert vars(message).keys() - values.keys() <= {"blocked_instruments"}  # Cached

    asyncio.run(scenario())


class Lines:
    """
    A log that keeps what is written to it.
    """

    def __init__(self) -> None:
        self.written: list[str] = []

    def warning(self, message: str) -> None:
        self.written.append(message)

    def exception(self, message: str, _: Exception) -> None:
        self.written.append(message)


def test_a_message_on_which_a_subscriber_raises_is_streamed_without_false_advice(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The bus did not come to stream it, and not since this package was imported late."""
    log, streamed = Lines(), list[bytes]()
    is_raising = [True]

    def subscriber(_: RecoveryComplete) -> None:
        if is_raising:
            raise RuntimeError("injected")

    async def scenario() -> None:
        bus = MessageBusConfig(database=valkey.database_config(), encoding="json")
        async with watched(venue, message_bus=bus) as node:
            event = await node.result()
            msgbus = node.node.kernel.msgbus
            msgbus.subscribe(RecoveryComplete.topic(), subscriber)
            msgbus.subscribe("recovery.RecoveryComplete", streamed.append)
            listener = BusListener(log, msgbus)
            listener.hear(News(event))
            is_raising.clear()
            listener.hear(News(event))

    asyncio.run(scenario())
    assert log.written == ["A subscriber raised on RecoveryComplete"]
    assert len(streamed) == 1
