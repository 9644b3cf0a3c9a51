"""
A cash account: what it holds is in its balances, per base currency over all pairs that share it.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import SOL
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


OTHER = "Other-002"
# A second pair of the same base currency
BTCUSDC = "BTCUSDC.PAPER"
BASES = {BTC: "BTC", BTCUSDC: "BTC", ETH: "ETH"}
TS_BALANCE = 600


def spot(
    balances: dict[str, str] | None,
    *held: CachedPosition,
    reports: Iterable[VenueReport] | None = None,
    **fields: Any,
) -> Observation:
    """
    Return what was seen of a cash account.
    """
    totals = None
    if balances is not None:
        totals = {currency: Decimal(total) for currency, total in balances.items()}
    return observation(
        reports=[venue_report()] if reports is None else reports,
        before=held,
        after=held,
        instruments=[BTC, BTCUSDC, ETH, SOL],
        **{
            "cash_accounts": {ACCOUNT: totals},
            "base_currencies": BASES,
            "accounts": [AccountState(ACCOUNT, ts_account=TS_BALANCE)],
            "reporting": frozenset(),
            **fields,
        },
    )


@pytest.mark.parametrize("balance", ["2", "2.0", "500"])
@pytest.mark.parametrize(
    "positions", [[], [venue_position("0")], [venue_position("500")]], ids=["none", "flat", "all"]
)
def test_a_balance_that_covers_a_position_proves_it(balance: str, positions: list[Any]) -> None:
    """
    Whatever the adapter makes of it: nothing, "flat", or all the coins that somebody has.
    """
    observed = spot({"BTC": balance}, cached_position("2"), reports=[venue_report(positions)])
    assert found(observed) == []
    assert judge(observed, PLAIN).outcome is RecoveryOutcome.CLEAN


def test_a_balance_that_is_less_than_a_position_blocks_it() -> None:
    """
    Told with the numbers.
    """
    report = judge(spot({"BTC": "0.5"}, cached_position("2")), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=Kind.POSITION_QTY_MISMATCH,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            position_id="P-1",
            venue="0.5 BTC",
            cache="2",
            detail=f"Positions hold 2 BTC (2 {BTC}), and the balance is 0.5: check the venue, then "
            "close the position at the venue, then `nautilus-recovery verify`: what the cache "
            "still holds then can be repaired, or forgotten",
        ),
    )
    assert report.blocked_instruments == (BTC,)


@pytest.mark.parametrize("balances", [{}, {"BTC": "0"}, {"BTC": "0.0009"}, {"ETH": "7"}])
def test_without_a_balance_there_is_no_position(balances: dict[str, str]) -> None:
    """
    Neither are dust or another currency one.
    """
    (one,) = found(spot(balances, cached_position("2")))
    assert (one.kind, one.severity) == (Kind.POSITION_NOT_AT_VENUE, Severity.BLOCK)
    assert ("forget positions:P-1`" in one.detail) is ("0.0009" not in one.venue)


def test_pairs_that_share_a_currency_share_its_balance() -> None:
    """
    One balance does not prove two positions, and which of them it proves is unknown.
    """
    held = [cached_position("1"), cached_position("0.5", BTCUSDC, "P-2")]
    assert found(spot({"BTC": "1.5"}, *held)) == []
    report = judge(spot({"BTC": "1"}, *held, cached_position("3", ETH, "P-3")), PLAIN)
    assert report.blocked_instruments == (BTCUSDC, BTC, ETH)
    other, one, ether = report.discrepancies
    assert (other.venue, other.cache, one.venue, one.cache) == ("1 BTC", "0.5", "1 BTC", "1")
    numbers = f"Positions hold 1.5 BTC (0.5 {BTCUSDC}, 1 {BTC}), and the balance is 1:"
    assert other.detail.startswith(numbers)
    assert one.detail.startswith(numbers)
    assert ether.detail.startswith(f"Positions hold 3 ETH (3 {ETH}), and the balance is 0:")


def test_what_an_adapter_makes_of_one_balance_twice_is_forgotten_once() -> None:
    """
    The engine opened a second position for what the first one holds: the text names it.
    """
    second = cached_position("1", BTCUSDC, "P-2", strategy_id="EXTERNAL", made_up=True)
    report = judge(spot({"BTC": "1"}, cached_position("1"), second), PLAIN)
    assert report.blocked_instruments == (BTCUSDC, BTC)
    for one in report.discrepancies:
        if one.kind is Kind.POSITION_QTY_MISMATCH:
            assert (
                "stop the node, `nautilus-recovery forget positions:P-2`, and start" in one.detail
            )
    assert judge(spot({"BTC": "1"}, cached_position("1")), PLAIN).blocked_instruments == ()


def test_many_pairs_of_one_currency_are_named_in_part() -> None:
    """
    The text stays one line.
    """
    pairs = [f"BTC{n}.PAPER" for n in range(5)]
    held = [cached_position("1", pair, f"P-{pair}") for pair in pairs]
    one, *_ = found(spot({"BTC": "1"}, *held, base_currencies=dict.fromkeys(pairs, "BTC")))
    assert "(1 BTC0.PAPER, 1 BTC1.PAPER, 1 BTC2.PAPER, 2 more)" in one.detail


def test_fees_that_were_paid_of_the_coins_are_not_missed() -> None:
    """
    A venue takes its fee from what was bought.
    """
    assert found(spot({"BTC": "1.998"}, cached_position("2", fee="0.002"))) == []
    assert kinds(spot({"BTC": "1.998"}, cached_position("2"))) == ["POSITION_QTY_MISMATCH"]
    over = spot({"BTC": "1.990"}, cached_position("2", fee="0.002"))
    assert kinds(over) == ["POSITION_QTY_MISMATCH"]


@pytest.mark.parametrize(("balance", "expected"), [("1.9991", []), ("1.999", ["QTY"])])
def test_dust_is_not_missed_either(balance: str, expected: list[str]) -> None:
    """
    No order can trade less than an increment.
    """
    observed = spot({"BTC": balance}, cached_position("2"))
    assert [kind.split("_")[1] for kind in kinds(observed)] == expected


def test_a_balance_of_the_run_before_proves_nothing() -> None:
    """
    The cache restores it, and what was sold meanwhile is still in it.
    """
    (one,) = found(spot(None, cached_position("2")))
    assert (one.kind, one.severity, one.venue) == (
        Kind.UNPROVEN_REPORT,
        Severity.BLOCK,
        "no balance",
    )
    assert one.detail == (
        "No balance of this account has arrived since the node started: look for errors of its "
        "client; the block ends by itself once one arrives"
    )
    assert found(spot(None)) == []


def test_an_instrument_without_a_base_currency_is_compared_with_reports() -> None:
    """
    Shares of a broker's cash account are reported as positions.
    """
    share = cached_position("2", SOL)
    told = [venue_report([venue_position("2", SOL)])]
    assert found(spot({"USD": "5"}, share, reports=told)) == []
    told = [venue_report([venue_position("3", SOL)])]
    assert kinds(spot({"USD": "5"}, share, reports=told)) == ["POSITION_QTY_MISMATCH"]
    assert kinds(spot({"USD": "5"}, share)) == ["UNPROVEN_REPORT"]


def test_a_margin_account_beside_it_is_compared_with_its_report() -> None:
    """
    Balances prove only what is held in that account.
    """
    held = [cached_position("2"), cached_position("1", account_id=OTHER_ACCOUNT)]
    told = [venue_report(), venue_report([venue_position("0")], account_id=OTHER_ACCOUNT)]
    (one,) = found(spot({"BTC": "2"}, *held, reports=told))
    assert (one.account_id, one.kind) == (OTHER_ACCOUNT, Kind.POSITION_QTY_MISMATCH)


def test_a_cash_account_that_did_not_report_is_not_compared() -> None:
    """
    That it is silent is told as that.
    """
    observed = spot({"BTC": "0"}, cached_position("2"), reports=[], required=[ACCOUNT])
    assert kinds(observed) == ["NO_MASS_STATUS"]


# -- WHAT THE BALANCE MAY LACK YET --


def test_a_trade_since_the_balance_may_be_in_it_or_not() -> None:
    """
    Fills and balances arrive one after the other, in either order.
    """
    bought = [fill("1", ts_init=TS_BALANCE + 1, fee="0.001", fee_currency="BTC")]
    for balance in ("0.999", "1.998"):
        held = cached_position("2", fee="0.002")
        assert found(spot({"BTC": balance}, held, live_fills=bought)) == []
    dear = [fill("1", ts_init=TS_BALANCE + 1, fee="0.2", fee_currency="BTC")]
    (one,) = found(spot({"BTC": "0.99"}, cached_position("2"), live_fills=bought))
    assert one.kind is Kind.POSITION_QTY_MISMATCH
    # The fee was never in the balance
    lost = spot({"BTC": "0.9"}, cached_position("2", fee="0.2"), live_fills=dear)
    assert kinds(lost) == ["POSITION_QTY_MISMATCH"]
    sold = [fill("-1", ts_init=TS_BALANCE + 1)]
    for balance in ("1", "2"):
        assert found(spot({"BTC": balance}, cached_position("1"), live_fills=sold)) == []


def test_a_balance_between_two_trades_counts_the_first_one() -> None:
    """
    Sold 2 and bought 1 again: the balance was read before both, between them, or after.
    """
    trades = [fill("-2", 0, ts_init=TS_BALANCE + 1), fill("1", 1, ts_init=TS_BALANCE + 2)]
    for balance in ("3", "1", "2"):
        assert found(spot({"BTC": balance}, cached_position("2"), live_fills=trades)) == []
    assert found(spot({"BTC": "0.5"}, cached_position("2"), live_fills=trades)) != []


@pytest.mark.parametrize(
    "other",
    [
        fill("1", ts_init=TS_BALANCE),
        fill("1", ts_init=TS_BALANCE + 1, instrument_id=ETH),
        fill("1", ts_init=TS_BALANCE + 1, account_id=OTHER_ACCOUNT),
        fill("1", ts_init=TS_BALANCE + 1, instrument_id=SOL),
    ],
    ids=["older", "other currency", "other account", "no currency"],
)
def test_other_trades_excuse_nothing(other: Any) -> None:
    """
    Only a newer one of the account in that currency can be missing in the balance.
    """
    assert kinds(spot({"BTC": "1"}, cached_position("2"), live_fills=[other])) != []


def test_a_trade_that_was_made_while_the_node_was_away_is_in_the_balance() -> None:
    """
    The node learns of it after the balance, and the venue counted it before.
    """
    away = fill("1", ts_event=TS_BALANCE - 1, ts_init=TS_BALANCE + 1)
    assert kinds(spot({"BTC": "1"}, cached_position("2"), fills=[away])) != []
    new = fill("1", ts_event=TS_BALANCE + 1, ts_init=TS_BALANCE + 2)
    assert found(spot({"BTC": "1"}, cached_position("2"), fills=[new])) == []


# -- WHAT THE ENGINE MADE UP --


def test_a_position_that_the_engine_closed_by_itself_may_still_be_there() -> None:
    """
    A venue that says "flat" of what was bought gets it closed with a fill that nobody traded.
    """
    closing = fill("-2", is_made_up=True, placed_here=False)
    (one,) = found(spot({"BTC": "2"}, fills=[closing]))
    assert (one.kind, one.severity, one.venue, one.cache) == (
        Kind.POSITION_QTY_MISMATCH,
        Severity.BLOCK,
        "2 BTC",
        "0",
    )
    assert one.detail == (
        "The engine made up a fill of -2, but the balance still covers what it closed: sell at the "
        "venue what the node no longer holds, and the block then ends by itself, or at once with "
        "`nautilus-recovery verify`"
    )
    assert found(spot({"BTC": "0"}, fills=[closing])) == []


def test_a_position_that_the_engine_opened_by_itself_is_in_no_balance() -> None:
    """
    What it made up, however lately, is not to come.
    """
    opening = fill("1", ts_event=TS_BALANCE + 1, is_made_up=True, placed_here=False)
    held = cached_position("2", strategy_id="EXTERNAL", made_up=True)
    assert "POSITION_QTY_MISMATCH" in kinds(spot({"BTC": "1"}, held, fills=[opening]))


def test_a_made_up_sale_that_the_balance_confirms_is_not_just_forgotten() -> None:
    """
    Without it the position would be more than the balance.
    """
    sold = cached_position("-1", position_id="P-2", strategy_id="EXTERNAL", made_up=True)
    one, *_ = found(spot({"BTC": "2"}, cached_position("3"), sold))
    assert one.kind is Kind.SPLIT_OWNERSHIP
    assert "No order closes one of contrary parts alone" in one.detail


def test_contrary_parts_block_on_a_cash_account_as_well() -> None:
    """
    The made-up part is named.
    """
    held = [
        cached_position("2"),
        cached_position("-2", position_id="P-2", strategy_id="EXTERNAL", made_up=True),
    ]
    for reports in ([venue_report()], [venue_report([venue_position("0")])]):
        differing = found(spot({"BTC": "2"}, *held, reports=reports))
        assert [one.kind.value for one in differing if one.is_blocking] == ["SPLIT_OWNERSHIP"]
        assert "The venue does not hold the -2 of EXTERNAL: " in differing[0].detail
        assert "`nautilus-recovery forget positions:P-2`" in differing[0].detail


def test_two_strategies_may_hold_parts_of_one_wallet() -> None:
    """
    Each can sell its own: nothing is netted.
    """
    held = [cached_position("1"), cached_position("1", position_id="P-2", strategy_id=OTHER)]
    assert found(spot({"BTC": "2"}, *held)) == []


# -- NO FALSE ALARM, NO FALSE CALM --

PAIRS = (BTC, BTCUSDC, ETH)
HELD = st.lists(
    st.tuples(
        st.sampled_from(PAIRS),
        st.decimals("0.001", "5", places=3),
        st.decimals("0", "0.01", places=4),
    ),
    max_size=6,
)


@given(
    HELD,
    st.dictionaries(st.sampled_from(["BTC", "ETH", "USDT"]), st.decimals("0", "9", places=4)),
    st.dictionaries(st.sampled_from(PAIRS), st.sampled_from(["0", "1", "7"])),
    st.sampled_from([None, frozenset(), frozenset({ACCOUNT})]),
)
def test_a_pair_is_blocked_just_if_the_balance_is_less_than_what_is_held(
    positions: list[tuple[str, Decimal, Decimal]],
    balances: dict[str, Decimal],
    reported: dict[str, str],
    reporting: frozenset[str] | None,
) -> None:
    """
    Whatever the adapter reports of positions, and however often it left them out.
    """
    held = [
        cached_position(qty, pair, f"P-{n}", fee=fee)
        for n, (pair, qty, fee) in enumerate(positions)
    ]
    told = [venue_position(qty, pair) for pair, qty in reported.items()]
    report = judge(
        spot(
            {currency: str(total) for currency, total in balances.items()},
            *held,
            reports=[venue_report(told)],
            reporting=reporting,
        ),
        PLAIN,
    )
    sums = dict.fromkeys(BASES.values(), Decimal(0))
    for pair, qty, fee in positions:
        sums[BASES[pair]] += qty - fee
    short = {c for c, held_qty in sums.items() if held_qty - balances.get(c, 0) >= Decimal("0.001")}
    expected = {pair for pair, _, _ in positions if BASES[pair] in short}
    assert set(report.blocked_instruments) == expected


TRADES = st.lists(st.decimals("-2", "2", places=2).filter(bool), min_size=1, max_size=6)


@given(TRADES, st.integers(0, 6), st.decimals("14", "26", places=2))
def test_a_balance_that_some_of_the_newer_trades_explain_is_no_alarm(
    trades: list[Decimal], known: int, total: Decimal
) -> None:
    """
    The balance came after some of the trades. It counts these, and the first ones of the others.
    """
    known = min(known, len(trades))
    held = Decimal(20) + sum(trades)
    fills = [fill(qty, n, ts_init=TS_BALANCE + n + 1 - known) for n, qty in enumerate(trades)]
    observed = spot({"BTC": str(total)}, cached_position(held), live_fills=fills)
    counted = (20 + sum(trades[:n]) for n in range(known, len(trades) + 1))
    # Coins beyond the position are nobody's concern
    assert (found(observed) == []) is (total >= min(counted))
