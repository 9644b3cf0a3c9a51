"""
What a request that changes something has in it, and whether a page of this server made it.
"""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl
from urllib.parse import urlsplit

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request


_MAX_BYTES = 8_192
_MAX_FIELDS = 20
_READ_SECS = 5.0


async def fields(request: Request) -> Mapping[str, str]:
    """Return the fields of a form or of a JSON object, each of them a text."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "application/json"):
        raise HTTPException(415, "Send a form, or JSON")
    try:
        async with asyncio.timeout(_READ_SECS):
            body = await _body(request)
    except TimeoutError as e:
        raise HTTPException(408, f"Not sent within {_READ_SECS:g} s") from e
    try:
        if kind == "application/json":
            found = msgspec.json.decode(body, type=dict[str, str | float])
            return {name: str(value) for name, value in found.items()}
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as e:
        raise HTTPException(400, "The fields cannot be read") from e


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MAX_BYTES:
            raise HTTPException(413, f"More than {_MAX_BYTES} bytes")
    return body


def is_same_site(request: Request, public_url: str = "") -> bool:
    """Return whether a browser says that a page of this server made the request."""
    origin, site = (request.headers.get(name) for name in ("origin", "sec-fetch-site"))
    if site is not None:
        # No page can set that. The origin of a page that tells no referrer is `null`
        return site == "same-origin" and (
            origin in (None, "null") or _is_ours(origin, request, public_url)
        )
    return origin is not None and _is_ours(origin, request, public_url)


def _is_ours(origin: str, request: Request, public_url: str) -> bool:
    try:
        given, public = urlsplit(origin), urlsplit(public_url)
    except ValueError:
        return False
    if public.netloc and (given.scheme, given.netloc) == (public.scheme, public.netloc):
        return True
    return bool(given.netloc) and given.netloc == request.headers.get("host")
