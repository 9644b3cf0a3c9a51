"""
Finds the Redis server of a node from its cache's configuration.
"""

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.link.server import Server


def server_of(
    trader_id: str,
    cache: CacheConfig | None,
    override: DatabaseConfig | None,
    instance_id: str | None = None,
) -> Server | None:
    """
    Return the server of a node's cache, or the one that is named instead, ``None`` for none.

    `instance_id` is that of the node, if it has the same one at each start.
    """
    database = override or (None if cache is None else cache.database)
    if database is None:
        return None
    use_prefix = True if cache is None else cache.use_trader_prefix
    namespace = Namespace(
        trader_id=trader_id, instance_id=instance_id, use_trader_prefix=use_prefix
    )
    return Server(database_url(database), namespace)


def is_restored_by(cache: CacheConfig | None, override: DatabaseConfig | None) -> bool:
    """Return whether the cache reads at the next start what the link has written."""
    if cache is None or cache.database is None:
        return False
    return override is None or database_url(override) == database_url(cache.database)
