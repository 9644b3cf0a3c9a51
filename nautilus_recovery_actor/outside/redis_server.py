"""
The Redis or Valkey server of a node, seen from outside: how to reach it, and where things are.
"""

from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlsplit

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from nautilus_recovery_actor.core.names import TRADER_PREFIX


if TYPE_CHECKING:  # A probe that looks at Redis alone must not wait for NautilusTrader
    from nautilus_trader.config import DatabaseConfig


SOCKET_SECS = 5.0


class RedisUnusableError(Exception):
    """Raised when the Redis server cannot be reached, or does not do what is asked."""


def connect(url: str, timeout_secs: float = SOCKET_SECS) -> redis.Redis:
    """Return a client of the server. Nothing is sent yet."""
    options: dict[str, Any] = {}
    if url.startswith("rediss:") and "ssl_cert_reqs" not in url:
        options["ssl_check_hostname"] = True  # redis-py 5 would not, NautilusTrader does
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_secs,
            socket_connect_timeout=timeout_secs,
            retry=Retry(NoBackoff(), 0),
            **options,
        )
        # Bytes, whatever the URL says: what comes need not be text
        client.connection_pool.connection_kwargs["decode_responses"] = False
        client.connection_pool.make_connection()  # Only this looks at the options of the URL
    except (ValueError, TypeError) as e:  # Its text may quote the URL, and so a password
        raise RedisUnusableError(
            "Not the URL of a Redis server: give one like redis://127.0.0.1:6379"
        ) from e
    return client


def database_url(database: "DatabaseConfig") -> str:
    """Return the URL of the server that a node is configured to use. It holds the password."""
    login = ""
    if database.username or database.password:
        login = f"{_quoted(database.username)}:{_quoted(database.password)}@"
    scheme = "rediss" if database.ssl else "redis"
    return f"{scheme}://{login}{database.host or '127.0.0.1'}:{database.port or 6379}"


def _quoted(text: str | None) -> str:
    # NautilusTrader puts it into a URL as it is, so that what is encoded in it is decoded there
    return quote(unquote(text or ""), safe="")


def address(url: str) -> str:
    """Return where the server is, without what is secret in its URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 6379
    except ValueError:  # Its text may quote the URL, and so a password
        return "an unreadable address"
    if parts.scheme == "unix":
        return parts.path
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def literal(text: str) -> str:
    """Return a pattern for ``SCAN`` that only `text` itself matches."""
    return "".join(f"\\{c}" if c in "*?[]^\\" else c for c in text)


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """Where NautilusTrader keeps what belongs to one trader."""

    trader_id: str
    # The instance, where `CacheConfig.use_instance_id` is set
    instance_id: str | None = None
    # `CacheConfig.use_trader_prefix` of the node
    use_trader_prefix: bool = True

    def key(self, name: str) -> str:
        """Return the key of an entry."""
        prefix = TRADER_PREFIX if self.use_trader_prefix else ""
        instance = f":{self.instance_id}" if self.instance_id else ""
        return f"{prefix}{self.trader_id}{instance}:{name}"
