"""
What a board cannot see is not green, and nothing that is sick hides behind another.
"""

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.serve import reading
from nautilus_recovery_actor.serve import serving as served
from nautilus_recovery_actor.serve import trader as traders
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import Server
from nautilus_recovery_actor.serve.board import light
from nautilus_recovery_actor.serve.findings import found
from nautilus_recovery_actor.serve.incidents import Incidents
from nautilus_recovery_actor.serve.incidents import Key
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.probes import healthz
from nautilus_recovery_actor.serve.probes import readyz
from nautilus_recovery_actor.serve.reading import Reading
from nautilus_recovery_actor.serve.serving import bound
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.stream import EventStream
from nautilus_recovery_actor.serve.targets import Target
from nautilus_recovery_actor.serve.threads import Threads
from nautilus_recovery_actor.serve.verdict import verdict
from nautilus_recovery_actor.serve.view import row
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.support import Recording
from tests.serve import boards
from tests.serve.support import Serving
from tests.serve.webhook import Webhook
from tests.serve.world import Desk


HOUR = 3_600 * 10**9


def lights(reader: Reading, times: int = 1) -> dict[str, Light]:
    """
    Read some times, and return what each trader is then.
    """
    for _ in range(times):
        seen = reader.read("R")
    return {one.trader_id: light(one) for one in seen}


def test_one_that_was_stopped_where_the_clock_is_ahead_hides_no_other(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    desk.fails("X-1")
    other = desk.traders["other"] = Recording(valkey, "X-1", instance_id="9f0c")
    beat = desk.trader("X-1").heartbeat()
    phase = desk.ended("Y-1") and desk.trader("Y-1").heartbeat().phase
    fields = {"ts": beat.ts + HOUR, "phase": phase, "is_stopped": True}
    other.journal.beat(msgspec.structs.replace(beat, **fields))
    assert lights(Reading(valkey.url, 2.0))["X-1"] is Light.RED


def test_one_that_may_run_where_the_clock_is_ahead_is_a_twin(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    desk.ended("X-1")
    other = desk.traders["other"] = Recording(valkey, "X-1", instance_id="9f0c")
    beat = desk.trader("X-1").heartbeat()
    other.journal.beat(msgspec.structs.replace(beat, ts=beat.ts + HOUR))
    (seen,) = Reading(valkey.url, 2.0).read("R")
    assert len(seen.twins) == 1
    assert light(seen) is Light.RED


def test_a_damaged_epoch_is_not_green(desk: Desk, valkey: EmbeddedValkey) -> None:
    """A newer recovery may have begun."""
    desk.ended("X-1")
    reader = Reading(valkey.url, 2.0)
    assert lights(reader) == {"X-1": Light.GREEN}
    desk.trader("X-1").add(EPOCH_KEY, b"{")
    assert lights(reader) == {"X-1": Light.GRAY}
    desk.trader("X-1").journal.begin(7)
    assert lights(reader) == {"X-1": Light.GREEN}


def test_a_report_that_contradicts_the_heartbeat_is_not_green(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    desk.ended("X-1", outcome=None, failure=FailureReason.TIMEOUT)
    desk.beat("X-1")
    (seen,) = Reading(valkey.url, 2.0).read("R")
    assert light(seen) is Light.GRAY
    assert "says that it failed" in seen.trouble


def test_what_is_asked_for_again_and_again_holds_up_no_other(
    desk: Desk, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the reports nor the leases of those who come after it."""
    monkeypatch.setattr(reading, "_LOOK_SECS", 0.0)
    for module, name, value in (
        (reading, "_MAX_REPORTS", 1),
        (reading, "_MAX_LEASES", 1),
        (traders, "_MISSING_SECS", 0.0),
        (traders, "_LEASE_SECS", 0.0),
    ):
        monkeypatch.setattr(module, name, value)
    desk.beat("A-1")  # Without a report
    reader = Reading(valkey.url, 2.0)
    assert lights(reader) == {"A-1": Light.GRAY}
    desk.ended("B-1")
    assert lights(reader, 3) == {"A-1": Light.GRAY, "B-1": Light.GREEN}
    assert all(one.lease is not None for one in reader.read("R"))


def test_as_long_as_not_all_keys_were_looked_at_nobody_says_that_all_may_trade(
    desk: Desk, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_SLICE", 10)
    monkeypatch.setattr(reading, "_FIRST_SLICES", 1)
    desk.ended("X-1")
    client = desk.trader("X-1").client
    client.mset({f"foreign:{number}": "" for number in range(200)})
    reader = Reading(valkey.url, 2.0)
    reader.read("R")
    assert "not all of its keys" in reader.unseen
    deadline = time.monotonic() + 10
    while reader.unseen:
        reader.read("R")
        assert time.monotonic() < deadline
    assert lights(reader) == {"X-1": Light.GREEN}


def test_who_may_not_be_seen_takes_the_green_from_the_sentence_and_is_alerted() -> None:
    seen = boards.seen()
    why = "it has more than 3 traders"
    server = Server(name=boards.SERVER, ts_read=boards.NOW, traders=1, unseen=why)
    board = Board(ts=boards.NOW, servers=(server,), traders=(seen,))
    for rows in ([row(seen)], []):
        told = verdict(rows, board)
        assert told.light is Light.GRAY
        assert why in told.text
    incident = found(board, Incidents(), boards.NOW)[Key(Kind.UNSEEN, boards.SERVER)]
    assert incident is not None
    assert incident.text == why


def test_a_clock_that_was_set_back_makes_no_board_old() -> None:
    """Nor one that was set forward."""
    watch = Watch()
    for ahead in (HOUR, 0):
        watch.put(boards.board(boards.seen(), at=time.time_ns() + ahead))
        assert healthz(watch).status_code == 200


@pytest.mark.parametrize("state", [Keeping.RESERVED, Keeping.RAN_OUT])
def test_who_has_lost_its_lease_is_not_ready(state: Keeping) -> None:
    """It is red on the board."""
    lease = LeaseStatus(trader_id="T-1", state=state, reason="", pid=1, host="h", operator="ada")
    for more, code in (({}, 200), ({"lease": lease}, 503)):
        watch = Watch()
        watch.put(boards.now({"more": more}))
        request = Request({"type": "http", "query_string": b"trader=T-1", "headers": []})
        assert readyz(watch, request).status_code == code


def test_who_takes_nothing_of_an_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds all connections like that would hold up all others."""
    monkeypatch.setattr(served, "_IDLE_SECS", 0.05)

    async def large(_: Request) -> Response:
        return Response(b"x" * 20_000_000)

    async def run() -> None:
        at, is_up, gone = bound("127.0.0.1", 0), asyncio.Event(), asyncio.Event()

        class Connection(served._Connection):
            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                gone.set()

        monkeypatch.setattr(served, "_Connection", Connection)
        app = Starlette(routes=[Route("/", large)])
        task = asyncio.ensure_future(served._serve(app, at, is_up.set))
        await is_up.wait()
        with socket.create_connection(at.getsockname(), timeout=60) as one:
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with asyncio.timeout(60):
                await gone.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        at.close()

    asyncio.run(run())


@contextmanager
def dripping() -> Iterator[tuple[str, threading.Event]]:
    """
    Run a webhook whose answers never end, and return its URL and what is set when it was asked.
    """
    asked, is_over = threading.Event(), threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        open_ones: list[socket.socket] = []
        server.settimeout(0.1)
        while not is_over.is_set():
            with contextlib.suppress(TimeoutError):
                one, _ = server.accept()
                one.recv(10_000)
                one.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                open_ones.append(one)
                asked.set()
            for one in open_ones:
                with contextlib.suppress(OSError):
                    one.sendall(b"x")
        for one in open_ones:
            one.close()

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield f"json://127.0.0.1:{server.getsockname()[1]}/hook", asked
    finally:
        is_over.set()
        thread.join(10)
        server.close()


def test_a_service_whose_answer_never_ends_holds_up_no_end(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    """What supervises the process would kill it, with what is not sent in no log."""
    desk.fails("X-1")
    with dripping() as (url, asked), Serving("--redis", valkey.url, "--alert", url) as process:
        assert asked.wait(60)
        code, _, err = process.end()
        assert code == 0
        assert "Not sent to alert 1 (JSON) before the end: X-1 FAILED" in err


def test_attempts_that_hang_take_no_threads_from_other_services() -> None:
    """However many there are: an alert to another service goes out."""

    async def run(url: str, hook: Webhook) -> None:
        hanging = Target(url, 1)
        for _ in range(min(32, (os.cpu_count() or 1) + 4) + 1):  # As many as an executor has
            assert await hanging.send("title", "body", secs=0.1) == "no answer within 0.1 s"
        assert await Target(hook.url, 2).send("title", "body", secs=60.0) == ""

    with dripping() as (url, _), Webhook() as hook:
        asyncio.run(run(url, hook))


def test_a_system_without_threads_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks then is told so, and later ones are answered."""
    start = threading.Thread.start

    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def run() -> None:
        threads = Threads(most=1, wait_secs=60.0)
        monkeypatch.setattr(threading.Thread, "start", refuses)
        for _ in range(2):
            with pytest.raises(TimeoutError, match="no thread is free"):
                await threads.run(lambda: 1)
        monkeypatch.setattr(threading.Thread, "start", start)
        assert await threads.run(lambda: 1) == 1

    asyncio.run(run())


def test_a_fault_while_a_page_is_told_of_changes_is_not_lost() -> None:
    """It would end all pages each second, and nobody would know why. One that takes nothing may."""

    async def changes(error: Exception) -> AsyncIterator[bytes]:
        yield b"retry: 1000\n\n"
        raise error

    async def answer(error: Exception) -> None:
        async def send(_: Message) -> None:
            pass

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        await EventStream(changes(error))({"type": "http"}, receive, send)

    with pytest.raises(ValueError, match="of ours"):
        asyncio.run(answer(ValueError("of ours")))
    asyncio.run(answer(TimeoutError()))
