"""
What a recovery comes to: its report, and the outcome that the differences leave.

Every function here is pure: the same observation gives the same report.
"""

from collections import Counter
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter

import msgspec

from nautilus_recovery_actor.core import strategies
from nautilus_recovery_actor.core.compare.discrepancies import discrepancies
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import in_reading_order
from nautilus_recovery_actor.core.origins import Traced
from nautilus_recovery_actor.core.origins import guessed_positions
from nautilus_recovery_actor.core.origins import traced
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport


_ZERO = Decimal(0)
# What a report says of a fill, its origin aside, is as it was observed
_FILL_FIELDS = ReconciledFill.__struct_fields__[1:]


class Judgment(msgspec.Struct, frozen=True):
    """A report, and where the engine guessed what was filled: see `guessed_positions`."""

    report: RecoveryReport
    guessed: Mapping[tuple[str, str], int] = {}


def judge(observation: Observation, policy: Policy) -> Judgment:
    """Return the judgment of a recovery whose trader has started and whose events have settled."""
    fills = traced(observation)
    report = _concluded(_report(observation, fills, policy), observation, policy)
    return Judgment(report, guessed_positions(observation, fills))


def describe(observation: Observation, policy: Policy) -> RecoveryReport:
    """Return the report of what was seen so far, without a result."""
    return _report(observation, traced(observation), policy)


def _concluded(report: RecoveryReport, observation: Observation, policy: Policy) -> RecoveryReport:
    silent = [
        found.account_id
        for found in report.discrepancies
        if found.kind is DiscrepancyKind.NO_MASS_STATUS
        and found.is_blocking
        and not found.instrument_id
    ]
    if (
        observation.trigger == "startup"
        and not (observation.reports or observation.is_reconciling or policy.allow_unreconciled)
        and not silent
    ):
        silent = ["any account"]
    if silent:
        remedy = (
            "switch `reconciliation` on, or name the accounts that must report in `accounts`"
            if observation.trigger == "startup"
            else "restart the node, or `nautilus-recovery resume` once its venue has reported"
        )
        if observation.edited_accounts.intersection(silent):
            remedy = "the engine may have edited what was sent, see the difference of each"
        return msgspec.structs.replace(
            report,
            failure=FailureReason.NOT_RECONCILED,
            message=f"No mass status from {', '.join(silent)}: {remedy}",
        )
    if report.blocked_instruments:
        outcome = RecoveryOutcome.DEGRADED
        message = (
            f"Differences that remain: {len(_remaining(report))}; "
            f"blocked: {', '.join(report.blocked_instruments)}"
        )
    elif _is_changed(observation, report):
        outcome = RecoveryOutcome.ADJUSTED
        message = (
            "Reconciliation changed the cache "
            f"(order events: {observation.events - observation.told_events}, "
            f"fills: {sum(report.fill_counts.values())}); {_proof(observation, report)}"
        )
    else:
        outcome = RecoveryOutcome.CLEAN
        message = f"Nothing was changed; {_proof(observation, report)}"
    return msgspec.structs.replace(report, outcome=outcome, message=message)


def _report(observation: Observation, fills: Traced, policy: Policy) -> RecoveryReport:
    observation = in_reading_order(observation)
    standing = tuple(discrepancies(observation, fills, policy))
    subjects = set(map(_subject, standing))
    resolved = (
        msgspec.structs.replace(found, resolved=True)
        for found in observation.earlier
        if _subject(found) not in subjects
    )
    new_fills = tuple(one for one in fills if one[0].index >= observation.told_events)
    return RecoveryReport(
        trader_id=observation.trader_id,
        recovery_id=observation.recovery_id,
        epoch=observation.epoch,
        trigger=observation.trigger,
        ts_started=observation.ts_started,
        ts_reconciled=observation.ts_reconciled,
        ts_last_alive=observation.ts_last_alive,
        clean_shutdown=observation.clean_shutdown,
        accounts=tuple(_accounts(observation)),
        positions=_position_changes(observation),
        fills=_newest(new_fills, policy.max_report_fills),
        fill_counts=dict(sorted(Counter(origin for _, origin in new_fills).items())),
        discrepancies=tuple(sorted((*standing, *resolved), key=_reading_order)),
        blocked_instruments=tuple(
            sorted({d.instrument_id for d in standing if d.is_blocking and d.instrument_id})
        ),
        shadow=policy.shadow,
        lost_orders=tuple(sorted(observation.lost_orders, key=_lost_order)),
        strategies=strategies.strategies(observation, new_fills, policy.max_report_fills),
        balances=strategies.balances(observation),
    )


def _proof(observation: Observation, report: RecoveryReport) -> str:
    if not observation.reports:
        return "no venue's report to compare it with"
    remaining = len(_remaining(report))
    found = f"differences that block nothing: {remaining}"
    return found if remaining else "equal to the venue's report"


def _remaining(report: RecoveryReport) -> list[Discrepancy]:
    return [found for found in report.discrepancies if not found.resolved]


_lost_order = attrgetter("client_order_id", "strategy_id")
# What a discrepancy is about: it may be in other words when it is found again
_subject = attrgetter("kind", "account_id", "instrument_id", "position_id", "client_order_id")
_in_order = attrgetter(
    "account_id",
    "instrument_id",
    "kind",
    "position_id",
    "client_order_id",
    "venue",
    "cache",
    "detail",
)


def _reading_order(found: Discrepancy) -> tuple[str, ...]:
    return tuple(value or "" for value in _in_order(found))


def _is_changed(observation: Observation, report: RecoveryReport) -> bool:
    return (
        observation.events > observation.told_events
        or any(change.qty_before != change.qty_after for change in report.positions)
        or any(found.resolved for found in report.discrepancies)
    )


def _accounts(observation: Observation) -> Iterator[AccountRecovery]:
    reports = {report.account_id: report for report in observation.reports}
    states = {state.account_id: state for state in observation.accounts}
    for account_id in sorted(observation.required_accounts | reports.keys()):
        report = reports.get(account_id)
        state = states.get(account_id, AccountState(account_id))
        account = AccountRecovery(
            account_id, "", is_connected=state.is_connected, ts_account=state.ts_account
        )
        if report is not None:
            account = msgspec.structs.replace(
                account,
                venue=report.venue,
                ts_report=report.ts,
                orders_open=sum(order.is_open for order in report.orders),
                fills=report.fills,
                positions=sum(position.qty != 0 for position in report.positions),
            )
        yield account


def _newest(fills: Traced, limit: int) -> tuple[ReconciledFill, ...]:
    return tuple(
        ReconciledFill(origin, *(getattr(fill, name) for name in _FILL_FIELDS))
        for fill, origin in fills[max(len(fills) - limit, 0) :]
    )


def _position_changes(observation: Observation) -> tuple[PositionChange, ...]:
    before = {position.key: position for position in observation.before}
    after = {position.key: position for position in observation.after}
    net: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    legs: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for report in observation.reports:
        for position in report.positions:
            net[report.account_id, position.instrument_id] += position.qty
            if position.position_id is not None:
                key = (report.account_id, position.instrument_id, position.position_id)
                legs[key] += position.qty

    keys = before.keys() | after.keys() | {key for key, qty in legs.items() if qty != 0}
    held = {key[:2] for key in keys}
    keys |= {(*key, key[1]) for key, qty in net.items() if qty != 0 and key not in held}
    hedged = {key[:2] for key in legs}
    changes = []
    for key in sorted(keys):
        old, new = before.get(key), after.get(key)
        owner = new or old
        changes.append(
            PositionChange(
                *key,
                strategy_id=owner.strategy_id if owner else "EXTERNAL",
                qty_before=old.qty if old else _ZERO,
                qty_after=new.qty if new else _ZERO,
                qty_venue=legs.get(key) if key[:2] in hedged else net.get(key[:2]),
                avg_px_before=old.avg_px if old else None,
                avg_px_after=new.avg_px if new else None,
            )
        )
    return tuple(changes)
