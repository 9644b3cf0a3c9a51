"""
Reports for a reader who was not there: one as a row among others, and one in full.
"""

from collections.abc import Iterator
from collections.abc import Sequence

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import hanging
from nautilus_recovery_actor.core.text import moment


_NS = 1_000_000_000
_MAX_NAMES = 5


class Row(msgspec.Struct, frozen=True):
    """One report in a table, each field as text."""

    # The number of the recovery
    epoch: str
    # When it began (UTC)
    began: str
    # How long it took
    took: str
    # Its outcome, or the reason of its failure
    result: str
    # What opened it, how long the node was away and how it had ended; the fills by origin, what
    # differs by severity, and what is blocked
    story: str


HEADINGS = Row("Epoch", "Began (UTC)", "Took", "Result", "What happened")


def row(report: RecoveryReport) -> Row:
    """Return the row of a report."""
    return Row(
        epoch=str(report.epoch),
        began=moment(report.ts_started),
        took=_took(report),
        result=_result(report),
        story="; ".join(_story(report)),
    )


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
    """Return all that a report tells, in indented lines of any length."""
    yield f"Recovery epoch {report.epoch} {_result(report)}: {report.message}"
    yield f"  {wording.absence(report)}"
    yield f"  Began {moment(report.ts_started, digits=3)} UTC, took {_took(report)}"
    yield f"  Trader {report.trader_id}, recovery {report.recovery_id}"
    if report.shadow:
        yield "  In shadow: nothing was blocked"
    yield from _part("Accounts", map(_account_line, report.accounts))
    yield from _part("Positions", map(wording.position_line, report.positions))
    counts = ", ".join(f"{count} {origin}" for origin, count in report.fill_counts.items())
    total, told = sum(report.fill_counts.values()), len(report.fills)
    newest = f", the newest {told}" if told < total else ""
    yield from _part(f"Fills: {counts}{newest}", map(_fill_line, report.fills))
    yield from _part("Lost orders", map(wording.lost_line, report.lost_orders))
    yield from _part(
        "Differences",
        (f"{found.severity} {wording.discrepancy_line(found)}" for found in report.discrepancies),
    )
    yield from _part("Blocked", report.blocked_instruments)
    yield from _part("Released by an operator", map(_override_line, report.overrides))
    yield from _part("Balances", map(wording.balance_line, report.balances))
    for strategy in report.strategies:
        yield from wording.block(report, strategy)


def _part(title: str, lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if not number:
            yield title
        yield f"  {line}"


def _result(report: RecoveryReport) -> str:
    return str(report.failure or report.outcome or "not known")


def _opening(report: RecoveryReport) -> str:
    if report.trigger != "startup":
        return report.trigger
    if report.away_ns is None:
        return "startup, the first on record"
    end = "stopped" if report.clean_shutdown else "killed"
    return f"startup after {duration(report.away_ns)} away, {end}"


def _took(report: RecoveryReport) -> str:
    if report.ts_completed is None:
        return "-"
    took = max(report.ts_completed - report.ts_started, 0)
    return f"{took / _NS:.1f} s" if took < 60 * _NS else duration(took)


def _story(report: RecoveryReport) -> Iterator[str]:
    yield _opening(report)
    if report.fill_counts:
        counts = ", ".join(f"{count} {origin}" for origin, count in report.fill_counts.items())
        yield f"fills: {counts}"
    standing = [str(found.severity) for found in report.discrepancies if not found.resolved]
    counted = [f"{standing.count(s)} {s}" for s in ("BLOCK", "WARN", "INFO") if s in standing]
    if resolved := len(report.discrepancies) - len(standing):
        counted.append(f"{resolved} resolved")
    if counted:
        yield f"differences: {', '.join(counted)}"
    if report.lost_orders:
        yield f"lost orders: {len(report.lost_orders)}"
    if report.blocked_instruments:
        yield f"blocked: {names(report.blocked_instruments)}"
    if report.overrides:
        yield f"released: {names(tuple({one.instrument_id: 0 for one in report.overrides}))}"
    if report.shadow:
        yield "in shadow"


def names(given: tuple[str, ...]) -> str:
    """Return the first few names, and how many more there are."""
    told = ", ".join(given[:_MAX_NAMES])
    more = len(given) - _MAX_NAMES
    return f"{told} and {more} more" if more > 0 else told


def _account_line(account: AccountRecovery) -> str:
    told = f"{account.account_id} ({account.venue}): "
    if account.ts_report is None:
        told += "did not report"
    else:
        told += (
            f"reported {moment(account.ts_report)}; open orders: {account.orders_open}, "
            f"fills: {account.fills}, positions: {account.positions}"
        )
    if account.is_connected is not None:
        told += "; connected" if account.is_connected else "; not connected"
    return told


def _fill_line(fill: ReconciledFill) -> str:
    side = "SELL" if fill.qty < 0 else "BUY"
    return (
        f"{fill.origin} {moment(fill.ts_event)} {side} {abs(fill.qty):f} {fill.instrument_id} at "
        f"{fill.px:f}, {fill.strategy_id}, {fill.client_order_id} ({fill.venue_order_id}), "
        f"trade {fill.trade_id}"
    )


def _override_line(one: Override) -> str:
    end = moment(one.ts_until if one.ts_ended is None else one.ts_ended)
    ended = "until" if one.ts_ended is None else "ended"
    return (
        f"{one.instrument_id} by {one.operator}: {one.reason} "
        f"({moment(one.ts_started)}, {ended} {end})"
    )
