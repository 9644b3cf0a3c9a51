"""
What a node makes of stored states of accounts: balances, as NautilusTrader folds them when it
starts (seen in 1.221 and 1.231).
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store import events
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError


_ACCOUNT_TYPES = {"CASH", "MARGIN", "BETTING"}


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account has of a currency, as a node restores it."""

    currency: str
    total: Decimal
    # Reserved for orders and positions
    locked: Decimal
    free: Decimal


class RestoredAccount(msgspec.Struct, kw_only=True):
    """An account as a node restores it."""

    account_id: str
    # ``CASH``, ``MARGIN`` or ``BETTING``
    account_type: str
    # What it has of each currency
    balances: dict[str, Balance] = {}
    # When it was last reported (UNIX ns)
    ts_last: int = 0


def restored_account(values: Iterable[bytes]) -> RestoredAccount:
    """Return the account that a node makes of a stored list of its states."""
    restored: RestoredAccount | None = None
    base: str | None = None
    for state in map(decoding.account_state, values):
        if restored is None:
            if state.account_type not in _ACCOUNT_TYPES:
                raise BrokenEntryError(f"unknown account type: {state.account_type[:30]!r}")
            restored = RestoredAccount(account_id=state.account_id, account_type=state.account_type)
            base = state.base_currency
        elif base and {balance.currency for balance in state.balances} - {base}:
            raise BrokenEntryError(f"a currency other than {base[:20]!r}")
        kind = (state.account_id, state.account_type, state.base_currency)
        if kind != (restored.account_id, restored.account_type, base):
            raise BrokenEntryError(f"the state of another account: {state.account_id[:80]!r}")
        for balance in map(_balance, state.balances):
            if balance.total < 0 and restored.account_type != "MARGIN":
                code = balance.currency[:20]
                raise BrokenEntryError(f"a negative cash balance: {balance.total} {code}")
            restored.balances[balance.currency] = balance
        restored.ts_last = decoding.nanoseconds(state.ts_event)
    if restored is None:
        raise BrokenEntryError("it has no states")
    return restored


def _balance(balance: events.StoredBalance) -> Balance:
    total, locked, free = map(decoding.number, (balance.total, balance.locked, balance.free))
    if total - locked != free:
        raise BrokenEntryError(f"total {total} less locked {locked} is not free {free}")
    return Balance(balance.currency, total, locked, free)
