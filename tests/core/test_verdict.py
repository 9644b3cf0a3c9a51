from decimal import Decimal

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.verdict import describe
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import SOL
from tests.core.builders import STRATEGY
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import discrepancy
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import lost_order
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report


# -- ACCOUNTS --


def test_account_that_must_report_and_has_not_fails_the_recovery() -> None:
    """
    Without a mass status of a required account there is no permission to trade at all.
    """
    report = judge(observation(required=["B-1", ACCOUNT, "A-1"], reports=[venue_report()]), PLAIN)
    assert report.outcome is None
    assert report.failure is FailureReason.NOT_RECONCILED
    assert report.message == (
        "No mass status from A-1, B-1: enable `reconciliation`, or list the accounts that must "
        "report in `accounts`"
    )
    assert report.discrepancies == tuple(
        Discrepancy(
            kind=DiscrepancyKind.NO_MASS_STATUS,
            severity=Severity.BLOCK,
            account_id=account_id,
            instrument_id="",
            venue="no report",
            detail=f"{account_id} sent no mass status, so nothing about it is proven: check the "
            "log for errors of its client; once it answers, trading goes on by itself, or, where "
            "the trader did not start, after a restart",
        )
        for account_id in ("A-1", "B-1")
    )
    assert report.blocked_instruments == ()


def test_account_whose_mass_status_may_have_been_edited_has_not_reported() -> None:
    """
    Nothing of it is proven, and the report says why.
    """
    observed = observation(required=["A-1", ACCOUNT, "B-1"], reports=[venue_report()])
    observed = msgspec.structs.replace(observed, edited_accounts=frozenset({"A-1"}))
    report = judge(observed, PLAIN)
    assert report.failure is FailureReason.NOT_RECONCILED
    assert report.message == (
        "No mass status from A-1, B-1: the engine may have edited what was sent, see the "
        "difference of each"
    )
    edited, silent = report.discrepancies
    assert (edited.kind, edited.severity) == (DiscrepancyKind.NO_MASS_STATUS, Severity.BLOCK)
    assert (edited.account_id, edited.venue) == ("A-1", "an edited report")
    assert edited.detail == (
        "The engine may have edited the mass status of A-1 before it was seen, so nothing in it "
        "is proven: its client must make it by `generate_mass_status`, or send it to the engine's "
        "endpoint"
    )
    assert (silent.account_id, silent.venue) == ("B-1", "no report")
    assert silent.detail.startswith("B-1 sent no mass status")


def test_account_that_reported_is_enough() -> None:
    """
    A mass status, also an empty one, of each required account lets the recovery complete.
    """
    report = judge(observation(required=[ACCOUNT], reports=[venue_report()]), PLAIN)
    assert report.failure is None
    assert report.outcome is RecoveryOutcome.CLEAN


def test_unreconciled_account_may_trade_if_that_is_allowed() -> None:
    """
    With `allow_unreconciled` a silent account is warned of and nothing fails.
    """
    report = judge(observation(required=[ACCOUNT]), Policy(allow_unreconciled=True))
    assert report.failure is None
    assert report.outcome is RecoveryOutcome.CLEAN
    assert [(d.kind.value, d.severity.value) for d in report.discrepancies] == [
        ("NO_MASS_STATUS", "WARN")
    ]
    assert report.blocked_instruments == ()


def test_explicit_severity_outweighs_allow_unreconciled() -> None:
    """
    Who asks for a severity of `NO_MASS_STATUS` gets it.
    """
    policy = Policy(
        severities={DiscrepancyKind.NO_MASS_STATUS: Severity.BLOCK}, allow_unreconciled=True
    )
    assert judge(observation(required=[ACCOUNT]), policy).failure is FailureReason.NOT_RECONCILED


@pytest.mark.parametrize("severity", [Severity.INFO, Severity.WARN])
def test_silent_account_with_a_lower_severity_does_not_fail(severity: Severity) -> None:
    """
    An override of `NO_MASS_STATUS` is obeyed without `allow_unreconciled` too.
    """
    policy = Policy(severities={DiscrepancyKind.NO_MASS_STATUS: severity})
    report = judge(observation(required=[ACCOUNT]), policy)
    assert report.failure is None
    assert [d.severity for d in report.discrepancies] == [severity]


def test_allow_unreconciled_changes_no_other_severity() -> None:
    """
    A difference in an account that did report blocks as before.
    """
    observed = observation(reports=[venue_report([venue_position("1")])])
    assert judge(observed, Policy(allow_unreconciled=True)).blocked_instruments == (BTC,)


def test_accounts_tell_what_their_venue_reported() -> None:
    """
    Each account that reported or had to is in the report, open orders and held positions counted.
    """
    report = judge(
        observation(
            required=["Z-1"],
            reports=[
                venue_report(
                    positions=[
                        venue_position("2"),
                        venue_position("0", ETH),
                        venue_position("-1", SOL),
                    ],
                    orders=[
                        venue_order("O-1", "V-1"),
                        venue_order("O-2", "V-2", is_open=False),
                        venue_order("O-3", "V-3"),
                    ],
                    fills=5,
                ),
                venue_report(account_id="A-1", ts=7),
            ],
        ),
        PLAIN,
    )
    assert report.accounts == (
        AccountRecovery("A-1", "PAPER", 7, 0, 0, 0, answers=1),
        AccountRecovery(ACCOUNT, "PAPER", TS_REPORT, 2, 5, 2, answers=1),
        AccountRecovery("Z-1", ""),
    )


# -- WHAT THE EPOCH BEFORE FOUND --


def test_difference_of_an_account_that_does_not_report_stands() -> None:
    """
    What an epoch before found of an account remains, severity and all, until the account reports.
    """
    carried = discrepancy(account_id=OTHER_ACCOUNT, instrument_id=ETH)
    report = judge(observation(reports=[venue_report()], carried=[carried]), PLAIN)
    assert report.discrepancies == (carried,)
    assert report.blocked_instruments == (ETH,)
    assert report.outcome is RecoveryOutcome.DEGRADED


def test_difference_of_an_account_that_reports_is_judged_anew() -> None:
    """
    A fresh report replaces what was found before of the same account, and of no other.
    """
    report = judge(
        observation(
            reports=[venue_report()],
            carried=[discrepancy(), discrepancy(account_id=OTHER_ACCOUNT, instrument_id=SOL)],
        ),
        PLAIN,
    )
    assert report.blocked_instruments == (SOL,)


# -- SEVERITIES --


def _of_kind(kind: DiscrepancyKind) -> Observation:
    match kind:
        case DiscrepancyKind.POSITION_QTY_MISMATCH:
            return observation(reports=[venue_report([venue_position("1")])])
        case DiscrepancyKind.HEDGE_LEG_MISMATCH:
            return observation(reports=[venue_report([venue_position("1", leg="L")])])
        case DiscrepancyKind.POSITION_NOT_AT_VENUE:
            return observation(reports=[venue_report()], after=[cached_position("1")])
        case DiscrepancyKind.INSTRUMENT_NOT_LOADED:
            status = venue_report([venue_position("1")])
            return observation(reports=[status], instruments=[])
        case DiscrepancyKind.UNCLAIMED_POSITION:
            return observation(
                reports=[venue_report([venue_position("1")])],
                after=[cached_position("1", strategy_id="EXTERNAL")],
            )
        case DiscrepancyKind.ORDER_NOT_IN_CACHE:
            return observation(reports=[venue_report(orders=[venue_order()])])
        case DiscrepancyKind.ORDER_NOT_AT_VENUE:
            return observation(reports=[venue_report()], orders=[cached_order()])
        case _:
            sent = cached_order(status="SUBMITTED", is_open=False, is_inflight=True)
            return observation(reports=[venue_report()], orders=[sent])


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize(
    "kind",
    [
        DiscrepancyKind.POSITION_QTY_MISMATCH,
        DiscrepancyKind.HEDGE_LEG_MISMATCH,
        DiscrepancyKind.POSITION_NOT_AT_VENUE,
        DiscrepancyKind.INSTRUMENT_NOT_LOADED,
        DiscrepancyKind.UNCLAIMED_POSITION,
        DiscrepancyKind.ORDER_NOT_IN_CACHE,
        DiscrepancyKind.ORDER_NOT_AT_VENUE,
        DiscrepancyKind.INFLIGHT_ORDER,
    ],
)
def test_override_decides_what_a_difference_does(kind: DiscrepancyKind, severity: Severity) -> None:
    """
    Each kind blocks just when its severity, overridden or by default, is `BLOCK`.
    """
    observed = _of_kind(kind)
    by_default = judge(observed, PLAIN)
    assert [(d.kind, d.severity) for d in by_default.discrepancies] == [
        (kind, kind.default_severity)
    ]
    other = next(k for k in DiscrepancyKind if k is not kind)
    report = judge(observed, Policy(severities={kind: severity, other: Severity.INFO}))
    assert [(d.kind, d.severity) for d in report.discrepancies] == [(kind, severity)]
    assert report.blocked_instruments == ((BTC,) if severity is Severity.BLOCK else ())
    assert (report.outcome is RecoveryOutcome.DEGRADED) is (severity is Severity.BLOCK)


# -- OUTCOMES --


def test_nothing_seen_and_nothing_changed_is_clean() -> None:
    """
    A recovery without an event and without a change says so.
    """
    position = cached_position("1")
    report = judge(
        observation(
            reports=[venue_report([venue_position("1")])], before=[position], after=[position]
        ),
        PLAIN,
    )
    assert report.outcome is RecoveryOutcome.CLEAN
    assert report.message == "Nothing was changed; equal to the venue's report"


def test_events_that_end_in_the_venues_report_are_an_adjustment() -> None:
    """
    A changed cache that equals the report is told with the number of its events and fills.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("1")], seen_events=3)],
            after=[cached_position("1")],
            fills=[fill("1")],
            events=3,
        ),
        PLAIN,
    )
    assert report.outcome is RecoveryOutcome.ADJUSTED
    assert report.message == (
        "Reconciliation changed the cache (order events: 3, fills: 1); equal to the venue's report"
    )


def test_one_event_without_a_fill_is_an_adjustment() -> None:
    """
    An order that reconciliation cancelled changed the cache, though no position moved.
    """
    report = judge(observation(reports=[venue_report()], events=1), PLAIN)
    assert report.outcome is RecoveryOutcome.ADJUSTED


def test_changed_position_without_an_event_is_an_adjustment() -> None:
    """
    A position that moved without any flagged event is a change all the same.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("1")])],
            before=[cached_position("2")],
            after=[cached_position("1")],
        ),
        PLAIN,
    )
    assert report.outcome is RecoveryOutcome.ADJUSTED


def test_adjustment_without_any_report_does_not_claim_to_be_equal() -> None:
    """
    Without a mass status there was nothing to compare with, and the message says that.
    """
    report = judge(observation(events=2), Policy(allow_unreconciled=True))
    assert report.message == (
        "Reconciliation changed the cache (order events: 2, fills: 0); "
        "no venue report to compare it with"
    )


@pytest.mark.parametrize(
    ("observed", "policy"),
    [
        (
            observation(reports=[venue_report([venue_position("1")])], events=1),
            Policy(severities={DiscrepancyKind.POSITION_QTY_MISMATCH: Severity.WARN}),
        ),
        (
            observation(reports=[venue_report()], events=1, required=[ACCOUNT, OTHER_ACCOUNT]),
            Policy(allow_unreconciled=True),
        ),
    ],
    ids=["difference that only warns", "account that did not report"],
)
def test_adjustment_with_differences_does_not_claim_to_be_equal(
    observed: Observation, policy: Policy
) -> None:
    """
    What was not proven equal is not called equal, also where it blocks nothing.
    """
    report = judge(observed, policy)
    assert report.outcome is RecoveryOutcome.ADJUSTED
    assert "equal to the venue's report" not in report.message


def test_degraded_recovery_names_every_blocked_instrument_once() -> None:
    """
    The message counts all differences and names the blocked instruments in order.
    """
    report = judge(
        observation(
            reports=[
                venue_report(
                    positions=[venue_position("1", SOL), venue_position("1", ETH)],
                    orders=[venue_order("O-1", "V-1", ETH)],
                )
            ],
            after=[cached_position("1", SOL, strategy_id="EXTERNAL")],
        ),
        PLAIN,
    )
    assert report.outcome is RecoveryOutcome.DEGRADED
    assert report.blocked_instruments == (ETH,)
    assert report.message == f"Remaining differences: 3; blocked: {ETH}"
    assert [(d.instrument_id, d.kind.value) for d in report.discrepancies] == [
        (ETH, "ORDER_NOT_IN_CACHE"),
        (ETH, "POSITION_QTY_MISMATCH"),
        (SOL, "UNCLAIMED_POSITION"),
    ]


def test_several_blocked_instruments_are_listed() -> None:
    """
    Two blocked instruments are both in the report and in its message.
    """
    positions = [venue_position("1", SOL), venue_position("1", BTC)]
    report = judge(observation(reports=[venue_report(positions)]), PLAIN)
    assert report.blocked_instruments == (BTC, SOL)
    assert report.message == f"Remaining differences: 2; blocked: {BTC}, {SOL}"


def test_description_has_no_result() -> None:
    """
    A report of an epoch under way has the differences and neither an outcome nor a failure.
    """
    observed = observation(reports=[venue_report([venue_position("1")])], required=["A-1"])
    report = describe(observed, PLAIN)
    assert (report.outcome, report.failure, report.message) == (None, None, "")
    assert [d.kind.value for d in report.discrepancies] == [
        "NO_MASS_STATUS",
        "POSITION_QTY_MISMATCH",
    ]
    assert report.ts_completed is None


@pytest.mark.parametrize("is_shadow", [True, False])
def test_report_says_who_recovered_when_and_in_which_mode(is_shadow: bool) -> None:
    """
    What the host observed of the epoch itself is handed through.
    """
    report = judge(observation(), Policy(shadow=is_shadow))
    assert report.shadow is is_shadow
    assert (
        report.trader_id,
        report.recovery_id,
        report.epoch,
        report.trigger,
        report.ts_started,
        report.ts_reconciled,
        report.ts_last_alive,
        report.clean_shutdown,
    ) == (
        "TRADER-001",
        "f6b2c6f0-0000-4000-8000-000000000001",
        7,
        "startup",
        900,
        1_100,
        800,
        False,
    )


# -- POSITIONS AND FILLS IN THE REPORT --


def change(
    position_id: str,
    before: str,
    after: str,
    venue: str | None,
    instrument_id: str = BTC,
    owner: str = STRATEGY,
) -> PositionChange:
    return PositionChange(
        account_id=ACCOUNT,
        instrument_id=instrument_id,
        position_id=position_id,
        strategy_id=owner,
        qty_before=Decimal(before),
        qty_after=Decimal(after),
        qty_venue=None if venue is None else Decimal(venue),
    )


def test_positions_tell_before_after_and_the_venue() -> None:
    """
    Every position held before, held now or reported has one entry.
    """
    report = judge(
        observation(
            reports=[
                venue_report(
                    [
                        venue_position("2"),
                        venue_position("3", SOL),
                        venue_position("0", "ADAUSDT.PAPER"),
                    ]
                )
            ],
            before=[cached_position("1"), cached_position("5", ETH, "P-2")],
            after=[cached_position("2")],
        ),
        PLAIN,
    )
    assert report.positions == (
        change("P-1", "1", "2", "2"),
        change("P-2", "5", "0", None, ETH),
        change(SOL, "0", "0", "3", SOL, owner="EXTERNAL"),
    )


def test_average_prices_and_the_newer_owner_are_told() -> None:
    """
    A position that changed hands has both prices and its owner of now.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("2")])],
            before=[cached_position("1", strategy_id="EXTERNAL", avg_px="100.5")],
            after=[cached_position("2", avg_px="101")],
        ),
        PLAIN,
    )
    (one,) = report.positions
    assert one.strategy_id == STRATEGY
    assert (one.avg_px_before, one.avg_px_after) == (Decimal("100.5"), Decimal(101))


def test_position_closed_at_the_venue_is_told_as_flat_there() -> None:
    """
    A venue that reports zero is distinct from one that reports nothing.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("0")])], before=[cached_position("1", avg_px="9")]
        ),
        PLAIN,
    )
    (one,) = report.positions
    assert (one.qty_before, one.qty_after, one.qty_venue) == (Decimal(1), Decimal(0), Decimal(0))
    assert (one.avg_px_before, one.avg_px_after) == (Decimal(9), None)
    assert one.strategy_id == STRATEGY


def test_legs_are_told_one_by_one() -> None:
    """
    In hedge mode each leg has its own quantity at the venue, and one not reported has none.
    """
    report = judge(
        observation(
            reports=[
                venue_report(
                    [
                        venue_position("2", leg="L"),
                        venue_position("-1", leg="S"),
                        venue_position("0", leg="T"),
                    ]
                )
            ],
            before=[cached_position("2", position_id="L")],
            after=[cached_position("2", position_id="L"), cached_position("1", position_id="X")],
        ),
        PLAIN,
    )
    assert report.positions == (
        change("L", "2", "2", "2"),
        change("S", "0", "0", "-1", owner="EXTERNAL"),
        change("X", "0", "1", None),
    )


def test_flat_leg_that_was_held_is_told_as_flat() -> None:
    """
    A held leg that the venue reports flat has a venue quantity of zero, not none.
    """
    report = judge(
        observation(
            reports=[venue_report([venue_position("0", leg="L")])],
            before=[cached_position("2", position_id="L")],
        ),
        PLAIN,
    )
    assert report.positions == (change("L", "2", "0", "0"),)


def test_same_position_id_in_two_accounts_is_two_positions() -> None:
    """
    Positions are told apart by account and instrument, not by their id alone.
    """
    report = judge(
        observation(
            before=[cached_position("1"), cached_position("2", account_id=OTHER_ACCOUNT)],
            after=[cached_position("3", ETH)],
        ),
        PLAIN,
    )
    assert [(p.account_id, p.instrument_id, p.qty_before, p.qty_after) for p in report.positions] \
        == [
            (ACCOUNT, BTC, Decimal(1), Decimal(0)),
            (ACCOUNT, ETH, Decimal(0), Decimal(3)),
            (OTHER_ACCOUNT, BTC, Decimal(2), Decimal(0)),
        ]  # fmt: skip


def test_fills_are_told_as_they_were_seen() -> None:
    """
    Each flagged fill is in the report with its origin, and a live one is not.
    """
    flagged = fill("-0.25", index=2, trade_id="T-9")
    report = judge(
        observation(
            reports=[venue_report(trade_ids=["T-9"], seen_events=9)],
            fills=[flagged],
            live_fills=[fill("7", index=0)],
        ),
        PLAIN,
    )
    (one,) = report.fills
    assert one.origin is FillOrigin.VENUE
    assert (one.account_id, one.instrument_id, one.strategy_id) == (ACCOUNT, BTC, STRATEGY)
    assert (one.client_order_id, one.venue_order_id, one.trade_id) == ("O-2", "V-1", "T-9")
    assert (one.qty, one.px, one.ts_event) == (Decimal("-0.25"), Decimal("100.50"), 502)
    assert report.fill_counts == {FillOrigin.VENUE: 1}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, []),
        (1, ["T-2"]),
        (2, ["T-1", "T-2"]),
        (3, ["T-0", "T-1", "T-2"]),
        (9, ["T-0", "T-1", "T-2"]),
    ],
)
def test_report_holds_the_newest_fills_and_counts_them_all(limit: int, expected: list[str]) -> None:
    """
    A limit drops the oldest fills from the report and none from the counts.
    """
    report = judge(
        observation(
            reports=[venue_report(trade_ids=["T-0", "T-2"], seen_events=9)],
            fills=[fill(index=0), fill(index=1), fill(index=2, placed_here=False)],
        ),
        Policy(max_report_fills=limit),
    )
    assert [one.trade_id for one in report.fills] == expected
    origins = [FillOrigin.VENUE, FillOrigin.INFERRED, FillOrigin.EXTERNAL]
    assert [one.origin for one in report.fills] == origins[3 - len(expected) :]
    assert report.fill_counts == {
        FillOrigin.EXTERNAL: 1,
        FillOrigin.INFERRED: 1,
        FillOrigin.VENUE: 1,
    }
    assert list(report.fill_counts) == sorted(report.fill_counts)


# -- THE POLICY --


def test_policy_is_strict_unless_it_is_said_otherwise() -> None:
    """
    The defaults block, keep a thousand fills and override nothing.
    """
    assert Policy() == Policy(
        severities={}, allow_unreconciled=False, max_report_fills=1000, shadow=False
    )


# -- THE SAME WORDS IN ANY ORDER --


@pytest.mark.parametrize(
    "positions",
    [
        [venue_position("2", leg="L"), venue_position("3", leg="L")],
        [venue_position("1"), venue_position("1.0")],
        [venue_position("1", leg="L"), venue_position("1.0", leg="L")],
        [venue_position("1"), venue_position("1.0"), venue_position("-1")],
    ],
    ids=["one leg twice", "one value in two forms", "a leg in two forms", "sides in two forms"],
)
@pytest.mark.parametrize("instruments", [[BTC], []], ids=["loaded", "not loaded"])
def test_report_does_not_depend_on_the_order_of_the_positions(
    positions: list[VenuePosition], instruments: list[str]
) -> None:
    """
    Positions that a venue reports in another order give the same report, word for word.
    """
    held = [cached_position("1", strategy_id="EXTERNAL"), cached_position("1.0", position_id="P-2")]
    one, other = (
        judge(
            observation(reports=[venue_report(told)], after=after, instruments=instruments), PLAIN
        )
        for told, after in ((positions, held), (positions[::-1], held[::-1]))
    )
    assert one.to_bytes() == other.to_bytes()


@pytest.mark.parametrize(
    ("orders", "known"),
    [
        ([venue_order("O-1", "V-1"), venue_order("O-1", "V-2")], []),
        (
            [
                venue_order("O-1", "V-1", status="CANCELED", is_open=False),
                venue_order("O-1", "V-2", status="EXPIRED", is_open=False),
            ],
            [cached_order()],
        ),
    ],
    ids=["two open", "two closed"],
)
def test_report_does_not_depend_on_the_order_of_the_orders(
    orders: list[VenueOrder], known: list[CachedOrder]
) -> None:
    """
    Two reports under one client order id are told alike whichever comes first.
    """
    one, other = (
        judge(observation(reports=[venue_report(orders=told)], orders=known), PLAIN)
        for told in (orders, orders[::-1])
    )
    assert one.to_bytes() == other.to_bytes()


def test_two_open_orders_without_a_client_order_id_are_both_told() -> None:
    """
    Orders placed elsewhere are named one by one.
    """
    orders = [venue_order(None, "V-1"), venue_order(None, "V-2")]
    told = found(observation(reports=[venue_report(orders=orders)]))
    assert [d.client_order_id for d in told] == ["V-1", "V-2"]


def test_lost_orders_are_told_in_the_order_of_their_ids() -> None:
    """
    Two strategies for one order, if its id can be of either, in the order of theirs.
    """
    lost = [
        lost_order("O-20260101-120000-001-001-1", "B-1"),
        lost_order("O-20260101-120000-001-001-1", "A-1"),
        lost_order("O-20260101-110000-001-001-1", "C-1"),
    ]
    report = describe(observation(lost_orders=lost), PLAIN)
    assert [entry.strategy_id for entry in report.lost_orders] == ["C-1", "A-1", "B-1"]
    assert judge(observation(lost_orders=lost), PLAIN).blocked_instruments == ()


def test_without_reconciliation_only_a_start_has_to_be_proven() -> None:
    """
    Of an account that must report it is named, of none it is any.
    """
    observed = msgspec.structs.replace(observation(), is_reconciling=False)
    assert judge(observed, PLAIN).message.startswith("No mass status from any account: enable")
    silent = msgspec.structs.replace(observed, required_accounts=frozenset({ACCOUNT}))
    assert judge(silent, PLAIN).message.startswith(f"No mass status from {ACCOUNT}: enable")
    later = msgspec.structs.replace(observed, trigger="mass_status")
    assert judge(later, PLAIN).outcome is RecoveryOutcome.CLEAN
    later = msgspec.structs.replace(silent, trigger="mass_status")
    assert judge(later, PLAIN).message == (
        f"No mass status from {ACCOUNT}: the venue keeps being asked, and trading goes on once it "
        "answers; with `prove_interval_secs=None`, run `nautilus-recovery resume` then"
    )
