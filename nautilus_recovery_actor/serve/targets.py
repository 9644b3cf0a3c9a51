"""
Where alerts go: the services that apprise knows, each by its URL, which is a secret.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import signature
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

import apprise

from nautilus_recovery_actor.outside.checks.redact import MASK
from nautilus_recovery_actor.outside.checks.redact import without_secrets
from nautilus_recovery_actor.outside.files import exposure
from nautilus_recovery_actor.serve.threads import Threads


# How long one message may take, with what the service makes its clients wait (seconds)
SEND_SECS = 20.0
# How many attempts that hang there may be at once
_MOST_HANGING = 8
# So many characters can be read on a phone, and are taken by all but the shortest of services
_MAX_TITLE = 120
_MAX_BODY = 1_600
_LEAST_SECRET = 4

_logged: ContextVar[list[str] | None] = ContextVar("logged", default=None)


class AlertError(Exception):
    """Raised when alerts cannot be sent like that. The text is one line that says what to do."""


class Target:
    """
    One service that takes messages.

    Raises `AlertError` if there is none by that URL.
    """

    def __init__(self, url: str, number: int) -> None:
        self._apprise = apprise.Apprise(asset=_asset())
        with _quiet():
            is_known = self._apprise.add(url)
        if not is_known or len(self._apprise) != 1:
            scheme = url.partition("://")[0] if "://" in url else ""
            raise AlertError(
                f"Alert {number}{f' ({scheme})' if scheme.isalnum() else ''} is not the URL of a "
                f"service that apprise knows, or lacks a part: see docs/alerts.md"
            )
        service: Any = self._apprise[0]
        self.name = f"alert {number} ({service.service_name})"
        # What tells it from the others, for other processes, and does not tell its secrets
        self.id = hashlib.sha256(url.encode()).hexdigest()[:8]
        self._url = url
        self._title_limit = min(service.title_maxlen or _MAX_TITLE, _MAX_TITLE)
        # A service without titles puts it into the body
        self._body_limit = min(_MAX_BODY, max(service.body_maxlen - self._title_limit - 2, 40))
        # What hangs keeps its thread, which does not hold up the end of the process
        self._threads = Threads(_MOST_HANGING, SEND_SECS)

    async def send(self, title: str, body: str, *, secs: float = SEND_SECS) -> str:
        """Send a message, and return why that failed, in one line, empty if it did not."""
        title, body = cut(title, self._title_limit), cut(body, self._body_limit)
        try:
            async with asyncio.timeout(secs):
                return await self._threads.run(lambda: self._notify(title, body))
        except TimeoutError:
            return f"no answer within {secs:g} s"

    def _notify(self, title: str, body: str) -> str:
        with _quiet() as logged:
            try:
                is_sent = self._apprise.notify(
                    title=title, body=body, body_format=apprise.NotifyFormat.TEXT
                )
            except Exception as e:
                return without_secrets(f"{type(e).__name__}: {e}", _secrets(self._url))
        return "" if is_sent else _why(logged, self._url).removeprefix(": ") or "refused"


def _asset() -> apprise.AppriseAsset:
    # Who is sent elsewhere and answered there with a page has delivered nothing. The threads of
    # apprise are few, shared by all services, and waited for at the end: it is to use ours, which
    # it does without a time limit of its own (it has one since 2.x)
    own: dict[str, Any] = {"http_redirects": False, "async_mode": False}
    if "service_timeout" in signature(apprise.AppriseAsset.__init__).parameters:
        own["service_timeout"] = 0
    return apprise.AppriseAsset(**own)


def cut(text: str, limit: int) -> str:
    """Return a text that is not longer than that."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def read_urls(path: Path) -> tuple[list[str], str]:
    """
    Return the URLs in a file, one a line, and what is wrong with its permissions, if anything is.

    Raises `AlertError` if it cannot be read, or has none.
    """
    try:
        warning = exposure(path)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not UTF-8"
        raise AlertError(f"{path} cannot be read ({why}): give a file with one URL a line") from e
    urls = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if not urls:
        raise AlertError(f"{path} has no URL: give a file with one a line")
    return urls, warning


def targets(urls: Sequence[str]) -> list[Target]:
    """Return the services at URLs, each once."""
    return [Target(url, number) for number, url in enumerate(dict.fromkeys(urls), 1)]


class _Collecting(logging.Filter):
    """Takes what apprise logs, which may name what is secret, to who asked for it."""

    def filter(self, record: logging.LogRecord) -> bool:
        lines = _logged.get()
        if lines is not None and record.levelno >= logging.WARNING:
            lines.append(record.getMessage())
        return False


@contextmanager
def _quiet() -> Iterator[list[str]]:
    logger = logging.getLogger("apprise")
    if not any(isinstance(one, _Collecting) for one in logger.filters):
        logger.addFilter(_Collecting())
    lines: list[str] = []
    token = _logged.set(lines)
    try:
        yield lines
    finally:
        _logged.reset(token)


def _why(logged: list[str], url: str) -> str:
    text = without_secrets("; ".join(logged), _secrets(url)).rstrip(".")
    return f": {cut(text, 200)}" if text else ""


def _secrets(url: str) -> Iterator[str]:
    # Which part of it is secret differs by service: all but the host and what is short
    _, _, rest = url.partition("://")
    try:
        parts = urlsplit(f"http://{rest}")
        is_local = "." in parts.netloc.rpartition("@")[2] or ":" in parts.netloc.rpartition("@")[2]
        names = [parts.username, parts.password, None if is_local else parts.hostname]
    except ValueError:
        yield url
        return
    pieces = [*parts.path.split("/"), *parts.query.replace("=", "&").split("&"), *names]
    for piece in pieces:
        if piece and len(piece) >= _LEAST_SECRET and piece != MASK:
            yield from {piece, unquote(piece)}
