"""
The process of a node ends in time, whatever it is stuck in, and the exit code says how.
"""

import os
import signal
import time
from pathlib import Path

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.server.faults import wait_until
from tests.supervised.support import Supervised
from tests.supervised.support import pid_of
from tests.supervised.support import place


RECOVERED = "Recovery epoch 1 CLEAN"
# What NautilusTrader waits for Redis at its end, at least
NATIVE_SECS = 20.0


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("to_all", [False, True], ids=["to-one", "to-all"])
def test_a_stop_of_a_recovered_node_is_clean(
    venue: PaperVenue, valkey: EmbeddedValkey, number: signal.Signals, to_all: bool
) -> None:
    """Also where a supervisor, or a terminal, signals each process: it is obeyed once."""
    venue.open_account()
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        run.until(RECOVERED)
        run.signal(number, to_all=to_all)
        assert run.code() == 0, run.log
        assert run.said == []
        assert run.log.count("shutting down") == 1
        assert run.log.rstrip().endswith("DISPOSED\x1b[0m")


@pytest.mark.long
def test_a_second_sigterm_does_not_cut_a_stop_short(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Under NautilusTrader's own handlers the second one kills the node."""
    venue.open_account()
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        run.until(RECOVERED)
        run.signal(signal.SIGTERM)
        run.until("shutting down")
        run.signal(signal.SIGTERM)
        os.kill(run.node_pid, signal.SIGTERM)
        assert run.code() == 0
        assert run.log.rstrip().endswith("DISPOSED\x1b[0m")


@pytest.mark.long
def test_a_node_without_a_monitor_stops_cleanly(valkey: EmbeddedValkey) -> None:
    """On a loop of its own, as `TradingNode` takes one."""
    with Supervised("alone", redis=place(valkey)) as run:
        run.until("TradingNode: RUNNING")
        run.signal(signal.SIGTERM)
        assert (run.code(), run.said) == (0, [])


def test_a_failed_recovery_asks_for_a_restart(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """The monitor has stopped the node."""
    venue.set_faults(query_errors=True)
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        assert run.code() == 75
        assert run.said == ["the node stopped: its last recovery failed (exit code 75)"]


def test_sigterm_is_obeyed_in_time_while_redis_is_stalled(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The trader stops as always. What then waits for Redis, without the GIL, is killed."""
    venue.open_account()
    with Supervised(
        "traded", options={"stop_timeout_secs": 4.0}, redis=place(valkey), port=venue.port
    ) as run:
        run.until(RECOVERED)
        run.until("TradingNode: RUNNING")
        os.kill(pid := pid_of(valkey), signal.SIGSTOP)
        try:
            start = time.monotonic()
            run.signal(signal.SIGTERM)
            assert run.code() == 75
            assert time.monotonic() - start < NATIVE_SECS
        finally:
            os.kill(pid, signal.SIGCONT)
        (line,) = run.said
        assert line.startswith(
            f"the node did not stop within 4 s, and was killed. Redis at 127.0.0.1:{valkey.port}: "
            f"It does not answer in time."
        )
        assert "TradingNode: STOPPED" in run.log


def test_a_build_that_is_stuck_is_killed_at_its_deadline() -> None:
    """It holds the GIL: nothing in its own process could end it."""
    with Supervised("stuck", options={"build_timeout_secs": 2.0}) as run:
        assert run.code() == 75
        assert run.said == ["the node was not built within 2 s, and was killed (exit code 75)"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_obeyed_while_a_build_is_stuck(number: signal.Signals) -> None:
    """At once, though the deadline is far."""
    with Supervised("stuck", options={"build_timeout_secs": 600.0}) as run:
        run.until("BUILD")
        run.signal(number)
        assert run.code() == 128 + number
        assert run.said == [f"{number.name} before the node had started (exit code {128 + number})"]


@pytest.mark.parametrize(
    ("scene", "code", "line"),
    [
        ("bad_order", 70, "the build raised ValueError: no such venue, says redis://***@host"),
        ("nothing", 70, "the build raised TypeError: `build` returned a NoneType"),
        ("exits", 3, "the process ended itself with code 3 while the node was built"),
        ("refused_by_the_lease", 75, "T-1 runs on host-a (exit code 75)"),
    ],
)
def test_a_build_that_fails_says_how(scene: str, code: int, line: str) -> None:
    """What was raised, or that another node has the lease."""
    with Supervised(scene) as run:
        assert run.code() == code
        (said,) = run.said
        assert said.startswith(line)


def test_a_node_that_is_killed_asks_for_a_restart(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """By the system, when memory is short."""
    venue.open_account()
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        run.until(RECOVERED)
        os.kill(run.node_pid, signal.SIGKILL)
        assert run.code() == 75
        assert run.said == ["the process was killed by SIGKILL while the node ran (exit code 75)"]


@pytest.mark.parametrize("flags", [(), ("--not-linux",)], ids=["linux", "elsewhere"])
@pytest.mark.long
def test_the_node_ends_with_the_process_that_was_started(
    venue: PaperVenue, valkey: EmbeddedValkey, flags: tuple[str, ...]
) -> None:
    """Else it would trade beside the one that a supervisor starts in its place."""
    venue.open_account()
    with Supervised("traded", *flags, redis=place(valkey), port=venue.port) as run:
        run.until(RECOVERED)
        pid = run.node_pid
        run.signal(signal.SIGKILL)
        assert run.code() == -signal.SIGKILL  # The output ends only with the last process
        wait_until(lambda: is_gone(pid))


@pytest.mark.long
def test_a_node_is_started_again_as_often_as_asked(
    venue: PaperVenue, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    """In a new process each time, and a stop as asked ends it."""
    venue.open_account()
    mark = str(tmp_path / "killed")
    with Supervised(
        "killed_once", options={"restarts": 1}, mark=mark, redis=place(valkey), port=venue.port
    ) as run:
        run.until(RECOVERED)
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        assert run.said == [
            "the process was killed by SIGKILL while the node was built: again in 1 s, 1 left"
        ]


@pytest.mark.long
def test_a_node_that_had_recovered_may_be_started_as_often_again(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What counts is how often in a row it does not come up, even if it is killed later."""
    venue.open_account()
    with Supervised("traded", options={"restarts": 1}, redis=place(valkey), port=venue.port) as run:
        for epoch in (1, 2):
            run.until(lambda run, times=epoch: run.log.count("RECOVERED ") == times)  # type: ignore[misc]
            os.kill(run.node_pid, signal.SIGKILL)
            run.until(lambda run, said=epoch: len(run.said) == said)  # type: ignore[misc]
            assert run.said[-1].endswith("while the node ran: again in 1 s, 1 left")
        run.until("Recovery epoch 3 CLEAN")
        run.signal(signal.SIGTERM)
        assert run.code() == 0


@pytest.mark.long
def test_restarts_run_out(valkey: EmbeddedValkey) -> None:
    """The exit code is then that of the last start."""
    options = {"restarts": 1, "build_timeout_secs": 0.5}
    with Supervised("stuck", options=options) as run:
        assert run.code() == 75
        why = "the node was not built within 0.5 s, and was killed"
        assert run.said == [f"{why}: again in 1 s, 1 left", f"{why} (exit code 75)"]


@pytest.mark.long
def test_a_stop_is_obeyed_between_two_starts() -> None:
    """Nothing runs then."""
    with Supervised("stuck", options={"restarts": 9, "build_timeout_secs": 0.2}) as run:
        run.until("again in 8 s")
        run.signal(signal.SIGTERM)
        assert run.code() == 143
        assert run.said[-1] == "SIGTERM between two starts (exit code 143)"


def test_a_node_that_was_made_before_runs_where_it_is(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its threads are in no other process; and it is said what that costs."""
    venue.open_account()
    with Supervised("traded", "--made-before", redis=place(valkey), port=venue.port) as run:
        run.until(RECOVERED)
        assert run.said == [
            "the node runs in this process, in which NautilusTrader has run: without deadlines"
        ]
        run.signal(signal.SIGTERM)
        assert run.code() == 0


def test_threads_that_the_node_will_not_have_are_named() -> None:
    """They run in the process that watches."""
    with Supervised("bad_order", "--thread") as run:
        assert run.code() == 70
        assert run.said[0] == "threads that the node will not have, start them in `build`: metrics"
