"""
The page of the adapters: the table that also drives what depends on an adapter.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from docs._generate import schema
from nautilus_recovery_actor.node.adapters import Adapter


_HEAD = """
# Adapters

What the execution adapters of NautilusTrader report at a restart, what the monitor corrects in it
before the engine sees it, what stays unproven, and what to set. Read in the source of 1.231, and of
1.221 where that differs; Kraken and Deribit are not on 1.221. What an account is seen to do counts
more than the name of its adapter, so an adapter that is not listed here is treated like any other.
[`nautilus-recovery check`](findings.md) looks at most of these settings.
"""

_TAIL = """
A failed query that looks empty is one that the adapter logs and answers with nothing; only a second
answer shows it.

For every adapter: reports are compared with the cache, a question that fails is asked again, and
nothing counts as [proven](evidence.md) until a second answer agrees with the first. A trade that is
reported twice (`DUPLICATE_FILL`), an order that has another venue order ID than before
(`VENUE_ORDER_ID_CHANGED`) and what the cache already has (`ALREADY_APPLIED`) are corrected wherever
they are seen.
"""

_QUERIES = 3
_YES, _NO = "yes", "**no**"


def _positions(row: Adapter) -> str:
    if row.cash_positions_setting or row.answers_cash_flat:
        return "not of spot" if row.reports_positions else _NO
    return _YES if row.reports_positions else _NO


def _orders(row: Adapter) -> str:
    if row.forgets_at_restart:
        return _NO
    kept = f"the newest {row.newest_orders_only:,}" if row.newest_orders_only else "all"
    kinds = kept if row.reports_closed_orders else "open ones"
    return f"{kinds}, without {row.orders_left_out}" if row.orders_left_out else kinds


def _ids(row: Adapter) -> str:
    cut = row.cuts_client_order_id_to
    parts = [f"cut to {cut}" if cut else "", "replaced" if row.replaces_client_order_id else ""]
    return f"**{' or '.join(filter(None, parts))}**" if any(parts) else "kept"


def _errors(row: Adapter) -> str:
    if not row.swallows_errors:
        return "raise"
    kinds = sorted(row.swallows_errors)
    which = "" if len(kinds) == _QUERIES else f" ({', '.join(kinds)})"
    return f"look empty{which}"


_COLUMNS: dict[str, Callable[[Adapter], str]] = {
    "adapter": lambda row: f"[{row.name}](#{row.name.lower().replace(' ', '-')})",
    "positions": _positions,
    "orders": _orders,
    "fills": lambda row: _YES if row.reports_fills else _NO,
    "one order by its ID": lambda row: _YES if row.answers_single_orders else _NO,
    "client order IDs": _ids,
    "instruments not loaded": (
        lambda row: "**left out**" if row.drops_unloaded_instruments else "reported"
    ),
    "failed queries": _errors,
}


def adapters_page(rows: Iterable[Adapter]) -> str:
    """
    Return the page.

    Parameters
    ----------
    rows : Iterable[Adapter]
        The adapters.

    Returns
    -------
    str

    Raises
    ------
    schema.UndescribedError
        If a row says nothing where it should.

    """
    return schema.page(_parts(list(rows)))


def _parts(rows: list[Adapter]) -> Iterator[str]:
    yield _HEAD
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    lines += [f"| {' | '.join(of(row) for of in _COLUMNS.values())} |" for row in rows]
    yield "\n".join(lines)
    yield _TAIL
    for row in rows:
        yield f"## {row.name}"
        texts = {
            "It reports": row.reports,
            "The monitor corrects": row.corrected,
            "Stays unproven": row.unproven,
            "Set": row.settings,
        }
        for title, text in texts.items():
            if not text.strip():
                raise schema.UndescribedError(f"{row.name} has no text for '{title}'")
            yield f"**{title}:** {text}"
