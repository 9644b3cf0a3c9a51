"""
What the commands that read a trader's record have in common.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import UsageError
from nautilus_recovery_actor.console.common import add_redis
from nautilus_recovery_actor.console.common import add_trader
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import utf8


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.link.address import Namespace


def add_record(command: argparse.ArgumentParser, *, is_acting: bool = False) -> None:
    """Let a command ask of which trader, and where that is stored."""
    add_trader(command, is_acting=is_acting)
    add_redis(command, "the server of the node's cache")
    add_namespace(command)


def add_namespace(command: argparse.ArgumentParser) -> None:
    """Let a command ask where the cache keeps its entries."""
    command.add_argument(
        "--no-prefix",
        action="store_true",
        help="the cache is configured with use_trader_prefix=False",
    )
    command.add_argument(
        "--instance-id",
        metavar="ID",
        type=utf8,
        help="the instance ID, if the cache is configured with use_instance_id=True",
    )


def namespace(arguments: argparse.Namespace) -> "Namespace":
    """Return where the keys of the trader are."""
    from nautilus_recovery_actor.link.address import Namespace  # noqa: PLC0415

    return Namespace(
        trader_id=arguments.trader,
        instance_id=arguments.instance_id,
        use_trader_prefix=not arguments.no_prefix,
    )


@contextmanager
def connected(arguments: argparse.Namespace, timeout_secs: float = 5.0) -> "Iterator[redis.Redis]":
    """Connect to the server, and disconnect at the end."""
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor.link.client import RedisUnusableError  # noqa: PLC0415
    from nautilus_recovery_actor.link.client import connect  # noqa: PLC0415

    try:
        with closing(connect(arguments.redis, timeout_secs)) as client:
            if getattr(arguments, "trader", "") is None:
                _choose_trader(arguments, client)
            yield client
    except RedisUnusableError as e:
        raise CommandError(str(e)) from e
    except redis.RedisError as e:
        from nautilus_recovery_actor.outside.causes import unusable  # noqa: PLC0415

        raise CommandError(unusable(e, arguments.redis)) from e


def _choose_trader(arguments: argparse.Namespace, client: "redis.Redis") -> None:
    from nautilus_recovery_actor.outside.record import traders  # noqa: PLC0415

    found, unseen = traders.traders(client)
    if arguments.is_acting or unseen or len(found) != 1:
        raise UsageError(f"Give --trader, or set RECOVERY_TRADER. {traders.known(client)}")
    (only,) = found
    complain(f"No --trader was given: this is {traders.options(only)}, the only one on record")
    arguments.trader, arguments.instance_id = only.trader_id, only.instance_id
    arguments.no_prefix = not only.use_trader_prefix


def with_known(arguments: argparse.Namespace, client: "redis.Redis", line: str) -> str:
    """Return a line about a trader, with those on record besides if this one is not."""
    from nautilus_recovery_actor.outside.record import traders  # noqa: PLC0415
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415

    if RecordReader(client, namespace(arguments)).stamps().heartbeat is not None:
        return line
    return f"{line}{'' if line.endswith('?') else '.'} {traders.known(client)}"
