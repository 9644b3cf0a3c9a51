"""
Where a Redis server is, and where things are on it.
"""

from typing import Protocol
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlsplit

import msgspec

from nautilus_recovery_actor.core.names import TRADER_PREFIX
from nautilus_recovery_actor.core.names import general_key


class Database(Protocol):
    """The configuration of a server, as each NautilusTrader has it."""

    @property
    def host(self) -> str | None:
        """The host, by default this one."""

    @property
    def port(self) -> int | None:
        """The port, by default 6379."""

    @property
    def username(self) -> str | None:
        """The user, if there is one."""

    @property
    def password(self) -> str | None:
        """The password, if there is one."""

    @property
    def ssl(self) -> bool:
        """Whether the connection is encrypted."""


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """Where NautilusTrader keeps what belongs to one trader."""

    trader_id: str
    # The instance, where `CacheConfig.use_instance_id` is set
    instance_id: str | None = None
    # `CacheConfig.use_trader_prefix` of the node
    use_trader_prefix: bool = True

    def key(self, name: str) -> str:
        """Return the key of an entry of the cache."""
        instance = f":{self.instance_id}" if self.instance_id else ""
        return f"{self._prefix}{instance}:{name}"

    def own_key(self, name: str) -> str:
        """Return the key of an entry beside the cache, the same for each instance."""
        return f"{self._prefix}:{name}"

    def where(self, name: str) -> str:
        """Return the key of an entry, of the cache or beside it."""
        return self.key(name) if name.startswith(general_key("")) else self.own_key(name)

    @property
    def _prefix(self) -> str:
        return f"{TRADER_PREFIX if self.use_trader_prefix else ''}{self.trader_id}"


def database_url(database: Database) -> str:
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
