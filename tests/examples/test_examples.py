"""
The examples do what they say.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import watched


EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def examples_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.fixture
def webhook() -> Iterator[tuple[str, "Queue[Any]"]]:
    received: Queue[Any] = Queue()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            received.put(json.loads(self.rfile.read(length)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_the_live_node_recovers_trades_and_stops_on_a_signal() -> None:
    """The example runs as it is: its gate opens, its order fills, SIGTERM ends it with code 0."""
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / "live_node.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line)
            if "PositionOpened" in line:
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, "".join(told)
    log = "".join(told)
    assert "Recovery epoch 1 CLEAN" in log
    assert log.index("Trading is enabled") < log.index("OrderInitialized")


def own_bot(tmp_path: Path, venue_port: int, redis_port: int) -> "subprocess.Popen[str]":
    text = (EXAMPLES / "own_bot.py").read_text()
    text = text.replace("7777", str(venue_port)).replace("7778", str(redis_port))
    (tmp_path / "own_bot.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "own_bot.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_own_bot_says_that_there_is_no_server(tmp_path: Path) -> None:
    """By itself `TradingNode(...)` waits for it without end, and without a line."""
    with own_bot(tmp_path, venue_port=1, redis_port=1) as process:
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 75
    (line,) = said.splitlines()
    assert line.startswith(
        "run_supervised: Redis at 127.0.0.1:1: No connection: Connection refused. Start the server"
    )


def test_the_own_bot_buys_and_stops_on_a_signal(
    tmp_path: Path, venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It rests its stop-loss, and Ctrl-C ends it with 0."""
    with own_bot(tmp_path, venue.port, valkey.port) as process:
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line)
            if "OrderAccepted" in line and any("OrderFilled" in one for one in told):
                process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, "".join(told)
    log = "".join(told)
    assert "Recovery epoch 1 CLEAN" in log
    assert log.index("Trading is enabled") < log.index("OrderInitialized")
    assert "run_supervised" not in log


def test_the_bus_listener_hears_the_result() -> None:
    """A plain strategy follows the recovery on the bus."""
    from bus_listener import BusListener

    async def scenario() -> None:
        with PaperVenue() as venue:
            async with watched(venue, None, listener := BusListener()) as node:
                assert not listener.is_recovered
                await node.result()
                assert listener.is_recovered

    asyncio.run(scenario())


def test_the_alert_hook_posts_a_failure(webhook: tuple[str, "Queue[Any]"]) -> None:
    """A recovery that failed reaches the webhook, with its reason."""
    from alert_hook import alert_to

    url, received = webhook

    async def scenario() -> None:
        with PaperVenue() as venue:
            venue.open_account()
            venue.set_faults(mass_status=MassStatusFault.RAISE)
            async with watched(venue, wait=False) as node:
                event = await node.result()
                assert isinstance(event, RecoveryFailed)

    alert_to(url)
    try:
        asyncio.run(scenario())
        alert = received.get(timeout=60)
        assert "TESTER-001 does NOT trade: RECONCILIATION_FAILED" in alert["text"]
    finally:
        signals.recovery_failed.receivers.clear()
        signals.recovery_completed.receivers.clear()


def test_the_alert_hook_posts_what_was_adjusted_and_is_silent_on_a_clean_start(
    webhook: tuple[str, "Queue[Any]"],
) -> None:
    """Only what somebody has to look at is posted."""
    from alert_hook import alert_to

    url, received = webhook

    async def scenario() -> None:
        with PaperVenue() as venue:
            async with watched(venue) as node:
                await node.result()
            venue.set_position("ETHUSDT-PERP", 3, 1900)
            async with watched(venue) as node:
                await node.result()

    alert_to(url)
    try:
        asyncio.run(scenario())
        alert = received.get(timeout=60)
        assert "TESTER-001 recovered ADJUSTED" in alert["text"]
        assert received.empty()
    finally:
        signals.recovery_failed.receivers.clear()
        signals.recovery_completed.receivers.clear()
