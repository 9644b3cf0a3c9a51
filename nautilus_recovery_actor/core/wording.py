"""
A report in words (long: all that a report can say).

The node's log, the command line and the demo all say these sentences.
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence
from decimal import Decimal

from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Approval
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.report import StrategyRecovery
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import signed
from nautilus_recovery_actor.core.text import wrapped


OLD_PROOF = "that is more than three intervals, see the log"
SHADOW = "In shadow mode: nothing is blocked"

# With Redis lost, every order that the venue still reports is one
_MAX_LOST_LINES = 20
# As many positions may be without a stop as there are
_MAX_LINES = 20
_MAX_NAMES = 5
# What each correction was about, and what was wrong with it
_CORRECTED = {
    Correction.DUPLICATE_FILL: ("trade", "reported twice, counted once"),
    Correction.VENUE_ORDER_ID_CHANGED: ("order", "with a changed venue order ID, still known"),
    Correction.CLIENT_ORDER_ID_CUT: ("order", "with a shortened client order ID, made whole"),
    Correction.CASH_POSITION_FLAT: (
        "position report",
        "for a cash account left out, its balances count",
    ),
    Correction.PRICE_IS_AVERAGE: ("order", "reported with a wrong price, the real one kept"),
    Correction.ALREADY_APPLIED: ("known order or trade", "not applied again"),
    Correction.ORDER_ASKED: ("order", "missing from the report, found by asking for it"),
}
_STEPS: dict[str, tuple[str, Severity]] = {
    "planned": ("Repair planned", Severity.INFO),
    "made": ("Repaired, not proven yet", Severity.WARN),
    "proven": ("Repaired and proven", Severity.INFO),
    "refused": ("Repair refused", Severity.WARN),
}
# Those that are about one trader
_COMMAND = re.compile(
    "`(nautilus-recovery (?:forget|history|lease|release|repair|resume|status|verify))"
    "((?: [^`]*)?)`"
)
_TRIGGERS = {"proof": "proof: the venue was asked again"}
_WORST_FIRST = (Severity.BLOCK, Severity.WARN, Severity.INFO)


# -- THE WHOLE --


def lines(report: RecoveryReport) -> list[tuple[Severity, str]]:
    """Return the lines of `report` for a log, each with how much it matters."""
    if report.failure is not None:
        severity = Severity.BLOCK
    else:
        severity = Severity.WARN if report.blocked_instruments else Severity.INFO
    logged = [(severity, headline(report))]
    logged += [(Severity.INFO, correction_line(made)) for made in report.corrections[:_MAX_LINES]]
    if (more := len(report.corrections) - _MAX_LINES) > 0:
        logged.append((Severity.INFO, f"More corrections, only in the report: {more}"))
    if report.fill_counts:
        logged.append((Severity.INFO, fills(report)))
    logged += repair_lines(report.repairs, report.trader_id)
    logged += [
        (Severity.INFO, f"{account.account_id} {proof}")
        for account in report.accounts
        if (proof := proof_of(account))
    ]
    changed = [
        change
        for change in report.positions
        if change.qty_before != change.qty_after or change.qty_after != change.qty_venue
    ]
    logged += [(Severity.INFO, position_line(change)) for change in changed[:_MAX_LINES]]
    if (more := len(changed) - _MAX_LINES) > 0:
        logged.append((Severity.INFO, f"More changed positions, only in the report: {more}"))
    logged += [(Severity.WARN, lost_line(lost)) for lost in report.lost_orders[:_MAX_LOST_LINES]]
    if (more := len(report.lost_orders) - _MAX_LOST_LINES) > 0:
        logged.append((Severity.WARN, f"More lost orders, only in the report: {more}"))
    told: Counter[DiscrepancyKind] = Counter()
    untold: Counter[tuple[Severity, DiscrepancyKind]] = Counter()
    for found in report.discrepancies:
        told[found.kind] += 1
        if severity_of(found) is Severity.BLOCK or told[found.kind] <= _MAX_LINES:
            line = with_trader(discrepancy_line(found), report.trader_id)
            logged.append((severity_of(found), line))
        else:
            untold[severity_of(found), found.kind] += 1
    return logged + [
        (worth, f"More of {kind}, only in the report: {count}")
        for (worth, kind), count in untold.items()
    ]


def blocks(report: RecoveryReport) -> list[str]:
    """Return for each strategy what happened to it while the node was away, as a block of lines."""
    return [
        "\n".join(part for line in block(report, strategy, _MAX_LINES) for part in wrapped(line))
        for strategy in report.strategies
        if report.trigger == "startup" or _is_touched(strategy)
    ]


def block(
    report: RecoveryReport, strategy: StrategyRecovery, most: int | None = None
) -> Iterator[str]:
    """
    Return what happened to one strategy while the node was away, in lines of any length: of its
    positions the first and of its orders the newest, at most so many of each.
    """
    yield strategy.strategy_id
    yield f"  {absence(report)}"
    for position in strategy.positions[:most]:
        yield (
            f"  Position {position.position_id}: "
            f"{held(position.qty_before)} -> {held(position.qty_after)}"
        )
        yield from _effect_lines("real", position.real, position)
        yield from _effect_lines("made up", position.synthetic, position)
    if most is not None and (more := len(strategy.positions) - most) > 0:
        yield f"  More positions, only in the report: {more:,}"
    if strategy.order_counts:
        counts = (f"{count} {status}" for status, count in strategy.order_counts.items())
        yield f"  Orders closed: {', '.join(counts)}"
    for order in strategy.orders[-most:] if most else strategy.orders:
        yield f"    {_ended_order_line(order)}"
    if most is not None and (more := len(strategy.orders) - most) > 0:
        yield f"    Older ones, only in the report: {more:,}"
    for balance in report.balances:
        if balance.account_id in strategy.accounts:
            yield f"  {balance_line(balance)}"


def _is_touched(strategy: StrategyRecovery) -> bool:
    return bool(strategy.order_counts) or any(
        position.real.fills or position.synthetic.fills or position.qty_before != position.qty_after
        for position in strategy.positions
    )


# -- ITS RESULT --


def headline(report: RecoveryReport) -> str:
    """Return which recovery it was and how it ended."""
    return f"Recovery epoch {report.epoch} {verdict(report)}"


def verdict(report: RecoveryReport) -> str:
    """Return how the recovery ended."""
    return f"{result(report)}: {report.message}"


def result(report: RecoveryReport) -> str:
    """Return the outcome, or the reason of the failure."""
    return str(report.failure or report.outcome or "UNFINISHED")


def opened(report: RecoveryReport) -> str:
    """Return what opened the epoch."""
    return f"opened by {_TRIGGERS.get(report.trigger, report.trigger)}"


def absence(report: RecoveryReport) -> str:
    """Return what opened the epoch, and for a start how long the node was away."""
    if report.trigger != "startup":
        return f"At run time ({_TRIGGERS.get(report.trigger, report.trigger)})"
    if report.away_ns is None:
        return "No earlier run on record"
    end = "stopped cleanly" if report.clean_shutdown else "not stopped cleanly"
    return f"Away for {duration(report.away_ns)}, {end}"


def corrections(report: RecoveryReport) -> str:
    """Return how often each correction was made; what was known already was not wrong."""
    counts: Counter[Correction] = Counter()
    for made in report.corrections:
        if made.name is not Correction.ALREADY_APPLIED:
            counts[made.name] += made.count
    return f"Corrected: {', '.join(f'{count} {name}' for name, count in counts.items()) or 'none'}"


def repairs(report: RecoveryReport) -> str:
    """Return how many repairs are in which state."""
    counts = Counter(step.state for step in report.repairs)
    return f"Repairs: {', '.join(f'{count} {state}' for state, count in counts.items()) or 'none'}"


def fills(report: RecoveryReport) -> str:
    """Return how many fills came from where."""
    counts = (f"{count} {origin}" for origin, count in report.fill_counts.items())
    return f"Reconciled fills: {', '.join(counts) or 'none'}"


def differences(report: RecoveryReport) -> str:
    """Return how many differences there are of each severity, and how many went away."""
    found = [one for one in report.discrepancies if one.kind.is_difference]
    standing = [one.severity for one in found if not one.resolved]
    counted = [f"{count} {one}" for one in _WORST_FIRST if (count := standing.count(one))]
    if resolved := len(found) - len(standing):
        counted.append(f"{resolved} resolved")
    return f"Differences: {', '.join(counted) or 'none'}"


def concerns(report: RecoveryReport) -> str:
    """Return how many of what is no difference somebody has to know."""
    counts = Counter(one.kind for one in report.discrepancies if not one.kind.is_difference)
    counted = (f"{count} {kind}" for kind, count in counts.items())
    return f"Also found: {', '.join(counted) or 'nothing'}"


def unprotected(found: Sequence[Discrepancy], more: int = 0) -> str:
    """Return the positions that no stop covers, the first few, and how many there are besides."""
    named = "; ".join(f"{one.cache} ({one.account_id}), {one.venue}" for one in found)
    return f"Unprotected: {named}{f'; and {more} more' if more else ''}"


def concerned(found: Sequence[Discrepancy]) -> str:
    """Return whom or what concerns are about, the first few."""
    return _names(tuple(f"{one.cache} ({one.account_id})" for one in found))


def blocked(report: RecoveryReport) -> str:
    """Return the instruments that are blocked, the first few by name."""
    return f"Blocked: {_names(report.blocked_instruments)}"


def summary(report: RecoveryReport) -> str:
    """Return what happened in short, its result aside."""
    sentences = [absence(report)]
    if any(made.name is not Correction.ALREADY_APPLIED for made in report.corrections):
        sentences.append(corrections(report))
    if report.repairs:
        sentences.append(repairs(report))
    if report.fill_counts:
        sentences.append(fills(report))
    if any(found.kind.is_difference for found in report.discrepancies):
        sentences.append(differences(report))
    if not all(found.kind.is_difference for found in report.discrepancies):
        sentences.append(concerns(report))
    if report.lost_orders:
        sentences.append(f"Lost orders: {len(report.lost_orders)}")
    if report.blocked_instruments:
        sentences.append(blocked(report))
    if report.overrides:
        released = tuple(dict.fromkeys(one.instrument_id for one in report.overrides))
        sentences.append(f"Released: {_names(released)}")
    if report.shadow:
        sentences.append(SHADOW)
    return ". ".join(sentences)


def _names(given: tuple[str, ...]) -> str:
    named = ", ".join(given[:_MAX_NAMES])
    more = len(given) - _MAX_NAMES
    return f"{named} and {more} more" if more > 0 else named or "none"


# -- ITS PARTS --


def _effect_lines(name: str, effect: FillEffect, position: PositionRecovery) -> Iterator[str]:
    if effect.fills:
        pnl = effect.realized_pnl
        realized = (
            "PnL unknown" if pnl is None else f"{signed(pnl.normalize())} {position.currency}"
        )
        count = counted(effect.fills, "fill")
        yield f"    {f'{name}:':<9}{count}, {signed(effect.qty)}, realized {realized}"


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
        "unknown" if total is None else f"{total:f}" for total in (balance.before, balance.after)
    )
    start = f"Balance {balance.account_id} {balance.currency}: "
    if balance.before == balance.after:
        return f"{start}{after}, unchanged"
    if balance.before is None or balance.after is None:
        return f"{start}{before} -> {after}"
    return f"{start}{before} -> {after} ({balance.after - balance.before:+f})"


def correction_line(made: CorrectionMade) -> str:
    """Return what was corrected in an account's report, and which orders or trades."""
    what, how = _CORRECTED[made.name]
    where = f"{made.instrument_id} ({made.account_id})" if made.instrument_id else made.account_id
    # The count says it all where everything of an account is meant
    detail = f": {made.detail}" if made.detail and made.instrument_id else ""
    return f"{made.name} {where}: {counted(made.count, what)} {how}{detail}"


def first_corrections(corrections: Sequence[CorrectionMade]) -> Iterator[str]:
    """Return the first few that were more than what the cache had already, and how many follow."""
    told = [made for made in corrections if made.name is not Correction.ALREADY_APPLIED]
    yield from map(correction_line, told[:_MAX_NAMES])
    if (more := len(told) - _MAX_NAMES) > 0:
        yield f"More corrections, see `nautilus-recovery history`: {more}"


def repair_severity(step: RepairStep) -> Severity:
    """Return how much a repair matters now."""
    return _STEPS[step.state][1]


def repair_line(step: RepairStep) -> str:
    """Return a repair and what became of it."""
    return f"{_STEPS[step.state][0]}: {step.instrument_id} ({step.account_id}): {step.detail}"


def approval_line(approval: Approval) -> str:
    """Return on whose word repairs were made."""
    return f"By {approval.operator} at {moment(approval.ts)} UTC: {approval.reason}"


def repair_lines(steps: Sequence[RepairStep], trader_id: str) -> Iterator[tuple[Severity, str]]:
    """Return repairs and what became of them, and once how those planned are carried out."""
    count = sum(step.state == "planned" for step in steps)
    how = with_trader("`nautilus-recovery repair`", trader_id)
    for step in steps:
        if step.state == "planned" and count == 1:
            yield Severity.WARN, f"{repair_line(step)}: {how} carries it out"
        else:
            yield repair_severity(step), repair_line(step)
    if count > 1:
        yield Severity.WARN, f"{counted(count, 'repair')} planned: {how} carries them out"


def with_trader(text: str, trader_id: str) -> str:
    """Return a text whose commands can be given as they are."""
    named = shlex.quote(trader_id)
    return _COMMAND.sub(
        lambda m: m[0] if "--trader" in m[2] else f"`{m[1]}{m[2]} --trader {named}`", text
    )


def proof_of(account: AccountRecovery) -> str:
    """Return whether an account has answered alike, which is no word on the cache yet."""
    if account.ts_proof is not None:
        answers = counted(account.answers, "answer")
        return f"answered alike: {answers}, the last at {moment(account.ts_proof)[11:]} UTC"
    if account.answers == 1:
        return "not confirmed by a second answer"
    return f"not proven by {account.answers} answers" if account.answers else ""


def position_line(change: PositionChange) -> str:
    """Return a position before, after and at the venue."""
    venue = change.qty_venue
    return (
        f"Position {change.position_id} ({change.account_id}): "
        f"{held(change.qty_before)} -> {held(change.qty_after)}, "
        f"{'not reported by the venue' if venue is None else f'venue {held(venue)}'}"
    )


def lost_line(lost: LostOrder) -> str:
    """Return what became of an order that the cache never saw."""
    where, side = "missing from the cache", "SELL" if lost.qty < 0 else "BUY"
    if lost.booked_under is not None:
        where = f"now booked under {lost.booked_under}"
    return (
        f"Lost order {lost.client_order_id} ({lost.account_id}): sent by {lost.strategy_id}, never "
        f"stored, {where}; {lost.instrument_id} {lost.status}, "
        f"{side} {abs(lost.qty):f}, {abs(lost.filled_qty):f} filled"
    )


def severity_of(found: Discrepancy) -> Severity:
    """Return how much a difference matters now."""
    return Severity.INFO if found.resolved else found.severity


def discrepancy_line(found: Discrepancy) -> str:
    """Return what differs, and what to do."""
    return f"{difference(found)}. {found.detail}"


def difference(found: Discrepancy) -> str:
    """Return what differs, or what somebody has to know besides."""
    subject = found.client_order_id or found.position_id or found.instrument_id
    resolved = "Resolved: " if found.resolved else ""
    start = f"{resolved}{found.kind} {subject or found.account_id} ({found.account_id or '-'})"
    if not found.kind.is_difference:
        return f"{start}: {found.cache}, {found.venue}"
    return f"{start}: venue {found.venue or '-'}, cache {found.cache or '-'}"


def release_line(one: Override) -> str:
    """Return a blocked instrument that an operator released, and until when."""
    end = f"until {moment(one.ts_until)}" if one.ts_ended is None else f"to {moment(one.ts_ended)}"
    return (
        f"{one.instrument_id} released by {one.operator} from {moment(one.ts_started)} {end} UTC: "
        f"{one.reason}"
    )


def held(qty: Decimal) -> str:
    """Return the quantity of a position."""
    return signed(qty) if qty else "flat"


def proven(age_secs: float, *, is_old: bool, is_rest: bool = False) -> str:
    """Return how long ago venues and cache were last seen to agree, or the rest if some differ."""
    what = "The rest was proven" if is_rest else "Proven"
    said = f"{what} {duration(int(age_secs * 1e9))} ago"
    return f"{said}: {OLD_PROOF}" if is_old else said


def unanswered(since: int) -> str:
    """Return that a venue does not answer."""
    return (
        f"A venue has not answered since {moment(since)[11:]} UTC: nothing newer is proven, see "
        "the node's log"
    )
