"""
Several processes that share the alerting, on a real server.
"""

import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.serve.alerts import Alerts
from nautilus_recovery_actor.serve.coordination import Alone
from nautilus_recovery_actor.serve.coordination import Claim
from nautilus_recovery_actor.serve.coordination import Message
from nautilus_recovery_actor.serve.coordination import Shared
from nautilus_recovery_actor.serve.coordination import Stage
from nautilus_recovery_actor.serve.incidents import Incident
from nautilus_recovery_actor.serve.incidents import Key
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.outbox import Pace
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.targets import Target
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.serve.boards import CLEAN
from tests.serve.boards import FAILED
from tests.serve.boards import SERVER
from tests.serve.boards import now
from tests.serve.webhook import Webhook


pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
INCIDENT = Incident(key=Key(Kind.FAILED, "127.0.0.1:6379", "T:1"), ts=1, text="TIMEOUT")
ENDED = "T-1: FAILED is over"
BEGUN = "T-1 FAILED: recovery epoch 7: TIMEOUT"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


def message(stage: Stage = Stage.BEGIN, trader_id: str = "T:1", age_secs: float = 0) -> Message:
    key = Key(Kind.FAILED, "127.0.0.1:6379", trader_id)
    incident = Incident(key=key, ts=1, text="TIMEOUT")
    return Message(incident, stage, time.monotonic() - age_secs)


async def claimed(shared: Shared, *messages: Message, target: str = "a") -> list[str]:
    return [str(one) for one in await shared.claim(target, messages or [message()])]


async def test_one_of_two_sends(valkey: EmbeddedValkey) -> None:
    """The other one waits, and then knows that it was sent: the beginning, then the end."""
    ours, theirs = Shared(valkey.url, "A"), Shared(valkey.url, "B")
    assert await claimed(ours) == ["OURS"]
    assert await claimed(theirs) == ["BUSY"]
    assert await claimed(theirs, target="another") == ["OURS"]
    await ours.sent("a", [message()], Stage.BEGIN)
    assert await claimed(theirs) == await claimed(ours) == ["DONE"]
    assert await theirs.ongoing() == [INCIDENT]
    assert await claimed(theirs, message(Stage.END)) == ["OURS"]
    assert await claimed(ours, message(Stage.END)) == ["BUSY"]
    await theirs.sent("a", [message(Stage.END)], Stage.END)
    assert await claimed(ours, message(Stage.END)) == ["DONE"]
    assert await ours.ongoing() == []
    assert await claimed(ours, message(age_secs=5)) == ["DONE"]  # Seen before it was over
    await asyncio.sleep(0.01)
    assert await claimed(ours, message()) == ["OURS"]  # Another one
    await ours.close()
    await theirs.close()


async def test_who_gives_up_lets_another_one_try(valkey: EmbeddedValkey) -> None:
    ours, theirs = Shared(valkey.url, "A"), Shared(valkey.url, "B")
    assert await claimed(ours) == ["OURS"]
    await theirs.release("a", [message()])  # It is not theirs
    assert await claimed(theirs) == ["BUSY"]
    await ours.release("a", [message()])
    assert await claimed(theirs) == ["OURS"]
    await ours.close()
    await theirs.close()


async def test_who_told_of_a_beginning_tells_of_the_end_also_if_the_server_was_emptied(
    valkey: EmbeddedValkey,
) -> None:
    """Once, and nobody else does."""
    ours, theirs = Shared(valkey.url, "A"), Shared(valkey.url, "B")
    assert await claimed(ours) == ["OURS"]
    await ours.sent("a", [message()], Stage.BEGIN)
    with valkey.client() as client:
        client.flushall()
    assert await claimed(theirs, message(Stage.END)) == ["DONE"]
    assert await claimed(ours, message(Stage.END)) == ["OURS"]
    await ours.sent("a", [message(Stage.END)], Stage.END)
    assert await claimed(ours, message(Stage.END)) == ["DONE"]
    await ours.close()
    await theirs.close()


async def test_who_dies_while_it_sends_loses_its_claim(valkey: EmbeddedValkey) -> None:
    """Another one sends when that has run out, and not before."""
    ours, theirs = Shared(valkey.url, "A", claim_ms=300), Shared(valkey.url, "B")
    began = time.monotonic()
    assert await claimed(ours) == ["OURS"]
    while await claimed(theirs) == ["BUSY"]:  # noqa: ASYNC110 (it has no event)
        await asyncio.sleep(0.01)
    assert time.monotonic() - began > 0.2
    assert await claimed(ours) == ["BUSY"]
    await ours.close()
    await theirs.close()


async def test_three_that_look_at_the_same_tell_once(valkey: EmbeddedValkey, hook: Webhook) -> None:
    """Of the beginning and the end, whoever is first."""
    watch = Watch()
    pace = Pace(gather_secs=0.01, look_secs=0.02)
    every = [
        Alerts(
            [Target(hook.url, 1)],
            coordination=Shared(valkey.url, name),
            pace=pace,
            ends_after_secs=0.0,
        )
        for name in "ABC"
    ]
    tasks = [asyncio.ensure_future(one.run(watch)) for one in every]
    for report, count in ((FAILED, 1), (CLEAN, 2)):
        watch.put(now({"report": report}))
        await asyncio.to_thread(hook.wait_for, partial(has_received, count))
        while any(len(one.outboxes[0]) for one in every):  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert hook.titles == [BEGUN, ENDED]


async def test_what_another_has_told_of_reaches_our_services_too(
    valkey: EmbeddedValkey, hook: Webhook
) -> None:
    """Those that it does not have, or could not reach before it died."""
    theirs = Shared(valkey.url, "A")
    incident = Incident(key=Key(Kind.NO_HEARTBEAT, SERVER, "T-1"), ts=1, text="silent")
    told = Message(incident, Stage.BEGIN, time.monotonic())
    await theirs.sent("another service", [told], Stage.BEGIN)
    ours = Alerts(
        [Target(hook.url, 1)],
        coordination=Shared(valkey.url, "B"),
        pace=Pace(gather_secs=0.01, look_secs=0.02),
        ends_after_secs=0.0,
    )
    watch = Watch()
    task = asyncio.ensure_future(ours.run(watch))
    for age_secs, count in ((100, 1), (0, 2)):
        watch.put(now({"age_secs": age_secs}))
        await asyncio.to_thread(hook.wait_for, partial(has_received, count))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await theirs.close()
    assert hook.titles[0].startswith("T-1 NO HEARTBEAT since ")
    assert hook.titles[1] == "T-1: NO_HEARTBEAT is over"


async def test_a_storm_is_claimed_as_one(valkey: EmbeddedValkey) -> None:
    ours, theirs = Shared(valkey.url, "A"), Shared(valkey.url, "B")
    storm = [message(trader_id=f"T-{n}") for n in range(1_000)]
    one, other = await asyncio.gather(ours.claim("a", storm), theirs.claim("a", storm))
    assert {*one, *other} == {Claim.OURS, Claim.BUSY}
    assert len({*one}) == len({*other}) == 1
    await ours.close()
    await theirs.close()


async def test_all_is_below_one_prefix_and_goes_by_itself(valkey: EmbeddedValkey) -> None:
    shared = Shared(valkey.url, "A")
    await claimed(shared)
    with valkey.client() as client:
        (key,) = client.keys()
        assert client.ttl(key) > 0
        await shared.sent("a", [message()], Stage.BEGIN)
        assert sorted(client.keys()) == [
            b"nautilus-recovery:serve:incident:FAILED:127.0.0.1%3A6379:T%3A1",
            b"nautilus-recovery:serve:ongoing",
        ]
        assert all(client.ttl(one) > 86_400 for one in client.scan_iter())
        await shared.sent("a", [message(Stage.END)], Stage.END)
        assert client.keys() == [key]
        assert 0 < client.ttl(key) <= 3_600
    await shared.close()


async def test_the_rights_that_the_page_names_are_enough(valkey: EmbeddedValkey) -> None:
    """For a user of its own, and nothing of the nodes is among them."""
    rights = re.search(r"needs `([^`]+)`", PAGE.read_text())
    assert rights is not None
    with EmbeddedValkey(arguments=("--save", "")) as own, own.client() as client:
        client.execute_command("ACL", "SETUSER", "serve", "on", ">pw", *rights[1].split())
        shared = Shared(own.url.replace("redis://", "redis://serve:pw@"), "A")
        assert await claimed(shared) == ["OURS"]
        await shared.release("a", [message()])
        assert await claimed(shared) == ["OURS"]
        await shared.sent("a", [message()], Stage.BEGIN)
        assert await shared.ongoing() == [INCIDENT]
        assert await claimed(shared, message(Stage.END)) == ["OURS"]
        await shared.sent("a", [message(Stage.END)], Stage.END)
        assert await shared.ongoing() == []
        assert shared._unsaid == {}
        assert shared._not_before == 0.0
        await shared.close()


async def test_without_the_server_each_alerts_by_itself(
    valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Better twice than never, with one line, as it is asked once; then what was sent is said."""
    with EmbeddedValkey(arguments=("--save", "")) as own:
        shared = Shared(own.url.replace("redis://", "redis://:s3cr3t@"), "A")
        with own.client() as client:
            client.config_set("requirepass", "s3cr3t")
        assert await claimed(shared) == ["OURS"]
        with own.client(password="s3cr3t") as client:
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            assert await claimed(shared, message(Stage.END)) == ["OURS"]
            await shared.sent("a", [message()], Stage.BEGIN)
            assert await shared.ongoing() == []
        finally:
            os.kill(pid, signal.SIGCONT)
        shared._not_before = 0.0
        assert await claimed(shared, message(Stage.END)) == ["OURS"]  # What was sent is said first
        assert await shared.ongoing() == [INCIDENT]
        await shared.close()
    assert len([one for one in caplog.messages if "coordinating Redis cannot be used" in one]) == 1
    assert "s3cr3t" not in caplog.text


async def test_what_is_stored_there_and_damaged_is_left_out(
    valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    shared = Shared(valkey.url, "A")
    with valkey.client() as client:
        client.hset("x", mapping={"incident": b"\xff{"})
        client.sadd(names.SERVE_ONGOING, "x", "gone")
        assert await shared.ongoing() == []
        assert client.smembers(names.SERVE_ONGOING) == {b"x"}
    await shared.close()


@pytest.mark.parametrize("ts", [10**21, -(10**21)])
async def test_a_time_that_no_clock_has_holds_up_no_alert(
    valkey: EmbeddedValkey, hook: Webhook, ts: int
) -> None:
    """Whoever may write there could else silence every serve."""
    incident = msgspec.to_builtins(INCIDENT)
    damaged = {**incident, "key": {**incident["key"], "trader_id": "T-2"}, "ts": ts}
    place = {"kind": "FAILED", "server": quote(SERVER, safe=""), "trader_id": "T-2"}
    where, target = names.SERVE_INCIDENT.format(**place), Target(hook.url, 1)
    with valkey.client() as client:
        told = {"incident": json.dumps(damaged), f"told:{target.id}": "BEGIN"}
        client.hset(where, mapping=told)
        client.sadd(names.SERVE_ONGOING, where)
    ours = Alerts(
        [target],
        coordination=Shared(valkey.url, "A"),
        pace=Pace(gather_secs=0.01, look_secs=0.02),
        ends_after_secs=0.0,
    )
    watch = Watch()
    task = asyncio.ensure_future(ours.run(watch))
    watch.put(now({}, {"trader_id": "T-2"}))
    await asyncio.sleep(0.5)  # What is damaged would come first
    watch.put(now({"report": FAILED}, {"trader_id": "T-2"}))
    await asyncio.to_thread(hook.wait_for, partial(has_received, 1))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert hook.titles == [BEGUN]


async def test_alone_nothing_is_shared() -> None:
    alone = Alone()
    assert await alone.claim("a", [message()]) == [Claim.OURS]
    assert await alone.ongoing() == []


def has_received(count: int, hook: Webhook) -> bool:
    return len(hook.received) >= count


# -- PROCESSES --


@contextmanager
def process(valkey: EmbeddedValkey, hook: Webhook, path: Path, name: str) -> Iterator[Any]:
    command = [sys.executable, "-m", "tests.serve.alerting", valkey.url, hook.url, str(path), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "traders"
    say(path, "CLEAN")
    return path


def say(path: Path, what: str, traders: int = 1) -> None:
    new = path.with_suffix(".new")
    new.write_text("".join(f"{what} T-{number + 1}\n" for number in range(traders)))
    new.replace(path)


def is_settled(valkey: EmbeddedValkey, is_so: Callable[[Any], bool]) -> None:
    """
    Wait for what the server says, and then for several looks of each process.
    """
    valkey.wait_for(is_so)
    time.sleep(1.0)


@pytest.mark.long
def test_three_processes_tell_once(valkey: EmbeddedValkey, hook: Webhook, path: Path) -> None:
    """Of a beginning, an end, a storm and its end."""
    with (
        process(valkey, hook, path, "A"),
        process(valkey, hook, path, "B"),
        process(valkey, hook, path, "C"),
    ):
        say(path, "FAILED")
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 1)
        assert hook.titles == [BEGUN]
        say(path, "CLEAN")
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 0)
        assert hook.titles == [BEGUN, ENDED]
        say(path, "FAILED", 200)
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 200)
        assert hook.titles[2:] == ["200 alerts: 200 FAILED"]


@pytest.mark.long
def test_who_is_killed_while_it_sends_is_replaced(
    valkey: EmbeddedValkey, hook: Webhook, path: Path
) -> None:
    """Its claim runs out, and another one sends: a message is never lost with its sender."""
    hook.gate.clear()
    with process(valkey, hook, path, "A") as first, process(valkey, hook, path, "B") as second:
        say(path, "FAILED")
        hook.wait_for(lambda one: one.attempts == 1)
        with valkey.client() as client:
            (key,) = client.keys(
                names.SERVE_INCIDENT.format(kind="FAILED", server="*", trader_id="*")
            )
            (claim,) = (
                value
                for field, value in client.hgetall(key).items()
                if field.startswith(b"claim:") and not field.endswith(b":until")
            )
        sender, other = (first, second) if claim == b"A" else (second, first)
        sender.kill()
        sender.wait()
        hook.wait_for(lambda one: one.attempts == 2)
        hook.gate.set()
        valkey.wait_for(lambda one: one.scard(names.SERVE_ONGOING) == 1)
        # What the first had sent arrived too: a double only after a crash while sending
        assert hook.titles == [BEGUN, BEGUN]
        assert other.poll() is None


@pytest.mark.long
def test_a_restart_neither_repeats_nor_misses(
    valkey: EmbeddedValkey, hook: Webhook, path: Path
) -> None:
    """What was told is told again to nobody, and what began or ended meanwhile is told."""
    with process(valkey, hook, path, "A"):
        say(path, "FAILED")
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 1)
    with process(valkey, hook, path, "B"):
        time.sleep(1.0)
        assert hook.titles == [BEGUN]
        say(path, "FAILED", 2)
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 2)
    say(path, "CLEAN", 2)
    with process(valkey, hook, path, "C"):
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 0)
    begun = [BEGUN, BEGUN.replace("T-1", "T-2")]
    assert hook.titles[:2] == begun
    assert sorted(hook.titles[2:]) == [ENDED, ENDED.replace("T-1", "T-2")]


@pytest.mark.long
def test_a_process_that_was_paused_repeats_nothing(
    valkey: EmbeddedValkey, hook: Webhook, path: Path
) -> None:
    with process(valkey, hook, path, "A") as first, process(valkey, hook, path, "B"):
        os.kill(first.pid, signal.SIGSTOP)
        say(path, "FAILED")
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 1)
        say(path, "CLEAN")
        is_settled(valkey, lambda one: one.scard(names.SERVE_ONGOING) == 0)
        os.kill(first.pid, signal.SIGCONT)
        time.sleep(2.0)
    assert hook.titles == [BEGUN, ENDED]


def test_the_log_names_no_secret(valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture) -> None:
    async def claim() -> None:
        shared = Shared("redis://:s3cr3t@127.0.0.1:1", "A")
        await shared.claim("a", [message()])
        await shared.close()

    with caplog.at_level(logging.DEBUG):
        asyncio.run(claim())
    assert "s3cr3t" not in caplog.text
    assert "coordinating Redis cannot be used" in caplog.text
