"""
The commands of an operator, from the command line to a real node and back.
"""

import asyncio
import getpass
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core import delivery
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.process import this_process
from nautilus_recovery_actor.outside import remote
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import running
from tests.cli import nodes
from tests.cli.support import Recording


ETH = "ETHUSDT-PERP.PAPER"
TRADER = "COMMANDED-001"
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


def left(valkey: EmbeddedValkey, trader_id: str = TRADER) -> list[bytes]:
    """
    Return the keys in which a command or an answer lies.
    """
    with valkey.client() as client:
        found = [*client.scan_iter(f"*{trader_id}:recovery:commands:*")]
        return [*found, *client.scan_iter(f"*{trader_id}:recovery:answers:*")]


def listening(valkey: EmbeddedValkey, trader_id: str) -> str:
    """
    Let it look as if a node listened without a lease, and return the key of its commands.
    """
    where = Namespace(trader_id=trader_id)
    with valkey.client() as client:
        client.set(where.own_key(names.LISTENER), msgspec.json.encode(this_process()))
    return where.own_key(names.COMMANDS.format(token=names.UNLEASED))


def answer_key(command: OperatorCommand) -> str:
    where = Namespace(trader_id=command.trader_id)
    return where.own_key(names.ANSWER.format(command_id=command.command_id))


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
    assert left(valkey) == []


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


@pytest.mark.long
def test_a_refusal_is_told_with_the_words_of_the_node(
    valkey: EmbeddedValkey, node: NodeProcess
) -> None:
    """The exit code is 1, and nothing is on the standard output."""
    told = run(
        *("release", nodes.REFUSED, "--trader", TRADER, "--reason", "wrong screen"),
        *("--redis", valkey.url),
    )
    assert told == (1, "", f"COMMANDED-001 refused: release of {nodes.REFUSED}: not blocked\n")
    assert left(valkey) == []


@pytest.mark.long
def test_a_node_is_found_where_the_cache_has_no_prefix(valkey: EmbeddedValkey) -> None:
    """Else a release that was carried out is told as one that nobody heard."""
    trader_id = f"BARE-{uuid4().hex[:6]}"
    database = msgspec.structs.asdict(valkey.database_config())
    to_node = ("--trader", trader_id, "--redis", valkey.url, "--no-prefix")

    async def scenario() -> tuple[int, str, str]:
        node = nodes.commanded(database, trader_id, use_trader_prefix=False)
        async with running(node):
            key = f"{trader_id}:recovery:listener"
            await asyncio.to_thread(valkey.wait_for, lambda client: client.exists(key))
            return await asyncio.to_thread(run, "release", ETH, *to_node, "--reason", "looked at")

    assert asyncio.run(scenario()) == (0, f"{trader_id}: release done\n", "")


def test_a_node_that_does_not_answer_is_named_and_the_command_is_taken_back(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and a later start cannot find it."""
    listening(valkey, trader_id := "BUSY-001")
    command = ["release", ETH, "--trader", trader_id, "--reason", "because", "--timeout", "0.2"]
    assert main([*command, "--redis", valkey.url]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"No answer from BUSY-001 (process {os.getpid()} on {socket.gethostname()}) within 0.2 s: "
        "it starts, its event loop is blocked, or its process is paused. Nothing was done, and the "
        "command is taken back\n"
    )
    with valkey.client() as client:
        assert client.llen(listening(valkey, trader_id)) == 0


def test_a_command_that_was_taken_and_not_answered_is_told_as_such(
    valkey: EmbeddedValkey, node: NodeProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is told that nothing was done."""
    command = ["release", nodes.DROPPED, "--trader", TRADER, "--reason", "x", "--timeout", "0.5"]
    assert main([*command, "--redis", valkey.url]) == 2
    assert capsys.readouterr().err == (
        f"{TRADER} (process {node.pid} on {socket.gethostname()}) has taken the command, and has "
        "not answered within 0.5 s: its log says what it did\n"
    )


def test_a_trader_without_a_node_is_told_at_once(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent, and nobody waits for the timeout."""
    command = ["resume", "--trader", "GONE-001", "--reason", "because", "--timeout", "3600"]
    assert main([*command, "--redis", valkey.url]) == 2
    assert capsys.readouterr().err.startswith(
        "No node of GONE-001 runs: no heartbeat of it is on record. If it does run, is this the "
        "server of its cache, or the one in `database` of its RecoveryMonitorConfig? "
    )
    assert left(valkey, "GONE-001") == []


def test_an_old_heartbeat_is_named(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read where the cache is, also if the monitor's own server is another one."""
    trader_id = f"OLD-{uuid4().hex[:6]}"
    ts = time.time_ns() - 90_000_000_000
    heartbeat = Heartbeat(ts, 3, RecoveryPhase.COMPLETE, is_stopped=True)
    Recording(valkey, trader_id).journal.beat(heartbeat)
    command = ["resume", "--trader", trader_id, "--reason", "because", "--redis", valkey.url]
    with EmbeddedValkey(arguments=("--save", "")) as other:
        for where in ((), ("--database", other.url)):
            assert main([*command, *where]) == 2
            told = capsys.readouterr().err
            assert re.search(r"last heartbeat was 1 min 3\d s ago, of a clean stop\. If", told)


@pytest.mark.parametrize("entry", ["another", "damaged", "not text"])
def test_what_is_not_the_answer_to_this_command_is_none(
    valkey: EmbeddedValkey,
    entry: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An acceptance of another command opens nothing."""
    another = msgspec.json.encode(CommandAnswer(str(uuid4()), True, "released", 1))
    answers = {"another": another, "damaged": another[:-9], "not text": b'{"text":"\xff"}'}
    trader_id = f"LEFT-{uuid4().hex[:6]}"
    listening(valkey, trader_id)
    command = OperatorCommand.new(trader_id, "resume", "because", valid_secs=0.2)
    monkeypatch.setattr(OperatorCommand, "new", lambda *_, **__: command)
    with valkey.client() as client:
        client.rpush(answer_key(command), answers[entry])
    assert main(["resume", "--trader", trader_id, "--reason", "x", "--redis", valkey.url]) == 2
    assert capsys.readouterr().err.startswith(f"No answer from {trader_id}")


def test_an_answer_is_told_in_one_line_whatever_it_holds(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What comes from Redis cannot steer the terminal."""
    trader_id = f"ODD-{uuid4().hex[:6]}"
    command = OperatorCommand.new(trader_id, "resume", "because")
    answer = CommandAnswer(command.command_id, True, "two\nlines \x1b[31mred", 1)
    listening(valkey, trader_id)
    with valkey.client() as client:
        client.rpush(answer_key(command), msgspec.json.encode(answer))
    monkeypatch.setattr(OperatorCommand, "new", lambda *_, **__: command)
    given = ["--trader", trader_id, "--reason", "because", "--redis", valkey.url]
    assert main(["resume", *given]) == 0
    assert capsys.readouterr().out == f"{trader_id}: two lines [31mred\n"


def test_a_server_that_is_down_is_told_in_one_line() -> None:
    """The exit code is 2, and no secret of the URL is shown."""
    url = NOBODY.replace("//", "//ada:secret@")
    code, out, err = run("resume", "--trader", TRADER, "--reason", "because", "--redis", url)
    assert (code, out) == (2, "")
    assert err.startswith("Redis at 127.0.0.1:1 cannot be used (")
    assert err.endswith("): is it running, and is this the server of the node's cache?\n")
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


def test_what_the_server_refuses_is_told(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is an error, not a trace."""
    with valkey.client() as client:
        client.set(listening(valkey, "WRONG-001"), "text")
    command = ["resume", "--trader", "WRONG-001", "--reason", "because"]
    assert main([*command, "--redis", valkey.url]) == 2
    assert "WRONGTYPE" in capsys.readouterr().err


def test_a_reason_that_is_too_long_is_told_before_it_is_sent(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node does not read more than a command needs."""
    listening(valkey, "LONG-001")
    command = ["resume", "--trader", "LONG-001", "--redis", valkey.url, "--reason"]
    assert main([*command, "x" * delivery.MAX_BYTES]) == 2
    assert capsys.readouterr().err == (
        "The command is too long for a node to read: give a shorter reason\n"
    )
    assert left(valkey, "LONG-001") == []


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
    assert main([*arguments, "--trader", TRADER, "--redis", NOBODY]) == 64
    err = capsys.readouterr().err
    assert err.startswith(told)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["release", "--trader", TRADER, "--reason", "x"], "INSTRUMENT"),
        (["resume", "--trader", TRADER], "--reason"),
        (["resume", ETH, "--trader", TRADER, "--reason", "x"], "unrecognized arguments"),
        (["release", ETH, "--minutes", "5", "--withdraw"], "not allowed with"),
        (["resume", "--trader", TRADER, "--reason", "x", "--stream", "a"], "unrecognized"),
        (["resume", "--trader", TRADER, "--reason", "x", "--timeout", "0"], "greater than 0"),
        (["resume", "--trader", TRADER, "--reason", "x", "--timeout", "nan"], "greater than 0"),
        (["resume", "--trader", TRADER, "--reason", "x", "--timeout", "soon"], "--timeout"),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a code of its own."""
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--redis", NOBODY])
    assert exit_.value.code == 64
    assert told in capsys.readouterr().err


def test_an_interrupted_command_is_taken_back(valkey: EmbeddedValkey) -> None:
    """Who stops waiting is told where to look, and leaves nothing behind."""
    trader_id = f"PAUSED-{uuid4().hex[:6]}"
    command = ("resume", "--trader", trader_id, "--reason", "because", "--timeout", "30")
    key = listening(valkey, trader_id)
    with start(*command, "--redis", valkey.url, REDIS_URL=valkey.url) as process:
        # It is sent, and its answer is waited for
        valkey.wait_for(
            lambda client: client.llen(key) and client.info("clients")["blocked_clients"], 20
        )
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert (
        err == "Interrupted before the node answered: its log says whether it did what was asked\n"
    )
    with valkey.client() as client:
        assert client.llen(key) == 0


def test_an_answer_is_waited_for_until_the_command_expires(valkey: EmbeddedValkey) -> None:
    """An answer that comes while the sender waits is taken as soon as it is there."""
    trader_id = f"SLOW-{uuid4().hex[:6]}"
    command = OperatorCommand.new(trader_id, "resume", "because", valid_secs=30)
    answer = CommandAnswer(command.command_id, True, "resumed", 1)
    texts: list[str] = []
    key = listening(valkey, trader_id)
    sender = threading.Thread(target=lambda: texts.append(remote.send(command, valkey.url).text))
    sender.start()
    valkey.wait_for(lambda client: client.llen(key))
    with valkey.client() as client:
        assert 0 < client.ttl(key) <= 3_600  # A sender that is killed leaves nothing for good
        client.rpush(answer_key(command), msgspec.json.encode(answer))
    sender.join(timeout=60)
    assert texts == ["resumed"]


def test_a_node_that_ends_while_it_is_asked_is_not_waited_for(valkey: EmbeddedValkey) -> None:
    """It is told within a second or so, and that nothing was done."""
    trader_id = f"ENDING-{uuid4().hex[:6]}"
    command = OperatorCommand.new(trader_id, "resume", "because", valid_secs=600)
    key = listening(valkey, trader_id)
    told: list[str] = []

    def send() -> None:
        try:
            remote.send(command, valkey.url)
        except remote.NoAnswerError as e:
            told.append(str(e))

    sender = threading.Thread(target=send)
    sender.start()
    valkey.wait_for(lambda client: client.llen(key))
    with valkey.client() as client:
        client.delete(Namespace(trader_id=trader_id).own_key(names.LISTENER))
    sender.join(timeout=60)
    (text,) = told
    assert text.startswith(f"No node of {trader_id} runs")
    assert text.endswith("Nothing was done, and the command is taken back")
    assert left(valkey, trader_id) == [key.replace("unleased", "unleased:bell").encode()]


def test_how_long_a_command_counts_does_not_depend_on_the_clock_of_its_sender(
    valkey: EmbeddedValkey, node: NodeProcess
) -> None:
    """Nor on when it says that it was made."""
    for ts in (1, 2**62):
        command = OperatorCommand(
            *(TRADER, str(uuid4()), "resume", "", f"at {ts}", 0.0, "ann@desk", ts, ts),
            ts_expires=ts + 7_000_000_000,
        )
        assert remote.send(command, valkey.url).is_accepted
        assert 0 < heard(node, f"at {ts}")["valid_secs"] <= 7.0
