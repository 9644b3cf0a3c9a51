"""
What a recovery comes to: its report, and the outcome that the differences leave.

Every function here is pure: the same observation gives the same report.
"""

from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter

import msgspec

from nautilus_recovery_actor.core.compare.advice import with_plan
from nautilus_recovery_actor.core.compare.discrepancies import discrepancies
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.observation import in_reading_order
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.origins import origins
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.proof import Proof
from nautilus_recovery_actor.core.proof import prove
from nautilus_recovery_actor.core.repair.plan import plan
from nautilus_recovery_actor.core.repair.steps import Plan
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.strategies import balances
from nautilus_recovery_actor.core.strategies import strategies


_ZERO = Decimal(0)
# What a report takes from an observation, and a fill in it from an observed one, as it is
_OBSERVED = (
    "trader_id",
    "recovery_id",
    "epoch",
    "trigger",
    "ts_started",
    "ts_reconciled",
    "ts_last_alive",
    "clean_shutdown",
)
_fill_fields = attrgetter(*ReconciledFill.__struct_fields__[1:])
# What a discrepancy is about: the same one may read differently when it is found again
_subject = attrgetter("kind", "account_id", "instrument_id", "position_id", "client_order_id")


class Judgment(msgspec.Struct, frozen=True):
    """The report of a recovery, and what a fill that arrives after it has to be compared with."""

    report: RecoveryReport
    # When the venue reported (UNIX ns), by account and instrument where the engine guessed what was
    # filled
    guessed: dict[tuple[str, str], int] = {}
    # The accounts that are to report once more: not at all, or not what they have answered since
    outdated: frozenset[str] = frozenset()
    # Whether another answer of a venue may change it
    is_pending: bool = False
    # What makes the cache equal to what the venues have answered
    plan: Plan = Plan()


def judge(observation: Observation, policy: Policy) -> Judgment:
    """Return what a recovery comes to whose trader has started and whose events have settled."""
    found = origins(observation)
    proof = prove(observation, found, policy)
    report, planned = _described(observation, found, proof, policy)
    outcome = failure = None
    if silent := _silent(observation, report, policy):
        failure = FailureReason.NOT_RECONCILED
        message = "; ".join(_not_reconciled(observation, silent))
    elif report.blocked_instruments:
        outcome = RecoveryOutcome.DEGRADED
        blocked = ", ".join(report.blocked_instruments)
        message = f"Remaining differences: {_remaining(report)}; blocked: {blocked}"
    elif _is_changed(observation, report):
        outcome = RecoveryOutcome.ADJUSTED
        message = (
            "Reconciliation changed the cache "
            f"(order events: {observation.events - observation.reported_events}, "
            f"fills: {sum(report.fill_counts.values())}); {_proof(observation, report)}"
        )
    else:
        outcome = RecoveryOutcome.CLEAN
        message = f"Nothing was changed; {_proof(observation, report)}"
    report = msgspec.structs.replace(report, outcome=outcome, failure=failure, message=message)
    reported = {report.account_id for report in observation.reports}
    silent_accounts = observation.asked_accounts & observation.required_accounts - reported
    outdated = frozenset(proof.outdated | silent_accounts)
    return Judgment(report, found.guessed, outdated, bool(proof.pending), planned)


def describe(observation: Observation, policy: Policy) -> RecoveryReport:
    """Return the report of what was seen so far, without a result."""
    found = origins(observation)
    report, _ = _described(observation, found, prove(observation, found, policy), policy)
    return report


def _described(
    observation: Observation, found: Origins, proof: Proof, policy: Policy
) -> tuple[RecoveryReport, Plan]:
    made = observation.reports
    observation = msgspec.structs.replace(
        observation,
        reports=tuple(proof.reports.values()),
        twice_missing=observation.twice_missing | proof.missing,
    )
    observation = in_reading_order(observation)
    standing = (*discrepancies(observation, found, policy), *proof.unproven)
    subjects = set(map(_subject, standing))
    resolved = (
        msgspec.structs.replace(one, resolved=True)
        for one in observation.earlier
        if one.kind.is_difference and _subject(one) not in subjects
    )
    fills = [one for one in found.fills if one[0].index >= observation.reported_events]
    newest = fills[max(len(fills) - policy.max_report_fills, 0) :]
    planned = plan(observation, proof, found, standing) if policy.plans else Plan()
    report = RecoveryReport(
        **{name: getattr(observation, name) for name in _OBSERVED},
        accounts=tuple(_accounts(observation, proof, made)),
        positions=tuple(_position_changes(observation)),
        fills=tuple(ReconciledFill(origin, *_fill_fields(fill)) for fill, origin in newest),
        fill_counts=dict(sorted(Counter(origin for _, origin in fills).items())),
        discrepancies=tuple(sorted(_advised((*standing, *resolved), planned), key=_reading_order)),
        blocked_instruments=tuple(
            sorted({d.instrument_id for d in standing if d.is_blocking and d.instrument_id})
        ),
        shadow=policy.shadow,
        lost_orders=tuple(
            sorted(observation.lost_orders, key=attrgetter("client_order_id", "strategy_id"))
        ),
        strategies=strategies(observation, fills, policy.max_report_fills),
        balances=balances(observation),
        corrections=tuple(made for report in observation.reports for made in report.corrections),
        repairs=(*_repairs(observation, proof, standing), *planned.told),
        approval=observation.approval,
        stale_checkpoints=any(one.checkpoints for one in observation.stale.values()),
    )
    return report, planned


def _advised(found: Iterable[Discrepancy], planned: Plan) -> Iterator[Discrepancy]:
    for one in found:
        place = (one.account_id, one.instrument_id)
        is_planned = one.is_blocking and one.kind.is_difference and place in planned.complete
        yield msgspec.structs.replace(one, detail=with_plan(one.detail, is_planned=is_planned))


def _repairs(
    observation: Observation, proof: Proof, standing: Iterable[Discrepancy]
) -> Iterator[RepairStep]:
    blocked = {(one.account_id, one.instrument_id) for one in standing if one.is_blocking}
    for step in observation.repairs:
        is_answered = proof.answers.get(step.account_id, (0, None))[1] is not None
        is_proven = is_answered and (step.account_id, step.instrument_id) not in blocked
        yield msgspec.structs.replace(step, state="proven") if is_proven else step


def _silent(
    observation: Observation, report: RecoveryReport, policy: Policy
) -> list[tuple[str, str | None]]:
    # The accounts that fail the recovery, and what is wrong where they did report
    silent = [
        (found.account_id, None if found.kind is DiscrepancyKind.NO_MASS_STATUS else found.detail)
        for found in report.discrepancies
        if found.kind in (DiscrepancyKind.NO_MASS_STATUS, DiscrepancyKind.UNPROVEN_REPORT)
        and found.is_blocking
        and not found.instrument_id
    ]
    is_proven = observation.reports or observation.is_reconciling or policy.allow_unreconciled
    if observation.trigger == "startup" and not is_proven:
        return silent or [("any account", None)]
    return silent


def _not_reconciled(
    observation: Observation, silent: Iterable[tuple[str, str | None]]
) -> Iterator[str]:
    if names := [account_id for account_id, detail in silent if detail is None]:
        remedy = (
            "enable `reconciliation`, or list the accounts that must report in `accounts`"
            if observation.trigger == "startup"
            else "the venue keeps being asked, and trading goes on once it answers; with "
            "`prove_interval_secs=None`, run `nautilus-recovery resume` then"
        )
        if observation.edited_accounts.intersection(names):
            remedy = "the engine may have edited what was sent, see the difference of each"
        yield f"No mass status from {', '.join(names)}: {remedy}"
    yield from (detail for _, detail in silent if detail is not None)


def _proof(observation: Observation, report: RecoveryReport) -> str:
    proven = [one for one in report.accounts if one.ts_proof is not None]
    if not (observation.reports or proven):
        return "no venue report to compare it with"
    if remaining := _remaining(report):
        return f"differences that block nothing: {remaining}"
    if any(one.answers and one.ts_proof is None for one in report.accounts):
        return "equal to the venue's report"
    if any(one.ts_report is not None for one in report.accounts):
        return "equal to the venue's report, confirmed by a second answer"
    return "equal to what the venue answered twice"


def _remaining(report: RecoveryReport) -> int:
    return sum(
        (found.kind.is_difference and not found.resolved) or found.is_blocking
        for found in report.discrepancies
    )


def _reading_order(found: Discrepancy) -> tuple[str, ...]:
    names = ("account_id", "instrument_id", "kind", "position_id", "client_order_id")
    return tuple(getattr(found, name) or "" for name in (*names, "venue", "cache", "detail"))


def _is_changed(observation: Observation, report: RecoveryReport) -> bool:
    return (
        observation.events > observation.reported_events
        or any(change.qty_before != change.qty_after for change in report.positions)
        or any(found.resolved for found in report.discrepancies)
    )


def _accounts(
    observation: Observation, proof: Proof, made: Iterable[VenueReport]
) -> Iterator[AccountRecovery]:
    reported = {report.account_id: report.ts for report in made}
    reports = {report.account_id: report for report in observation.reports}
    states = {state.account_id: state for state in observation.accounts}
    for account_id in sorted(observation.required_accounts | reports.keys()):
        report = reports.get(account_id, VenueReport(account_id, venue="", ts=0))
        state = states.get(account_id, AccountState(account_id))
        answers, ts_proof = proof.answers.get(account_id, (0, None))
        yield AccountRecovery(
            account_id=account_id,
            venue=report.venue,
            ts_report=reported.get(account_id),
            orders_open=sum(order.is_open for order in report.orders),
            fills=report.fills,
            positions=sum(position.qty != 0 for position in report.positions),
            is_connected=state.is_connected,
            ts_account=state.ts_account,
            ts_proof=ts_proof,
            answers=answers,
        )


def _position_changes(observation: Observation) -> Iterator[PositionChange]:
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
    for key in sorted(keys):
        old, new = before.get(key), after.get(key)
        owner = new or old
        yield PositionChange(
            *key,
            strategy_id=owner.strategy_id if owner else "EXTERNAL",
            qty_before=old.qty if old else _ZERO,
            qty_after=new.qty if new else _ZERO,
            qty_venue=legs.get(key) if key[:2] in hedged else net.get(key[:2]),
            avg_px_before=old.avg_px if old else None,
            avg_px_after=new.avg_px if new else None,
        )
