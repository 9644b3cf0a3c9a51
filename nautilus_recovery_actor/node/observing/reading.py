"""
What was read of the cache, kept until it changes (long: all of it is read at one instant).

So most of it can be read in slices, between which the event loop has its turn.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any
from typing import Generic
from typing import NamedTuple
from typing import TypeVar

import msgspec
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.protection import OwnOrder
from nautilus_recovery_actor.node.observing.accounts import is_cash
from nautilus_recovery_actor.node.observing.exits import own_order
from nautilus_recovery_actor.node.observing.orders import cached_order
from nautilus_recovery_actor.node.observing.positions import read_position


_EMULATED = OrderStatus.EMULATED.name
# What is read before the event loop has its turn
SLICE = 100
_K = TypeVar("_K")
_T = TypeVar("_T")
_V = TypeVar("_V")


def at_once(steps: Iterable[None]) -> None:
    """Do all of it now."""
    for _ in steps:
        pass


async def in_turns(steps: Iterable[None]) -> None:
    """Do it slice by slice."""
    for _ in steps:
        await asyncio.sleep(0)


class _Kept(Generic[_K, _T, _V]):
    # What was made of each thing, until its stamp changes. There may be ten thousand, and the
    # stamps of all are looked at in one slice

    def __init__(
        self, stamps: Callable[[Collection[_T]], Iterable[Any]], make: Callable[[_T], _V]
    ) -> None:
        self._stamps_of = stamps
        self._make = make
        self._things: dict[_K, _T] = {}
        self._stamps: dict[_K, Any] = {}
        self.made: dict[_K, _V] = {}
        # How often something was made, or let go of
        self.changes = 0

    def forget(self, key: _K) -> None:
        """Have it made again."""
        self.changes += 1
        self._things.pop(key, None)
        self._stamps.pop(key, None)
        self.made.pop(key, None)

    def follow(self, keys: AbstractSet[_K], find: Callable[[_K], _T | None]) -> Iterator[None]:
        """Make what is new or has changed, and let go of all but `keys`."""
        due: list[_K] = []
        if self._things.keys() != keys:
            for key in self._things.keys() - keys:
                self.forget(key)
            due += keys - self._things.keys()
        seen = zip(self._stamps.items(), self._stamps_of(self._things.values()), strict=True)
        due += [key for (key, old), new in seen if old != new]
        for number, key in enumerate(due, 1):
            thing = find(key)
            if thing is None:
                self.forget(key)
            else:
                self._things[key] = thing
                (self._stamps[key],) = self._stamps_of((thing,))
                self.made[key] = self._make(thing)
                self.changes += 1
            if number % SLICE == 0:
                yield


class _OrderAndParent(msgspec.Struct, frozen=True, gc=False):
    order: Order
    parent: Order | None


class _Named(NamedTuple):
    # What a venue names: its instruments, and its open orders by either id
    instruments: frozenset[str]
    orders: frozenset[ClientOrderId]
    numbers: tuple[VenueOrderId, ...]


class Reading:
    """Reads the cache for one epoch."""

    def __init__(
        self, cache: CacheFacade, restored: Mapping[ClientOrderId, int], ts_registered: int
    ) -> None:
        self._cache = cache
        self._restored = restored
        self._ts_registered = ts_registered
        self._orders = _Kept[ClientOrderId, _OrderAndParent, tuple[CachedOrder, OwnOrder]](
            _events, self._made
        )
        self._positions = _Kept[PositionId, Position, CachedPosition](
            self._states, self._read_position
        )
        # The report is kept with what it names, so that no other one can have its `id`
        self._named: dict[int, tuple[VenueReport | Answer, _Named]] = {}
        self._late: Mapping[ClientOrderId, list[OrderEvent]] = {}
        self._current: tuple[int, ...] = ()
        self._increments: dict[str, Decimal] = {}
        self._unloaded: set[str] = set()
        self._alive: AbstractSet[ClientOrderId] = frozenset()
        self._listed: tuple[int, tuple[CachedOrder, ...], tuple[OwnOrder, ...]] = (-1, (), ())
        self._local: AbstractSet[ClientOrderId] = frozenset()
        self._order_accounts: tuple[object, frozenset[str | None]] = (None, frozenset())

    def steps(
        self,
        reports: Iterable[VenueReport | Answer],
        late: Mapping[ClientOrderId, list[OrderEvent]],
    ) -> Iterator[None]:
        """Read what has changed since it was read last; `late` events came after the reports."""
        cache, reports = self._cache, tuple(reports)
        for report in reports:
            if id(report) not in self._named:
                yield from self._note(report)
        self._current = tuple(map(id, reports))
        self._named = {each: self._named[each] for each in self._current}
        self._look_for(self._unloaded)
        for client_order_id in self._late.keys() | late.keys():
            if self._late.get(client_order_id) != late.get(client_order_id):
                self._orders.forget(client_order_id)
        self._late = late
        sent = cache.client_order_ids_open() | cache.client_order_ids_inflight()
        emulated = cache.client_order_ids_emulated()
        self._alive = sent | emulated
        reported = self._reported(self._alive)
        named = (self._named[each][1].orders for each in self._current)
        self._local = (emulated - sent - reported).difference(*named)
        yield
        yield from self._orders.follow(self._alive | reported, self._find)
        yield
        yield from self._positions.follow(cache.position_open_ids(), cache.position)
        yield
        self._list()
        yield
        self._note_accounts()

    def _note(self, report: VenueReport | Answer) -> Iterator[None]:
        instruments = {position.instrument_id for position in report.positions}
        orders: set[ClientOrderId] = set()
        numbers: list[VenueOrderId] = []
        for number, order in enumerate(report.orders, 1):
            instruments.add(order.instrument_id)
            if order.is_open and order.client_order_id is not None:
                orders.add(self._own(ClientOrderId(order.client_order_id)))
            elif order.is_open:
                numbers.append(VenueOrderId(order.venue_order_id))
            if number % (10 * SLICE) == 0:
                yield
        named = _Named(frozenset(instruments), frozenset(orders), tuple(numbers))
        self._named[id(report)] = report, named
        yield
        self._look_for(instruments - self._increments.keys())

    def _own(self, client_order_id: ClientOrderId) -> ClientOrderId:
        # Sets of the cache's own are compared many times faster than of equal ones
        order = self._cache.order(client_order_id)
        return client_order_id if order is None else order.client_order_id

    def _look_for(self, instruments: Iterable[str]) -> None:
        for value in tuple(instruments):
            instrument = self._cache.instrument(InstrumentId.from_str(value))
            if instrument is None:
                self._unloaded.add(value)
            else:
                self._unloaded.discard(value)
                self._increments[value] = instrument.size_increment.as_decimal()

    def _reported(self, alive: AbstractSet[ClientOrderId]) -> AbstractSet[ClientOrderId]:
        # Those that the cache has, and that are over or have a number alone
        cache = self._cache
        found: set[ClientOrderId] = set()
        for each in self._current:
            named = self._named[each][1]
            found |= {each for each in named.orders - alive if cache.order(each) is not None}
            found.update(filter(None, map(cache.client_order_id, named.numbers)))
        return found

    def _find(self, client_order_id: ClientOrderId) -> _OrderAndParent | None:
        order = self._cache.order(client_order_id)
        if order is None:
            return None
        is_child = order.parent_order_id is not None
        return _OrderAndParent(
            order, self._cache.order(order.parent_order_id) if is_child else None
        )

    def _made(self, found: _OrderAndParent) -> tuple[CachedOrder, OwnOrder]:
        order = found.order
        late = self._late.get(order.client_order_id, ())
        restored = self._restored.get(order.client_order_id, 0)
        return (
            cached_order(order, late, restored),
            own_order(self._cache, order, self._ts_registered),
        )

    def _read_position(self, position: Position) -> CachedPosition:
        return read_position(self._cache, position)

    def _states(
        self, positions: Collection[Position]
    ) -> list[tuple[int, float, OrderEvent | None, bool]]:
        # Whether an account is a cash account is known once its state has come
        of_cash = {
            account_id: is_cash(self._cache, account_id)
            for account_id in {position.account_id for position in positions}
        }
        # One that is closed and opened anew by as much may be the same object (seen on 1.221)
        return [
            (one.event_count, one.signed_qty, one.last_event, of_cash[one.account_id])
            for one in positions
        ]

    def _note_accounts(self) -> None:
        if self._order_accounts[0] is not self._listed:
            live = self._listed[2]
            own = frozenset(order.account_id for order in live if order.status != _EMULATED)
            self._order_accounts = self._listed, own

    # -- WHAT WAS READ --

    def _list(self) -> None:
        # What changes neither by an event nor by a report need not be listed again. Where some rest
        # in the node, or are over, more than that decides
        made, local, alive = self._orders.made, self._local, self._alive
        is_plain = not local and len(made) == len(alive)
        if is_plain and self._listed[0] == self._orders.changes:
            return
        self._listed = (
            -1,
            tuple(cached for key, (cached, _) in made.items() if is_plain or key not in local),
            tuple(own for key, (_, own) in made.items() if is_plain or key in alive),
        )

    @property
    def orders(self) -> tuple[CachedOrder, ...]:
        """The orders that are open or in flight, and those that a venue reported open."""
        return self._listed[1]

    @property
    def live_orders(self) -> tuple[OwnOrder, ...]:
        """The orders that rest or are on their way, at a venue or in the node's emulator."""
        return self._listed[2]

    @property
    def positions(self) -> tuple[CachedPosition, ...]:
        """The open positions."""
        return tuple(self._positions.made.values())

    @property
    def accounts(self) -> frozenset[str | None]:
        """The accounts of the open positions, and of the orders that do not rest in the node."""
        positions = self._positions.made.values()
        return self._order_accounts[1].union(position.account_id for position in positions)

    @property
    def increments(self) -> dict[str, Decimal]:
        """The size increments of those of the reported instruments that the node has loaded."""
        return dict(self._increments)


def _events(found: Collection[_OrderAndParent]) -> list[int]:
    # An order changes by events alone, and what is said of a child by those of its parent too
    return [
        one.order.event_count + (0 if one.parent is None else one.parent.event_count)
        for one in found
    ]
