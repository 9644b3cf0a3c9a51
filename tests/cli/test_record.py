"""
What `status`, `history` and `watch` make of what is stored, whatever it is.
"""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nautilus_recovery_actor.console import watch
from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.record import reader
from nautilus_recovery_actor.outside.record.reader import RecordReader
from nautilus_recovery_actor.outside.record.reader import unreported
from nautilus_recovery_actor.outside.record.stream import MessageStream
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.support import Recording
from tests.cli.support import command


NOBODY = "redis://127.0.0.1:1"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]) -> Run:
    def runner(name: str, trader_id: str, *options: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([name, "--trader", trader_id, "--redis", valkey.url, *options])
        told = capsys.readouterr()
        return code, told.out, told.err

    return runner


@pytest.fixture
def trader_id() -> str:
    return f"RECORD-{uuid4().hex[:8]}"


def report(epoch: int, **fields: Any) -> RecoveryReport:
    started = 1_795_410_858_000_000_000 + epoch
    values = {
        "outcome": RecoveryOutcome.CLEAN,
        "message": "Nothing was changed",
        "ts_started": started,
        "ts_completed": started + 1_200_000_000,
    }
    plain = RecoveryReport("T-1", "R", epoch, "startup")
    return msgspec.structs.replace(plain, **{**values, **fields})


def beat(epoch: int, **fields: Any) -> Heartbeat:
    values = {"ts": time.time_ns(), "epoch": epoch, "phase": RecoveryPhase.COMPLETE}
    return Heartbeat(**{**values, **fields})


@pytest.mark.parametrize(
    "where",
    [{}, {"use_trader_prefix": False}, {"instance_id": "I-1"}],
    ids=["plain", "no prefix", "instance"],
)
def test_a_record_is_found_wherever_a_cache_keeps_it(
    valkey: EmbeddedValkey, trader_id: str, run: Run, where: dict[str, Any]
) -> None:
    """With and without the prefix, and with an instance."""
    record = Recording(valkey, trader_id, **where)
    record.journal.begin(3)
    record.journal.beat(beat(3))
    record.journal.record(report(3))
    options = ["--no-prefix"] if "use_trader_prefix" in where else []
    options += ["--instance-id", "I-1"] if "instance_id" in where else []
    assert run("status", trader_id, *options)[0] == 0
    assert run("history", trader_id, *options)[0] == 0
    assert run("watch", trader_id, *options)[0] == 0
    if where:
        assert run("status", trader_id)[0] == 3
        assert run("history", trader_id)[0] == 2


def test_a_table_has_the_newest_first_and_as_many_as_are_asked_for(
    valkey: EmbeddedValkey, trader_id: str, run: Run
) -> None:
    """Slots are no order: the oldest is written over first."""
    record = Recording(valkey, trader_id)
    for epoch in range(95, 125):
        record.journal.record(report(epoch))
    code, out, err = run("history", trader_id)
    assert (code, err) == (0, "")
    assert [int(line.split()[0]) for line in out.splitlines()[1:]] == list(range(124, 104, -1))
    _, out, _ = run("history", trader_id, "--limit", "2")
    assert out == (
        "Epoch  Began (UTC)           Took  Result  What happened\n"
        "  124  2026-11-23 05:14:18  1.2 s  CLEAN   No earlier run on record\n"
        "  123  2026-11-23 05:14:18  1.2 s  CLEAN   No earlier run on record\n"
    )
    assert len(json.loads(run("history", trader_id, "--json", "--limit", "50")[1])) == 30


def test_a_long_history_is_found_in_all_its_slots(valkey: EmbeddedValkey, trader_id: str) -> None:
    """How many are kept is the node's to say, and not known from outside."""
    record = Recording(valkey, trader_id)
    for epoch in (1, 999, 1000, 1999, 2001):
        record.add(f"recovery:history:{epoch}", report(epoch).to_bytes())
    view = RecordReader(record.client, Namespace(trader_id=trader_id))
    reports, broken = view.history()
    assert [one.epoch for one in reports] == [2001, 1999, 1000, 999, 1]
    assert broken == []


def test_epochs_that_were_cut_short_are_listed_among_the_others(
    valkey: EmbeddedValkey, trader_id: str, run: Run
) -> None:
    """By the numbers that are missing: of whom a kill cuts short nobody writes a report."""
    record = Recording(valkey, trader_id)
    for epoch in (1, 2, 5, 7):
        record.journal.begin(epoch)
        record.journal.record(report(epoch))
    record.journal.begin(8)
    stale = beat(7, ts=time.time_ns() - 60_000_000_000)
    record.journal.beat(stale)
    code, out, err = run("history", trader_id)
    assert (code, err) == (0, "")
    rows = [line.split(maxsplit=1) for line in out.splitlines()[1:]]
    assert [row[0] for row in rows] == ["8", "7", "6", "5", "3-4", "2", "1"]
    told = "It left no report: the node was killed, or Redis has lost what it wrote"
    assert [" ".join(rows[at][1].split()) for at in (0, 2, 4)] == [f"- - CUT SHORT {told}"] * 3
    assert "8" in run("history", trader_id, "--limit", "1")[1].split()
    assert "CUT SHORT" not in run("history", trader_id, "--limit", "1")[1].splitlines()[2]
    code, out, err = run("history", trader_id, "--epoch", "4")
    assert (code, out, err) == (2, "", f"No report of epoch 4: i{told[1:]}\n")
    code, out, err = run("history", trader_id, "--json")
    assert [one["epoch"] for one in json.loads(out)] == [7, 5, 2, 1]
    assert err.splitlines()[2] == f"Epoch 3-4: i{told[1:]}"
    record.journal.beat(beat(8, phase=RecoveryPhase.VERIFYING))
    assert "IN PROGRESS  It is in progress" in run("history", trader_id)[1].splitlines()[1]
    record.journal.beat(beat(8, history_size=2))
    assert [line.split()[0] for line in run("history", trader_id)[1].splitlines()[1:3]] == [
        "8",
        "7",
    ]


def test_the_first_epoch_of_all_is_listed_too(
    valkey: EmbeddedValkey, trader_id: str, run: Run
) -> None:
    """Though there is no report at all."""
    record = Recording(valkey, trader_id)
    record.journal.begin(1)
    assert run("history", trader_id)[0] == 0
    assert "CUT SHORT" in run("history", trader_id)[1]
    assert run("history", trader_id, "--json")[1] == "[]\n"


def test_the_newest_report_is_where_the_heartbeat_says(
    valkey: EmbeddedValkey, trader_id: str
) -> None:
    """A heartbeat of before, which does not say, means the default."""
    record = Recording(valkey, trader_id)
    view = RecordReader(record.client, Namespace(trader_id=trader_id))
    record.add("recovery:history:7", report(207).to_bytes())
    record.add("recovery:history:2", report(207, message="of five").to_bytes())
    for size, message in ((None, "Nothing was changed"), (5, "of five"), (0, None), (-1, None)):
        record.journal.beat(beat(207, history_size=size))
        found = view.current().report
        assert (found and found.message) == message
    record.journal.beat(beat(107))
    assert view.current().report is None  # Another epoch is in that slot


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"\xff\x00", "JSON is malformed: invalid character (byte 0)"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"epoch":5}', "Object missing required field `trader_id`"),
        (["a list"], "it is not a string"),
        (b"x" * 2000, "2,000 bytes, more than any report has"),
    ],
)
def test_what_is_damaged_is_named_and_the_rest_is_listed(
    valkey: EmbeddedValkey,
    trader_id: str,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    value: Any,
    why: str,
) -> None:
    """One line for each on the standard error, and the exit code of a list."""
    monkeypatch.setattr(reader, "MAX_REPORT_BYTES", 1999)
    record = Recording(valkey, trader_id)
    record.journal.record(report(4))
    if isinstance(value, list):
        record.client.rpush(record.key("recovery:history:5"), *value)
    else:
        record.add("recovery:history:5", value)
    code, out, err = run("history", trader_id)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["4"]
    assert err == f"Cannot read recovery:history:5: {why}\n"
    assert [one["epoch"] for one in json.loads(run("history", trader_id, "--json")[1])] == [4]
    code, out, err = run("history", trader_id, "--epoch", "5")
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"Cannot read recovery:history:5: {why}"
    assert err.splitlines()[-1] == (
        "No report of epoch 5: it is in progress, too old, or never existed. "
        "The newest on record is 4"
    )


def test_nothing_that_is_stored_steers_the_terminal(
    valkey: EmbeddedValkey, trader_id: str, run: Run
) -> None:
    """Neither a table nor one in full nor a state has a control character in it."""
    evil = "\x1b[31m\r\x07\u202e\u2028"
    record = Recording(valkey, trader_id)
    hostile = report(
        1, outcome=None, failure="TIMEOUT", trigger=evil, message=evil, blocked_instruments=(evil,)
    )
    record.journal.record(hostile)
    record.journal.beat(beat(1, phase=RecoveryPhase.FAILED))
    shown = [
        run("history", trader_id),
        run("history", trader_id, "--epoch", "1"),
        run("status", trader_id),
        run("watch", trader_id),
        run("history", f"{trader_id}{evil}"),
    ]
    for _, out, err in shown:
        assert not set(evil) & set(out + err) - {"[", "3", "1", "m"}
    for name, options in (("history", ()), ("status", ()), ("watch", ())):
        out = run(name, trader_id, "--json", *options)[1]
        assert "\x1b" not in out
        assert json.loads(out)


KEYS = [
    "general:recovery:epoch",
    "general:recovery:heartbeat",
    "general:recovery:history:0",
    "general:recovery:history:1",
    "stream:data.RecoveryStarted*",
    "stream:recovery.RecoveryComplete",
]
FRAGMENTS = st.sampled_from(
    [
        report(1).to_bytes(),
        msgspec.json.encode(beat(1)),
        msgspec.json.encode(beat(1, phase=RecoveryPhase.VERIFYING, interval_secs=-1e300)),
        b"1",
        b"9" * 300,
        b'{"ts":1e999}',
        b"",
    ]
)
VALUES = (
    st.binary(max_size=200)
    | FRAGMENTS
    | st.builds(
        lambda data, cut, more: data[:cut] + more,
        FRAGMENTS,
        st.integers(0, 400),
        st.binary(max_size=20),
    )
)
WRITES: list[Callable[[Any, str, bytes], object]] = [
    lambda client, key, value: client.set(key, value),
    lambda client, key, value: client.rpush(key, value),
    lambda client, key, value: client.hset(key, "payload", value),
    lambda client, key, value: client.xadd(key, {"payload": value}),
    lambda client, key, value: client.xadd(key, {value or b"x": value}),
]


@pytest.mark.long
@given(data=st.data())
@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_value_in_any_key_makes_a_command_raise(
    valkey: EmbeddedValkey, run: Run, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """Each command ends with one of its codes."""
    monkeypatch.setattr(reader, "_SLOTS", 50)  # To ask for a thousand takes most of the time
    trader_id = f"HOSTILE-{uuid4().hex[:8]}"
    client: Any = valkey.client()
    for key in data.draw(st.sets(st.sampled_from(KEYS), min_size=1)):
        write = data.draw(st.sampled_from(WRITES))
        write(client, f"trader-{trader_id}:{key}", data.draw(VALUES))
    for options in ((), ("--json",)):
        assert run("status", trader_id, *options)[0] in {0, 1, 2, 3}
        assert run("watch", trader_id, "--timeout", "0.001", *options)[0] in {0, 1, 2, 3}
        assert run("history", trader_id, *options)[0] in {0, 2}
        assert run("history", trader_id, "--epoch", "1", *options)[0] in {0, 2}


def test_what_comes_on_a_stream_is_read_one_by_one_and_what_is_damaged_passed_over(
    valkey: EmbeddedValkey, trader_id: str
) -> None:
    """Only what came since, whatever came before."""
    client: Any = valkey.client()
    key = f"trader-{trader_id}:stream:data.RecoveryComplete*"
    good = msgspec.msgpack.encode({"type": "RecoveryComplete", "report": report(1).to_dict()})
    client.xadd(key, {"payload": good}, id="1-1")
    stream = MessageStream(client, Namespace(trader_id=trader_id))
    stream.begin()
    client.xadd(key, {"payload": b"damaged"})
    client.xadd(key, {"other": b"damaged"})
    client.xadd(key, {"payload": good})
    heard = [[message.report.epoch for message in stream.wait(2.0)] for _ in range(3)]
    assert heard == [[], [], [1]]
    assert list(stream.wait(0.01)) == []


def test_who_watches_for_a_time_waits_no_longer(
    run: Run, trader_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the server would not answer in time."""
    monkeypatch.setattr(watch, "_POLL_SECS", 60.0)
    code, _, err = run("watch", trader_id, "--timeout", "0.05")
    assert (code, err) == (3, "")


def test_what_is_no_stream_is_left_alone(valkey: EmbeddedValkey, trader_id: str) -> None:
    """One key of another type spoils all of them, so the look at the record has to do."""
    client: Any = valkey.client()
    client.rpush(f"trader-{trader_id}:stream:data.RecoveryComplete*", "a list")
    stream = MessageStream(client, Namespace(trader_id=trader_id))
    stream.begin()
    for _ in range(2):
        began = time.monotonic()
        assert list(stream.wait(0.05)) == []
    assert time.monotonic() - began >= 0.05


def test_who_may_not_read_streams_looks_all_the_same(
    valkey: EmbeddedValkey, trader_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user with the rights of a reader of keys is enough."""
    record = Recording(valkey, trader_id)
    record.journal.beat(beat(1, phase=RecoveryPhase.VERIFYING))
    record.client.acl_setuser(
        "reader",
        enabled=True,
        passwords=["+word"],
        keys=["*"],
        commands=["+getrange", "+strlen", "+scan"],
        reset=True,
    )
    url = valkey.url.replace("//", "//reader:word@")
    where = ["--trader", trader_id, "--redis", url]
    assert main(["watch", *where, "--timeout", "0.5"]) == 1
    record.journal.beat(beat(1))
    record.journal.record(report(1))
    assert main(["watch", *where]) == 0
    assert main(["status", *where]) == 0
    assert main(["history", *where]) == 0
    assert "CLEAN" in capsys.readouterr().out


def test_nothing_is_written(valkey: EmbeddedValkey, trader_id: str, run: Run) -> None:
    """The server counts no command that is not one of a reader."""
    record = Recording(valkey, trader_id)
    record.journal.record(report(1))
    record.journal.beat(beat(1))
    record.client.config_resetstat()
    for name in ("status", "history", "watch"):
        run(name, trader_id)
        run(name, "NOBODY-001", *(("--timeout", "0.01") if name == "watch" else ()))
    calls = record.client.info("commandstats")
    names = {name.removeprefix("cmdstat_") for name in calls}
    assert names - {"config|resetstat", "info"} <= {
        *("getrange", "strlen", "scan", "time", "xread", "hmget", "pttl"),
        *(
            "client|setinfo",
            "client|setname",
            "hello",
            "auth",
            "select",
            "client|maint_notifications",
        ),
    }


@pytest.mark.parametrize(("name", "code"), [("status", 3), ("watch", 3), ("history", 2)])
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://ada:secret@127.0.0.1:1", "Redis at 127.0.0.1:1 cannot be used ("),
        ("redis://:secret@host:port", "Not the URL of a Redis server: give one like "),
        ("secret", "Not the URL of a Redis server: give one like "),
    ],
)
def test_a_server_that_cannot_be_used_is_told_in_one_line(
    name: str, code: int, url: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is never open, and no secret is shown."""
    assert main([name, "--trader", "LIVE-001", "--redis", url]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(told)
    assert err.count("\n") == 1
    assert "secret" not in err


def test_for_a_machine_a_server_that_is_down_is_a_state(capsys: pytest.CaptureFixture[str]) -> None:
    """The object has the same fields as ever."""
    arguments = ["status", "--trader", "LIVE-001", "--redis", NOBODY, "--json"]
    assert main(arguments) == 3
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["state"], told["epoch"], err) == ("NO_HEARTBEAT", None, "")
    assert told["reason"].startswith("Redis at 127.0.0.1:1 cannot be used (")


def test_a_server_that_never_answers_is_waited_for_no_longer_than_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A probe has to answer."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"redis://127.0.0.1:{server.getsockname()[1]}"
        arguments = ["status", "--trader", "LIVE-001", "--redis", url, "--timeout", "0.2"]
        assert main(arguments) == 3
    assert "cannot be used (it does not answer in time)" in capsys.readouterr().err


def test_the_decoding_that_a_url_asks_for_is_not_done(
    valkey: EmbeddedValkey, trader_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is stored need not be text."""
    record = Recording(valkey, trader_id)
    record.journal.record(report(1))
    record.add("recovery:history:2", b"\xff")
    url = f"{valkey.url}?decode_responses=True"
    assert main(["history", "--trader", trader_id, "--redis", url]) == 0
    assert "history:2" in capsys.readouterr().err


def test_a_trader_that_is_not_there_is_told_with_those_that_are(
    valkey: EmbeddedValkey, trader_id: str, run: Run
) -> None:
    """A wrong name is the most frequent mistake."""
    client: Any = valkey.client()
    client.flushall()
    record = Recording(valkey, trader_id)
    record.journal.beat(beat(1))
    assert run("history", f"{trader_id}X") == (
        2,
        "",
        (
            f"No recovery of {trader_id}X on record in Redis at 127.0.0.1:{valkey.port}: nothing "
            "is stored for it, or this is not the server of the node's cache. "
            f"Trader on record: {trader_id}\n"
        ),
    )
    code, _, err = run("history", trader_id)
    assert code == 2
    assert "has not finished a recovery yet, or keeps no history (history_size=0)" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["status", "--trader", "T", "--max-age", "0"], 64),
        (["status", "--trader", "T", "--bogus"], 64),
        (["status", "--trader", "T", "more"], 64),
        (["watch", "--trader", "T", "--timeout", "soon"], 64),
        (["history", "--trader", "T", "--limit", "0"], 64),
        (["history", "--trader", "T", "--epoch", "-1"], 64),
        (["history", "--trader", "T", "--limit", "9" * 5000], 64),
        (["history", "--trader", "T", "--bogus"], 64),
    ],
)
def test_wrong_usage_does_not_look_like_a_failed_recovery(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where 2 means that, it is another code."""
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == code
    assert capsys.readouterr().err.startswith(f"usage: nautilus-recovery {arguments[0]} ")


@pytest.fixture
def kept(valkey: EmbeddedValkey, trader_id: str) -> list[str]:
    record = Recording(valkey, trader_id)
    for epoch in range(1, 60):
        blocked = ("ETHUSDT-PERP.BINANCE", "BTCUSDT-PERP.BINANCE")
        record.journal.record(report(epoch, blocked_instruments=blocked, message="word " * 50))
    record.journal.beat(beat(59))
    return ["--trader", trader_id, "--redis", valkey.url]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "name", ["history", "history --epoch 7", "watch", "watch --follow --timeout 0.2"]
)
def test_on_a_terminal_no_line_is_longer_than_it(kept: list[str], name: str, columns: int) -> None:
    """What is long goes on in the next line."""
    import fcntl
    import re
    import struct
    import termios

    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = command(*name.split(), *kept, stdout=child, COLUMNS="", NO_COLOR="1", TERM="xterm")
    os.close(child)
    told = b""
    try:
        while chunk := os.read(parent, 65536):
            told += chunk
    except OSError:  # The end of a terminal on Linux
        pass
    os.close(parent)
    process.communicate(timeout=60)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.decode())
    lines = [part for line in text.split("\n") for part in line.split("\r")]
    assert len(lines) > 4
    assert max(map(len, lines)) <= columns
    assert max(map(len, lines)) > columns - 20


@pytest.mark.long
def test_letters_that_an_output_does_not_have_are_escaped(
    valkey: EmbeddedValkey, trader_id: str
) -> None:
    """A terminal need not know all of them."""
    Recording(valkey, trader_id).journal.record(report(1, trigger="d\u00e9marrage"))
    where = ("--trader", trader_id, "--redis", valkey.url)
    with command("history", *where, PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "CLEAN   At run time (d\\xe9marrage)\n" in out


@pytest.mark.parametrize("name", ["history --json", "inspect"])
def test_who_reads_no_further_ends_it_quietly(kept: list[str], name: str) -> None:
    """As `head` does."""
    reading, writing = os.pipe()
    with command(*name.split(), *kept, stdout=writing) as process:
        os.close(writing)
        os.close(reading)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_a_probe_whose_output_is_closed_answers_by_its_exit_code(kept: list[str]) -> None:
    """As under a supervisor that does not want to hear it."""
    python = [sys.executable, "-m", "nautilus_recovery_actor", "status", *kept]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *python],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("name", "code"), [("status", 64), ("history", 64), ("inspect", 64)])
def test_a_trader_that_is_no_text_is_refused(name: str, code: int) -> None:
    """A shell passes on any bytes."""
    with command(name, "--trader", os.fsdecode(b"\xff-1")) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.endswith("argument --trader: it must be UTF-8\n")


@pytest.mark.parametrize(
    ("kept", "newest", "size", "runs"),
    [
        ({1, 2, 3}, 3, 100, []),
        ({1, 3, 6}, 7, 100, [(7, 7), (4, 5), (2, 2)]),
        ({97, 98, 99}, 100, 4, [(100, 100)]),
        ({100}, 100, 4, [(97, 99)]),
        (set(), 0, 100, []),
        (set(), 2, 0, []),
    ],
)
def test_epochs_without_a_report_are_those_whose_slot_has_another(
    kept: set[int], newest: int, size: int, runs: list[tuple[int, int]]
) -> None:
    """As far back as reports are kept."""
    assert unreported(kept, newest, size) == runs
