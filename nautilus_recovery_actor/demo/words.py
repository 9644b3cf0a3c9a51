"""
Facts in words: quantities, positions, results and answers.
"""

from decimal import Decimal

from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.demo.record import Answer
from nautilus_recovery_actor.demo.record import Moment
from nautilus_recovery_actor.demo.record import Mood


def number(value: Decimal | None) -> str:
    """Return a number without trailing zeros."""
    return "-" if value is None else f"{value.normalize():f}"


def position(qty: Decimal | None) -> str:
    """Return a signed quantity as a position."""
    if qty is None:
        return "no report"
    if qty == 0:
        return "flat"
    return f"{'LONG' if qty > 0 else 'SHORT'} {number(abs(qty))}"


def symbol(instrument_id: str) -> str:
    """Return an instrument without its venue."""
    return instrument_id.rpartition(".")[0] or instrument_id


def fill(of: ReconciledFill) -> str:
    """Return a fill as a trade."""
    side = "BUY" if of.qty > 0 else "SELL"
    return f"{side} {number(abs(of.qty))} {symbol(of.instrument_id)} at {number(of.px)}"


def fills(report: RecoveryReport) -> str:
    """Return the number of fills by origin."""
    return ", ".join(f"{count} {origin}" for origin, count in report.fill_counts.items()) or "none"


def result(report: RecoveryReport) -> str:
    """Return the outcome, or the reason of the failure."""
    return str(report.failure or report.outcome or "UNFINISHED")


def mood(report: RecoveryReport) -> Mood:
    """Return how the result is to be read."""
    if report.outcome is None:
        return Mood.BAD
    return Mood.WARN if report.outcome is RecoveryOutcome.DEGRADED else Mood.GOOD


def run_before(clean_shutdown: bool | None) -> str:
    """Return how the run before ended."""
    if clean_shutdown is None:
        return "there was no run before"
    return "the run before was stopped" if clean_shutdown else "the run before was killed"


def ended(report: RecoveryReport) -> Moment:
    """Return the end of a recovery."""
    return Moment(
        report.ts_completed or report.ts_started,
        "monitor",
        f"epoch {report.epoch} {result(report)}: {report.message}",
        mood(report),
    )


def answered(answer: Answer) -> Moment:
    """Return what became of a bid."""
    bid = f"bid on {symbol(answer.instrument_id)}"
    if answer.event == "OrderAccepted":
        return Moment(answer.ts, "strategy", f"{bid} taken by the venue", Mood.GOOD)
    return Moment(answer.ts, "strategy", f"{bid} {verb(answer)}: {answer.reason}", Mood.WARN)


def opened(ts: int, report: RecoveryReport) -> Moment:
    """Return that the gate opened."""
    waited = (ts - report.ts_started) / 1e9
    blocked = ", ".join(map(symbol, report.blocked_instruments))
    gate = f"the gate is open, not for {blocked}" if blocked else "the gate is open"
    what = f"{gate} ({waited:.2f} s after the recovery began)"
    return Moment(ts, "strategy", what, mood(report))


def verb(answer: Answer) -> str:
    """Return what was done to an order."""
    return answer.event.removeprefix("Order").lower()


def is_safe(report: RecoveryReport) -> str:
    """Return whether the node may trade."""
    if report.outcome is None:
        return "NO. Every order is denied"
    if report.blocked_instruments:
        return f"ONLY IN PART. Blocked: {', '.join(report.blocked_instruments)}"
    return "YES. Every instrument may trade"


def what_changed(report: RecoveryReport) -> list[str]:
    """Return what reconciliation changed, a line for each position and one for the fills."""
    lines = [
        f"{change.position_id}: {position(change.qty_before)} -> {position(change.qty_after)}"
        for change in report.positions
        if change.qty_before != change.qty_after
    ]
    if report.fill_counts:
        lines.append(f"Fills: {fills(report)}")
    return lines or ["Nothing"]


def what_is_wrong(report: RecoveryReport) -> list[str]:
    """Return the failure, and a line for each discrepancy."""
    failure = [str(report.failure)] if report.failure else []
    return [*failure, *map(_discrepancy, report.discrepancies)] or ["Nothing"]


def what_to_do(report: RecoveryReport) -> list[str]:
    """Return what the failure and each kind of discrepancy ask for."""
    failure = [report.message] if report.failure else []
    asked = [found.detail for found in report.discrepancies if found.severity is not Severity.INFO]
    return list(dict.fromkeys([*failure, *asked])) or ["Nothing"]


def _discrepancy(found: Discrepancy) -> str:
    subject = found.client_order_id or found.position_id or found.instrument_id or found.account_id
    return f"{found.kind} {subject}: venue {found.venue or '-'}, cache {found.cache or '-'}"
