"""
What a cache holds of one instrument, as plain values: positions with what they are made of, and
orders.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import order_status_to_str
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position


_ZERO = Decimal(0)


class Filled(msgspec.Struct, frozen=True):
    """One fill of a position. Only a trade of the venue has a number for its ID."""

    qty: Decimal
    px: Decimal
    fee: Decimal
    trade_id: str
    client_order_id: str
    venue_order_id: str
    is_reconciliation: bool

    @property
    def is_real(self) -> bool:
        return self.trade_id.isdecimal()


class Held(msgspec.Struct, frozen=True):
    """One position, open or closed, or what a position was before it was opened anew."""

    position_id: str
    strategy_id: str
    qty: Decimal
    avg_px: float
    pnl: Decimal
    fills: tuple[Filled, ...]

    @property
    def is_open(self) -> bool:
        return bool(self.qty)

    @property
    def is_made_up(self) -> bool:
        """Whether no trade of the venue is in it."""
        return not any(fill.is_real for fill in self.fills)


class Sent(msgspec.Struct, frozen=True):
    """One order."""

    client_order_id: str
    venue_order_id: str
    strategy_id: str
    status: str
    is_open: bool
    filled: Decimal
    position_id: str


class Holdings(msgspec.Struct, frozen=True):
    """What a cache holds of one instrument."""

    positions: tuple[Held, ...]
    # What those were before, which is lost with the process
    snapshots: tuple[Held, ...]
    orders: tuple[Sent, ...]

    @property
    def open_positions(self) -> tuple[Held, ...]:
        return tuple(one for one in self.positions if one.is_open)

    @property
    def pnl(self) -> Decimal:
        """What has been realized, fees included."""
        return sum((one.pnl for one in (*self.positions, *self.snapshots)), _ZERO)

    @property
    def made_up_pnl(self) -> Decimal:
        """What positions without any trade have realized: the fees that 1.221 invents."""
        parts = (*self.positions, *self.snapshots)
        return sum((one.pnl for one in parts if one.is_made_up), _ZERO)

    @property
    def gross_pnl(self) -> Decimal:
        """What has been realized, without any fee."""
        return self.pnl + sum((fill.fee for fill in self._fills), _ZERO)

    @property
    def made_up_fees(self) -> Decimal:
        """What was paid for fills that are no trades of the venue."""
        return sum((fill.fee for fill in self._fills if not fill.is_real), _ZERO)

    @property
    def _fills(self) -> Iterator[Filled]:
        return (fill for one in (*self.positions, *self.snapshots) for fill in one.fills)

    def __str__(self) -> str:
        lines = [
            f"{one.position_id} of {one.strategy_id}: {one.qty} at {one.avg_px}, realized {one.pnl}"
            + "".join(f"\n    {_text(fill)}" for fill in one.fills)
            for one in (*self.positions, *self.snapshots)
        ]
        lines += [
            f"{one.client_order_id} ({one.venue_order_id}) of {one.strategy_id}: {one.status}, "
            f"filled {one.filled}, of {one.position_id}"
            for one in self.orders
        ]
        return "\n".join(lines)


def _text(fill: Filled) -> str:
    flag = " [reconciliation]" if fill.is_reconciliation else ""
    return (
        f"{fill.qty:+} at {fill.px}, fee {fill.fee}, trade {fill.trade_id} of "
        f"{fill.client_order_id} ({fill.venue_order_id}){flag}"
    )


def holdings(node: TradingNode, instrument_id: str) -> Holdings:
    """Return what the cache of a node holds of an instrument."""
    cache, instrument = node.cache, InstrumentId.from_str(instrument_id)
    positions = cache.positions(instrument_id=instrument)
    return Holdings(
        positions=tuple(map(_held, positions)),
        snapshots=tuple(
            _held(before) for one in positions for before in cache.position_snapshots(one.id)
        ),
        orders=tuple(map(_sent, cache.orders(instrument_id=instrument))),
    )


def _held(position: Position) -> Held:
    return Held(
        position_id=str(position.id),
        strategy_id=str(position.strategy_id),
        qty=position.signed_decimal_qty(),
        avg_px=position.avg_px_open,
        pnl=_ZERO if position.realized_pnl is None else position.realized_pnl.as_decimal(),
        fills=tuple(map(_filled, position.events)),
    )


def _filled(event: OrderFilled) -> Filled:
    qty = event.last_qty.as_decimal()
    return Filled(
        qty=qty if event.is_buy else -qty,
        px=event.last_px.as_decimal(),
        fee=event.commission.as_decimal(),
        trade_id=str(event.trade_id),
        client_order_id=str(event.client_order_id),
        venue_order_id=str(event.venue_order_id),
        is_reconciliation=bool(event.reconciliation),
    )


def _sent(order: Order) -> Sent:
    return Sent(
        client_order_id=str(order.client_order_id),
        venue_order_id=str(order.venue_order_id),
        strategy_id=str(order.strategy_id),
        status=order_status_to_str(order.status),
        is_open=bool(order.is_open),
        filled=order.filled_qty.as_decimal(),
        position_id=str(order.position_id),
    )
