"""
The warm-up of a strategy: between its recovery and its permission to trade.
"""

import asyncio
from collections.abc import Callable

from nautilus_trader.common.component import TestClock
from nautilus_trader.indicators.base import Indicator
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.feed import Guard
from nautilus_recovery_actor.feed import WarmupFeed
from nautilus_recovery_actor.gate import RecoveryGate
from nautilus_recovery_actor.messages import RecoveryComplete
from nautilus_recovery_actor.needs import WarmupNeed


class WarmUp:
    """
    Hold a gate until the data that the strategy needs are complete and applied.

    Parameters
    ----------
    strategy : RecoverableStrategy
        The strategy.
    gate : RecoveryGate
        Its gate.
    guard : Callable
        Makes a callback that keeps to itself what the strategy's own code raises.
    on_missed : Callable[[RecoveryComplete], None]
        Called when an attempt has failed. Another one follows.
    on_done : Callable[[RecoveryComplete | None], None]
        Called when it is done.

    """

    def __init__(
        self,
        strategy: Strategy,
        gate: RecoveryGate,
        guard: Guard,
        on_missed: Callable[[RecoveryComplete], None],
        on_done: Callable[[RecoveryComplete | None], None],
    ) -> None:
        self._strategy = strategy
        self._gate = gate
        self._guard = guard
        self._on_missed = on_missed
        self._on_done = on_done
        self._feeds: list[WarmupFeed] | None = None
        self._event: RecoveryComplete | None = None
        self._is_under_way = False

    @property
    def is_under_way(self) -> bool:
        """
        Whether the strategy waits for it.

        Returns
        -------
        bool

        """
        return self._is_under_way

    @property
    def indicators(self) -> list[Indicator]:
        """
        The indicators that it keeps up to date.

        Returns
        -------
        list[Indicator]

        """
        return [indicator for feed in self._feeds or () for indicator in feed.need.indicators]

    def begin(self, event: RecoveryComplete | None) -> None:
        """
        Begin. What live data have kept whole since the last time is done already.

        Parameters
        ----------
        event : RecoveryComplete, optional
            The recovery that it belongs to, ``None`` in a backtest.

        Raises
        ------
        ValueError
            If an indicator would be updated twice.

        """
        if event is None:
            self.close()  # A backtest may run again
        self.cancel()
        if self._feeds is None:
            needs = list(self._strategy.warmup_needs())  # It may be a generator
            for need in needs:
                if not isinstance(need, WarmupNeed):
                    raise TypeError(
                        f"`warmup_needs` must return BarsNeeded and TicksNeeded, was {need!r}",
                    )
            _check_indicators(self._strategy, needs)
            self._feeds = [
                WarmupFeed(self._strategy, need, self._guard, self._go_on, self._miss)
                for need in needs
            ]
        self._event = event
        if not self._feeds:
            self._on_done(event)
            return
        is_backtest = isinstance(self._strategy.clock, TestClock)
        loop = None if is_backtest else asyncio.get_running_loop()
        self._is_under_way = True
        for feed in self._feeds:
            feed.begin(loop)
        self._go_on()

    def cancel(self) -> None:
        """
        End it. What is answered later is not applied.
        """
        self._is_under_way = False
        for feed in self._feeds or ():
            feed.cancel()

    def cancel_if_over(self) -> None:
        """
        End it unless the recovery that it belongs to can still open the gate.
        """
        event = self._event
        if self._is_under_way and event and not self._gate.may_complete(event.epoch):
            self.cancel()

    def close(self) -> None:
        """
        Cancel it, and follow the live data no more.
        """
        self.cancel()
        for feed in self._feeds or ():
            feed.close()
        self._feeds = None

    def _miss(self) -> None:
        self._go_on()
        if self._event is not None:
            self._on_missed(self._event)

    def _go_on(self) -> None:
        if not self._is_under_way or self._feeds is None:
            return
        reasons = [f"{feed.need}: {feed.reason}" for feed in self._feeds if not feed.is_ready]
        if not reasons:
            self._is_under_way = False
            self._on_done(self._event)
        elif self._event is not None:
            self._gate.hold(self._event.epoch, f"RECOVERY_WARMUP: {'; '.join(reasons)}")


def _check_indicators(strategy: Strategy, needs: list[WarmupNeed]) -> None:
    seen = list(strategy.registered_indicators)
    for need in needs:
        for indicator in need.indicators:
            if any(indicator is other for other in seen):
                raise ValueError(
                    f"{indicator} would be updated twice: name it in one need, and do not "
                    f"register it besides",
                )
            seen.append(indicator)
