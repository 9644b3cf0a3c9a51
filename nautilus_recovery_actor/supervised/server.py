"""
The Redis server of a node, before the node is made: can it be used, and do its entries load?
"""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import msgspec
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import TradingNodeConfig

from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.outside.checks import server_catalog as found
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.server import look_at_login
from nautilus_recovery_actor.outside.checks.server import look_at_server
from nautilus_recovery_actor.outside.running import why_not_stopped
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.keeping import Keeper
from nautilus_recovery_actor.outside.store.keeping import RefusedError as NotTakenError
from nautilus_recovery_actor.outside.store.keys import name
from nautilus_recovery_actor.outside.store.selection import Selection
from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.endings import RefusedError


_LOOK_SECS = 2.5  # Both servers together in 5 s
_OPERATOR = "run_supervised"
# What may pass without anybody's doing
_PASSING = (
    found.UNREACHABLE,
    found.LOADING,
    found.REPLICA,
    found.REFUSES_WRITES,
    found.MEMORY_FULL,
)
_LASTING = (
    found.URL_INVALID,
    found.TLS_FAILED,
    found.TLS_PRIVATE_CA,
    found.NOT_AUTHENTICATED,
    found.BAD_ANSWER,
    found.NOT_PERMITTED,
    found.CLUSTER,
)
_CODES = {rule.code: Exit.TRY_AGAIN for rule in _PASSING}
_CODES |= {rule.code: Exit.MISCONFIGURED for rule in _LASTING}

Say = Callable[[str], None]


class Server(msgspec.Struct, frozen=True):
    """A server that a node is configured to use, and where its entries are on it."""

    database: DatabaseConfig
    namespace: Namespace
    # If the cache is there; else only the message bus
    is_cache: bool


def servers(config: TradingNodeConfig) -> Iterator[Server]:
    """Yield the servers that a node is configured to use, that of the cache first."""
    cache: Any = config.cache
    instance_id = config.instance_id if cache is not None and cache.use_instance_id else None
    namespace = Namespace(
        trader_id=str(config.trader_id),
        instance_id=None if instance_id is None else str(instance_id),
        use_trader_prefix=cache is None or cache.use_trader_prefix,
    )
    cached = getattr(cache, "database", None)
    if cached is not None and cached.type == "redis":
        yield Server(cached, namespace, is_cache=True)
    bus: Any = getattr(config.message_bus, "database", None)
    if bus is not None and bus.type == "redis" and bus != cached:
        yield Server(bus, namespace, is_cache=False)


def check(server: Server) -> None:
    """Refuse a server that no node can use."""
    finding = _unusable(server)
    if finding is not None:
        raise RefusedError(
            _CODES[finding.code], f"{finding.subject}: {finding.message} {finding.remedy}"
        )


def state(server: Server) -> str:
    """Return how a server is, for who wonders why a node does not get on."""
    finding = _unusable(server)
    if finding is None:
        return f"Redis at {server.database.host}:{server.database.port} answers"
    return f"{finding.subject}: {finding.message} {finding.remedy}"


def _unusable(server: Server) -> Finding | None:
    findings = look_at_login(server.database) or look_at_server(
        database_url(server.database), server.namespace, _LOOK_SECS, is_live_ok=True
    )
    for finding in findings:
        is_of_cache = finding.code == found.NOT_PERMITTED.code
        if finding.code in _CODES and (server.is_cache or not is_of_cache):
            return finding
    return None


def heal(server: Server, say: Say) -> None:
    """Take out what keeps a node from starting, and keep it: `forget --all-that-stop`."""
    trader = one_line(server.namespace.trader_id)
    with connect(database_url(server.database)) as client:
        keeper = Keeper(client, server.namespace)
        try:
            selection = Selection(client, server.namespace)
            selection.add_all_that_stop()
            if not selection.taken:
                return
            if why := why_not_stopped(client, server.namespace):
                raise _not_healed(trader, why)
            keeper.watch(selection.taken)
            kept = keeper.take(selection.taken, _OPERATOR)
        except NotTakenError as e:
            raise _not_healed(trader, str(e)) from e
        finally:
            keeper.close()
    for entry in kept.entries:
        say(f"healed {name(entry.key)} of {trader}: {_taken(entry)}, because {entry.why}")
    undo = f"nautilus-recovery forget --undo {kept.id} {_options(server)}"
    say(f"what was taken out is kept as {kept.id}, and put back by `{undo}`")


def _not_healed(trader: str, why: str) -> RefusedError:
    why = f"Stored entries stop the start of {trader}, and were not healed: {why}"
    return RefusedError(Exit.TRY_AGAIN, why)


def stopped_by_entries(server: Server) -> Ending | None:
    """Return how to go on where stored entries stopped the start, if they did."""
    try:
        with connect(database_url(server.database)) as client:
            survey = reader.survey(client, server.namespace)
    except Exception:
        return None  # What stopped the start is told without it
    broken = [one for one in survey.broken.values() if one.stops_start]
    if not broken:
        return None
    more = f", and {len(broken) - 1:,} more" if len(broken) > 1 else ""
    command = f"nautilus-recovery forget --all-that-stop {_options(server)}"
    return Ending(
        Exit.ENTRIES_STOP_START,
        f"Stored entries stop the start of {one_line(server.namespace.trader_id)}: "
        f"{broken[0].key} ({broken[0].why}){more}. They are taken out, and kept, by `{command}`, "
        f"or before each start by run_supervised(..., heal=True).",
    )


def _taken(entry: Entry) -> str:
    if not entry.left or entry.count is None:
        return "taken out"
    return f"{entry.count - len(entry.left)} of its {counted(entry.count, 'event')} taken out"


def _options(server: Server) -> str:
    where = server.namespace
    options = f"--trader {one_line(where.trader_id)}"
    if not where.use_trader_prefix:
        options += " --no-prefix"
    if where.instance_id:
        options += f" --instance-id {one_line(where.instance_id)}"
    return options
