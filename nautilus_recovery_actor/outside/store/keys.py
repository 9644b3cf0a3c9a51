"""
Keys of a Redis server: whose they are, and how to show them.
"""

import re
from itertools import islice

import redis

from nautilus_recovery_actor.core.names import TRADER_PREFIX
from nautilus_recovery_actor.core.text import one_line


_MAX_SCANNED = 1_000_000
_MAX_KEY = 200
_OWNER = re.compile(
    rb"("
    + TRADER_PREFIX.encode()
    + rb")?([^:]+-[^:]+?)(?::([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))?"
    rb":(?:general|currencies|instruments|accounts|orders|positions|index|strategies|actors):.*",
    re.DOTALL,
)


def owners(client: redis.Redis) -> list[tuple[str, str]]:
    """Return which traders the server holds entries of, with the options that name each."""
    found = {
        match.groups()
        for key in islice(client.scan_iter(count=1_000), _MAX_SCANNED)
        if (match := _OWNER.fullmatch(key))
    }
    return sorted(
        (
            name(trader),
            ("" if prefix else " --no-prefix")
            + (f" --instance-id {instance.decode()}" if instance else ""),
        )
        for prefix, trader, instance in found
    )


def name(key: bytes) -> str:
    """Return a key or a part of it as text that can be shown, also if it is not UTF-8."""
    text = one_line(key[: 4 * _MAX_KEY].decode(errors="backslashreplace"))
    return text if len(text) <= _MAX_KEY else f"{text[:_MAX_KEY]}..."


def is_text(key: bytes) -> bool:
    """Return whether a key or a part of it is UTF-8, as NautilusTrader needs it."""
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True
