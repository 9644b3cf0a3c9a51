"""
Which servers a command reads, where it reads one or several.
"""

import argparse
import os
from pathlib import Path

from nautilus_recovery_actor.console.common import DEFAULT_REDIS
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import utf8


_MAX_FILE_BYTES = 1_000_000


def add_servers(command: argparse.ArgumentParser) -> None:
    """Let a command ask for servers."""
    command.add_argument(
        "--redis",
        metavar="URL",
        action="append",
        type=utf8,
        default=[],
        help=f"a server, may be given several times (default: REDIS_URL, else {DEFAULT_REDIS})",
    )
    command.add_argument(
        "--servers",
        metavar="FILE",
        type=Path,
        help="a file with the URL of a server in each line; what begins with # is a comment",
    )


def urls(arguments: argparse.Namespace) -> list[str]:
    """Return the servers that are asked for."""
    from nautilus_recovery_actor.link.client import RedisUnusableError  # noqa: PLC0415
    from nautilus_recovery_actor.link.client import connect  # noqa: PLC0415
    from nautilus_recovery_actor.outside.files import exposure  # noqa: PLC0415

    listed = [] if arguments.servers is None else _listed(arguments.servers)
    found = [*(("--redis", url) for url in arguments.redis), *listed]
    if not found:
        found = [("REDIS_URL", os.environ.get("REDIS_URL") or DEFAULT_REDIS)]
    for where, url in found:
        try:
            connect(url).close()
        except RedisUnusableError as e:
            raise CommandError(f"{where}: {e}") from None
    if any("@" in url for _, url in listed) and (warning := exposure(arguments.servers)):
        complain(warning)
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
