"""
Who may act from the board: whoever has the token, for a browser as a session.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

import msgspec

from nautilus_recovery_actor.core.text import one_line


LEAST_TOKEN = 20
_MAX_NAME = 60
# How long a session lasts, whatever is done in it (seconds), and how many there are
_LASTS_SECS = 8 * 3_600.0
_MOST = 200
# How many failures a minute count, of one client and of all
_WINDOW_SECS = 60.0
_FAILURES = 5
_ALL_FAILURES = 60
_MOST_CLIENTS = 10_000


class TokenError(ValueError):
    """Raised when a token protects nothing. The text is one line that says what to do."""


class Session(msgspec.Struct, frozen=True):
    """A browser in which somebody has given the token."""

    operator: str
    # What each form repeats
    csrf: str
    until: float


class Sessions:
    """The token, who has given it, and who has given another one too often."""

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        token = token.strip()
        if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable():
            raise TokenError(
                f"The token for actions must have at least {LEAST_TOKEN} plain characters: make "
                "one with `openssl rand -hex 24`"
            )
        self._digest = _digest(token)
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._failures: dict[str, list[float]] = {}
        self._all_failures: list[float] = []

    def wait_secs(self, client: str) -> float:
        """Return how long a client has to wait before it may try the token again."""
        now = self._clock()
        waits = [0.0]
        for times, most in (
            (self._failures.get(client, []), _FAILURES),
            (self._all_failures, _ALL_FAILURES),
        ):
            recent = [one for one in times if now - one < _WINDOW_SECS]
            if len(recent) >= most:
                waits.append(recent[-most] + _WINDOW_SECS - now)
        return max(waits)

    def is_right(self, token: str, client: str) -> bool:
        """Return whether a token is the right one, and count it if it is not."""
        if hmac.compare_digest(self._digest, _digest(token)):
            self._failures.pop(client, None)
            return True
        now = self._clock()
        if len(self._failures) >= _MOST_CLIENTS:
            self._failures.clear()  # The count of all goes on
        times = self._failures.setdefault(client, [])
        times.append(now)
        del times[:-_FAILURES]
        self._all_failures.append(now)
        del self._all_failures[:-_ALL_FAILURES]
        return False

    def open(self, operator: str) -> tuple[str, Session]:
        """Begin a session, and return what a browser shows for it."""
        now = self._clock()
        self._sessions = {key: one for key, one in self._sessions.items() if one.until > now}
        while len(self._sessions) >= _MOST:
            self._sessions.pop(next(iter(self._sessions)))
        key = secrets.token_urlsafe(32)
        session = Session(operator, secrets.token_urlsafe(32), now + _LASTS_SECS)
        self._sessions[_digest(key).hex()] = session
        return key, session

    def find(self, key: str | None) -> Session | None:
        """Return the session of what a browser shows, ``None`` if there is none."""
        session = self._sessions.get(_digest(key).hex()) if key else None
        return session if session is not None and session.until > self._clock() else None

    def close(self, key: str | None) -> None:
        """End a session: what a browser shows for it is worth nothing any more."""
        if key:
            self._sessions.pop(_digest(key).hex(), None)


def is_of(session: Session, csrf: str) -> bool:
    """Return whether a form is one of a session."""
    return hmac.compare_digest(_digest(session.csrf), _digest(csrf))


def operator_name(text: str) -> str | None:
    """Return who acts, ``None`` if that is not a name."""
    name = text.strip()
    return name if name and len(name) <= _MAX_NAME and one_line(name) == name else None


def _digest(text: str) -> bytes:
    # Of equal length, so that comparing them takes the same time whatever is in them
    return hashlib.sha256(text.encode(errors="replace")).digest()
