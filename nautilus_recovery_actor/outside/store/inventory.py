"""
What the next start of a node would restore, as a whole.
"""

from collections.abc import Iterator

import msgspec

from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.index import MissingEntries
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.positions import RestoredPosition


class BrokenEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A stored entry that a node cannot load."""

    # Where it is
    key: str
    # What is wrong with it, in one line
    why: str
    # Whether it keeps NautilusTrader from starting, which else starts without the entry
    stops_start: bool
    # Whether it was written by 2.0, or is of no use because something else was
    is_of_two: bool = False


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """What the next start of a node would restore."""

    trader_id: str
    # When it was looked at (UNIX ns)
    ts: int
    # The time of the newest event among all that is stored (UNIX ns)
    last_written: int | None = None
    accounts: tuple[RestoredAccount, ...] = ()
    # The open positions, the oldest first
    positions: tuple[RestoredPosition, ...] = ()
    # The orders that are not over, the oldest first: open, in flight, or held by the node
    orders: tuple[RestoredOrder, ...] = ()
    # How many positions are closed
    closed_positions: int = 0
    # How many orders are over
    closed_orders: int = 0
    # How many instruments are stored
    instruments: int = 0
    # The strategies and instruments that any of the entries is of, also what is over
    known_strategies: tuple[str, ...] = ()
    known_instruments: tuple[str, ...] = ()
    # What positions and orders are shown alone, empty if all are, and how many others there are
    shown: str = ""
    hidden_positions: int = 0
    hidden_orders: int = 0
    # The strategies and actors that have saved a state
    states: tuple[str, ...] = ()
    # The entries that a node cannot load
    broken: tuple[BrokenEntry, ...] = ()
    # What the index names and is not stored: a node starts without it, and does not notice
    missing: tuple[MissingEntries, ...] = ()

    @property
    def lost(self) -> str | None:
        """What is named and not stored, in words: the most that one index misses of each kind."""
        parts = []
        for what in ("order", "position"):
            counts = [entry.count for entry in self.missing if entry.what == what]
            if counts:
                parts.append(counted(max(counts), what))
        return " and ".join(parts) or None

    # Which versions of NautilusTrader wrote all this, as far as that can be told
    written_by: tuple[Major, ...] = ()
    # Whose start it is that would restore it
    restored_by: Major = Major.ONE

    @property
    def stops_start(self) -> bool:
        """Whether NautilusTrader cannot start with what is stored."""
        return any(entry.stops_start for entry in self.broken)

    @property
    def is_of_two(self) -> bool:
        """Whether 2.0 has written here, which 1.x cannot read."""
        return Major.TWO in self.written_by

    def of(self, strategy_id: str | None, instrument_id: str | None) -> "Inventory":
        """
        Return the positions and orders of one strategy or one instrument alone, with all the rest.
        """

        def is_meant(entry: RestoredOrder | RestoredPosition) -> bool:
            return strategy_id in {None, entry.strategy_id} and instrument_id in {
                None,
                entry.instrument_id,
            }

        if strategy_id is None and instrument_id is None:
            return self
        positions = tuple(filter(is_meant, self.positions))
        orders = tuple(filter(is_meant, self.orders))
        parts = (strategy_id and f"of {strategy_id}", instrument_id and f"on {instrument_id}")
        return msgspec.structs.replace(
            self,
            positions=positions,
            orders=orders,
            shown=" ".join(filter(None, parts)),
            hidden_positions=len(self.positions) - len(positions),
            hidden_orders=len(self.orders) - len(orders),
        )

    def by_strategy(self) -> Iterator[tuple[str, list[RestoredPosition], list[RestoredOrder]]]:
        """Yield each strategy with its open positions and its orders."""
        positions: dict[str, list[RestoredPosition]] = {}
        orders: dict[str, list[RestoredOrder]] = {}
        for position in self.positions:
            positions.setdefault(position.strategy_id, []).append(position)
        for order in self.orders:
            orders.setdefault(order.strategy_id, []).append(order)
        for strategy_id in sorted(positions.keys() | orders.keys()):
            yield strategy_id, positions.get(strategy_id, []), orders.get(strategy_id, [])

    def summary(self) -> str:
        """Return the essence in one line."""
        open_orders = sum(order.is_open for order in self.orders)
        inflight = sum(order.is_inflight and not order.is_open for order in self.orders)
        pending = sum(order.is_inflight and order.is_open for order in self.orders)
        held = len(self.orders) - open_orders - inflight
        orders = counted(open_orders, "open order")
        if pending:
            orders += f" ({pending} of them in flight)"
        parts = [
            counted(len(self.positions), "open position"),
            orders,
            *([counted(inflight, "order") + " in flight"] if inflight else []),
            *([counted(held, "order") + " held by the node"] if held else []),
            *([] if self.shown else [counted(len(self.accounts), "account")]),
        ]
        if self.lost:
            parts.append(f"without {self.lost} that the index names")
        what = f"{', '.join(parts)}{self._hidden()}; {self._written()}"
        stopping = sum(entry.stops_start for entry in self.broken)
        of_two = sum(entry.is_of_two for entry in self.broken)
        if stopping and of_two == len(self.broken):
            written = "was written" if Major.ONE not in self.written_by else "was last written"
            return (
                f"The cache of {self.trader_id} {written} by NautilusTrader 2.0: 1.x cannot load "
                f"{counted(of_two, 'entry')} of it, and does not start"
            )
        if stopping:
            return (
                f"{self.trader_id} would not start: NautilusTrader fails on "
                f"{counted(stopping, 'broken entry')}. Otherwise it would restore {what}"
            )
        return f"{self.trader_id} would restore {what}"

    def _hidden(self) -> str:
        if not self.shown:
            return ""
        hidden = (
            counted(self.hidden_positions, "open position"),
            counted(self.hidden_orders, "order"),
        )
        return f" {self.shown} (not shown: {' and '.join(hidden)})"

    def _written(self) -> str:
        if self.last_written is None:
            return "no events are stored"
        return f"last written {duration(self.ts - self.last_written)} ago"
