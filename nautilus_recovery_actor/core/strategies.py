"""
What happened to each strategy while its node was away.

Everything here is pure: the same observation gives the same account of it.
"""

from collections import Counter
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from decimal import Decimal
from operator import itemgetter

import msgspec

from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import Contract
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import StrategyRecovery


_ZERO = Decimal(0)
_Fills = Sequence[tuple[ObservedFill, FillOrigin]]


class _Book(msgspec.Struct):
    # A position as the fills change it. What it is short of an average price it cannot realize.
    strategy_id: str
    qty: Decimal = _ZERO
    avg_px: Decimal | None = None
    qty_before: Decimal = _ZERO
    qty_after: Decimal = _ZERO
    real: FillEffect = FillEffect()
    synthetic: FillEffect = FillEffect()


def strategies(observation: Observation, fills: _Fills, limit: int) -> tuple[StrategyRecovery, ...]:
    """Return what happened to each strategy that held something, or to which something happened."""
    positions: dict[str, list[PositionRecovery]] = defaultdict(list)
    for strategy_id, position in _positions(observation, fills):
        positions[strategy_id].append(position)
    orders: dict[str, list[EndedOrder]] = defaultdict(list)
    for order in _ended(observation, fills):
        orders[order.strategy_id].append(order)
    return tuple(
        _strategy(strategy_id, positions[strategy_id], orders[strategy_id], limit)
        for strategy_id in sorted(positions.keys() | orders.keys())
    )


def balances(observation: Observation) -> tuple[BalanceChange, ...]:
    """Return the balances of all accounts, before and after."""
    before, after = observation.balances_before, observation.balances_after
    return tuple(
        BalanceChange(*key, before=before.get(key), after=after.get(key))
        for key in sorted(before.keys() | after.keys())
    )


def _strategy(
    strategy_id: str, positions: list[PositionRecovery], orders: list[EndedOrder], limit: int
) -> StrategyRecovery:
    accounts = {position.account_id for position in positions}
    accounts |= {order.account_id for order in orders if order.account_id is not None}
    return StrategyRecovery(
        strategy_id=strategy_id,
        accounts=tuple(sorted(accounts)),
        positions=tuple(positions),
        orders=tuple(orders[max(len(orders) - limit, 0) :]),
        order_counts=dict(sorted(Counter(order.status for order in orders).items())),
    )


def _ended(observation: Observation, fills: _Fills) -> list[EndedOrder]:
    # An order that was only made up to align a position has never been one
    made_up = {fill.client_order_id for fill, origin in fills if origin is FillOrigin.SYNTHETIC}
    real = {fill.client_order_id for fill, origin in fills if origin is not FillOrigin.SYNTHETIC}
    made_up -= real
    return sorted(
        (
            order
            for order in observation.ended
            if order.status_before is not None or order.client_order_id not in made_up
        ),
        key=lambda order: (order.ts_event, order.client_order_id),
    )


def _positions(observation: Observation, fills: _Fills) -> Iterator[tuple[str, PositionRecovery]]:
    books = {
        held.key: _Book(held.strategy_id, held.qty, held.avg_px, qty_before=held.qty)
        for held in observation.before
    }
    for fill, origin in _in_time(observation, fills):
        key = (fill.account_id, fill.instrument_id, fill.position_id or fill.instrument_id)
        book = books.setdefault(key, _Book(fill.strategy_id))
        pnl = _take(book, fill, observation.contracts.get(fill.instrument_id))
        if origin is FillOrigin.SYNTHETIC:
            book.synthetic = _add(book.synthetic, fill, pnl)
        elif origin is not None:
            book.real = _add(book.real, fill, pnl)
    for held in observation.after:
        book = books.setdefault(held.key, _Book(held.strategy_id))
        book.strategy_id, book.qty_after = held.strategy_id, held.qty
    for key, book in sorted(books.items(), key=itemgetter(0)):
        contract = observation.contracts.get(key[1])
        yield (
            book.strategy_id,
            PositionRecovery(
                *key,
                qty_before=book.qty_before,
                qty_after=book.qty_after,
                currency=contract.currency if contract else None,
                real=_rounded(book.real, contract),
                synthetic=_rounded(book.synthetic, contract),
            ),
        )


def _in_time(
    observation: Observation, fills: _Fills
) -> list[tuple[ObservedFill, FillOrigin | None]]:
    # Trades of this run change what a later fill realizes, and are reported by nobody here
    live = [fill for fill in observation.live_fills if fill.ts_init >= observation.ts_started]
    return sorted([*fills, *((fill, None) for fill in live)], key=lambda one: one[0].ts_init)


def _take(book: _Book, fill: ObservedFill, contract: Contract | None) -> Decimal | None:
    held, px = book.qty, book.avg_px
    book.qty = now = held + fill.qty
    pnl: Decimal | None = _ZERO
    if held * fill.qty >= 0:  # Opens or adds
        if held == 0:
            book.avg_px = fill.px
        elif px is not None:
            book.avg_px = (held * px + fill.qty * fill.px) / now
    else:
        closed = min(abs(held), abs(fill.qty)).copy_sign(held)
        pnl = None if px is None or contract is None else _pnl(closed, px, fill.px, contract)
        if held * now < 0:  # Goes on to the other side
            book.avg_px = fill.px
    if pnl is None or contract is None:
        return None
    return pnl - fill.fee if fill.fee_currency == contract.currency else pnl


def _pnl(closed: Decimal, opened_at: Decimal, px: Decimal, contract: Contract) -> Decimal:
    if not contract.is_inverse:
        return closed * contract.multiplier * (px - opened_at)
    if not (px and opened_at):
        return _ZERO  # As NautilusTrader takes it
    return closed * contract.multiplier * (1 / opened_at - 1 / px)


def _add(effect: FillEffect, fill: ObservedFill, pnl: Decimal | None) -> FillEffect:
    known = effect.realized_pnl
    return FillEffect(
        fills=effect.fills + 1,
        qty=effect.qty + fill.qty,
        realized_pnl=None if known is None or pnl is None else known + pnl,
    )


def _rounded(effect: FillEffect, contract: Contract | None) -> FillEffect:
    if contract is None or not effect.realized_pnl:
        return effect
    return msgspec.structs.replace(
        effect, realized_pnl=round(effect.realized_pnl, contract.precision)
    )
