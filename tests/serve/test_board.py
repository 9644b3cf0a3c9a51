"""
What a board knows, read from a real server.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.serve import reading
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.board import light
from nautilus_recovery_actor.serve.sources import Sources
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.support import Recording
from tests.serve.world import BTC
from tests.serve.world import Desk


def boards(
    urls: list[str], look: Callable[[Watch, Sources], Awaitable[Any]], secs: float = 60.0
) -> Any:
    """
    Read servers, and return what `look` makes of the boards.
    """

    async def run() -> Any:
        watch, sources = Watch(), Sources(urls)
        reader = asyncio.create_task(sources.run(watch))
        try:
            async with asyncio.timeout(secs):
                return await look(watch, sources)
        finally:
            reader.cancel()

    return asyncio.run(run())


async def until(watch: Watch, is_there: Callable[[Board], object]) -> Board:
    board = watch.board()
    while not (board.ts and is_there(board)):
        board = await watch.changed(board.ts)
    return board


def of(board: Board, trader_id: str) -> Seen:
    (seen,) = [one for one in board.traders if one.trader_id == trader_id]
    return seen


def first(url: str) -> Board:
    """
    Return the first board on which all that is on the server was read.
    """

    async def look(watch: Watch, _: Sources) -> Board:
        return await until(watch, lambda board: not board.servers[0].trouble)

    found: Board = boards([url], look)
    return found


def test_the_most_urgent_come_first(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    Whoever looks sees first who needs somebody.
    """
    desk.ended("A-GREEN")
    desk.stops("B-WHITE")
    desk.recovers("C-BLUE")
    desk.blocks("D-AMBER")
    desk.plans("E-AMBER")
    desk.exposes("F-RED")
    desk.fails("G-RED")
    desk.dies("H-RED")
    board = first(valkey.url)
    assert [seen.trader_id for seen in board.traders] == [
        "F-RED",
        "G-RED",
        "H-RED",
        "D-AMBER",
        "E-AMBER",
        "C-BLUE",
        "B-WHITE",
        "A-GREEN",
    ]
    assert [light(seen) for seen in board.traders] == [
        Light(seen.trader_id.split("-")[1]) for seen in board.traders
    ]
    assert board.servers[0].traders == 8


def test_one_that_failed_needs_somebody_also_once_it_has_stopped(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    """As `on_failure="shutdown"` has it: nobody meant it to stop."""
    desk.fails("A-FAILED")
    desk.beat("A-FAILED", 8, age_secs=7200, phase=RecoveryPhase.FAILED, is_stopped=True)
    desk.stops("B-STOPPED")
    board = first(valkey.url)
    assert [(seen.trader_id, light(seen)) for seen in board.traders] == [
        ("A-FAILED", Light.RED),
        ("B-STOPPED", Light.WHITE),
    ]


def test_a_trader_is_read_where_its_cache_is_configured_to_be(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    """
    With an instance ID, and without a prefix: nobody has to say so.
    """
    for where in ({"instance_id": "9f0c"}, {"use_trader_prefix": False}):
        desk.traders["X-1"] = record = Recording(valkey, "X-1", **where)
        desk.ended("X-1")
        seen = of(first(valkey.url), "X-1")
        assert light(seen) is Light.GREEN
        assert seen.namespace == record._namespace
        valkey.flush()
        record.client.close()


def test_two_instances_of_a_node_that_both_run_are_seen(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    Without a lease nobody else tells that there are two.
    """
    desk.ended("X-1")
    twin = Recording(valkey, "X-1", instance_id="9f0c")
    desk.traders["twin"] = twin
    twin.journal.beat(desk.trader("X-1").heartbeat())
    seen = of(first(valkey.url), "X-1")
    assert light(seen) is Light.RED
    assert len(seen.twins) == 1
    old = msgspec.structs.replace(twin.heartbeat(), ts=time.time_ns() - 86_400 * 10**9)
    twin.journal.beat(old)
    assert of(first(valkey.url), "X-1").twins == ()


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("gone", "no report of epoch 7 on record"),
        ("of another epoch", "no report of epoch 7 on record"),
        ("damaged", "recovery:history:7 cannot be read: "),
        ("no string", "recovery:history:7 cannot be read: it is not a string"),
        ("too large", "bytes, more than a board reads"),
    ],
)
def test_who_has_no_readable_report_is_never_green(
    desk: Desk, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch, what: str, why: str
) -> None:
    """
    What is blocked stands there alone.
    """
    desk.ended("X-1")
    record = desk.trader("X-1")
    key = record.key("recovery:history:7")
    match what:
        case "gone":
            record.client.delete(key)
        case "of another epoch":
            record.add("recovery:history:7", desk.ended("Y-1", 107).to_bytes())
        case "damaged":
            record.client.set(key, b"{")
        case "no string":
            record.client.delete(key)
            record.client.hset(key, "a", "b")
        case _:
            monkeypatch.setattr(reading, "_MAX_REPORT_BYTES", 10)
    seen = of(first(valkey.url), "X-1")
    assert light(seen) is Light.GRAY
    assert why in seen.trouble


def test_a_monitor_without_a_history_is_never_green(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    It says what to do.
    """
    desk.beat("X-1", history_size=0)
    seen = of(first(valkey.url), "X-1")
    assert light(seen) is Light.GRAY
    assert "history_size=0" in seen.trouble


@pytest.mark.parametrize("value", [b"[" * 20_000, b"{}", b"\xff\xfe", b'{"ts":1e400}'])
def test_a_hostile_heartbeat_is_a_trader_that_needs_somebody(
    desk: Desk, valkey: EmbeddedValkey, value: bytes
) -> None:
    """
    The others are read nevertheless.
    """
    desk.ended("GOOD-1")
    desk.trader("BAD-1").add(HEARTBEAT_KEY, value)
    desk.trader("BAD-1").add(EPOCH_KEY, b"1e999")
    client = desk.trader("LIST-1").client
    client.rpush(desk.trader("LIST-1").key(HEARTBEAT_KEY), "a")
    client.set("trader-\xff:general:recovery:heartbeat".encode("latin-1"), "no UTF-8")
    board = first(valkey.url)
    assert [(one.trader_id, light(one)) for one in board.traders] == [
        ("BAD-1", Light.RED),
        ("LIST-1", Light.RED),
        ("GOOD-1", Light.GREEN),
    ]


def test_a_change_is_on_the_board_soon(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    With one of the next looks, and not when all is read again anyway; also a release, for which
    nothing but the report changes.
    """
    desk.ended("X-1")
    desk.blocks("Y-1")

    async def look(watch: Watch, _: Sources) -> float:
        await until(watch, lambda board: light(of(board, "X-1")) is Light.GREEN)
        began = time.monotonic()
        desk.fails("X-1")
        await until(watch, lambda board: light(of(board, "X-1")) is Light.RED)
        took = time.monotonic() - began
        report = desk.ended("Y-1")
        await until(watch, lambda board: of(board, "Y-1").report == report)
        return took

    assert boards([valkey.url], look) < 20.0


def test_who_is_not_there_any_more_is_red_then_dropped(
    desk: Desk, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A record that has vanished is not a trader that is well.
    """
    desk.ended("X-1")

    async def look(watch: Watch, _: Sources) -> None:
        await until(watch, lambda board: len(board.traders) == 1)
        valkey.flush()
        await until(watch, lambda board: light(of(board, "X-1")) is Light.RED)
        monkeypatch.setattr(reading, "_GONE_SECS", 0.0)
        await until(watch, lambda board: not board.traders)

    boards([valkey.url], look)


def test_the_lease_is_read(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    A lease that ran out while the heartbeat is recent needs somebody; a value of megabytes is none.
    """
    now_ms = time.time_ns() // 10**6
    fields = {"token": "t", "fence": 3, "renewed": now_ms, "free": 0, "since": now_ms, "host": "h"}
    desk.ended("HELD-1")
    desk.ended("OUT-1")
    desk.ended("LARGE-1")
    client = desk.trader("HELD-1").client
    for trader_id in ("HELD-1", "LARGE-1"):
        client.hset(f"trader-{trader_id}:recovery:lease", mapping={**fields, "pid": 42})
        client.pexpire(f"trader-{trader_id}:recovery:lease", 60_000)
    client.hset("trader-OUT-1:recovery:fence", mapping={**fields, "pid": 43})
    client.hset("trader-LARGE-1:recovery:lease", "operator", "x" * 5_000_000)
    desk.ended("FAR-1")
    client.hset("trader-FAR-1:recovery:lease", mapping={**fields, "since": "9" * 17})
    board = first(valkey.url)
    held = of(board, "HELD-1").lease
    assert held is not None
    assert (held.state, held.pid) == (Keeping.HELD, 42)
    assert light(of(board, "HELD-1")) is Light.GREEN
    out = of(board, "OUT-1").lease
    assert out is not None
    assert out.state is Keeping.RAN_OUT
    assert light(of(board, "OUT-1")) is Light.RED
    assert of(board, "LARGE-1").lease is None
    far = of(board, "FAR-1").lease
    assert far is not None
    assert far.ts_since == 0
    assert not board.servers[0].trouble


@contextmanager
def stopped(valkey: EmbeddedValkey) -> Iterator[None]:
    """
    Let a server hang.
    """
    with valkey.client() as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_what_is_on_a_server_that_hangs_is_gray_and_the_others_go_on(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    """
    Nobody knows whether it may trade; what was known is kept, and back when it answers again.
    """
    desk.ended("HERE-1")
    with EmbeddedValkey(arguments=("--databases", "1")) as other, Desk(other) as there:
        there.ended("THERE-1")

        async def look(watch: Watch, _: Sources) -> Board:
            await until(watch, lambda board: len(board.traders) == 2)
            with stopped(other):
                board = await until(watch, lambda board: light(of(board, "THERE-1")) is Light.GRAY)
                desk.fails("HERE-1")
                await until(watch, lambda board: light(of(board, "HERE-1")) is Light.RED)
            await until(watch, lambda board: light(of(board, "THERE-1")) is Light.GREEN)
            return board

        board: Board = boards([valkey.url, other.url], look)
    seen = of(board, "THERE-1")
    assert seen.report is not None
    assert "cannot be read" in seen.trouble
    assert [bool(server.trouble) for server in board.servers] == [False, True]


def test_a_reader_that_is_held_up_is_told_by_the_clock(
    desk: Desk, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A name that does not resolve knows no timeout.
    """
    desk.ended("X-1")
    monkeypatch.setattr("nautilus_recovery_actor.serve.sources._HELD_UP_SECS", 1.0)

    async def look(watch: Watch, sources: Sources) -> str:
        await until(watch, lambda board: light(of(board, "X-1")) is Light.GREEN)
        (source,) = sources._sources.values()
        monkeypatch.setattr(source, "_turn", lambda: time.sleep(3))
        board = await until(watch, lambda board: light(of(board, "X-1")) is Light.GRAY)
        return of(board, "X-1").trouble

    assert "has not answered for" in boards([valkey.url], look)


def test_no_secret_is_on_a_board(valkey: EmbeddedValkey) -> None:
    """
    Neither where nobody listens, nor where the password is wrong.
    """
    address = valkey.url.removeprefix("redis://")
    urls = ["redis://who:s3cret@127.0.0.1:1", f"redis://who:s3cret@{address}"]

    async def look(watch: Watch, _: Sources) -> Board:
        return await until(
            watch, lambda board: all(one.trouble != "not read yet" for one in board.servers)
        )

    board: Board = boards(urls, look)
    assert all(server.trouble for server in board.servers)
    assert "s3cret" not in msgspec.json.encode(board).decode()
    assert [server.name for server in board.servers] == ["127.0.0.1:1", address]


def test_only_so_many_traders_are_kept(
    desk: Desk, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever may write to a server cannot fill the memory of who reads it.
    """
    monkeypatch.setattr(reading, "MAX_TRADERS", 3)
    for number in range(6):
        desk.beat(f"X-{number}", phase=RecoveryPhase.PENDING)
    desk.trader("X-1").client.set(f"trader-{'x' * 500}:general:{HEARTBEAT_KEY}", "long")
    board = first(valkey.url)
    assert len(board.traders) == 3
    assert "more than 3 traders" in board.servers[0].unseen


READS = {
    "cmdstat_client|setinfo",  # What redis-py says of itself when it connects
    "cmdstat_client|setname",
    "cmdstat_getrange",
    "cmdstat_hello",
    "cmdstat_hmget",
    "cmdstat_hstrlen",
    "cmdstat_info",
    "cmdstat_object|encoding",
    "cmdstat_pttl",
    "cmdstat_scan",
    "cmdstat_strlen",
    "cmdstat_time",
    "cmdstat_client|maint_notifications",
}


def test_nothing_is_sent_but_reads(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    Whoever runs it cannot change a node by that.
    """
    desk.blocks("X-1")
    desk.dies("Y-1")
    client = desk.trader("X-1").client
    client.hset("trader-X-1:recovery:lease", "operator", "x" * 100)
    client.config_resetstat()
    first(valkey.url)
    sent = {key for key in client.info("commandstats") if key != "cmdstat_config|resetstat"}
    assert "cmdstat_getrange" in sent
    assert sent <= READS


def test_a_user_that_may_only_read_is_enough(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    As the documentation says how to make one.
    """
    desk.blocks("X-1")
    client = desk.trader("X-1").client
    client.execute_command(
        "ACL", "SETUSER", "board", "on", ">s3cret", "~*", "resetchannels", "-@all", "+@read",
        "+time", "+hello", "+ping", "-keys",
    )  # fmt: skip
    try:
        address = valkey.url.removeprefix("redis://")
        seen = of(first(f"redis://board:s3cret@{address}"), "X-1")
    finally:
        client.execute_command("ACL", "DELUSER", "board")
    assert seen.status.blocked_instruments == (BTC,)
    assert seen.lease is not None
