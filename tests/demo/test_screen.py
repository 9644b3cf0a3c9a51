"""
How a record is shown and checked that no demo should ever make.
"""

import io
from decimal import Decimal

import msgspec
import pytest
from rich.cells import cell_len
from rich.console import Console

from nautilus_recovery_actor import Correction
from nautilus_recovery_actor import CorrectionMade
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.demo import screen
from nautilus_recovery_actor.demo import words
from nautilus_recovery_actor.demo.expect import checks
from nautilus_recovery_actor.demo.record import ActRecord
from nautilus_recovery_actor.demo.record import VenueTruth
from nautilus_recovery_actor.demo.scene import ACTS
from nautilus_recovery_actor.demo.scene import Act
from tests.core.builders import full_report


def failed_record(act: Act) -> ActRecord:
    started = RecoveryReport(trader_id="DEMO-001", recovery_id="r", epoch=1, trigger="startup")
    return ActRecord(
        act=act,
        trader_id="DEMO-001",
        stop_id="O-2",
        first=started,
        report=RecoveryReport(
            trader_id="DEMO-001",
            recovery_id="r",
            epoch=2,
            trigger="startup",
            failure=FailureReason.NOT_RECONCILED,
            message="No mass status from PAPER-001: switch `reconciliation` on",
        ),
        belief=None,
        venue=VenueTruth(position=Decimal(2), stop_state="ACCEPTED"),
        early=None,
    )


@pytest.mark.parametrize("act", ACTS)
def test_a_failed_recovery_is_shown_as_unsafe(act: Act) -> None:
    """Whatever is missing, the first thing that is read is whether it is safe."""
    console = Console(width=80, file=io.StringIO())
    console.print(screen.result(failed_record(act)))
    assert isinstance(console.file, io.StringIO)
    told = " ".join(console.file.getvalue().replace("│", " ").split())

    assert "Safe to trade? NO. Only exits pass" in told
    assert "What is wrong NOT_RECONCILED" in told
    assert "What to do No mass status from PAPER-001: switch `reconciliation` on" in told


def test_what_was_corrected_repaired_and_proven_is_shown() -> None:
    """The verdict names each correction and repair, and what the answers of each account prove."""
    record = failed_record(ACTS[0])
    found = msgspec.structs.replace(full_report(), trader_id="DEMO-001")
    console = Console(width=80, file=io.StringIO())
    console.print(screen.result(msgspec.structs.replace(record, report=found)))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= 80
    told = " ".join(console.file.getvalue().replace("│", " ").split())

    assert (
        "What changed - DUPLICATE_FILL BTCUSDT.PAPER (PAPER-001): 2 trades reported twice, "
        "counted once: T-1, T-2 - Repaired and proven: BTCUSDT.PAPER (PAPER-001): "
    ) in told
    assert "Proof PAPER-001 answered alike: 2 answers, the last at 00:00:00 UTC" in told


def test_a_venue_that_never_answered_proves_nothing() -> None:
    """
    Nor is an order that was known already a change.
    """
    known = CorrectionMade(Correction.ALREADY_APPLIED, "PAPER-001", "", 3, "3 orders and trades")
    report = msgspec.structs.replace(failed_record(ACTS[0]).report, corrections=(known,))
    assert words.what_is_proven(report) == ["Nothing"]
    assert words.what_changed(report) == ["Nothing"]


@pytest.mark.parametrize("act", ACTS)
def test_nothing_passes_in_a_record_where_nothing_happened(act: Act) -> None:
    """No check is met by the absence of what it asks for."""
    met = {check.about for check in checks(failed_record(act)) if check.is_met}

    assert met <= {"discrepancies"}


def test_a_check_that_is_not_met_is_told_with_both_values() -> None:
    """What failed, what was expected and what came: in every line."""
    console = Console(width=200, file=io.StringIO())
    found = checks(failed_record(ACTS[0]))
    console.print(screen.checks(found, is_verbose=False))
    assert isinstance(console.file, io.StringIO)

    assert f"FAILED  verdict: expected {RecoveryOutcome.ADJUSTED}, got NOT_RECONCILED" in (
        console.file.getvalue()
    )


def test_no_id_of_a_fill_is_broken_at_80_columns() -> None:
    """Who copies the ID of an order or a trade has all of it."""
    fill = msgspec.structs.replace(
        full_report().fills[0],
        instrument_id="1000000MOGUSDT-PERP.PAPER",
        client_order_id="O-20261130-003445-7526-000-732",
        trade_id="PAPER-T2",
    )
    record = failed_record(ACTS[0])
    report = msgspec.structs.replace(full_report(), fills=(fill,))
    console = Console(width=80, file=io.StringIO())
    console.print(screen.result(msgspec.structs.replace(record, report=report)))
    assert isinstance(console.file, io.StringIO)

    rows = [line.split()[-2:] for line in console.file.getvalue().splitlines()]
    assert ["O-20261130-003445-7526-000-732", "PAPER-T2"] in rows
