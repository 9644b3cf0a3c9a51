"""
The pages of one trader, and of one epoch: what they need besides is read when they are asked for.
"""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import closing
from typing import TypeAlias
from typing import TypeVar

import redis
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.responses import Response

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.link.client import in_words
from nautilus_recovery_actor.outside.holding import keeping_line
from nautilus_recovery_actor.outside.record.entries import Broken
from nautilus_recovery_actor.outside.record.reader import RecordReader
from nautilus_recovery_actor.outside.record.rows import Row
from nautilus_recovery_actor.outside.record.rows import row
from nautilus_recovery_actor.serve import view
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.live import Live
from nautilus_recovery_actor.serve.probes import named
from nautilus_recovery_actor.serve.rendering import page
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.threads import Threads


# What stands on the page of a trader besides, empty for nothing
Panel: TypeAlias = Callable[[Request, Seen], Markup]

_Answer = TypeVar("_Answer")

_LISTED = 20
# How long one answer of a server may take (seconds), and how large a report may be
_TIMEOUT_SECS = 2.0
_MAX_BYTES = 16 * 1024 * 1024
_MAX_DIGITS = 15


class Traders:
    """Answers for one trader."""

    def __init__(
        self, watch: Watch, live: Live, url_of: Callable[[str], str | None], panels: Sequence[Panel]
    ) -> None:
        self._watch = watch
        self._live = live
        self._url_of = url_of
        self._panels = panels
        self._threads = Threads()

    async def trader(self, request: Request) -> Response:
        """Return the page of a trader."""
        version = self._live.version
        seen = self._seen(request)
        before = _number(request, "before")
        epoch = (seen.status.epoch or 0) if before is None else before
        trouble, rows, broken = "", list[Row](), list[Broken]()
        try:
            rows, broken = await self._read(seen, lambda reader: _listed(reader, epoch))
        except HTTPException as e:
            trouble = e.detail
        oldest = int(rows[-1].epoch) if len(rows) == _LISTED else 0
        text = page(
            "trader.html",
            version=version,
            light=view.row(seen).light,
            seen=seen,
            row=view.row(seen),
            lease=keeping_line(seen.lease) if seen.lease else "",
            corrections=list(wording.first_corrections(seen.status.corrections)),
            panels=[panel(request, seen) for panel in self._panels],
            trouble=trouble,
            epochs=rows,
            broken=broken,
            before=before,
            older=max(oldest - 1, 0),
        )
        return HTMLResponse(text)

    async def epoch(self, request: Request) -> Response:
        """Return the page of an epoch."""
        seen = self._seen(request)
        epoch = _number(request, "epoch")
        if epoch is None:
            raise HTTPException(400, "Which epoch? Add &epoch=")

        def rendered(reader: RecordReader) -> str | None:
            reports, _ = reader.up_to(epoch, _size(reader), 1)
            report = next(reports, None)
            if report is None:
                return None
            # Rendered by the reader, too: it may be long
            return page("epoch.html", version="", seen=seen, report=report)

        text = await self._read(seen, rendered)
        if text is None:
            raise HTTPException(404, f"No report of epoch {epoch}: in progress, or too old")
        return HTMLResponse(text)

    def _seen(self, request: Request) -> Seen:
        trader_id, server = (request.query_params.get(name) for name in ("trader", "server"))
        found = named(self._watch.board(), trader_id or "", server)
        if len(found) > 1:
            servers = ", ".join(one.server for one in found)
            raise HTTPException(400, one_line(f"On several servers, add &server=: {servers}"))
        if not found:
            raise HTTPException(404, "No such trader is on record")
        return found[0]

    async def _read(self, seen: Seen, read: Callable[[RecordReader], _Answer]) -> _Answer:
        url = self._url_of(seen.server)
        if url is None:
            raise HTTPException(503, "Its server is not read here")
        where = seen.namespace or Namespace(trader_id=seen.trader_id)

        def at_server() -> _Answer:
            with closing(connect(url, _TIMEOUT_SECS)) as client:
                return read(RecordReader(client, where, _MAX_BYTES))

        try:
            return await self._threads.run(at_server)
        except TimeoutError as e:
            raise HTTPException(503, f"{seen.server} does not answer in time") from e
        except (redis.RedisError, OSError) as e:
            raise HTTPException(503, f"{seen.server} cannot be read: {in_words(e)}") from e


def _listed(reader: RecordReader, epoch: int) -> tuple[list[Row], list[Broken]]:
    reports, broken = reader.up_to(epoch, _size(reader), _LISTED)
    return [row(report) for report in reports], broken


def _size(reader: RecordReader) -> int | None:
    beat = reader.stamps().heartbeat
    return beat.history_size if beat else None


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None
