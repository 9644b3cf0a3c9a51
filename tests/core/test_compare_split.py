"""
One net position at the venue that several own in the cache.
"""

from decimal import Decimal

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import STRATEGY
from tests.core.builders import cached_position
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


OTHER = "Other-002"


def test_net_position_of_two_strategies_is_split() -> None:
    """
    Two strategies that own parts of what the venue holds as one block the instrument.
    """
    held = [cached_position("3"), cached_position("-1", position_id="P-2", strategy_id=OTHER)]
    report = judge(observation(reports=[venue_report([venue_position("2")])], after=held), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=DiscrepancyKind.SPLIT_OWNERSHIP,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            venue="2",
            cache=f"-1 of {OTHER}, 3 of {STRATEGY}",
            detail=f"The cache holds 3 of {STRATEGY} (`P-1`) and -1 of {OTHER} (`P-2`). No order "
            "closes one of contrary parts alone: close the position at the venue, then "
            "`nautilus-recovery verify`: what the cache still holds then can be repaired, or "
            "forgotten",
        ),
    )
    assert report.blocked_instruments == (BTC,)
    assert report.outcome is RecoveryOutcome.DEGRADED


def test_net_position_of_a_strategy_and_of_nobody_is_split() -> None:
    """
    A part that nobody claimed is told as that, and as a part.
    """
    held = [cached_position("1"), cached_position("1", position_id="P-2", strategy_id="EXTERNAL")]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    assert [(d.kind.value, d.severity.value, d.cache) for d in found(observed)] == [
        ("SPLIT_OWNERSHIP", "BLOCK", f"1 of EXTERNAL, 1 of {STRATEGY}"),
        ("UNCLAIMED_POSITION", "WARN", "1 of EXTERNAL"),
    ]


def test_parts_that_nobody_owns_are_not_split() -> None:
    """
    What the engine keeps under two names for nobody is one owner that cannot trade.
    """
    held = [
        cached_position("1", strategy_id="EXTERNAL"),
        cached_position("1", position_id="P-2", strategy_id="INTERNAL-DIFF"),
    ]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    assert kinds(observed) == ["UNCLAIMED_POSITION", "UNCLAIMED_POSITION"]


def test_parts_that_cancel_out_are_split_though_the_venue_is_flat() -> None:
    """
    LONG 1 of one and SHORT 1 of another are nothing at the venue that either could close.
    """
    held = [cached_position("1"), cached_position("-1", position_id="P-2", strategy_id=OTHER)]
    observed = observation(reports=[venue_report([venue_position("0")])], after=held)
    assert kinds(observed) == ["SPLIT_OWNERSHIP"]


def test_split_position_with_another_quantity_is_both() -> None:
    """
    That a position is split hides no other difference.
    """
    held = [cached_position("1"), cached_position("1", position_id="P-2", strategy_id=OTHER)]
    observed = observation(reports=[venue_report([venue_position("3")])], after=held)
    assert kinds(observed) == ["POSITION_QTY_MISMATCH", "SPLIT_OWNERSHIP"]


def test_parts_of_one_owner_are_summed() -> None:
    """
    A strategy with several positions is told once, with what it holds of all.
    """
    held = [
        cached_position("1"),
        cached_position("2", position_id="P-2"),
        cached_position("1", position_id="P-3", strategy_id=OTHER),
    ]
    (one,) = found(observation(reports=[venue_report([venue_position("4")])], after=held))
    assert one.cache == f"1 of {OTHER}, 3 of {STRATEGY}"


def test_several_positions_of_one_strategy_are_not_split() -> None:
    """
    Who owns all of a net position may close it.
    """
    held = [cached_position("1"), cached_position("1", position_id="P-2")]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    assert found(observed) == []


@pytest.mark.parametrize("ids", [("P-1", "P-2"), (None, None)], ids=["with ids", "without ids"])
def test_legs_of_two_strategies_are_not_split(ids: tuple[str | None, str | None]) -> None:
    """
    In hedge mode each strategy has a leg of its own.
    """
    legs = [venue_position("2", leg=ids[0]), venue_position("-1", leg=ids[1])]
    held = [cached_position("2"), cached_position("-1", position_id="P-2", strategy_id=OTHER)]
    assert found(observation(reports=[venue_report(legs)], after=held)) == []


def test_nothing_is_split_that_the_venue_did_not_report() -> None:
    """
    Without a report of the instrument it is not known that the venue nets.
    """
    held = [cached_position("1"), cached_position("1", position_id="P-2", strategy_id=OTHER)]
    observed = observation(reports=[venue_report([venue_position("1", ETH)])], after=held)
    assert DiscrepancyKind.SPLIT_OWNERSHIP not in kinds(observed)
    late = [fill("1"), fill("1", index=1, strategy_id=OTHER)]
    opened = observation(reports=[venue_report()], after=held, live_fills=late)
    assert found(opened) == []


def test_one_strategy_in_each_of_two_accounts_is_not_split() -> None:
    """
    Each account has a net position of its own.
    """
    observed = observation(
        reports=[
            venue_report([venue_position("1")]),
            venue_report([venue_position("2")], account_id=OTHER_ACCOUNT),
        ],
        after=[
            cached_position("1"),
            cached_position("2", account_id=OTHER_ACCOUNT, strategy_id=OTHER),
        ],
    )
    assert found(observed) == []


@pytest.mark.parametrize(("part", "expected"), [("0.0009", []), ("0.001", ["SPLIT_OWNERSHIP"])])
def test_a_part_that_no_order_can_close_splits_nothing(part: str, expected: list[str]) -> None:
    """
    Dust that another strategy left behind is not in anybody's way.
    """
    held = [cached_position("2"), cached_position(part, position_id="P-2", strategy_id=OTHER)]
    reported = venue_report([venue_position(Decimal(2) + Decimal(part))])
    assert kinds(observation(reports=[reported], after=held)) == expected


@pytest.mark.parametrize("owner", ["EXTERNAL", "INTERNAL-DIFF"])
@pytest.mark.parametrize(
    ("part", "claimant", "expected"),
    [
        ("1", STRATEGY, []),
        ("1", OTHER, ["SPLIT_OWNERSHIP"]),
        ("1", None, ["SPLIT_OWNERSHIP", "UNCLAIMED_POSITION"]),
        ("-1", STRATEGY, ["SPLIT_OWNERSHIP"]),
    ],
)
def test_a_part_of_nobody_that_the_owner_claims_splits_nothing(
    owner: str, part: str, claimant: str | None, expected: list[str]
) -> None:
    """
    It is handed both and can close each, unless the venue would see one close the other.
    """
    held = [cached_position("2"), cached_position(part, position_id="P-2", strategy_id=owner)]
    observed = observation(
        reports=[venue_report([venue_position(2 + Decimal(part))])],
        after=held,
        claims={} if claimant is None else {BTC: claimant},
    )
    assert sorted(kinds(observed)) == expected


@pytest.mark.parametrize(
    ("owners", "advice"),
    [
        (
            (STRATEGY, "EXTERNAL"),
            f"Name the instrument in the `external_order_claims` of {STRATEGY}",
        ),
        ((STRATEGY, OTHER), "Several strategies hold parts of one net position: close"),
        ((STRATEGY, OTHER, "EXTERNAL"), "Several strategies hold parts of one net position"),
    ],
)
def test_the_advice_on_parts_depends_on_who_holds_them(
    owners: tuple[str, ...], advice: str
) -> None:
    """
    A part of nobody can be claimed, one of another strategy has to be closed.
    """
    held = [cached_position("1", position_id=f"P-{owner}", strategy_id=owner) for owner in owners]
    observed = observation(reports=[venue_report([venue_position(str(len(owners)))])], after=held)
    (split,) = (o for o in found(observed) if o.kind is DiscrepancyKind.SPLIT_OWNERSHIP)
    parts = " and ".join(f"1 of {owner} (`P-{owner}`)" for owner in sorted(owners))
    assert split.detail.startswith(f"The cache holds {parts}. {advice}")
