from decimal import Decimal

import msgspec
import pytest

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import STRATEGY
from tests.core.builders import discrepancy
from tests.core.builders import full_report
from tests.core.builders import lost_order


def report(
    outcome: RecoveryOutcome | None = RecoveryOutcome.CLEAN,
    failure: FailureReason | None = None,
    message: str = "Nothing was changed",
    positions: tuple[PositionChange, ...] = (),
    discrepancies: tuple[Discrepancy, ...] = (),
    blocked: tuple[str, ...] = (),
    fill_counts: dict[FillOrigin, int] | None = None,
) -> RecoveryReport:
    return RecoveryReport(
        trader_id="TRADER-001",
        recovery_id="x",
        epoch=7,
        trigger="startup",
        outcome=outcome,
        failure=failure,
        message=message,
        positions=positions,
        fill_counts=fill_counts or {},
        discrepancies=discrepancies,
        blocked_instruments=blocked,
    )


def change(before: str, after: str, venue: str | None) -> PositionChange:
    return PositionChange(
        account_id=ACCOUNT,
        instrument_id=BTC,
        position_id="P-1",
        strategy_id=STRATEGY,
        qty_before=Decimal(before),
        qty_after=Decimal(after),
        qty_venue=None if venue is None else Decimal(venue),
    )


def test_clean_recovery_is_one_line() -> None:
    """
    A recovery that changed nothing says just that.
    """
    assert wording.lines(report()) == [
        (Severity.INFO, "Recovery epoch 7 CLEAN: Nothing was changed")
    ]


def test_what_is_no_difference_is_counted_by_itself_and_many_are_one_line() -> None:
    """
    Differences are what venue and cache do not agree on; more than a few are in the report alone.
    """
    naked = [
        msgspec.structs.replace(
            discrepancy(DiscrepancyKind.UNPROTECTED_POSITION, Severity.INFO, position_id=f"P-{n}"),
            venue="no stop at the venue",
            cache=f"LONG 1 {BTC} of {STRATEGY}",
            detail="Place a stop",
        )
        for n in range(22)
    ]
    orphan = discrepancy(
        DiscrepancyKind.ORPHAN_EXIT, Severity.WARN, account_id="", client_order_id="O-1"
    )
    found = report(discrepancies=(*naked, orphan))
    first, *told = wording.lines(found)
    assert first == (Severity.INFO, "Recovery epoch 7 CLEAN: Nothing was changed")
    held = f"UNPROTECTED_POSITION P-0 ({ACCOUNT}): LONG 1 {BTC} of {STRATEGY}"
    assert told[0] == (Severity.INFO, f"{held}, no stop at the venue. Place a stop")
    assert told[20:] == [
        (Severity.WARN, "ORPHAN_EXIT O-1 (-): 1, 2. Look at the venue"),
        (Severity.INFO, "More of UNPROTECTED_POSITION, only in the report: 2"),
    ]
    assert wording.differences(found) == "Differences: none"
    assert wording.summary(found) == (
        "No earlier run on record. Also found: 22 UNPROTECTED_POSITION, 1 ORPHAN_EXIT"
    )


def test_blocked_instruments_make_the_first_line_a_warning() -> None:
    """
    A degraded recovery is warned of.
    """
    lines = wording.lines(report(RecoveryOutcome.DEGRADED, message="1 remain", blocked=(BTC,)))
    assert lines == [(Severity.WARN, "Recovery epoch 7 DEGRADED: 1 remain")]


@pytest.mark.parametrize("blocked", [(), (BTC,)])
def test_failure_makes_the_first_line_an_error(blocked: tuple[str, ...]) -> None:
    """
    A failed recovery is an error whatever else it found, named by its reason.
    """
    lines = wording.lines(report(None, FailureReason.TIMEOUT, "too late", blocked=blocked))
    assert lines == [(Severity.BLOCK, "Recovery epoch 7 TIMEOUT: too late")]


def test_fills_are_counted_by_origin() -> None:
    """
    One line tells how many fills came from where.
    """
    counts = {FillOrigin.EXTERNAL: 2, FillOrigin.VENUE: 31}
    assert wording.lines(report(fill_counts=counts))[1:] == [
        (Severity.INFO, "Reconciled fills: 2 EXTERNAL, 31 VENUE")
    ]


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (change("1", "2.50", "2.5"), "+1 -> +2.50, venue +2.5"),
        (change("-1E+3", "0", "0"), "-1000 -> flat, venue flat"),
        (change("0", "0", "-0.1"), "flat -> flat, venue -0.1"),
        (change("1", "1", None), "+1 -> +1, not reported by the venue"),
        (change("1", "1", "2"), "+1 -> +1, venue +2"),
        (change("1", "2", "2"), "+1 -> +2, venue +2"),
        (change("0.00", "1", "1"), "flat -> +1, venue +1"),
    ],
)
def test_position_that_moved_or_differs_has_a_line(position: PositionChange, expected: str) -> None:
    """
    A line gives the quantities before, after and at the venue, with their signs.
    """
    assert wording.lines(report(positions=(position,)))[1:] == [
        (Severity.INFO, f"Position P-1 ({ACCOUNT}): {expected}")
    ]


@pytest.mark.parametrize("qty", ["1", "1.0", "-2"])
def test_position_that_stayed_equal_has_none(qty: str) -> None:
    """
    What neither moved nor differs is not told.
    """
    assert len(wording.lines(report(positions=(change(qty, qty, str(Decimal(qty))),)))) == 1


@pytest.mark.parametrize("severity", list(Severity))
def test_difference_has_a_line_of_its_severity(severity: Severity) -> None:
    """
    Each difference tells what the venue says, what the cache says and what to do.
    """
    lines = wording.lines(report(discrepancies=(discrepancy(severity=severity),)))
    assert lines[1:] == [
        (severity, f"POSITION_QTY_MISMATCH P-1 ({ACCOUNT}): venue 2, cache 1. Look at the venue")
    ]


@pytest.mark.parametrize("severity", list(Severity))
def test_resolved_difference_is_told_as_that_and_warns_of_nothing(severity: Severity) -> None:
    """
    What was found at first and is gone is information, however much it mattered.
    """
    gone = discrepancy(severity=severity, resolved=True)
    assert wording.lines(report(discrepancies=(gone,)))[1:] == [
        (
            Severity.INFO,
            f"Resolved: POSITION_QTY_MISMATCH P-1 ({ACCOUNT}): venue 2, cache 1. Look at the venue",
        )
    ]


@pytest.mark.parametrize(
    ("found", "subject"),
    [
        (discrepancy(client_order_id="O-1"), "O-1"),
        (discrepancy(), "P-1"),
        (discrepancy(position_id=None), BTC),
        (discrepancy(position_id=None, instrument_id=""), ACCOUNT),
    ],
)
def test_difference_is_named_by_the_closest_thing(found: Discrepancy, subject: str) -> None:
    """
    The subject is the order, else the position, else the instrument, else the account.
    """
    (_, line) = wording.lines(report(discrepancies=(found,)))[1]
    assert line.startswith(f"POSITION_QTY_MISMATCH {subject} ({ACCOUNT}): ")


def test_difference_with_nothing_to_say_of_a_side_has_a_dash() -> None:
    """
    An empty side reads as a dash.
    """
    silent = Discrepancy(
        kind=DiscrepancyKind.NO_MASS_STATUS,
        severity=Severity.BLOCK,
        account_id=ACCOUNT,
        instrument_id="",
        detail="Restart",
    )
    assert wording.lines(report(discrepancies=(silent,)))[1] == (
        Severity.BLOCK,
        f"NO_MASS_STATUS {ACCOUNT} ({ACCOUNT}): venue -, cache -. Restart",
    )


def test_lines_come_in_the_order_of_a_story() -> None:
    """
    The result comes first, then corrections, fills, repairs, proofs, positions, lost orders and
    the differences, one line each.
    """
    lines = [line for _, line in wording.lines(full_report())]
    assert [line.split()[0] for line in lines] == [
        "Recovery",
        "DUPLICATE_FILL",
        "Reconciled",
        "Repaired",
        ACCOUNT,
        "Position",
        "Lost",
        "POSITION_QTY_MISMATCH",
        "Resolved:",
    ]
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        (
            lost_order(filled_qty="0.5"),
            "now booked under EXTERNAL; BTCUSDT.PAPER PARTIALLY_FILLED, BUY 2, 0.5 filled",
        ),
        (
            lost_order(qty="-2", booked_under=None),
            "missing from the cache; BTCUSDT.PAPER PARTIALLY_FILLED, SELL 2, 0 filled",
        ),
    ],
)
def test_a_lost_order_is_a_warning_that_tells_whose_it_is(lost: LostOrder, text: str) -> None:
    """
    Where it is now, and what came of it.
    """
    told = wording.lines(msgspec.structs.replace(report(), lost_orders=(lost,)))
    (_, (severity, line)) = told
    assert severity is Severity.WARN
    assert line == (
        "Lost order O-20260101-120000-001-001-1 (PAPER-001): sent by Trend-001, never "
        f"stored, {text}"
    )


@pytest.mark.parametrize(("count", "last"), [(20, "Lost order "), (23, "only in the report: 3")])
def test_of_many_lost_orders_the_log_names_twenty(count: int, last: str) -> None:
    """
    A Redis that was lost has lost every order.
    """
    lost = tuple(lost_order(f"O-20260101-120000-001-001-{i}") for i in range(count))
    told = wording.lines(msgspec.structs.replace(report(), lost_orders=lost))
    assert len(told) == 1 + min(count, 21)
    assert last in told[-1][1]


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("DUPLICATE_FILL", 2, "2 trades reported twice, counted once"),
        ("VENUE_ORDER_ID_CHANGED", 1, "1 order with a changed venue order ID, still known"),
        ("CLIENT_ORDER_ID_CUT", 2, "2 orders with a shortened client order ID, made whole"),
        (
            "CASH_POSITION_FLAT",
            1,
            "1 position report for a cash account left out, its balances count",
        ),
        ("PRICE_IS_AVERAGE", 1, "1 order reported with a wrong price, the real one kept"),
        ("ALREADY_APPLIED", 1, "1 known order or trade not applied again"),
        ("ALREADY_APPLIED", 7, "7 known orders and trades not applied again"),
        ("ORDER_ASKED", 1, "1 order missing from the report, found by asking for it"),
    ],
)
def test_each_correction_is_a_line_in_words(name: str, count: int, expected: str) -> None:
    """
    With its name, where, how many and which.
    """
    made = CorrectionMade(Correction(name), ACCOUNT, BTC, count, "A, B")
    found = msgspec.structs.replace(report(), corrections=(made,))
    assert wording.lines(found)[1:] == [
        (Severity.INFO, f"{name} {BTC} ({ACCOUNT}): {expected}: A, B")
    ]
    counted = f"Corrected: {count} {name}"
    assert wording.summary(found).endswith(counted) is (name != "ALREADY_APPLIED")
    whole = msgspec.structs.replace(made, instrument_id="")
    assert wording.correction_line(whole) == f"{name} {ACCOUNT}: {expected}"


def test_every_correction_has_words() -> None:
    """
    Also one that is new.
    """
    for name in Correction:
        assert str(name) in wording.correction_line(CorrectionMade(name, ACCOUNT, BTC, 1, ""))


def test_many_corrections_are_one_line_more() -> None:
    """
    A log stays readable; the report has them all.
    """
    made = CorrectionMade(Correction.ORDER_ASKED, ACCOUNT, BTC, 1, "O-1")
    found = msgspec.structs.replace(report(), corrections=(made,) * 23)
    _, *told = wording.lines(found)
    assert len(told) == 21
    assert told[-1] == (Severity.INFO, "More corrections, only in the report: 3")
    assert wording.summary(found).endswith(". Corrected: 23 ORDER_ASKED")


@pytest.mark.parametrize(
    ("state", "severity", "start"),
    [
        ("planned", Severity.WARN, "Repair planned"),
        ("made", Severity.WARN, "Repaired, not proven yet"),
        ("proven", Severity.INFO, "Repaired and proven"),
        ("refused", Severity.WARN, "Repair refused"),
    ],
)
def test_a_repair_is_a_line_with_its_state(state: str, severity: Severity, start: str) -> None:
    """
    What is not proven, or was refused, is warned of.
    """
    step = msgspec.convert(
        {
            "kind": "merge",
            "account_id": ACCOUNT,
            "instrument_id": BTC,
            "detail": "1 is booked on P-1",
            "state": state,
        },
        RepairStep,
    )
    found = msgspec.structs.replace(report(), repairs=(step,))
    line = f"{start}: {BTC} ({ACCOUNT}): 1 is booked on P-1"
    how = f"`nautilus-recovery repair --trader {found.trader_id}`"
    if state == "planned":
        line += f": {how} carries it out"
    assert wording.lines(found)[1:] == [(severity, line)]
    both = [text for _, text in wording.repair_lines((step, step), found.trader_id)]
    assert both[2:] == ([f"2 repairs planned: {how} carries them out"] * (state == "planned"))
    assert wording.summary(found).endswith(f". Repairs: 1 {state}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`nautilus-recovery verify`", "`nautilus-recovery verify --trader T-1`"),
        ("`nautilus-recovery release X`; y", "`nautilus-recovery release X --trader T-1`; y"),
        ("`nautilus-recovery repair --trader A`", "`nautilus-recovery repair --trader A`"),
        ("`nautilus-recovery check`", "`nautilus-recovery check`"),
    ],
)
def test_a_command_can_be_given_as_it_is_told(text: str, expected: str) -> None:
    assert wording.with_trader(text, "T-1") == expected
    assert "--trader 'T-1; rm x'`" in wording.with_trader("`nautilus-recovery verify`", "T-1; rm x")


@pytest.mark.parametrize(
    ("answers", "ts_proof", "expected"),
    [
        (2, 36_192_000_000_000, "answered alike: 2 answers, the last at 10:03:12 UTC"),
        (1, None, "not confirmed by a second answer"),
        (3, None, "not proven by 3 answers"),
        (0, None, ""),
    ],
)
def test_an_account_has_a_line_on_its_proof(
    answers: int, ts_proof: int | None, expected: str
) -> None:
    """
    One that never answered, or an older version's, has none.
    """
    account = AccountRecovery(ACCOUNT, "PAPER", ts_proof=ts_proof, answers=answers)
    found = msgspec.structs.replace(report(), accounts=(account,))
    assert wording.lines(found)[1:] == (
        [(Severity.INFO, f"{ACCOUNT} {expected}")] if expected else []
    )


def test_a_recovery_to_prove_what_somebody_else_traded_says_so() -> None:
    """
    Its name alone would say nothing.
    """
    found = msgspec.structs.replace(report(), trigger="proof")
    why = "proof: the venue was asked again"
    assert wording.opened(found) == f"opened by {why}"
    assert wording.absence(found) == f"At run time ({why})"


@pytest.mark.parametrize(("count", "more"), [(0, None), (5, None), (7, 2)])
def test_of_many_corrections_a_status_names_a_few(count: int, more: int | None) -> None:
    """
    And none that only says what the cache had already.
    """
    known = CorrectionMade(Correction.ALREADY_APPLIED, ACCOUNT, "", 9, "9 orders and trades")
    made = [CorrectionMade(Correction.ORDER_ASKED, ACCOUNT, BTC, 1, f"O-{i}") for i in range(count)]
    told = list(wording.first_corrections([known, *made]))
    assert told[: min(count, 5)] == [wording.correction_line(one) for one in made[:5]]
    rest = [f"More corrections, see `nautilus-recovery history`: {more}"] if more else []
    assert told[min(count, 5) :] == rest


def test_of_many_positions_and_of_what_does_not_block_the_first_are_logged() -> None:
    """The others are counted. What blocks is named, however much it is."""
    changes = (change("0", "1", "1"),) * 50
    found = discrepancy(kind=DiscrepancyKind.UNCLAIMED_POSITION, severity=Severity.WARN)
    blocking = discrepancy(kind=DiscrepancyKind.ORDER_NOT_AT_VENUE, severity=Severity.BLOCK)
    found_all = (*[found] * 50, *[blocking] * 50)
    told = [line for _, line in wording.lines(report(positions=changes, discrepancies=found_all))]
    assert sum(line.startswith("Position P-") for line in told) == 20
    assert "More changed positions, only in the report: 30" in told
    assert sum(line.startswith("UNCLAIMED_POSITION") for line in told) == 20
    assert "More of UNCLAIMED_POSITION, only in the report: 30" in told
    assert sum(line.startswith("ORDER_NOT_AT_VENUE") for line in told) == 50
