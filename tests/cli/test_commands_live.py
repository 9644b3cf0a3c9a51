"""
The commands of an operator, from the console's own entry point to real nodes without any message
bus, and back.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from tests.cli.support import Recording
from tests.cli.support import monitored
from tests.cli.support import reached
from tests.docs.servers import serving
from tests.server.faults import certified


ETH = "ETHUSDT-PERP.PAPER"
REASON = ("--reason", "because")
ENTRY = "import sys; from nautilus_recovery_cli import main; sys.exit(main())"


def start(*arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENTRY, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **env},
    )


def run(*arguments: str, **env: str) -> tuple[int, str, str]:
    """
    Run a command as an operator does, and return its exit code and what it said.
    """
    with start(*arguments, **env) as process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


def token(valkey: EmbeddedValkey, trader_id: str) -> str:
    with valkey.client() as client:
        found: bytes = client.hget(Namespace(trader_id=trader_id).own_key(names.LEASE), "token")
    return found.decode()


def commands_key(valkey: EmbeddedValkey, trader_id: str) -> str:
    where = Namespace(trader_id=trader_id)
    return where.own_key(names.COMMANDS.format(token=token(valkey, trader_id)))


@contextmanager
def blocked(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str, **fields: Any
) -> Iterator[NodeProcess]:
    """
    Run a node that has completed its recovery with ETH blocked.
    """
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 2, 1900)
    with monitored(valkey, venue, trader_id, generate_missing_orders=False, **fields) as node:
        reached(valkey, trader_id, 1, "COMPLETE")
        valkey.wait_for(lambda _: Recording(valkey, trader_id).journal.history())
        yield node


@pytest.fixture
def trader_id() -> str:
    return f"LIVE-{uuid4().hex[:6]}"


@pytest.mark.long
def test_each_command_is_answered(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """By a node that is configured for nothing of it, and nothing is left in Redis."""
    to_node = ("--trader", trader_id, "--redis", valkey.url)
    with blocked(valkey, venue, trader_id):
        code, out, err = run("verify", *to_node)
        assert (code, out) == (1, "")
        assert err.startswith(f"{trader_id}: Differs: {ETH} POSITION_QTY_MISMATCH")
        told = run("release", ETH, *to_node, *REASON)
        assert told == (0, f"{trader_id}: Released {ETH} for 15 min\n", "")
        told = run("release", ETH, "--withdraw", *to_node, *REASON)
        assert told == (0, f"{trader_id}: Blocked {ETH} again\n", "")
        code, out, err = run("resume", *to_node, *REASON)
        assert (code, out) == (1, "")
        assert "nothing to resume" in err
        code, out, err = run("repair", "--apply", *to_node)
        assert (code, err) == (0, "")
        assert "Repaired and proven" in out
        assert run("verify", *to_node)[0] == 0
        with valkey.client() as client:
            where = Namespace(trader_id=trader_id)
            assert client.keys(where.own_key("recovery:commands:*")) == []
            assert client.keys(where.own_key("recovery:answers:*")) == []


def test_a_failed_recovery_is_resumed(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """The node has not completed any, and hears it all the same."""
    monitor = {"storm_epochs": 0, "prove_interval_secs": None}
    with monitored(valkey, venue, trader_id, monitor=monitor):
        reached(valkey, trader_id, 1, "COMPLETE")
        venue.open_account()
        venue.push_mass_status()
        reached(valkey, trader_id, 2, "FAILED")
        told = run("resume", "--trader", trader_id, "--redis", valkey.url, *REASON)
        assert told == (0, f"{trader_id}: Opened recovery epoch 3\n", "")
        reached(valkey, trader_id, 3, "COMPLETE")


def test_a_node_that_was_killed_is_known_not_to_run_at_once(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """Its lease is still there, and nobody waits for it."""
    command = ("resume", "--trader", trader_id, "--redis", valkey.url, *REASON)
    with blocked(valkey, venue, trader_id) as node:
        node.kill()
        assert token(valkey, trader_id)
        code, out, err = run(*command, "--timeout", "3600")
        assert (code, out) == (2, "")
        assert err.startswith(f"No node of {trader_id} runs: process {node.pid} on ")
        assert re.search(r" has ended, its last heartbeat was .* ago$", err)


def test_a_node_that_is_killed_while_it_is_asked_is_not_waited_for(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """The command is taken back, so that the next start does not find it."""
    command = ("resume", "--trader", trader_id, "--redis", valkey.url, *REASON)
    with blocked(valkey, venue, trader_id) as node:
        os.kill(node.pid, signal.SIGSTOP)
        key = commands_key(valkey, trader_id)
        with start(*command, "--timeout", "3600") as process:
            valkey.wait_for(lambda client: client.llen(key))
            node.kill()
            _, err = process.communicate(timeout=60)
        assert process.returncode == 2
        assert err.startswith(f"No node of {trader_id} runs: process {node.pid} on ")
        assert err.endswith("Nothing was done, and the command is taken back\n")
        with valkey.client() as client:
            assert client.llen(key) == 0


@pytest.mark.long
def test_a_paused_node_does_nothing_of_it_when_it_wakes_up(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """The command is taken back, whoever was woken for it."""
    to_node = ("--trader", trader_id, "--redis", valkey.url)
    with blocked(valkey, venue, trader_id) as node:
        os.kill(node.pid, signal.SIGSTOP)
        key = commands_key(valkey, trader_id)
        code, out, err = run("release", ETH, *to_node, *REASON, "--timeout", "0.5")
        assert (code, out) == (2, "")
        assert err.startswith(f"No answer from {trader_id} (process {node.pid} on ")
        assert err.endswith("Nothing was done, and the command is taken back\n")
        with valkey.client() as client:
            assert client.llen(key) == 0
        os.kill(node.pid, signal.SIGCONT)
        code, _, err = run("release", ETH, "--withdraw", *to_node, *REASON)
        assert (code, f"{ETH} is not released" in err) == (1, True)


@pytest.mark.long
def test_each_of_two_traders_on_one_server_gets_its_own(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """One that is not meant has not heard of it."""
    other = f"{trader_id}-B"
    with blocked(valkey, venue, trader_id), blocked(valkey, venue, other) as node:
        told = run("release", ETH, "--trader", trader_id, "--redis", valkey.url, *REASON)
        assert told == (0, f"{trader_id}: Released {ETH} for 15 min\n", "")
        withdraw = ("release", ETH, "--withdraw", "--redis", valkey.url, *REASON)
        assert run(*withdraw, "--trader", other)[0] == 1
        assert Recording(valkey, other).journal.history()[-1].overrides == ()
        assert run(*withdraw, "--trader", trader_id)[0] == 0
        assert node.is_running


def test_a_node_whose_keys_have_no_prefix(
    valkey: EmbeddedValkey, venue: PaperVenue, trader_id: str
) -> None:
    """It is found where its cache is, and not elsewhere."""
    to_node = ("verify", "--trader", trader_id, "--redis", valkey.url)
    with monitored(valkey, venue, trader_id, use_trader_prefix=False):
        record = Recording(valkey, trader_id, use_trader_prefix=False)
        valkey.wait_for(lambda _: record.journal.history(), 30.0)
        assert run(*to_node, "--no-prefix")[0] == 0
        code, _, err = run(*to_node)
        assert (code, err.startswith(f"No node of {trader_id} runs")) == (2, True)


@pytest.mark.parametrize("is_behind_tls", [False, True])
@pytest.mark.long
def test_a_server_of_the_monitors_own(
    valkey: EmbeddedValkey,
    venue: PaperVenue,
    trader_id: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_behind_tls: bool,
) -> None:
    """With a password and behind TLS, beside that of the cache, which has the plan of a repair."""
    with EmbeddedValkey(arguments=("--save", "")) as own, certified(own) as (tls, authority):
        with own.client() as client:
            client.config_set("requirepass", "secret")
        monkeypatch.setenv("SSL_CERT_FILE", authority)
        port = int(tls.rpartition(":")[2]) if is_behind_tls else own.port
        database = {
            "host": "localhost" if is_behind_tls else own.host,
            "port": port,
            "password": "secret",
            "ssl": is_behind_tls,
        }
        url = f"redis{'s' if is_behind_tls else ''}://:secret@{database['host']}:{port}"
        to_node = ("--trader", trader_id, "--redis", valkey.url, "--database", url)
        with blocked(valkey, venue, trader_id, monitor={"database": database}):
            assert run("verify", *to_node)[0] == 1
            assert run("verify", "--trader", trader_id, "--redis", url)[0] == 1
            code, out, err = run("repair", "--apply", *to_node)
            assert (code, err) == (0, "")
            assert "Repaired and proven" in out
            code, _, err = run("verify", "--trader", trader_id, "--redis", valkey.url)
            assert code == 2
            assert "the one in `database` of its RecoveryMonitorConfig?" in err


def stalls(server: Any) -> None:
    with server.client() as client:
        client.client_pause(60_000)


def ends(server: Any) -> None:
    server.kill()


@pytest.mark.parametrize("fault", [stalls, ends])
@pytest.mark.long
def test_a_server_that_is_gone_while_the_answer_is_waited_for(
    tmp_path: Path, venue: PaperVenue, trader_id: str, fault: Callable[[Any], None]
) -> None:
    """It is told at once; and when the server is back, the node hears the next command."""
    with serving(tmp_path, config=None) as server:
        command = ("verify", "--trader", trader_id, "--redis", server.url())
        node = NodeProcess(
            "tests.cli.monitored:monitored",
            port=venue.port,
            database={"host": "127.0.0.1", "port": server.port},
            trader_id=trader_id,
        )
        with node, server.client() as client:
            lease = Namespace(trader_id=trader_id).own_key(names.LEASE)
            deadline = time.monotonic() + 30
            while run(*command)[0] != 0:
                assert time.monotonic() < deadline
            found: bytes = client.hget(lease, "token")
            os.kill(node.pid, signal.SIGSTOP)
            where = Namespace(trader_id=trader_id)
            key = where.own_key(names.COMMANDS.format(token=found.decode()))
            with start(*command, "--timeout", "3600") as process:
                while not client.llen(key):
                    assert process.poll() is None
                fault(server)
                _, err = process.communicate(timeout=60)
            assert process.returncode == 2
            assert err.startswith(f"Redis at 127.0.0.1:{server.port} cannot be used (")
            assert err.endswith("): the node's log says whether it did what was asked\n")
            assert err.count("\n") == 1
            server.kill()
            server.start()
            os.kill(node.pid, signal.SIGCONT)
            deadline = time.monotonic() + 60
            while run(*command)[0] != 0:
                assert time.monotonic() < deadline, node.log
