"""
One server, read again and again: what changes often each time, the rest when it is due.

Nothing here writes, and nothing is read whose size is not bounded.
"""

import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import redis

from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.core.names import FENCE
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import LEASE
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.link.scripts import FIELDS
from nautilus_recovery_actor.outside.holding import answered
from nautilus_recovery_actor.outside.holding import ask
from nautilus_recovery_actor.outside.holding import lease_status
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.outside.record.traders import HEARTBEATS
from nautilus_recovery_actor.outside.record.traders import place
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.trader import Trader


# How many traders one server may have here
MAX_TRADERS = 5_000
# How many keys are looked at for traders at once, how often in one turn, the first time and later,
# and how long after the end the next look begins (seconds)
_SLICE = 1_000
_FIRST_SLICES = 50
_SLICES = 5
_LOOK_SECS = 0.9
# How many traders are asked for at once
_TOGETHER = 250
_MAX_STAMP_BYTES = 16_384
# Of one report, and of all in one turn
_MAX_REPORT_BYTES = 4 * 1024 * 1024
_MAX_BYTES = 16 * 1024 * 1024
_MAX_REPORTS = 1_000
_MAX_LEASES = 500
# A hash that Redis keeps packed has short values alone
_PACKED = (b"listpack", b"ziplist", None)
_MAX_FIELD = 1_024
# How long a trader is shown whose record has gone (seconds)
_GONE_SECS = 600.0

_One = TypeVar("_One")


class Reading:
    """What is read of one server, by one thread."""

    def __init__(self, url: str, timeout_secs: float) -> None:
        self._client = connect(url, timeout_secs)
        self._traders: dict[Namespace, Trader] = {}
        self._cursor = 0
        self._is_first = True
        self._looked_at = float("-inf")
        # Whether there are more traders than are read, by the last look and by this one
        self._is_full = self._is_beyond = False

    def read(self, name: str) -> list[Seen]:
        """Read what is due, and return where each trader stands."""
        at = time.monotonic()
        self._look(at)
        for some in _in_parts(list(self._traders.values()), _TOGETHER):
            self._read_stamps(some, at)
        self._read_reports(at)
        self._read_leases(at)
        self._forget(at)
        return list(self._seen(name, time.time_ns()))

    @property
    def unseen(self) -> str:
        """Why there may be traders that are not read, empty if there are none."""
        if self._is_full:
            return f"it has more than {MAX_TRADERS:,} traders, and the others are not read"
        return "not all of its keys have been looked at yet" if self._is_first else ""

    def disconnect(self) -> None:
        """Close the connection. The next question makes it anew."""
        self._client.connection_pool.disconnect()

    # -- WHO IS THERE --

    def _look(self, at: float) -> None:
        if not self._cursor and at - self._looked_at < _LOOK_SECS:
            return
        for _ in range(_FIRST_SLICES if self._is_first else _SLICES):
            answer: Any = self._client.scan(self._cursor, match=HEARTBEATS, count=_SLICE)
            self._cursor, keys = answer
            for where in filter(None, map(place, keys)):
                self._meet(where)
            if not self._cursor:
                self._is_first, self._looked_at = False, at
                self._is_full, self._is_beyond = self._is_beyond, False
                return

    def _meet(self, where: Namespace) -> None:
        if where not in self._traders:
            if len(self._traders) >= MAX_TRADERS:
                self._is_beyond = True
            else:
                self._traders[where] = Trader(where)

    def _forget(self, at: float) -> None:
        for where, trader in list(self._traders.items()):
            if trader.gone_at is not None and at - trader.gone_at > _GONE_SECS:
                del self._traders[where]

    # -- WHAT IS READ --

    def _read_stamps(self, traders: Iterable[Trader], at: float) -> None:
        asked = [(one, key) for one in traders for key in (HEARTBEAT_KEY, EPOCH_KEY)]
        answers = self._pipelined(asked, lambda pipe, key: pipe.getrange(key, 0, _MAX_STAMP_BYTES))
        for (trader, _), beat, epoch in zip(asked[::2], answers[::2], answers[1::2], strict=True):
            found = {HEARTBEAT_KEY: beat, EPOCH_KEY: epoch}
            for key, answer in found.items():
                if isinstance(answer, Exception):
                    trader.refuse(key, _why(answer), at)
                    found[key] = None
            trader.take_stamps(found[HEARTBEAT_KEY], found[EPOCH_KEY], at)

    def _read_reports(self, at: float) -> None:
        due = [(one, key) for one in self._traders.values() if (key := one.report_key(at))]
        # Who waits longest comes first: whatever is asked for again and again holds up no other
        due.sort(key=lambda one: one[0].report_at)
        del due[_MAX_REPORTS:]
        sizes = self._pipelined(due, lambda pipe, key: pipe.strlen(key))
        fitting = []
        total = 0
        for (trader, key), size in zip(due, sizes, strict=True):
            if isinstance(size, Exception):
                trader.refuse(key, _why(size), at)
            elif size > _MAX_REPORT_BYTES:
                trader.refuse(key, f"{size} bytes, more than a board reads", at)
            elif total + size <= _MAX_BYTES:
                fitting.append((trader, key))
                total += size
        values = self._pipelined(
            fitting, lambda pipe, key: pipe.getrange(key, 0, _MAX_REPORT_BYTES)
        )
        for (trader, key), data in zip(fitting, values, strict=True):
            if isinstance(data, Exception):
                trader.refuse(key, _why(data), at)
            else:
                trader.take_report(key, data, at)

    def _pipelined(self, asked: list[tuple[Trader, str]], ask_one: Callable[..., Any]) -> list[Any]:
        if not asked:
            return []
        with self._client.pipeline(transaction=False) as pipe:
            for trader, key in asked:
                ask_one(pipe, trader.namespace.key(general_key(key)))
            return pipe.execute(raise_on_error=False)

    def _read_leases(self, at: float) -> None:
        due = [one for one in self._traders.values() if one.is_lease_due(at)]
        due = sorted(due, key=lambda one: one.lease_at)[:_MAX_LEASES]
        if not due or not (due := self._with_small_leases(due, at)):
            return
        with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            for one in due:
                ask(pipe, one.namespace)
            told, *answers = pipe.execute(raise_on_error=False)
        for one, some in zip(due, _in_parts(answers, 3), strict=True):
            try:
                lease = lease_status(one.namespace.trader_id, answered(told, some))
            except (redis.ResponseError, ArithmeticError, ValueError):
                lease = None  # The rest of what is known does not depend on it
            one.take_lease(lease, at)

    def _with_small_leases(self, traders: list[Trader], at: float) -> list[Trader]:
        keys = [one.namespace.own_key(key) for one in traders for key in (LEASE, FENCE)]
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.object("ENCODING", key)
            packed = [encoding in _PACKED for encoding in pipe.execute(raise_on_error=False)]
            unpacked = [key for key, is_packed in zip(keys, packed, strict=True) if not is_packed]
            for key in unpacked:
                for field in FIELDS:
                    pipe.hstrlen(key, field)
            lengths = pipe.execute(raise_on_error=False)
        large = {
            key
            for key, some in zip(unpacked, _in_parts(lengths, len(FIELDS)), strict=True)
            if not all(isinstance(one, int) and one <= _MAX_FIELD for one in some)
        }
        small = []
        for one, some in zip(traders, _in_parts(keys, 2), strict=True):
            if large.isdisjoint(some):
                small.append(one)
            else:
                one.take_lease(None, at)
        return small

    # -- WHERE THEY STAND --

    def _seen(self, name: str, now: int) -> Iterator[Seen]:
        nodes: dict[str, list[Trader]] = {}
        for trader in self._traders.values():
            nodes.setdefault(trader.namespace.trader_id, []).append(trader)
        for instances in nodes.values():
            # One that was stopped where the clock is ahead must not hide one that runs
            newest, *others = sorted(instances, key=lambda one: (not one.is_alive(now), -one.ts))
            twins = tuple(_twin(one) for one in others if one.may_run(now))
            yield _seen(newest, name, now, twins if newest.is_alive(now) else ())


def _in_parts(given: Sequence[_One], size: int) -> Iterator[Sequence[_One]]:
    for start in range(0, len(given), size):
        yield given[start : start + size]


def _seen(trader: Trader, name: str, now: int, twins: tuple[str, ...]) -> Seen:
    try:
        return trader.seen(name, now, twins)
    except (ArithmeticError, ValueError) as e:  # The others are seen, whatever stands there
        trader_id = trader.namespace.trader_id
        why = f"what is stored cannot be told: {type(e).__name__}"
        status = NodeStatus(trader_id=trader_id, state=State.NO_HEARTBEAT, reason=why)
        return Seen(server=name, trader_id=trader_id, status=status, ts_read=now, trouble=why)


def _twin(trader: Trader) -> str:
    instance = one_line(trader.namespace.instance_id or "without an ID")
    return f"instance {instance} has a heartbeat too"


def _why(error: Exception) -> str:
    # What a server says to one key concerns that key, all else concerns the server
    if "WRONGTYPE" in str(error):
        return "it is not a string"
    raise error
