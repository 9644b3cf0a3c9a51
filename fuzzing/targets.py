"""
All that decodes what Redis holds. Whatever it is fed, it returns or says that the entry is broken.
"""

import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
from rich.console import Console

from nautilus_recovery_actor import holdings
from nautilus_recovery_actor import restored
from nautilus_recovery_actor import stored
from nautilus_recovery_actor.console import inventory_tables
from nautilus_recovery_actor.inventory import Inventory
from nautilus_recovery_actor.journal import RecoveryJournal
from nautilus_recovery_actor.stored import BrokenEntryError


# Between the elements of a list
SEPARATOR = b"\n--\n"

_LINEAR = stored.StoredInstrument(
    type="CurrencyPair",
    id="ETHUSDT.PAPER",
    size_precision=3,
    base_currency="ETH",
    quote_currency="USDT",
)
_INVERSE = stored.StoredInstrument(
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
    orders = _made(lambda: restored.order(values))
    accounts = _made(lambda: holdings.account(values))
    positions = [
        position
        for instrument in (_LINEAR, _INVERSE)
        for position in _made(lambda i=instrument: holdings.position(values, lambda _: _terms(i)))
    ]
    _made(lambda: stored.currency(data))
    for instrument in _made(lambda: stored.instrument(data)):
        _made(lambda i=instrument: _terms(i))
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


def _made(make: Callable[[], Any]) -> list[Any]:
    with suppress(BrokenEntryError):
        return [make()]
    return []


def _terms(instrument: stored.StoredInstrument) -> holdings.Terms:
    return holdings.terms(instrument, lambda _: 8, takes_commission=True)


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
