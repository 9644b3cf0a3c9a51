"""
What the node knows of its accounts: which, if their clients are connected, balances, contracts.
"""

from collections.abc import Collection
from collections.abc import Container
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal

from nautilus_trader.accounting.accounts.cash import CashAccount
from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Currency

from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import Contract
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.node.observing.orders import account_of


def known_accounts(
    cache: CacheFacade, in_use: Collection[str | None] | None = None
) -> frozenset[str]:
    """
    Return the accounts that the cache knows, by their state, an open position or a live order;
    those `in_use` by a position, or an order that does not rest in the node, if they were looked
    up.
    """
    if in_use is None:
        in_use = {account_id.value for account_id in set(accounts_in_use(cache))}
    states = frozenset(account.id.value for account in cache.accounts())
    return states.union(account_id for account_id in in_use if account_id is not None)


def accounts_in_use(cache: CacheFacade) -> Iterator[AccountId]:
    """Return the account of each open position and of each order that is open or in flight."""
    for position in cache.positions_open():
        yield position.account_id
    for order in map(
        cache.order, cache.client_order_ids_open() | cache.client_order_ids_inflight()
    ):
        if order is None:
            continue
        if order.account_id is not None:
            yield order.account_id
        elif (value := account_of(order)) is not None:  # Few have none, and to look takes long
            yield AccountId(value)


def account_states(
    cache: CacheFacade, exec_engine: ExecutionEngine | None, busy: Container[str] = ()
) -> tuple[AccountState, ...]:
    """Return what the node knows of its accounts without asking their venues."""
    connected = {} if exec_engine is None else connections(exec_engine, cache, busy)
    seen = {account.id.value: account.last_event.ts_init for account in cache.accounts()}
    return tuple(
        AccountState(account_id, connected.get(account_id), seen.get(account_id))
        for account_id in sorted(connected.keys() | seen.keys())
    )


def connections(
    exec_engine: ExecutionEngine, cache: CacheFacade, busy: Container[str] = ()
) -> dict[str, bool]:
    """
    Return whether the execution client of each account is connected, as far as is known.

    One that was making its mass status and gave none has not come back; those of `busy` still are.
    """
    clients = internals.clients(exec_engine)
    if clients is None:
        # It may be any of them that is not
        return {} if exec_engine.check_connected() else dict.fromkeys(known_accounts(cache), False)
    return {
        client.account_id.value: client.is_connected
        and not (internals.is_reconciling(client) and client.id.value not in busy)
        for client in clients
        if client.account_id is not None
    }


def balances(cache: CacheFacade) -> dict[tuple[str, str], Decimal]:
    """Return the total balances by account and currency."""
    return {
        (account.id.value, currency.code): total.as_decimal()
        for account in cache.accounts()
        for currency, total in account.balances_total().items()
    }


def is_cash(cache: CacheFacade, account_id: AccountId) -> bool:
    """Return whether what an account holds is in its balances."""
    return isinstance(cache.account(account_id), CashAccount)


def base_currency(cache: CacheFacade, instrument_id: InstrumentId) -> Currency | None:
    """Return the base currency of an instrument, ``None`` if it has none or is not loaded."""
    instrument = cache.instrument(instrument_id)
    return None if instrument is None else instrument.get_base_currency()


def cash_accounts(cache: CacheFacade, ts_registered: int) -> dict[str, dict[str, Decimal] | None]:
    """
    Return the total balances of each cash account, ``None`` if none has come since the monitor
    was registered: those of the cache are of the run before.
    """
    return {
        account.id.value: {
            currency.code: total.as_decimal()
            for currency, total in account.balances_total().items()
        }
        if account.last_event.ts_init >= ts_registered
        else None
        for account in cache.accounts()
        if isinstance(account, CashAccount)
    }


def bases(cache: CacheFacade, instrument_ids: Iterable[str]) -> dict[str, tuple[str, Decimal]]:
    """Return the base currencies and size increments of the instruments that have a base."""
    found = (cache.instrument(InstrumentId.from_str(value)) for value in set(instrument_ids))
    return {
        instrument.id.value: (base.code, instrument.size_increment.as_decimal())
        for instrument in found
        if instrument is not None and (base := instrument.get_base_currency()) is not None
    }


def contracts(cache: CacheFacade, events: Iterable[OrderEvent]) -> dict[str, Contract]:
    """Return how the PnL of the instruments is counted that were filled."""
    filled = {event.instrument_id for event in events if type(event) is OrderFilled}
    found = {instrument_id: cache.instrument(instrument_id) for instrument_id in filled}
    return {
        instrument_id.value: _contract(instrument)
        for instrument_id, instrument in found.items()
        if instrument is not None
    }


def _contract(instrument: Instrument) -> Contract:
    currency = instrument.get_cost_currency()  # As a position counts it
    return Contract(
        currency=currency.code,
        precision=currency.precision,
        multiplier=instrument.multiplier.as_decimal(),
        is_inverse=instrument.is_inverse,
    )
