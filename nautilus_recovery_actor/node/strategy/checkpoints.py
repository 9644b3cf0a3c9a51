"""
A strategy whose variables survive a kill, and whose client order ids no run before has used.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import Clock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.enums import LogColor
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.portfolio.base import PortfolioFacade
from nautilus_trader.trading.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.checkpoint import CheckpointJournal
from nautilus_recovery_actor.core.checkpoint import newest_state
from nautilus_recovery_actor.core.order_ids import first_count
from nautilus_recovery_actor.node.config import RecoverableStrategyConfig


class DurableStrategy(Strategy):
    """
    What `RecoverableStrategy` does about state and client order ids. It changes no backtest.

    Parameters
    ----------
    config : StrategyConfig
        The configuration.

    """

    def __init__(self, config: StrategyConfig) -> None:
        super().__init__(config)
        self.__settings = (
            config if isinstance(config, RecoverableStrategyConfig) else RecoverableStrategyConfig()
        )
        self.__journal: CheckpointJournal | None = None
        self.__errors: list[str] = []
        self.__saved: Mapping[str, Any] | None = None
        self.__is_restored = False
        self.__hold_reason: str | None = None
        self.__last_error = ""
        self.__loop: asyncio.AbstractEventLoop | None = None
        self.__timer: asyncio.TimerHandle | None = None

    @property
    def _hold_reason(self) -> str | None:
        # Why the gate must stay closed until the next start
        return self.__hold_reason

    def register(
        self,
        trader_id: TraderId,
        portfolio: PortfolioFacade,
        msgbus: MessageBus,
        cache: CacheFacade,
        clock: Clock,
    ) -> None:
        """
        Register with a trader.

        System method (not intended to be called by user code).
        """
        super().register(trader_id, portfolio, msgbus, cache, clock)
        if not isinstance(clock, TestClock):
            limit = self.__settings.max_checkpoint_bytes
            self.__journal = CheckpointJournal(cache, self.id.value, limit)
            self.__errors = self.__journal.restore()

    # -- STATE --

    def checkpoint(self) -> None:
        """
        Write what `on_save` returns to the cache, so that it survives a kill from here on.

        Call it when something has changed that must not be lost, from any thread; it does not
        block. If nothing has changed, nothing is written. If the state cannot be kept, an error
        tells why, and the last checkpoint stays. In a backtest this does nothing.
        """
        loop = self.__loop
        if loop is not None and loop.is_running() and not _is_running_here(loop):
            loop.call_soon_threadsafe(self.checkpoint)
        elif self.__may_write():
            try:
                self.__write(self.on_save())
            except Exception as e:
                self.__tell(f"No checkpoint was written, `on_save` raised: {e!r}")

    def save(self) -> dict[str, bytes]:
        """
        Return the state for NautilusTrader's own `save_state`, and write it to a checkpoint too.

        System method (not intended to be called by user code).
        """
        journal = self.__journal
        if journal is not None and not self.__may_write():
            # What has not taken up the state of before must not replace it
            return dict(newest_state(journal.newest, self.__saved) or {})
        state: dict[str, bytes] = super().save()
        if journal is not None:
            self.__write(state, is_saved=True)
        return state

    def load(self, state: dict[str, bytes]) -> None:
        """
        Take the state that NautilusTrader's own `save_state` kept.

        Before the first start it waits for that, and is taken unless a checkpoint is newer, so that
        `on_load` is called once.

        System method (not intended to be called by user code).
        """
        if self.__journal is None or self.__is_restored:
            super().load(state)
        else:
            self.__saved = state

    def __may_write(self) -> bool:
        return self.__journal is not None and self.__is_restored and self.__hold_reason is None

    def __write(self, state: dict[str, bytes], is_saved: bool = False) -> None:
        assert self.__journal is not None
        try:
            if is_saved:
                self.__journal.know(state)
            self.__journal.write(state, self.clock.timestamp_ns())
            self.__last_error = ""
        except Exception as e:
            self.__tell(f"No checkpoint was written: {e}")

    def __tell(self, error: str) -> None:
        if error == self.__last_error:
            return  # It may be so at every interval
        self.__last_error = error
        last = None if self.__journal is None else self.__journal.newest
        stays = f"number {last.sequence} of {last.ts} stays" if last else "there is none yet"
        self.log.error(f"{error}; {stays}")

    def __restore(self) -> None:
        assert self.__journal is not None
        for error in self.__errors:
            self.log.error(error)
        if self.__errors and self.__settings.on_bad_checkpoint == "hold":
            self.__hold(
                "RECOVERY_BAD_CHECKPOINT: delete it from Redis, or start with "
                "`on_bad_checkpoint='start'`",
            )
        newest = self.__journal.newest
        state = newest_state(newest, self.__saved)
        if self.__saved is not None:
            self.__journal.know(self.__saved)
        if not state:
            return
        if newest is not None and state is newest.state:
            self.log.info(
                f"Restored from checkpoint {newest.sequence}, made at {newest.ts}",
                LogColor.BLUE,
            )
        try:
            super().load(dict(state))
        except Exception as e:  # Logged by `load`
            self.__hold(f"RECOVERY_HOOK_RAISED: {type(self).__name__}.on_load: {e!r}")

    def __hold(self, reason: str) -> None:
        self.__hold_reason = reason
        self.log.error(
            f"Trading stays disabled until the next start, and no checkpoint is written: {reason}"
        )

    # -- START AND STOP --

    def start(self) -> None:
        """
        Restore the state, then start the strategy.

        System method (not intended to be called by user code).
        """
        if self.__journal is None:
            super().start()
            return
        try:
            self.__loop = asyncio.get_running_loop()
        except RuntimeError:  # Started by hand: there is no interval then
            self.__loop = None
        if not self.__is_restored:
            self.__restore()
            self.__is_restored = True
        self.__number_orders_before_on_start()
        try:
            super().start()
        finally:
            self.__dict__.pop("on_start", None)
        self.__arm()

    def resume(self) -> None:
        """
        Resume the strategy.

        System method (not intended to be called by user code).
        """
        super().resume()
        self.__arm()

    def _stop(self) -> None:
        # Not `stop`: a strategy that exits the market first stops later, without calling that
        super()._stop()
        self.__disarm()
        self.checkpoint()

    def dispose(self) -> None:
        """
        Dispose of the strategy.

        System method (not intended to be called by user code).
        """
        super().dispose()
        self.__disarm()

    def __arm(self) -> None:
        # The loop's own timer: a `LiveClock` calls back on another thread
        self.__disarm()
        if self.__loop is not None and self.__settings.checkpoint_secs is not None:
            self.__timer = self.__loop.call_later(self.__settings.checkpoint_secs, self.__on_timer)

    def __disarm(self) -> None:
        if self.__timer is not None:
            self.__timer.cancel()
            self.__timer = None

    def __on_timer(self) -> None:
        if self.is_running:
            self.checkpoint()
        self.__arm()

    # -- CLIENT ORDER IDS --

    def __number_orders_before_on_start(self) -> None:
        # `Strategy._start` sets the counts to what the cache holds, and calls `on_start` at once
        on_start = self.on_start

        def number_and_start() -> None:
            self.__dict__.pop("on_start", None)
            self.__number_orders()
            on_start()

        self.__dict__["on_start"] = number_and_start

    def __number_orders(self) -> None:
        factory = self.order_factory
        count = first_count(self.clock.timestamp_ns())
        factory.set_client_order_id_count(max(count, factory.get_client_order_id_count()))
        factory.set_order_list_id_count(max(count, factory.get_order_list_id_count()))


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
