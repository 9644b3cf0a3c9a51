"""
The command line on a node of 2.0, run where 2.0 is installed: each command, as on 1.x.
"""

import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import pytest

from nautilus_recovery_actor.console.main import main
from tests.node2.support import TRADER
from tests.node2.support import Bench
from tests.node2.support import Node2Process
from tests.node2.trial import INSTRUMENT
from tests.serve.support import Serving


POSITION = f"{INSTRUMENT}-Trial-001"
OPEN = 0  # Of `status` and `watch`
TOKEN = "0123456789abcdef-token"


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


Run = Callable[..., Ran]


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("REDIS_URL", bench.valkey.url)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str, trader: str | None = TRADER) -> Ran:
        capsys.readouterr()
        try:
            code = main([*arguments, *([] if trader is None else ["--trader", trader])])
        except SystemExit as e:
            code = int(e.code or 0)
        return Ran(code, *capsys.readouterr())

    return call


@pytest.fixture
def blocked(bench: Bench) -> Iterator[Node2Process]:
    """A node that has blocked its instrument: its resting order has gone while it was away."""
    with bench.after_a_kill() as ids:
        bench.venue.cancel(ids[1])
    with bench.node() as node:
        node.wait_for(lambda one: one.get("reason", "").startswith("RECOVERY_BLOCKED"))
        yield node


def test_what_looks_at_a_trader_reads_a_node_of_2_0(blocked: Node2Process, run: Run) -> None:
    """
    Its state, its recoveries, its lease, and what its next start would restore.
    """
    status = run("status", "--json")
    assert (status.code, status.json["state"], status.json["outcome"]) == (OPEN, "OPEN", "DEGRADED")
    assert status.json["blocked_instruments"] == [INSTRUMENT]
    assert [one["position_id"] for one in status.json["unprotected"]] == [POSITION]
    assert f"Lease: process {blocked.pid} on " in run("status").out
    listed = run("traders", trader=None)
    assert re.search(rf"{TRADER}\s+OPEN\s+2\s+\S+\s+DEGRADED", listed.out), listed

    history = run("history")
    assert history.code == 0
    assert [line.split()[0] for line in history.out.splitlines()[1:]] == ["2", "1"]
    report = run("history", "--epoch", "2")
    assert "BLOCK ORDER_NOT_AT_VENUE" in report.out
    assert run("watch").code == OPEN
    lease = run("lease")
    assert lease.code == 0
    assert f"HELD: process {blocked.pid} on " in lease.out

    inspected = run("inspect", "--json")
    assert (inspected.code, inspected.json["restored_by"]) == (0, "2.0")
    [position] = inspected.json["positions"]
    assert (position["position_id"], position["signed_qty"]) == (POSITION, "1.000")
    assert [one["status"] for one in inspected.json["orders"]] == ["ACCEPTED"]
    assert "UPGRADE_NODE_RUNS" in run("check", "--upgrade").out


def test_what_acts_on_a_node_of_2_0_does_it_or_refuses_at_once(
    blocked: Node2Process, run: Run
) -> None:
    """
    A release opens the gate, and its withdrawal closes it; nobody can ask this node's venues.
    """
    reason = ("--reason", "seen")
    released = run("release", INSTRUMENT, *reason)
    assert (released.code, released.out) == (0, f"{TRADER}: Released {INSTRUMENT} for 15 min\n")
    blocked.wait_for(lambda _: len(blocked.all("enabled")) == 2)
    assert ", released until " in run("status").out
    withdrawn = run("release", INSTRUMENT, "--withdraw", *reason)
    assert (withdrawn.code, withdrawn.out) == (0, f"{TRADER}: Blocked {INSTRUMENT} again\n")

    resumed = run("resume", *reason)
    assert (resumed.code, resumed.out) == (1, "")
    assert "there is nothing to resume" in resumed.err
    verified = run("verify")
    assert (verified.code, verified.out) == (1, "")
    assert "This node's venues cannot be asked while it runs: restart it" in verified.err
    for more in ((), ("--apply",)):
        repaired = run("repair", *more)
        assert repaired.code == 1
        assert "No repair is planned" in repaired.out
        assert "on NautilusTrader 2.0 nothing is repaired" in repaired.err
    for command in (("migrate",), ("forget", "--all-that-stop")):
        refused = run(*command, "--apply")
        assert (refused.code, refused.out) == (1, "")
        assert f"A node of {TRADER} runs" in refused.err


def test_a_node_of_2_0_loses_its_lease_to_an_operator(blocked: Node2Process, run: Run) -> None:
    """
    Its gates close, and the lease is kept for the next node.
    """
    taken = run("lease", "--take-over", "--reason", "out of reach")
    assert taken.code == 0
    assert f"taken over from process {blocked.pid} on " in taken.out
    assert blocked.wait_for("failed")["reason"] == "ANOTHER_NODE"
    assert "RESERVED: operator " in run("lease").out


def test_a_board_shows_a_node_of_2_0(
    bench: Bench,
    blocked: Node2Process,
    installed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The board, the page of the trader, that of an epoch, the metrics, and an action.
    """
    monkeypatch.syspath_prepend(installed)  # The board says which version it is
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    served = Serving("--redis", bench.valkey.url, "--allow-actions", "--token-file", str(token))
    with served:
        served.wait_for(TRADER, "DEGRADED", INSTRUMENT, timeout_secs=30.0)
        where = f"trader={TRADER}&server=127.0.0.1:{bench.valkey.port}"
        page = served.text(f"/trader?{where}")
        assert f"process {blocked.pid} on " in page
        assert "Unprotected: LONG 1" in page
        assert "ORDER_NOT_AT_VENUE" in served.text(f"/epoch?{where}&epoch=2")
        metrics = served.text("/metrics")
        assert re.search(rf'blocked_instruments{{[^}}]*trader="{TRADER}"[^}}]*}} 1', metrics), (
            metrics
        )
        bearer = {"authorization": f"Bearer {TOKEN}"}
        given = {"trader": TRADER, "reason": "seen", "operator": "ada"}
        release = {**given, "action": "release", "instrument": INSTRUMENT, "minutes": "5"}
        answer = served.http.post("/action", data=release, headers=bearer)
        assert answer.status_code == 200, answer.text
        blocked.wait_for(lambda _: len(blocked.all("enabled")) == 2)
        refused = served.http.post("/action", data={**given, "action": "verify"}, headers=bearer)
        assert refused.status_code == 409
        assert "venues cannot be asked while it runs" in refused.text
        blocked.stop()
        served.wait_for(f"{TRADER} is stopped", timeout_secs=30.0)
