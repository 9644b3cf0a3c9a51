"""
What a board of 1,000 traders on one server costs, and how fast it is.

Run it alone: ``python -m benchmarks.board``.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import redis

from benchmarks.measure import Figure
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.testkit import EmbeddedValkey


_TRADERS = 1_000
_HEARTBEAT_SECS = 5.0
_PAGES = 20
_FAILURES = 10
_WATCHED_SECS = 10.0
_SEC = 1_000_000_000
_ROW = "{:<52} {:>10} {:>18} {:>7} {:<4}"
_ENTRY = "import sys; from nautilus_recovery_cli import main; sys.exit(main())"


def main() -> int:
    """
    Print the figures.

    Returns
    -------
    int
        One if a figure is over its target, else zero.

    """
    print(f"{_TRADERS:,} traders on one server, a heartbeat each {_HEARTBEAT_SECS:g} s")
    print(_ROW.format("figure (median)", "measured", "middle half", "target", ""))
    is_over = False
    for figure in figures():
        low, high = figure.spread
        target = "" if figure.target is None else f"{figure.target:,.0f}"
        middle = f"{low:,.1f} - {high:,.1f}"
        print(
            _ROW.format(figure.name, f"{figure.median:,.1f}", middle, target, figure.unit),
            flush=True,
        )
        is_over |= figure.is_over
    return int(is_over)


def figures() -> Iterator[Figure]:
    """
    Measure.
    """
    with EmbeddedValkey() as valkey, valkey.client() as client:
        traders = [_Trader(client, f"LIVE-{number:04}") for number in range(_TRADERS)]
        for trader in traders:
            trader.end(7)
        with _beating(valkey, traders), _serving(valkey.url) as (process, url, start_secs):
            yield Figure("start, to the address it prints", [start_secs * 1e3], "ms", 2_000)
            began = time.monotonic()
            _wait(lambda: f"All {_TRADERS}" in _title(url))
            yield Figure("then, until all are on the page", [time.monotonic() - began], "s", 5)
            yield Figure("page of all traders", _times(url, _PAGES), "ms", 200)
            yield Figure(
                "page of one trader", _times(f"{url}/trader?trader=LIVE-0500", _PAGES), "ms", 200
            )
            yield Figure("a failure, to the open page", _failures(url, traders), "s", 2)
            yield from _cost(client, process.pid, url)


# -- ONE OF THE FIGURES --


def _times(url: str, count: int) -> list[float]:
    found = []
    for _ in range(count):
        began = time.monotonic()
        with urlopen(url) as answer:
            answer.read()
        found.append((time.monotonic() - began) * 1e3)
    return found


def _failures(url: str, traders: "list[_Trader]") -> list[float]:
    found = []
    with urlopen(f"{url}/events?v=") as stream:
        _next(stream)
        for trader in traders[:_FAILURES]:
            began = time.monotonic()
            trader.end(8, failure=FailureReason.TIMEOUT)
            while not any(trader.trader_id in key for key in _next(stream)["parts"]):
                pass
            found.append(time.monotonic() - began)
            trader.end(9)
    return found


def _cost(client: redis.Redis, pid: int, url: str) -> Iterator[Figure]:
    before, busy = _commands(client), _busy_secs(pid)
    sent = 0
    deadline = time.monotonic() + _WATCHED_SECS
    with urlopen(f"{url}/events?v=") as stream:
        _next(stream)
        while time.monotonic() < deadline:
            sent += len(json.dumps(_next(stream)))
    # What the monitors of the simulation write is not what it reads
    written = _TRADERS * _WATCHED_SECS / _HEARTBEAT_SECS
    asked = (_commands(client) - before - written) / _WATCHED_SECS
    yield Figure("questions to Redis", [asked], "/s")
    used = (_busy_secs(pid) - busy) / _WATCHED_SECS * 100
    yield Figure("processor, one page open", [used], "%")
    yield Figure("sent to an open page", [sent / _WATCHED_SECS / 1e3], "kB/s")
    status = Path(f"/proc/{pid}/status").read_text()
    resident = re.search(r"VmRSS:\s*(\d+)", status)
    assert resident is not None
    yield Figure("memory of the process", [int(resident.group(1)) / 1024], "MiB", 200)


def _commands(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])


def _busy_secs(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- THE SCENE --


class _Trader:
    # Writes what a monitor would

    def __init__(self, client: redis.Redis, trader_id: str) -> None:
        self.trader_id = trader_id
        self._client = client
        self._namespace = Namespace(trader_id=trader_id)
        self._journal = RecoveryJournal(self, 100, lambda _: None)
        self.epoch = 0

    def get(self, key: str) -> bytes | None:
        return None

    def add(self, key: str, value: bytes) -> None:
        self._client.set(self._namespace.key(f"general:{key}"), value)

    def end(self, epoch: int, failure: FailureReason | None = None) -> None:
        self._journal.begin(epoch)
        self._journal.record(_report(self.trader_id, epoch, failure))
        self.epoch = epoch
        phase = RecoveryPhase.FAILED if failure else RecoveryPhase.COMPLETE
        self.beat(phase)

    def beat(self, phase: RecoveryPhase = RecoveryPhase.COMPLETE) -> None:
        now = time.time_ns()
        self._journal.beat(
            Heartbeat(
                ts=now,
                epoch=self.epoch,
                phase=phase,
                interval_secs=_HEARTBEAT_SECS,
                history_size=100,
                ts_proven=now - now % (60 * _SEC),
                prove_interval_secs=60.0,
            )
        )


def _report(trader_id: str, epoch: int, failure: FailureReason | None) -> RecoveryReport:
    now = time.time_ns()
    account = "BINANCE-001"
    positions = tuple(
        PositionChange(
            account,
            f"SYM{number}USDT-PERP.BINANCE",
            f"SYM{number}USDT-PERP.BINANCE-Trend-001",
            "Trend-001",
            Decimal(1),
            Decimal(2),
            Decimal(2),
        )
        for number in range(10)
    )
    fills = tuple(
        ReconciledFill(
            FillOrigin.VENUE,
            account,
            f"SYM{number % 10}USDT-PERP.BINANCE",
            "Trend-001",
            f"O-{number}",
            str(number),
            f"T-{number}",
            Decimal("0.05"),
            Decimal("1900.25"),
            now,
        )
        for number in range(20)
    )
    return RecoveryReport(
        trader_id=trader_id,
        recovery_id="5f0c0b1e-5a39-4c1b-9a53-1d1f3f6a2b11",
        epoch=epoch,
        trigger="startup",
        outcome=None if failure else RecoveryOutcome.ADJUSTED,
        failure=failure,
        message="Equal to what the venue answers, after 20 fills",
        ts_started=now - 3 * _SEC,
        ts_completed=now,
        ts_last_alive=now - 900 * _SEC,
        clean_shutdown=True,
        accounts=(
            AccountRecovery(account, "BINANCE", now - 2 * _SEC, 10, 20, 10, True, None, now, 2),
        ),
        positions=positions,
        fills=fills,
        fill_counts={FillOrigin.VENUE: 20},
    )


@contextmanager
def _beating(valkey: EmbeddedValkey, traders: list[_Trader]) -> Iterator[None]:
    # All heartbeats, spread over the interval
    is_over = threading.Event()

    def beat() -> None:
        number = 0
        while not is_over.wait(_HEARTBEAT_SECS / 50):
            for trader in traders[number % 50 :: 50]:
                trader.beat()
            number += 1

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def _serving(url: str) -> Iterator[tuple[subprocess.Popen[str], str, float]]:
    began = time.monotonic()
    command = [sys.executable, "-c", _ENTRY, "serve", "--port", "0", "--redis", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        start_secs = time.monotonic() - began
        try:
            yield process, next(word for word in line.split() if "://" in word), start_secs
        finally:
            process.terminate()


def _next(stream: Any) -> dict[str, Any]:
    for line in stream:
        if line.startswith(b"data: "):
            change: dict[str, Any] = json.loads(line[6:])
            return change
    raise AssertionError("the stream has ended")


def _title(url: str) -> str:
    with urlopen(url) as answer:
        found = re.search(r"<title>(.*)</title>", answer.read().decode())
    assert found is not None
    return found.group(1)


def _wait(is_there: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
