"""
How what is taken from a cache looks on a terminal, and in JSON.
"""

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from nautilus_recovery_actor.console.paper import Paper
from nautilus_recovery_actor.console.paper import Sheet
from nautilus_recovery_actor.console.paper import plain
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.forgetting import Fields
from nautilus_recovery_actor.outside.store.forgetting import Members
from nautilus_recovery_actor.outside.store.forgetting import Taken
from nautilus_recovery_actor.outside.store.keeping import Kept
from nautilus_recovery_actor.outside.store.keys import name


_NAMED = 5


def show_taken(title: str, taken: Sequence[Taken], console: Console | None = None) -> None:
    """Print what goes, and what refers to it."""
    console = console or Paper()
    entries = [one for one in taken if isinstance(one, Entry)]
    console.print(plain(f"{title}: {_essence(taken)}", "bold"))
    if entries:
        console.print()
        rows = Sheet("entry", "what of it", "why")
        for entry in entries:
            rows.add(plain(name(entry.key)), plain(_what(entry)), plain(entry.why))
        rows.show(console)
        console.print()
    references = "; ".join(_references(taken))
    if references:
        console.print(plain(f"In the indexes: {references}.", "dim"))


def show_notes(notes: Iterable[str], console: Console | None = None) -> None:
    """Print what a person must know of it, each once."""
    for line in dict.fromkeys(notes):
        (console or Paper()).print(plain(line, "yellow"))


def show_kept(kept: Iterable[Kept], console: Console | None = None) -> None:
    """Print what was taken and is kept."""
    rows = Sheet("kept as", "taken at (UTC)", "by", "what")
    for one in kept:
        named = [name(entry.key) for entry in one.entries[:_NAMED]]
        more = len(one.entries) - _NAMED
        if more > 0:
            named.append(f"and {more:,} more")
        rows.add(
            plain(one.id),
            plain(moment(one.ts)),
            plain(one.operator),
            plain(", ".join(named) or "; ".join(_references(one.taken))),
        )
    rows.show(console or Paper())


def told(taken: Iterable[Taken]) -> dict[str, Any]:
    """Return what goes, for a machine."""
    entries: list[dict[str, Any]] = []
    references: list[dict[str, Any]] = []
    for one in taken:
        match one:
            case Entry():
                left = len(one.left) or None
                entry = {"key": name(one.key), "why": one.why, "type": one.redis_type}
                entries.append({**entry, "events": one.count, "events_left": left})
            case Members():
                references.append({"index": name(one.key), "members": list(map(name, one.members))})
            case Fields():
                fields = {name(field): name(value) for field, value in one.fields}
                references.append({"index": name(one.key), "fields": fields})
    return {"entries": entries, "references": references}


def _essence(taken: Iterable[Taken]) -> str:
    entries = [one for one in taken if isinstance(one, Entry)]
    whole = sum(not one.left for one in entries)
    replaced = sum(one.is_replaced for one in entries)
    shortened = [one for one in entries if one.left and not one.is_replaced]
    events = sum((one.count or 0) - len(one.left) for one in shortened)
    parts = [counted(whole, "entry")] if whole else []
    parts += [counted(replaced, "replaced entry")] if replaced else []
    parts += [counted(events, "repeated event")] if events else []
    return " and ".join(parts) or "what the indexes say of what is not stored"


def _what(entry: Entry) -> str:
    if entry.left and not entry.is_replaced:
        return (
            f"{(entry.count or 0) - len(entry.left):,} of its {counted(entry.count or 0, 'event')}"
        )
    if entry.count is None:
        return f"all, a {entry.redis_type}"
    return f"all, {counted(entry.count or 0, 'event')}"


def _references(taken: Iterable[Taken]) -> Iterable[str]:
    for one in taken:
        if isinstance(one, Entry) or one.stays:
            continue
        if isinstance(one, Members):
            yield f"{len(one.members):,} of {name(one.key)}"
        else:
            yield f"{len(one.fields):,} of {name(one.key)}"
