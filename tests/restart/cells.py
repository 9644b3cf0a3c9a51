"""
The cells of the matrix: what a strategy holds and has working when its node goes away, and what
happens at the venue meanwhile. Each cell has a symbol and a strategy of its own.

The price starts at 100. Where nothing is held, the orders are entries: a stop above, a limit below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from tests.venues.binance.control import FakeBinance


class Holding(StrEnum):
    FLAT = "flat"
    LONG = "long"
    SHORT = "short"
    SEVERAL_FILLS = "several fills"
    ROUND_TRIPS = "several round trips"
    FLIP = "flip while away"


class Working(StrEnum):
    NONE = "no orders"
    STOP = "resting stop"
    BRACKET = "bracket"
    TRIGGERED = "stop triggered while away"
    CANCELED = "stop canceled at the venue while away"
    PARTLY_FILLED = "entry filled in part while away"


@dataclass(frozen=True)
class Step:
    """One order that the strategy sends: market without a price, stop with a trigger."""

    name: str
    side: str
    qty: str
    price: str | None = None
    trigger: str | None = None
    reduce_only: bool = False


class Plan(Protocol):
    """What one strategy holds and has working, on a symbol of its own."""

    @property
    def name(self) -> str:
        """What it is."""

    @property
    def symbol(self) -> str:
        """The venue's symbol."""

    @property
    def instrument_id(self) -> str:
        """As the adapter spells it."""

    @property
    def strategy_id(self) -> str:
        """Whose it is."""

    @property
    def steps(self) -> Sequence[Step]:
        """What the strategy sends, one after another."""


# Signed market orders, one after another
_ENTRIES = {
    Holding.FLAT: (1, -1),
    Holding.LONG: (1,),
    Holding.SHORT: (-1,),
    Holding.SEVERAL_FILLS: (1, 1),
    Holding.ROUND_TRIPS: (1, -1, -1, 1, 1),
    Holding.FLIP: (1,),
}
_FLIP_AT = "110.00"
_HELD = {Holding.FLAT: 0, Holding.SHORT: -1, Holding.SEVERAL_FILLS: 2, Holding.FLIP: -1}


@dataclass(frozen=True)
class Cell:
    """
    One position with one set of orders.

    What `held` says is what the strategy holds in the end, without its orders.
    """

    holding: Holding
    working: Working

    @property
    def name(self) -> str:
        return f"{self.holding}, {self.working}"

    @property
    def base(self) -> str:
        row, column = list(Holding).index(self.holding), list(Working).index(self.working)
        return f"C{row}{column}"

    @property
    def symbol(self) -> str:
        return f"{self.base}USDT"

    @property
    def instrument_id(self) -> str:
        """As the adapter spells it."""
        return f"{self.symbol}-PERP.BINANCE"

    @property
    def strategy_id(self) -> str:
        return f"Cell-{self.base}"

    @property
    def held(self) -> int:
        return _HELD.get(self.holding, 1)

    @property
    def steps(self) -> tuple[Step, ...]:
        """What the strategy sends before its node goes away, one after another."""
        entries = (
            Step(f"entry{number}", _side(qty), str(abs(qty)))
            for number, qty in enumerate(_ENTRIES[self.holding])
        )
        flip = Step("flip", "SELL", "2", price=_FLIP_AT)
        return (*entries, *([flip] if self.holding is Holding.FLIP else ()), *self._orders)

    @property
    def _orders(self) -> tuple[Step, ...]:
        match self.working:
            case Working.NONE:
                return ()
            case Working.BRACKET:
                return (self._stop, self._target)
            case Working.PARTLY_FILLED:
                return (self._add,)
        return (self._stop,)

    @property
    def _stop(self) -> Step:
        side = "SELL" if self.held > 0 else "BUY"
        trigger = "90.00" if side == "SELL" else "120.00"
        return Step("stop", side, self._exit_qty, trigger=trigger, reduce_only=self._reduces)

    @property
    def _target(self) -> Step:
        side = "SELL" if self.held > 0 else "BUY"
        price = "130.00" if side == "SELL" else "80.00"
        return Step("target", side, self._exit_qty, price=price, reduce_only=self._reduces)

    @property
    def _add(self) -> Step:
        side = "SELL" if self.held < 0 else "BUY"
        above = "115.00" if self.holding is Holding.FLIP else "105.00"
        return Step("add", side, "2", price="95.00" if side == "BUY" else above)

    @property
    def _exit_qty(self) -> str:
        return str(abs(self.held) or 1)

    @property
    def _reduces(self) -> bool:
        # The exit of a position that is still to come cannot be flagged so
        return self.holding not in (Holding.FLAT, Holding.FLIP)

    def prepare(self, venue: FakeBinance) -> None:
        """Set up the venue before the strategy begins."""
        if self.holding is Holding.SEVERAL_FILLS:
            venue.set_slices(self.symbol, 3)

    def happen(self, venue: FakeBinance, client_ids: dict[str, str]) -> None:
        """Let happen at the venue what happens while the node is away."""
        if self.holding is Holding.FLIP:
            venue.set_price(self.symbol, _FLIP_AT)
        if self.working is Working.TRIGGERED:
            assert self._stop.trigger
            venue.set_price(self.symbol, self._stop.trigger)
        elif self.working is Working.CANCELED:
            venue.cancel(client_ids["stop"])
        elif self.working is Working.PARTLY_FILLED:
            venue.fill(client_ids["add"], "0.5")

    @property
    def expected_qty(self) -> Decimal:
        """What the venue holds when the node comes back."""
        held = Decimal(self.held)
        if self.working is Working.TRIGGERED:
            return held + (1 if self.held <= 0 else -held)
        if self.working is Working.PARTLY_FILLED:
            return held + (Decimal("0.5") if self.held >= 0 else Decimal("-0.5"))
        return held


CELLS = tuple(Cell(holding, working) for holding in Holding for working in Working)


def _side(signed: int) -> str:
    return "BUY" if signed > 0 else "SELL"
