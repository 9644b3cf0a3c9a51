"""
Tables from structs, enums and the numpy docstrings that describe them. What is not described is an
error, so that no page can leave it out.
"""

import inspect
import re
import types
import typing
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


GENERATED = (
    "<!-- Written by `make pages` from the code: change the docstrings there, not this file. -->"
)

_PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=\n\w+\n-{3,}\n|\Z)", re.DOTALL | re.MULTILINE)
_UNDERLINE = re.compile(r"^-{3,}$", re.MULTILINE)
_PLAIN = {
    bool: "boolean",
    bytes: "bytes",
    float: "number",
    int: "integer",
    str: "string",
    Decimal: "string (decimal)",
    Any: "any",
}


class UndescribedError(Exception):
    """
    Raised when something has no description in its docstring.
    """


def summary(described: type) -> str:
    """
    Return what the docstring says before its sections, as Markdown.

    Parameters
    ----------
    described : type
        A class.

    Returns
    -------
    str

    """
    text = inspect.cleandoc(described.__doc__ or "")
    head = _UNDERLINE.split(text)[0]
    if _UNDERLINE.search(text):
        head = head.rpartition("\n\n")[0]  # The name of the section
    return _markdown(re.sub(r"\s*See\s+`\w+` for the\s+parameters\.", "", head).strip())


def parameters(described: type) -> dict[str, str]:
    """
    Return the description of each parameter, by its name.

    Parameters
    ----------
    described : type
        A class with a numpy docstring.

    Returns
    -------
    dict[str, str]

    """
    text = inspect.cleandoc(described.__doc__ or "")
    section = _PARAMETERS.search(text)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section[1].splitlines() if section else ():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            found |= dict.fromkeys(names, "")
        elif line:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return {name: _markdown(description) for name, description in found.items()}


def struct_table(struct: type[msgspec.Struct], described: type | None = None) -> str:
    """
    Return the fields of a struct as a Markdown table.

    Parameters
    ----------
    struct : type[msgspec.Struct]
        The struct.
    described : type, optional
        The class whose docstring describes the fields, by default the struct itself.

    Returns
    -------
    str

    """
    defaults = {
        field.name: "" if field.required else f"`{_default(field)}`"
        for field in msgspec.structs.fields(struct)
    }
    return table(described or struct, typing.get_type_hints(struct), defaults)


def table(described: type, hints: Mapping[str, Any], defaults: Mapping[str, str]) -> str:
    """
    Return fields as a Markdown table.

    Parameters
    ----------
    described : type
        The class whose docstring describes them.
    hints : Mapping[str, Any]
        The type of each, in their order.
    defaults : Mapping[str, str]
        The default of those that have one, as Markdown.

    Returns
    -------
    str

    Raises
    ------
    UndescribedError
        If a field has no description.

    """
    told = parameters(described)
    rows = []
    for name, hint in hints.items():
        if not told.get(name):
            raise UndescribedError(f"{described.__name__}.{name} has no description: add one")
        rows.append(f"| `{name}` | {json_type(hint)} | {defaults.get(name, '')} | {told[name]} |")
    return "\n".join(["| field | JSON | default | |", "|---|---|---|---|", *rows])


def enum_table(enum: type[StrEnum]) -> str:
    """
    Return the values of an enum as a Markdown table.

    Parameters
    ----------
    enum : type[StrEnum]
        The enum, whose docstring tells of each value after its name in double backticks or of all
        of them in its first sentences.

    Returns
    -------
    str

    """
    text = " ".join(inspect.cleandoc(enum.__doc__ or "").split())
    rows = []
    for value in enum:
        told = re.search(rf"``{value}``:? (.*?)(?=\.? ``\w+``: |\.?$)", text)
        if told is None:
            raise UndescribedError(f"{enum.__name__}.{value} has no description: add one")
        rows.append(f"| `{value}` | {_markdown(told[1])} |")
    return "\n".join(["| value | |", "|---|---|", *rows])


def json_type(hint: Any) -> str:
    """
    Return what a value is in JSON, as Markdown.

    Parameters
    ----------
    hint : Any
        Its type.

    Returns
    -------
    str

    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is types.NoneType:
        return "null"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(json_type, arguments))
    if origin is typing.Literal:
        return " or ".join(f'`"{one}"`' for one in arguments)
    if origin in (tuple, list, frozenset):
        return f"array of {json_type(arguments[0])}"
    if origin in (dict, Mapping):
        return f"object, {json_type(arguments[0])} to {json_type(arguments[1])}"
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def block(data: bytes | str, language: str = "json") -> str:
    """
    Return a code block.

    Parameters
    ----------
    data : bytes or str
        JSON, which is indented, or any other text.
    language : str, default "json"
        The language.

    Returns
    -------
    str

    """
    text = data.decode() if isinstance(data, bytes) else data
    if language == "json":
        text = msgspec.json.format(text, indent=2)
    return f"```{language}\n{text.rstrip()}\n```"


def page(parts: Iterator[str]) -> str:
    """
    Return the text of a page.

    Parameters
    ----------
    parts : Iterator[str]
        Its parts: headings, paragraphs, tables, code.

    Returns
    -------
    str

    """
    return "\n\n".join([GENERATED, *(part.strip("\n") for part in parts)]) + "\n"


def _default(field: Any) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    else:
        default = field.default
    if isinstance(default, msgspec.Struct):
        return msgspec.json.encode(default).decode()
    return msgspec.json.encode(default, order="sorted").decode()


def _markdown(text: str) -> str:
    # numpy docstrings mark code with two backticks, Markdown with one
    return re.sub(r"``(.+?)``", r"`\1`", text).replace("`None`", "`null`").replace("|", "\\|")
