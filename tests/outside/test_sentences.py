"""
A report is put into words once: the log, the command line and the demo differ in layout only.
"""

import io
from decimal import Decimal

import msgspec
import pytest
from rich.console import Console

from nautilus_recovery_actor.console.report_tables import in_full
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.demo import screen
from nautilus_recovery_actor.demo import words
from nautilus_recovery_actor.demo.record import ActRecord
from nautilus_recovery_actor.demo.record import Belief
from nautilus_recovery_actor.demo.record import VenueTruth
from nautilus_recovery_actor.demo.scene import ACTS
from nautilus_recovery_actor.outside.record.changes import Changes
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.rows import row
from nautilus_recovery_actor.outside.record.status import node_status
from tests.core.builders import full_report


NOW = 1_000_000_000
FULL = msgspec.structs.replace(
    full_report(), trigger="startup", outcome=RecoveryOutcome.DEGRADED, failure=None
)
REPORTS = [
    FULL,
    msgspec.structs.replace(FULL, outcome=None, failure=FailureReason.TIMEOUT, message="Too late"),
    msgspec.structs.replace(FULL, trigger="mass_status", discrepancies=(), lost_orders=()),
]


def logged(report: RecoveryReport) -> str:
    return "\n".join([line for _, line in wording.lines(report)] + wording.blocks(report))


def history(report: RecoveryReport) -> str:
    return "\n".join(in_full(report))


def status(report: RecoveryReport) -> str:
    phase = RecoveryPhase.FAILED if report.failure else RecoveryPhase.COMPLETE
    beat = Heartbeat(ts=NOW, epoch=report.epoch, phase=phase)
    record = Record(heartbeat=beat, epoch=report.epoch, report=report)
    return node_status(report.trader_id, record, NOW).reason


def watched(report: RecoveryReport) -> str:
    phase = RecoveryPhase.FAILED if report.failure else RecoveryPhase.COMPLETE
    beat = Heartbeat(ts=NOW, epoch=report.epoch, phase=phase)
    record = Record(heartbeat=beat, epoch=report.epoch, report=report)
    found = node_status(report.trader_id, record, NOW)
    changes = Changes(report.trader_id).look(found, NOW, report, NOW)
    return "\n".join(change.text for change in changes)


def demo(report: RecoveryReport) -> str:
    record = ActRecord(
        act=ACTS[1],
        trader_id=report.trader_id,
        stop_id="O-2",
        first=report,
        report=report,
        belief=Belief("Execution state reconciled", Decimal(2), (), "ACTIVE"),
        venue=VenueTruth(position=Decimal(0), stop_state="FILLED"),
        early=None,
    )
    console = Console(width=400, file=io.StringIO())
    console.print(screen.result(record))
    assert isinstance(console.file, io.StringIO)
    return f"{words.began(NOW, report).what}\n{words.ended(report).what}\n{console.file.getvalue()}"


@pytest.mark.parametrize("report", REPORTS, ids=["degraded", "failed", "at run time"])
def test_a_report_is_in_the_same_sentences_everywhere(report: RecoveryReport) -> None:
    """
    Its result, the absence, the fills, the positions that changed and the differences.
    """
    for say in (logged, history, status, demo):
        assert wording.headline(report) in say(report)
    assert wording.verdict(report) in watched(report)
    sentences = [
        wording.absence(report),
        wording.fills(report),
        *(
            wording.position_line(change)
            for change in report.positions
            if change.qty_before != change.qty_after
        ),
        *map(wording.difference, report.discrepancies),
        *(found.detail for found in report.discrepancies),
    ]
    assert len(sentences) >= 3
    for say in (logged, history, demo):
        text = say(report)
        assert [one for one in sentences if one not in text] == []


@pytest.mark.parametrize("report", REPORTS, ids=["degraded", "failed", "at run time"])
def test_a_row_has_the_sentences_of_the_whole(report: RecoveryReport) -> None:
    """
    What is in a table is also in full, as far as it is not a count.
    """
    story = row(report).story
    assert story.startswith(wording.absence(report))
    for sentence in (wording.fills(report), wording.SHADOW):
        assert sentence in story
        assert sentence in history(report)
    if not report.failure:
        assert wording.blocked(report) in story
        assert wording.blocked(report) in demo(report)


def test_a_release_is_told_alike_by_what_lists_it_and_by_what_watches() -> None:
    """
    Who released what, until when, and why.
    """
    assert FULL.overrides
    for one in FULL.overrides:
        assert wording.release_line(one) in history(FULL)
        assert wording.release_line(one) in watched(FULL)
