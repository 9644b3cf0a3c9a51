"""
Boards with one trader or many, with a value for everything that a test does not name.
"""

import time
from typing import Any

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.status import node_status
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.board import Server


SEC = 1_000_000_000
NOW = 1_700_000_000 * SEC
SERVER = "127.0.0.1:6379"
ETH = "ETHUSDT-PERP.PAPER"
NAKED = Discrepancy(
    DiscrepancyKind.UNPROTECTED_POSITION,
    Severity.INFO,
    "PAPER-001",
    ETH,
    position_id="P-1",
    venue="no stop",
    cache="LONG 2",
)
DIFFERS = Discrepancy(
    DiscrepancyKind.POSITION_QTY_MISMATCH, Severity.BLOCK, "PAPER-001", ETH, venue="2", cache="1"
)
STEP = RepairStep("close_phantom", "PAPER-001", ETH, position_id="P-1", detail="closed at 1900")
CLEAN = RecoveryReport(
    "T-1",
    "R",
    7,
    "startup",
    RecoveryOutcome.CLEAN,
    message="Nothing",
    ts_started=NOW - 62 * SEC,
    ts_completed=NOW - 60 * SEC,
)
DEGRADED = msgspec.structs.replace(
    CLEAN,
    outcome=RecoveryOutcome.DEGRADED,
    blocked_instruments=(ETH,),
    discrepancies=(DIFFERS,),
    repairs=(STEP,),
)
FAILED = msgspec.structs.replace(
    CLEAN, outcome=None, failure=FailureReason.TIMEOUT, message="the venue never answered"
)
ANOTHER = msgspec.structs.replace(FAILED, failure=FailureReason.ANOTHER_NODE)


def seen(
    report: RecoveryReport | None = CLEAN,
    *,
    at: int = NOW,
    trader_id: str = "T-1",
    server: str = SERVER,
    phase: str | None = None,
    age_secs: float = 1,
    epoch: int = 7,
    more: dict[str, Any] | None = None,
    **beat: Any,
) -> Seen:
    """
    Return a trader as its record makes it.
    """
    if phase is None:
        is_failed = report is not None and report.failure is not None
        phase = RecoveryPhase.FAILED if is_failed else RecoveryPhase.COMPLETE
    values = {"ts": at - round(age_secs * SEC), "epoch": epoch, "phase": phase, **beat}
    heartbeat = msgspec.convert(values, Heartbeat)
    if report is not None:
        report = msgspec.structs.replace(report, trader_id=trader_id)
    record = Record(heartbeat=heartbeat, epoch=epoch, report=report)
    return Seen(
        server=server,
        trader_id=trader_id,
        status=node_status(trader_id, record, at),
        report=report,
        ts_read=at,
        **(more or {}),
    )


def board(*traders: Seen, at: int = NOW, trouble: str = "", server: str = SERVER) -> Board:
    """
    Return a board of one server.
    """
    ts_read = at - 60 * SEC if trouble else at
    known = Server(name=server, ts_read=ts_read, trouble=trouble, traders=len(traders))
    return Board(ts=at, servers=(known,), traders=traders)


def now(*traders: dict[str, Any], **fields: Any) -> Board:
    """
    Return a board of this moment, of traders that are described as `seen` is.
    """
    at = time.time_ns()
    return board(*(seen(at=at, **one) for one in traders), at=at, **fields)
