"""
What the newest evidence of each account holds: its last report, and the trades since.
"""

from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import MessageBus
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.happenings import Read
from nautilus_recovery_actor.core.names import EVIDENCE_ENDPOINT
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.protection import unproven
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.way_out import AtVenue
from nautilus_recovery_actor.node.observing.accounts import base_currency
from nautilus_recovery_actor.node.observing.accounts import is_cash
from nautilus_recovery_actor.node.observing.fills import signed_qty
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.positions import cached_position


_ZERO = Decimal(0)
# Of an account's instrument, and of a leg if the venue names legs
_Place = tuple[str, str, str | None]


class Evidence:
    """Answers a gate that asks whether an account really holds what an order would close."""

    def __init__(self, cache: CacheFacade, msgbus: MessageBus, intake: Intake) -> None:
        self._cache = cache
        self._msgbus = msgbus
        self._intake = intake
        # The reports that no epoch has judged yet, by account
        self._reads: dict[str, Read] = {}
        # What the accounts held when they were last judged, and how much the cache held then:
        # every trade since has changed both alike
        self._judged: dict[str, dict[_Place, Decimal]] = {}
        self._cached: dict[_Place, Decimal] = {}
        # The orders that the venue is not known to hold as the cache does
        self.unproven: frozenset[str] = frozenset()

    def open(self) -> None:
        """Register the endpoint."""
        self._msgbus.register(EVIDENCE_ENDPOINT, self._answer)

    def close(self) -> None:
        """Deregister the endpoint."""
        self._msgbus.deregister(EVIDENCE_ENDPOINT, self._answer)

    def _answer(self, take: Callable[["Evidence"], None]) -> None:
        take(self)

    def add(self, account_id: str, read: Read) -> None:
        """Take an account's newest report."""
        self._reads[account_id] = read

    def settle(self, report: RecoveryReport, positions: Iterable[CachedPosition]) -> None:
        """Take what an epoch has proven that ends with `report` and these open positions."""
        self.unproven = unproven(report)
        reads, self._reads = self._reads, {}
        for account_id, read in reads.items():
            self._judged[account_id] = self._held_at(account_id, read())
        kept = {place: qty for place, qty in self._cached.items() if place[0] not in reads}
        self._cached = kept | _held(one for one in positions if one.account_id in reads)
        for fill in report.fills:  # The venue of an account that has not reported made none
            if fill.origin is FillOrigin.SYNTHETIC and fill.account_id not in reads:
                net = (fill.account_id, fill.instrument_id, None)
                self._cached[net] = self._cached.get(net, _ZERO) + fill.qty

    def _held_at(self, account_id: str, venue: VenueReport) -> dict[_Place, Decimal]:
        held: dict[_Place, Decimal] = defaultdict(Decimal)
        legs: list[VenuePosition] = []
        for position in venue.positions:
            held[account_id, position.instrument_id, position.position_id] += position.qty
            if position.position_id is not None:
                legs.append(position)
        for position in legs:
            net = (account_id, position.instrument_id, None)
            if net in held:
                held[net] += position.qty
        for fill in self._since(venue):
            net = (fill.account_id.value, fill.instrument_id.value, None)
            leg = None if fill.position_id is None else fill.position_id.value
            for place in {net, (*net[:2], leg)} & held.keys():
                held[place] += signed_qty(fill)
        return held

    def _since(self, venue: VenueReport) -> Iterator[OrderFilled]:
        # The trades that it does not count for sure
        live_fills = self._intake.live_fills
        yield from islice(live_fills, venue.seen_live_fills, None)
        made_up = self._intake.made_up_fills(self._cache)
        for event in self._intake.flagged[venue.seen_events :]:
            if type(event) is OrderFilled and event not in made_up:
                yield event

    def at_venue(self, position: Position) -> AtVenue | None:
        """Return what the account holds of a position, ``None`` if nothing is known of it."""
        account_id = position.account_id.value
        if is_cash(self._cache, position.account_id):
            base = base_currency(self._cache, position.instrument_id)
            if base is not None:
                total = self._cache.account(position.account_id).balance_total(base)
                return AtVenue(_ZERO if total is None else total.as_decimal())
        net, leg = _places(cached_position(position))
        if (read := self._reads.get(account_id)) is not None:
            venue = read()
            place = leg if any(p.position_id is not None for p in venue.positions) else net
            late = self._late(venue, place, is_long=position.is_long)
            return AtVenue(_reported(venue, place) + sum(late, _ZERO), place is leg)
        judged = self._judged.get(account_id)
        if judged is None:
            return None
        place = leg if any(one[2] is not None for one in judged) else net
        beside = self._cache.positions_open(instrument_id=position.instrument_id)
        held = _held(map(cached_position, beside))
        since = held.get(place, _ZERO) - self._cached.get(place, _ZERO) - self._made_up(place)
        return AtVenue(judged.get(place, _ZERO) + since, place is leg)

    def _made_up(self, place: _Place) -> Decimal:
        # By the engine, in the epoch that is not judged yet
        fills = self._intake.made_up_fills(self._cache)
        new = set(map(id, self._intake.flagged[self._intake.reported_events :]))
        return sum((signed_qty(f) for f in fills if id(f) in new and _is_at(f, place)), _ZERO)

    def _late(
        self, venue: VenueReport, place: _Place, is_long: bool | None = None
    ) -> Iterator[Decimal]:
        # A trade that crossed the report counts where it makes the evidence smaller
        for index, fill in enumerate(self._intake.live_fills):
            is_late = index >= venue.seen_live_fills
            qty = signed_qty(fill)
            is_smaller = is_long is not None and (qty < 0) == is_long
            if _is_at(fill, place) and (is_late or (fill.ts_init > venue.ts and is_smaller)):
                yield qty
        made_up = self._intake.made_up_fills(self._cache)
        for event in self._intake.flagged[venue.seen_events :]:
            if type(event) is OrderFilled and event not in made_up and _is_at(event, place):
                yield signed_qty(event)


def _places(position: CachedPosition) -> tuple[_Place, _Place]:
    net = (position.account_id, position.instrument_id, None)
    return net, (*net[:2], position.position_id)


def _held(positions: Iterable[CachedPosition]) -> dict[_Place, Decimal]:
    held: dict[_Place, Decimal] = defaultdict(Decimal)
    for position in positions:
        for place in _places(position):
            held[place] += position.qty
    return held


def _reported(venue: VenueReport, place: _Place) -> Decimal:
    _, instrument_id, leg = place
    return sum(
        (
            position.qty
            for position in venue.positions
            if position.instrument_id == instrument_id and leg in (None, position.position_id)
        ),
        _ZERO,
    )


def _is_at(fill: OrderFilled, place: _Place) -> bool:
    account_id, instrument_id, leg = place
    return bool(
        fill.account_id.value == account_id
        and fill.instrument_id.value == instrument_id
        and (leg is None or (fill.position_id is not None and fill.position_id.value == leg))
    )
