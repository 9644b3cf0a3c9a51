"""
``nautilus-recovery serve``: a board of all traders, for a browser.
"""

import argparse
import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from nautilus_recovery_actor.console.common import DEFAULT_REDIS
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


if TYPE_CHECKING:
    import socket

_PORT = 8733
_LAST_PORT = 65_535
_MAX_FILE_BYTES = 1_000_000


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
    serve.add_argument(
        "--redis",
        metavar="URL",
        action="append",
        default=[],
        help=f"a server, may be given several times (default: REDIS_URL, else {DEFAULT_REDIS})",
    )
    serve.add_argument(
        "--servers",
        metavar="FILE",
        type=Path,
        help="a file with the URL of a server in each line; what begins with # is a comment",
    )
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


def urls(arguments: argparse.Namespace) -> list[str]:
    """Return the servers that are asked for."""
    from nautilus_recovery_actor.link.client import RedisUnusableError  # noqa: PLC0415
    from nautilus_recovery_actor.link.client import connect  # noqa: PLC0415

    found = [("--redis", url) for url in arguments.redis]
    if arguments.servers is not None:
        found += _listed(arguments.servers)
    if not found:
        found = [("REDIS_URL", os.environ.get("REDIS_URL") or DEFAULT_REDIS)]
    for where, url in found:
        try:
            connect(url).close()
        except RedisUnusableError as e:
            raise CommandError(f"{where}: {e}") from None
    return [url for _, url in found]


def _listed(path: Path) -> list[tuple[str, str]]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise CommandError(f"{path} is too large: give the URL of one server in each line")
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not text"
        raise CommandError(f"{path} cannot be read: {why}") from None
    found = [
        (f"{path}, line {number}", line.strip())
        for number, line in enumerate(lines, 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not found:
        raise CommandError(f"{path} has no server: give the URL of one in each line")
    return found


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
