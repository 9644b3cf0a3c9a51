"""
One net position at the venue whose parts in the cache do not go together, one by one.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import PLAIN
from tests.core.builders import STRATEGY
from tests.core.builders import cached_position
from tests.core.builders import found
from tests.core.builders import judge
from tests.core.builders import kinds
from tests.core.builders import observation
from tests.core.builders import venue_position
from tests.core.builders import venue_report


OTHER = "Other-002"
FLATTEN = (
    "No order closes one of contrary parts alone: close the position at the venue, then "
    "`nautilus-recovery verify`: what the cache still holds then can be repaired, or forgotten"
)


def part(
    qty: str | Decimal, number: int, owner: str = STRATEGY, *, made_up: bool = False
) -> CachedPosition:
    return cached_position(qty, position_id=f"P-{number}", strategy_id=owner, made_up=made_up)


def split(venue: str, *held: CachedPosition, **fields: Any) -> Discrepancy:
    """
    Return what is said of the parts where the venue holds one net position.
    """
    observed = observation(reports=[venue_report([venue_position(venue)])], after=held, **fields)
    (one,) = (one for one in found(observed) if one.kind is Kind.SPLIT_OWNERSHIP)
    return one


def test_a_pair_that_the_engine_made_up_blocks_though_it_nets_to_the_venues() -> None:
    """
    LONG, a made-up LONG and a made-up SHORT of one strategy: three stops would be sent for one.
    """
    held = [part("0.12", 1), part("0.12", 2, made_up=True), part("-0.12", 3, made_up=True)]
    report = judge(observation(reports=[venue_report([venue_position("0.12")])], after=held), PLAIN)
    assert report.discrepancies == (
        Discrepancy(
            kind=Kind.SPLIT_OWNERSHIP,
            severity=Severity.BLOCK,
            account_id=ACCOUNT,
            instrument_id=BTC,
            venue="0.12",
            cache=f"0.12 of {STRATEGY}, 0.12 of {STRATEGY}, -0.12 of {STRATEGY}",
            detail=f"The cache holds 0.12 of {STRATEGY} (`P-1`) and 0.12 of {STRATEGY} (`P-2`, "
            f"made up) and -0.12 of {STRATEGY} (`P-3`, made up). The venue does not hold the 0.12 "
            f"of {STRATEGY} and the -0.12 of {STRATEGY}: check that there, then stop the node, "
            "`nautilus-recovery forget positions:P-2 positions:P-3`, and start",
        ),
    )
    assert report.outcome is RecoveryOutcome.DEGRADED
    assert report.blocked_instruments == (BTC,)


def test_contrary_positions_of_one_strategy_block_whoever_made_them() -> None:
    """
    What the venue nets is one position, of which no order closes a part alone.
    """
    one = split("2", part("3", 1), part("-1", 2))
    assert (one.severity, one.cache) == (Severity.BLOCK, f"3 of {STRATEGY}, -1 of {STRATEGY}")
    parts = f"The cache holds 3 of {STRATEGY} (`P-1`) and -1 of {STRATEGY} (`P-2`). "
    assert one.detail == parts + FLATTEN


def test_a_made_up_part_beside_a_real_one_blocks_on_the_same_side() -> None:
    """
    The venue holds as much, and nobody knows who traded it.
    """
    one = split("3", part("2", 1), part("1", 2, made_up=True))
    assert one.cache == f"2 of {STRATEGY}, 1 of {STRATEGY}"
    assert one.detail == (
        f"The cache holds 2 of {STRATEGY} (`P-1`) and 1 of {STRATEGY} (`P-2`, made up). The venue "
        "holds the made-up part too, but reported no trade of it: close it from the node with "
        "`closing_order`"
    )


@pytest.mark.parametrize("claimant", [STRATEGY, None])
def test_a_made_up_part_of_nobody_blocks_also_if_it_is_claimed(claimant: str | None) -> None:
    """
    A claim hands over what somebody traded, and not what nobody did.
    """
    one = split(
        "3",
        part("2", 1),
        part("1", 2, "EXTERNAL", made_up=True),
        claims={} if claimant is None else {BTC: claimant},
    )
    assert one.cache == f"1 of EXTERNAL, 2 of {STRATEGY}"
    assert "and 1 of EXTERNAL (`P-2`, made up). " in one.detail


def test_a_made_up_part_that_the_venue_does_not_hold_is_forgotten() -> None:
    """
    Both differences of it name the same way out.
    """
    held = [part("2", 1), part("-2", 2, "EXTERNAL", made_up=True)]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    differing = [one for one in found(observed) if one.is_blocking]
    assert [one.kind for one in differing] == [Kind.POSITION_QTY_MISMATCH, Kind.SPLIT_OWNERSHIP]
    assert all(
        "stop the node, `nautilus-recovery forget positions:P-2`" in o.detail for o in differing
    )


def test_a_made_up_part_that_closes_what_the_venue_closed_is_not_just_forgotten() -> None:
    """
    Somebody sold 1 of 2 unseen: without the made-up SHORT 1 the cache would hold too much.
    """
    one = split("1", part("2", 1), part("-1", 2, "EXTERNAL", made_up=True))
    parts = f"The cache holds 2 of {STRATEGY} (`P-1`) and -1 of EXTERNAL (`P-2`, made up). "
    assert one.detail == parts + FLATTEN


def test_made_up_parts_that_do_not_add_up_are_closed_at_the_venue() -> None:
    """
    Neither with the made-up part nor without it the cache equals the venue.
    """
    one = split("7", part("2", 1), part("1", 2, made_up=True))
    parts = f"The cache holds 2 of {STRATEGY} (`P-1`) and 1 of {STRATEGY} (`P-2`, made up). "
    assert one.detail == parts + FLATTEN


@pytest.mark.parametrize("made_up", [True, False])
@pytest.mark.parametrize("other", ["EXTERNAL", "INTERNAL-DIFF", "Gone-009"])
def test_a_pair_of_nobodys_is_told_though_the_venue_is_flat(other: str, made_up: bool) -> None:
    """
    Whoever was to close one of them would open the other side: both entries can go.
    """
    one = split(
        "0", part("2", 1, "EXTERNAL"), part("-2", 2, other, made_up=made_up), strategies=[STRATEGY]
    )
    assert one.severity is Severity.BLOCK
    assert one.detail.endswith(
        f"The venue does not hold the 2 of EXTERNAL and the -2 of {other}: check that there, then "
        "stop the node, `nautilus-recovery forget positions:P-1 positions:P-2`, and start"
    )
    assert (f"-2 of {other} (`P-2`, made up)" in one.detail) is made_up


def test_a_single_position_may_be_made_up() -> None:
    """
    A node that lost its cache has no other.
    """
    held = [part("2", 1, "EXTERNAL", made_up=True)]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    assert kinds(observed) == ["UNCLAIMED_POSITION"]


def test_parts_that_are_all_made_up_go_together_on_one_side() -> None:
    """
    The engine has made up all that the venue holds, twice, under two names.
    """
    held = [part("1", 1, "EXTERNAL", made_up=True), part("1", 2, "INTERNAL-DIFF", made_up=True)]
    observed = observation(reports=[venue_report([venue_position("2")])], after=held)
    assert kinds(observed) == ["UNCLAIMED_POSITION", "UNCLAIMED_POSITION"]


def test_legs_are_contrary_by_right() -> None:
    """
    In hedge mode the venue holds both.
    """
    held = [part("2", 1), part("-1", 2, made_up=True)]
    for ids in (("P-1", "P-2"), (None, None)):
        legs = [venue_position("2", leg=ids[0]), venue_position("-1", leg=ids[1])]
        assert found(observation(reports=[venue_report(legs)], after=held)) == []


@pytest.mark.parametrize(("dust", "expected"), [("-0.0009", []), ("-0.001", ["SPLIT_OWNERSHIP"])])
def test_dust_is_contrary_to_nothing(dust: str, expected: list[str]) -> None:
    """
    What no order can trade is in nobody's way, made up or not.
    """
    for made_up in (True, False):
        held = [part("2", 1), part(dust, 2, made_up=made_up)]
        reported = venue_report([venue_position(2 + Decimal(dust))])
        assert kinds(observation(reports=[reported], after=held)) == expected


QUANTITIES = st.sampled_from([Decimal(q) for q in ("-2", "-1", "-0.5", "0.5", "1", "2")])
PARTS = st.lists(
    st.tuples(QUANTITIES, st.sampled_from([STRATEGY, OTHER, "EXTERNAL"]), st.booleans()),
    min_size=1,
    max_size=4,
)


@given(PARTS, st.booleans())
def test_what_nets_to_the_venues_is_free_just_if_its_parts_go_together(
    parts: list[tuple[Decimal, str, bool]], is_claimed: bool
) -> None:
    """
    One side, one owner, and either all made up or nothing: else the instrument is blocked, and
    each part is named with its quantity, and whether it is made up.
    """
    held = [part(qty, n, owner, made_up=made) for n, (qty, owner, made) in enumerate(parts)]
    net = sum((qty for qty, _, _ in parts), Decimal(0))
    report = judge(
        observation(
            reports=[venue_report([venue_position(net)])],
            after=held,
            claims={BTC: STRATEGY} if is_claimed else {},
        ),
        PLAIN,
    )
    owners = {owner for _, owner, _ in parts}
    is_one_side = len({qty > 0 for qty, _, _ in parts}) == 1
    is_owned = len(owners) == 1 or (is_claimed and owners == {STRATEGY, "EXTERNAL"})
    is_free = is_one_side and is_owned and len({made_up for _, _, made_up in parts}) == 1
    assert report.blocked_instruments == (() if is_free else (BTC,))
    for one in report.discrepancies:
        if one.kind is Kind.SPLIT_OWNERSHIP:
            for position in held:
                made_up = ", made up" if position.made_up else ""
                owner = f"{position.strategy_id} (`{position.position_id}`{made_up})"
                assert f"{position.qty} of {owner}" in one.detail


@given(PARTS, QUANTITIES)
def test_forgetting_what_is_advised_leaves_what_the_venue_holds(
    parts: list[tuple[Decimal, str, bool]], other: Decimal
) -> None:
    """
    Where single entries are named, the cache without them equals the venue.
    """
    held = [part(qty, n, owner, made_up=made) for n, (qty, owner, made) in enumerate(parts)]
    real = sum((qty for qty, _, made_up in parts if not made_up), Decimal(0))
    for venue in (real, Decimal(0), other):
        observed = observation(reports=[venue_report([venue_position(venue)])], after=held)
        for one in found(observed):
            if one.kind is Kind.SPLIT_OWNERSHIP and " forget " in one.detail:
                left = [p for p in held if f"positions:{p.position_id}" not in one.detail]
                assert sum(p.qty for p in left) == venue
