"""
An answer that goes on: server-sent events, to a browser that takes them.
"""

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import Response
from starlette.types import Receive
from starlette.types import Scope
from starlette.types import Send


# How long a browser may take for what was sent to it (seconds)
_TAKEN_SECS = 10.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventStream(Response):
    """Sends events until they end, the browser leaves, or it takes none any more."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._events = events

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.ensure_future(self._send(send))
        left = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((sending, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (sending, left):
                one.cancel()
            ended = await asyncio.gather(sending, left, return_exceptions=True)
        # Whoever left or takes nothing is no fault; all else would end each page without a word
        if isinstance(ended[0], Exception) and not isinstance(ended[0], OSError):
            raise ended[0]

    async def _send(self, send: Send) -> None:
        async for event in self._events:
            async with asyncio.timeout(_TAKEN_SECS):
                await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
