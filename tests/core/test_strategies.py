import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Contract
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import StrategyRecovery
from nautilus_recovery_actor.core.verdict import describe
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import STRATEGY
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import full_report
from tests.core.builders import observation


LINEAR = Contract("USDT", 8)
NOTHING = FillEffect()


def trade(qty: str, px: str, index: int = 0, **fields: Any) -> ObservedFill:
    """
    Return a real fill of the position P-1.
    """
    made = fill(qty, index, position_id="P-1", ts_init=1_000 + index)
    return msgspec.structs.replace(made, px=Decimal(px), **fields)


def made_up(qty: str, px: str, index: int = 0, **fields: Any) -> ObservedFill:
    """
    Return a fill that aligns the position P-1.
    """
    return trade(qty, px, index, is_made_up=True, **fields)


def ended(order_id: str = "O-1", status: str = "CANCELED", **fields: Any) -> EndedOrder:
    values: dict[str, Any] = {
        "strategy_id": STRATEGY,
        "instrument_id": BTC,
        "account_id": ACCOUNT,
        "venue_order_id": "V-1",
        "kind": "LIMIT",
        "qty": Decimal(-1),
        "filled_qty": Decimal(0),
        "status_before": "ACCEPTED",
        **fields,
    }
    return EndedOrder(client_order_id=order_id, status=status, **values)


def moved(position: PositionRecovery) -> tuple[Any, ...]:
    return position.qty_before, position.qty_after


def seen(
    *fills: ObservedFill,
    before: CachedPosition | None = None,
    after: str = "0",
    contract: Contract | None = LINEAR,
    **fields: Any,
) -> Observation:
    made = observation(
        before=[before] if before else [],
        after=[cached_position(after)] if Decimal(after) else [],
        fills=fills,
    )
    contracts = {BTC: contract} if contract else {}
    return msgspec.structs.replace(made, contracts=contracts, **fields)


def told(observed: Observation, policy: Policy = PLAIN) -> StrategyRecovery:
    (strategy,) = describe(observed, policy).strategies
    return strategy


def effects(observed: Observation) -> tuple[FillEffect, FillEffect]:
    (position,) = told(observed).positions
    return position.real, position.synthetic


def effect(fills: int, qty: str, pnl: str | None) -> FillEffect:
    return FillEffect(fills, Decimal(qty), None if pnl is None else Decimal(pnl))


def long(qty: str = "2", avg_px: str | None = "100") -> CachedPosition:
    return cached_position(qty, avg_px=avg_px)


# -- FILLS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "qty", "px", "pnl"),
    [
        ("2", "-2", "90", "-20"),
        ("2", "-0.5", "90", "-5"),
        ("2", "-3", "90", "-20"),
        ("2", "1", "90", "0"),
        ("-2", "2", "90", "20"),
        ("-2", "0.5", "110", "-5"),
        ("-2", "3", "90", "20"),
        ("-2", "-1", "90", "0"),
    ],
)
def test_a_fill_realises_what_it_closes(held: str, qty: str, px: str, pnl: str) -> None:
    """Neither what it adds nor what it opens on the other side realises anything."""
    after = str(Decimal(held) + Decimal(qty))
    real, synthetic = effects(seen(trade(qty, px), before=long(held), after=after))
    assert (real, synthetic) == (effect(1, qty, pnl), NOTHING)


def test_each_fill_finds_the_average_price_that_the_ones_before_left() -> None:
    """Opened at 100, added to at 130, reduced, closed, turned and closed again."""
    fills = [
        trade("1", "130", 0),  # 3 at 110
        trade("-1", "120", 1),  # +10
        trade("-4", "100", 2),  # -20, then -2 at 100
        trade("1", "90", 3),  # +10
        trade("1", "80", 4),  # +20
        trade("1", "50", 5),
        trade("-1", "51", 6),  # +1
    ]
    assert effects(seen(*fills, before=long()))[0] == effect(7, "-2", "21")


def test_real_and_made_up_fills_are_told_apart() -> None:
    """Each with what it did, in the order in which they came."""
    fills = [trade("-0.5", "110", 0), made_up("-1", "90", 1), trade("-0.5", "120", 2)]
    real, synthetic = effects(seen(*fills, before=long()))
    assert real == effect(2, "-1", "15")
    assert synthetic == effect(1, "-1", "-10")


def test_a_commission_counts_if_it_is_in_the_currency_of_the_position() -> None:
    """As NautilusTrader counts it; it is paid for an opening fill too, and a rebate is earned."""
    same: dict[str, Any] = {"fee": Decimal("0.25"), "fee_currency": "USDT"}
    rebate: dict[str, Any] = {"fee": Decimal("-0.5"), "fee_currency": "USDT"}
    other: dict[str, Any] = {"fee": Decimal("0.25"), "fee_currency": "BNB"}
    assert effects(seen(trade("-1", "110", **same), before=long()))[0].realized_pnl == Decimal(
        "9.75"
    )
    assert effects(seen(trade("1", "110", **same)))[0].realized_pnl == Decimal("-0.25")
    assert effects(seen(trade("1", "110", **rebate)))[0].realized_pnl == Decimal("0.5")
    assert effects(seen(trade("-1", "110", **other), before=long()))[0].realized_pnl == 10


def test_the_contract_counts_the_pnl() -> None:
    """Its multiplier, its currency, and the other way round where it is inverse."""
    big = Contract("USDT", 2, Decimal(10))
    assert effects(seen(trade("-1", "110"), before=long(), contract=big))[0].realized_pnl == 100
    inverse = Contract("BTC", 8, Decimal(100), is_inverse=True)
    observed = seen(trade("-1", "110"), before=long(), contract=inverse)
    assert effects(observed)[0].realized_pnl == Decimal("0.09090909")
    (position,) = told(observed).positions
    assert position.currency == "BTC"
    at_nothing = seen(trade("-1", "0"), before=long(), contract=inverse)
    assert effects(at_nothing)[0].realized_pnl == 0
    from_nothing = seen(trade("-1", "10"), before=long(avg_px="0"), contract=inverse)
    assert effects(from_nothing)[0].realized_pnl == 0


def test_pnl_has_the_precision_of_its_currency() -> None:
    """Also where the average price is a fraction without end."""
    fills = [trade("1", "101", 0), trade("-1", "100", 1)]
    observed = seen(*fills, before=long(), contract=Contract("USDT", 2))
    assert str(effects(observed)[0].realized_pnl) == "-0.33"


def test_what_is_not_known_is_not_guessed() -> None:
    """Without an average price, or without the instrument, there is no PnL, but a quantity."""
    assert effects(seen(trade("-1", "90"), before=long(avg_px=None)))[0] == effect(1, "-1", None)
    assert effects(seen(trade("-1", "90"), before=long(), contract=None))[0] == effect(
        1, "-1", None
    )
    (position,) = told(seen(trade("1", "90"), contract=None)).positions
    assert (position.currency, position.real) == (None, effect(1, "1", None))
    # Adding to it makes the price no better known, and one unknown part is enough
    fills = [trade("1", "90", 0), trade("-1", "80", 1)]
    assert effects(seen(*fills, before=long(avg_px=None)))[0] == effect(2, "0", None)
    fills = [trade("-2", "90", 0), trade("1", "90", 1)]
    assert effects(seen(*fills, before=long(avg_px=None)))[0] == effect(2, "-1", None)
    # Once it was closed it is known again
    fills = [made_up("-2", "90", 0), trade("1", "90", 1), trade("-1", "80", 2)]
    assert effects(seen(*fills, before=long(avg_px=None))) == (
        effect(2, "0", "-10"),
        effect(1, "-2", None),
    )
    fills = [made_up("-3", "90", 0), trade("1", "80", 1)]
    assert effects(seen(*fills, before=long(avg_px=None)))[0] == effect(1, "1", "10")


def test_a_trade_of_this_run_moves_the_price_and_is_not_told() -> None:
    """It came between; one from before the epoch is in the position that it began with."""
    between = trade("2", "200", 0, ts_init=1_005)
    old = msgspec.structs.replace(between, ts_init=899)
    late = trade("-1", "150", 10)
    observed = seen(late, before=long(), after="3", live_fills=(between,))
    assert effects(observed)[0] == effect(1, "-1", "0")
    observed = seen(late, before=long(), after="1", live_fills=(old,))
    assert effects(observed)[0] == effect(1, "-1", "50")
    first = msgspec.structs.replace(between, ts_init=observed.ts_started)
    observed = seen(late, before=long(), after="3", live_fills=(first,))
    assert effects(observed)[0] == effect(1, "-1", "0")


def test_fills_count_in_the_order_in_which_the_node_learned_of_them() -> None:
    """Not in that of their list."""
    fills = [trade("-2", "110", 0, ts_init=9), trade("2", "105", 1, ts_init=8)]
    assert effects(seen(*fills, before=long()))[0].realized_pnl == 15


def test_what_an_earlier_epoch_told_is_not_told_again() -> None:
    """Only the fills of this one."""
    observed = msgspec.structs.replace(
        seen(trade("-1", "90", 0), trade("-1", "80", 1), before=long("1")), reported_events=1
    )
    assert effects(observed)[0] == effect(1, "-1", "-20")


# -- POSITIONS AND STRATEGIES ----------------------------------------------------------------------


def test_each_strategy_has_what_it_holds() -> None:
    """Also what was not touched; in the order of ids, each with its accounts."""
    before = [
        cached_position("1", position_id="P-2"),
        cached_position("-3", ETH, "P-3", OTHER_ACCOUNT),
        cached_position("5", position_id="P-9", strategy_id="Other-001"),
    ]
    observed = observation(before=before, after=before[:2])
    other, trend = describe(observed, PLAIN).strategies
    assert (other.strategy_id, trend.strategy_id) == ("Other-001", STRATEGY)
    assert other.positions == (PositionRecovery(ACCOUNT, BTC, "P-9", Decimal(5), Decimal(0)),)
    assert trend.positions == (
        PositionRecovery(ACCOUNT, BTC, "P-2", Decimal(1), Decimal(1)),
        PositionRecovery(OTHER_ACCOUNT, ETH, "P-3", Decimal(-3), Decimal(-3)),
    )
    assert trend.accounts == (ACCOUNT, OTHER_ACCOUNT)
    assert (trend.orders, trend.order_counts) == ((), {})


def test_a_position_that_came_and_went_belongs_to_the_strategy_of_its_fills() -> None:
    """And without a position id to its instrument."""
    fills = [
        trade("1", "100", 0, strategy_id="Other-001"),
        trade("-1", "90", 1, strategy_id="Other-001"),
        trade("1", "90", 2, position_id=None, strategy_id="Third-001"),
    ]
    other, third = describe(seen(*fills), PLAIN).strategies
    (position,) = other.positions
    assert moved(position) == (0, 0)
    assert (other.strategy_id, position.real) == ("Other-001", effect(2, "0", "-10"))
    assert (third.strategy_id, third.positions[0].position_id) == ("Third-001", BTC)


def test_a_fill_by_another_hand_belongs_to_the_owner_of_the_position() -> None:
    """The one that it has, or that it has now."""
    by_hand = trade("-1", "90", strategy_id="EXTERNAL", placed_here=False)
    assert told(seen(by_hand, before=long(), after="1")).strategy_id == STRATEGY
    assert told(seen(by_hand, before=long("1"))).strategy_id == STRATEGY
    assert told(seen(by_hand, after="-1")).strategy_id == STRATEGY
    assert told(seen(by_hand)).strategy_id == "EXTERNAL"


def test_without_anything_there_is_nothing_to_tell() -> None:
    """And a strategy that asks is told just that."""
    report = describe(observation(), PLAIN)
    assert (report.strategies, report.balances) == ((), ())
    assert report.strategy("Any-001") == StrategyRecovery("Any-001", (), (), (), {})


# -- ORDERS ----------------------------------------------------------------------------------------


def test_orders_that_ended_come_in_the_order_of_time_and_are_counted() -> None:
    """The newest are told of, all are counted."""
    orders = (
        ended("O-3", "FILLED", ts_event=30, account_id=OTHER_ACCOUNT),
        ended("O-2", "CANCELED", ts_event=10),
        ended("O-1", "CANCELED", ts_event=20),
        ended("O-0", "REJECTED", ts_event=20, account_id=None),
    )
    strategy = told(seen(ended=orders))
    assert [order.client_order_id for order in strategy.orders] == ["O-2", "O-0", "O-1", "O-3"]
    assert list(strategy.order_counts.items()) == [("CANCELED", 2), ("FILLED", 1), ("REJECTED", 1)]
    assert strategy.accounts == (ACCOUNT, OTHER_ACCOUNT)
    capped = told(seen(ended=orders), Policy(max_report_fills=2))
    assert [order.client_order_id for order in capped.orders] == ["O-1", "O-3"]
    assert capped.order_counts == strategy.order_counts
    assert told(seen(ended=orders), Policy(max_report_fills=0)).orders == ()


def test_an_order_that_was_made_up_has_never_been_one() -> None:
    """Unless the cache knew it before, or it has a real fill as well."""
    order = ended("O-0", "FILLED", status_before=None)
    assert told(seen(made_up("-2", "90"), before=long(), ended=(order,))).orders == ()
    known = ended("O-0", "FILLED", status_before="ACCEPTED")
    assert told(seen(made_up("-2", "90"), before=long(), ended=(known,))).orders == (known,)
    both = [
        made_up("-1", "90"),
        msgspec.structs.replace(trade("-1", "90", 1), client_order_id="O-0"),
    ]
    assert told(seen(*both, before=long(), ended=(order,))).orders == (order,)
    assert told(seen(trade("-2", "90"), before=long(), ended=(order,))).orders == (order,)


# -- BALANCES AND TIME -----------------------------------------------------------------------------


def test_balances_are_told_by_account_and_currency() -> None:
    """What is on one side only is not known on the other."""
    observed = seen(
        balances_before={(ACCOUNT, "USDT"): Decimal(5), (OTHER_ACCOUNT, "BTC"): Decimal(1)},
        balances_after={(ACCOUNT, "USDT"): Decimal(4), (ACCOUNT, "BNB"): Decimal(2)},
    )
    assert describe(observed, PLAIN).balances == (
        BalanceChange(ACCOUNT, "BNB", None, Decimal(2)),
        BalanceChange(ACCOUNT, "USDT", Decimal(5), Decimal(4)),
        BalanceChange(OTHER_ACCOUNT, "BTC", Decimal(1), None),
    )


@pytest.mark.parametrize(
    ("trigger", "last", "away"),
    [
        ("startup", 800, 100),
        ("startup", None, None),
        ("mass_status", 800, None),
        ("startup", 950, 0),
        ("startup", 900, 0),
    ],
)
def test_a_node_was_away_from_its_last_sign_of_life_to_its_start(
    trigger: str, last: int | None, away: int | None
) -> None:
    """A clock that was turned back makes no negative time, and nobody is away at run time."""
    report = RecoveryReport("T-1", "x", 1, trigger, ts_started=900, ts_last_alive=last)
    assert report.away_ns == away


# -- KEEPING IT ------------------------------------------------------------------------------------


def test_a_report_of_a_version_before_reads_with_nothing_to_tell() -> None:
    """What was stored stays readable."""
    values = full_report().to_dict()
    del values["strategies"], values["balances"]
    report = RecoveryReport.from_bytes(json.dumps(values).encode())
    assert (report.strategies, report.balances) == ((), ())
    assert report.epoch == 7


def test_what_is_told_reads_back_equal() -> None:
    """As bytes and as a dictionary, with every digit."""
    observed = seen(
        trade("-1", "110.10"),
        before=long(),
        after="1",
        ended=(ended(reason="no"),),
        balances_after={(ACCOUNT, "USDT"): Decimal("1.10")},
    )
    report = describe(observed, PLAIN)
    assert report.strategies
    assert RecoveryReport.from_bytes(report.to_bytes()) == report
    assert RecoveryReport.from_dict(report.to_dict()) == report


_TRADES = st.lists(
    st.tuples(
        st.integers(-20, 20).filter(bool).map(lambda n: Decimal(n) / 10),
        st.integers(80, 120),
        st.booleans(),
    ),
    max_size=8,
)


@given(st.integers(-20, 20).map(lambda n: Decimal(n) / 10), _TRADES)
def test_quantities_add_up_and_money_is_conserved(
    start: Decimal, trades: list[tuple[Decimal, int, bool]]
) -> None:
    """Before plus real plus made up is after; what was realised is cash plus what is still held."""
    fills = [
        (made_up if is_made_up else trade)(str(qty), str(px), index)
        for index, (qty, px, is_made_up) in enumerate(trades)
    ]
    total = start + sum(qty for qty, _, _ in trades)
    closing = trade(str(-total), "100", len(fills))
    observed = seen(
        *fills, *([closing] if total else []), before=long(str(start)) if start else None
    )
    strategies = describe(observed, PLAIN).strategies
    if not strategies:
        assert not trades
        assert not start
        return
    ((position,),) = (one.positions for one in strategies)
    assert position.qty_before == start
    assert start + position.real.qty + position.synthetic.qty == 0
    # All was closed at 100, where it began as well: so cash is all there is
    cash = -sum(qty * px for qty, px, _ in trades) + total * 100 - start * 100
    assert position.real.realized_pnl is not None
    assert position.synthetic.realized_pnl is not None
    realised = position.real.realized_pnl + position.synthetic.realized_pnl
    assert abs(realised - cash) <= Decimal("1E-7")
