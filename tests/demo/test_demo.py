"""
The demo as a user runs it: real nodes, a paper venue and a server.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


_WIDTHS = (80, 120)
_DEMO = ("-m", "nautilus_recovery_actor", "demo")
_NO_FALL = """
import sys
from decimal import Decimal
from nautilus_recovery_actor.demo import scene
scene.FALL = (Decimal("1990"),)
from nautilus_recovery_actor.demo.command import run
sys.exit(run(scene.ACTS[:1]))
"""


def demo(*arguments: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "80", **env},
    )


class Ended:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.out, self.err = process.communicate(timeout=240)
        self.code = process.returncode


@pytest.fixture(scope="module")
def shown() -> Iterator[dict[int, Ended]]:
    started = {width: demo(*_DEMO, "--verbose", COLUMNS=str(width)) for width in _WIDTHS}
    yield {width: Ended(process) for width, process in started.items()}
    for process in started.values():
        process.kill()


@pytest.mark.parametrize("width", _WIDTHS)
def test_all_that_is_shown_is_as_expected(shown: dict[int, Ended], width: int) -> None:
    """Both acts end as they should, and so does the process."""
    ended = shown[width]

    assert ended.err == ""
    assert ended.code == 0
    assert len(re.findall(r"(\d+) of \1 checks passed", ended.out)) == 2
    assert "verdict: ADJUSTED" in ended.out
    assert "verdict: DEGRADED" in ended.out
    assert "FAILED" not in ended.out


@pytest.mark.parametrize("width", _WIDTHS)
def test_no_line_is_wider_than_the_terminal(shown: dict[int, Ended], width: int) -> None:
    """Nothing is wrapped by the terminal, and nothing is cut off."""
    lines = shown[width].out.splitlines()

    assert max(map(len, lines)) == width
    assert "…" not in shown[width].out


def test_a_pipe_gets_neither_colours_nor_a_spinner(shown: dict[int, Ended]) -> None:
    """What is piped is plain text."""
    assert "\x1b" not in shown[80].out
    assert "\r" not in shown[80].out
    assert "waiting" not in shown[80].out


def test_the_denied_order_is_shown_with_its_reason(shown: dict[int, Ended]) -> None:
    """A reader sees what is denied, why, and what the rest of the market does."""
    told = " ".join(shown[120].out.split())

    assert "RECOVERY_IN_PROGRESS: recovery epoch 2 has not completed" in told
    assert "RECOVERY_BLOCKED: ETHUSDT-PERP.PAPER differs from the venue's report" in told
    assert "bid on SOLUSDT-PERP accepted by the venue" in told


def test_the_three_views_are_side_by_side(shown: dict[int, Ended]) -> None:
    """NautilusTrader is content with a position that the venue does not hold."""
    rows = [line.split() for line in shown[120].out.splitlines()]

    assert ["ETHUSDT-PERP", "LONG", "2", "flat", "POSITION_NOT_AT_VENUE"] in rows
    assert ["Stop-loss", "open", "filled", "ORDER_NOT_AT_VENUE"] in rows
    assert ["Result", '"Execution', "state", 'reconciled"', "DEGRADED"] in rows


@pytest.mark.long
def test_a_stop_that_does_not_fill_fails_by_name() -> None:
    """The demo shows what happens, and not what should: a price that stays up is noticed."""
    ended = Ended(demo("-c", _NO_FALL))

    told = " ".join(ended.out.split())
    assert ended.code == 1
    assert "FAILED stop-loss at the venue while no node runs: expected FILLED, got ACC" in told
    assert "FAILED verdict: expected ADJUSTED, got CLEAN" in told
    assert "Next:" not in told
    logs = re.search(r"Logs of the nodes: (\S+)", told)
    assert logs is not None
    assert {p.name for p in Path(logs[1]).iterdir()} == {"act-1-before.log", "act-1-after.log"}
    shutil.rmtree(logs[1])


def test_an_interrupt_ends_all_that_was_started() -> None:
    """Ctrl-C is answered with one line, and leaves no node behind."""
    process = demo(*_DEMO)
    assert process.stdout is not None
    pids = (re.search(r"starts a node, process (\d+)", line) for line in process.stdout)
    pid = int(next(found[1] for found in pids if found))

    process.send_signal(signal.SIGINT)
    ended = Ended(process)

    assert ended.code == 130
    assert ended.err == "Interrupted: everything that was started has been stopped\n"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_does_not_answer_is_named() -> None:
    """A wrong REDIS_URL is told in words, without a traceback."""
    ended = Ended(demo(*_DEMO, REDIS_URL="redis://127.0.0.1:1"))

    assert ended.code == 2
    assert ended.err == ""
    assert "no answer from REDIS_URL at 127.0.0.1:1" in ended.out
