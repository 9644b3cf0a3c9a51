"""
Wrong states that come about at venues that answer in other ways, where nothing is repaired.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.facts.support import REPAIRS_HEDGE_LEGS
from tests.node.support import ETH
from tests.repair.elsewhere import gone_in_silence
from tests.repair.elsewhere import holder
from tests.repair.elsewhere import paper_start
from tests.repair.elsewhere import restore
from tests.repair.elsewhere import spot_start
from tests.restart.okx import SPOT
from tests.restart.okx import Restart
from tests.scenes import SYMBOL


pytestmark = pytest.mark.long


NOTHING: dict[str, Any] = {"corrections": "none"}
PAIR, OTHER_PAIR = (f"{name}.OKX" for name in SPOT)


@pytest.mark.parametrize("has_stop", [True, False], ids=["stop rests", "stop gone too"])
def test_a_position_stays_where_the_venue_says_nothing_of_it(
    venue: PaperVenue, valkey: EmbeddedValkey, has_stop: bool
) -> None:
    """It was closed from a phone, and no answer has that."""
    gone_in_silence(venue, valkey, has_stop=has_stop, reports=True)
    came = asyncio.run(paper_start(venue, valkey, holder(), settings=NOTHING))
    assert came.qty(str(ETH)) == [2]
    stop = {"ORDER_NOT_AT_VENUE"} if not has_stop else set()
    assert came.kinds == {"POSITION_NOT_AT_VENUE"} | stop
    assert [one.status for one in came.holdings[str(ETH)].orders if one.is_open] == ["ACCEPTED"]


def test_a_leg_is_doubled_under_a_strategy_that_nets(valkey: EmbeddedValkey) -> None:
    """Its trade is booked, and once more what the leg holds; 1.221 does not start on a leg."""
    with PaperVenue(oms="HEDGING") as venue:
        venue.set_price(SYMBOL, 2000)
        venue.place(SYMBOL, "BUY", 2)
        start = paper_start(
            venue, valkey, holder(oms_type="NETTING"), oms_type="HEDGING", settings=NOTHING
        )
        came = asyncio.run(start)
    if not REPAIRS_HEDGE_LEGS:
        assert came.report.failure is FailureReason.RECONCILIATION_FAILED
        return
    assert came.qty(str(ETH)) == [4]
    assert came.kinds == {"HEDGE_LEG_MISMATCH"}


def test_what_is_held_on_spot_is_closed_by_a_made_up_fill(spot: Restart) -> None:
    """The wallet has it, the cache is flat, and the monitor says so at each start."""
    restart = spot.rewound()
    restore(restart)
    came = asyncio.run(spot_start(restart, settings=NOTHING))
    assert came.qty(PAIR) == []
    (fill,) = came.report.fills
    assert fill.origin is FillOrigin.SYNTHETIC
    assert came.closed_gates == {PAIR}
    after = asyncio.run(spot_start(restart))
    assert after.qty(PAIR) == []
    assert after.closed_gates == {PAIR}
    assert after.kinds == {"POSITION_QTY_MISMATCH"}


def test_one_wallet_is_held_by_both_of_its_pairs(spot: Restart) -> None:
    """Where the client reports balances as positions."""
    restart = spot.rewound()
    restore(restart)
    came = asyncio.run(spot_start(restart, reports_wallet=True, settings=NOTHING))
    assert came.qty(PAIR) == came.qty(OTHER_PAIR) == [Decimal("0.9995")]
    assert came.closed_gates == {PAIR, OTHER_PAIR}
