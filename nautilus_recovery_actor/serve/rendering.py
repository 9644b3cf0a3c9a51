"""
How pages are made: every value in them is one line of text, and never markup.
"""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment
from jinja2 import FileSystemLoader
from jinja2 import StrictUndefined
from markupsafe import Markup
from markupsafe import escape

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.record import rows
from nautilus_recovery_actor.serve import view
from nautilus_recovery_actor.serve.timeline import timeline


PAGES = Path(__file__).parent / "pages"
_MS = 1_000_000
# What is longer is cut
_LONGEST = 4_000


def _plain(value: Any) -> Any:
    # What would move a cursor, or turn the text around, is nobody's name
    if isinstance(value, Markup):
        return value
    text = str(value)
    return one_line(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...")


def link(path: str, **query: object) -> str:
    """Return an address on this server."""
    return f"{path}?{urlencode({key: value for key, value in query.items() if value != ''})}"


def ago(ms: int | None) -> Markup:
    """Return a time that a page counts from; without a script it stays a time."""
    if ms is None:
        return Markup("")
    when = moment(ms * _MS)
    return Markup('<time data-ms="{}" title="{} UTC">{}</time>').format(ms, when, when[5:])


def counting(name: str) -> Markup:
    """Return the place of a time that a page gets by itself, and counts from."""
    return Markup('<time data-is="{}"></time>').format(name)


def at(ns: int | None, digits: int = 0) -> str:
    """Return a time (UNIX ns) in UTC."""
    return "" if ns is None else moment(ns, digits=digits)


def code(text: object) -> Markup:
    """Return a text in which what stands between backticks is a command or a name."""
    between = str(_plain(text)).split("`")
    if not len(between) % 2:  # The last one has no end
        between[-2:] = ["`".join(between[-2:])]
    parts = (
        Markup("<code>{}</code>").format(part) if is_odd else escape(part)
        for part, is_odd in zip(between, cycle((False, True)), strict=False)
    )
    return Markup("").join(parts)


PAGE = Environment(
    loader=FileSystemLoader(PAGES),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_plain,
    trim_blocks=True,
    lstrip_blocks=True,
)
PAGE.globals.update(
    ago=ago,
    at=at,
    block=lambda report, strategy: list(wording.block(report, strategy)),
    counting=counting,
    link=link,
    px=lambda value: "" if value is None else f"{value:f}",
    qty=wording.held,
    rows=rows,
    timeline=timeline,
    view=view,
    words=wording,
)
PAGE.filters.update(
    account_line=rows.account_line,
    balance_line=wording.balance_line,
    code=code,
    correction_line=wording.correction_line,
    lost_line=wording.lost_line,
    release_line=wording.release_line,
    row=rows.row,
)


def page(name: str, **values: Any) -> str:
    """Return a page, or a part of one."""
    return PAGE.get_template(name).render(values)


def standalone(title: str, reports: Sequence[RecoveryReport], *, where: str, now: int) -> str:
    """Return a page of reports that needs nothing else: no server, and no script."""
    style = Markup((PAGES / "board.css").read_text())  # noqa: S704 (a file of this package)
    return page("report.html", title=title, reports=reports, where=where, now=at(now), style=style)
