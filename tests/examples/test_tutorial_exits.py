"""
Step 4 of the tutorial, as it is printed, in the cases that it is written for.
"""

import asyncio
import re
import textwrap
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.objects import Price
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit.records import Order
from tests.facts.support import REUSES_CACHED_ORDERS
from tests.node.support import ETH
from tests.node.support import watched
from tests.node.way_out import quiet
from tests.scenes_exits import HOLDER
from tests.scenes_exits import SYMBOL
from tests.scenes_exits import killed_holding


TWO = Decimal(2)
PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()


def step_four() -> str:
    """Return the snippet of the step."""
    after = PAGE.partition("\n## 4. Take over positions and their exits\n")[2]
    (snippet, *_) = re.findall(r"```python\n(.*?)```", after, re.DOTALL)
    return str(snippet)


class Protecting(RecoverableStrategy):
    """
    A strategy with that step and nothing else.
    """

    def __init__(self) -> None:
        super().__init__(StrategyConfig(**HOLDER))
        self.denied: list[Any] = []
        self.was_open = False

    def stop_px(self, position: Position) -> Price:
        px = 1900 if position.is_long else 2100
        return paper_instrument(SYMBOL).make_price(px)

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_order_denied(self, event: Any) -> None:
        self.denied.append(event)

    exec(textwrap.dedent(step_four()))


@pytest.fixture
def venue() -> Iterator[PaperVenue]:
    with PaperVenue() as paper:
        paper.set_price(SYMBOL, 2000)
        yield paper


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


def resting(venue: PaperVenue) -> list[tuple[str, Decimal]]:
    """Return what rests at the venue."""
    orders = (order for order in venue.state().orders if order.state.is_open)
    return [(order.kind.value, order.leaves_qty) for order in orders]


def stop_of(venue: PaperVenue) -> Order:
    (stop,) = (order for order in venue.state().orders if order.is_stop)
    return stop


def come_back(venue: PaperVenue, valkey: EmbeddedValkey) -> tuple[Protecting, Any]:
    """Run the node again, until all is answered."""
    strategy = Protecting()

    async def after() -> Any:
        async with watched(venue, valkey, strategy) as node:
            event = await node.result()
            await quiet(node)
            strategy.was_open = strategy.gate.is_open_for(ETH)
            return event

    return strategy, asyncio.run(after())


@pytest.mark.parametrize(
    ("position", "stop", "profit"),
    [
        ("BUY 2", "SELL 2 STOP 1900", "SELL 2 LIMIT 2200"),
        ("SELL 2", "BUY 2 STOP 2100", "BUY 2 LIMIT 1800"),
    ],
)
@pytest.mark.parametrize("has_profit", [False, True])
def test_a_stop_that_was_canceled_while_the_node_was_dead_is_replaced(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    position: str,
    stop: str,
    profit: str,
    has_profit: bool,
) -> None:
    """What is left of the exits makes room for the new one, which is there when all is answered."""
    killed_holding(venue, valkey, position, stop, *([profit] if has_profit else []))
    venue.cancel(stop_of(venue).venue_order_id)
    strategy, _ = come_back(venue, valkey)
    assert strategy.was_open
    assert resting(venue) == [("STOP_MARKET", TWO)]
    assert strategy.denied == []


@pytest.mark.skipif(
    not REUSES_CACHED_ORDERS,
    reason="This NautilusTrader applies what ended before a newer position opened",
)
def test_a_stop_that_the_engine_does_not_learn_is_canceled_is_replaced(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """1.231 drops what ended before a newer position: the cache holds the stop open for good."""
    killed_holding(venue, valkey, "BUY 1", "SELL 1", "BUY 2", "SELL 2 STOP 1900")
    venue.cancel(stop_of(venue).venue_order_id)
    strategy, _ = come_back(venue, valkey)
    assert resting(venue) == [("STOP_MARKET", TWO)]
    assert strategy.denied == []


@pytest.mark.parametrize("has_profit", [False, True])
def test_on_a_blocked_instrument_a_stop_that_is_not_proven_is_replaced(
    venue: PaperVenue, valkey: EmbeddedValkey, has_profit: bool
) -> None:
    """The report lacks the stop, so the instrument is blocked, and the new stop passes."""
    profit = ["SELL 2 LIMIT 2200"] if has_profit else []
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900", *profit)
    venue.set_faults(hide_orders=(stop_of(venue).venue_order_id,))
    strategy, event = come_back(venue, valkey)
    assert event.report.blocked_instruments == (str(ETH),)
    assert not strategy.was_open
    assert resting(venue) == [("STOP_MARKET", TWO)]
    assert strategy.denied == []


def test_a_position_that_is_protected_is_left_alone(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Nothing is sent, and its take-profit rests on."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900", "SELL 2 LIMIT 2200")
    before = venue.submitted()
    come_back(venue, valkey)
    assert resting(venue) == [("STOP_MARKET", TWO), ("LIMIT", TWO)]
    assert venue.submitted() == before
