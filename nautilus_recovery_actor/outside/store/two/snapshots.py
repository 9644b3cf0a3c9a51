"""
What 2.0 keeps of a position whose fills alone no longer tell what it is: trades were taken back, or
its contract has expired. From then on it loads the position from the newest of these snapshots, and
adds no fill to its list.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.positions import RestoredPosition


class _Position(msgspec.Struct, gc=False):
    id: str
    strategy_id: str
    instrument_id: str
    account_id: str
    side: str
    quantity: str
    avg_px_open: float
    settlement_currency: str
    ts_opened: int | str
    ts_last: int | str
    realized_pnl: str | None = None


class _Snapshot(msgspec.Struct, gc=False):
    position_id: str
    replay_state: _Position | None = None


class _Close(msgspec.Struct, gc=False):
    instrument_id: str
    close_price: str
    close_type: str


_snapshot = decoding.decoder(_Snapshot)
_close = decoding.decoder(_Close)


def position_in(values: Sequence[bytes]) -> RestoredPosition | None:
    """Return the position that is loaded from snapshots, ``None`` if it is from its fills."""
    for value in reversed(values):
        snapshot = _snapshot(value)
        if snapshot.replay_state is not None:
            return _restored(snapshot.replay_state)
    return None


def check_close(instrument_id: str, value: bytes) -> None:
    """Raise unless the end of an instrument can be loaded: 2.0 does not start without."""
    found = _close(value)
    if found.instrument_id != instrument_id:
        raise decoding.BrokenEntryError(f"it is of {found.instrument_id[:80]!r}")


def _restored(found: _Position) -> RestoredPosition:
    qty = decoding.quantity(found.quantity)
    pnl = Decimal(0) if found.realized_pnl is None else decoding.money(found.realized_pnl)[0]
    return RestoredPosition(
        position_id=found.id,
        strategy_id=found.strategy_id,
        instrument_id=found.instrument_id,
        account_id=found.account_id,
        side=found.side,
        signed_qty=-qty if found.side == "SHORT" else qty,
        avg_px_open=found.avg_px_open,
        realized_pnl=pnl,
        currency=found.settlement_currency,
        ts_opened=decoding.nanoseconds(found.ts_opened),
        ts_last=decoding.nanoseconds(found.ts_last),
    )
