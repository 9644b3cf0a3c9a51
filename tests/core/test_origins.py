from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor.core import origins as origin_rule
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import SYNTHETIC_ID
from nautilus_recovery_actor.core.origins import is_alignment
from nautilus_recovery_actor.core.origins import origins as traced
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import PLAIN
from tests.core.builders import SOL
from tests.core.builders import fill
from tests.core.builders import found
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_report


def origins(seen: Observation) -> tuple[FillOrigin, ...]:
    fills = traced(seen).fills
    assert tuple(fill for fill, _ in fills) == seen.fills
    return tuple(origin for _, origin in fills)


def origin(one: ObservedFill, *reports: VenueReport) -> FillOrigin:
    (found,) = origins(observation(fills=[one], reports=reports))
    return found


@pytest.mark.parametrize(
    ("placed_here", "expected"), [(True, FillOrigin.VENUE), (False, FillOrigin.EXTERNAL)]
)
@pytest.mark.parametrize("orders", [[], [venue_order()]], ids=["order unknown", "order reported"])
def test_reported_trade_is_real(
    placed_here: bool, expected: FillOrigin, orders: list[object]
) -> None:
    """
    A trade that the venue reported is the venue's, or external if the order was placed elsewhere.
    """
    status = venue_report(orders=orders, trade_ids=["T-0"], seen_events=5)  # type: ignore[arg-type]
    assert origin(fill(placed_here=placed_here), status) is expected


@pytest.mark.parametrize("placed_here", [True, False])
def test_reported_order_without_its_trade_is_inferred(placed_here: bool) -> None:
    """
    A fill of a reported order whose trade the venue did not report comes from its status.
    """
    status = venue_report(orders=[venue_order()], trade_ids=["T-9"], seen_events=1)
    assert origin(fill(placed_here=placed_here), status) is FillOrigin.INFERRED


def test_own_order_that_the_venue_left_out_is_inferred() -> None:
    """
    A fill of an order of ours is never made up to align a position.
    """
    assert origin(fill(), venue_report(seen_events=1)) is FillOrigin.INFERRED


@pytest.mark.parametrize("seen_events", [0, 5])
def test_order_that_nobody_placed_and_no_venue_reported_is_synthetic(seen_events: int) -> None:
    """
    A fill of an order that reconciliation made is synthetic, before the mass status and after it.
    """
    status = venue_report(orders=[venue_order(venue_order_id="V-9")], seen_events=seen_events)
    assert origin(fill(placed_here=False), status) is FillOrigin.SYNTHETIC


@pytest.mark.parametrize(
    ("index", "placed_here", "expected"),
    [
        (2, True, FillOrigin.INFERRED),
        (3, True, FillOrigin.VENUE),
        (4, True, FillOrigin.VENUE),
        (2, False, FillOrigin.INFERRED),
        (3, False, FillOrigin.EXTERNAL),
    ],
)
def test_fill_after_the_mass_status_is_live(
    index: int, placed_here: bool, expected: FillOrigin
) -> None:
    """
    What is flagged after the mass status is a live fill of an adapter that sends fill reports.
    """
    status = venue_report(orders=[venue_order()], seen_events=3)
    assert origin(fill(index=index, placed_here=placed_here), status) is expected


@pytest.mark.parametrize(
    ("placed_here", "expected"), [(True, FillOrigin.VENUE), (False, FillOrigin.EXTERNAL)]
)
def test_account_without_a_mass_status_has_real_fills(
    placed_here: bool, expected: FillOrigin
) -> None:
    """
    Without a mass status of the account nothing speaks against the fill.
    """
    assert origin(fill(placed_here=placed_here)) is expected
    other = venue_report(account_id=OTHER_ACCOUNT, seen_events=9)
    assert origin(fill(placed_here=placed_here), other) is expected


@pytest.mark.parametrize(
    ("trade_id", "venue_order_id"),
    [("S-18c2f3a0-9b1d", "V-1"), ("T-0", "S-18c2f3a0-9b1d"), ("S-0-0", "S-f-f")],
)
@pytest.mark.parametrize("placed_here", [True, False])
def test_ids_that_the_engine_writes_are_synthetic_even_if_reported(
    trade_id: str, venue_order_id: str, placed_here: bool
) -> None:
    """
    An order or a trade with the engine's own form of id is made up, whatever the report holds.
    """
    one = fill(trade_id=trade_id, venue_order_id=venue_order_id, placed_here=placed_here)
    status = venue_report(
        orders=[venue_order(venue_order_id=venue_order_id)], trade_ids=[trade_id], seen_events=5
    )
    assert origin(one, status) is FillOrigin.SYNTHETIC
    assert origin(one) is FillOrigin.SYNTHETIC


@pytest.mark.parametrize(
    "venue_id",
    [
        "S-18c2f3a0",
        "S-18C2-9B1D",
        "XS-18c2-9b1d",
        "S-18c2-9b1d-1",
        "S-18g2-9b1d",
        "S--9b1d",
        "S-1-",
    ],
)
def test_ids_of_another_form_are_the_venues_own(venue_id: str) -> None:
    """
    Only the whole form of the engine's ids counts as made up.
    """
    assert SYNTHETIC_ID.fullmatch(venue_id) is None
    status = venue_report(trade_ids=[venue_id], seen_events=5)
    assert origin(fill(trade_id=venue_id, venue_order_id=venue_id), status) is FillOrigin.VENUE


def test_each_account_is_asked_of_its_own_fills() -> None:
    """
    Trades and orders reported by one account say nothing of the fills of another.
    """
    found = origins(
        observation(
            fills=[
                fill(index=0, placed_here=False),
                fill(index=1, placed_here=False, account_id=OTHER_ACCOUNT),
                fill(index=2, trade_id="T-0", account_id=OTHER_ACCOUNT),
            ],
            reports=[
                venue_report(orders=[venue_order()], trade_ids=["T-0"], seen_events=9),
                venue_report(account_id=OTHER_ACCOUNT, seen_events=9),
            ],
        )
    )
    assert found == (FillOrigin.EXTERNAL, FillOrigin.SYNTHETIC, FillOrigin.INFERRED)


def test_no_fills_have_no_origins() -> None:
    """
    An observation without fills has an empty answer.
    """
    assert origins(observation(reports=[venue_report()])) == ()


def test_owners_that_are_no_strategy() -> None:
    """
    NautilusTrader gives what nobody claims to these two.
    """
    assert sorted(UNCLAIMED_STRATEGIES) == ["EXTERNAL", "INTERNAL-DIFF"]


@pytest.mark.parametrize("placed_here", [True, False])
def test_fill_that_is_known_to_align_a_position_is_synthetic(placed_here: bool) -> None:
    """
    What the host knows to be made up stays so, whatever a report holds.
    """
    one = fill(placed_here=placed_here, is_made_up=True)
    assert origin(one) is FillOrigin.SYNTHETIC
    status = venue_report(orders=[venue_order()], trade_ids=["T-0"], seen_events=5)
    assert origin(one, status) is FillOrigin.SYNTHETIC


def test_what_is_not_said_of_an_observation_is_nothing() -> None:
    """
    An observation and a report hold no more than what they are given.
    """
    empty = VenueReport(account_id="A-1", venue="A", ts=1)
    assert (empty.seen_events, empty.seen_live_fills, empty.fills) == (0, 0, 0)
    assert (empty.positions, empty.orders, empty.trade_ids) == ((), (), frozenset())
    nothing = Observation("T-1", "x", 1, "startup", 2)
    assert (nothing.events, nothing.fills, nothing.live_fills, nothing.reports) == (0, (), (), ())
    assert (nothing.ts_reconciled, nothing.ts_last_alive, nothing.clean_shutdown) == (None,) * 3
    assert (nothing.reported_events, nothing.earlier, nothing.carried) == (0, (), ())
    assert (nothing.accounts, nothing.instruments) == ((), {})
    defaults = ObservedFill.__struct_defaults__
    assert defaults == (False, 0, None, Decimal(0), None)  # From `is_made_up` on
    order = CachedOrder("A-1", "X.A", "O-1", None, "ACCEPTED", True, False, False, 1, 2)
    there = VenueOrder("X.A", "V-1", None, True, "ACCEPTED")
    for one in (order, there):
        values = (one.side, one.qty, one.filled_qty, one.px, one.trigger_px)
        assert values == (None, None, None, None, None)
    assert AccountState("A-1") == AccountState("A-1", is_connected=None, ts_account=None)


def test_the_rule_is_applied_once_in_a_judgment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All that depends on where a fill came from is decided by the same answer.
    """
    asked: list[ObservedFill] = []
    rule = origin_rule._origin

    def counted(one: ObservedFill, *args: Any) -> FillOrigin:
        asked.append(one)
        return rule(one, *args)

    monkeypatch.setattr(origin_rule, "_origin", counted)
    fills = [fill(index=0), fill(index=1, account_id=OTHER_ACCOUNT), fill(index=2, is_made_up=True)]
    reports = [venue_report(seen_events=3), venue_report(account_id=OTHER_ACCOUNT, seen_events=3)]
    observed = observation(fills=fills, reports=reports)
    verdict.judge(observed, PLAIN)
    assert asked == fills
    verdict.describe(observed, PLAIN)
    assert asked == fills * 2


def test_what_the_engine_guessed_before_the_report_is_known_by_its_place() -> None:
    """
    A fill that comes late there may be counted already; one after the report was not guessed.
    """
    fills = [
        fill(index=0),
        fill(index=1, instrument_id=ETH, placed_here=False),
        fill(index=2, trade_id="T-known", instrument_id=SOL),
        fill(index=3, account_id=OTHER_ACCOUNT, is_made_up=True),
        fill(index=4, account_id="PAPER-003", is_made_up=True),
    ]
    reports = [
        venue_report(seen_events=3, trade_ids=["T-known"], ts=70),
        venue_report(seen_events=3, account_id=OTHER_ACCOUNT),
    ]
    observed = observation(fills=fills, reports=reports)
    guessed = {(ACCOUNT, BTC): 70, (ACCOUNT, ETH): 70}
    assert traced(observed).guessed == guessed
    assert verdict.judge(observed, PLAIN).guessed == guessed


def test_a_synthetic_fill_proves_nothing_of_an_account_that_is_silent() -> None:
    """
    However it is known to be synthetic: by the host, or by the form of its id.
    """
    for one in (fill(is_made_up=True), fill(trade_id="S-18c2f3a0-9b1d")):
        (unproven,) = found(observation(fills=[one]))
        assert (unproven.kind.value, unproven.instrument_id) == ("NO_MASS_STATUS", BTC)
        assert unproven.is_blocking
    assert found(observation(fills=[fill()])) == []


@pytest.mark.parametrize(
    ("tags", "venue_order_id", "expected"),
    [
        (["RECONCILIATION"], "V-1", True),
        (["INTERNAL"], "V-1", True),
        (["MINE", "RECONCILIATION"], "V-1", True),
        (["VENUE"], "0d5d4b3c-7a0e-4b6e-9f0e-0123456789ab", False),
        ([], "0d5d4b3c-7a0e-4b6e-9f0e-0123456789ab", True),
        ([], "0d5d4b3c-7a0e-4b6e-9f0e-0123456789abc", False),
        ([], "V-1", False),
    ],
)
def test_an_order_that_only_aligns_a_position_is_tagged_or_numbered_so(
    tags: list[str], venue_order_id: str, *, expected: bool
) -> None:
    """
    The engine's tags say it; of an order that a strategy claims only the form of its id does.
    """
    assert is_alignment(tags, venue_order_id) is expected
