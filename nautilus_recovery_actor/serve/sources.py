"""
The servers that are read, each by a thread of its own, and the board that comes of it.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from collections.abc import Sequence

import msgspec
import redis

from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.client import in_words
from nautilus_recovery_actor.outside.record.twins import Place
from nautilus_recovery_actor.outside.record.twins import twins
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.board import Server
from nautilus_recovery_actor.serve.board import light
from nautilus_recovery_actor.serve.reading import Reading


_NS = 1_000_000_000
# How often each server is read, how long one answer may take, and how long nothing may come of a
# reader that is held up elsewhere, by a name that does not resolve or a byte each second (seconds)
_EVERY_SECS = 1.0
_TIMEOUT_SECS = 2.0
_HELD_UP_SECS = 5.0
# How long what comes of several servers is gathered (seconds)
_GATHER_SECS = 0.1

_URGENCY = {one: rank for rank, one in enumerate(Light)}


class Watch:
    """Has the newest board, on one event loop."""

    def __init__(self) -> None:
        self._board = Board(ts=0)
        self._put_at = float("-inf")
        self._next = asyncio.Event()

    def board(self) -> Board:
        """Return the newest board, at once. Before anything was read it is of the time zero."""
        return self._board

    def age_secs(self) -> float:
        """Return how long ago there was a new board, whatever became of the clock since."""
        return time.monotonic() - self._put_at

    async def changed(self, after: int) -> Board:
        """Wait until there is a newer board than that of a time, and return it."""
        while self._board.ts <= after:
            await self._next.wait()
        return self._board

    def put(self, board: Board) -> None:
        """Make a board the newest one."""
        # A clock that was set back must not stop who waits
        ts = max(board.ts, self._board.ts + 1)
        self._board = board if ts == board.ts else msgspec.structs.replace(board, ts=ts)
        self._put_at = time.monotonic()
        is_there, self._next = self._next, asyncio.Event()
        is_there.set()


class Source:
    """One server, and what was read of it last."""

    def __init__(self, url: str, name: str, every_secs: float = _EVERY_SECS) -> None:
        self.url = url
        self.server = Server(name=name, trouble="not read yet")
        self._reading = Reading(url, _TIMEOUT_SECS)
        self._every_secs = every_secs
        self._traders: tuple[Seen, ...] = ()
        # When a turn ended last, by a steady clock
        self._turned_at = time.monotonic()
        self._is_over = threading.Event()

    def start(self, loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
        """Read it from now on, and set an event of the loop after each turn."""
        threading.Thread(
            target=self._read_on, args=(loop, news), name=f"read-{self.server.name}", daemon=True
        ).start()

    def stop(self) -> None:
        """Read no more. A reader that is held up is not waited for."""
        self._is_over.set()

    def found(self) -> tuple[Server, tuple[Seen, ...]]:
        """Return what is known of it now. Whatever is not known to be so yet has a trouble."""
        server, traders = self.server, self._traders
        silent_secs = time.monotonic() - self._turned_at
        if not server.trouble and silent_secs > _HELD_UP_SECS:
            why = f"it has not answered for {duration(int(silent_secs * _NS))}"
            server = msgspec.structs.replace(server, trouble=why)
        if server.trouble:
            why = f"{server.name} cannot be read: {server.trouble}"
            traders = tuple(msgspec.structs.replace(one, trouble=why) for one in traders)
        return server, traders

    def _read_on(self, loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
        while not self._is_over.is_set():
            began = time.monotonic()
            self._turn()
            self._turned_at = time.monotonic()
            with contextlib.suppress(RuntimeError):  # The loop may have ended
                loop.call_soon_threadsafe(news.set)
            self._is_over.wait(max(self._every_secs - (self._turned_at - began), 0.0))
        self._reading.disconnect()

    def _turn(self) -> None:
        try:
            traders = tuple(self._reading.read(self.server.name))
        except (redis.RedisError, OSError) as e:
            self._fail(in_words(e))
        except Exception as e:  # What it made of an answer must not end the reading
            self._fail(one_line(f"{type(e).__name__}: {e}"))
        else:
            self._traders = traders
            self.server = Server(
                name=self.server.name,
                ts_read=time.time_ns(),
                traders=len(traders),
                unseen=self._reading.unseen,
            )

    def _fail(self, why: str) -> None:
        self._reading.disconnect()
        self.server = msgspec.structs.replace(self.server, trouble=why)


class Sources:
    """
    All servers.

    Parameters
    ----------
    urls : Sequence[str]
        Their URLs. They stay in here: a board has their names.

    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._sources: dict[str, Source] = {}
        for url in dict.fromkeys(urls):
            name = base = address(url)
            number = 1
            while name in self._sources:
                number += 1
                name = f"{base} ({number})"
            self._sources[name] = Source(url, name)

    def url(self, server: str) -> str | None:
        """Return the URL of a server, with whatever is secret in it."""
        source = self._sources.get(server)
        return None if source is None else source.url

    async def run(self, watch: Watch) -> None:
        """Read all servers, and put a board together whenever there is something new."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        sources = tuple(self._sources.values())
        for source in sources:
            source.start(loop, news)
        try:
            while True:
                # Also if nothing comes: then there is something to say of that
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY_SECS):
                        await news.wait()
                await asyncio.sleep(_GATHER_SECS)
                news.clear()
                watch.put(_board(sources, watch.board()))
        finally:
            for source in sources:
                source.stop()


def _board(sources: Sequence[Source], before: Board) -> Board:
    found = [source.found() for source in sources]
    traders = [(light(seen), seen) for seen in _with_twins(found, before)]
    traders.sort(key=lambda one: (_URGENCY[one[0]], one[1].trader_id, one[1].server))
    return Board(
        ts=time.time_ns(),
        servers=tuple(server for server, _ in found),
        traders=tuple(seen for _, seen in traders),
    )


def _with_twins(found: Sequence[tuple[Server, tuple[Seen, ...]]], before: Board) -> Iterator[Seen]:
    by_id: dict[str, list[tuple[Place, Seen]]] = {}
    for server, some in found:
        for seen in some:
            by_id.setdefault(seen.trader_id, []).append((_place(server, seen), seen))
    known = {(one.server, one.trader_id): one.twins for one in before.traders if one.twins}
    for several in by_id.values():
        places = [place for place, _ in several]
        for place, seen in several:
            more = tuple(twins(places, place, known.get((seen.server, seen.trader_id), ())))
            yield msgspec.structs.replace(seen, twins=(*seen.twins, *more)) if more else seen


def _place(server: Server, seen: Seen) -> Place:
    return Place(
        server=server.name,
        status=seen.status,
        ts_read=seen.ts_read,
        lease=seen.lease,
        report=seen.report,
        is_old=bool(server.trouble),
    )
