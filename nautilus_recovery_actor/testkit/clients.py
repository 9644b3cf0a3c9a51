"""
All that a trading node needs to trade at a paper venue.
"""

import asyncio

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.live.factories import LiveDataClientFactory
from nautilus_trader.live.factories import LiveExecClientFactory

from nautilus_recovery_actor.testkit.config import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit.config import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit.data import PaperVenueDataClient
from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient
from nautilus_recovery_actor.testkit.instruments import PaperInstrumentProvider
from nautilus_recovery_actor.testkit.instruments import paper_instrument


__all__ = [
    "PaperInstrumentProvider",
    "PaperVenueDataClient",
    "PaperVenueDataClientConfig",
    "PaperVenueExecClientConfig",
    "PaperVenueExecutionClient",
    "PaperVenueLiveDataClientFactory",
    "PaperVenueLiveExecClientFactory",
    "paper_instrument",
]


class PaperVenueLiveDataClientFactory(LiveDataClientFactory):
    """Provides a factory for creating `PaperVenueDataClient` instances."""

    @staticmethod
    def create(  # type: ignore[override]  # The builder passes the client's own configuration
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: PaperVenueDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> PaperVenueDataClient:
        """Return a new data client with the given name as its client ID."""
        return PaperVenueDataClient(loop, name, config, msgbus, cache, clock)


class PaperVenueLiveExecClientFactory(LiveExecClientFactory):
    """Provides a factory for creating `PaperVenueExecutionClient` instances."""

    @staticmethod
    def create(  # type: ignore[override]  # The builder passes the client's own configuration
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: PaperVenueExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> PaperVenueExecutionClient:
        """Return a new execution client with the given name as its client ID."""
        return PaperVenueExecutionClient(loop, name, config, msgbus, cache, clock)
