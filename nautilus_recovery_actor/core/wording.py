"""
A report as lines for a log: what happened, what changed, what is not right, what to do.
"""

from collections.abc import Iterator
from decimal import Decimal

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import StrategyRecovery
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import wrapped


# With Redis lost, every order that the venue still reports is one
_MAX_LOST_LINES = 20


def lines(report: RecoveryReport) -> list[tuple[Severity, str]]:
    """Return the lines of `report`, each with how much it matters."""
    result = report.failure or report.outcome
    if report.failure is not None:
        severity = Severity.BLOCK
    else:
        severity = Severity.WARN if report.blocked_instruments else Severity.INFO
    told = [(severity, f"Recovery epoch {report.epoch} {result}: {report.message}")]
    if report.fill_counts:
        counts = ", ".join(f"{count} {origin}" for origin, count in report.fill_counts.items())
        told.append((Severity.INFO, f"Fills while away: {counts}"))
    told += [
        (Severity.INFO, position_line(change))
        for change in report.positions
        if change.qty_before != change.qty_after or change.qty_after != change.qty_venue
    ]
    told += [(Severity.WARN, lost_line(lost)) for lost in report.lost_orders[:_MAX_LOST_LINES]]
    if (more := len(report.lost_orders) - _MAX_LOST_LINES) > 0:
        told.append((Severity.WARN, f"Lost orders that are in the report only: {more}"))
    told += [
        (Severity.INFO if found.resolved else found.severity, discrepancy_line(found))
        for found in report.discrepancies
    ]
    return told


def blocks(report: RecoveryReport) -> list[str]:
    """Return for each strategy what happened to it while the node was away, as a block of lines."""
    return [
        "\n".join(part for line in block(report, strategy) for part in wrapped(line))
        for strategy in report.strategies
        if report.trigger == "startup" or _is_touched(strategy)
    ]


def _is_touched(strategy: StrategyRecovery) -> bool:
    return bool(strategy.order_counts) or any(
        position.real.fills or position.synthetic.fills or position.qty_before != position.qty_after
        for position in strategy.positions
    )


def block(report: RecoveryReport, strategy: StrategyRecovery) -> Iterator[str]:
    """Return what happened to one strategy while the node was away, in lines of any length."""
    yield strategy.strategy_id
    yield f"  {absence(report)}"
    for position in strategy.positions:
        yield (
            f"  Position {position.position_id}: "
            f"{_plain(position.qty_before)} -> {_plain(position.qty_after)}"
        )
        yield from _effect_lines("real", position.real, position)
        yield from _effect_lines("made up", position.synthetic, position)
    if strategy.order_counts:
        counts = (f"{count} {status}" for status, count in strategy.order_counts.items())
        yield f"  Orders that ended: {', '.join(counts)}"
    for order in strategy.orders:
        yield f"    {_ended_order_line(order)}"
    for balance in report.balances:
        if balance.account_id in strategy.accounts:
            yield f"  {balance_line(balance)}"


def absence(report: RecoveryReport) -> str:
    """Return what opened the epoch, and for a start how long the node was away."""
    if report.trigger != "startup":
        return f"At run time ({report.trigger})"
    if report.away_ns is None:
        return "No run before this one is known"
    end = "stopped" if report.clean_shutdown else "not stopped cleanly"
    return f"Away for {duration(report.away_ns)}, {end}"


def _effect_lines(name: str, effect: FillEffect, position: PositionRecovery) -> Iterator[str]:
    if effect.fills:
        pnl = effect.realized_pnl
        realised = "not known" if pnl is None else f"{pnl.normalize():+f} {position.currency}"
        count = "1 fill" if effect.fills == 1 else f"{effect.fills} fills"
        yield f"    {f'{name}:':<9}{count}, {effect.qty:+f}, realised {realised}"


def _ended_order_line(order: EndedOrder) -> str:
    side = "SELL" if order.qty < 0 else "BUY"
    filled = abs(order.filled_qty)
    part = f", {filled:f} filled" if 0 < filled < abs(order.qty) else ""
    reason = f" ({order.reason})" if order.reason else ""
    return (
        f"{order.status:<9}{side} {abs(order.qty):f}{part} {order.kind} "
        f"{order.client_order_id}{reason}"
    )


def balance_line(balance: BalanceChange) -> str:
    """Return a balance before and after."""
    before, after = (
        "not known" if total is None else f"{total:f}" for total in (balance.before, balance.after)
    )
    told = f"Balance {balance.account_id} {balance.currency}: "
    if balance.before == balance.after:
        return f"{told}{after}, unchanged"
    if balance.before is None or balance.after is None:
        return f"{told}{before} -> {after}"
    return f"{told}{before} -> {after} ({balance.after - balance.before:+f})"


def position_line(change: PositionChange) -> str:
    """Return a position before, after and at the venue."""
    return (
        f"Position {change.position_id} ({change.account_id}): "
        f"{_plain(change.qty_before)} -> {_plain(change.qty_after)}, "
        f"venue {_plain(change.qty_venue)}"
    )


def lost_line(lost: LostOrder) -> str:
    """Return what became of an order that the cache never saw."""
    where = "is not in the cache" if lost.booked_under is None else f"is with {lost.booked_under}"
    return (
        f"Lost order {lost.client_order_id} ({lost.account_id}): {lost.strategy_id} sent it, the "
        f"cache never saw it, and it {where} now; {lost.instrument_id} {lost.status}, "
        f"{lost.filled_qty:+f} of {lost.qty:+f} filled"
    )


def discrepancy_line(found: Discrepancy) -> str:
    """Return what differs, and what to do."""
    subject = found.client_order_id or found.position_id or found.instrument_id
    resolved = "Resolved: " if found.resolved else ""
    return (
        f"{resolved}{found.kind} {subject or found.account_id} ({found.account_id}): "
        f"venue {found.venue or '-'}, cache {found.cache or '-'}. {found.detail}"
    )


def _plain(quantity: Decimal | None) -> str:
    if quantity is None:
        return "not reported"
    return f"{quantity:+f}" if quantity else "flat"
