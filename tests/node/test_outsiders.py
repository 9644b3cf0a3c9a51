"""
What comes from outside with our types, on a stream that the node listens to, moves nothing.
"""

import asyncio
import gc
import threading
import time
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.test_kit.stubs.events import TestEventStubs

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor.core.names import is_gate
from nautilus_recovery_actor.host.held_back import HeldBack
from nautilus_recovery_actor.node.evidence import answers as module
from nautilus_recovery_actor.node.evidence.answers import Answers
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.outsiders import ID
from tests.node.outsiders import Outsider
from tests.node.outsiders import consumer
from tests.node.outsiders import elsewhere
from tests.node.outsiders import garbled
from tests.node.outsiders import listening
from tests.node.outsiders import message
from tests.node.outsiders import messages
from tests.node.outsiders import noting_signals
from tests.node.outsiders import standing
from tests.node.outsiders import wire
from tests.node.support import Recorder
from tests.node.support import gates
from tests.node.support import may_trade
from tests.node.support import say
from tests.node.support import watched
from tests.node.warm import Warmed
from tests.node.warm import warming


COMMAND_TOPIC = "data.OperatorCommand*"  # On which commands once came
TRADER = "TESTER-001"
FLOOD = 10_000
# How a node may stand when they come, and what that means for an order
STANDS = {"open": "FILLED", "failed": "DENIED", "degraded": "DENIED"}


@pytest.fixture
def outsider(valkey: EmbeddedValkey) -> Outsider:
    return Outsider(valkey, f"outside-{time.time_ns()}")


def prepare(venue: PaperVenue, stand: str) -> dict[str, Any]:
    if stand == "open":
        return {}
    venue.open_account()
    if stand == "failed":
        venue.set_faults(query_errors=True)
        return {"wait": False}
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    return {"exec_engine": LiveExecEngineConfig(generate_missing_orders=False)}


@pytest.mark.parametrize("stand", STANDS)
def test_no_message_from_a_stream_moves_a_gate_or_calls_a_hook(
    venue: PaperVenue, outsider: Outsider, stand: str
) -> None:
    """Whatever its epoch, in shadow mode or not: not at a strategy, the guard or the monitor."""
    strategy = Recorder()
    fields = prepare(venue, stand)

    async def scenario() -> None:
        async with listening(venue, outsider, strategy, **fields) as node:
            await node.result()
            await outsider.all_read(node)
            with noting_signals() as sent:
                before = standing(node, strategy, sent)
                assert before["gate"][0] is (stand != "failed")
                for one in messages(TRADER):
                    outsider.send((one.topic(), wire(one)))
                    await outsider.all_read(node)
                    assert standing(node, strategy, sent) == before, one
                strategy.submit_order(order := strategy.market())
                await node.run.until(lambda: order.is_closed)
                assert order.status_string() == STANDS[stand]
            heard = [one for one in node.messages if one.recovery_id == ID]
            assert len(heard) == len(list(messages(TRADER)))  # Who subscribes is informed

    asyncio.run(scenario())


def test_no_message_on_another_topic_moves_a_gate_either(
    venue: PaperVenue, outsider: Outsider
) -> None:
    """Who writes to a stream names the topic: those of orders, reports and the risk engine too."""
    strategy = Recorder()

    async def scenario() -> None:
        async with listening(venue, outsider, strategy) as node:
            await node.result()
            await outsider.all_read(node)
            hostile = [message(kind, TRADER, 2**53) for kind in MESSAGES]
            bus = node.node.kernel.msgbus
            topics = {topic.replace("*", "X") for topic in bus.topics()} - {"outsider.last"}
            topics |= {one.topic() for one in hostile}
            with noting_signals() as sent:
                before = standing(node, strategy, sent)
                outsider.send(*((topic, wire(one)) for topic in topics for one in hostile))
                await outsider.all_read(node)
                assert standing(node, strategy, sent) == before
                assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_a_flood_moves_nothing_and_none_of_it_holds_the_loop(
    venue: PaperVenue,
    outsider: Outsider,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Of ours nothing is called but what makes a message of each, beside the loop."""
    strategy = Recorder()
    spent: list[float] = []
    threads: set[int] = set()
    original = RecoveryMessage.from_dict.__func__  # type: ignore[attr-defined]

    def from_dict(kind: type[RecoveryMessage], values: dict[str, Any]) -> RecoveryMessage:
        threads.add(threading.get_ident())
        start = time.thread_time()
        made: RecoveryMessage = original(kind, values)
        spent.append(time.thread_time() - start)
        return made

    monkeypatch.setattr(RecoveryMessage, "from_dict", classmethod(from_dict))
    request.addfinalizer(gc.enable)

    async def scenario() -> None:
        async with listening(venue, outsider, strategy) as node:
            await node.result()
            await outsider.all_read(node)
            with noting_signals() as sent:
                before = standing(node, strategy, sent)
                gc.disable()  # A collection falls to whoever allocates, and looks at the whole node
                for kind in MESSAGES:
                    one = message(kind, TRADER, 2**53)
                    outsider.send(*[(one.topic(), wire(one))] * (FLOOD // len(MESSAGES)))
                await outsider.all_read(node)
                assert standing(node, strategy, sent) == before
            heard = [one for one in node.messages if one.recovery_id == ID]
            assert len(heard) == FLOOD
            assert max(spent) < 0.01
            assert threading.get_ident() not in threads

    asyncio.run(scenario())


def test_what_is_damaged_moves_nothing(venue: PaperVenue, outsider: Outsider) -> None:
    """Whichever field it is, and whatever is in its place."""
    strategy = Recorder()

    async def scenario() -> None:
        async with listening(venue, outsider, strategy) as node:
            await node.result()
            await outsider.all_read(node)
            with noting_signals() as sent:
                before = standing(node, strategy, sent)
                for topic in (*(kind.topic() for kind in MESSAGES), COMMAND_TOPIC):
                    outsider.send(*((topic, values) for values in garbled(TRADER)))
                await outsider.all_read(node)
                assert standing(node, strategy, sent) == before
                assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_what_a_twin_of_the_same_trader_says_opens_no_gate(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A node that has recovered streams it, and one that has not reads that stream."""
    stream = f"trader-{TRADER}:stream:{RecoveryComplete.topic()}"
    outsider, waiting = Outsider(valkey, stream), Recorder()
    with PaperVenue() as other:
        fields = prepare(other, "failed")

        async def scenario() -> None:
            async with listening(other, outsider, waiting, **fields) as failed:
                await failed.result()
                await outsider.all_read(failed)
                bus = MessageBusConfig(database=valkey.database_config(), encoding="json")
                async with watched(venue, message_bus=bus) as twin:
                    await twin.result()
                    opened = twin.terminals[0].recovery_id
                    heard = failed.messages
                    await failed.run.until(lambda: opened in {m.recovery_id for m in heard})
                    assert not waiting.gate.is_open
                    assert failed.node.kernel.risk_engine.trading_state == TradingState.REDUCING

        asyncio.run(scenario())


def test_no_handler_of_ours_takes_our_types_from_another_topic(venue: PaperVenue) -> None:
    """NautilusTrader's own raise on what is not their type, and do not always come first."""
    strategy = Warmed()

    async def scenario() -> None:
        async with warming(venue, strategy) as node:
            await node.result()
            await node.run.until(lambda: strategy.told[-1:] == ["enabled"])
            exits: Any = consumer(strategy)._exits
            exits._listen()
            denial: Any = strategy._RecoverableStrategy__denial
            bus = node.node.kernel.msgbus
            bus.subscribe("events.order.X", HeldBack(denial, None)._on_event)  # type: ignore[arg-type]
            halt_until_recovered(node.node)
            ours = [one.handler for one in bus.subscriptions() if is_ours(one.handler)]
            assert {one.__name__ for one in ours} == {
                "_on_event",
                "_on_risk_event",
                "_pass_on",
                "_take_past",
                "guarded",
                "on_order_event",
                "on_report",
            }
            (feed,) = (one.__self__ for one in ours if one.__name__ == "_take_past")
            feed.feed.is_requested = True  # As if an answer were to come
            for is_open in (True, False):
                if not is_open:
                    say(node, message(RecoveryStarted, TRADER, 99))
                newest = node.monitor._intake.newest
                with noting_signals() as sent:
                    before = standing(node, strategy, sent)
                    assert before["gate"][0] is is_open
                    for handler, kind in product(ours, (*MESSAGES, None)):
                        handler(message(kind, TRADER, 2**53) if kind else elsewhere())
                    await asyncio.sleep(0)
                    assert standing(node, strategy, sent) == before
                assert node.monitor._intake.newest is newest
                assert feed._past == []

    asyncio.run(scenario())


def test_a_message_sent_to_the_endpoint_of_a_gate_changes_nothing(
    venue: PaperVenue, outsider: Outsider
) -> None:
    """A gate is called there to join, by whoever and with whatever, and joins its monitor."""
    strategy = Recorder()

    async def scenario() -> None:
        async with listening(venue, outsider, strategy) as node:
            await node.result()
            bus = node.node.kernel.msgbus
            with noting_signals() as sent:
                before = standing(node, strategy, sent)
                for endpoint, one in product(filter(is_gate, bus.endpoints()), messages(TRADER)):
                    bus.send(endpoint, one)
                assert standing(node, strategy, sent) == before
            assert len(gates(node)._gates) == 2

    asyncio.run(scenario())


def is_ours(handler: Any) -> bool:
    return str(handler.__module__).startswith("nautilus_recovery_actor")


def test_no_message_of_ours_is_an_answer_about_balances(monkeypatch: pytest.MonkeyPatch) -> None:
    """What proves a cash account is an event of that account."""
    bus = MessageBus(TraderId(TRADER), LiveClock())
    nothing: Any = None
    answers = Answers(nothing, nothing, nothing, bus, nothing, nothing, nothing)
    monkeypatch.setattr(module, "is_cash", lambda *_: True)
    came_after: list[bool] = []

    class Asked:
        knows_balances = True

        async def balances(self, came: asyncio.Event) -> SimpleNamespace:
            bus.publish("events.account.PAPER-001", message(RecoveryComplete, TRADER, 1))
            came_after.append(came.is_set())
            bus.publish("events.account.PAPER-001", TestEventStubs.margin_account_state())
            came_after.append(came.is_set())
            return SimpleNamespace(problem=None)

    asyncio.run(answers._balances(Asked(), ["PAPER-001"]))  # type: ignore[arg-type]
    assert came_after == [False, True]
