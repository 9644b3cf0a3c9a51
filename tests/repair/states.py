"""
The wrong states (long: a table).

What a strategy does, what happens at the venue while its node is away or deaf, and what the venue
leaves out of its answers, so that the cache ends different from the venue.

Each has a symbol and a strategy of its own, so that one node gets into many of them at once. The
price starts at 100.
"""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nautilus_trader

from tests.restart.cells import Step
from tests.restart.judge import Wrong
from tests.venues.binance.control import FakeBinance


Kinds = frozenset[str]

IS_1_221 = nautilus_trader.__version__ == "1.221.0"

_POSITIONS = ("GET positionRisk",)
_TRADES = ("GET userTrades",)
_ORDERS = ("GET allOrders", "GET allAlgoOrders")
_OPEN_ORDERS = ("GET openOrders",)

_ADJUSTS_WINDOWS = "1.221 puts no fill of its own into a mass status"
_KEEPS_IDS = "to the adapter of 1.221 a stop that triggers keeps its ID"


class Story:
    """What happens to one symbol at the venue, told by the names of the strategy's steps."""

    def __init__(self, venue: FakeBinance, symbol: str, ids: Mapping[str, str]) -> None:
        self._venue = venue
        self._symbol = symbol
        self._ids = ids

    def trade(self, side: str, qty: str, *, is_told: bool = True) -> None:
        """Trade from a phone. What is not told is in no answer afterwards."""
        placed = self._place(side, qty, type="MARKET")
        if not is_told:
            self._venue.forget_order(placed["clientOrderId"])

    def rest(self, side: str, qty: str, price: str) -> None:
        """Place a limit order from a phone."""
        self._place(side, qty, type="LIMIT", price=price, timeInForce="GTC")

    def fill(self, name: str, qty: str) -> None:
        self._venue.fill(self._ids[name], qty)

    def cancel(self, name: str) -> None:
        self._venue.cancel(self._ids[name])

    def forget(self, name: str) -> None:
        """Let an order be unknown to the venue."""
        self._venue.forget_order(self._ids[name])

    def price(self, price: str) -> None:
        self._venue.set_price(self._symbol, price)

    def week(self) -> None:
        """Let a week pass: the venue lists nothing of what ended before."""
        self._venue.forget_history(self._symbol)

    def mute(self) -> None:
        """Let the user stream say nothing more of this symbol."""
        self._venue.mute(self._symbol)

    def _place(self, side: str, qty: str, **fields: str) -> dict[str, Any]:
        return self._venue.place(symbol=self._symbol, side=side, quantity=qty, **fields)


Event = Callable[[Story], None]


def _nothing(_: Story) -> None:
    pass


@dataclass(frozen=True)
class WrongState:
    """
    One way in which a cache comes to differ from the venue.

    Parameters
    ----------
    name : str
        What differs.
    number : int
        Which symbol it has.
    steps : tuple[Step, ...]
        What the strategy sends before its node is killed.
    slices : int
        In how many trades a market order is filled.
    away : Event
        What happens until the node comes back.
    left_out : tuple[str, ...]
        The endpoints that leave the symbol out until the engine has reconciled.
    live : Event
        What happens once it has.
    is_claimed : bool
        If the strategy claims external orders from the beginning, and not only later.
    needs_duplicates : bool
        If it arises from trades that the adapter reports twice. Otherwise those are corrected, so
        that this and nothing else differs.
    wrong : frozenset[Wrong]
        How the cache differs then from the venue.
    kinds : frozenset[str]
        What the monitor says of it by then, without a repair, where it notices.
    is_taken_up : bool
        If the next start takes it up by itself, so that nothing is left to repair.
    is_inferred : bool
        If the engine infers a fill from its order, so that its fee is not known to anybody.
    is_difference : bool
        If quantities differ: of parts on one side, of one owner, nothing is wrong but their number.
    absent : str
        Why it does not arise on this version, empty if it does.

    """

    name: str
    number: int
    steps: tuple[Step, ...] = ()
    slices: int = 1
    away: Event = _nothing
    left_out: tuple[str, ...] = ()
    live: Event = _nothing
    is_claimed: bool = True
    needs_duplicates: bool = False
    wrong: frozenset[Wrong] = frozenset()
    kinds: Kinds = frozenset()
    is_taken_up: bool = False
    is_inferred: bool = False
    is_difference: bool = True
    absent: str = ""

    @property
    def base(self) -> str:
        return f"W{self.number:02}"

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
    def is_live(self) -> bool:
        """Whether it arises while the node runs, and a restart would heal it."""
        return self.live is not _nothing

    def __str__(self) -> str:
        return self.name


def _buy(qty: str, name: str = "entry") -> Step:
    return Step(name, "BUY", qty)


def _sell(qty: str, name: str = "exit") -> Step:
    return Step(name, "SELL", qty)


def _stop(qty: str = "1") -> Step:
    return Step("stop", "SELL", qty, trigger="90.00", reduce_only=True)


_BID = Step("bid", "BUY", "1", price="95.00")
_STOP_ENTRY = Step("entry", "BUY", "1", trigger="120.00")
_HELD = (_buy("1"), _stop())


def _all(*events: Event) -> Event:
    def happen(story: Story) -> None:
        for event in events:
            event(story)

    return happen


def _deaf(*events: Event) -> Event:
    return _all(Story.mute, *events)


def _halve(story: Story) -> None:
    story.price("103.00")
    story.trade("SELL", "0.5")


def _unheard_of(qty: str) -> Event:
    return lambda story: story.trade("SELL", qty, is_told=False)


_SPLIT = frozenset({"SPLIT_OWNERSHIP"})
_CONTRARY: dict[str, Any] = {"wrong": frozenset({Wrong.PHANTOM}), "kinds": _SPLIT}
_TWICE: dict[str, Any] = {
    **_CONTRARY,
    "needs_duplicates": True,
    "absent": _ADJUSTS_WINDOWS if IS_1_221 else "",
}
_NOT_EQUAL = frozenset({"POSITION_QTY_MISMATCH"})
_CHANGED = frozenset({"ORDER_MISMATCH"})
_STALE: dict[str, Any] = {"steps": _HELD, "wrong": frozenset({Wrong.ORDER})}
_MISSED: dict[str, Any] = {
    "steps": (_buy("1"), _BID),
    "wrong": frozenset({Wrong.QUANTITY, Wrong.PRICE, Wrong.ORDER}),
}
_UNKNOWN: dict[str, Any] = {"steps": (_buy("1"),), "wrong": frozenset({Wrong.ORDER})}

_NAMED: dict[str, dict[str, Any]] = {
    # -- MADE UP FROM TRADES REPORTED TWICE --
    "one-fill phantom": {**_TWICE, "steps": (_buy("0.1"),), "kinds": _SPLIT | _NOT_EQUAL},
    "three contrary positions": {
        **_TWICE,
        "steps": (_buy("0.12"), _buy("0.12", "more")),
        "slices": 3,
    },
    "entry triggered": {
        **_TWICE,
        "steps": (_STOP_ENTRY,),
        "away": lambda story: story.price("120.00"),
        "kinds": _SPLIT | _NOT_EQUAL,
        "absent": _KEEPS_IDS if IS_1_221 else "",
    },
    "stop of a part triggered": {
        **_TWICE,
        "steps": (_buy("2"), _stop()),
        "away": lambda story: story.price("90.00"),
        "absent": _KEEPS_IDS if IS_1_221 else "",
    },
    "halved by hand": {**_TWICE, "steps": (_buy("1"),), "away": _halve},
    "stale order dropped": {
        **_STALE,
        "steps": (_buy("1", "first"), _stop(), _sell("1"), _buy("1")),
        "away": lambda story: story.cancel("stop"),
        "kinds": _CHANGED,
        "needs_duplicates": True,
        "absent": _ADJUSTS_WINDOWS if IS_1_221 else "",
    },
    # -- GONE --
    "gone with its stop": {
        "steps": _HELD,
        "away": _all(_unheard_of("1"), lambda story: story.forget("stop")),
        "wrong": frozenset({Wrong.PHANTOM, Wrong.ORDER}),
        "kinds": _SPLIT | {"ORDER_NOT_AT_VENUE"},
    },
    "gone without its stop": {
        "steps": _HELD,
        "away": _unheard_of("1"),
        "wrong": frozenset({Wrong.PHANTOM}),
        "kinds": _SPLIT,
    },
    "gone for a week": {
        "steps": _HELD,
        "away": _all(
            lambda story: story.trade("SELL", "1"), lambda story: story.cancel("stop"), Story.week
        ),
        "wrong": frozenset({Wrong.PHANTOM, Wrong.ORDER}),
        "kinds": _SPLIT | _CHANGED,
    },
    "halved by hand and not told": {**_CONTRARY, "steps": (_buy("1"),), "away": _unheard_of("0.5")},
    "contrary to what is held": {
        "steps": _HELD,
        "left_out": _POSITIONS,
        "wrong": frozenset({Wrong.PHANTOM}),
        "kinds": _SPLIT | _NOT_EQUAL,
    },
    # -- TRADES --
    "stop triggered, its trade left out": {
        "steps": _HELD,
        "away": lambda story: story.price("90.00"),
        "left_out": _TRADES,
        "wrong": frozenset({Wrong.PHANTOM}),
        "kinds": _SPLIT,
        "is_inferred": True,
    },
    "fill left out": {
        "steps": (_buy("1"), _BID),
        "away": lambda story: story.fill("bid", "1"),
        "left_out": _TRADES,
        "wrong": frozenset({Wrong.PHANTOM}),
        "is_difference": False,
    },
    "fill and its order left out": {
        "steps": (_buy("1"), _BID),
        "away": lambda story: story.fill("bid", "1"),
        "left_out": _TRADES + _ORDERS,
        "wrong": frozenset({Wrong.PHANTOM, Wrong.ORDER}),
        "kinds": _SPLIT | _CHANGED,
    },
    "entry triggered a week ago": {
        "steps": (_STOP_ENTRY,),
        "away": _all(lambda story: story.price("120.00"), Story.week),
        "wrong": frozenset({Wrong.ORDER}),
        "kinds": _CHANGED,
    },
    "fill not heard": {**_MISSED, "live": _deaf(lambda story: story.fill("bid", "1"))},
    "part of a fill not heard": {**_MISSED, "live": _deaf(lambda story: story.fill("bid", "0.4"))},
    "halved by hand and not heard": {
        "steps": (_buy("1"),),
        "live": _deaf(_halve),
        "wrong": frozenset({Wrong.QUANTITY, Wrong.ORDER}),
    },
    # -- ORDERS --
    "order not heard": {**_UNKNOWN, "live": _deaf(lambda story: story.rest("SELL", "1", "130.00"))},
    "order left out": {
        **_UNKNOWN,
        "away": lambda story: story.rest("SELL", "1", "130.00"),
        "left_out": _OPEN_ORDERS + _ORDERS,
        "is_taken_up": True,
        "kinds": frozenset({"ORDER_NOT_IN_CACHE"}),
    },
    "stale order not heard": {**_STALE, "live": _deaf(lambda story: story.cancel("stop"))},
    "stale order unknown": {
        **_STALE,
        "away": lambda story: story.forget("stop"),
        "kinds": frozenset({"ORDER_NOT_AT_VENUE"}),
    },
    # -- OWNERS --
    "external claimed later": {
        "away": lambda story: story.trade("BUY", "1"),
        "is_claimed": False,
        "wrong": frozenset({Wrong.OWNER}),
        "kinds": frozenset({"UNCLAIMED_POSITION"}),
    },
}

STATES = tuple(
    WrongState(name, number, **fields) for number, (name, fields) in enumerate(_NAMED.items())
)


def named(*names: str) -> tuple[WrongState, ...]:
    """Return states by name."""
    known = {state.name: state for state in STATES}
    return tuple(known[name] for name in names)
