"""
How a start of a node loads what is stored, entry by entry: what it makes of each, and what it makes
nothing of.
"""

import os
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TypeVar

import redis

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.patterns import literal
from nautilus_recovery_actor.outside.store import versions
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.batches import only
from nautilus_recovery_actor.outside.store.batches import pipelined
from nautilus_recovery_actor.outside.store.batches import read_values
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.decoding import LeftOutError
from nautilus_recovery_actor.outside.store.decoding import OfTwoError
from nautilus_recovery_actor.outside.store.decoding import StopsStartError
from nautilus_recovery_actor.outside.store.index import StoredIndex
from nautilus_recovery_actor.outside.store.inventory import BrokenEntry
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.keys import is_text
from nautilus_recovery_actor.outside.store.keys import name
from nautilus_recovery_actor.outside.store.majors import WRITTEN
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.majors import majors_of
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.positions import RestoredPosition
from nautilus_recovery_actor.outside.store.positions import Terms
from nautilus_recovery_actor.outside.store.stopping_two import MAPS
from nautilus_recovery_actor.outside.store.stopping_two import unnamed
from nautilus_recovery_actor.outside.store.two import snapshots
from nautilus_recovery_actor.outside.store.written_by import seen_in


# What a node reads, besides what strategies and actors saved
_KINDS = (b"currencies", b"instruments", b"accounts", b"orders", b"positions")
_READ = {b"general", *_KINDS}
_STATES = (b"strategies", b"actors")
_NOT_FOUND = "a node cannot find it: its ID contains a colon"
# What 2.0 reads besides
_OF_TWO = (b"instrument_closes", b"snapshots")

_Entry = TypeVar("_Entry", RestoredAccount, RestoredPosition, RestoredOrder)


class Loading:
    """What a start of one version makes of each entry, while they are read one after the other."""

    def __init__(
        self, client: redis.Redis, namespace: Namespace, max_bytes: int, major: Major | None
    ) -> None:
        self._client = client
        self._trader_id = namespace.trader_id
        self._prefix = os.fsencode(namespace.key(""))  # From the command line: any bytes
        self._pattern = os.fsencode(f"{literal(namespace.key(''))}*")
        self._max_bytes = max_bytes
        self._major = major
        self._version = versions.TWO if major is Major.TWO else versions.ONE
        self.broken: dict[bytes, BrokenEntry] = {}
        self._keys: dict[bytes, dict[bytes, None]] = {
            kind: {} for kind in (*_KINDS, *_STATES, *_OF_TWO)
        }
        self._precisions: dict[str, int] = {}
        self._instruments: dict[str, Terms] = {}
        # The positions that 2.0 does not load from their fills
        self._snapshots: dict[bytes, RestoredPosition | BrokenEntryError] = {}
        self._of_two: set[str] = set()  # Instruments
        self._last_written = 0
        self._majors: set[Major] = set()

    def inventory(self) -> Inventory | None:
        """Return all that is loaded, ``None`` if nothing is stored."""
        index = StoredIndex(self._client, self._prefix)  # First: a running node adds to both
        if not self._find_keys():
            return None
        if self._major is None and seen_in(self._client, self._prefix, self._keys) == {Major.TWO}:
            self._version = versions.TWO
        self._read_currencies()
        self._read_instruments()
        if not self.reads_as_one:
            self._read_closes()
            self._read_snapshots()
        accounts = [self._noted(account) for account in self._folded(b"accounts", self._account)]
        orders: list[RestoredOrder] = []
        closed_orders = 0
        strategies: set[str] = set()
        instruments: set[str] = set(self._instruments)
        position_of: dict[str, str] = {}
        for order in self._folded(b"orders", self._order):
            self._noted(order)
            strategies.add(order.strategy_id)
            instruments.add(order.instrument_id)
            if order.position_id is not None:
                for child in order.children:
                    position_of.setdefault(child, order.position_id)
            if order.is_closed:
                closed_orders += 1
            else:
                orders.append(order)
        for order in orders:
            # A node gives the position of a parent to its children when it has loaded them
            order.position_id = order.position_id or position_of.get(order.client_order_id)
        positions = [self._noted(p) for p in self._folded(b"positions", self._position)]
        strategies |= {position.strategy_id for position in positions}
        instruments |= {position.instrument_id for position in positions}
        open_positions = [position for position in positions if position.is_open]
        self._check_maps()
        return Inventory(
            trader_id=self._trader_id,
            ts=time.time_ns(),
            last_written=self._last_written or None,
            accounts=tuple(sorted(accounts, key=lambda account: account.account_id)),
            positions=tuple(sorted(open_positions, key=lambda p: (p.ts_opened, p.position_id))),
            orders=tuple(sorted(orders, key=lambda o: (o.ts_init, o.client_order_id))),
            closed_positions=len(positions) - len(open_positions),
            closed_orders=closed_orders,
            instruments=len(self._instruments),
            known_strategies=tuple(sorted(strategies | self._saved(b"strategies"))),
            known_instruments=tuple(sorted(instruments)),
            states=tuple(sorted(one for kind in _STATES for one in self._saved(kind))),
            broken=tuple(entry for _, entry in sorted(self.broken.items())),
            missing=tuple(index.missing(self._keys)),
            written_by=tuple(sorted(self._majors)),
            restored_by=self._version.major,
        )

    def read_terms(self) -> None:
        """Read what fills are judged by, and nothing else."""
        self._find_keys()
        self._read_currencies()
        self._read_instruments()

    def _saved(self, kind: bytes) -> set[str]:
        return {name(key).removesuffix(":state") for key in self._keys[kind]}

    @property
    def reads_as_one(self) -> bool:
        """Whether it is a start of 1.x."""
        return self._version is versions.ONE

    # -- KEYS --

    def _find_keys(self) -> bool:
        is_any = False
        for key in self._client.scan_iter(match=self._pattern, count=1_000):
            kind, colon, identifier = key[len(self._prefix) :].partition(b":")
            if not colon:
                continue
            is_any = True
            if kind in _READ and not is_text(identifier):
                self._break(key, "its name is not UTF-8", stops_start=True)
            elif (keys := self._keys.get(kind)) is not None:
                keys[identifier] = None  # A scan may return a key twice
        return is_any

    def _values(
        self, kind: bytes, *, are_lists: bool
    ) -> Iterator[tuple[bytes, Iterable[bytes] | BrokenEntryError]]:
        prefix = self._prefix + kind + b":"
        keys = (prefix + identifier for identifier in self._keys[kind])
        return read_values(self._client, keys, are_lists=are_lists, max_bytes=self._max_bytes)

    def _break(self, key: bytes, why: str, *, stops_start: bool, is_of_two: bool = False) -> None:
        self.broken[key] = BrokenEntry(
            key=name(key), why=one_line(why), stops_start=stops_start, is_of_two=is_of_two
        )

    def _fail(self, key: bytes, values: object, error: BrokenEntryError) -> None:
        # Large lists are read in parts, of which nothing is left by now
        kind = key[len(self._prefix) :].partition(b":")[0]
        stops_start = isinstance(error, StopsStartError) or (
            kind in self._version.stops and not isinstance(error, LeftOutError)
        )
        majors = majors_of(kind, values) if isinstance(values, list) else set()
        self._majors |= majors
        is_of_two = self.reads_as_one and (Major.TWO in majors or isinstance(error, OfTwoError))
        why = WRITTEN.get(frozenset(majors), error) if self.reads_as_one else error
        self._break(key, str(why), stops_start=stops_start, is_of_two=is_of_two)

    # -- ENTRIES --

    def _read_currencies(self) -> None:
        found = {}
        for key, value in self._values(b"currencies", are_lists=False):
            code = os.fsdecode(key[len(self._prefix) + len(b"currencies:") :])
            try:
                if isinstance(value, BrokenEntryError):
                    raise LeftOutError(str(value))
                decimals, major = self._version.precision(code, only(value))
                self._majors.add(major)
                if decimals is None:
                    raise LeftOutError("a code alone, and not one that 2.0 knows")
                found[code] = decimals
            except BrokenEntryError as e:
                self._fail(key, value, e)
        self._precisions = {**found, **self._version.precisions}

    def _read_instruments(self) -> None:
        for key, value in self._values(b"instruments", are_lists=False):
            try:
                instrument_id, terms = self._version.instrument(only(value), self._precision_of)
                self._instruments[instrument_id] = terms
                self._majors.add(self._version.major)
            except BrokenEntryError as e:
                self._fail(key, value, e)
                if self.broken[key].is_of_two:
                    self._of_two.add(name(key[len(self._prefix) + len(b"instruments:") :]))

    def _read_closes(self) -> None:
        for key, value in self._values(b"instrument_closes", are_lists=False):
            try:
                instrument_id = os.fsdecode(key[len(self._prefix) + len(b"instrument_closes:") :])
                snapshots.check_close(instrument_id, only(value))
            except BrokenEntryError as e:
                self._fail(key, value, e)

    def _read_snapshots(self) -> None:
        for key, value in self._values(b"snapshots", are_lists=True):
            position_id = key[len(self._prefix) + len(b"snapshots:positions:") :]
            if position_id not in self._keys[b"positions"]:
                continue  # Of an order, or of a position that is gone
            try:
                if isinstance(value, BrokenEntryError):
                    raise value
                if (found := snapshots.position_in([*value])) is not None:
                    self._snapshots[position_id] = found
            except BrokenEntryError as e:
                self._snapshots[position_id] = BrokenEntryError(f"its snapshots: {e}")

    def _account(self, _: bytes, values: Iterable[bytes]) -> RestoredAccount:
        return self._version.account(values, self._knows)

    def _order(self, _: bytes, values: Iterable[bytes]) -> RestoredOrder:
        return self._version.order(values, self._knows)

    def _position(self, identifier: bytes, values: Iterable[bytes]) -> RestoredPosition:
        kept = self._snapshots.get(identifier)
        if isinstance(kept, BrokenEntryError):
            raise kept
        return self.position(values) if kept is None else kept

    def position(self, values: Iterable[bytes]) -> RestoredPosition:
        """Return what becomes of a list of fills."""
        return self._version.position(values, self._terms, self._knows)

    def _precision_of(self, code: str) -> int | None:
        return self._precisions.get(code, self._version.default_precision)

    def _knows(self, code: str) -> bool:
        return self._precision_of(code) is not None

    def _terms(self, instrument_id: str) -> Terms:
        terms = self._instruments.get(instrument_id)
        if instrument_id in self._of_two:
            # NautilusTrader takes the map for an instrument
            raise OfTwoError(f"NautilusTrader 2.0 wrote its instrument {instrument_id[:80]!r}")
        if terms is None:
            # NautilusTrader logs that and goes on
            raise LeftOutError(f"its instrument {instrument_id[:80]!r} is not stored")
        return terms

    def _folded(
        self, kind: bytes, fold: Callable[[bytes, Iterable[bytes]], _Entry]
    ) -> Iterator[_Entry]:
        for key, value in self._values(kind, are_lists=True):
            identifier = key[len(self._prefix) + len(kind) + 1 :]
            if b":" in identifier:
                # NautilusTrader takes what comes after the last colon for the identifier
                self._break(key, _NOT_FOUND, stops_start=False)
            elif not self.reads_as_one and (why := unnamed(kind, identifier)):
                self._break(key, why, stops_start=True)
            elif isinstance(value, BrokenEntryError):
                self._fail(key, value, value)
            else:
                try:
                    folded = fold(identifier, value)
                except BrokenEntryError as e:
                    self._fail(key, value, e)
                    continue
                self._majors.add(self._version.major)
                yield folded

    def _noted(self, entry: _Entry) -> _Entry:
        self._last_written = max(self._last_written, entry.ts_last)
        return entry

    def _check_maps(self) -> None:
        keys = [self._prefix + map_ for map_ in MAPS]
        for key, kind in zip(keys, pipelined(self._client, "TYPE", keys), strict=True):
            if kind not in {b"none", b"hash"}:
                self._break(key, f"it is a {name(kind)}, not a hash", stops_start=True)
