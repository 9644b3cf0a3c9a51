"""
What a Redis server answers: how fast, what it denies, what goes wrong.
"""

import ssl
import time
from urllib.parse import unquote
from urllib.parse import urlsplit

import redis
from redis.exceptions import NoPermissionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import ReadOnlyError

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.outside.checks import redact
from nautilus_recovery_actor.outside.checks.server_facts import Trouble


LONGEST_TEXT = 200

_UNWANTED = "without any password configured"

# What NautilusTrader sends for its cache, and the monitor for its lease. `{}` stands for a key;
# those that write are not executed.
_READS = (
    "GET {}",
    "MGET {}",
    "LRANGE {} 0 0",
    "SMEMBERS {}",
    "HGETALL {}",
    "HMGET {} 0",
    "PTTL {}",
    "TIME",
    "SCAN 0 MATCH {}*",
    "INFO server",
)
_WRITES = (
    "SET {} 0",
    "RPUSH {} 0",
    "RPUSHX {} 0",
    "SADD {} 0",
    "SREM {} 0",
    "HSET {} 0 0",
    "HDEL {} 0",
    "DEL {}",
    "PEXPIRE {} 1",
    "EVAL return 1 {}",
)
# What the monitor sends to hear operators' commands, and to answer them
_HEARING = ("BLPOP {} 0", "LPOP {}", "EXPIRE {} 1")


def ping_secs(client: redis.Redis) -> float:
    """Return how long the server takes to answer."""
    start = time.perf_counter()
    try:
        client.ping()
    except NoPermissionError:
        pass
    except redis.ResponseError as e:
        if not str(e).startswith("MISCONF"):  # It cannot write, and says so even to a ping
            raise
    return time.perf_counter() - start


def denied_reads(client: redis.Redis, key: str) -> tuple[str, ...]:
    """
    Return the commands that read, of those that NautilusTrader uses, which this user may not use.
    """
    denied = []
    for line in _READS:
        try:
            _send(client, line, key)
        except redis.ResponseError as e:
            if _is_denial(e):
                denied.append(line.split()[0])
    return tuple(denied)


def refused_writes(
    client: redis.Redis, key: str
) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """
    Return the commands that write which this user may not use, why the server would refuse the
    others, and what the user may not use of that by which commands are heard. Nothing is written.

    Each command is queued in a transaction, which shows whether the server accepts it; then the
    transaction is discarded.
    """
    denied: dict[str, None] = {}
    refusal = None
    _send(client, "MULTI", key)
    for line in (*_WRITES, *_HEARING):
        try:
            _send(client, line, key)
        except redis.ResponseError as e:
            if _is_denial(e):
                denied[line] = None
            else:
                refusal = refusal or one_line(_code(e) + str(e))[:LONGEST_TEXT]
    _send(client, "DISCARD", key)

    def names(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(line.split()[0] for line in lines if line in denied)

    return names(_WRITES), refusal, names(_HEARING)


def trouble_of(error: BaseException) -> tuple[Trouble, str]:
    """Return what an error says about the server, and the words for it."""
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Trouble.TLS, f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return Trouble.TLS, f"no TLS connection: {cause.reason or 'it closed the connection'}"
    match error:
        case RedisUnusableError():
            return Trouble.URL, str(error)
        case redis.AuthenticationError():
            return Trouble.LOGIN, _refusal(error)
        case redis.BusyLoadingError():
            return Trouble.LOADING, "it is loading its data"
        case redis.TimeoutError():
            return Trouble.UNREACHABLE, "it does not answer in time"
        case redis.ConnectionError() | OSError():
            reasons = [cause.strerror for cause in causes if isinstance(cause, OSError)]
            reason = next(filter(None, reasons), str(error))
            return Trouble.UNREACHABLE, f"no connection: {reason}"
        case redis.ResponseError():
            return Trouble.ANSWER, f"it answers with an error: {error}"
        case _:
            return (Trouble.ANSWER, f"it does not answer like Redis ({type(error).__name__})")


def without_password(text: str, url: str) -> str:
    """Return a text in one line, without the password: a server may echo it."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        password = ""
    return redact.without_secrets(text, (unquote(password), password))[:LONGEST_TEXT]


def _refusal(error: redis.AuthenticationError) -> str:
    if _UNWANTED in str(error):
        return "it has no password, and NautilusTrader fails when one is configured"
    return "it rejects the username or the password, or requires one"


def _send(client: redis.Redis, line: str, key: str) -> object:
    connection = client.connection
    assert connection is not None
    words = (word.replace("{}", key) for word in line.split())
    connection.send_command(*words)  # type: ignore[no-untyped-call]
    return connection.read_response()


def _is_denial(error: redis.ResponseError) -> bool:
    # A command that was renamed or taken away is denied as well
    return isinstance(error, NoPermissionError) or "unknown command" in str(error)


def _code(error: redis.ResponseError) -> str:
    # redis-py takes the first word away from the errors that it knows
    words = {ReadOnlyError: "READONLY ", OutOfMemoryError: "OOM "}
    return words.get(type(error), "")


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
