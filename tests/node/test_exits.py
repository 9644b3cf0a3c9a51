"""
What a strategy gets back after a kill: its positions, the exits that protect them, and a way out.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import say
from tests.node.support import watched
from tests.scenes_exits import HOLDER
from tests.scenes_exits import SYMBOL
from tests.scenes_exits import killed_holding
from tests.scenes_exits import leg_id


class Heir(Recorder):
    """
    Takes the place of a killed strategy, and notes what protects its positions as it is told.
    """

    def __init__(self, raises_in: str = "") -> None:
        super().__init__(StrategyConfig(**HOLDER))
        self.raises_in = raises_in
        self.was_open: list[bool] = []
        self.protected: dict[str, tuple[bool, Decimal]] = {}

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        super().on_recovery_complete(event)
        self._note("on_recovery_complete")

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        super().on_position_recovered(position, exit_orders)
        unprotected = self.unprotected_quantity(position).as_decimal()
        self.protected[position.id.value] = (self.is_protected(position), unprotected)
        self._note("on_position_recovered")

    def on_trading_enabled(self) -> None:
        super().on_trading_enabled()
        self._note("on_trading_enabled")

    def _note(self, hook: str) -> None:
        self.was_open.append(self.gate.is_open)
        if hook == self.raises_in:
            raise RuntimeError("no")

    @property
    def exits(self) -> dict[str, list[tuple[str, Decimal]]]:
        return {
            position.id.value: sorted(
                (OrderType(order.order_type).name, order.leaves_qty.as_decimal())
                for order in orders
            )
            for position, orders in self.recovered
        }


@asynccontextmanager
async def back(
    venue: PaperVenue, valkey: EmbeddedValkey, heir: Heir, oms_type: str = "NETTING"
) -> AsyncIterator[Watched]:
    """
    Run the node again, until its recovery is over.
    """
    data = [venue.data_config(symbols=(SYMBOL,))]
    fields: dict[str, Any] = {"clients": {"oms_type": oms_type}, "data_clients": data}
    async with watched(venue, valkey, heir, **fields) as node:
        await node.result()
        yield node


def come_back(
    venue: PaperVenue, valkey: EmbeddedValkey, oms_type: str = "NETTING", **fields: Any
) -> Heir:
    """
    Run the node again, and return the strategy after its recovery.
    """
    heir = Heir(**fields)

    async def after() -> None:
        async with back(venue, valkey, heir, oms_type):
            pass

    asyncio.run(after())
    return heir


NET = "ETHUSDT-PERP.PAPER-HOLDER-001"
LONG = leg_id("PAPER-001", "LONG")
SHORT = leg_id("PAPER-001", "SHORT")
TWO = Decimal(2)


def test_the_hooks_come_in_order_once_each_before_the_gate_opens(
    hedging: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """First the result, then each position in the order of its id, then trading; never again."""
    killed_holding(hedging, valkey, "BUY 2", "SELL 1", oms_type="HEDGING")
    heir = Heir()

    async def after() -> None:
        async with back(hedging, valkey, heir, "HEDGING") as node:
            assert heir.told == ["start", "complete", "position", "position", "enabled"]
            assert heir.was_open == [False, False, False, True]
            assert [p.id.value for p, _ in heir.recovered] == [LONG, SHORT]
            say(node, node.terminals[0])
            assert len(heir.told) == 5
            hedging.push_mass_status()
            await node.result(2)
            assert heir.told[5:] == ["complete", "position", "position", "enabled"]

    asyncio.run(after())


@pytest.mark.parametrize(
    ("hook", "where", "told"),
    [
        ("on_recovery_complete", "Heir.on_recovery_complete: ", ["start", "complete"]),
        (
            "on_position_recovered",
            f"Heir.on_position_recovered of position {NET}: ",
            ["start", "complete", "position"],
        ),
        (
            "on_trading_enabled",
            "Heir.on_trading_enabled: ",
            ["start", "complete", "position", "enabled"],
        ),
    ],
)
def test_a_hook_that_raises_keeps_the_gate_closed_and_says_where(
    venue: PaperVenue, valkey: EmbeddedValkey, hook: str, where: str, told: list[str]
) -> None:
    """The reason names the hook and the position, and nothing after it is called."""
    killed_holding(venue, valkey, "BUY 2")
    heir = come_back(venue, valkey, raises_in=hook)
    assert heir.gate.reason() == f"RECOVERY_HOOK_RAISED: {where}RuntimeError('no')"
    assert heir.told == told


def test_a_long_position_with_its_stop_is_protected(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The stop is handed over with the position, and there is nothing to do."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900")
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("STOP_MARKET", TWO)]}
    assert heir.protected == {NET: (True, Decimal(0))}


def test_a_short_position_whose_stop_is_smaller_is_not_protected(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A take-profit filled in part while away is an exit and no protection; the rest is told."""
    killed_holding(venue, valkey, "SELL 2", "BUY 1 STOP 2100", "BUY 2 LIMIT 1900")
    venue.fill(venue.state().orders[-1].venue_order_id, "0.4")
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("LIMIT", Decimal("1.6")), ("STOP_MARKET", Decimal(1))]}
    assert heir.protected == {NET: (False, Decimal("0.6"))}


def test_a_take_profit_alone_protects_nothing(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """Only the exit is told of."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 LIMIT 2100")
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("LIMIT", TWO)]}
    assert heir.protected == {NET: (False, TWO)}


def test_each_hedge_leg_has_its_own_exits(hedging: PaperVenue, valkey: EmbeddedValkey) -> None:
    """What opens one leg is of the side that reduces the other, and is no exit of it."""
    killed_holding(
        hedging,
        valkey,
        "BUY 2",
        "SELL 1",
        "SELL 2 STOP 1900 LONG",
        "BUY 1 LIMIT 1950 SHORT",
        oms_type="HEDGING",
    )
    heir = come_back(hedging, valkey, "HEDGING")
    assert heir.exits == {LONG: [("STOP_MARKET", TWO)], SHORT: [("LIMIT", Decimal(1))]}
    assert heir.protected == {LONG: (True, Decimal(0)), SHORT: (False, Decimal(1))}


def test_a_stop_without_a_position_id_that_may_only_reduce_is_that_of_the_only_leg_of_its_side(
    hedging: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It can open nothing, and there is but one leg that it can reduce."""
    killed_holding(hedging, valkey, "BUY 2", "SELL 1", "SELL 2 STOP 1900", oms_type="HEDGING")
    heir = come_back(hedging, valkey, "HEDGING")
    assert heir.exits == {LONG: [("STOP_MARKET", TWO)], SHORT: []}
    assert heir.protected == {LONG: (True, Decimal(0)), SHORT: (False, Decimal(1))}


def test_a_bracket_filled_in_part_while_away_protects_what_it_opened(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Its children are larger than the position, and may only reduce."""
    killed_holding(venue, valkey, "BUY 2 BRACKET 1900 2100 1990")
    venue.fill(venue.state().orders[0].venue_order_id, "0.5")
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("LIMIT", TWO), ("STOP_MARKET", TWO)]}
    assert heir.protected == {NET: (True, Decimal(0))}


def test_the_children_of_an_entry_that_waits_are_no_exits_of_the_position_before(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """They belong to a position that is not there yet."""
    killed_holding(venue, valkey, "BUY 2", "BUY 1 BRACKET 1900 2100 1990")
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: []}
    assert heir.protected == {NET: (False, TWO)}


def test_an_emulated_stop_protects(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """It rests in the node, which is back."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 EMULATED 1900")
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("STOP_MARKET", TWO)]}
    assert heir.protected == {NET: (True, Decimal(0))}


def test_children_held_back_in_the_node_are_exits_once_their_entry_was_filled_while_away(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The node died before it could send them; when the strategy is told they rest again."""

    def release_the_entry() -> None:
        venue.set_faults(hold_acks=True)
        venue.set_price(SYMBOL, 1985)
        (held,) = venue.wait_for_order(None, "HELD")
        key = f"trader-TESTER-001:orders:{held.client_order_id}"
        valkey.wait_for(lambda r: any(b"OrderSubmitted" in e for e in r.lrange(key, 0, -1)))

    killed_holding(venue, valkey, "BUY 2 EMULATED_BRACKET 1900 2100 1990", before=release_the_entry)
    venue.set_faults()
    venue.release()
    venue.wait_for_position(SYMBOL, 2)
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("LIMIT", TWO), ("STOP_MARKET", TWO)]}
    assert heir.protected == {NET: (True, Decimal(0))}


def test_a_stop_that_the_venue_no_longer_has_protects_nothing(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The cache holds it open, the recovery found that the venue does not report it."""
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900")
    venue.set_faults(hide_orders=(venue.state().orders[-1].venue_order_id,))
    heir = come_back(venue, valkey)
    assert heir.exits == {NET: [("STOP_MARKET", TWO)]}
    assert heir.protected == {NET: (False, TWO)}


# -- THE WAY OUT -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("opened", "closes"), [("BUY", "SELL"), ("SELL", "BUY")])
def test_a_net_position_is_closed_once_and_no_further(
    venue: PaperVenue, valkey: EmbeddedValkey, opened: str, closes: str
) -> None:
    """The order has the other side and the whole quantity, and there is no second one."""
    killed_holding(venue, valkey, f"{opened} 2")

    async def after() -> None:
        async with back(venue, valkey, heir := Heir()) as node:
            ((position, _),) = heir.recovered
            order, position_id = heir.closing_order(position)
            assert (order.side, order.quantity.as_decimal()) == (OrderSide[closes], TWO)
            assert order.is_reduce_only
            assert position_id == position.id
            heir.submit_order(order, position_id)
            # It is at no venue yet, and counts
            with pytest.raises(ValueError, match=f"closed by {order.client_order_id}; cancel"):
                heir.closing_order(position)
            await node.run.until(lambda: position.is_closed)
            with pytest.raises(ValueError, match="it is closed"):
                heir.closing_order(position)
            assert venue.state().positions[0].qty == 0

    asyncio.run(after())


@pytest.mark.parametrize(("leg", "other", "qty"), [(LONG, SHORT, "2"), (SHORT, LONG, "1")])
def test_a_hedge_leg_is_closed_and_the_other_one_stays(
    hedging: PaperVenue, valkey: EmbeddedValkey, leg: str, other: str, qty: str
) -> None:
    """The order goes to the leg by its position id."""
    killed_holding(hedging, valkey, "BUY 2", "SELL 1", oms_type="HEDGING")

    async def after() -> None:
        async with back(hedging, valkey, heir := Heir(), "HEDGING") as node:
            held = {position.id.value: position for position, _ in heir.recovered}
            before = held[other].quantity
            closing = heir.closing_order(held[leg])
            assert closing.order.quantity.as_decimal() == Decimal(qty)
            heir.submit_order(*closing)
            await node.run.until(lambda: held[leg].is_closed)
            assert held[other].is_open
            assert held[other].quantity == before

    asyncio.run(after())


def test_what_is_being_closed_is_not_closed_again_unless_it_is_told_not_to_count(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A take-profit of 1.5 leaves 0.5 to close; beside it the missing stop covers all."""
    killed_holding(venue, valkey, "BUY 2", "SELL 1.5 LIMIT 2100")

    async def after() -> None:
        async with back(venue, valkey, heir := Heir()) as node:
            ((position, (profit,)),) = heir.recovered
            assert heir.closing_order(position).order.quantity == Quantity.from_str("0.500")
            with pytest.raises(
                ValueError, match=f"1.5 is being closed by {profit.client_order_id}"
            ):
                heir.closing_order(position, Decimal("0.501"))
            with pytest.raises(ValueError, match=r"multiple of 0\.001"):
                heir.closing_order(position, Decimal("0.1005"))
            stop, position_id = heir.closing_order(
                position,
                heir.unprotected_quantity(position),
                trigger_price=Price.from_str("1900.00"),
                ignoring=[profit],
            )
            assert OrderType(stop.order_type) == OrderType.STOP_MARKET
            assert not heir.is_protected(position)
            heir.submit_order(stop, position_id)
            assert not heir.is_protected(position)
            await node.run.until(lambda: stop.is_open)
            assert heir.is_protected(position)
            limit, _ = heir.closing_order(
                position,
                Quantity.from_str("0.25"),
                price=Price.from_str("2050.00"),
                ignoring=[profit, stop],
                tags=["OUT"],
            )
            assert (limit.quantity.as_decimal(), limit.tags) == (Decimal("0.25"), ["OUT"])
            assert OrderType(limit.order_type) == OrderType.LIMIT

    asyncio.run(after())
