"""
What happened in one epoch, in the order of time.
"""

from collections.abc import Iterator

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import RecoveryReport


_NS = 1_000_000_000
# From here on a distance is told in words
_LONG_SECS = 600


class Moment(msgspec.Struct, frozen=True):
    """Something that happened."""

    ts: int
    # How far it is from the start of the epoch, empty if that is long
    after: str
    text: str


def timeline(report: RecoveryReport) -> list[Moment]:
    """Return what happened, the earliest first."""
    found = sorted(_moments(report), key=lambda one: one[0])
    return [Moment(ts, _after(ts - report.ts_started), text) for ts, text in found]


def _after(distance: int) -> str:
    secs = round(distance / _NS, 2) + 0.0  # Not "-0.00"
    return f"{secs:+.2f} s" if abs(secs) < _LONG_SECS else ""


def _moments(report: RecoveryReport) -> Iterator[tuple[int, str]]:
    if report.ts_last_alive is not None:
        end = "stopped cleanly" if report.clean_shutdown else "not stopped cleanly"
        yield report.ts_last_alive, f"Last heartbeat of the run before, {end}"
    yield report.ts_started, f"Epoch {report.epoch} {wording.opened(report)}"
    for account in report.accounts:
        if account.ts_report is not None:
            yield account.ts_report, f"{account.account_id} reported its mass status"
        if account.ts_proof is not None:
            yield account.ts_proof, f"{account.account_id} {wording.proof_of(account)}"
    if report.ts_reconciled is not None:
        yield report.ts_reconciled, "The last mass status had arrived"
    if report.approval is not None:
        yield report.approval.ts, f"Repair approved by {report.approval.operator}"
    if report.ts_completed is not None:
        yield report.ts_completed, f"Epoch {report.epoch} ended: {wording.result(report)}"
    for one in report.overrides:
        yield one.ts_started, f"{one.instrument_id} released by {one.operator}"
        if one.ts_ended is not None:
            yield one.ts_ended, f"The release of {one.instrument_id} ended"
