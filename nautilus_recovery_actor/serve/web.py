"""
The board as a web application: its routes, and what runs beside them.
"""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from nautilus_recovery_actor.serve.sources import Watch


# What runs as long as the application does: it waits for boards with `Watch.changed`
Task: TypeAlias = Callable[[Watch], Awaitable[None]]


def app(watch: Watch, *, routes: Sequence[BaseRoute] = (), tasks: Sequence[Task] = ()) -> Starlette:
    """
    Return the application.

    Parameters
    ----------
    watch : Watch
        What it shows.
    routes : Sequence[BaseRoute], default ()
        What it answers besides the pages of the board.
    tasks : Sequence[Task], default ()
        What runs beside it: what reads the servers, and who is to know of each new board.

    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        running = [asyncio.ensure_future(task(watch)) for task in tasks]
        try:
            yield
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    return Starlette(routes=list(routes), lifespan=lifespan)
