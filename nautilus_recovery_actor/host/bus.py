"""
What came over the bus of NautilusTrader 2.0: what venues reported, what was reconciled, who traded.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from typing import NamedTuple

from msgspec.structs import replace

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.host import told
from nautilus_recovery_actor.link.stream import MARK_TOPIC
from nautilus_recovery_actor.link.stream import RAW_REPORTS
from nautilus_recovery_actor.link.stream import Entry


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
        self._raw: list[Mapping[str, Any]] = []
        self._live: dict[tuple[str, ...], ObservedFill] = {}
        self._seen_events = 0
        self.flagged: list[Mapping[str, Any]] = []
        self.accounts: set[str] = set()
        self.is_marked = False
        # When the trader started (UNIX ns): what was reported is older
        self.ts_mark = 0

    def take(self, entries: Sequence[Entry], known: Callable[[], frozenset[str]]) -> set[str]:
        """Take what came, and return the accounts about which it has to be judged."""
        concerned: set[str] = set()
        for topic, payload in entries:
            if topic == MARK_TOPIC:
                self.is_marked, self._seen_events = True, len(self.flagged)
                concerned |= known()
            elif topic.startswith(RAW_REPORTS):
                concerned |= self._on_report(payload)
            elif topic.startswith(names.ORDER_EVENTS):
                concerned |= self._on_event(next(iter(payload.values())))
            else:
                self.accounts.add(topic.rpartition(".")[2])
        return concerned

    def _on_report(self, report: Mapping[str, Any]) -> set[str]:
        is_position = report["type"] == "PositionStatusReport"
        if self.is_marked and is_position:
            return set()  # The engine asks for one position at a time: it is not the account's
        self._raw.append(report)
        if not self.is_marked:
            return set()
        ids = (report.get("client_order_id"), report["venue_order_id"])
        return set() if self._origin_of(*ids).placed_here else {report["account_id"]}

    def _on_event(self, event: Mapping[str, Any]) -> set[str]:
        is_fill = event["type"] == "OrderFilled"
        if event.get("reconciliation"):
            self.flagged.append(event)
            return {event["account_id"]} if self.is_marked and is_fill else set()
        if is_fill:
            fill = self._fill(event, 0)
            key = (fill.account_id, fill.instrument_id, fill.strategy_id, fill.position_id or "")
            if (before := self._live.get(key)) is not None:  # Only the sum matters, and it is small
                fill = replace(fill, qty=before.qty + fill.qty)
            self._live[key] = fill
        return set()

    def _fill(self, event: Mapping[str, Any], index: int) -> ObservedFill:
        origin = self._origin_of(event["client_order_id"], None)
        return told.observed_fill(event, index, origin.tags, placed_here=origin.placed_here)

    # -- WHAT IS THERE --

    def fills(self) -> tuple[ObservedFill, ...]:
        """Return the flagged fills."""
        fills = enumerate(self.flagged)
        return tuple(self._fill(one, i) for i, one in fills if one["type"] == "OrderFilled")

    def live_fills(self) -> tuple[ObservedFill, ...]:
        """Return what was traded without a flag, one for each position."""
        return tuple(self._live.values())

    def report(self, account_id: str) -> VenueReport:
        """Return what the venue has reported of an account."""
        own = [one for one in self._raw if one["account_id"] == account_id]
        return told.venue_report(account_id, self.ts_mark, self._seen_events, own)

    def held(self, account_id: str, instrument_id: str) -> Decimal | None:
        """Return what an account holds, by its report and the trades since, ``None`` if unknown."""
        if not self.is_marked:
            return None
        reported = self.report(account_id).positions
        held = [one.qty for one in reported if one.instrument_id == instrument_id]
        place = (account_id, instrument_id)
        return sum((*held, *(o.qty for k, o in self._live.items() if k[:2] == place)), Decimal(0))
