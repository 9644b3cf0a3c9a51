"""
What is held and covered at the venue, and what it does while no node lives.
"""

from decimal import Decimal
from typing import NamedTuple

from crashtest.claims import Cover
from crashtest.plan import Meanwhile
from crashtest.strategy import STOP_PX
from crashtest.strategy import SYMBOL
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit.controls import AccountState
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderState


TICK = Decimal("0.01")


class Seen(NamedTuple):
    """
    What there was when a node started.
    """

    cover: Cover
    stops: frozenset[str]
    submits: int


class Market:
    """
    The venue, as the crash test looks at it.
    """

    def __init__(self, venue: PaperVenue) -> None:
        self._venue = venue

    def cover(self) -> Cover:
        """
        Return the position, and the quantity of its stops.
        """
        state = self._venue.state()
        stops = sum((stop.leaves_qty for stop in _stops(state)), Decimal(0))
        held = sum((p.qty for p in state.positions if p.symbol == SYMBOL), Decimal(0))
        return Cover(held, stops)

    def look(self) -> Seen:
        """
        Return what there is now.
        """
        stops = frozenset(stop.venue_order_id for stop in _stops(self._venue.state()))
        return Seen(self.cover(), stops, len(self._venue.submitted()))

    def sent(self, seen: Seen) -> list[Order]:
        """
        Return the orders that came since.
        """
        sent = self._venue.submitted()[seen.submits :]
        return [order for order in self._venue.state().orders if order.client_order_id in sent]

    def canceled(self, seen: Seen) -> list[str]:
        """
        Return the stops that were canceled since.
        """
        return [
            order.client_order_id or order.venue_order_id
            for order in self._venue.state().orders
            if order.venue_order_id in seen.stops and order.state is OrderState.CANCELED
        ]

    def go_on(self, meanwhile: Meanwhile, px: Decimal) -> None:
        """
        Do what the venue does while no node lives, and end at a price.
        """
        venue = self._venue
        state = venue.state()
        entries = [order for order in state.orders if order.state.is_open and order.side == "BUY"]
        stops = [order.venue_order_id for order in _stops(state)]
        match meanwhile:
            case Meanwhile.FILLS_ENTRIES:
                for order in entries:
                    venue.fill(order.venue_order_id)
            case Meanwhile.FILLS_PARTS:
                for order in entries:
                    half = (order.leaves_qty / 2).quantize(Decimal("0.001"))
                    if half:
                        venue.fill(order.venue_order_id, half)
            case Meanwhile.CANCELS_ENTRIES if entries:
                venue.cancel(*(order.venue_order_id for order in entries))
            case Meanwhile.CANCELS_STOPS if stops:
                venue.cancel(*stops)
            case Meanwhile.TRIGGERS_STOPS:
                venue.set_price(SYMBOL, STOP_PX - TICK)
                venue.set_price(SYMBOL, px)


def _stops(state: AccountState) -> list[Order]:
    return [order for order in state.orders if order.state.is_open and order.side == "SELL"]
