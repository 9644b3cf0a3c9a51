"""
`run_supervised` on NautilusTrader 2.0: the process of a node ends in time, whatever it is stuck in,
its exit code says how, and a start that failed is on record.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from typing import Any

import pytest

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.record.reader import RecordReader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.node2.support import TRADER
from tests.node2.support import Bench
from tests.supervised.support import Supervised
from tests.supervised.support import pid_of


STATUS = f"`nautilus-recovery status --trader {TRADER}` shows what is on record"


class Supervised2(Supervised):
    """A program that runs a node of 2.0 by `run_supervised`."""

    _program = "tests.node2.supervised"


def supervised(bench: Bench, scene: str = "traded", *flags: str, **where: Any) -> Supervised2:
    place = {
        "venue_port": bench.venue.port,
        "redis": {"host": "127.0.0.1", "port": bench.valkey.port},
    }
    return Supervised2(scene, *flags, **{**place, **where})


def record(bench: Bench) -> tuple[Heartbeat | None, list[FailureReason | None]]:
    """
    Return what `status` reads, and how each recovery failed.
    """
    with bench.valkey.client() as client:
        reader = RecordReader(client, Namespace(trader_id=TRADER))
        reports, broken = reader.history()
        assert not broken
        return reader.stamps().heartbeat, [one.failure for one in [*reports][::-1]]


def command(bench: Bench, *arguments: str) -> str:
    """
    Return what a command line prints, here with NautilusTrader 2.0.
    """
    code = "import sys; from nautilus_recovery_cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--trader", TRADER, "--redis", bench.valkey.url],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout


@contextmanager
def paused(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# -- STARTS THAT FAIL --


@pytest.mark.parametrize(
    ("endpoint", "how", "words"),
    [
        ("", "nobody", "data-connect timeout"),
        ("GET account", "400", "readiness timeout while waiting for engine connections"),
        ("GET positionRisk", "400", "Failed to get mass status from BINANCE"),
        (
            "GET positionRisk",
            "hang",
            "Startup reconciliation timeout reached while requesting mass status",
        ),
    ],
)
def test_a_start_that_raises_is_a_recovery_that_failed(
    bench: Bench, endpoint: str, how: str, words: str
) -> None:
    """It is on record before the process ends, and a restart is asked for; so with a bad key."""
    where: dict[str, Any] = {}
    if how == "nobody":
        where["venue_port"] = 1
    else:
        bench.venue.fail(endpoint, how)
    with supervised(bench, **where) as run:
        assert run.code() == 75, run.log
        (line,) = run.said
        assert line.startswith(f"the node did not start, and its recovery failed: {words}")
        assert STATUS in line
    heartbeat, failures = record(bench)
    assert heartbeat is not None
    assert (heartbeat.phase, heartbeat.is_stopped) == (RecoveryPhase.FAILED, True)
    assert failures == [FailureReason.RECONCILIATION_FAILED]
    assert "the node was stopped" in (said := command(bench, "status"))
    assert "recovery epoch 1 FAILED" in said
    assert "RECONCILIATION_FAILED" in command(bench, "history")


def test_a_strategy_that_raises_at_its_start_is_not_started_again(bench: Bench) -> None:
    """No restart helps: the line has what it raised, the traceback is above it."""
    with supervised(bench, strategy="fails") as run:
        assert run.code() == 70
        (line,) = run.said
        assert line.startswith("the node raised: Failed to start trader")
        assert line.endswith("ValueError: no such signal (exit code 70)")
        assert 'raise ValueError("no such signal")' in run.log
    assert record(bench)[1] == [FailureReason.TIMEOUT]


@pytest.mark.parametrize(
    ("scene", "line"),
    [
        ("made_up", "the build raised ValueError: no such venue, says redis://***@host"),
        ("nothing", "the build raised TypeError: `build` returned a NoneType, not a LiveNode"),
        ("unmonitored", "the build raised TypeError: the node has no monitor: call `add_recovery"),
    ],
)
def test_a_build_that_fails_says_how(bench: Bench, scene: str, line: str) -> None:
    with supervised(bench, scene) as run:
        assert run.code() == 70
        (said,) = run.said
        assert said.startswith(line)


def test_a_node_is_started_again_as_often_as_asked(bench: Bench) -> None:
    """Each time in a process of its own, and each failure is on record."""
    bench.venue.fail("GET positionRisk", "400", times=1)
    with supervised(bench, options={"restarts": 1}) as run:
        run.until("RECOVERED")
        assert sum(line.startswith("BUILD") for line in run.lines) == 2
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        (line,) = run.said
        assert line.endswith("again in 1 s, 1 left")
    assert record(bench)[1] == [FailureReason.RECONCILIATION_FAILED, None]


def test_a_second_node_of_the_trader_is_to_be_tried_again(bench: Bench) -> None:
    """The line names the process that has the lease."""
    with supervised(bench) as first:
        first.until("RECOVERED")
        with supervised(bench) as second:
            assert second.code() == 75
            (line,) = second.said
            assert line.startswith(f"Another node runs {TRADER}: process {first.node_pid} on ")


# -- SERVERS --


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("nobody", 75, "No connection: Connection refused. Start the server, or fix host, port"),
        ("stopped", 75, "It does not answer in time"),
        ("without password", 78, "It rejects the username or the password, or requires one"),
        ("wrong password", 78, "It rejects the username or the password"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_before_a_node_uses_it(
    bench: Bench, how: str, code: int, words: str
) -> None:
    """Natively a node of 2.0 hangs there, without a line."""
    with EmbeddedValkey() as server, ExitStack() as stack:
        redis: dict[str, Any] = {"host": "127.0.0.1", "port": server.port}
        if how == "nobody":
            redis["port"] = 1
        elif how == "stopped":
            stack.enter_context(paused(pid_of(server)))
        else:
            with server.client() as client:
                client.config_set("requirepass", "secret")
        if how == "wrong password":
            redis["password"] = "hunter2"
        with supervised(bench, redis=redis) as run:
            assert run.code() == code, run.log
            (line,) = run.said
    assert line.startswith(f"Redis at 127.0.0.1:{redis['port']}: ")
    assert words in line
    assert "DatabaseConfig" not in line
    assert "hunter2" not in line


def test_a_server_that_stalls_once_the_monitor_is_there_ends_at_the_deadline(bench: Bench) -> None:
    """The cache is loaded after `build`, and the time for that counts too."""
    with EmbeddedValkey() as server:
        redis = {"host": "127.0.0.1", "port": server.port}
        options = {"build_timeout_secs": 5.0}
        pid = pid_of(server)
        try:
            with supervised(bench, redis=redis, options=options, stalls=pid) as run:
                assert run.code() == 75, run.log
                (line,) = run.said
        finally:
            os.kill(pid, signal.SIGCONT)
    assert line.startswith(
        f"the node was not built within 5 s, and was killed. Redis at 127.0.0.1:{server.port}: It "
        f"does not answer in time"
    )


# -- STOPS --


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_of_a_recovered_node_is_clean(bench: Bench, number: signal.Signals) -> None:
    """Also where a supervisor, or a terminal, signals each process, and more than once."""
    with supervised(bench) as run:
        run.until("RECOVERED")
        run.signal(number, to_all=True)
        run.signal(number, to_all=True)
        assert (run.code(), run.said) == (0, [])
    heartbeat, failures = record(bench)
    assert heartbeat is not None
    assert (heartbeat.phase, heartbeat.is_stopped) == (RecoveryPhase.COMPLETE, True)
    assert failures == [None]


def test_a_stop_during_the_start_is_on_record(bench: Bench) -> None:
    """Natively the process is gone at once, and nothing says so. Here a client connects."""
    with supervised(bench, connection_secs=600, options={"stop_timeout_secs": 600.0}) as run:
        with paused(bench.venue.pid):
            run.until("LOADED")
            run.signal(signal.SIGTERM)
            assert run.code() == 143, run.log
        assert run.said == ["SIGTERM before the node had started (exit code 143)"]
        assert "denied" not in run.log
    assert record(bench)[1] == [FailureReason.RECONCILIATION_FAILED]


def test_a_stop_during_the_reconciliation_is_on_record(bench: Bench) -> None:
    """Nothing runs meanwhile: it waits until NautilusTrader has given up."""
    bench.venue.fail("GET positionRisk", "hang")
    bench.venue.requests()
    with supervised(bench, reconciliation_secs=8) as run:
        bench.valkey.wait_for(lambda _: "GET positionRisk" in bench.venue.requests())
        run.signal(signal.SIGTERM)
        run.signal(signal.SIGTERM)
        assert run.code() == 143, run.log
        assert run.said == ["SIGTERM before the node had started (exit code 143)"]
        assert "denied" not in run.log
    assert record(bench)[1] == [FailureReason.RECONCILIATION_FAILED]


def test_a_stop_whose_clients_do_not_disconnect_in_time_is_one(bench: Bench) -> None:
    """NautilusTrader raises then, though it has stopped as asked."""
    with supervised(bench, disconnection_secs=1) as run:
        run.until("RECOVERED")
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        (line,) = run.said
        assert line.startswith("the node stopped: the clients did not disconnect in time: ")


def test_a_stop_that_hangs_is_killed_at_its_deadline(bench: Bench) -> None:
    """Whatever it is stuck in; here a strategy."""
    with supervised(bench, strategy="slow", options={"stop_timeout_secs": 3.0}) as run:
        run.until("RECOVERED")
        run.signal(signal.SIGTERM)
        run.until("STOPPING")
        assert run.code() == 75
        (line,) = run.said
        assert line.startswith("the node did not stop within 3 s, and was killed. Redis at ")


def test_a_node_that_is_killed_asks_for_a_restart(bench: Bench) -> None:
    with supervised(bench) as run:
        run.until("RECOVERED")
        os.kill(run.node_pid, signal.SIGKILL)
        assert run.code() == 75
        assert run.said == ["the process was killed by SIGKILL while the node ran (exit code 75)"]


def test_a_node_that_was_made_before_runs_in_this_process(bench: Bench) -> None:
    """A fork of it would have none of the threads that NautilusTrader has started."""
    with supervised(bench, "traded", "--made-before") as run:
        run.until("RECOVERED")
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        (line,) = run.said
        assert line.startswith("the node runs in this process, in which NautilusTrader has run")
