"""
Incidents as messages that are read on a phone: a title for the lock screen, and what to do.
"""

import shlex
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from urllib.parse import urlencode

import jinja2

from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.incidents import Notice


_MAX_LINE = 300
_MAX_NAME = 60
_NAMED = 20
# What calls people, or is markup, where messages are shown
_TAME = str.maketrans({"@": "@\u200b", "<": "\u2039", ">": "\u203a", "]": "]\u200b"})

# Where the page of a trader is, empty if that is not known
Link = Callable[[str, str], str]


def no_link(_server: str, _trader_id: str) -> str:
    """Return that no page is known."""
    return ""


def page_link(public_url: str) -> Link:
    """Return what gives the page of a trader, of a board at `public_url`."""

    def link(server: str, trader_id: str) -> str:
        root = public_url.rstrip("/")
        if not trader_id:
            return f"{root}/"
        return f"{root}/trader?{urlencode({'trader': trader_id, 'server': server})}"

    return link if public_url else no_link


def _plain(text: object, limit: int = _MAX_LINE) -> str:
    # What comes from Redis must not call a whole channel, nor be more than a line
    line = one_line(str(text)).translate(_TAME)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("nautilus_recovery_actor.serve", "messages"),
    autoescape=False,  # noqa: S701 (it is plain text, and all of it goes through `plain`)
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
    finalize=lambda value: value if isinstance(value, _Own) else _plain(value),
)


class _Own(str):
    """A text of ours, which is as it is."""

    __slots__ = ()


def message(notice: Notice, link: Link, *, is_late: bool = False) -> tuple[str, str]:
    """Return the title and the body of a message, whatever is in it."""
    try:
        return _message(notice, link, is_late=is_late)
    except Exception as e:  # One that is never made would hold up all others
        kind = notice.incident.key.kind
        title = f"{_name(notice)}: {kind} is over" if notice.is_over else f"{_name(notice)} {kind}"
        return title, f"What is known of it cannot be put into words ({type(e).__name__})"


def _message(notice: Notice, link: Link, *, is_late: bool) -> tuple[str, str]:
    incident = notice.incident
    key = incident.key
    name = f"{'over' if notice.is_over else key.kind.lower()}.txt"
    text = _TEMPLATES.get_template(name).render(
        name=_name(notice),
        kind=key.kind,
        server=key.server,
        trader_id=key.trader_id,
        trader=_Own(shlex.quote(_plain(key.trader_id))),
        text=incident.text,
        after=notice.after,
        details=incident.details,
        since=_Own(f"{moment(incident.ts)} UTC"),
        until=_Own(f"{moment(notice.ts)} UTC"),
        lasted=_Own(duration(notice.ts - incident.ts)),
        is_late=is_late,
        link=_Own(link(key.server, key.trader_id)),
    )
    title, _, body = text.partition("\n")
    return title.strip(), body.strip()


def digest(notices: Sequence[Notice], link: Link) -> tuple[str, str]:
    """Return one message for many."""
    order = list(Kind)
    ranked = sorted(notices, key=lambda one: (one.is_over, order.index(one.incident.key.kind)))
    counts = Counter("over" if one.is_over else str(one.incident.key.kind) for one in ranked)
    lines = [_line(one) for one in ranked[:_NAMED]]
    text = _TEMPLATES.get_template("digest.txt").render(
        count=_Own(f"{len(notices):,}"),
        counts=_Own(", ".join(f"{count:,} {what}" for what, count in counts.items())),
        lines=[_Own(line) for line in lines],
        more=_Own(f"{len(notices) - len(lines):,}" if len(notices) > len(lines) else ""),
        link=_Own(link("", "")),
    )
    title, _, body = text.partition("\n")
    return title.strip(), body.strip()


def test_message(who: str, when: str, public_url: str) -> tuple[str, str]:
    """Return what shows that messages arrive."""
    text = _TEMPLATES.get_template("test.txt").render(who=who, when=when, link=_Own(public_url))
    title, _, body = text.partition("\n")
    return title.strip(), body.strip()


def _name(notice: Notice) -> _Own:
    key = notice.incident.key
    return _Own(_plain(key.trader_id or key.server, _MAX_NAME))


def _line(notice: Notice) -> str:
    kind = notice.incident.key.kind
    if notice.is_over:
        after = f": now {_plain(notice.after, 80)}" if notice.after else ""
        return f"{_name(notice)} {kind} is over{after}"
    return f"{_name(notice)} {kind}: {_plain(notice.incident.text, 80)}"
