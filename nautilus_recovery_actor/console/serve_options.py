"""
What `serve` does besides showing: metrics, alerts, actions, and the options for them.
"""

import argparse
import logging
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import UsageError
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import positive
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.core.text import moment


if TYPE_CHECKING:
    from collections.abc import Mapping

    from nautilus_recovery_actor.serve.alerts import Alerts
    from nautilus_recovery_actor.serve.coordination import Shared
    from nautilus_recovery_actor.serve.incidents import Kind
    from nautilus_recovery_actor.serve.sources import Sources
    from nautilus_recovery_actor.serve.sources import Watch
    from nautilus_recovery_actor.serve.targets import Target
    from nautilus_recovery_actor.serve.traders import Panel
    from nautilus_recovery_actor.serve.web import Task

_TOKEN = "RECOVERY_TOKEN"  # noqa: S105 (the name of a variable)


class Joined(NamedTuple):
    """What joins the board."""

    routes: list[Any]
    tasks: "list[Task]"
    panels: "list[Panel]"


def add_options(serve: argparse.ArgumentParser) -> None:
    """Let the command ask for alerts and for actions."""
    alerts = serve.add_argument_group("alerts", "see docs/alerts.md")
    alerts.add_argument(
        "--alert",
        metavar="URL",
        action="append",
        default=[],
        help="a service that is alerted, by its apprise URL, may be given several times; others on "
        "this machine can read it here: prefer --alerts",
    )
    alerts.add_argument(
        "--alerts", metavar="FILE", type=Path, help="a file with such a URL in each line"
    )
    alerts.add_argument(
        "--test-alert",
        action="store_true",
        help="send one message to each, and end: 0 if all have taken it, else 1",
    )
    alerts.add_argument(
        "--alert-after",
        metavar="[KIND=]SECS",
        action="append",
        default=[],
        help="how long an incident has to last before anybody is alerted: of one kind, for example "
        "NO_HEARTBEAT=120, or of all but FAILED and NAKED",
    )
    alerts.add_argument(
        "--coordinate",
        metavar="URL",
        help="a Redis server on which several serve, or one before and after a restart, keep who "
        "has alerted of what: the only one that is written to, below its own prefix",
    )
    alerts.add_argument(
        "--public-url",
        metavar="URL",
        default="",
        type=_http_url,
        help="where browsers reach the board, for the links in alerts",
    )
    actions = serve.add_argument_group("actions", "see docs/actions.md")
    actions.add_argument(
        "--allow-actions",
        action="store_true",
        help="let whoever has the token release, withdraw, resume, verify and repair",
    )
    actions.add_argument(
        "--token-file", metavar="FILE", type=Path, help=f"a file with it (default: {_TOKEN})"
    )


def test_alerts(arguments: argparse.Namespace) -> int:
    """Send a message to each target, and return the exit code."""
    targets = _targets(arguments)
    if not targets:
        raise UsageError("Nobody is alerted: give --alert or --alerts")
    import asyncio  # noqa: PLC0415

    return asyncio.run(_test(targets, arguments.public_url))


def joined(arguments: argparse.Namespace, watch: "Watch", sources: "Sources") -> Joined:
    """Return what the arguments ask for."""
    require("serve", "apprise", "prometheus_client")
    from nautilus_recovery_actor.serve import metrics  # noqa: PLC0415

    alerts = _alerts(arguments)
    routes = metrics.routes(watch, alerts)
    found = Joined([*routes], [] if alerts is None else [alerts.run], [])
    if arguments.allow_actions:
        _add_actions(arguments, watch, sources, found)
    elif arguments.token_file is not None:
        raise UsageError("--token-file is for --allow-actions: give both, or none")
    _log()
    return found


def _alerts(arguments: argparse.Namespace) -> "Alerts | None":
    from nautilus_recovery_actor.serve.alerts import Alerts  # noqa: PLC0415
    from nautilus_recovery_actor.serve.wording import page_link  # noqa: PLC0415

    after_secs = _after_secs(arguments.alert_after)
    coordination = _coordination(arguments.coordinate)
    targets = _targets(arguments)
    if not targets:
        if coordination is not None:
            raise UsageError("--coordinate is for alerts: give --alert or --alerts")
        return None
    return Alerts(
        targets,
        coordination=coordination,
        link=page_link(arguments.public_url),
        after_secs=after_secs,
    )


def _targets(arguments: argparse.Namespace) -> "list[Target]":
    if not arguments.alert and arguments.alerts is None:
        return []
    require("serve", "apprise")
    from nautilus_recovery_actor.serve.targets import AlertError  # noqa: PLC0415
    from nautilus_recovery_actor.serve.targets import read_urls  # noqa: PLC0415
    from nautilus_recovery_actor.serve.targets import targets  # noqa: PLC0415

    try:
        urls = [*arguments.alert]
        if arguments.alerts is not None:
            more, warning = read_urls(arguments.alerts)
            urls += more
            if warning:
                complain(warning)
        return targets(urls)
    except AlertError as e:
        raise CommandError(str(e)) from None


def _after_secs(given: list[str]) -> "Mapping[Kind, float]":
    from nautilus_recovery_actor.serve.incidents import Kind  # noqa: PLC0415

    found: dict[Kind, float] = {}
    for text in sorted(given, key=lambda one: "=" in one):
        name, is_one, secs = text.rpartition("=")
        try:
            kinds = [Kind(name.upper())] if is_one else [one for one in Kind if one.after_secs]
            found |= dict.fromkeys(kinds, 0.0 if secs == "0" else positive(secs))
        except (ValueError, argparse.ArgumentTypeError):
            raise UsageError(
                f"--alert-after takes seconds, or one of {', '.join(Kind)} with = and seconds"
            ) from None
    return found


def _coordination(url: str | None) -> "Shared | None":
    if url is None:
        return None
    from nautilus_recovery_actor.link.client import RedisUnusableError  # noqa: PLC0415
    from nautilus_recovery_actor.link.client import connect  # noqa: PLC0415
    from nautilus_recovery_actor.serve.coordination import Shared  # noqa: PLC0415

    try:
        connect(url).close()
    except RedisUnusableError as e:
        raise CommandError(f"--coordinate: {e}") from None
    return Shared(url, f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}")


def _add_actions(
    arguments: argparse.Namespace, watch: "Watch", sources: "Sources", found: Joined
) -> None:
    from nautilus_recovery_actor.serve.actions import Actions  # noqa: PLC0415
    from nautilus_recovery_actor.serve.sessions import Sessions  # noqa: PLC0415
    from nautilus_recovery_actor.serve.sessions import TokenError  # noqa: PLC0415

    try:
        sessions = Sessions(_token(arguments.token_file))
    except TokenError as e:
        raise CommandError(str(e)) from None
    actions = Actions(watch, sources.url, sessions, public_url=arguments.public_url)
    found.routes.extend(actions.routes())
    found.panels.append(actions.panel)


def _token(path: Path | None) -> str:
    from nautilus_recovery_actor.outside.files import exposure  # noqa: PLC0415

    if path is None:
        return os.environ.get(_TOKEN, "")
    try:
        if warning := exposure(path):
            complain(warning)
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        why = e.strerror if isinstance(e, OSError) else "it is not text"
        raise CommandError(f"{path} cannot be read: {why}") from None


async def _test(targets: "list[Target]", public_url: str) -> int:
    from nautilus_recovery_actor.serve.wording import test_message  # noqa: PLC0415

    title, body = test_message(socket.gethostname(), f"{moment(time.time_ns())} UTC", public_url)
    import asyncio  # noqa: PLC0415

    answers = await asyncio.gather(*(target.send(title, body) for target in targets))
    for target, why in zip(targets, answers, strict=True):
        if why:
            complain(f"{target.name}: not sent: {why}")
        else:
            say(f"{target.name}: sent")
    return REFUSED if any(answers) else DONE


def _http_url(text: str) -> str:
    if not text:
        return ""  # As it is by default
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query
    except ValueError:
        is_one = False
    if not is_one or parts.username or parts.password:
        raise argparse.ArgumentTypeError("give one like https://board.example.com")
    return text.rstrip("/")


def _log() -> None:
    logger = logging.getLogger("nautilus_recovery_actor.serve")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
