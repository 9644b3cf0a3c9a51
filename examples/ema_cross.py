"""
A complete strategy, in a backtest and live: the cross of two averages, traded with a bracket.

Run ``python examples/ema_cross.py backtest``, or ``paper`` for a node at a paper venue, until
Ctrl-C or for ``--secs``. It is the same strategy in both.

The paper venue and its Valkey end with the process. To kill the node and start it again, name a
venue that runs already with ``--port``, and a Redis in the environment variable ``REDIS_URL``.
"""

import asyncio
import math
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Money
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import LostOrder
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import testkit


class EMACrossConfig(RecoverableStrategyConfig, frozen=True, forbid_unknown_fields=True):
    """
    Configuration for `EMACross` instances.

    Parameters
    ----------
    instrument_id : InstrumentId
        The instrument to trade.
    bar_type : BarType
        The bars to average.
    fast_period, slow_period : int, default 2 and 4
        The periods of the averages (bars).
    trade_size : Decimal, default 1
        The quantity of an entry.
    stop_distance, target_distance : Decimal, default 3 and 2
        How far from the entry the stop and the target are, in price.

    """

    instrument_id: InstrumentId
    bar_type: BarType
    fast_period: int = 2
    slow_period: int = 4
    trade_size: Decimal = Decimal(1)
    stop_distance: Decimal = Decimal(3)
    target_distance: Decimal = Decimal(2)


class EMACross(RecoverableStrategy):
    """
    Buys when the fast average crosses above the slow one, sells when it crosses below: one position
    at a time, which its bracket closes.
    """

    def __init__(self, config: EMACrossConfig) -> None:
        super().__init__(config)
        self.fast = ExponentialMovingAverage(config.fast_period)
        self.slow = ExponentialMovingAverage(config.slow_period)
        self.side: OrderSide | None = None  # Of the last cross that was dealt with
        self.unsent: set[ClientOrderId] = set()

    # -- WHAT IS GIVEN BACK, IN THIS ORDER ---------------------------------------------------------

    def on_load(self, state: dict[str, bytes]) -> None:
        """
        Take up the variables of the run before.
        """
        self.side = OrderSide[state["side"].decode()] if "side" in state else None

    def on_start(self) -> None:
        """
        Subscribe. Nothing may be sent yet.
        """
        self.subscribe_bars(self.config.bar_type)

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """
        Leave all as it is: nothing can be sent, and the bracket rests at the venue.
        """
        self.log.error(f"Not trading: {event.reason}, {event.message}")

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        """
        Take up a position with what is left of its bracket.
        """
        self.log.info(f"Took up {position} with {len(exit_orders)} exits")

    def on_orders_unresolved(self, orders: list[Order]) -> None:
        """
        Wait for those that were sent. What the venue does not report, and the cache never saw
        leave, nobody will answer for.
        """
        self.unsent = {o.client_order_id for o in orders if o.status == OrderStatus.INITIALIZED}
        self.log.warning(f"Waiting for the answers to {len(orders) - len(self.unsent)} orders")

    def on_orders_lost(self, orders: tuple[LostOrder, ...]) -> None:
        """
        Count the cross as dealt with that a lost entry was sent for.
        """
        for lost in orders:
            order = self.cache.order(ClientOrderId(lost.client_order_id))
            if order is not None and not order.is_reduce_only:
                self.side = OrderSide(order.side)

    def warmup_needs(self) -> Sequence[BarsNeeded]:
        """
        Return the bars that both averages need, and keep them up to date from then on.
        """
        return [
            BarsNeeded(
                bar_type=self.config.bar_type,
                count=self.config.slow_period * 4,
                indicators=(self.fast, self.slow),
            )
        ]

    def on_trading_enabled(self) -> None:
        """
        Give each position that is not protected one stop, in place of what is left of its bracket.
        """
        for position in self.held_positions():
            if self.is_protected(position):
                continue
            self.log.warning(f"{self.unprotected_quantity(position)} of {position} has no stop")
            exits = self.exit_orders(position)
            for order in exits:
                self.cancel_order(order)
            px = Decimal(str(position.avg_px_open))
            distance = self.config.stop_distance
            stop = px - distance if position.is_long else px + distance
            last = self.cache.bar(self.config.bar_type).close
            is_past = last <= stop if position.is_long else last >= stop
            instrument = self.cache.instrument(position.instrument_id)
            trigger_price = None if is_past else instrument.make_price(stop)  # None: at the market
            self.submit_order(
                *self.closing_order(position, trigger_price=trigger_price, ignoring=exits)
            )

    # -- TRADING -----------------------------------------------------------------------------------

    def on_bar(self, bar: Bar) -> None:
        """
        Trade a cross, once.
        """
        if not self.indicators_initialized() or not self.gate.is_open_for(
            bar.bar_type.instrument_id
        ):
            return
        side = OrderSide.BUY if self.fast.value > self.slow.value else OrderSide.SELL
        if side == self.side:
            return
        is_first = self.side is None  # Nobody has seen it cross
        self.side = side
        self.checkpoint()  # Before the order is sent: after a kill it is not sent again
        if not is_first and not self.is_busy():
            self.enter(side, bar.close.as_decimal())

    def is_busy(self) -> bool:
        """
        Return whether a position or an order exists; exits without a position are canceled.
        """
        if self.held_positions():
            return True
        orders = [
            order
            for order in self.cache.orders(strategy_id=self.id)
            if not order.is_closed and order.client_order_id not in self.unsent
        ]
        if all(order.is_open and order.is_reduce_only for order in orders):
            for order in orders:
                self.cancel_order(order)
        return bool(orders)

    def enter(self, side: OrderSide, px: Decimal) -> None:
        """
        Open a position, with its stop and its target.
        """
        config = self.config
        sign = 1 if side == OrderSide.BUY else -1
        instrument = self.cache.instrument(config.instrument_id)
        bracket = self.order_factory.bracket(
            config.instrument_id,
            side,
            instrument.make_qty(config.trade_size),
            sl_trigger_price=instrument.make_price(px - sign * config.stop_distance),
            tp_price=instrument.make_price(px + sign * config.target_distance),
        )
        self.submit_order_list(bracket)

    def on_save(self) -> dict[str, bytes]:
        """
        Return the state that the averages do not contain.
        """
        return {} if self.side is None else {"side": self.side.name.encode()}

    def on_stop(self) -> None:
        """
        Leave the position and its bracket to the next run.
        """
        self.unsubscribe_bars(self.config.bar_type)


INSTRUMENT = testkit.paper_instrument("ETHUSDT-PERP")
SYMBOL = INSTRUMENT.symbol.value
BARS = BarType.from_str(f"{INSTRUMENT.id}-1-SECOND-LAST-EXTERNAL")
SECOND_NS = 1_000_000_000


def strategy(**fields: Any) -> EMACross:
    """
    Return the strategy, the same for a backtest and a live node.
    """
    return EMACross(
        EMACrossConfig(
            instrument_id=INSTRUMENT.id,
            bar_type=BARS,
            external_order_claims=[INSTRUMENT.id],  # What the cache has lost is this strategy's
            **fields,
        )
    )


def backtest(bars: int = 120, log_level: str = "INFO") -> BacktestEngine:
    """
    Run the strategy on generated bars, and return the engine.
    """
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(log_level=log_level)))
    engine.add_venue(
        INSTRUMENT.venue, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)]
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(testkit.paper_bars(INSTRUMENT, BARS, SECOND_NS, bars * SECOND_NS))
    engine.add_strategy(strategy())
    engine.run()
    return engine


def node(port: int, valkey: testkit.EmbeddedValkey, **fields: Any) -> TradingNode:
    """
    Return a node that runs the strategy at a paper venue.
    """
    made = testkit.paper_node(
        testkit.paper_node_config(
            [testkit.PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
            [testkit.PaperVenueDataClientConfig(port=port, symbols=(SYMBOL,))],
            trader_id="LIVE-001",
            database=valkey.database_config(),
            log_level="INFO",
        )
    )
    made.trader.add_actor(RecoveryMonitorActor())
    made.trader.add_strategy(strategy(**fields))
    return made


async def paper(port: int, valkey: testkit.EmbeddedValkey, secs: float | None) -> None:
    """
    Run the node until it is stopped, and let the venue's price be that of its next bar.
    """
    venue = testkit.PaperVenueControl(port)
    end = time.monotonic() + (math.inf if secs is None else secs)
    async with testkit.running(node(port, valkey), wait=False) as run:
        while time.monotonic() < end and not run.task.done():
            now = time.time_ns()
            (bar,) = testkit.paper_bars(INSTRUMENT, BARS, now, now + SECOND_NS - 1)
            venue.set_price(SYMBOL, bar.close.as_decimal())
            await asyncio.wait({run.task}, timeout=1.5 - now % SECOND_NS / SECOND_NS)


def main() -> None:
    """
    Run it as the command line says.
    """
    arguments = ArgumentParser(description="Trade the cross of two averages with a bracket")
    arguments.add_argument("mode", choices=["backtest", "paper"])
    arguments.add_argument("--secs", type=float, help="how long, by default until Ctrl-C")
    arguments.add_argument("--port", type=int, help="port of a paper venue that runs already")
    given = arguments.parse_args()
    if given.mode == "backtest":
        backtest().dispose()
        return
    with ExitStack() as stack:
        port = given.port or stack.enter_context(testkit.PaperVenue()).port
        asyncio.run(paper(port, stack.enter_context(testkit.EmbeddedValkey()), given.secs))


if __name__ == "__main__":
    main()
