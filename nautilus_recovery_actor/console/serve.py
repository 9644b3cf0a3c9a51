"""
``nautilus-recovery serve``: a board of all traders, for a browser.
"""

import argparse
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.console.serve_options import add_options
from nautilus_recovery_actor.console.serve_options import joined
from nautilus_recovery_actor.console.serve_options import test_alerts
from nautilus_recovery_actor.console.servers import add_servers
from nautilus_recovery_actor.console.servers import urls


if TYPE_CHECKING:
    import socket

_PORT = 8733
_LAST_PORT = 65_535


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show all traders of one or several Redis servers in a browser"
    serve = add_command(
        commands,
        "serve",
        text,
        _serve,
        description=f"{sentence(text)}, live. It reads the servers of the nodes' caches, and never "
        "writes to them: a user that may only read is enough. It ends on Ctrl-C.",
        epilog="exit codes: 0 it was ended; 1 a test alert was not sent; 2 it cannot run",
    )
    add_servers(serve)
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen at; whoever reaches it sees everything (default: %(default)s)",
    )
    serve.add_argument(
        "--port",
        metavar="N",
        type=_port,
        default=_PORT,
        help="the port to listen at, 0 for any that is free (default: %(default)s)",
    )
    serve.add_argument(
        "--allow-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name by which browsers reach it, for example through a proxy; other names are "
        "refused then (default: this machine's own at a loopback address, any name elsewhere)",
    )
    add_options(serve)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:6]) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"give a port from 0 to {_LAST_PORT}")
    return int(text[:6])


def _serve(arguments: argparse.Namespace) -> int:
    require("serve", "jinja2", "starlette", "uvicorn")
    if arguments.test_alert:
        return test_alerts(arguments)
    # What needs the extra is imported when it is there
    from nautilus_recovery_actor.serve.serving import serve  # noqa: PLC0415
    from nautilus_recovery_actor.serve.sources import Sources  # noqa: PLC0415
    from nautilus_recovery_actor.serve.sources import Watch  # noqa: PLC0415
    from nautilus_recovery_actor.serve.web import app  # noqa: PLC0415

    sources, watch = Sources(urls(arguments)), Watch()
    also = joined(arguments, watch, sources)
    board = app(
        watch,
        url_of=sources.url,
        routes=also.routes,
        tasks=[sources.run, *also.tasks],
        panels=also.panels,
        hosts=_hosts(arguments),
    )
    with _bound(arguments) as at:
        serve(board, at, lambda: _announce(arguments, at))
    return DONE


def _hosts(arguments: argparse.Namespace) -> set[str] | None:
    from nautilus_recovery_actor.serve.guard import LOOPBACK  # noqa: PLC0415

    if _is_loopback(arguments.host):
        return {*LOOPBACK, arguments.host, *arguments.allow_host}
    return {arguments.host, *arguments.allow_host} if arguments.allow_host else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(arguments: argparse.Namespace) -> "socket.socket":
    from nautilus_recovery_actor.serve.serving import bound  # noqa: PLC0415

    try:
        return bound(arguments.host, arguments.port)
    except OSError as e:
        raise CommandError(
            f"Cannot listen at {arguments.host}:{arguments.port} ({e.strerror}): give another "
            f"--port, or 0 for any that is free"
        ) from None


def _announce(arguments: argparse.Namespace, at: "socket.socket") -> None:
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    say(f"The board is at http://{host}:{at.getsockname()[1]} (Ctrl-C ends it)")
    sys.stdout.flush()  # Who started it waits for that
    if not _is_loopback(arguments.host):
        complain(
            "Whoever reaches that address sees all traders: let a proxy ask for a password, see "
            "docs/board.md"
        )
