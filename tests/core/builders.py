"""
Small observations and reports, with a value for everything that a test does not name.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.report import StrategyRecovery


ACCOUNT = "PAPER-001"
OTHER_ACCOUNT = "PAPER-002"
BTC = "BTCUSDT.PAPER"
ETH = "ETHUSDT.PAPER"
SOL = "SOLUSDT.PAPER"
STRATEGY = "Trend-001"
TS_REPORT = 1_000
PLAIN = Policy()


def judge(observation: Observation, policy: Policy) -> RecoveryReport:
    """
    Return the report of a judgment.
    """
    return verdict.judge(observation, policy).report


def venue_position(
    qty: str | Decimal, instrument_id: str = BTC, leg: str | None = None, avg_px: str | None = None
) -> VenuePosition:
    return VenuePosition(
        instrument_id=instrument_id,
        qty=Decimal(qty),
        position_id=leg,
        avg_px=None if avg_px is None else Decimal(avg_px),
    )


def venue_order(
    client_order_id: str | None = "O-1",
    venue_order_id: str = "V-1",
    instrument_id: str = BTC,
    status: str = "ACCEPTED",
    is_open: bool = True,
) -> VenueOrder:
    return VenueOrder(
        instrument_id=instrument_id,
        venue_order_id=venue_order_id,
        client_order_id=client_order_id,
        is_open=is_open,
        status=status,
    )


def venue_report(
    positions: Iterable[VenuePosition] = (),
    orders: Iterable[VenueOrder] = (),
    account_id: str = ACCOUNT,
    trade_ids: Iterable[str] = (),
    fills: int = 0,
    seen_events: int = 0,
    seen_live_fills: int = 0,
    ts: int = TS_REPORT,
) -> VenueReport:
    return VenueReport(
        account_id=account_id,
        venue="PAPER",
        ts=ts,
        seen_events=seen_events,
        seen_live_fills=seen_live_fills,
        positions=tuple(positions),
        orders=tuple(orders),
        trade_ids=frozenset(trade_ids),
        fills=fills,
    )


def cached_position(
    qty: str | Decimal,
    instrument_id: str = BTC,
    position_id: str = "P-1",
    account_id: str = ACCOUNT,
    strategy_id: str = STRATEGY,
    avg_px: str | None = None,
    made_up: bool = False,
    fee: str | Decimal = "0",
) -> CachedPosition:
    return CachedPosition(
        account_id=account_id,
        instrument_id=instrument_id,
        position_id=position_id,
        strategy_id=strategy_id,
        qty=Decimal(qty),
        avg_px=None if avg_px is None else Decimal(avg_px),
        made_up=made_up,
        fee=Decimal(fee),
    )


def cached_order(
    client_order_id: str = "O-1",
    venue_order_id: str | None = "V-1",
    instrument_id: str = BTC,
    account_id: str | None = ACCOUNT,
    status: str = "ACCEPTED",
    is_open: bool = True,
    is_inflight: bool = False,
    is_local: bool = False,
    ts_init: int = TS_REPORT - 500,
    ts_last: int = TS_REPORT - 400,
) -> CachedOrder:
    return CachedOrder(
        account_id=account_id,
        instrument_id=instrument_id,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        status=status,
        is_open=is_open,
        is_inflight=is_inflight,
        is_local=is_local,
        ts_init=ts_init,
        ts_last=ts_last,
    )


def own_order(
    client_order_id: str = "O-1", leaves: str | Decimal = "-1", **fields: Any
) -> OwnOrder:
    """
    Return an order that is alive: a reduce-only stop unless it says otherwise.
    """
    values: dict[str, Any] = {
        "status": "ACCEPTED",
        "kind": "STOP_MARKET",
        "strategy_id": STRATEGY,
        "is_reduce_only": True,
        "account_id": ACCOUNT,
        "instrument_id": BTC,
    }
    return OwnOrder(client_order_id=client_order_id, leaves=Decimal(leaves), **{**values, **fields})


def stop_of(position: CachedPosition) -> OwnOrder:
    """
    Return the stop that protects a position.
    """
    return own_order(
        f"STOP-{position.position_id}",
        -position.qty,
        strategy_id=position.strategy_id,
        account_id=position.account_id,
        instrument_id=position.instrument_id,
        position_id=position.position_id,
    )


def fill(
    qty: str | Decimal = "1",
    index: int = 0,
    trade_id: str | None = None,
    venue_order_id: str = "V-1",
    instrument_id: str = BTC,
    account_id: str = ACCOUNT,
    placed_here: bool = True,
    is_made_up: bool = False,
    ts_init: int = 0,
    position_id: str | None = None,
    strategy_id: str = STRATEGY,
    ts_event: int | None = None,
    fee: str | Decimal = "0",
    fee_currency: str | None = None,
) -> ObservedFill:
    return ObservedFill(
        index=index,
        account_id=account_id,
        instrument_id=instrument_id,
        strategy_id=strategy_id,
        client_order_id=f"O-{index}",
        venue_order_id=venue_order_id,
        trade_id=f"T-{index}" if trade_id is None else trade_id,
        qty=Decimal(qty),
        px=Decimal("100.50"),
        ts_event=500 + index if ts_event is None else ts_event,
        placed_here=placed_here,
        is_made_up=is_made_up,
        ts_init=ts_init,
        position_id=position_id,
        fee=Decimal(fee),
        fee_currency=fee_currency,
    )


def observation(
    reports: Iterable[VenueReport] = (),
    before: Iterable[CachedPosition] = (),
    after: Iterable[CachedPosition] = (),
    orders: Iterable[CachedOrder] = (),
    fills: Iterable[ObservedFill] = (),
    live_fills: Iterable[ObservedFill] = (),
    carried: Iterable[Discrepancy] = (),
    events: int | None = None,
    required: Iterable[str] = (),
    instruments: Iterable[str] = (BTC, ETH, SOL),
    increment: str = "0.001",
    accounts: Iterable[AccountState] = (),
    earlier: Iterable[Discrepancy] = (),
    reported_events: int = 0,
    lost_orders: Iterable[LostOrder] = (),
    claims: Mapping[str, str] | None = None,
    live_orders: Iterable[OwnOrder] | None = None,
    closed: Iterable[CachedPosition] = (),
    strategies: Iterable[str] | None = None,
    **fields: Any,
) -> Observation:
    """
    Return an observation, in which each position has its stop unless `live_orders` are given.
    """
    fills, after = tuple(fills), tuple(after)
    if live_orders is None:
        live_orders = map(stop_of, after)
    return Observation(
        trader_id="TRADER-001",
        recovery_id="f6b2c6f0-0000-4000-8000-000000000001",
        epoch=7,
        trigger="startup",
        ts_started=900,
        ts_reconciled=1_100,
        ts_last_alive=800,
        clean_shutdown=False,
        required_accounts=frozenset(required),
        accounts=tuple(accounts),
        instruments={instrument_id: Decimal(increment) for instrument_id in instruments},
        before=tuple(before),
        after=tuple(after),
        orders=tuple(orders),
        live_orders=tuple(live_orders),
        closed=tuple(closed),
        strategies=None if strategies is None else frozenset(strategies),
        reports=tuple(reports),
        events=len(fills) if events is None else events,
        fills=fills,
        live_fills=tuple(live_fills),
        reported_events=reported_events,
        carried=tuple(carried),
        earlier=tuple(earlier),
        lost_orders=tuple(lost_orders),
        claims=claims or {},
        **fields,
    )


def discrepancy(
    kind: DiscrepancyKind = DiscrepancyKind.POSITION_QTY_MISMATCH,
    severity: Severity = Severity.BLOCK,
    account_id: str = ACCOUNT,
    instrument_id: str = BTC,
    position_id: str | None = "P-1",
    client_order_id: str | None = None,
    resolved: bool = False,
) -> Discrepancy:
    return Discrepancy(
        kind=kind,
        severity=severity,
        account_id=account_id,
        instrument_id=instrument_id,
        position_id=position_id,
        client_order_id=client_order_id,
        venue="2",
        cache="1",
        detail="Look at the venue",
        resolved=resolved,
    )


def lost_order(
    client_order_id: str = "O-20260101-120000-001-001-1",
    strategy_id: str = STRATEGY,
    qty: str = "2",
    filled_qty: str = "0",
    booked_under: str | None = "EXTERNAL",
) -> LostOrder:
    return LostOrder(
        strategy_id=strategy_id,
        account_id=ACCOUNT,
        instrument_id=BTC,
        client_order_id=client_order_id,
        venue_order_id="V-1",
        status="PARTIALLY_FILLED",
        qty=Decimal(qty),
        filled_qty=Decimal(filled_qty),
        booked_under=booked_under,
    )


def full_report(
    epoch: int = 7,
    outcome: RecoveryOutcome | None = RecoveryOutcome.DEGRADED,
    failure: FailureReason | None = None,
    message: str = "Differences that remain: 1; blocked: BTCUSDT.PAPER",
) -> RecoveryReport:
    """
    Return a report in which no field has its default.
    """
    return RecoveryReport(
        trader_id="TRADER-001",
        recovery_id="f6b2c6f0-0000-4000-8000-000000000001",
        epoch=epoch,
        trigger="mass_status",
        outcome=outcome,
        failure=failure,
        message=message,
        ts_started=900,
        ts_reconciled=1_100,
        ts_completed=1_700_000_000_123_456_789,
        ts_last_alive=800,
        clean_shutdown=True,
        accounts=(AccountRecovery(ACCOUNT, "PAPER", 1_000, 1, 2, 3, True, 950, 1_050, 2),),
        positions=(
            PositionChange(
                account_id=ACCOUNT,
                instrument_id=BTC,
                position_id="P-1",
                strategy_id=STRATEGY,
                qty_before=Decimal("0.100"),
                qty_after=Decimal("-0.20"),
                qty_venue=Decimal("0.30000000000000000001"),
                avg_px_before=Decimal("100.10"),
                avg_px_after=Decimal("1E+3"),
            ),
        ),
        fills=(
            ReconciledFill(
                origin=FillOrigin.INFERRED,
                account_id=ACCOUNT,
                instrument_id=BTC,
                strategy_id=STRATEGY,
                client_order_id="O-1",
                venue_order_id="V-1",
                trade_id="T-1",
                qty=Decimal("-0.3"),
                px=Decimal("99.95"),
                ts_event=950,
            ),
        ),
        fill_counts={FillOrigin.INFERRED: 1, FillOrigin.VENUE: 2_000},
        discrepancies=(
            discrepancy(client_order_id="O-1"),
            discrepancy(instrument_id=ETH, resolved=True),
        ),
        blocked_instruments=(BTC,),
        shadow=True,
        overrides=(Override(BTC, "Checked by hand", "desk@host", 1_200, 1_800, 1_500),),
        lost_orders=(lost_order(),),
        strategies=(full_strategy(),),
        balances=(BalanceChange(ACCOUNT, "USDT", Decimal("5.10"), Decimal("4.9")),),
        corrections=(CorrectionMade(Correction.DUPLICATE_FILL, ACCOUNT, BTC, 2, "T-1, T-2"),),
        repairs=(RepairStep("merge", ACCOUNT, BTC, "O-1", "P-2", "1 is booked on P-1", "proven"),),
    )


def full_strategy() -> StrategyRecovery:
    """
    Return what happened to a strategy, in which no field has its default.
    """
    return StrategyRecovery(
        strategy_id=STRATEGY,
        accounts=(ACCOUNT,),
        positions=(
            PositionRecovery(
                account_id=ACCOUNT,
                instrument_id=BTC,
                position_id="P-1",
                qty_before=Decimal("2.0"),
                qty_after=Decimal(-1),
                currency="USDT",
                real=FillEffect(2, Decimal("-2.5"), Decimal("-20.10")),
                synthetic=FillEffect(1, Decimal("-0.5"), None),
            ),
        ),
        orders=(
            EndedOrder(
                strategy_id=STRATEGY,
                instrument_id=BTC,
                client_order_id="O-1",
                account_id=ACCOUNT,
                venue_order_id="V-1",
                kind="LIMIT",
                qty=Decimal("-2.5"),
                filled_qty=Decimal("-1.5"),
                status="REJECTED",
                status_before="ACCEPTED",
                reason="too late",
                ts_event=950,
            ),
        ),
        order_counts={"FILLED": 1, "REJECTED": 1},
    )


def found(observed: Observation, policy: Policy = PLAIN) -> list[Discrepancy]:
    """
    Return the differences that the judgement of an observation tells.
    """
    return list(judge(observed, policy).discrepancies)


def kinds(observed: Observation, policy: Policy = PLAIN) -> list[str]:
    """
    Return the kinds of the differences that the judgement of an observation tells.
    """
    return [d.kind.value for d in found(observed, policy)]
