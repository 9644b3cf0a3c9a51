"""
What the commands have in common that read what is stored of a trader.
"""

import argparse
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import add_redis
from nautilus_recovery_actor.console.common import add_trader
from nautilus_recovery_actor.text import one_line


if TYPE_CHECKING:
    import redis

    from nautilus_recovery_actor.redis_view import Namespace


def add_record(command: argparse.ArgumentParser) -> None:
    """
    Let a command ask of which trader, and where that is stored.

    Parameters
    ----------
    command : argparse.ArgumentParser
        The command.

    """
    add_trader(command)
    add_redis(command, "the server of the node's cache")
    add_namespace(command)


def add_namespace(command: argparse.ArgumentParser) -> None:
    """
    Let a command ask where the cache keeps its entries.

    Parameters
    ----------
    command : argparse.ArgumentParser
        The command.

    """
    command.add_argument(
        "--no-prefix",
        action="store_true",
        help="the cache has use_trader_prefix=False",
    )
    command.add_argument(
        "--instance-id",
        metavar="ID",
        help="the instance, where the cache has use_instance_id=True",
    )


def namespace(arguments: argparse.Namespace) -> "Namespace":
    """
    Return where the keys of the trader are.

    Parameters
    ----------
    arguments : argparse.Namespace
        The arguments of a command that `add_record` or `add_namespace` had.

    Returns
    -------
    Namespace

    """
    from nautilus_recovery_actor.redis_view import Namespace  # noqa: PLC0415

    return Namespace(
        trader_id=arguments.trader,
        instance_id=arguments.instance_id,
        use_trader_prefix=not arguments.no_prefix,
    )


@contextmanager
def connected(arguments: argparse.Namespace, timeout_secs: float = 5.0) -> "Iterator[redis.Redis]":
    """
    Connect to the server, and disconnect at the end.

    Parameters
    ----------
    arguments : argparse.Namespace
        The arguments of a command that `add_record` had.
    timeout_secs : float, default 5.0
        How long to wait for the connection, and for each answer (seconds).

    Yields
    ------
    redis.Redis

    Raises
    ------
    CommandError
        If the server cannot be used.

    """
    import redis  # noqa: PLC0415

    from nautilus_recovery_actor import redis_view  # noqa: PLC0415

    try:
        with closing(redis_view.connect(arguments.redis, timeout_secs)) as client:
            yield client
    except redis_view.RedisUnusableError as e:
        raise CommandError(str(e)) from e
    except redis.RedisError as e:
        why = one_line(str(e)).rstrip(".")
        raise CommandError(
            f"Redis at {redis_view.address(arguments.redis)} cannot be used ({why}): "
            "is it running, and is this the server of the node's cache?",
        ) from e
