"""
Commands from outside, over the monitor's own connection: what a node hears, and what it does not.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from typing import cast

import msgspec
import pytest
import redis
from nautilus_trader.common.component import Logger
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.serialization.base import register_serializable_type

from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor.core import delivery
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.link import client as client_module
from nautilus_recovery_actor.link import commands as hearing
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.outside import remote
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.server.stand_ins import listening
from tests.server.stand_ins import never_answers


TRADER = "TESTER-001"
TOPIC = "data.OperatorCommand*"
TIMES = ("ts_event", "ts_init", "ts_expires")
WHERE = Namespace(trader_id=TRADER)


class Said:
    """
    What is logged of commands.
    """

    def __init__(self) -> None:
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.info = self.infos.append
        self.warning = self.warnings.append
        self.error = self.errors.append

    def exception(self, message: str, ex: Exception) -> None:
        self.errors.append(f"{message}: {ex!r}")

    @classmethod
    def of(cls, node: Watched) -> "Said":
        """
        Return what a node logs from now on.
        """
        link = node.monitor._connections._link
        assert link is not None
        link.commands._log = said = cls()
        return said


@asynccontextmanager
async def blocked(
    venue: PaperVenue, valkey: EmbeddedValkey, *strategies: Any, **fields: Any
) -> AsyncIterator[Watched]:
    """
    Run a node that comes up with ETH blocked, and hears commands.
    """
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    engine = LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
    async with watched(venue, valkey, *strategies, exec_engine=engine, **fields) as node:
        await node.result()
        yield node


def token(node: Watched) -> str:
    link = node.monitor._connections._link
    assert link is not None
    return names.UNLEASED if link.keeper is None else link.keeper.token


def commands_key(node: Watched) -> str:
    return WHERE.own_key(names.COMMANDS.format(token=token(node)))


def push(client: redis.Redis, node: Watched, *entries: bytes) -> None:
    """
    Put entries into the list of a node, as a sender does.
    """
    client.rpush(commands_key(node), *entries)
    client.rpush(WHERE.own_key(names.COMMANDS_BELL.format(token=token(node))), "1")


def entry(client: redis.Redis, asked: OperatorCommand) -> bytes:
    secs, micros = client.time()
    return delivery.entry(asked.to_bytes(), secs * 10**9 + micros * 1000, 10.0)


async def send(valkey: EmbeddedValkey, asked: OperatorCommand) -> CommandAnswer:
    return await asyncio.to_thread(remote.send, asked, valkey.url)


def test_a_clock_of_the_operator_that_is_wrong_does_not_matter(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Only how long it waits, and the server's clock, tell whether a command is too old."""

    async def scenario() -> None:
        async with blocked(venue, valkey, strategy := Recorder()) as node:
            for ts in (1, 2**62):
                asked = command("release", ETH.value, ts_init=ts)
                assert (await send(valkey, asked)).is_accepted
                assert strategy.gate.is_open_for(ETH)
                (*_, override) = node.monitor.report.overrides
                assert abs(override.ts_started - node.monitor.clock.timestamp_ns()) < 60 * 10**9
                assert (await send(valkey, command("withdraw", ETH.value))).is_accepted

    asyncio.run(scenario())


def test_what_its_sender_no_longer_waits_for_is_not_done(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A node that comes to it too late says so."""

    async def scenario() -> None:
        async with blocked(venue, valkey, strategy := Recorder()) as node:
            with valkey.client() as client:
                asked = command("release", ETH.value)
                secs, _ = client.time()
                old = delivery.entry(asked.to_bytes(), secs * 10**9, 0.0)
                push(client, node, old)
                await node.run.until(lambda: node.answers)
            assert not node.answers[0].is_accepted
            assert "too old" in node.answers[0].text
            assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


GARBAGE = {
    "nothing": b"",
    "no JSON": b"\xff\x00",
    "nested": b"[" * 5_000,
    "no command": b'{"until":99999999999999,"command":{}}',
    "nested command": b'{"until":99999999999999,"command":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
    "huge": b"x" * 5_000_000,
}


@pytest.mark.parametrize("kind", [*GARBAGE, "another trader"])
def test_what_is_no_command_costs_a_line_and_the_next_one_is_heard(
    venue: PaperVenue, valkey: EmbeddedValkey, kind: str
) -> None:
    """However much there is of it, and the node takes a few at a time."""

    async def scenario() -> Said:
        async with blocked(venue, valkey) as node:
            said = Said.of(node)
            with valkey.client() as client:
                damaged = GARBAGE.get(kind) or b"\x00"
                if kind == "another trader":
                    damaged = entry(client, command("resume", trader_id="OTHER-001"))
                count = 10 if kind == "huge" else 10_000
                before = client.info("commandstats")["cmdstat_eval"]["calls"]
                push(client, node, *[damaged] * count)
                asked = OperatorCommand.new(TRADER, "resume", "after it all", valid_secs=300)
                assert "nothing to resume" in (await send(valkey, asked)).text
                after = client.info("commandstats")["cmdstat_eval"]["calls"]
                assert after - before > count / 16
                await node.run.until(lambda: not client.exists(commands_key(node)))
            return said

    said = asyncio.run(scenario())
    assert 0 < len(said.warnings) < 5
    assert all("list of operators' commands ignored: " in line for line in said.warnings)
    assert all(line.isprintable() and len(line) < 300 for line in said.warnings)
    if kind == "huge":  # Only its size has come
        assert "5000000 bytes, more than any command has" in said.warnings[0]


def test_what_is_published_on_the_bus_changes_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Neither in the node, nor by an external stream whose bus passes the type on."""

    def read(values: dict[str, Any]) -> OperatorCommand:
        return OperatorCommand.from_dict(values | dict.fromkeys(TIMES, 1))

    register_serializable_type(OperatorCommand, OperatorCommand.to_dict, read)
    bus = MessageBusConfig(
        database=valkey.database_config(), encoding="json", external_streams=["anything"]
    )
    heard: list[Any] = []

    async def scenario() -> None:
        strategy = Recorder()
        async with blocked(venue, valkey, strategy, message_bus=bus) as node:
            msgbus = node.node.kernel.msgbus
            msgbus.add_streaming_type(OperatorCommand)
            msgbus.subscribe(TOPIC, heard.append)
            asked = command("release", ETH.value, ts_init=1, ts_event=1)
            msgbus.publish(TOPIC, command("release", ETH.value))
            assert len(heard) == 1
            values = asked.to_dict() | dict.fromkeys(TIMES, "1")
            with valkey.client() as client:
                payload = msgspec.json.encode(values)
                client.xadd("anything", {"topic": TOPIC, "payload": payload})
                await node.run.until(lambda: len(heard) == 2)
            assert isinstance(heard[1], OperatorCommand)
            # What was sent after it has been obeyed, so this has been looked at
            assert not (await send(valkey, command("resume"))).is_accepted
            assert not strategy.gate.is_open_for(ETH)
            assert node.monitor.report.overrides == ()
            assert len(node.answers) == 1

    asyncio.run(scenario())


def test_a_node_whose_lease_was_taken_gets_nothing_any_more(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What is sent to it is not carried out, and who asks is told that another one runs."""

    async def scenario() -> None:
        config = monitor_config(heartbeat_secs=0.2)
        async with blocked(venue, valkey, monitor=config) as node:
            link = node.monitor._connections._link
            assert link is not None
            keeper = link.keeper
            assert keeper is not None
            other = {"token": "t", "fence": 1_000, "host": "attic", "pid": 8, "machine": ""}
            with valkey.client() as client:
                key = commands_key(node)
                client.hset(WHERE.own_key(names.LEASE), mapping=other)
                push(client, node, entry(client, command("release", ETH.value)))
                asked = OperatorCommand.new(TRADER, "resume", "x", valid_secs=0.2)
                with pytest.raises(remote.NoAnswerError, match="process 8 on attic"):
                    await send(valkey, asked)
                await node.run.until(lambda: keeper.lease.standing is Standing.TAKEN)
                client.rpush(f"{key}:bell", "1")
                await node.run.until(link._tasks[1].done)
                assert client.llen(key) == 1
            assert node.answers == []

    asyncio.run(scenario())


@pytest.mark.parametrize("fields", [{"lease": False}, {"shadow": True}])
def test_a_node_without_a_lease_is_reached_until_it_stops(
    venue: PaperVenue, valkey: EmbeddedValkey, fields: dict[str, Any]
) -> None:
    """And right after that it is known not to run."""

    async def scenario() -> None:
        async with blocked(venue, valkey, monitor=monitor_config(**fields)) as node:
            assert token(node) == names.UNLEASED
            with valkey.client() as client:
                listener = WHERE.own_key(names.LISTENER)
                await node.run.until(lambda: client.exists(listener))
                assert 0 < client.pttl(listener) <= 15_000
            assert "nothing to resume" in (await send(valkey, command("resume"))).text
        with pytest.raises(remote.NoNodeError, match="of a clean stop"):
            await send(valkey, command("resume"))

    asyncio.run(scenario())


def test_an_answer_that_cannot_be_sent_costs_a_line(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The node goes on, and answers the next one."""

    async def scenario() -> None:
        async with blocked(venue, valkey) as node:
            said = Said.of(node)
            asked = command("resume")
            name = names.ANSWER.format(command_id=asked.command_id)
            with valkey.client() as client:
                client.set(WHERE.own_key(name), "in the way")
                push(client, node, entry(client, asked))
            await node.run.until(lambda: node.answers)
            link = node.monitor._connections._link
            assert link is not None
            assert link.commands.answering is not None
            await link.commands.answering
            assert "nothing to resume" in (await send(valkey, command("resume"))).text
            (line,) = said.errors
            assert line.startswith("An operator could not be answered: 127.0.0.1:")

    asyncio.run(scenario())


def test_an_answer_that_comes_while_the_one_before_has_just_been_sent_is_sent_too(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection of the answers is being closed by then."""
    commands = hearing.Commands(
        Server(valkey.url, WHERE), None, Logger("Commands"), lambda *_: None
    )
    first, second = (CommandAnswer(command("resume").command_id, True, "", 1) for _ in range(2))
    disconnect = client_module.disconnect

    async def closing(client: Any) -> None:
        await disconnect(client)
        commands.answer(second)

    async def scenario() -> None:
        monkeypatch.setattr(hearing, "disconnect", closing)
        commands._unanswered = dict.fromkeys((first.command_id, second.command_id))
        commands.answer(first)
        assert commands.answering is not None
        await commands.answering

    asyncio.run(scenario())
    with valkey.client() as client:
        for said in (first, second):
            key = WHERE.own_key(names.ANSWER.format(command_id=said.command_id))
            assert client.lrange(key, 0, -1) == [msgspec.json.encode(said)]
            assert 0 < client.ttl(key) <= 60


def test_a_lost_connection_is_made_anew_and_misses_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What comes meanwhile is heard then."""

    def waiting(client: Any) -> list[str]:
        return [one["id"] for one in client.client_list() if one["cmd"] == "blpop"]

    async def scenario() -> None:
        async with blocked(venue, valkey) as node:
            said = Said.of(node)
            with valkey.client() as client:
                for _ in range(5):
                    await node.run.until(lambda: waiting(client))
                    for one in waiting(client):
                        client.client_kill_filter(_id=one)
                    assert "nothing to resume" in (await send(valkey, command("resume"))).text
                await node.run.until(lambda: len(said.infos) == len(said.warnings) > 0)
        gone = "Operators' commands cannot be heard now: 127.0.0.1:"
        assert all(line.startswith(gone) for line in said.warnings)
        assert set(said.infos) == {"Operators' commands are heard again"}

    asyncio.run(scenario())


def test_a_server_that_never_answers_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again and again, on a connection of its own, and that is told once."""
    monkeypatch.setattr(hearing, "SOCKET_SECS", 0.01)
    monkeypatch.setattr(hearing, "_FIRST_PAUSE_SECS", 0.01)
    asked: list[socket.socket] = []

    def never(connection: socket.socket) -> None:
        asked.append(connection)
        never_answers(connection)

    said = Said()

    async def scenario(port: int) -> None:
        node = paper_node(paper_node_config(trader_id=TRADER))
        server = Server(f"redis://127.0.0.1:{port}", WHERE)
        commands = hearing.Commands(server, None, cast("Any", said), lambda *_: None)
        async with running(node) as run:
            task = asyncio.create_task(commands.listen(lambda: True))
            await run.until(lambda: len(asked) > 3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    with listening(never) as port:
        asyncio.run(scenario(port))
    (line,) = said.warnings
    assert line == f"Operators' commands cannot be heard now: 127.0.0.1:{port}: TimeoutError"


def test_only_the_newest_commands_can_be_answered(valkey: EmbeddedValkey) -> None:
    """A flood of them is not kept for ever."""
    taken: list[OperatorCommand] = []
    server = Server(valkey.url, WHERE)
    commands = hearing.Commands(server, None, Logger("Commands"), lambda one, _: taken.append(one))
    for _ in range(1_001):
        now, asked = time.time_ns(), command("resume")
        assert commands._heard(delivery.entry(asked.to_bytes(), now, 10.0), now, 0) == ""
    commands.answer(CommandAnswer(taken[0].command_id, True, "", 1))
    assert commands.answering is None
    assert len(commands._unanswered) == 1_000
