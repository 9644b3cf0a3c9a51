"""
All that decodes what Redis holds. Whatever it is fed, it returns or says that the entry is broken.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from rich.console import Console

from nautilus_recovery_actor.console import inventory_tables
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.accounts import restored_account
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.orders import restored_order
from nautilus_recovery_actor.outside.store.positions import Terms
from nautilus_recovery_actor.outside.store.positions import instrument_terms
from nautilus_recovery_actor.outside.store.positions import restored_position


# Between the elements of a list
SEPARATOR = b"\n--\n"

_LINEAR = decoding.StoredInstrument(
    type="CurrencyPair",
    id="ETHUSDT.PAPER",
    size_precision=3,
    base_currency="ETH",
    quote_currency="USDT",
)
_INVERSE = decoding.StoredInstrument(
    type="CryptoPerpetual",
    id="XBTUSD.PAPER",
    is_inverse=True,
    base_currency="BTC",
    quote_currency="USD",
)


def survive(data: bytes) -> None:
    """
    Decode a value, or a list of them, as all that it could be.

    Parameters
    ----------
    data : bytes
        Elements of a list with `SEPARATOR` between them.

    """
    values = data.split(SEPARATOR)
    orders = _made(restored_order, values)
    accounts = _made(restored_account, values)
    positions = _made(_position, values, _LINEAR) + _made(_position, values, _INVERSE)
    _made(decoding.currency, data)
    for instrument in _made(decoding.instrument, data):
        _made(_terms, instrument)
    if orders or accounts or positions:
        _show(orders, accounts, positions)
    journal = RecoveryJournal(_Stored(data), 1, lambda _: None)
    journal.last_epoch()
    journal.heartbeat()
    for report in journal.history():
        report.to_bytes()


class _Stored:
    # A store that has the same value under each key
    def __init__(self, data: bytes) -> None:
        self._data = data

    def get(self, _: str) -> bytes:
        return self._data

    def add(self, key: str, value: bytes) -> None:
        raise NotImplementedError


def _made(make: Callable[..., Any], *args: Any) -> list[Any]:
    with suppress(BrokenEntryError):
        return [make(*args)]
    return []


def _position(values: list[bytes], instrument: decoding.StoredInstrument) -> Any:
    return restored_position(values, lambda _: _terms(instrument))


def _terms(instrument: decoding.StoredInstrument) -> Terms:
    return instrument_terms(instrument, lambda _: 8, takes_commission=True)


def _show(orders: list[Any], accounts: list[Any], positions: list[Any]) -> None:
    inventory = Inventory(
        trader_id="FUZZ-001",
        ts=2**62,
        last_written=2**61,
        orders=tuple(orders),
        accounts=tuple(accounts),
        positions=tuple(positions),
    )
    inventory.summary()
    msgspec.json.encode(inventory)
    inventory_tables.show(inventory, 50, Console(file=io.StringIO(), width=80))
