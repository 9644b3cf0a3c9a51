"""
The pages that are open, and what they have to change.

Each part of the list is rendered once for all pages, when it has changed. A page says what it has,
and gets what is newer: after a gap, too.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from nautilus_recovery_actor.serve import view
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.rendering import page
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.verdict import Verdict
from nautilus_recovery_actor.serve.verdict import verdict


_MS = 1_000_000
# How many pages may be open at once
MAX_PAGES = 64


class _Part(msgspec.Struct):
    # What it was made of
    source: object
    html: str
    # With which version it changed last
    version: int


class Full(msgspec.Struct, frozen=True):
    """All of the list, for a page that begins."""

    version: str
    verdict: Verdict
    head: Markup
    counts: Markup
    rows: tuple[Markup, ...]


class Live:
    """What pages show now, and who looks."""

    def __init__(self) -> None:
        # Versions of another process are none of this one
        self._boot = secrets.token_hex(4)
        self._version = 0
        self._ordered = 0
        self._order: tuple[str, ...] = ()
        self._parts: dict[str, _Part] = {}
        self._beats: dict[str, tuple[tuple[int | None, int | None], int]] = {}
        self._verdict = verdict((), Board(ts=0))
        self._ts = 0
        self._next = asyncio.Event()
        self._is_over = False
        self._pages = 0

    async def run(self, watch: Watch) -> None:
        """Take each new board."""
        ts = watch.board().ts
        while True:
            self.take(await watch.changed(ts))
            ts = self._ts

    def close(self) -> None:
        """End all streams."""
        self._is_over = True
        self._wake()

    @property
    def is_full(self) -> bool:
        """Whether no further page may be open."""
        return self._pages >= MAX_PAGES

    @property
    def version(self) -> str:
        """The version of what is shown."""
        return self._named(self._version)

    def full(self) -> Full:
        """Return all that a page shows."""
        return Full(
            version=self.version,
            verdict=self._verdict,
            head=self._html("head"),
            counts=self._html("counts"),
            rows=tuple(map(self._html, self._order)),
        )

    def _html(self, name: str) -> Markup:
        part = self._parts.get(name)
        return Markup("" if part is None else part.html)  # noqa: S704 (rendered here)

    async def changes(self, version: str, key: str | None = None) -> AsyncIterator[bytes]:
        """
        Return what changes for a page that has a version, as server-sent events: of everything, or
        of what one key names.
        """
        has, told = self._number(version), 0
        self._pages += 1
        try:
            yield b"retry: 1000\n\n"
            while not self._is_over:
                is_next = self._next
                if self._version:
                    yield self._event(has, told, key)
                    has = told = self._version
                await is_next.wait()
        finally:
            self._pages -= 1

    # -- A NEW BOARD --

    def take(self, board: Board) -> None:
        """Render what a board changes."""
        self._version += 1
        self._ts = board.ts
        troubled = frozenset(server.name for server in board.servers if server.trouble)
        rows = [_row(seen, troubled) for seen in board.traders]
        self._verdict = verdict(rows, board)
        is_one = len(board.servers) == 1
        order: list[str] = []
        for name, source, template, values in self._wanted(rows, is_one=is_one):
            order.append(name)
            self._put(name, source, template, values)
        servers = tuple((one.name, one.trouble, one.traders, one.unseen) for one in board.servers)
        self._put(
            "head",
            (self._verdict, servers),
            "_head.html",
            {"verdict": self._verdict, "servers": board.servers},
        )
        counts = self._verdict.counts
        self._put("counts", counts, "_counts.html", {"counts": counts})
        self._put_beats(board)
        for name in self._parts.keys() - {*order, "head", "counts"}:
            del self._parts[name]
            self._beats.pop(name, None)
        if tuple(order) != self._order:
            self._order, self._ordered = tuple(order), self._version
        self._wake()

    def _wanted(
        self, rows: list[view.Row], *, is_one: bool
    ) -> Iterator[tuple[str, object, str, dict[str, Any]]]:
        counts = dict(self._verdict.counts)
        last: Light | None = None
        for row in rows:
            if row.light is not last:
                last = row.light
                source = last, counts[last]
                yield f"group {last}", source, "_group.html", {"light": last, "count": counts[last]}
            yield row.key, (row, is_one), "_row.html", {"row": row, "is_one": is_one}

    def _put(self, name: str, source: object, template: str, values: dict[str, Any]) -> None:
        part = self._parts.get(name)
        if part is None or part.source != source:
            self._parts[name] = _Part(source, page(template, **values), self._version)

    def _put_beats(self, board: Board) -> None:
        for seen in board.traders:
            name, found = view.key(seen), view.beats(seen)
            known = self._beats.get(name)
            if known is None or known[0] != found:
                self._beats[name] = found, self._version
        for server in board.servers:
            name, read = f"server {quote(server.name)}", (server.ts_read or 0) // _MS
            self._beats[name] = (read, None), self._version

    # -- WHAT A PAGE GETS --

    def _event(self, has: int, told: int, key: str | None) -> bytes:
        parts, beats = self._parts, self._beats
        if key is not None:
            parts = {key: parts[key]} if key in parts else {}
            beats = {key: beats[key]} if key in beats else {}
        change: dict[str, Any] = {
            "v": self.version,
            # Not that of the board, which goes on where the clock was set back
            "now": time.time_ns() // _MS,
            "title": self._verdict.text,
            "light": self._verdict.light,
            "parts": {name: part.html for name, part in parts.items() if part.version > has},
            "beats": {name: beat for name, (beat, since) in beats.items() if since > told},
        }
        if self._ordered > has and key is None:
            change["order"] = self._order
        return b"data: " + msgspec.json.encode(change) + b"\n\n"

    def _named(self, version: int) -> str:
        return f"{self._boot}-{version}"

    def _number(self, version: str) -> int:
        boot, _, number = version.partition("-")
        if boot != self._boot or not (number.isascii() and number.isdigit()):
            return 0
        return int(number[:15])

    def _wake(self) -> None:
        is_next, self._next = self._next, asyncio.Event()
        is_next.set()


def _row(seen: Seen, troubled: frozenset[str]) -> view.Row:
    try:
        return view.row(seen, troubled)
    except Exception as e:  # Whatever is in its report, the others are shown
        return view.unreadable(seen, e)
