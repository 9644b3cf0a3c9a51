"""
``nautilus-recovery check --upgrade``: what NautilusTrader 2.0 would refuse or drop.
"""

import argparse
import os
from typing import TYPE_CHECKING
from typing import Any

from nautilus_recovery_actor.console.common import Command
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import add_redis
from nautilus_recovery_actor.console.common import utf8
from nautilus_recovery_actor.console.record import add_namespace
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    from nautilus_recovery_actor.outside.checks.findings import PreflightReport


def add_upgrade(check: Command) -> None:
    """Let `check` look at a cache alone, before another version of NautilusTrader does."""
    group = check.add_argument_group("before NautilusTrader 2.0 starts on the cache of 1.x")
    group.add_argument(
        "--upgrade",
        action="store_true",
        help="find what 2.0 would refuse or drop of what is stored, with TARGET or --trader",
    )
    group.add_argument(
        "--trader",
        metavar="ID",
        type=utf8,
        default=os.environ.get("RECOVERY_TRADER") or None,
        help="the trader ID of the node (default: RECOVERY_TRADER)",
    )
    add_redis(check, "the server of the node's cache")
    add_namespace(check)


def check_usage(check: Command, arguments: argparse.Namespace) -> None:
    """Refuse what does not go together."""
    if not arguments.upgrade and arguments.target is None:
        check.error("the following arguments are required: TARGET")
    if arguments.upgrade and arguments.target is None and not arguments.trader:
        check.error("give a TARGET, or the --trader whose cache it is")


def upgrade_report(arguments: argparse.Namespace, config: Any) -> "PreflightReport":
    """Return what is found in the cache of a configuration, or of a trader that is named."""
    from nautilus_recovery_actor.link.address import address  # noqa: PLC0415
    from nautilus_recovery_actor.outside.checks import upgrade  # noqa: PLC0415

    if config is not None:
        _point_to(arguments, config)
    where = f"Redis at {address(arguments.redis)}"
    with connected(arguments, arguments.timeout) as client:
        report = upgrade.upgrade_report(client, namespace(arguments), where)
    if report is None:
        raise CommandError(
            f"{where} has no entries for {one_line(arguments.trader)}: nothing is to be upgraded, "
            f"or this is not the server of the node's cache"
        )
    return report


def _point_to(arguments: argparse.Namespace, config: Any) -> None:
    from nautilus_trader.live.node import TradingNode  # noqa: PLC0415

    from nautilus_recovery_actor.link.address import database_url  # noqa: PLC0415
    from nautilus_recovery_actor.node.internals import node_config  # noqa: PLC0415

    found: Any = node_config(config) if isinstance(config, TradingNode) else config
    database = getattr(getattr(found, "cache", None), "database", None)
    if database is None:
        raise CommandError("The configuration has no cache in Redis: nothing is to be upgraded")
    arguments.redis = database_url(database)
    arguments.trader = str(found.trader_id)
    arguments.no_prefix = not found.cache.use_trader_prefix
    if found.cache.use_instance_id:
        if found.instance_id is not None:
            arguments.instance_id = str(found.instance_id)
        elif not arguments.instance_id:
            raise CommandError(
                "The configuration has use_instance_id=True and no instance_id: give the "
                "--instance-id whose cache is to be upgraded"
            )
