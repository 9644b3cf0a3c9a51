"""
The strategy that is killed: it enters, protects what it holds, and emits what happens to it.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.data import BarType
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position
from nautilus_trader.trading.strategy import Strategy

from crashtest.state import FIRST_PX
from crashtest.state import State
from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import Severity
from nautilus_recovery_actor.host.needs import WarmupNeed
from nautilus_recovery_actor.testkit import emit


SYMBOL = "ETHUSDT-PERP"
INSTRUMENT_ID = InstrumentId.from_str(f"{SYMBOL}.PAPER")
BARS = BarType.from_str(f"{INSTRUMENT_ID}-1-MINUTE-LAST-EXTERNAL")
ENTRY_PX = Decimal("1950.00")
STOP_PX = Decimal("1900.00")

_PAUSE_SECS = 0.01  # Within the delay of a kill, so that one comes before and another after
_ENDS_A_WAIT = (OrderAccepted, OrderCanceled, OrderRejected)
_BALLAST_BYTES = 50_000  # A checkpoint that takes a while to write


def held_by(strategy: Strategy) -> Decimal:
    """
    Return the position of a strategy in the cache.
    """
    held = strategy.cache.positions_open(strategy_id=strategy.id)
    return sum((position.signed_decimal_qty() for position in held), Decimal(0))


def flatten(strategy: Strategy) -> None:
    """
    Cancel all orders and close all positions, as strategies do when they stop.
    """
    strategy.cancel_all_orders(INSTRUMENT_ID)
    strategy.close_all_positions(INSTRUMENT_ID)


class EntryAndStop(RecoverableStrategy):
    """
    Bids once at each new high, and rests a stop for what was filled.

    Parameters
    ----------
    qty : Decimal
        The quantity of its entries.
    only_checkpoints : bool
        If at a new high it makes checkpoints without an end, and no entry.
    replaces_exits : bool
        If it takes over a position that is not protected by canceling its exits and placing one
        stop. Otherwise it adds a stop for what is not covered.
    flattens : bool
        If it cancels its orders and closes its positions when it stops.

    """

    def __init__(
        self, qty: Decimal, *, only_checkpoints: bool, replaces_exits: bool, flattens: bool
    ) -> None:
        super().__init__(
            RecoverableStrategyConfig(
                strategy_id="EntryAndStop",
                order_id_tag="001",
                # A lost entry that was filled must be protected by who sent it
                external_order_claims=[INSTRUMENT_ID],
                warmup_retry_secs=0.1,
            )
        )
        self._qty = qty
        self._only_checkpoints = only_checkpoints
        self._replaces_exits = replaces_exits
        self._flattens = flattens
        self._state = State()
        self._px = FIRST_PX
        self._exits: dict[PositionId, list[Order]] = {}
        self._had_its_turn = False
        self._average = ExponentialMovingAverage(20)

    # -- STATE --

    def on_save(self) -> dict[str, bytes]:
        """
        Return the state.
        """
        return {
            "state": msgspec.json.encode(self._state),
            "ballast": self._state.version.to_bytes(4) * (_BALLAST_BYTES // 4),
        }

    def on_load(self, state: dict[str, bytes]) -> None:
        """
        Take the state up.
        """
        self._state = msgspec.json.decode(state["state"], type=State)
        if self.on_save() != state:
            raise ValueError("the state does not fit together")

    def _remember(self, **changes: Any) -> None:
        state = msgspec.structs.replace(self._state, version=self._state.version + 1, **changes)
        emit("saved", state=state)  # Before it can be stored
        self._state = state
        self.checkpoint()

    # -- RECOVERY --

    def on_start(self) -> None:
        """
        Listen to prices.
        """
        emit("restored", state=self._state)
        self.subscribe_quote_ticks(INSTRUMENT_ID)

    def on_stop(self) -> None:
        """
        Leave all orders where they are, or end flat.
        """
        emit("stopping", qty=held_by(self))
        if self._flattens:
            flatten(self)

    def on_recovery_complete(self, event: RecoveryComplete) -> None:
        """
        Tell the outcome.
        """
        blocking = [
            {"kind": found.kind, "order_id": found.client_order_id, "detail": found.detail}
            for found in event.report.discrepancies
            if found.severity is Severity.BLOCK and not found.resolved
        ]
        emit("recovered", outcome=event.outcome, blocking=blocking)

    def on_recovery_failed(self, event: RecoveryFailed) -> None:
        """
        Tell the reason.
        """
        emit("failed", reason=event.reason, message=event.message)

    def on_position_recovered(self, position: Position, exit_orders: list[Order]) -> None:
        """
        Take over its exits.
        """
        self._exits[position.id] = exit_orders
        exits = [order.client_order_id for order in exit_orders]
        emit("took_up", qty=position.signed_decimal_qty(), exits=exits)

    def warmup_needs(self) -> Sequence[WarmupNeed]:
        """
        Need some bars.
        """
        emit("warming")
        return [BarsNeeded(bar_type=BARS, count=20, indicators=(self._average,))]

    def on_trading_enabled(self) -> None:
        """
        Protect what is unprotected, and make up for an entry that never left this node.
        """
        is_open = self.gate.is_open_for(INSTRUMENT_ID)
        emit("enabled", is_open=is_open, is_warm=self._average.initialized, qty=held_by(self))
        self._had_its_turn = True
        # A stop that could not be confirmed may not be at the venue: nothing can be added to it
        self._protect(is_replacing=self._replaces_exits or not is_open)
        if self._state.entry and not self._was_sent(self._state.entry):
            self._enter(self._state.signal)
        self._follow(self._px)

    def _was_sent(self, client_order_id: str) -> bool:
        # Whatever the cache holds may have been sent, also if nobody has answered
        return self.cache.order_exists(ClientOrderId(client_order_id)) or any(
            lost.client_order_id == client_order_id for lost in self.lost_orders
        )

    # -- ENTRIES --

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """
        Act on a new high.
        """
        self._px = tick.bid_price.as_decimal()
        self._follow(self._px)

    def _follow(self, px: Decimal) -> None:
        if px <= self._state.signal or not self.gate.is_open_for(INSTRUMENT_ID):
            return
        if self._only_checkpoints:
            self._remember(signal=px)
            self._go_on_saving()
        else:
            self._enter(px)

    def _go_on_saving(self) -> None:
        self._remember()
        asyncio.get_running_loop().call_later(0.001, self._go_on_saving)

    def _enter(self, signal: Decimal) -> None:
        instrument = self.cache.instrument(INSTRUMENT_ID)
        order = self.order_factory.limit(
            INSTRUMENT_ID,
            OrderSide.BUY,
            instrument.make_qty(self._qty),
            instrument.make_price(ENTRY_PX),
        )
        self._remember(signal=signal, entry=order.client_order_id.value)
        emit("decided", signal=signal, order_id=order.client_order_id)
        asyncio.get_running_loop().call_later(_PAUSE_SECS, self.submit_order, order)

    # -- STOPS --

    def on_order_filled(self, event: OrderFilled) -> None:
        """
        Protect what was bought.
        """
        self._remember(fills=self._state.fills + 1)
        if event.order_side == OrderSide.BUY:
            emit("filled", order_id=event.client_order_id, qty=event.last_qty)
            asyncio.get_running_loop().call_later(_PAUSE_SECS, self._protect)

    def on_order_denied(self, event: OrderDenied) -> None:
        """
        Tell which, and why.
        """
        emit("denied", order_id=event.client_order_id, reason=event.reason)

    def on_order_event(self, event: OrderEvent) -> None:
        """
        Tell when all is protected, and protect again what no longer is.
        """
        if isinstance(event, _ENDS_A_WAIT) and self._had_its_turn:
            self._protect()

    def _protect(self, is_replacing: bool = False) -> None:
        held = self.cache.positions_open(strategy_id=self.id)
        naked = [position for position in held if not self.is_protected(position)]
        if not naked:
            emit("protected")
        for position in naked:
            exits = self._exits.get(position.id, []) if is_replacing else []
            for order in exits:
                self.cancel_order(order)
            trigger_price = self.cache.instrument(INSTRUMENT_ID).make_price(STOP_PX)
            try:
                stop = self.closing_order(position, trigger_price=trigger_price, ignoring=exits)
            except ValueError as e:
                if is_replacing:
                    emit("refused", reason=str(e))
                continue  # A stop is on its way
            self.submit_order(*stop)
