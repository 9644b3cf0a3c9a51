"""
What 2.0 makes of stored states of accounts, as `AccountAny::from_events` folds them (2.0.0rc7).
"""

from collections.abc import Iterable
from decimal import Decimal

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.accounts import Balance
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.two import events


_ACCOUNT_TYPES = {"CASH", "MARGIN", "BETTING", "WALLET"}


def restored_account(values: Iterable[bytes], knows: events.Knows) -> RestoredAccount:
    """Return the account that 2.0 makes of a stored list of its states."""
    restored: RestoredAccount | None = None
    for state in map(events.account_state, values):
        balances = [_balance(balance, knows) for balance in state.balances]
        events.check_money(knows, state.base_currency or "USD", None)
        for margin in state.margins:
            events.check_money(knows, margin.currency, margin.initial)
        if restored is None:
            if state.account_type not in _ACCOUNT_TYPES:
                raise BrokenEntryError(f"unknown account type: {state.account_type[:30]!r}")
            restored = RestoredAccount(account_id=state.account_id, account_type=state.account_type)
        else:
            _check(restored, state.account_id, balances)
        restored.balances.update({balance.currency: balance for balance in balances})
        restored.ts_last = decoding.nanoseconds(state.ts_event)
    if restored is None:
        raise BrokenEntryError("it has no states")
    return restored


def _check(account: RestoredAccount, account_id: str, balances: list[Balance]) -> None:
    if account_id != account.account_id:
        raise BrokenEntryError(f"the state of another account: {account_id[:80]!r}")
    below = next((one for one in balances if one.total < 0), None)
    # It looks at all states but the first
    if account.account_type == "CASH" and below is not None:
        raise BrokenEntryError(f"a negative cash balance: {below.total} {below.currency[:20]}")


def _balance(balance: events.StoredBalance, knows: events.Knows) -> Balance:
    identity = balance.currency_identity
    if identity is not None:
        total, locked, free = (
            decoding.number(amount or "").scaleb(-identity.precision)
            for amount in (balance.total_minor, balance.locked_minor, balance.free_minor)
        )
        return Balance(identity.code, total, locked, free)
    events.check_money(knows, balance.currency or "", balance.total)
    found: list[Decimal] = []
    for amount in (balance.total, balance.locked, balance.free):
        value, currency = decoding.money(amount or "")
        if currency != balance.currency:
            raise BrokenEntryError(f"an amount in {currency[:20]!r}, not {balance.currency!r}")
        found.append(value)
    return Balance(balance.currency or "", *found)
