"""
What came over the bus of NautilusTrader 2.0: what venues reported, what was reconciled, who traded.
"""

from collections.abc import Callable
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec.structs import replace

from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.host import told
from nautilus_recovery_actor.host.told import Event
from nautilus_recovery_actor.host.told import Fill
from nautilus_recovery_actor.host.told import News
from nautilus_recovery_actor.host.told import OrderReport
from nautilus_recovery_actor.host.told import PositionReport
from nautilus_recovery_actor.host.told import Told
from nautilus_recovery_actor.host.told import TradeReport


class Origin(NamedTuple):
    """What the cache knows of an order."""

    placed_here: bool
    tags: Sequence[str]


# Of an order, by its client order ID and its venue order ID, as far as they are known
OriginOf = Callable[[str | None, str | None], Origin]


class Bus:
    """
    Keeps what came, until it is judged.

    At the mark all that was reported and reconciled at the start has come. A report at run time
    counts if it is of an order that somebody else placed.
    """

    def __init__(self, origin_of: OriginOf) -> None:
        self._origin_of = origin_of
        self._orders: dict[tuple[str, str], OrderReport] = {}
        self._positions: dict[tuple[str, str, str | None], PositionReport] = {}
        self._trades: set[tuple[str, str]] = set()
        self._live: dict[tuple[str, ...], ObservedFill] = {}
        self._seen_events = 0
        self.flagged: list[Event | Fill] = []
        self.accounts: set[str] = set()
        # What was reported or reconciled
        self.order_ids: set[str] = set()
        self.instruments: set[str] = set()
        # How many events of orders have come
        self.events = 0
        self.is_marked = False
        # When the trader started (UNIX ns): what was reported is older
        self.ts_mark = 0

    def take(self, news: News, known: Callable[[], frozenset[str]]) -> set[str]:
        """Take what came, and return the accounts about which it has to be judged."""
        if news.is_mark:
            self.is_marked, self._seen_events = True, len(self.flagged)
            return set(known())
        self.events += news.events
        self.accounts |= news.accounts
        self._orders |= news.orders
        self._trades |= news.trades
        self.flagged += news.flagged
        self.order_ids |= news.order_ids
        self.instruments |= news.instruments
        for event in news.fills:
            self._add(event)
        if not self.is_marked:
            self._positions |= news.positions
            return set()
        # The engine asks for one position at a time then: it is not the account's
        flagged = {one.account_id for one in news.flagged if isinstance(one, Fill)}
        return flagged | {one.account_id for one in news.reports if self._is_strangers(one)}

    def _is_strangers(self, report: OrderReport | TradeReport) -> bool:
        return not self._origin_of(report.client_order_id, report.venue_order_id).placed_here

    def _add(self, event: Fill) -> None:
        origin = self._origin_of(event.client_order_id, None)
        fill = told.observed_fill(event, 0, origin.tags, placed_here=origin.placed_here)
        key = (fill.account_id, fill.instrument_id, fill.strategy_id, fill.position_id or "")
        if (before := self._live.get(key)) is not None:  # Only the sum matters, and it is small
            fill = replace(fill, qty=before.qty + fill.qty)
        self._live[key] = fill

    # -- WHAT IS THERE --

    def told(self) -> Told:
        """Return what came so far."""
        return Told(
            self._orders.copy(),
            self._positions.copy(),
            self._trades.copy(),
            self.flagged.copy(),
            tuple(self._live.values()),
            self.ts_mark,
            self._seen_events,
        )

    def report(self, account_id: str) -> VenueReport:
        """Return what the venue has reported of an account."""
        return self.told().report(account_id)

    def held(self, account_id: str, instrument_id: str) -> Decimal | None:
        """Return what an account holds, by its report and the trades since, ``None`` if unknown."""
        if not self.is_marked:
            return None
        place = (account_id, instrument_id)
        held = [one.signed_decimal_qty for at, one in self._positions.items() if at[:2] == place]
        return sum((*held, *(o.qty for k, o in self._live.items() if k[:2] == place)), Decimal(0))
