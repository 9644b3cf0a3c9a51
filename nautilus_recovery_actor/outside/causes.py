"""
Why a Redis server cannot be used, and what to do, for a person.
"""

import socket
import ssl
from collections.abc import Iterator
from urllib.parse import unquote
from urllib.parse import urlsplit

import redis

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import address


_OURS = "is it running, and is this the server of the node's cache?"
_LONGEST = 300


def unusable(error: BaseException, url: str, remedy: str = "") -> str:
    """Return in one line why a server cannot be used, and what to do, without any secret."""
    why, what_to_do = _cause(error, url)
    why = _without_password(one_line(why), url)  # A server may echo it
    return f"Redis at {address(url)} cannot be used ({why}): {remedy or what_to_do}"


def _cause(error: BaseException, url: str) -> tuple[str, str]:  # noqa: C901  One case for each
    is_encrypted = url.startswith("rediss:")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return _cause_of_tls(cause)
        if isinstance(cause, socket.gaierror):
            return "its host name is not known", "check the name in the URL"
        if isinstance(cause, FileNotFoundError | PermissionError | IsADirectoryError):
            name = "the socket" if url.startswith("unix:") else "the file in ssl_ca_certs"
            return f"{name}: {cause.strerror}", "check the path in the URL"
    match error:
        case redis.AuthenticationError():
            return _cause_of_login(error)
        case redis.exceptions.NoPermissionError():
            return f"its user lacks a permission: {error}".rstrip("."), (
                "grant it, docs/redis.md#permissions lists what each user needs"
            )
        case redis.BusyLoadingError():
            return "it is loading its data", "try again in a moment"
        case redis.TimeoutError() if is_encrypted:
            return "it does not answer in time", (
                "does this port speak TLS? If it does not, give redis:// in place of rediss://"
            )
        case redis.TimeoutError():
            return "it does not answer in time", (
                "is this the port of a Redis server, and is the way to it open?"
            )
        case redis.InvalidResponse():
            return "what is there does not answer like Redis", "check the port in the URL"
        case redis.ConnectionError() if "refused" in str(error).lower():
            return "nothing listens there", _OURS
        case redis.ConnectionError() if _is_closed(error) and not is_encrypted:
            return "it closed the connection", (
                "is this the port of a Redis server? If it speaks TLS, give rediss:// in place of "
                "redis://"
            )
        case redis.ResponseError() if "DB index" in str(error):
            return "it has no such database", "leave the number out: NautilusTrader uses 0"
    return one_line(str(error)).rstrip(".")[:_LONGEST] or type(error).__name__, _OURS


def _cause_of_tls(error: ssl.SSLError) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not accepted: {error.verify_message}".rstrip(".")
        if "ostname" in error.verify_message or "IP address" in error.verify_message:
            return why, "give the name that is in its certificate"
        return why, (
            "give the file of the authority that signed it, with ?ssl_ca_certs=FILE in the URL"
        )
    if "NO_CERTIFICATE" in str(error) or "PEM" in str(error):
        return "the file in ssl_ca_certs holds no certificate", "give one in PEM format"
    return f"no TLS connection: {error.reason or 'it closed the connection'}", (
        "does this port speak TLS? If it does not, give redis:// in place of rediss://"
    )


def _cause_of_login(error: redis.AuthenticationError) -> tuple[str, str]:
    text = str(error)
    if "HELLO must be called" in text or "NOAUTH" in text or "required" in text:
        return "it requires a password", (
            "give it in the URL, like redis://USER:PASSWORD@HOST:PORT, or in REDIS_URL"
        )
    return "it rejects the user or the password", (
        "check both; what is special in a URL must be percent-encoded, like %25 for %"
    )


def _is_closed(error: BaseException) -> bool:
    text = str(error).lower()
    return "reset by peer" in text or "closed" in text


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _without_password(text: str, url: str) -> str:
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        return text
    for secret in (unquote(password), password):
        if secret:
            text = text.replace(secret, "***")
    return text
