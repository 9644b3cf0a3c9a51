"""
The demo in words. What a report says is in the words of `core.wording`.
"""

from decimal import Decimal

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.demo.record import Answer
from nautilus_recovery_actor.demo.record import Moment
from nautilus_recovery_actor.demo.record import Mood


# The states of a repair that has been made
_MADE = ("made", "proven")


def number(value: Decimal | None) -> str:
    """Return a number without trailing zeros."""
    return "-" if value is None else f"{value.normalize():f}"


def position(qty: Decimal | None) -> str:
    """Return a signed quantity as a position."""
    if qty is None:
        return "not reported"
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


def mood(report: RecoveryReport) -> Mood:
    """Return how the result is to be read."""
    if report.outcome is None:
        return Mood.BAD
    return Mood.WARN if report.outcome is RecoveryOutcome.DEGRADED else Mood.GOOD


def began(ts: int, report: RecoveryReport) -> Moment:
    """Return the beginning of a recovery."""
    what = f"Recovery epoch {report.epoch} {wording.opened(report)}. {wording.absence(report)}"
    return Moment(ts, "monitor", f"{what}. All gates are closed")


def ended(report: RecoveryReport) -> Moment:
    """Return the end of a recovery."""
    return Moment(
        report.ts_completed or report.ts_started, "monitor", wording.headline(report), mood(report)
    )


def answered(answer: Answer) -> Moment:
    """Return what became of a bid."""
    bid = f"bid on {symbol(answer.instrument_id)}"
    if answer.event == "OrderAccepted":
        return Moment(answer.ts, "strategy", f"{bid} accepted by the venue", Mood.GOOD)
    return Moment(answer.ts, "strategy", f"{bid} {verb(answer)}: {answer.reason}", Mood.WARN)


def opened(ts: int, report: RecoveryReport) -> Moment:
    """Return the opening of the gate."""
    waited = (ts - report.ts_started) / 1e9
    blocked = ", ".join(map(symbol, report.blocked_instruments))
    gate = f"the gate is open, except for {blocked}" if blocked else "the gate is open"
    what = f"{gate} ({waited:.2f} s after the start of the recovery)"
    return Moment(ts, "strategy", what, mood(report))


def verb(answer: Answer) -> str:
    """Return what was done to an order."""
    return answer.event.removeprefix("Order").lower()


def is_safe(report: RecoveryReport) -> str:
    """Return whether the node may trade."""
    if report.outcome is None:
        return "NO. Only exits pass"
    if report.blocked_instruments:
        return f"ONLY IN PART. {wording.blocked(report)}"
    return "YES. Every instrument may trade"


def what_changed(report: RecoveryReport) -> list[str]:
    """
    Return what was corrected, repaired and reconciled, a line for each and one for the fills.
    """
    lines = [
        wording.correction_line(made)
        for made in report.corrections
        if made.name is not Correction.ALREADY_APPLIED
    ]
    lines += [wording.repair_line(step) for step in report.repairs if step.state in _MADE]
    lines += [
        wording.position_line(change)
        for change in report.positions
        if change.qty_before != change.qty_after
    ]
    if report.fill_counts:
        lines.append(wording.fills(report))
    return lines or ["Nothing"]


def what_is_proven(report: RecoveryReport) -> list[str]:
    """Return what the answers of each account prove."""
    lines = [
        f"{account.account_id} {proof}"
        for account in report.accounts
        if (proof := wording.proof_of(account))
    ]
    return lines or ["Nothing"]


def what_is_wrong(report: RecoveryReport) -> list[str]:
    """Return the failure, and a line for each discrepancy."""
    failure = [wording.verdict(report)] if report.failure else []
    return [*failure, *map(wording.difference, report.discrepancies)] or ["Nothing"]


def what_to_do(report: RecoveryReport) -> list[str]:
    """Return what is planned, and what each kind of discrepancy asks for."""
    asked = [wording.repair_line(step) for step in report.repairs if step.state not in _MADE]
    asked += [found.detail for found in report.discrepancies if found.severity is not Severity.INFO]
    if report.failure:
        asked.insert(0, report.message)
    return list(dict.fromkeys(asked)) or ["Nothing"]
