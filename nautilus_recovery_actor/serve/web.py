"""
The board as a web application: its routes, and what runs beside them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.responses import HTMLResponse
from starlette.responses import PlainTextResponse
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.routing import Route

from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.guard import Guard
from nautilus_recovery_actor.serve.live import Live
from nautilus_recovery_actor.serve.probes import healthz
from nautilus_recovery_actor.serve.probes import readyz
from nautilus_recovery_actor.serve.rendering import PAGES
from nautilus_recovery_actor.serve.rendering import page
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.stream import EventStream
from nautilus_recovery_actor.serve.traders import Panel
from nautilus_recovery_actor.serve.traders import Traders


# What runs as long as the application does: it waits for boards with `Watch.changed`
Task: TypeAlias = Callable[[Watch], Awaitable[None]]

_log = logging.getLogger(__name__)

_AGAIN_SECS = 1.0
_MAX_BODY = 64 * 1024
_KEPT = {"Cache-Control": "max-age=86400"}
_REVALIDATED = {"Cache-Control": "no-cache"}

_COLORS = {
    Light.RED: "#c62828",
    Light.GRAY: "#78828c",
    Light.AMBER: "#d18b00",
    Light.BLUE: "#2f6fb5",
    Light.WHITE: "#b4bcc4",
    Light.GREEN: "#2e8b57",
}
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<circle cx="8" cy="8" r="7" fill="{color}"/></svg>'
)


def app(
    watch: Watch,
    *,
    url_of: Callable[[str], str | None] = lambda _: None,
    routes: Sequence[BaseRoute] = (),
    tasks: Sequence[Task] = (),
    panels: Sequence[Panel] = (),
    hosts: Collection[str] | None = None,
) -> Starlette:
    """
    Return the application.

    Parameters
    ----------
    watch : Watch
        What it shows.
    url_of : Callable[[str], str | None]
        Where a server is, by its name, to read reports of a trader when a page shows them.
    routes : Sequence[BaseRoute], default ()
        What it answers besides the pages of the board.
    tasks : Sequence[Task], default ()
        What runs beside it: what reads the servers, and who is to know of each new board.
    panels : Sequence[Panel], default ()
        What stands on the page of a trader besides.
    hosts : Collection[str], optional
        The names by which it may be reached, ``None`` for any.

    """
    live = Live()
    traders = Traders(watch, live, url_of, panels)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = [asyncio.ensure_future(_kept_up(task, watch)) for task in (live.run, *tasks)]
        try:
            yield
        finally:
            live.close()
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def board(_: Request) -> Response:
        full = live.full()
        return HTMLResponse(
            page("board.html", full=full, version=full.version, light=full.verdict.light)
        )

    async def events(request: Request) -> Response:
        if live.is_full:
            raise HTTPException(503, "Too many pages are open: close one", {"Retry-After": "5"})
        asked = request.query_params
        return EventStream(live.changes(asked.get("v", ""), asked.get("key")))

    async def icon(request: Request) -> Response:
        color = _COLORS.get(request.path_params["light"])
        if color is None:
            raise HTTPException(404)
        return Response(_ICON.format(color=color), media_type="image/svg+xml", headers=_KEPT)

    async def static(request: Request) -> Response:
        return FileResponse(PAGES / request.url.path.rpartition("/")[2], headers=_REVALIDATED)

    made = Starlette(
        routes=[
            Route("/", board),
            Route("/events", events),
            Route("/trader", traders.trader),
            Route("/epoch", traders.epoch),
            Route("/healthz", lambda _: healthz(watch)),
            Route("/readyz", lambda request: readyz(watch, request)),
            Route("/static/board.css", static),
            Route("/static/board.js", static),
            Route("/static/{light}.svg", icon),
            *routes,
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
        max_body_size=_MAX_BODY,
    )
    made.state.live = live
    return made


async def _kept_up(task: Task, watch: Watch) -> None:
    # What fails once must not be missing from then on
    while True:
        try:
            await task(watch)
        except Exception:
            _log.exception("The board goes on after an error")
            await asyncio.sleep(_AGAIN_SECS)
        else:
            return


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
    title = "Not found" if error.status_code == 404 else "Not now"  # noqa: PLR2004
    text = page("message.html", title=title, text=error.detail, version="")
    return HTMLResponse(text, error.status_code, error.headers)
