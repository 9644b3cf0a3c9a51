"""
The health of a node's Redis server, read from outside. Nothing is written to it.

NautilusTrader's own client (1.221 and 1.231, seen on a real server) always uses database 0, checks
the certificate of a TLS server against the public authorities built into it, and so never accepts
one of a private authority, whatever the system or ``SSL_CERT_FILE`` trusts.
"""

import contextlib
import ipaddress
import ssl
import statistics
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

import redis
from nautilus_trader.config import DatabaseConfig
from redis.exceptions import NoPermissionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import ReadOnlyError

from nautilus_recovery_actor.findings import Finding
from nautilus_recovery_actor.journal import HEARTBEAT_KEY
from nautilus_recovery_actor.redis_view import SOCKET_SECS
from nautilus_recovery_actor.redis_view import Namespace
from nautilus_recovery_actor.redis_view import RedisUnusableError
from nautilus_recovery_actor.redis_view import address
from nautilus_recovery_actor.redis_view import connect
from nautilus_recovery_actor.redis_view import database_url
from nautilus_recovery_actor.redis_view import one_line
from nautilus_recovery_actor.server_facts import ServerFacts
from nautilus_recovery_actor.server_facts import Trouble
from nautilus_recovery_actor.server_facts import told_by_config
from nautilus_recovery_actor.server_facts import told_by_heartbeat
from nautilus_recovery_actor.server_facts import told_by_info
from nautilus_recovery_actor.server_rules import HEARTBEAT_SECS
from nautilus_recovery_actor.server_rules import server_findings
from nautilus_recovery_actor.stored_keys import keys_of


_PINGS = 5
_LONGEST_TEXT = 200
_LONGEST_HEARTBEAT = 10_000
_UNPARSABLE = frozenset("/?#\\")  # In a user or password NautilusTrader's URL breaks at these

# What NautilusTrader sends for its cache. Those that write are not executed here.
_READS = ("GET", "MGET", "LRANGE {} 0 0", "SMEMBERS", "HGETALL")
_WRITES = ("SET {} 0", "RPUSH {} 0", "RPUSHX {} 0", "SADD {} 0", "SREM {} 0")
_WRITES += ("HSET {} 0 0", "HDEL {} 0", "DEL {}")


def look_at_database(
    database: DatabaseConfig,
    namespace: Namespace,
    timeout_secs: float = SOCKET_SECS,
    is_live_ok: bool = False,
    heartbeat_secs: float = HEARTBEAT_SECS,
) -> tuple[Finding, ...]:
    """
    Return what is found at the server that a node is configured to use.

    Parameters
    ----------
    database : DatabaseConfig
        The configuration.
    namespace : Namespace
        Where the trader's keys are.
    timeout_secs : float, default 5.0
        How long to look in all (seconds).
    is_live_ok : bool, default False
        If a node of this trader may be running.
    heartbeat_secs : float, default 5.0
        `RecoveryMonitorConfig.heartbeat_secs` of the node.

    Returns
    -------
    tuple[Finding, ...]

    """
    problem = _login_problem(database)
    if problem is not None:
        where = f"{database.host or '127.0.0.1'}:{database.port or 6379}"
        facts = ServerFacts(address=one_line(where), trouble=Trouble.URL, detail=problem)
        return server_findings(facts)
    url = database_url(database)
    return look_at_server(url, namespace, timeout_secs, is_live_ok, heartbeat_secs)


def look_at_server(
    url: str,
    namespace: Namespace,
    timeout_secs: float = SOCKET_SECS,
    is_live_ok: bool = False,
    heartbeat_secs: float = HEARTBEAT_SECS,
) -> tuple[Finding, ...]:
    """
    Return what is found at a server. A bad server is a finding, never an error.

    Parameters
    ----------
    url : str
        The server.
    namespace : Namespace
        Where the trader's keys are.
    timeout_secs : float, default 5.0
        How long to look in all (seconds).
    is_live_ok : bool, default False
        If a node of this trader may be running.
    heartbeat_secs : float, default 5.0
        `RecoveryMonitorConfig.heartbeat_secs` of the node.

    Returns
    -------
    tuple[Finding, ...]

    """
    facts = read_server(url, namespace, timeout_secs)
    return server_findings(facts, is_live_ok=is_live_ok, heartbeat_secs=heartbeat_secs)


def read_server(
    url: str,
    namespace: Namespace,
    timeout_secs: float = SOCKET_SECS,
) -> ServerFacts:
    """
    Return what can be told of a server. Nothing is written to it.

    Parameters
    ----------
    url : str
        The server.
    namespace : Namespace
        Where the trader's keys are.
    timeout_secs : float, default 5.0
        How long to look in all (seconds), whatever the server does.

    Returns
    -------
    ServerFacts

    """
    look = _Look(url, namespace, timeout_secs)
    # A host name that does not resolve, or a server that sends one byte a second, knows no timeout
    thread = threading.Thread(target=look.run, daemon=True)
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
        self._untold: tuple[str, ...] = ()

    def facts(self, *, is_over: bool) -> ServerFacts:
        seen = dict(self._seen)
        if not is_over:
            detail = f"no answer within {self._timeout_secs:g} s"
            seen |= {"trouble": Trouble.UNREACHABLE, "detail": detail + self._tls_hint()}
        return ServerFacts(address=one_line(address(self._url)), untold=self._untold, **seen)

    def run(self) -> None:
        try:
            with contextlib.closing(connect(self._url, self._timeout_secs)) as pool:
                with contextlib.closing(pool.client()) as client:
                    self._read(client)
        except Exception as e:
            self._see(**self._trouble(e))

    def _read(self, client: redis.Redis) -> None:
        _ping(client)
        if self._is_encrypted:
            self._see(is_publicly_trusted=_is_publicly_trusted(self._url, self._timeout_secs))
        self._see(ping_secs=statistics.median(_ping(client) for _ in range(_PINGS)))
        self._see(clocks=(time.time_ns(),))
        now = self._ask("TIME", client.time)
        if now is not None:
            server = int(now[0]) * 1_000_000_000 + int(now[1]) * 1000
            self._see(clocks=(time.time_ns(), server))
        self._read_settings(client)
        self._read_permissions(client)
        self._read_trader(client)

    def _read_settings(self, client: redis.Redis) -> None:
        info = self._ask("INFO", client.info)
        if isinstance(info, dict):
            self._see(**told_by_info(info, self._seen["clocks"][-1] / 1e9))
        config: dict[str, object] = {}
        for name in ("appendfsync", "save", "stop-writes-on-bgsave-error"):
            config |= self._ask(f"CONFIG GET {name}", lambda n=name: client.config_get(n)) or {}
        self._see(**told_by_config(config))
        self._see(key_count=self._ask("DBSIZE", client.dbsize))

    def _read_permissions(self, client: redis.Redis) -> None:
        key = self._namespace.key("general:recovery:preflight")
        denied = [line.split()[0] for line in _READS if _is_denied(client, _filled(line, key))]
        if _is_denied(client, ["SCAN", "0", "MATCH", self._namespace.key("*")]):
            denied.append("SCAN")
        if _is_denied(client, ["INFO"]):
            denied.append("INFO")
        self._see(denied=tuple(denied))
        try:
            refused, refusal = _refused(client, key)
        except redis.ResponseError:
            self._untold += ("whether it would write",)
        else:
            self._see(denied=tuple(denied + refused), refusal=refusal, is_writing_tried=True)

    def _read_trader(self, client: redis.Redis) -> None:
        key = self._namespace.key(f"general:{HEARTBEAT_KEY}")
        # A heartbeat is short: what is not is not read
        value = self._ask("the heartbeat", lambda: client.getrange(key, 0, _LONGEST_HEARTBEAT))
        self._see(**told_by_heartbeat(value or None))
        found = self._ask("SCAN", lambda: keys_of(client, self._namespace, self._deadline - 0.2))
        if found is None:
            return
        if not found.is_complete:
            self._untold += ("all keys, in this time",)
        self._see(has_keys=found.has_keys, elsewhere=found.elsewhere)

    def _ask(self, what: str, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except redis.ConnectionError:
            raise
        except redis.ResponseError as e:
            if "WRONGTYPE" in str(e):
                return b"\xff"  # There is something, and it is not what it should be
            self._untold += (what,)
        return None

    def _see(self, **facts: Any) -> None:
        self._seen = self._seen | facts

    def _tls_hint(self) -> str:
        return ": does it speak TLS at this port?" if self._is_encrypted else ""

    def _trouble(self, error: BaseException) -> dict[str, Any]:
        trouble, detail = _trouble(error)
        if trouble is Trouble.UNREACHABLE and isinstance(error, redis.TimeoutError):
            detail += self._tls_hint()
        return {"trouble": trouble, "detail": self._clean(detail)}

    def _clean(self, text: str) -> str:
        # A server may say again what it was told
        for secret in _secrets(self._url):
            text = text.replace(secret, "***")
        return one_line(text)[:_LONGEST_TEXT]


def _trouble(error: BaseException) -> tuple[Trouble, str]:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble.TLS, f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return Trouble.TLS, f"no TLS connection: {cause.reason or 'it closed the connection'}"
    match error:
        case RedisUnusableError():
            return Trouble.URL, str(error)
        case redis.AuthenticationError():
            return Trouble.LOGIN, "it refuses the user or the password, or wants one"
        case redis.BusyLoadingError():
            return Trouble.LOADING, "it is loading its data"
        case redis.TimeoutError():
            return Trouble.UNREACHABLE, "it does not answer in time"
        case redis.ConnectionError() | OSError():
            return Trouble.UNREACHABLE, f"no connection: {_reason(error)}"
        case redis.ResponseError():
            return Trouble.ANSWER, f"it answers with an error: {error}"
        case _:
            return (
                Trouble.ANSWER,
                f"its answer is not the protocol of Redis ({type(error).__name__})",
            )


def _secrets(url: str) -> list[str]:
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        return []
    return [secret for secret in (unquote(password), password) if secret]


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def _reason(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return str(error)


def _ping(client: redis.Redis) -> float:
    start = time.perf_counter()
    try:
        client.ping()
    except NoPermissionError:
        pass
    except redis.ResponseError as e:
        if not str(e).startswith("MISCONF"):  # That it cannot write: it says so to a ping, too
            raise
    return time.perf_counter() - start


def _filled(line: str, key: str) -> list[str]:
    words = line.split()
    return [key if word == "{}" else word for word in words] + ([] if "{}" in words else [key])


def _is_denied(client: redis.Redis, command: list[str]) -> bool:
    try:
        _send(client, *command)
    except NoPermissionError:
        return True
    except redis.ResponseError:
        pass  # Such as a key of another kind
    return False


def _refused(client: redis.Redis, key: str) -> tuple[list[str], str | None]:
    # The server says of each command of a transaction whether it would take it. None is executed:
    # the transaction is thrown away.
    denied: list[str] = []
    refusal = None
    _send(client, "MULTI")
    for line in _WRITES:
        try:
            _send(client, *_filled(line, key))
        except NoPermissionError:
            denied.append(line.split()[0])
        except redis.ResponseError as e:
            refusal = refusal or one_line(_text(e))[:_LONGEST_TEXT]
    _send(client, "DISCARD")
    return denied, refusal


def _text(error: redis.ResponseError) -> str:
    # redis-py takes the first word of those that it knows
    words = {ReadOnlyError: "READONLY ", OutOfMemoryError: "OOM "}
    return words.get(type(error), "") + str(error)


def _send(client: redis.Redis, *command: str) -> object:
    connection = client.connection
    assert connection is not None
    connection.send_command(*command)
    return connection.read_response()


def _is_local(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or "127.0.0.1"
    except ValueError:
        return True  # No URL: that is told
    if parts.scheme == "unix" or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def public_roots() -> str | None:
    """
    Return the file of the public authorities' certificates, as NautilusTrader has them built in.

    Returns
    -------
    str or ``None``
        ``None`` if `certifi` is not installed.

    """
    if find_spec("certifi") is None:
        return None
    import certifi  # noqa: PLC0415

    return certifi.where()


def _is_publicly_trusted(url: str, timeout_secs: float) -> bool | None:
    roots = public_roots()
    if roots is None:
        return None
    context = ssl.create_default_context(cafile=roots)
    client = connect(url, timeout_secs)
    kwargs = client.connection_pool.connection_kwargs
    host = kwargs.get("host", "localhost")
    try:
        import socket  # noqa: PLC0415

        place = (host, kwargs.get("port", 6379))
        with socket.create_connection(place, timeout_secs) as plain:
            with context.wrap_socket(plain, server_hostname=host):
                return True
    except ssl.SSLCertVerificationError:
        return False
    except OSError:
        return None


def _login_problem(database: DatabaseConfig) -> str | None:
    username, password = database.username or "", database.password or ""
    if username and not password:
        return "a username without a password: NautilusTrader stops at that"
    for name, value in (("username", username), ("password", password)):
        if _UNPARSABLE & set(value):
            return f"the {name} holds one of / ? # \\: percent-encode it in the DatabaseConfig"
    host = database.host or ""
    if ":" in host and not host.startswith("["):
        return "an IPv6 address as host needs brackets: [::1]"
    return None
