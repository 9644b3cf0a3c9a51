"""
How an inventory looks on a terminal.
"""

from collections.abc import Iterable
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.text import Text

from nautilus_recovery_actor.console.paper import Paper
from nautilus_recovery_actor.console.paper import Sheet
from nautilus_recovery_actor.console.paper import plain
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.index import MissingEntries
from nautilus_recovery_actor.outside.store.inventory import BrokenEntry
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.positions import RestoredPosition
from nautilus_recovery_actor.outside.store.two import proven


_NAMED = 3
_CONSEQUENCES = {True: ("start fails", "bold red"), False: ("skipped", "yellow")}


def show(inventory: Inventory, max_rows: int | None, console: Console | None = None) -> None:
    """Print an inventory."""
    console = console or Paper()
    style = "bold red" if inventory.stops_start else "bold"
    console.print(plain(inventory.summary(), style))
    _show_broken(console, inventory.broken, max_rows)
    if inventory.stops_start:
        named = f"nautilus-recovery forget --all-that-stop --trader {inventory.trader_id}"
        console.print()
        if any(entry.is_of_two for entry in inventory.broken):
            console.print(plain("Start it with NautilusTrader 2.0, as it was last.", "dim"))
        console.print(plain(f"To start without what stops the start: {named}", "dim"))
    _show_missing(console, inventory.missing, inventory.trader_id)
    _show_accounts(console, inventory.accounts)
    for strategy_id, positions, orders in inventory.by_strategy():
        console.print()
        console.print(plain(strategy_id, "bold"))
        if positions:
            _show_positions(console, positions, inventory.ts, max_rows)
        if orders:
            _show_orders(console, orders, inventory.ts, max_rows)
    console.print()
    for line in _also(inventory):
        console.print(plain(line, "dim"))


def _show_broken(console: Console, broken: Sequence[BrokenEntry], max_rows: int | None) -> None:
    if not broken:
        return
    console.print()
    table = Sheet("broken entry", "why", "consequence")
    for entry in broken[:max_rows]:
        table.add(plain(entry.key), plain(entry.why), plain(*_CONSEQUENCES[entry.stops_start]))
    _print(console, table, len(broken), max_rows)


def _show_missing(console: Console, missing: Sequence[MissingEntries], trader_id: str) -> None:
    if not missing:
        return
    console.print()
    console.print(plain("Named by an index, and not stored: the next start goes without", "yellow"))
    for entry in missing:
        # An ID to a line, so that none is broken in two
        index = entry.index.rpartition("index:")[2]
        console.print(plain(f"index:{index}: {counted(entry.count, entry.what)}"))
        for identifier in entry.named[:_NAMED]:
            console.print(plain(f"- {identifier}"))
        if (more := entry.count - _NAMED) > 0:
            console.print(plain(f"- and {more:,} more", "dim"))
    console.print(
        plain(
            "NautilusTrader says nothing of it (seen on 1.221, 1.231 and 2.0.0rc7). Keys of "
            f"{trader_id} were evicted, flushed or deleted: look at the venue for what is missing.",
            "dim",
        )
    )


def _show_accounts(console: Console, accounts: Iterable[RestoredAccount]) -> None:
    table = Sheet("account", "type", ">total", ">locked", ">free", "currency")
    for account in accounts:
        for balance in account.balances.values():
            table.add(
                plain(account.account_id),
                plain(account.account_type),
                *(plain(_sum(n)) for n in (balance.total, balance.locked, balance.free)),
                plain(balance.currency),
            )
    if len(table):
        console.print()
        table.show(console)


def _show_positions(
    console: Console, positions: Sequence[RestoredPosition], now: int, max_rows: int | None
) -> None:
    table = Sheet("position", "side", ">quantity", ">opened at", ">realized", ">open for")
    for position in positions[:max_rows]:
        table.add(
            plain(position.position_id),
            plain(position.side),
            plain(_amount(abs(position.signed_qty))),
            plain(f"{position.avg_px_open:.10g}"),
            plain(f"{_sum(position.realized_pnl)} {position.currency}"),
            plain(duration(now - position.ts_opened)),
        )
    _print(console, table, len(positions), max_rows)


def _show_orders(
    console: Console, orders: Sequence[RestoredOrder], now: int, max_rows: int | None
) -> None:
    table = Sheet("order", "what", "status", ">age")
    for order in orders[:max_rows]:
        table.add(
            plain(order.client_order_id),
            plain(_what(order)),
            _status(order),
            plain(duration(now - order.ts_init)),
        )
    _print(console, table, len(orders), max_rows)


def _what(order: RestoredOrder) -> str:
    parts = [order.side, _amount(order.quantity), order.instrument_id, order.order_type]
    if order.price is not None:
        parts.append(f"at {_amount(order.price)}")
    if order.trigger_price is not None:
        parts.append(f"trigger {_amount(order.trigger_price)}")
    if order.filled_qty:
        parts.append(f"({_amount(order.filled_qty)} filled)")
    return " ".join(parts)


def _status(order: RestoredOrder) -> Text:
    text = plain(order.status)
    if order.is_inflight:
        text.append(" in flight", "yellow")
    elif not order.is_open:
        text.append(" held by the node", "dim")
    return text


def _also(inventory: Inventory) -> Iterable[str]:
    if inventory.restored_by is Major.TWO:
        seen = " and ".join(proven.VERSIONS)
        yield (
            f"NautilusTrader 2.0 wrote this, and restores it as shown (seen with {seen}); 1.x "
            "cannot load it."
        )
    yield (
        f"Also stored: {counted(inventory.closed_orders, 'closed order')}, "
        f"{counted(inventory.closed_positions, 'closed position')}, "
        f"{counted(inventory.instruments, 'instrument')}."
    )
    if inventory.states:
        yield f"Saved states: {', '.join(inventory.states)}"
    if inventory.last_written is not None:
        yield f"Last written at {moment(inventory.last_written)} UTC."


def _print(console: Console, table: Sheet, rows: int, max_rows: int | None) -> None:
    table.show(console)
    if max_rows is not None and rows > max_rows:
        console.print(plain(f"... and {rows - max_rows:,} more: use --all to see them", "dim"))


def _amount(number: Decimal) -> str:
    return f"{number:,f}"


def _sum(number: Decimal) -> str:
    text = _amount(number)
    return text.rstrip("0").rstrip(".") if "." in text else text
