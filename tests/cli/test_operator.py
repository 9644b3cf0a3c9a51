"""
The commands of an operator, from the command line to a real node and back.
"""

import asyncio
import getpass
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from nautilus_trader.config import MessageBusConfig

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.node.commands import OperatorCommand
from nautilus_recovery_actor.outside import remote
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import running
from tests.cli import nodes


ETH = "ETHUSDT-PERP.PAPER"
TRADER = "COMMANDED-001"
STREAM = "recovery-commands"
OTHER_ENCODING = {"json": "msgpack", "msgpack": "json"}[MessageBusConfig().encoding]
NOBODY = "redis://127.0.0.1:1"


def start(*arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nautilus_recovery_actor", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "COLUMNS": "80",
            **env,
        },
    )


def run(*arguments: str, **env: str) -> tuple[int, str, str]:
    """
    Run the command line in a process of its own, and return its exit code and what it said.
    """
    with start(*arguments, **env) as process:
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def heard(node: NodeProcess, reason: str) -> dict[str, Any]:
    return node.wait_for(lambda fact: fact.get("reason") == reason)


def stream_length(valkey: EmbeddedValkey) -> int:
    with valkey.client() as client:
        length: int = client.xlen(STREAM)
    return length


def test_a_release_reaches_the_node_and_its_answer_comes_back(
    valkey: EmbeddedValkey, node: NodeProcess
) -> None:
    """The command arrives with all it says, the answer is one line, and the exit code is 0."""
    reason = "the venue's desk confirms: +2"
    command = ("release", ETH, "--trader", TRADER, "--reason", reason, "--minutes", "2.5")
    for columns in ("80", "120"):
        told = run(*command, "--redis", valkey.url, COLUMNS=columns)
        assert told == (0, "COMMANDED-001: release done\n", "")
    command_heard = heard(node, reason)
    assert command_heard["trader_id"] == TRADER
    assert command_heard["instrument_id"] == ETH
    assert command_heard["secs"] == 150
    assert command_heard["operator"] == f"{getpass.getuser()}@{socket.gethostname()}"
    assert stream_length(valkey) == 0


def test_a_release_lasts_a_quarter_of_an_hour_by_default_and_can_be_withdrawn(
    valkey: EmbeddedValkey, node: NodeProcess
) -> None:
    """Neither needs a number."""
    to_node = ("--trader", TRADER, "--redis", valkey.url)
    assert main(["release", ETH, *to_node, "--reason", "by default"]) == 0
    assert main(["release", ETH, *to_node, "--reason", "it is mended", "--withdraw"]) == 0
    assert heard(node, "by default")["secs"] == 900
    withdrawn = heard(node, "it is mended")
    assert (withdrawn["action"], withdrawn["instrument_id"], withdrawn["secs"]) == (
        "withdraw",
        ETH,
        0,
    )


def test_resume_concerns_the_whole_node_and_takes_redis_from_the_environment(
    valkey: EmbeddedValkey,
    node: NodeProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """REDIS_URL is the server when no other is named."""
    monkeypatch.setenv("REDIS_URL", valkey.url)
    assert main(["resume", "--trader", TRADER, "--reason", "the line is stable"]) == 0
    assert capsys.readouterr().out == "COMMANDED-001: resume done\n"
    command = heard(node, "the line is stable")
    assert (command["action"], command["instrument_id"], command["secs"]) == ("resume", "", 0)


def test_a_refusal_is_told_with_the_words_of_the_node(
    valkey: EmbeddedValkey, node: NodeProcess
) -> None:
    """The exit code is 1, and nothing is on the standard output."""
    told = run(
        *("release", nodes.REFUSED, "--trader", TRADER, "--reason", "wrong screen"),
        *("--redis", valkey.url),
    )
    assert told == (1, "", f"COMMANDED-001 refused: release of {nodes.REFUSED}: not blocked\n")
    assert stream_length(valkey) == 0


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_either_encoding_of_a_message_bus_is_spoken(valkey: EmbeddedValkey, encoding: str) -> None:
    """A node that is configured with the one that is not the default is reached as well."""
    trader_id = f"SPOKEN-{uuid4().hex[:6]}"
    database = msgspec.structs.asdict(valkey.database_config())
    command = OperatorCommand.new(trader_id, "resume", "because")

    async def scenario() -> str:
        async with running(nodes.commanded(database, trader_id, {"encoding": encoding})):
            send = asyncio.to_thread(remote.send, command, valkey.url, STREAM, encoding)
            return (await send).text

    assert asyncio.run(scenario()) == "resume done"


def test_an_answer_is_found_where_the_cache_has_no_prefix(valkey: EmbeddedValkey) -> None:
    """Else a release that was carried out is told as one that nobody heard."""
    trader_id = f"BARE-{uuid4().hex[:6]}"
    database = msgspec.structs.asdict(valkey.database_config())
    to_node = ("--trader", trader_id, "--redis", valkey.url, "--no-prefix")

    async def scenario() -> tuple[int, str, str]:
        async with running(nodes.commanded(database, trader_id, {}, use_trader_prefix=False)):
            return await asyncio.to_thread(run, "release", ETH, *to_node, "--reason", "looked at")

    assert asyncio.run(scenario()) == (0, f"{trader_id}: release done\n", "")


def test_a_node_that_does_not_answer_is_named_with_what_to_look_for(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and the command is taken back, so that a later start cannot find it."""
    command = ["release", ETH, "--trader", "GONE-001", "--reason", "because", "--timeout", "0.2"]
    assert main([*command, "--redis", valkey.url]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "No answer from GONE-001 within 0.2 s: is the node running with a RecoveryMonitorActor, "
        "are its cache and its message bus in this Redis, and has the bus "
        f"external_streams=['{STREAM}'] and encoding='{MessageBusConfig().encoding}'?\n"
    )
    assert stream_length(valkey) == 0


@pytest.mark.parametrize("entry", ["another", "damaged", "not text"])
def test_what_is_not_the_answer_to_this_command_is_none(
    valkey: EmbeddedValkey, entry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An acceptance of another command, left from before, opens nothing."""
    another = msgspec.json.encode(CommandAnswer(str(uuid4()), True, "released", 1))
    answers = {"another": another, "damaged": another[:-9], "not text": b'{"text":"\xff"}'}
    trader_id = f"LEFT-{uuid4().hex[:6]}"
    with valkey.client() as client:
        client.set(f"trader-{trader_id}:general:recovery:answer", answers[entry])
    command = ["resume", "--trader", trader_id, "--reason", "because", "--timeout", "0.2"]
    assert main([*command, "--redis", valkey.url]) == 2
    assert capsys.readouterr().err.startswith(f"No answer from {trader_id} within 0.2 s")


def test_an_answer_is_told_in_one_line_whatever_it_holds(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What comes from Redis cannot steer the terminal."""
    trader_id = f"ODD-{uuid4().hex[:6]}"
    command = OperatorCommand.new(trader_id, "resume", "because")
    answer = CommandAnswer(command.command_id, True, "two\nlines \x1b[31mred", 1)
    with valkey.client() as client:
        client.set(f"trader-{trader_id}:general:recovery:answer", msgspec.json.encode(answer))
    monkeypatch.setattr(OperatorCommand, "new", lambda *_, **__: command)
    given = ["--trader", trader_id, "--reason", "because", "--redis", valkey.url]
    assert main(["resume", *given]) == 0
    assert capsys.readouterr().out == f"{trader_id}: two lines [31mred\n"


def test_what_the_node_cannot_read_is_logged_and_the_next_command_is_answered(
    valkey: EmbeddedValkey, node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong encoding and a damaged command cost no more than a line in the log."""
    to_node = ["resume", "--trader", TRADER, "--redis", valkey.url]
    wrong = ["--reason", "wrong tongue", "--encoding", OTHER_ENCODING, "--timeout", "0.5"]
    assert main([*to_node, *wrong]) == 2
    assert f"encoding='{OTHER_ENCODING}'?" in capsys.readouterr().err
    encode = {"json": msgspec.json.encode, "msgpack": msgspec.msgpack.encode}
    damaged = encode[MessageBusConfig().encoding]({"type": "OperatorCommand", "trader_id": TRADER})
    with valkey.client() as client:
        client.xadd(STREAM, {"topic": OperatorCommand.topic(), "payload": damaged})
        assert main([*to_node, "--reason", "the right one"]) == 0
        client.delete(STREAM)
    assert heard(node, "the right one")["action"] == "resume"
    assert "Damaged OperatorCommand: Object missing required field" in node.log
    assert not any(fact.get("reason") == "wrong tongue" for fact in node.facts)


def test_a_command_for_another_trader_is_left_alone(
    valkey: EmbeddedValkey, node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nodes may share a stream."""
    other = ["resume", "--trader", "OTHER-001", "--reason", "not for you", "--timeout", "0.5"]
    assert main([*other, "--redis", valkey.url]) == 2
    assert capsys.readouterr().err.startswith("No answer from OTHER-001 within 0.5 s")
    assert main(["resume", "--trader", TRADER, "--reason", "after", "--redis", valkey.url]) == 0
    heard(node, "after")
    assert not any(fact.get("reason") == "not for you" for fact in node.facts)


def test_a_server_that_is_down_is_told_in_one_line() -> None:
    """The exit code is 2, and no secret of the URL is shown."""
    url = NOBODY.replace("//", "//ada:secret@")
    code, out, err = run("resume", "--trader", TRADER, "--reason", "because", "--redis", url)
    assert (code, out) == (2, "")
    assert err.startswith("Redis at 127.0.0.1:1 cannot be used (")
    assert err.endswith("): is it running, and is this the server of the node's message bus?\n")
    assert "secret" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "url", ["http://:secret@host", "secret", "redis://:secret@host:port", "redis://host/?secret=1"]
)
def test_what_is_no_url_of_a_server_is_told_without_showing_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may hold a password."""
    assert main(["resume", "--trader", TRADER, "--reason", "because", "--redis", url]) == 2
    assert capsys.readouterr().err == (
        "Not the URL of a Redis server: give one like redis://127.0.0.1:6379\n"
    )


def test_a_stream_that_is_something_else_is_told(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the server refuses is an error, not a trace."""
    with valkey.client() as client:
        client.set(key := f"no-stream-{uuid4()}", "text")
    command = ["resume", "--trader", TRADER, "--reason", "because", "--stream", key]
    assert main([*command, "--redis", valkey.url]) == 2
    assert "WRONGTYPE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["release", "ETHUSDT", "--reason", "x"], "'ETHUSDT' is not an instrument ID"),
        (["release", ETH, "--reason", ""], "No reason: say in one line"),
        (["release", ETH, "--reason", "x", "--minutes", "nan"], "A release cannot last nan s"),
        (["release", ETH, "--reason", "x", "--minutes", "0"], "A release cannot last 0 s"),
        (["release", ETH, "--reason", "x", "--minutes", "1441"], "A release cannot last 86460 s"),
    ],
)
def test_senseless_input_is_told_before_anything_is_sent(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what to give; the server, which is down here, is not even asked."""
    assert main([*arguments, "--trader", TRADER, "--redis", NOBODY]) == 2
    err = capsys.readouterr().err
    assert err.startswith(told)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["release", "--trader", TRADER, "--reason", "x"], "INSTRUMENT"),
        (["release", ETH, "--reason", "x"], "--trader"),
        (["resume", "--trader", TRADER], "--reason"),
        (["resume", ETH, "--trader", TRADER, "--reason", "x"], "unrecognized arguments"),
        (["release", ETH, "--minutes", "5", "--withdraw"], "not allowed with"),
        (["resume", "--trader", TRADER, "--reason", "x", "--encoding", "xml"], "--encoding"),
        (["resume", "--trader", TRADER, "--reason", "x", "--timeout", "0"], "greater than 0"),
        (["resume", "--trader", TRADER, "--reason", "x", "--timeout", "nan"], "greater than 0"),
        (["resume", "--trader", TRADER, "--reason", "x", "--timeout", "soon"], "--timeout"),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2."""
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--redis", NOBODY])
    assert exit_.value.code == 2
    assert told in capsys.readouterr().err


def test_a_missing_client_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who installed the package without the extra learns how to get it."""
    monkeypatch.setitem(sys.modules, "redis", None)
    assert main(["resume", "--trader", TRADER, "--reason", "because"]) == 2
    assert capsys.readouterr().err == (
        "Dependencies are missing: pip install 'nautilus_recovery_actor[cli]'\n"
    )


def test_an_interrupted_command_is_taken_back(valkey: EmbeddedValkey) -> None:
    """Who stops waiting is told where to look, and leaves nothing behind."""
    command = ("resume", "--trader", "GONE-001", "--reason", "because", "--timeout", "30")
    stream = f"interrupted-{uuid4()}"

    def gets(client: Any) -> int:
        calls: int = client.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"]
        return calls

    with valkey.client() as client:
        before = gets(client)
    with start(*command, "--redis", valkey.url, "--stream", stream) as process:
        # It is sent, and its answer is looked for
        valkey.wait_for(lambda client: client.xlen(stream) and gets(client) > before, 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert (
        err == "Interrupted before the node answered: its log says whether it did what was asked\n"
    )
    with valkey.client() as client:
        assert client.xlen(stream) == 0


def test_an_answer_is_waited_for_until_the_command_expires(valkey: EmbeddedValkey) -> None:
    """An answer that comes while the sender waits is taken as soon as it is there."""
    trader_id = f"SLOW-{uuid4().hex[:6]}"
    command = OperatorCommand.new(trader_id, "resume", "because", valid_secs=30)
    answer = CommandAnswer(command.command_id, True, "resumed", 1)
    texts: list[str] = []
    sender = threading.Thread(
        target=lambda: texts.append(remote.send(command, valkey.url, f"slow-{trader_id}").text)
    )
    sender.start()
    valkey.wait_for(lambda client: client.xlen(f"slow-{trader_id}"))
    with valkey.client() as client:
        client.set(f"trader-{trader_id}:general:recovery:answer", msgspec.json.encode(answer))
    sender.join(timeout=10)
    assert texts == ["resumed"]
