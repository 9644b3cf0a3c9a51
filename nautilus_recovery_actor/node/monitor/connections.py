"""
The monitor's connections to Redis: opened before anything is written, offered to who asks for them.
"""

import asyncio
from collections.abc import Callable

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.names import LEASE_ENDPOINT
from nautilus_recovery_actor.core.names import WRITES_ENDPOINT
from nautilus_recovery_actor.core.staleness import Beside
from nautilus_recovery_actor.core.storage import Keeping
from nautilus_recovery_actor.host.storage import Storage
from nautilus_recovery_actor.host.storage import known_beside
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.lease import LeaseKeeper
from nautilus_recovery_actor.link.link import Link
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.link.writes import Writes
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
from nautilus_recovery_actor.node.server import is_restored_by
from nautilus_recovery_actor.node.server import server_of


class Connections:
    """
    The link of the monitor and the watch over the server of the cache, where there are any.

    `opened` raises `AnotherNodeError` if another node has the lease.
    """

    def __init__(
        self,
        monitor: Actor,
        settings: RecoveryMonitorConfig,
        epoch: Callable[[], int],
        on_lease: Callable[[Lease], None],
        on_command: Callable[[OperatorCommand, int], None],
    ) -> None:
        self._monitor = monitor
        self._settings = settings
        self._epoch = epoch
        self._on_lease = on_lease
        self._on_command = on_command
        self._link: Link | None = None
        self._storage: Storage | None = None
        # What the server of the cache, and the one of the link if it is another, keep beside it
        self.beside: Beside | None = None
        self.elsewhere: Beside | None = None

    def open(
        self,
        msgbus: MessageBus,
        clock: Clock,
        journal: Callable[[], RecoveryJournal],
        on_storage: Callable[[], None],
    ) -> None:
        """Take the lease, and look at the server of the cache. In a backtest there is none."""
        if isinstance(clock, TestClock):
            return
        self._link = self._linked(msgbus)
        # The server of the cache is watched, wherever the lease is
        cache, instance_id = internals.cache_config(msgbus), internals.fixed_instance_id(msgbus)
        trader_id, database = msgbus.trader_id.value, self._settings.database
        server = server_of(trader_id, cache, None, instance_id)
        if server is None:
            return
        other = None
        if database is not None:
            other = server_of(trader_id, cache, database, instance_id)
        self._storage = self._watched(server, other, journal, on_storage)
        log = self._monitor.log
        self.beside, self.elsewhere = known_beside(server, log), known_beside(other, log)

    def _linked(self, msgbus: MessageBus) -> Link | None:
        # Before anything is written
        settings, log = self._settings, self._monitor.log
        if not internals.KERNEL_CONFIG.is_there(msgbus):
            internals.warn(log, (internals.KERNEL_CONFIG,))
        cache = internals.cache_config(msgbus)
        instance_id = internals.fixed_instance_id(msgbus)
        server = server_of(msgbus.trader_id.value, cache, settings.database, instance_id)
        if server is None:
            return None
        is_leased = settings.lease and not settings.shadow
        link = Link(
            server,
            settings.heartbeat_secs,
            log,
            self._epoch,
            self._on_lease if is_leased else None,
            self._on_command,
            is_restored=is_restored_by(cache, settings.database),
        )
        link.open(may_wait=not internals.is_trader_running(msgbus))
        if not internals.begins_empty(msgbus):
            msgbus.register(WRITES_ENDPOINT, self._offer_writes)
        if link.keeper is not None:
            if link.keeper.has_waited:
                internals.load_cache_again(msgbus)  # Another node has traded meanwhile
            msgbus.register(LEASE_ENDPOINT, self._limit)
        return link

    def _watched(
        self,
        server: Server,
        other: Server | None,
        journal: Callable[[], RecoveryJournal],
        on_storage: Callable[[], None],
    ) -> Storage:
        keeper = self.keeper if other is None else None
        monitor = self._monitor
        return Storage(
            server,
            self._settings.heartbeat_secs,
            "" if keeper is None else keeper.token,
            monitor.log,
            lambda: int(monitor.clock.timestamp_ns()),
            journal,
            lambda: journal().keys(internals.strategy_ids(monitor.msgbus)),
            None if self._link is None else self._link.writes,
            self._epoch,
            on_storage,
            self._on_incident,
        )

    def _on_incident(self, incident: StorageIncident) -> None:
        monitor = self._monitor
        signals.send(signals.storage_changed, monitor, monitor.log.exception, incident=incident)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Keep the lease, hear commands and look at the server from now on."""
        if self._storage is not None:
            self._storage.begin(loop)
        if self._link is not None:
            self._link.begin(loop)

    def close(self, msgbus: MessageBus) -> None:
        """Give the lease back, and offer nothing any more."""
        if self._storage is not None:
            self._storage.close()
        if self._link is not None:
            self._link.close()
        for endpoint, handler in (
            (LEASE_ENDPOINT, self._limit),
            (WRITES_ENDPOINT, self._offer_writes),
        ):
            if endpoint in msgbus.endpoints():
                msgbus.deregister(endpoint, handler)

    # -- WHAT IS KNOWN --

    @property
    def keeper(self) -> LeaseKeeper | None:
        """Who keeps the lease, ``None`` if there is none."""
        return None if self._link is None else self._link.keeper

    @property
    def keeping(self) -> Keeping | None:
        """What is known of the server of the cache, ``None`` if there is none."""
        return None if self._storage is None else self._storage.keeping

    def is_forgone(self) -> bool:
        """Whether another node has the lease, so that nothing of this one counts."""
        return self.keeper is not None and self.keeper.is_forgone()

    def answer(self, said: CommandAnswer) -> None:
        """Answer a command."""
        if self._link is not None:
            self._link.commands.answer(said)

    # -- WHAT IS OFFERED --

    def _offer_writes(self, take: Callable[[Writes], None]) -> None:
        assert self._link is not None
        take(self._link.writes)

    def _limit(self, limit: Callable[[Callable[[], bool], Callable[[], bool]], None]) -> None:
        assert self.keeper is not None
        limit(self.keeper.is_over, self.keeper.is_forgone)
