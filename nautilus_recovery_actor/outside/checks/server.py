"""
The health of a node's Redis server, read from outside. Nothing is written to it.

NautilusTrader's own client (1.221 and 1.231, seen on a real server) always uses database 0, checks
the certificate of a TLS server against the public authorities built into it, and so never accepts
one of a private authority, whatever the system or ``SSL_CERT_FILE`` trusts.
"""

import contextlib
import ipaddress
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.exceptions import NoPermissionError

from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import PREFLIGHT_KEY
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Database
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.client import SOCKET_SECS
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.server_answers import denied_reads
from nautilus_recovery_actor.outside.checks.server_answers import ping_secs
from nautilus_recovery_actor.outside.checks.server_answers import refused_writes
from nautilus_recovery_actor.outside.checks.server_answers import trouble_of
from nautilus_recovery_actor.outside.checks.server_answers import without_password
from nautilus_recovery_actor.outside.checks.server_facts import ServerFacts
from nautilus_recovery_actor.outside.checks.server_facts import Trouble
from nautilus_recovery_actor.outside.checks.server_facts import facts_in_config
from nautilus_recovery_actor.outside.checks.server_facts import facts_in_heartbeat
from nautilus_recovery_actor.outside.checks.server_facts import facts_in_info
from nautilus_recovery_actor.outside.checks.server_rules import server_findings
from nautilus_recovery_actor.outside.checks.server_tls import is_publicly_trusted
from nautilus_recovery_actor.outside.checks.stored_keys import keys_of


_THREAD = "look-at-redis"
_PINGS = 5
_LONGEST_HEARTBEAT = 10_000
_SCAN_MARGIN_SECS = 0.2
_SETTINGS = ("appendfsync", "save", "stop-writes-on-bgsave-error")
_UNPARSABLE = frozenset("/?#")  # At these the URL breaks that NautilusTrader makes of a login
_UNPARSABLE_HOST = _UNPARSABLE | frozenset("@ ")


def look_at_login(database: Database) -> tuple[Finding, ...]:
    """
    Return what is wrong with the configured address and login of a server. Nothing is sent.
    """
    problem = _login_problem(database)
    if problem is None:
        return ()
    host = database.host or "127.0.0.1"
    if _UNPARSABLE_HOST & set(host):
        host = "an unreadable host"  # Which may hold a password
    where = f"{host}:{database.port or 6379}"
    facts = ServerFacts(address=one_line(where), trouble=Trouble.URL, detail=problem)
    return server_findings(facts)


def look_at_server(
    url: str, namespace: Namespace, timeout_secs: float = SOCKET_SECS, is_live_ok: bool = False
) -> tuple[Finding, ...]:
    """Return what is found at a server. A bad server is a finding, never an error."""
    facts = read_server(url, namespace, timeout_secs)
    return server_findings(facts, is_live_ok=is_live_ok)


def read_server(url: str, namespace: Namespace, timeout_secs: float = SOCKET_SECS) -> ServerFacts:
    """Return what can be read of a server. Nothing is written to it."""
    look = _Look(url, namespace, timeout_secs)
    # A host name that does not resolve, or a server that sends one byte a second, knows no timeout
    thread = threading.Thread(target=look.run, name=_THREAD, daemon=True)
    thread.start()
    thread.join(timeout_secs)
    return look.facts(is_over=not thread.is_alive())


class _Look:
    # Runs in a thread of its own, and may be left at any moment: `_seen` is replaced, not changed.

    def __init__(self, url: str, namespace: Namespace, timeout_secs: float) -> None:
        self._url = url
        self._namespace = namespace
        self._timeout_secs = timeout_secs
        self._deadline = time.monotonic() + timeout_secs
        self._is_encrypted = url.startswith("rediss:")
        self._seen: dict[str, Any] = {
            "is_local": _is_local(url),
            "is_encrypted": self._is_encrypted,
        }
        self._unread: tuple[str, ...] = ()
        self._pool: redis.ConnectionPool | None = None

    def facts(self, *, is_over: bool) -> ServerFacts:
        seen = self._seen
        if not is_over:
            seen = seen | self._trouble(redis.TimeoutError())
            if self._pool is not None:
                with contextlib.suppress(Exception):
                    self._pool.disconnect()  # Ends the thread
        return ServerFacts(address=one_line(address(self._url)), unread=self._unread, **seen)

    def run(self) -> None:
        try:
            with contextlib.closing(connect(self._url, self._timeout_secs)) as clients:
                self._pool = clients.connection_pool
                client: redis.Redis = clients.client()  # type: ignore[no-untyped-call]
                with contextlib.closing(client):
                    self._read(client)
        except Exception as e:
            self._see(**self._trouble(e))

    def _read(self, client: redis.Redis) -> None:
        ping_secs(client)
        place = client.connection_pool.connection_kwargs
        if place.get("password") and not place.get("username"):
            # As NautilusTrader does: a server without a password refuses it so, and not with HELLO
            client.execute_command("AUTH", place["password"])  # type: ignore[no-untyped-call]
        if self._is_encrypted:
            host, port = place.get("host", "localhost"), place.get("port", 6379)
            is_trusted = is_publicly_trusted(host, port, self._timeout_secs)
            self._see(is_publicly_trusted=is_trusted)
        self._see(ping_secs=statistics.median(ping_secs(client) for _ in range(_PINGS)))
        self._read_trader(client)
        self._read_settings(client)
        self._read_permissions(client)
        self._read_keys(client)

    def _read_trader(self, client: redis.Redis) -> None:
        key = self._namespace.key(general_key(HEARTBEAT_KEY))
        try:
            # A heartbeat is short: what is not is not read
            value: object = client.getrange(key, 0, _LONGEST_HEARTBEAT)
        except NoPermissionError:  # A node does not need that one
            value = self._ask("the heartbeat", lambda: client.get(key))
        except redis.ResponseError as e:
            if "WRONGTYPE" not in str(e):
                self._unread += ("the heartbeat",)
            value = b"damaged" if "WRONGTYPE" in str(e) else None
        self._see(clocks=(time.time_ns(),), **facts_in_heartbeat(value or None))
        now = self._ask("TIME", client.time)
        if now is not None:
            self._see(clocks=(time.time_ns(), int(now[0]) * 1_000_000_000 + int(now[1]) * 1000))

    def _read_settings(self, client: redis.Redis) -> None:
        info = self._ask("INFO", client.info)
        if isinstance(info, dict):
            self._see(**facts_in_info(info, self._seen["clocks"][-1] / 1e9))
        config: dict[str, object] = {}
        for name in _SETTINGS:
            config |= self._ask(f"CONFIG GET {name}", partial(client.config_get, name)) or {}
        self._see(**facts_in_config(config), key_count=self._ask("DBSIZE", client.dbsize))

    def _read_permissions(self, client: redis.Redis) -> None:
        key = self._namespace.key(general_key(PREFLIGHT_KEY))
        denied = denied_reads(client, key)
        self._see(denied=denied)
        try:
            denied_writes, refusal, unheard = refused_writes(client, key)
        except redis.ResponseError:
            self._unread += ("whether it accepts writes",)
        else:
            self._see(
                denied=denied + denied_writes,
                denied_hearing=unheard,
                refusal=refusal,
                is_writing_tried=True,
            )

    def _read_keys(self, client: redis.Redis) -> None:
        until = self._deadline - _SCAN_MARGIN_SECS
        found = self._ask("SCAN", lambda: keys_of(client, self._namespace, until))
        if found is None:
            return
        if found.has_keys is None:
            self._unread += ("all keys, within the timeout",)
        self._see(has_keys=found.has_keys, elsewhere=found.elsewhere)

    def _ask(self, what: str, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except redis.ResponseError:
            self._unread += (what,)
        return None

    def _see(self, **facts: Any) -> None:
        self._seen = self._seen | facts

    def _trouble(self, error: BaseException) -> dict[str, Any]:
        trouble, detail = trouble_of(error)
        if (
            isinstance(error, redis.TimeoutError)
            and self._is_encrypted
            and "ping_secs" not in self._seen
        ):
            detail += ": does this port speak TLS?"
        return {"trouble": trouble, "detail": without_password(detail, self._url)}


def _is_local(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or "127.0.0.1"
    except ValueError:
        return True  # Not a URL: reported elsewhere
    if parts.scheme == "unix" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _login_problem(database: Database) -> str | None:
    username, password = database.username or "", database.password or ""
    if username and not password:
        return "a username without a password, which NautilusTrader does not accept"
    for name, value in (("username", username), ("password", password)):
        if _UNPARSABLE & set(value):
            return f"the {name} contains / or ? or #: percent-encode it in the DatabaseConfig"
    host = database.host or ""
    if _UNPARSABLE_HOST & set(host):
        return "the host must be a name or an address, without a scheme, path, user or password"
    if ":" in host and not host.startswith("["):
        if host.count(":") == 1:
            return "the host contains a port, which belongs in `port`"
        return "an IPv6 address as the host needs brackets: [::1]"
    return None
