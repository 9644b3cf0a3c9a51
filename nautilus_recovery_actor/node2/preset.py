"""
The preset of a node on NautilusTrader 2.0.
"""

from typing import Any

from nautilus_trader.common import CacheConfig
from nautilus_trader.common import MessageBusConfig
from nautilus_trader.common import SerializationEncoding
from nautilus_trader.infrastructure import RedisCacheConfig
from nautilus_trader.infrastructure import RedisMessageBusConfig
from nautilus_trader.infrastructure import RedisMessageBusFactory
from nautilus_trader.live import LiveNodeBuilder

from nautilus_recovery_actor.link.stream import BUS_STREAM
from nautilus_recovery_actor.link.stream import SILENT_STREAM


# The names of the encodings with which the caches of this process are configured
ENCODINGS: set[str] = set()
_DATABASE = ("host", "port", "username", "password", "ssl")


def with_recovery(
    builder: LiveNodeBuilder, database: RedisCacheConfig, **cache: Any
) -> LiveNodeBuilder:
    """
    Return a node's builder with a cache in Redis that loses no write to a buffer, and a message bus
    there, in which the monitor reads what venues report before it is reconciled.

    Parameters
    ----------
    builder : LiveNodeBuilder
        The builder of the node.
    database : RedisCacheConfig
        The server, the same as in the `RecoveryMonitorConfig`.
    **cache : Any
        Further fields of the `CacheConfig`. Its `encoding` is JSON by default; what is stored in
        another one is not loaded.

    """
    bus = RedisMessageBusConfig(**{name: getattr(database, name) for name in _DATABASE})
    json = SerializationEncoding.JSON
    config = CacheConfig(**{"encoding": json, **cache})
    ENCODINGS.add(str(config.encoding).rpartition(".")[2])
    return (
        builder.with_cache_config(config)
        .with_cache_database_factory(database)
        .with_msgbus_config(
            MessageBusConfig(
                encoding=json,
                use_trader_prefix=True,
                use_trader_id=True,
                streams_prefix=BUS_STREAM,
                stream_per_topic=False,
                external_streams=[SILENT_STREAM],
                autotrim_mins=60,
            )
        )
        .with_external_msgbus_factory(RedisMessageBusFactory(bus))
    )
