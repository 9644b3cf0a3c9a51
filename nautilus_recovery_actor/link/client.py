"""
Clients of a Redis or Valkey server: one that waits, and one for the event loop.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any
from typing import TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from nautilus_recovery_actor.core.text import one_line


_Answer = TypeVar("_Answer")

SOCKET_SECS = 5.0

_NO_URL = "Not the URL of a Redis server: give one like redis://127.0.0.1:6379"


class RedisUnusableError(Exception):
    """Raised when the Redis server cannot be reached, or does not do what is asked."""


# What a server raises that does not answer, or refuses
UNANSWERED = (redis.RedisError, OSError, RedisUnusableError)


def connect(url: str, timeout_secs: float = SOCKET_SECS) -> redis.Redis:
    """Return a client of the server. Nothing is sent yet."""
    if problem := _problem(url):
        raise RedisUnusableError(problem)
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_secs,
            socket_connect_timeout=timeout_secs,
            retry=Retry(NoBackoff(), 0),
            **_options(url),
        )
        # Bytes, whatever the URL says: what comes need not be text
        client.connection_pool.connection_kwargs["decode_responses"] = False
        client.connection_pool.make_connection()  # Only this looks at the options of the URL
    except (ValueError, TypeError) as e:  # Its text may quote the URL, and so a password
        raise RedisUnusableError(_NO_URL) from e
    return client


def connect_async(url: str, timeout_secs: float | None) -> redis.asyncio.Redis:
    """
    Return a client of the server for the event loop, with one connection that is made anew when it
    is needed. An answer may take `timeout_secs`, or for ever.
    """
    return redis.asyncio.Redis.from_url(
        url,
        socket_timeout=timeout_secs,
        socket_connect_timeout=SOCKET_SECS,
        retry=AsyncRetry(NoBackoff(), 0),
        single_connection_client=True,
        **_options(url),
    )


async def answered(answer: Awaitable[_Answer], timeout_secs: float) -> _Answer:
    """
    Wait for an answer, whatever the server, its name or its connection is busy with.

    Raises ``TimeoutError`` if it does not come. Whoever is canceled meanwhile stays canceled: the
    client sends by `asyncio.wait_for`, which forgets that on Python 3.11 if it comes while the last
    bytes leave.
    """
    try:
        async with asyncio.timeout(timeout_secs):
            return await answer
    finally:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


async def disconnect(client: redis.asyncio.Redis) -> None:
    """Close the connection of a client at once: the loop may end in the next turn."""
    if client.connection is not None:
        await client.connection.disconnect(nowait=True)
    await client.aclose()


def in_words(error: BaseException) -> str:
    """Return an error of the server's, or of the way to it, in one line."""
    return one_line(str(error)).rstrip(".") or type(error).__name__


def is_unreachable(error: BaseException) -> bool:
    """Return whether an error is of the way to the server, and not the server's answer."""
    return isinstance(
        error, redis.ConnectionError | redis.TimeoutError | OSError | asyncio.TimeoutError
    )


def _problem(url: str) -> str:
    # Without quoting it: what is wrong may be the password
    scheme, _, rest = url.partition("://")
    if scheme not in ("redis", "rediss"):
        return ""
    server = rest.partition("?")[0].rpartition("@")[2].partition("#")[0]
    login = rest.rpartition("@")[0]
    netloc = rest.replace("?", "/").replace("#", "/").partition("/")[0]
    if "@" in rest and "@" not in netloc and "=" not in login:
        return (
            "Not the URL of a Redis server: its password contains / ? or #, which must be "
            "percent-encoded: %2F, %3F, %23"
        )
    database = server.partition("/")[2]
    if database and not database.isdecimal():
        return "Not the URL of a Redis server: what follows its port must be a number, or nothing"
    return ""


def _options(url: str) -> dict[str, Any]:
    # redis-py 5 would not check it, NautilusTrader does
    is_checked = url.startswith("rediss:") and "ssl_cert_reqs" not in url
    return {"ssl_check_hostname": True} if is_checked else {}
