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
    The result comes first, then fills, positions, lost orders and the differences, one line each.
    """
    lines = [line for _, line in wording.lines(full_report())]
    assert [line.split()[0] for line in lines] == [
        "Recovery",
        "Reconciled",
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
            "now booked under EXTERNAL; BTCUSDT.PAPER PARTIALLY_FILLED, +0.5 of +2 filled",
        ),
        (
            lost_order(qty="-2", booked_under=None),
            "missing from the cache; BTCUSDT.PAPER PARTIALLY_FILLED, +0 of -2 filled",
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


@pytest.mark.parametrize("name", Correction)
@pytest.mark.parametrize("count", [1, 2])
def test_what_was_corrected_is_said_in_one_line(name: Correction, count: int) -> None:
    """
    What, where, how often, and which; of all of an account's only how many.
    """
    made = CorrectionMade(name, ACCOUNT, BTC, count, "T-1, T-2")
    (_, (severity, line)) = wording.lines(msgspec.structs.replace(report(), corrections=(made,)))
    assert severity is Severity.INFO
    assert line.startswith(f"Corrected {name} {BTC} ({ACCOUNT}): {count} ")
    assert line.endswith(": T-1, T-2")
    whole = wording.correction_line(msgspec.structs.replace(made, instrument_id=""))
    assert whole.startswith(f"Corrected {name} {ACCOUNT}: {count} ")
    assert "T-1" not in whole


def test_one_is_not_told_like_several() -> None:
    """
    Of each correction.
    """
    for name in Correction:
        one, two = (
            wording.correction_line(CorrectionMade(name, ACCOUNT, "", count, ""))
            for count in (1, 2)
        )
        assert one.partition(": 1 ")[2] != two.partition(": 2 ")[2]


def test_what_was_repaired_is_a_warning() -> None:
    """
    Where, whether it is proven, and what was done.
    """
    step = RepairStep("merge", ACCOUNT, BTC, position_id="P-1", detail="it moved", state="proven")
    told = wording.lines(msgspec.structs.replace(report(), repairs=(step,)))
    assert told[1:] == [(Severity.WARN, f"Repair proven, {BTC} ({ACCOUNT}): it moved")]


@pytest.mark.parametrize(
    ("answers", "ts_proof", "text"),
    [
        (2, 1_767_225_600_000_000_000, "proven by 2 answers, the last at 2026-01-01 00:00:00 UTC"),
        (1, None, "not proven by a second answer (1 answer)"),
        (3, None, "not proven by a second answer (3 answers)"),
    ],
)
def test_each_account_that_answered_says_whether_that_is_proven(
    answers: int, ts_proof: int | None, text: str
) -> None:
    """
    And one that did not says nothing.
    """
    account = AccountRecovery(ACCOUNT, "PAPER", answers=answers, ts_proof=ts_proof)
    silent = AccountRecovery("OTHER-001", "")
    told = wording.lines(msgspec.structs.replace(report(), accounts=(account, silent)))
    assert told[1:] == [(Severity.INFO, f"{ACCOUNT} {text}")]


def test_the_summary_counts_corrections_and_repairs() -> None:
    """
    By name, over all instruments.
    """
    made = (
        CorrectionMade(Correction.DUPLICATE_FILL, ACCOUNT, BTC, 2, "T-1, T-2"),
        CorrectionMade(Correction.DUPLICATE_FILL, ACCOUNT, "ETHUSDT.PAPER", 1, "T-3"),
    )
    steps = (RepairStep("merge", ACCOUNT, BTC, state="made"),)
    told = wording.summary(msgspec.structs.replace(report(), corrections=made, repairs=steps))
    assert "Corrected: 3 DUPLICATE_FILL. Repairs: 1 merge made" in told
