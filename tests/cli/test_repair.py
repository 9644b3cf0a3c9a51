"""
``nautilus-recovery repair``, against a real node whose cache lacks what the venue holds.
"""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.cli.support import Recording
from tests.cli.support import monitored
from tests.cli.support import reached
from tests.cli.test_operator import run


ETH = "ETHUSDT-PERP.PAPER"


@pytest.fixture
def trader(valkey: EmbeddedValkey, venue: PaperVenue) -> Iterator[str]:
    """
    A node that holds nothing, while the venue holds LONG 2 and tells no trade of it.
    """
    trader_id = f"REPAIRED-{uuid4().hex[:6]}"
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 2, 1900)
    # On a machine that stands still for seconds a lease of short heartbeats runs out
    fields: dict[str, Any] = {"generate_missing_orders": False, "monitor": {"lease": False}}
    with monitored(valkey, venue, trader_id, **fields):
        reached(valkey, trader_id, 1, "COMPLETE")
        # The report follows it
        valkey.wait_for(lambda _: Recording(valkey, trader_id).journal.history())
        yield trader_id


def newest(valkey: EmbeddedValkey, trader_id: str) -> RecoveryReport:
    return Recording(valkey, trader_id).journal.history()[-1]


def test_a_plan_is_shown_and_nothing_is_done_without_a_word(
    valkey: EmbeddedValkey, trader: str
) -> None:
    """Where nobody can be asked the command says what to give, at each width."""
    for columns in ("80", "120"):
        code, out, err = run(
            *("repair", "--trader", trader, "--redis", valkey.url), COLUMNS=columns
        )
        assert (code, "Recovery epoch 1 DEGRADED" in out) == (64, True), (out, err)
        assert f"Repair planned: {ETH} (PAPER-001): Adopt 2 at 1900" in out
        assert err == "Nobody can be asked here: give --apply to have the plan carried out\n"
    assert newest(valkey, trader).epoch == 1


def test_a_plan_is_carried_out_once_and_is_proven(valkey: EmbeddedValkey, trader: str) -> None:
    """Who approved it is on record; and whoever applies it twice changes nothing."""
    to_node = ("--trader", trader, "--redis", valkey.url)
    code, out, err = run("repair", *to_node, "--apply", "--reason", "the venue's screen shows it")
    assert (code, err) == (0, ""), (out, err)
    assert "Opened recovery epoch 2 to carry out 1 step" in out
    assert f"Repaired and proven: {ETH} (PAPER-001): Adopt 2 at 1900" in out
    report = newest(valkey, trader)
    assert (report.epoch, report.trigger, report.outcome) == (2, "proof", "ADJUSTED")
    assert [(one.kind, one.state) for one in report.repairs] == [("adopt_position", "proven")]
    assert report.approval is not None
    assert report.approval.reason == "the venue's screen shows it"
    (change,) = report.positions
    held = [change.qty_before, change.qty_after, change.qty_venue]
    assert held == [Decimal(0), Decimal(2), Decimal(2)]
    assert change.avg_px_after == Decimal(1900)
    code, out, err = run("repair", *to_node, "--apply")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "  No repair is planned"
    code, out, err = run("history", *to_node, "--epoch", "2")
    assert f"By {report.approval.operator} at " in out
    assert newest(valkey, trader).epoch == 2


@pytest.mark.long
def test_a_plan_for_another_instrument_is_not_carried_out(
    valkey: EmbeddedValkey, trader: str
) -> None:
    """One instrument is repaired by itself."""
    to_node = ("--trader", trader, "--redis", valkey.url, "--apply")
    code, out, err = run("repair", *to_node, "--instrument", "BTCUSDT-PERP.PAPER")
    assert (code, err) == (0, "")
    assert "No repair is planned" in out
    code, out, err = run("repair", *to_node, "--instrument", ETH, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["outcome"] == "ADJUSTED"
    assert [step["state"] for step in told["repairs"]] == ["proven"]
    assert told["approval"]["instrument_id"] == ETH


@pytest.mark.long
def test_a_venue_that_has_moved_since_is_planned_anew(
    valkey: EmbeddedValkey, venue: PaperVenue, trader: str
) -> None:
    """What was approved is not done to something else, and the new plan is there."""
    to_node = ("--trader", trader, "--redis", valkey.url, "--apply")
    venue.set_position("ETHUSDT-PERP", 3, 1950)
    code, out, err = run("repair", *to_node)
    assert (code, err) == (1, ""), (out, err)
    assert f"Repair planned: {ETH} (PAPER-001): Adopt 3 at 1950" in out
    report = newest(valkey, trader)
    assert (report.epoch, report.outcome) == (2, "DEGRADED")
    assert [one.state for one in report.repairs] == ["planned"]
    code, out, err = run("repair", *to_node)
    assert (code, err) == (0, ""), (out, err)
    assert newest(valkey, trader).positions[0].qty_after == 3


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_the_operator_is_asked(
    valkey: EmbeddedValkey, trader: str, answer: str, code: int
) -> None:
    """Anything but a yes does nothing."""
    controller, terminal = pty.openpty()
    arguments = ("repair", "--trader", trader, "--redis", valkey.url)
    try:
        os.write(controller, answer.encode())
        done = subprocess.run(
            [sys.executable, "-m", "nautilus_recovery_actor", *arguments],
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Carry out this step? [y/N] " in done.stdout
    assert newest(valkey, trader).epoch == (2 if code == 0 else 1)
    assert ("Nothing was done" in done.stderr) is (code == 1)


@pytest.mark.parametrize(("after", "is_stored"), [(0, False), (1, False), (1, True)])
@pytest.mark.long
def test_a_node_that_is_killed_while_it_repairs_ends_right_after_the_next_start(
    valkey: EmbeddedValkey, venue: PaperVenue, after: int, is_stored: bool
) -> None:
    """The operator learns that nobody has answered, and what is left is planned once more."""
    trader_id = f"KILLED-{uuid4().hex[:6]}"
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 2, 1900)
    fields: dict[str, Any] = {"generate_missing_orders": False}
    to_node = ("--trader", trader_id, "--redis", valkey.url, "--apply")

    def started(epoch: int) -> RecoveryReport:
        reached(valkey, trader_id, epoch, "COMPLETE")
        valkey.wait_for(lambda _: newest(valkey, trader_id).epoch == epoch)
        return newest(valkey, trader_id)

    dying = {"after": after, "is_stored": is_stored, **fields}
    with monitored(valkey, venue, trader_id, "dying", **dying) as node:
        reached(valkey, trader_id, 1, "COMPLETE")
        valkey.wait_for(lambda _: Recording(valkey, trader_id).journal.history())
        code, out, err = run("repair", *to_node, "--wait", "3")
        assert code == 2, (out, err)
        assert "has not ended within 3 s" in err
        assert [one["fact"] for one in node.facts].count("operation") == 1
        node.kill()  # It is over by itself, and waited for
    with monitored(valkey, venue, trader_id, **fields):
        report = started(3)  # The second one has begun
        if report.blocked_instruments:
            code, out, err = run("repair", *to_node)
            assert code == 0, (out, err)
    with monitored(valkey, venue, trader_id, **fields):
        report = started(newest(valkey, trader_id).epoch + 1)
        assert report.outcome == "CLEAN"
        (change,) = report.positions
        assert [change.qty_after, change.qty_venue, change.avg_px_after] == [2, 2, 1900]


def test_a_trader_without_a_record_is_named(valkey: EmbeddedValkey) -> None:
    """The error says what to look at, in one line."""
    code, out, err = run("repair", "--trader", "NOBODY-001", "--redis", valkey.url)
    assert (code, out) == (2, "")
    assert err.startswith("No recovery of NOBODY-001 on record: is this its ID")
    assert err.count("\n") == 1
