"""
Text from elsewhere, such as that of an exception, without what is secret and without what would
move or color a terminal.
"""

import re
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import msgspec

from nautilus_recovery_actor.core.text import one_line


MASK = "***"

_USERINFO = re.compile(r"(\w://)\S*@")
_SECRET_NAME = re.compile(r"pass|secret|token|credential|private|api_?key|auth", re.IGNORECASE)
_MAX_DEPTH = 12


def is_secret(name: str) -> bool:
    """Return whether a value of that name is secret."""
    return bool(_SECRET_NAME.search(name))


def secrets_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Return the secret values in nested configurations."""
    if depth > _MAX_DEPTH:
        return
    for name, part in _parts(value):
        if isinstance(part, str) and name is not None and is_secret(name):
            yield part
        else:
            yield from secrets_in(part, depth + 1)


def error_text(error: BaseException) -> str:
    """Return the type of an exception and what it says, which may be what raises."""
    kind = type(error).__name__
    try:
        text = str(error)
    except Exception:
        return kind
    return f"{kind}: {text}" if text else kind


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` in one line, with a mask in place of what is secret."""
    for secret in sorted(set(filter(None, secrets)), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    return one_line(text)


def _parts(value: Any) -> Iterator[tuple[str | None, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((None, part) for part in value)
    elif isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
