"""
Texts on which NautilusTrader ends the process instead of raising an error (seen on 1.221 and
1.231, the bar types on 1.221 only).
"""

import re
from collections.abc import Mapping
from typing import Any


_ZERO_STEP = re.compile(r"-0+-[A-Z_]+-[A-Z]+-(?:IN|EX)TERNAL")
_MAX_DEPTH = 12


def check_trader_id(trader_id: str) -> None:
    """Refuse what is not a trader ID."""
    name, _, tag = trader_id.rpartition("-")
    if not (name and tag and trader_id.isascii()):
        raise ValueError(
            f"`trader_id` must be an ASCII name and a tag with a hyphen between them, "
            f"such as 'TRADER-001', was '{trader_id}'"
        )


def check_bar_types(value: Any, depth: int = 0) -> None:
    """Refuse bar types with a step of zero in nested values."""
    if isinstance(value, str):
        if _ZERO_STEP.search(value):
            raise ValueError(f"the bar type '{value}' has a step of zero")
    elif depth < _MAX_DEPTH:
        if isinstance(value, Mapping):
            value = [*value.keys(), *value.values()]
        if isinstance(value, list | tuple | set | frozenset):
            for part in value:
                check_bar_types(part, depth + 1)
