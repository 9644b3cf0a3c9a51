"""
How reports look on a terminal: one as a row among others, and one in full.
"""

from collections.abc import Iterator
from collections.abc import Sequence

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.outside.record.rows import Row
from nautilus_recovery_actor.outside.record.rows import account_line
from nautilus_recovery_actor.outside.record.rows import fill_line
from nautilus_recovery_actor.outside.record.rows import took
from nautilus_recovery_actor.outside.text import hanging


HEADINGS = Row("Epoch", "Began (UTC)", "Took", "Result", "What happened")


def table(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """Return the lines of a table."""
    rows = [HEADINGS, *rows]
    epoch, took, result = (
        max(len(getattr(one, name)) for one in rows) for name in ("epoch", "took", "result")
    )
    for one in rows:
        start = (
            f"{one.epoch:>{epoch}}  {one.began:<19}  {one.took:>{took}}  {one.result:<{result}}  "
        )
        yield from hanging(start, one.story, width)


def in_full(report: RecoveryReport) -> Iterator[str]:
    """Return everything in a report, in indented lines of any length."""
    yield wording.headline(report)
    yield f"  {wording.absence(report)}"
    yield f"  Began {moment(report.ts_started, digits=3)} UTC, took {took(report)}"
    yield f"  Trader {report.trader_id}, recovery {report.recovery_id}"
    if report.shadow:
        yield f"  {wording.SHADOW}"
    yield from _part("Accounts", map(account_line, report.accounts))
    yield from _part("Corrections", map(wording.correction_line, report.corrections))
    yield from _part("Repairs", map(wording.repair_line, report.repairs))
    if report.approval is not None:
        yield f"  {wording.approval_line(report.approval)}"
    yield from _part("Positions", map(wording.position_line, report.positions))
    total, kept = sum(report.fill_counts.values()), len(report.fills)
    newest = f", the newest {kept} in full" if kept < total else ""
    yield from _part(f"{wording.fills(report)}{newest}", map(fill_line, report.fills))
    yield from _part("Lost orders", map(wording.lost_line, report.lost_orders))
    for title, is_difference in ((wording.differences, True), (wording.concerns, False)):
        yield from _part(
            title(report),
            (
                f"{wording.severity_of(found)} "
                f"{wording.with_trader(wording.discrepancy_line(found), report.trader_id)}"
                for found in report.discrepancies
                if found.kind.is_difference is is_difference
            ),
        )
    yield from _part("Blocked", report.blocked_instruments)
    yield from _part("Released by an operator", map(wording.release_line, report.overrides))
    yield from _part("Balances", map(wording.balance_line, report.balances))
    for strategy in report.strategies:
        yield from wording.block(report, strategy)


def _part(title: str, lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if not number:
            yield title
        yield f"  {line}"
