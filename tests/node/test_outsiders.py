"""
What comes from outside with our types, on a stream that the node listens to, moves nothing.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.model.enums import TradingState

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.outsiders import EPOCHS
from tests.node.outsiders import ID
from tests.node.outsiders import Outsider
from tests.node.outsiders import elsewhere
from tests.node.outsiders import garbled
from tests.node.outsiders import listening
from tests.node.outsiders import message
from tests.node.outsiders import messages
from tests.node.outsiders import noting_signals
from tests.node.outsiders import standing
from tests.node.outsiders import wire
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import may_trade


TRADER = "TESTER-001"
# How a node may stand when they come, and what that means for an order
STANDS = {"open": True, "failed": False, "degraded": False}


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
                assert await may_trade(node, venue, strategy) is STANDS[stand]
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
            hostile = [*(message(kind, TRADER, 2**53) for kind in MESSAGES), elsewhere()]
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


def test_a_flood_moves_nothing_and_takes_no_time_of_the_loop(
    venue: PaperVenue, outsider: Outsider
) -> None:
    """Of ours nothing is called but what makes a message of each."""
    strategy = Recorder()
    made = FLOOD // len(MESSAGES)

    async def scenario() -> None:
        async with listening(venue, outsider, strategy) as node:
            await node.result()
            await outsider.all_read(node)
            with noting_signals() as sent:
                before = standing(node, strategy, sent)
                for kind in MESSAGES:
                    one = message(kind, TRADER, 2**53)
                    outsider.send(*[(one.topic(), wire(one))] * made)
                await outsider.all_read(node)
                assert standing(node, strategy, sent) == before
            heard = [one for one in node.messages if one.recovery_id == ID]
            assert len(heard) == FLOOD

    asyncio.run(scenario())


FLOOD = 10_000
