"""
Wrong states that come about at venues that answer in other ways are set right too, or refused where
no answer says how it is.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.node.support import ETH
from tests.repair.elsewhere import gone_in_silence
from tests.repair.elsewhere import holder
from tests.repair.elsewhere import paper_start
from tests.repair.elsewhere import restore
from tests.repair.elsewhere import spot_start
from tests.repair.repaired import REPAIRS
from tests.repair.repaired import RESTARTS
from tests.restart.okx import SPOT
from tests.restart.okx import Restart
from tests.scenes import SYMBOL


pytestmark = pytest.mark.long


NOTHING: dict[str, Any] = {"corrections": "none"}
PAIR, OTHER_PAIR = (f"{name}.OKX" for name in SPOT)


@pytest.mark.parametrize("has_stop", [True, False], ids=["stop rests", "stop gone too"])
def test_a_position_that_two_answers_leave_out_is_closed_at_cost(
    venue: PaperVenue, valkey: EmbeddedValkey, has_stop: bool
) -> None:
    """By an account that reports another one. A stop that still rests there is left alone."""
    gone_in_silence(venue, valkey, has_stop=has_stop, reports=True)
    came = asyncio.run(
        paper_start(venue, valkey, holder(), wait_secs=5.0, settings=NOTHING | REPAIRS)
    )
    assert came.report.outcome is RecoveryOutcome.ADJUSTED
    for number in range(1 + RESTARTS):
        if number:
            came = asyncio.run(paper_start(venue, valkey, holder()))
            assert came.report.outcome is RecoveryOutcome.CLEAN
        assert came.qty(str(ETH)) == []
        assert not came.closed_gates
        held = came.holdings[str(ETH)]
        assert held.pnl == 0
        assert [one.is_open for one in held.orders].count(True) == has_stop


def test_nothing_is_closed_where_the_account_has_never_reported_a_position(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What is left out may be what this venue never reports: somebody has to look."""
    gone_in_silence(venue, valkey, has_stop=True, reports=False)
    came = asyncio.run(
        paper_start(venue, valkey, holder(), wait_secs=1.0, settings=NOTHING | REPAIRS)
    )
    assert came.qty(str(ETH)) == [2]
    assert came.kinds == {"POSITION_NOT_AT_VENUE"}
    assert came.closed_gates
    (step,) = came.report.repairs
    assert (step.kind, step.state) == ("close_position", "planned")
    assert "only if the venue's screen shows none" in step.detail


@pytest.mark.skipif(not REPAIRS_HEDGE_LEGS, reason="this version does not start on a leg")
def test_a_leg_that_was_doubled_is_what_it_is_once_the_strategy_keeps_legs_apart(
    valkey: EmbeddedValkey,
) -> None:
    """While the strategy nets, the next start would double it again: refused."""
    with PaperVenue(oms="HEDGING") as venue:
        venue.set_price(SYMBOL, 2000)
        venue.place(SYMBOL, "BUY", 2)

        def start(oms_type: str, **fields: Any) -> Any:
            strategy = holder(oms_type=oms_type)
            return asyncio.run(paper_start(venue, valkey, strategy, oms_type="HEDGING", **fields))

        came = start("NETTING", wait_secs=1.0, settings=NOTHING | REPAIRS)
        assert came.closed_gates
        assert {step.state for step in came.report.repairs} <= {"refused"}
        came = start("HEDGING", wait_secs=5.0, settings=NOTHING | REPAIRS)
        assert came.report.outcome is RecoveryOutcome.ADJUSTED
        for number in range(1 + RESTARTS):
            if number:
                came = start("HEDGING")
                assert came.report.outcome is RecoveryOutcome.CLEAN
            (leg,) = came.holdings[str(ETH)].open_positions
            assert (leg.position_id, leg.qty) == (f"{ETH}-PAPER-001-LONG", 2)
            assert leg.strategy_id == "HOLDER-001"
            assert not came.closed_gates


def test_what_was_closed_by_a_made_up_fill_is_held_again(spot: Restart) -> None:
    """As the wallet has it. No trade was made, so nothing was realized."""
    restart = spot.rewound()
    restore(restart)
    held = {SPOT[0]: Decimal("0.9995")}
    came = asyncio.run(spot_start(restart, waits_for=held, settings=NOTHING | REPAIRS))
    _assert_held(restart, came, held)


def test_a_wallet_is_held_by_the_pair_that_was_traded(spot: Restart) -> None:
    """What the engine made up for the other pair is closed at its own price."""
    restart = spot.rewound()
    restore(restart)
    held = {SPOT[0]: Decimal("0.9995")}
    came = asyncio.run(
        spot_start(restart, reports_wallet=True, waits_for=held, settings=NOTHING | REPAIRS)
    )
    _assert_held(restart, came, held, reports_wallet=True)


def _assert_held(
    restart: Restart, came: Any, held: dict[str, Decimal], *, reports_wallet: bool = False
) -> None:
    assert came.report.outcome is RecoveryOutcome.ADJUSTED
    for number in range(1 + RESTARTS):
        if number:
            came = asyncio.run(spot_start(restart, reports_wallet=reports_wallet))
            assert came.report.outcome is RecoveryOutcome.CLEAN
        assert came.qty(PAIR) == [held[SPOT[0]]]
        assert came.qty(OTHER_PAIR) == []
        assert not came.closed_gates
        assert all(one.made_up_pnl == 0 for one in came.holdings.values())
