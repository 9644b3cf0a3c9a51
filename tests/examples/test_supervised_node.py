"""
The exit code of the supervised node, by which systemd or Docker decide about a restart.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue


pytestmark = pytest.mark.long


EXAMPLE = Path(__file__).parents[2] / "examples" / "supervised_node.py"
RESTARTED = 75
STOPPED = 0

# A request that no disconnect ends, as an HTTP client without a timeout makes it
NEVER_ANSWERED = """
import asyncio
from nautilus_recovery_actor.testkit import PaperVenueExecutionClient
PaperVenueExecutionClient.generate_mass_status = lambda *_: asyncio.Event().wait()
"""
JUDGES_ONCE = """
from nautilus_recovery_actor.core import verdict
judges = [verdict.judge]
verdict.judge = lambda *given: judges.pop()(*given)
"""


class Supervisor:
    """
    Runs the example as a supervisor would, on one venue and one Redis.
    """

    def __init__(self, venue: PaperVenue, valkey: EmbeddedValkey) -> None:
        self.venue = venue
        self._valkey = valkey
        self.log = ""

    def run(
        self,
        *,
        at: str = "",
        do: Callable[["subprocess.Popen[str]"], object] = lambda _: None,
        fault: str = "",
        timeout_secs: float = 120.0,
    ) -> int:
        """
        Return the exit code of a run in which `do` is done when the log has the words `at`.
        """
        program = f"{fault}\nimport runpy\nrunpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
        arguments = [f"--port={self.venue.port}", f"--startup-timeout-secs={timeout_secs}"]
        with subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(EXAMPLE.parent), *filter(None, sys.path)]),
                "REDIS_URL": self._valkey.url,
            },
        ) as process:
            assert process.stdout is not None
            self.log = ""
            try:
                for line in process.stdout:
                    self.log += line
                    if at and at in line:
                        do(process)
                return process.wait(60)
            finally:
                process.kill()

    def heartbeat(self) -> Heartbeat:
        """
        Return the last sign of life of the node.
        """
        client: Any = self._valkey.client()
        entry = client.get("trader-LIVE-001:general:recovery:heartbeat")
        return msgspec.json.decode(entry, type=Heartbeat)


def terminate(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with PaperVenue() as venue, EmbeddedValkey() as valkey:
        venue.open_account()
        valkey.flush()
        yield Supervisor(venue, valkey)


@pytest.mark.long
def test_a_start_that_is_given_up_asks_for_a_restart_which_recovers(supervisor: Supervisor) -> None:
    """The code is 75 while the venue answers errors, and 0 once the node recovered and stopped."""
    supervisor.venue.set_faults(query_errors=True)
    assert supervisor.run() == RESTARTED
    assert "Recovery epoch 1 RECONCILIATION_FAILED" in supervisor.log
    assert supervisor.heartbeat().is_stopped

    supervisor.venue.set_faults()
    assert supervisor.run(at="Recovery epoch 2 CLEAN", do=terminate) == STOPPED


@pytest.mark.parametrize("fault", ["", NEVER_ANSWERED], ids=["venue", "client"])
def test_a_start_that_hangs_asks_for_a_restart(supervisor: Supervisor, fault: str) -> None:
    """A venue that never answers keeps the process from ending no longer than the limit."""
    supervisor.venue.set_faults(mass_status=MassStatusFault.HANG)
    assert supervisor.run(fault=fault, timeout_secs=1.0) == RESTARTED
    assert "Recovery epoch 1 TIMEOUT: The trader did not start within 1 s" in supervisor.log
    assert "OrderEmulator: RUNNING" not in supervisor.log


def test_a_start_that_hangs_can_be_stopped(supervisor: Supervisor) -> None:
    """SIGTERM ends also a process that awaits a venue: with 75, as nothing has recovered."""
    code = supervisor.run(
        at="Awaiting execution state reconciliation", do=terminate, fault=NEVER_ANSWERED
    )
    assert code == RESTARTED
    assert "Recovery epoch 1 TIMEOUT: Stopped before" in supervisor.log


def test_a_failure_at_run_time_asks_for_a_restart(supervisor: Supervisor) -> None:
    """The outcome that counts is the last one, not that of the start."""
    code = supervisor.run(
        at="Recovery epoch 1 CLEAN",
        do=lambda _: supervisor.venue.push_mass_status(),
        fault=JUDGES_ONCE,
    )
    assert code == RESTARTED
    assert "Recovery epoch 2 INTERNAL_ERROR" in supervisor.log
