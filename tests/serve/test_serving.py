"""
Metrics, alerts and actions of the process of a board, from a real server, and to a real node.
"""

import os
import re
import signal
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from typing import NamedTuple

import httpx
import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.cli.test_commands_live import ETH
from tests.cli.test_commands_live import blocked
from tests.serve.support import Serving
from tests.serve.webhook import Webhook
from tests.serve.world import Desk


TOKEN = "0123456789abcdef-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return str(path)


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """
    Run the command in this process, which it does not serve in.
    """
    monkeypatch.setenv("RECOVERY_TOKEN", "too-short-s3cr3t")

    def run(*arguments: str) -> Ran:
        try:
            code = main(["serve", *arguments])
        except SystemExit as e:
            code = int(e.code or 0)
        return Ran(code, *capsys.readouterr())

    return run


@contextmanager
def watched(server: Any) -> Iterator[list[str]]:
    """
    Collect each command that a server gets.
    """
    heard: list[str] = []
    with server.client() as client, client.monitor() as monitor:
        yield heard
        client.ping()
        for command in monitor.listen():
            if command["command"] == "PING":
                return
            heard.append(command["command"])


def test_a_failed_trader_is_alerted_once_and_counted(
    desk: Desk, valkey: EmbeddedValkey, hook: Webhook
) -> None:
    """From what the monitor writes to what a phone and Prometheus get."""
    desk.ended("LIVE-001")
    arguments = ("--redis", valkey.url, "--alert", hook.url, "--public-url", "http://board")
    with Serving(*arguments) as serving:
        serving.wait_for('nautilus_recovery_ready{server="', path="/metrics")
        desk.fails("LIVE-001")
        hook.wait_for(lambda one: one.received)
        serving.wait_for(
            'nautilus_recovery_alerts_sent_total{target="alert 1 (JSON)"} 1.0', path="/metrics"
        )
        text = serving.text("/metrics")
        assert re.search(
            r'recovery_phase\{phase="FAILED",server="[^"]+",trader="LIVE-001"\} 1', text
        )
        code, _, err = serving.end()
    assert code == 0
    assert len(hook.received) == 1
    assert hook.titles[0].startswith("LIVE-001 FAILED: ")
    assert "http://board/trader?trader=LIVE-001&server=127.0.0.1" in hook.received[0]["message"]
    assert "s3cr3tpath" not in err
    assert "Incidents are not shared" in err


@pytest.mark.long
def test_a_second_serve_says_nothing_twice_and_the_servers_are_not_written_to(
    desk: Desk, valkey: EmbeddedValkey, hook: Webhook
) -> None:
    """Only the one that is given for that, below one prefix."""
    with EmbeddedValkey(arguments=("--save", "")) as shared:
        arguments = ("--redis", valkey.url, "--alert", hook.url, "--coordinate", shared.url)
        with Serving(*arguments) as one, Serving(*arguments) as other:
            desk.fails("LIVE-001")
            with watched(valkey) as heard:
                hook.wait_for(lambda one: one.received)
                for serving in (one, other):
                    serving.wait_for('incidents{kind="FAILED"} 1.0', path="/metrics")
                    serving.wait_for("alerts_pending{", " 0.0\n", path="/metrics")
        with shared.client() as client:
            assert client.scard(names.SERVE_ONGOING) == 1
            assert all(key.startswith(b"nautilus-recovery:serve:") for key in client.scan_iter())
    assert len(hook.received) == 1
    assert heard
    verbs = {line.split()[0] for line in heard}
    assert not verbs & {"SET", "HSET", "DEL", "EVAL", "RPUSH", "SADD", "EXPIRE", "EVALSHA"}


def test_a_test_alert(hook: Webhook, tmp_path: Path, ran: Callable[..., Ran]) -> None:
    """It is sent to each, and the exit code says whether all have taken it."""
    done = ran("--test-alert", "--alert", hook.url)
    assert done == (0, "alert 1 (JSON): sent\n", "")
    assert hook.titles == ["Test of nautilus-recovery serve"]
    hook.answers = [403]
    path = tmp_path / "alerts"
    path.write_text(f"{hook.url}\njson://127.0.0.1:1/s3cr3t\n")
    path.chmod(0o644)
    done = ran("--test-alert", "--alerts", str(path))
    assert (done.code, done.out) == (1, "")
    first, *lines = done.err.splitlines()
    assert first.endswith(f"chmod 600 {path}")
    assert [line[:26] for line in lines] == [
        "alert 1 (JSON): not sent: ",
        "alert 2 (JSON): not sent: ",
    ]
    assert "403" in lines[0]
    assert "s3cr3t" not in done.err


@pytest.mark.parametrize(
    ("code", "arguments", "told"),
    [
        (2, ("--allow-actions",), "must have at least 20 plain characters"),
        (2, ("--allow-actions", "--token-file", "/nowhere"), "/nowhere cannot be read"),
        (64, ("--token-file", "/nowhere"), "--token-file is for --allow-actions"),
        (2, ("--alert", "nonsense://s3cr3t"), "Alert 1 (nonsense) is not the URL"),
        (2, ("--alerts", "/nowhere"), "/nowhere cannot be read"),
        (64, ("--test-alert",), "Nobody is alerted"),
        (64, ("--coordinate", "redis://127.0.0.1:1"), "--coordinate is for alerts"),
        (2, ("--coordinate", "http://:s3cr3t@x"), "Not the URL of a Redis server"),
        (64, ("--alert-after", "soon"), "--alert-after takes seconds"),
        (64, ("--alert-after", "FIRE=3"), "--alert-after takes seconds"),
        (64, ("--public-url", "board"), "give one like https://board.example.com"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(
    code: int, arguments: tuple[str, ...], told: str, ran: Callable[..., Ran]
) -> None:
    """In one line, without what is secret."""
    done = ran("--port", "0", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err.splitlines()[-1]
    assert "s3cr3t" not in done.err


def test_a_server_that_hangs_while_somebody_acts(
    desk: Desk, valkey: EmbeddedValkey, token: str
) -> None:
    """The one who acts is told so in time, and others are served meanwhile."""
    with EmbeddedValkey(arguments=("--save", "")) as hanging, Desk(hanging) as other:
        other.blocks("LIVE-002")
        desk.ended("LIVE-001")
        urls = ("--redis", valkey.url, "--redis", hanging.url)
        with Serving(*urls, "--allow-actions", "--token-file", token) as serving:
            serving.wait_for("LIVE-001", "LIVE-002")
            with hanging.client() as client:
                pid = client.info("server")["process_id"]
            os.kill(pid, signal.SIGSTOP)
            try:
                given = {"trader": "LIVE-002", "action": "resume", "reason": "x", "operator": "ada"}
                with httpx.Client(timeout=60) as http:
                    answer = http.post(f"{serving.url}/action", data=given, headers=BEARER)
                assert (answer.status_code, "cannot be used" in answer.text) == (503, True)
                assert serving.http.get("/readyz?trader=LIVE-001").status_code == 200
            finally:
                os.kill(pid, signal.SIGCONT)
            _, _, err = serving.end()
    assert "Action: ada from 127.0.0.1: action='resume'" in err
    assert TOKEN not in err


def test_without_actions_nobody_acts(desk: Desk, serving: Serving) -> None:
    """Nothing on the page offers it, and nothing answers."""
    desk.blocks("LIVE-001")
    serving.wait_for("LIVE-001")
    assert "Log in" not in serving.text("/trader?trader=LIVE-001")
    assert serving.http.post("/action", headers=BEARER).status_code == 404


@pytest.mark.long
def test_a_node_that_is_blocked_is_released_from_the_page(
    valkey: EmbeddedValkey, venue: PaperVenue, token: str
) -> None:
    """By the form that the page shows, and the record of the node says who and why."""
    trader_id = f"LIVE-{os.getpid()}"
    arguments = ("--redis", valkey.url, "--allow-actions", "--token-file", token)
    with blocked(valkey, venue, trader_id), Serving(*arguments) as serving:
        http = serving.http
        http.headers["origin"] = serving.url
        page = f"/trader?trader={trader_id}"
        serving.wait_for("blocked", path=page)
        given = {"operator": "ada", "token": TOKEN, "next": page}
        assert http.post("/login", data=given).status_code == 303
        text = serving.wait_for("Let ETHUSDT-PERP.PAPER trade", path=page)
        csrf = re.findall(r'name="csrf" value="([^"]+)"', text)[0]
        fields = {
            "csrf": csrf,
            "trader": trader_id,
            "action": "release",
            "instrument": ETH,
            "minutes": "15",
            "reason": "I looked at the venue",
        }
        answer = http.post("/action", data=fields)
        assert (answer.status_code, f"Released {ETH} for 15 min" in answer.text) == (200, True)
        serving.wait_for("Block ETHUSDT-PERP.PAPER again", path=page)
        told = http.post("/action", data={**fields, "instrument": "BTCUSDT-PERP.PAPER"})
        assert (told.status_code, "is not blocked" in told.text) == (409, True)
        text = serving.wait_for("ada (board, 127.0.0.1)", path=f"/epoch?trader={trader_id}&epoch=1")
        assert "I looked at the venue" in text


def counted(title: str) -> int:
    """
    Return of how many incidents a message tells.
    """
    found = re.match(r"([\d,]+) alerts: ", title)
    return int(found[1].replace(",", "")) if found else 1


@pytest.mark.long
def test_a_thousand_traders_that_fail_at_once_are_one_message(
    valkey: EmbeddedValkey, hook: Webhook
) -> None:
    """And one more after that is told once, and by its name."""
    with Desk(valkey) as desk:
        names_of = [f"LIVE-{number:04}" for number in range(1_000)]
        with desk.together():
            for name in names_of:
                desk.ended(name)
        with Serving("--redis", valkey.url, "--alert", hook.url) as serving:
            serving.wait(lambda text: text.count("recovery_ready{") == 1_000, path="/metrics")
            with desk.together():
                for name in names_of[:999]:
                    desk.fails(name)
            serving.wait_for('incidents{kind="FAILED"} 999.0', path="/metrics")
            serving.wait_for('alerts_pending{target="alert 1 (JSON)"} 0.0', path="/metrics")
            told = len(hook.received)
            assert sum(map(counted, hook.titles)) == 999
            assert told <= 3  # One, unless the machine is so busy that they are read in parts
            desk.fails(names_of[999])
            hook.wait_for(lambda one: len(one.received) > told)
            serving.wait_for('alerts_pending{target="alert 1 (JSON)"} 0.0', path="/metrics")
        assert hook.titles[told:] == [hook.titles[-1]]
        assert hook.titles[-1].startswith("LIVE-0999 FAILED: ")
