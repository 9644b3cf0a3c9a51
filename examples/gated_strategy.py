"""
A strategy that cannot trade before its node has recovered.

Three things differ from a plain strategy: the base class, the hook that lists what is held, and the
hook in which trading begins.
"""

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from nautilus_recovery_actor import RecoverableStrategy


class GatedStrategyConfig(StrategyConfig, frozen=True):
    """
    Configuration for `GatedStrategy` instances.

    Parameters
    ----------
    instrument_id : InstrumentId
        The instrument to trade.

    """

    instrument_id: InstrumentId


class GatedStrategy(RecoverableStrategy):
    """
    Holds one unit, with a stop one per cent below.
    """

    def __init__(self, config: GatedStrategyConfig) -> None:
        super().__init__(config)
        self.instrument_id = config.instrument_id

    def on_start(self) -> None:
        """
        Subscribe to what is traded. An order sent from here would be denied.
        """
        self.subscribe_quote_ticks(self.instrument_id)

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        """
        Take up a position that was restored: its stop may be there still, or not.
        """
        self.log.info(f"Recovered {position} with {len(exit_orders)} exit orders")

    def on_trading_enabled(self) -> None:
        """
        Begin to trade: what is held is proven equal to the venue's report.
        """
        mine = {"instrument_id": self.instrument_id, "strategy_id": self.id}
        if self.cache.positions_open(**mine) or self.cache.orders_inflight(**mine):
            return  # Called again after every reconnect
        instrument = self.cache.instrument(self.instrument_id)
        self.submit_order(
            self.order_factory.market(self.instrument_id, OrderSide.BUY, instrument.make_qty(1))
        )

    def on_stop(self) -> None:
        """
        Leave the position to the next run.
        """
        self.unsubscribe_quote_ticks(self.instrument_id)
