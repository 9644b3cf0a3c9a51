"""
What a node makes of stored fills: positions, as NautilusTrader folds them when it starts (seen in
1.221 and 1.231).
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import ROUND_HALF_UP
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import events
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError


NEAR_ZERO = 1e-15
_SPOT = "CurrencyPair"
_OF_CRYPTO = {"CryptoFuture", "CryptoOption", "CryptoFuturesSpread", "CryptoOptionSpread"}


class RestoredPosition(msgspec.Struct, kw_only=True, gc=False):
    """A position as a node restores it."""

    position_id: str
    # Whose it is
    strategy_id: str
    # What it is in
    instrument_id: str
    # The account that holds it
    account_id: str
    # ``LONG``, ``SHORT`` or ``FLAT``
    side: str
    # How much, negative if it is short
    signed_qty: Decimal
    # The mean price at which it was opened
    avg_px_open: float
    # Commissions included
    realized_pnl: Decimal
    # The currency of that
    currency: str
    # When it was opened (UNIX ns)
    ts_opened: int
    # When it last changed (UNIX ns)
    ts_last: int
    # Whether a fill or its commission turned it around, which no node lets happen
    is_turned: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is not flat."""
        return self.side != "FLAT"


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What decides how the fills of an instrument add up."""

    # The decimals of a quantity
    size_precision: int
    # The size of one contract
    multiplier: float
    # Whether it is worth a fixed sum of the quote currency
    is_inverse: bool
    # The currency of profit and loss
    currency: str
    # The decimals of that
    precision: int
    # The currency in which a commission makes the position itself smaller, ``None`` for none
    commission_currency: str | None = None


def instrument_terms(
    instrument: decoding.StoredInstrument,
    precision_of: Callable[[str], int],
    *,
    takes_commission: bool,
) -> Terms:
    """Return the terms of a stored instrument."""
    base = instrument.base_currency
    currency = instrument.quote_currency or instrument.currency
    if instrument.type in _OF_CRYPTO:
        base = instrument.underlying
        if instrument.settlement_currency not in {currency, base}:  # A quanto
            currency = instrument.settlement_currency
    if instrument.is_inverse:
        currency = base
    if not currency:
        raise BrokenEntryError("an instrument without a currency")
    return Terms(
        size_precision=instrument.size_precision,
        multiplier=float(decoding.quantity(instrument.multiplier)),
        is_inverse=instrument.is_inverse,
        currency=currency,
        precision=precision_of(currency),
        commission_currency=base if takes_commission and instrument.type == _SPOT else None,
    )


def restored_position(
    values: Iterable[bytes], terms_of: Callable[[str], Terms]
) -> RestoredPosition:
    """Return the position that a node makes of a stored list of fills."""
    fold: _PositionFold | None = None
    for event in map(decoding.order_event, values):
        if not isinstance(event, events.OrderFilled):
            raise BrokenEntryError(f"it contains {type(event).__name__}, not OrderFilled")
        if fold is None:
            fold = _PositionFold(event, terms_of(event.instrument_id))
        fold.apply(event)
    if fold is None:
        raise BrokenEntryError("it has no fills")
    return fold.position()


class _PositionFold:
    # The arithmetic is that of `nautilus_trader.model.position`, in floats and in its order
    def __init__(self, fill: events.OrderFilled, terms: Terms) -> None:
        if fill.position_id is None:
            raise BrokenEntryError("a fill without a position ID")
        self._first = fill
        self._terms = terms
        self._position_id = fill.position_id
        self._qty = 0.0
        self._is_turned = False
        self._reset(fill)

    def _reset(self, fill: events.OrderFilled) -> None:
        self._event_ids: set[str] = set()
        self._trades: set[tuple[str, str, Decimal, Decimal]] = set()
        self._avg_px_open = float(decoding.number(fill.last_px))
        self._pnl = Decimal(0)
        self._ts_opened = decoding.nanoseconds(fill.ts_event)

    def apply(self, fill: events.OrderFilled) -> None:
        px, qty = decoding.number(fill.last_px), decoding.quantity(fill.last_qty)
        if fill.order_side not in {"BUY", "SELL"}:
            raise BrokenEntryError(f"unknown fill side: {fill.order_side[:20]!r}")
        if fill.event_id in self._event_ids:
            raise BrokenEntryError(f"event {fill.event_id[:40]!r} appears twice")
        trade = (fill.trade_id, fill.order_side, px, qty)
        if trade in self._trades:
            raise BrokenEntryError(f"trade {fill.trade_id[:80]!r} appears twice")
        if not self._qty:
            self._reset(fill)
        self._event_ids.add(fill.event_id)
        self._trades.add(trade)

        commission, currency = decoding.money(fill.commission)
        signed = float(qty) if fill.order_side == "BUY" else -float(qty)
        pnl = -float(commission) if currency == self._terms.currency else 0.0
        if self._qty * signed > 0:
            held = abs(self._qty)
            cost = self._avg_px_open * held + float(px) * abs(signed)
            self._avg_px_open = cost / (held + abs(signed))
        elif self._qty * signed < 0:
            pnl += self._won(float(px), abs(signed))
        self._pnl = rounded(float(self._pnl) + pnl, self._terms.precision)
        before = self._qty
        self._qty = round(self._qty + signed, self._terms.size_precision)
        traded = self._qty
        if currency == self._terms.commission_currency:
            self._qty = round(self._qty - float(commission), self._terms.size_precision)
        self._is_turned |= before * traded < 0 or traded * self._qty < 0
        self._ts_last = decoding.nanoseconds(fill.ts_event)

    def _won(self, px: float, qty: float) -> float:
        before, after = self._avg_px_open, px
        if self._terms.is_inverse:
            if abs(before) < NEAR_ZERO or abs(after) < NEAR_ZERO:
                return 0.0
            before, after = -1.0 / before, -1.0 / after
        points = after - before if self._qty > 0 else before - after
        return min(qty, abs(self._qty)) * self._terms.multiplier * points

    def position(self) -> RestoredPosition:
        side = "LONG" if self._qty > 0 else "SHORT" if self._qty < 0 else "FLAT"
        return RestoredPosition(
            position_id=self._position_id,
            strategy_id=self._first.strategy_id,
            instrument_id=self._first.instrument_id,
            account_id=self._first.account_id,
            side=side,
            signed_qty=rounded(self._qty, self._terms.size_precision),
            avg_px_open=self._avg_px_open,
            realized_pnl=self._pnl,
            currency=self._terms.currency,
            ts_opened=self._ts_opened,
            ts_last=self._ts_last,
            is_turned=self._is_turned,
        )


def rounded(value: float, precision: int) -> Decimal:
    """Return a sum or a quantity with its decimals, as `Money` and `Quantity` round it."""
    units = Decimal(value * 10**precision).to_integral_value(ROUND_HALF_UP)
    return units.scaleb(-precision) or Decimal(0)
