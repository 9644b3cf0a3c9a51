"""
``nautilus-recovery paper``: a paper venue for a bot of one's own, and its controls.
"""

import argparse
import re
from decimal import Decimal
from decimal import InvalidOperation
from enum import StrEnum
from typing import Any

from nautilus_recovery_actor.console.common import Command
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import positive


PORT = 7777
_VALKEY_PORT = 7778
_SYMBOL = "ETHUSDT-PERP"
_SYMBOLS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_/-]*")
_MAX_PORT = 65_535


class FaultName(StrEnum):
    """What the venue can be made to get wrong."""

    NONE = "none"
    SILENT = "silent"
    ERRORS = "errors"
    DUPLICATE_FILLS = "duplicate-fills"
    MISSING_POSITION = "missing-position"


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "run a paper venue on which to try, kill and restart your own bot"
    paper = add_command(commands, "paper", text, _run)
    _add_port(paper, default=PORT)
    paper.add_argument(
        "--symbol",
        metavar="SYMBOL[=PX]",
        action="append",
        type=_symbol,
        help=f"what can be traded, and its first price; repeat it for more (default: {_SYMBOL})",
    )
    paper.add_argument(
        "--price",
        metavar="PX",
        type=_amount,
        default=Decimal(2000),
        help="the first price of symbols that are given without one (default: %(default)s)",
    )
    paper.add_argument(
        "--seed", metavar="N", type=int, help="the same moves each time (default: others each time)"
    )
    paper.add_argument(
        "--interval",
        metavar="SECS",
        type=positive,
        default=1.0,
        help="the time from one price to the next (default: %(default)g)",
    )
    paper.add_argument("--still", action="store_true", help="hold prices until you set them")
    paper.add_argument(
        "--hedging", action="store_true", help="hold a long and a short leg of each symbol"
    )
    paper.add_argument(
        "--valkey", action="store_true", help="start a Valkey too, which outlives your bot"
    )
    paper.add_argument(
        "--redis-port",
        metavar="N",
        type=_port,
        default=_VALKEY_PORT,
        help="the port of that Valkey (default: %(default)s)",
    )
    paper.add_argument(
        "--list", action="store_true", help="print what the venue takes and refuses, and end"
    )
    actions = paper.add_subparsers(
        title="what you can do to a paper venue that runs", metavar="ACTION", parser_class=Command
    )
    _add_actions(actions)


def _add_actions(actions: Commands) -> None:
    _action(actions, "show", "show what the venue holds, and its faults")
    price = _action(actions, "price", "set a price, and fill or trigger what it reaches")
    price.add_argument("symbol", metavar="SYMBOL")
    price.add_argument("px", metavar="PX", type=_amount)
    trade = _action(actions, "trade", "trade on the account by hand, as from a phone")
    trade.add_argument("symbol", metavar="SYMBOL")
    trade.add_argument("side", metavar="SIDE", type=str.upper, choices=("BUY", "SELL"))
    trade.add_argument("qty", metavar="QTY", type=_amount)
    trade.add_argument(
        "--unreported",
        action="store_true",
        help="the venue never reports it, nor that nothing is held",
    )
    fill = _action(actions, "fill", "fill an open order by hand, in part if you like")
    fill.add_argument("order", metavar="ORDER", help="its client or venue order ID")
    fill.add_argument("qty", metavar="QTY", type=_amount, nargs="?", help="(default: all of it)")
    cancel = _action(actions, "cancel", "cancel an open order by hand, or all of them")
    cancel.add_argument("order", metavar="ORDER", nargs="?", help="(default: all that are open)")
    drop = _action(actions, "drop", "drop the connections of the account")
    drop.add_argument(
        "secs",
        metavar="SECS",
        type=positive,
        nargs="?",
        default=0.0,
        help="for how long none is accepted (default: they can come back at once)",
    )
    fault = _action(actions, "fault", "make the venue fail or lie until you say none")
    fault.add_argument("fault", metavar="|".join(FaultName), type=FaultName)


def _action(actions: Commands, name: str, text: str) -> Command:
    action = add_command(actions, name, text, _act)
    action.set_defaults(action=name)
    # Without a default here: it would replace what is given before the action
    _add_port(action, default=argparse.SUPPRESS)
    return action


def _add_port(command: argparse.ArgumentParser, default: Any) -> None:
    command.add_argument(
        "--port",
        metavar="N",
        type=_port,
        default=default,
        help=f"the port of the paper venue (default: {PORT})",
    )


def _run(arguments: argparse.Namespace) -> int:
    # A help text needs none of what follows
    from nautilus_recovery_actor.console.venue_run import list_offer  # noqa: PLC0415
    from nautilus_recovery_actor.console.venue_run import run  # noqa: PLC0415

    if arguments.list:
        return list_offer()
    symbols = arguments.symbol or [(_SYMBOL, None)]
    return run(arguments, {symbol: px or arguments.price for symbol, px in symbols})


def _act(arguments: argparse.Namespace) -> int:
    from nautilus_recovery_actor.console.venue_actions import act  # noqa: PLC0415

    return act(arguments)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _MAX_PORT):
        raise argparse.ArgumentTypeError(f"give a port from 1 to {_MAX_PORT}")
    return int(text)


def _amount(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not (number.is_finite() and 0 < number < 10**12):
        raise argparse.ArgumentTypeError("give a number greater than 0")
    return number


def _symbol(text: str) -> tuple[str, Decimal | None]:
    symbol, is_given, px = text.partition("=")
    if not _SYMBOLS.fullmatch(symbol):
        raise argparse.ArgumentTypeError(f"give a symbol such as {_SYMBOL} or {_SYMBOL}=2000")
    return symbol, _amount(px) if is_given else None
