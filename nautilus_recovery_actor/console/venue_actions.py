"""
What a user does to a paper venue that runs.
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterator
from decimal import Decimal

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.venue import FaultName
from nautilus_recovery_actor.testkit import Faults
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit import Position
from nautilus_recovery_actor.testkit.records import Order


# What each of them means
FAULTS = {
    FaultName.SILENT: "nothing is answered or sent, while the connections stay open",
    FaultName.ERRORS: "every question for orders, fills and positions fails",
    FaultName.DUPLICATE_FILLS: "every fill is reported twice",
    FaultName.MISSING_POSITION: "the positions that are open now are not reported",
}


def act(arguments: argparse.Namespace) -> int:
    """Do what the arguments say, and say what came of it."""
    try:
        # The account is as the command in the foreground opened it
        control = PaperVenueControl(arguments.port, oms=None)
    except PaperVenueError:
        raise CommandError(
            f"No paper venue is at 127.0.0.1:{arguments.port}: start `nautilus-recovery paper`, "
            "or give its --port"
        ) from None
    try:
        _check_symbol(control, arguments)
        say_in_lines(_ACTIONS[arguments.action](control, arguments))
    except PaperVenueError as e:
        # Without the name of the call
        raise CommandError(str(e).partition(": ")[2] or str(e)) from None
    finally:
        control.close()
    return DONE


def _check_symbol(control: PaperVenueControl, arguments: argparse.Namespace) -> None:
    symbol = getattr(arguments, "symbol", None)
    known = control.prices()
    if arguments.action != "show" and symbol is not None and symbol not in known:
        raise CommandError(f"{symbol} is not traded here: it is {' or '.join(known)}")


def _show(control: PaperVenueControl, _: argparse.Namespace) -> Iterator[str]:
    state = control.state()
    clients = {0: "no bot is connected", 1: "a bot is connected"}
    connected = clients.get(state.connections, f"{state.connections} bots are connected")
    yield f"Paper venue at {control.host}:{control.port}, {state.oms}: {connected}"
    for symbol, px in control.prices().items():
        yield f"price {symbol} {px}"
    for position in state.positions:
        if position.qty:
            yield f"position {_held(position)}"
    for order in state.orders:
        if order.state.is_open:
            yield f"order {_described(order)}, {order.state.replace('_', ' ').lower()}"
    for order_id in state.faults.hide_orders:
        yield f"lost {order_id}: that trade is never reported"
    for name in _faults(state.faults):
        yield f"fault {name}: {FAULTS[name]}"


def _price(control: PaperVenueControl, arguments: argparse.Namespace) -> Iterator[str]:
    before = len(control.state().fills)
    control.set_price(arguments.symbol, arguments.px)
    yield f"{arguments.symbol} is at {arguments.px}"
    for fill in control.state().fills[before:]:
        order = fill.client_order_id or fill.venue_order_id
        yield f"filled {fill.side} {fill.qty} at {fill.px} of order {order}"


def _trade(control: PaperVenueControl, arguments: argparse.Namespace) -> Iterator[str]:
    order = control.place(arguments.symbol, arguments.side, arguments.qty)
    yield f"{order.side} {order.filled_qty} {order.symbol} at {order.avg_px}"
    if arguments.unreported:
        faults = control.state().faults
        lost = (*faults.hide_orders, order.venue_order_id)
        control.set_faults(faults, hide_orders=lost, silent_when_flat=True)
        yield f"The venue has lost its record of that trade ({order.venue_order_id})"
    yield from _positions(control, arguments.symbol)


def _fill(control: PaperVenueControl, arguments: argparse.Namespace) -> Iterator[str]:
    control.fill(arguments.order, arguments.qty)
    order = next(
        o
        for o in control.state().orders
        if arguments.order in (o.client_order_id, o.venue_order_id)
    )
    yield f"{order.filled_qty} of {order.qty} is filled: {_described(order)}"
    yield from _positions(control, order.symbol)


def _cancel(control: PaperVenueControl, arguments: argparse.Namespace) -> Iterator[str]:
    is_open = [o for o in control.state().orders if o.state.is_open]
    named = [o for o in is_open if arguments.order in (None, o.client_order_id, o.venue_order_id)]
    if not named:
        what = "No order" if arguments.order is None else f"No order {arguments.order}"
        raise CommandError(f"{what} is open: see `nautilus-recovery paper show`")
    for order in named:
        control.cancel(order.venue_order_id)
        yield f"canceled {_described(order)}"


def _drop(control: PaperVenueControl, arguments: argparse.Namespace) -> Iterator[str]:
    count = control.drop_connections(refuse_secs=arguments.secs)
    after = f"; none is accepted for {arguments.secs:g} s" if arguments.secs else ""
    yield f"Dropped {count} connection{'' if count == 1 else 's'}{after}"


def _fault(control: PaperVenueControl, arguments: argparse.Namespace) -> Iterator[str]:
    name = arguments.fault
    held = tuple(p.symbol for p in control.state().positions if p.qty)
    if name is FaultName.MISSING_POSITION and not held:
        raise CommandError("No position is open that could be missing: let your bot open one first")
    made = {
        FaultName.NONE: Faults(),
        FaultName.SILENT: Faults(silent=True),
        FaultName.ERRORS: Faults(query_errors=True),
        FaultName.DUPLICATE_FILLS: Faults(duplicate_fill_reports=True),
        FaultName.MISSING_POSITION: Faults(hide_positions=held),
    }
    # A trade that the venue has lost stays lost
    before = control.state().faults
    control.set_faults(
        made[name], hide_orders=before.hide_orders, silent_when_flat=before.silent_when_flat
    )
    if name is FaultName.NONE:
        yield "The venue is honest, and answers"
    else:
        yield f"From now on {FAULTS[name]}"
        yield "It ends with: nautilus-recovery paper fault none"


_Action = Callable[[PaperVenueControl, argparse.Namespace], Iterator[str]]
_ACTIONS: dict[str, _Action] = {
    "show": _show,
    "price": _price,
    "trade": _trade,
    "fill": _fill,
    "cancel": _cancel,
    "drop": _drop,
    "fault": _fault,
}


def _faults(faults: Faults) -> list[FaultName]:
    are_set = {
        FaultName.SILENT: faults.silent,
        FaultName.ERRORS: faults.query_errors,
        FaultName.DUPLICATE_FILLS: faults.duplicate_fill_reports,
        FaultName.MISSING_POSITION: bool(faults.hide_positions),
    }
    return [name for name, is_set in are_set.items() if is_set]


def _positions(control: PaperVenueControl, symbol: str) -> Iterator[str]:
    held = [p for p in control.state().positions if p.symbol == symbol and p.qty]
    for position in held:
        yield f"position {_held(position)}"
    if not held:
        yield f"position {symbol} FLAT"


def _held(position: Position) -> str:
    side = "LONG" if position.qty > 0 else "SHORT"
    return f"{position.symbol} {side} {abs(position.qty)} at {_rounded(position.avg_px)}"


def _rounded(px: Decimal | None) -> str:
    return "" if px is None else f"{px:.2f}"


def _described(order: Order) -> str:
    ids = [order.venue_order_id, *([order.client_order_id] if order.client_order_id else [])]
    prices = [("at", order.px), ("trigger", order.trigger_px)]
    at = "".join(f" {word} {px}" for word, px in prices if px is not None)
    return f"{' '.join(ids)}: {order.side} {order.qty} {order.symbol} {order.kind}{at}"
