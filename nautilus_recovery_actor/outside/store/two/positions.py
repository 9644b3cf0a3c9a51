"""
What 2.0 makes of stored fills: positions, as `Position` of `crates/model/src/position.rs` folds
them (2.0.0rc7).
"""

from collections.abc import Callable
from collections.abc import Iterable
from decimal import Decimal

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.decoding import StopsStartError
from nautilus_recovery_actor.outside.store.orders import SIDES
from nautilus_recovery_actor.outside.store.positions import NEAR_ZERO
from nautilus_recovery_actor.outside.store.positions import RestoredPosition
from nautilus_recovery_actor.outside.store.positions import Terms
from nautilus_recovery_actor.outside.store.positions import rounded
from nautilus_recovery_actor.outside.store.two import events


def restored_position(
    values: Iterable[bytes], terms_of: Callable[[str], Terms], knows: events.Knows
) -> RestoredPosition:
    """Return the position that 2.0 makes of a stored list of fills."""
    # It decodes all of them first: one that it cannot decode is passed over, whatever else is wrong
    fills = [events.fill(value) for value in values]
    for fill in fills:
        events.check_money(knows, fill.currency, fill.commission)
    fold: _PositionFold | None = None
    for fill in fills:
        if fold is None:
            fold = _PositionFold(fill, terms_of(fill.instrument_id))
        fold.apply(fill)
    if fold is None:
        raise BrokenEntryError("it has no fills")
    return fold.position()


class _PositionFold:
    # In floats, and in the order of 2.0: what it holds is not rounded, what it shows of that is
    def __init__(self, fill: events.OrderFilled, terms: Terms) -> None:
        if fill.position_id is None:
            raise StopsStartError("its first fill has no position ID")
        self._first = fill
        self._terms = terms
        self._signed = 0.0
        self._qty = Decimal(0)
        self._is_turned = False
        self._cycles = 0
        self._seen: set[str] = set()
        self._trades: set[str] = set()

    def apply(self, fill: events.OrderFilled) -> None:
        if fill.order_side not in SIDES:
            raise BrokenEntryError(f"unknown fill side: {fill.order_side[:20]!r}")
        if fill.trade_id in self._trades:
            raise BrokenEntryError(f"trade {fill.trade_id[:80]!r} appears twice")
        if self._cycles > 1 and fill.trade_id in self._seen:
            return  # It says that it ignores it, and does
        px, qty = decoding.number(fill.last_px), decoding.quantity(fill.last_qty)
        ts = decoding.nanoseconds(fill.ts_event)
        if not self._qty:
            self._cycles += 1
            self._trades.clear()
            self._avg_px_open = float(px)
            self._pnl = Decimal(0)
            self._ts_opened = ts
        self._trades.add(fill.trade_id)
        self._seen.add(fill.trade_id)
        self._trade(fill, float(px), qty)
        self._ts_last = ts

    def _trade(self, fill: events.OrderFilled, px: float, qty: Decimal) -> None:
        terms = self._terms
        amount, currency = decoding.money(fill.commission) if fill.commission else (Decimal(0), "")
        pnl = -float(amount) if currency == terms.currency else 0.0
        signed = float(qty) if fill.order_side == "BUY" else -float(qty)
        is_reversal = self._signed * signed < 0 and qty > self._qty
        if self._signed * signed > 0:
            held = float(self._qty)
            cost = self._avg_px_open * held + px * float(qty)
            self._avg_px_open = cost / (held + float(qty))
        elif self._signed * signed < 0:
            pnl += self._won(px, float(min(qty, self._qty)))
        self._pnl = rounded(float(self._pnl) + pnl, terms.precision)
        self._signed += signed
        if is_reversal:
            self._avg_px_open = px
            self._is_turned = True
        if currency == terms.commission_currency:
            before = self._signed
            self._signed -= float(amount)
            self._is_turned |= before * self._signed < 0
        self._qty = rounded(abs(self._signed), terms.size_precision)
        if not self._qty:
            self._signed = 0.0

    def _won(self, px: float, qty: float) -> float:
        before, after = self._avg_px_open, px
        if self._terms.is_inverse:
            if before < NEAR_ZERO or after < NEAR_ZERO:
                return 0.0
            before, after = -1.0 / before, -1.0 / after
        points = after - before if self._signed > 0 else before - after
        return min(qty, abs(self._signed)) * self._terms.multiplier * points

    def position(self) -> RestoredPosition:
        first = self._first
        side = "LONG" if self._signed > 0 else "SHORT" if self._signed < 0 else "FLAT"
        return RestoredPosition(
            position_id=first.position_id or "",
            strategy_id=first.strategy_id,
            instrument_id=first.instrument_id,
            account_id=first.account_id,
            side=side,
            signed_qty=-self._qty if self._signed < 0 else self._qty,
            avg_px_open=self._avg_px_open,
            realized_pnl=self._pnl,
            currency=self._terms.currency,
            ts_opened=self._ts_opened,
            ts_last=self._ts_last,
            is_turned=self._is_turned,
        )
