"""
A configuration as Python text, without anything secret.
"""

import datetime as dt
import enum
import json
import re
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec
import nautilus_trader.config
from nautilus_trader.core import nautilus_pyo3

from nautilus_recovery_actor.outside.checks.redact import is_secret


_IDENTIFIERS = "nautilus_trader.model.identifiers"
# What is made of its text, and how
_OF_TEXT = {
    "InstrumentId": "from_str",
    "BarType": "from_str",
    "Currency": "from_str",
    "Money": "from_str",
    "Price": "from_str",
    "Quantity": "from_str",
    "UUID4": "from_str",
}
_USERINFO = re.compile(r"\w://[^/\s]*@")
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset([", "])"),
}
_INDENT = "    "

Where = tuple[str | int, ...]
Notes = Mapping[Where, Iterable[str]]
# What is written as the call of a function of this package, and what that returns by itself
Presets = Mapping[Where, tuple[str, msgspec.Struct]]


class PythonText:
    """Writes the values of a configuration, and keeps what has to be imported for them."""

    def __init__(self, notes: Notes, presets: Presets) -> None:
        self._notes = notes
        self._presets = presets
        self._imports: dict[str, str] = {}
        self._modules: set[str] = set()
        # What stands in the text for what cannot be written
        self.unwritten: list[str] = []

    def imports(self) -> list[str]:
        """Return the lines that import what was written."""
        lines = [f"import {module}" for module in sorted(self._modules)]
        named = sorted(self._imports.items(), key=lambda item: (item[1], item[0]))
        return [*lines, *(f"from {module} import {name}" for name, module in named)]

    def imported(self, name: str, module: str) -> str:
        """Return how something is called in the text."""
        if self._imports.setdefault(name, module) == module:
            return name
        self._modules.add(module)
        return f"{module}.{name}"

    def _call(self, name: str, fields: list[tuple[str, Any]], path: Where, depth: int) -> str:
        # Each keyword in a line, under what is noted of it
        lines = []
        for key, value in fields:
            lines += self._noted((*path, key), depth + 1)
            text = self._secret(key, value, path) or self.value(value, (*path, key), depth + 1)
            lines.append(f"{_INDENT * (depth + 1)}{key}={text},")
        return _joined(f"{name}(", lines, f"{_INDENT * depth})")

    def value(self, value: Any, path: Where, depth: int) -> str:
        """Return a value."""
        match value:
            case None | bool() | int() | float() if not isinstance(value, enum.Enum):
                return repr(value)
            case str() if not isinstance(value, enum.Enum):
                return self._env(path) if _USERINFO.search(value) else json.dumps(value)
            case dt.timedelta():
                self._modules.add("datetime")
                return repr(value)
            case msgspec.Struct():
                if path in self._presets:
                    name, made = self._presets[path]
                    own = [
                        (key, part)
                        for key, part in _all(value)
                        if not _is_same(part, getattr(made, key))
                    ]
                    called = self.imported(name, "nautilus_recovery_actor")
                    return self._call(called, own, path, depth)
                return self._call(self._class(type(value)), _given(value), path, depth)
            case Mapping():
                return self._mapping(value, path, depth)
            case _ if type(value) in _BRACKETS:
                return self._sequence(value, path, depth)
        return self._named(value, path)

    def _mapping(self, value: Mapping[Any, Any], path: Where, depth: int) -> str:
        lines = []
        for key, part in value.items():
            lines += self._noted((*path, key), depth + 1)
            text = self._secret(str(key), part, path) or self.value(part, (*path, key), depth + 1)
            lines.append(f"{_INDENT * (depth + 1)}{self.value(key, path, 0)}: {text},")
        return _joined("{", lines, f"{_INDENT * depth}}}")

    def _sequence(self, value: Any, path: Where, depth: int) -> str:
        begin, end = _BRACKETS[type(value)]
        if isinstance(value, set) and not value:
            return "set()"
        lines = []
        parts = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        for index, part in enumerate(parts):
            lines += self._noted((*path, index), depth + 1)
            text = self.value(part, (*path, index), depth + 1)
            lines.append(f"{_INDENT * (depth + 1)}{text},")
        return _joined(begin, lines, f"{_INDENT * depth}{end}")

    def _named(self, value: Any, path: Where) -> str:
        kind = type(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, PurePath):
            return f"{self.imported('Path', 'pathlib')}({json.dumps(str(value))})"
        if hasattr(nautilus_pyo3, kind.__name__) and hasattr(value, "name"):
            name = self.imported(kind.__name__, "nautilus_trader.core.nautilus_pyo3")
            members = (one for one in dir(kind) if type(getattr(kind, one)) is kind)
            return f"{name}.{next(one for one in members if getattr(kind, one) == value)}"
        if isinstance(value, enum.Enum):
            return f"{self._class(kind)}.{value.name}"
        if kind.__name__ in _OF_TEXT:
            return f"{self._class(kind)}.{_OF_TEXT[kind.__name__]}({json.dumps(str(value))})"
        if kind.__module__ == _IDENTIFIERS or kind.__name__ == "Decimal":
            return f"{self._class(kind)}({json.dumps(str(value))})"
        self.unwritten.append(f"{'.'.join(map(str, path))} (a {kind.__name__})")
        return "..."

    def _class(self, kind: type) -> str:
        name, module = kind.__qualname__, kind.__module__
        if getattr(nautilus_trader.config, name, None) is kind:
            module = "nautilus_trader.config"
        return self.imported(name, module)

    def _secret(self, name: str, value: Any, path: Where) -> str | None:
        is_kept = value is None or isinstance(value, bool | Mapping | msgspec.Struct)
        return None if is_kept or not is_secret(name) else self._env((*path, name))

    def _env(self, path: Where) -> str:
        # Named for where it is, but for what stands between
        words = [str(word) for word in path if word not in {"config", "exec_clients", "cache"}]
        name = re.sub(r"\W+", "_", "_".join(words)).upper().replace("DATABASE_", "REDIS_")
        self._modules.add("os")
        return f'os.environ["{name}"]'

    def _noted(self, path: Where, depth: int) -> list[str]:
        return [f"{_INDENT * depth}# {line}" for line in self._notes.get(path, ())]


def _all(value: msgspec.Struct) -> list[tuple[str, Any]]:
    return [(name, getattr(value, name)) for name in value.__struct_fields__]


def _given(value: msgspec.Struct) -> list[tuple[str, Any]]:
    # Without what has its default
    return [
        (field.name, part)
        for field in msgspec.structs.fields(value)
        if not _is_same(part := getattr(value, field.name), _default(field))
    ]


def _is_same(one: Any, other: Any) -> bool:
    # An identifier and a text raise when they are compared
    return type(one) is type(other) and bool(one == other)


def _default(field: Any) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _joined(begin: str, lines: list[str], end: str) -> str:
    return "\n".join([begin, *lines, end]) if lines else begin + end.lstrip()
