"""
What a cash account holds: its balances, which prove the positions of all pairs that share one.
"""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter

import msgspec

from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.origins import Origins


_ZERO = Decimal(0)


class Wallet(msgspec.Struct, frozen=True):
    """What an account holds of one currency, and what its positions hold of that."""

    currency: str
    total: Decimal | None  # None if the venue has not reported it
    late: Decimal  # What the total may lack yet
    increment: Decimal  # The least that an order can trade
    positions: list[CachedPosition]
    # By the positions, less the fees that were paid of it
    held: Decimal
    # The part that nobody traded, if the account holds the others and not this one
    surplus: CachedPosition | None = None

    @property
    def told(self) -> str:
        """What the venue said."""
        return "no balance" if self.total is None else f"{self.total} {self.currency}"

    @property
    def is_exact(self) -> bool:
        """Whether the positions are the balance: then what was made up took the fees off them."""
        return sum((position.qty for position in self.positions), _ZERO) == self.total

    def covers(self, held: Decimal) -> bool:
        """Return whether the account holds as much, but for what no order can trade."""
        missing = held - self.late - (self.total or _ZERO)
        return missing <= 0 or missing < self.increment


def wallets(observation: Observation, account_id: str, origins: Origins) -> dict[str, Wallet]:
    """Return what proves the positions of a cash account, by instrument, for those with a base."""
    if account_id not in observation.cash_accounts:
        return {}
    balances = observation.cash_accounts[account_id]
    bases = observation.base_currencies
    held: dict[str, list[CachedPosition]] = defaultdict(list)
    for position in observation.after:
        if position.account_id == account_id and position.instrument_id in bases:
            held[bases[position.instrument_id]].append(position)
    late = _late(observation, account_id, origins)
    found = {}
    for currency in set(bases.values()):
        wallet = Wallet(
            currency=currency,
            total=None if balances is None else balances.get(currency, _ZERO),
            late=_largest(late.get(currency, ())),
            increment=_increment(observation.instruments, held[currency]),
            positions=held[currency],
            held=sum((position.qty - position.fee for position in held[currency]), _ZERO),
        )
        found[currency] = msgspec.structs.replace(wallet, surplus=_surplus(wallet))
    return {instrument_id: found[currency] for instrument_id, currency in bases.items()}


def _surplus(wallet: Wallet) -> CachedPosition | None:
    if wallet.covers(wallet.held):
        return None
    nobodys = (
        one for one in wallet.positions if one.made_up or one.strategy_id in UNCLAIMED_STRATEGIES
    )
    return next((o for o in nobodys if wallet.covers(wallet.held - o.qty + o.fee)), None)


def _increment(increments: Mapping[str, Decimal], held: Iterable[CachedPosition]) -> Decimal:
    return max((increments.get(one.instrument_id, _ZERO) for one in held), default=_ZERO)


def _late(observation: Observation, account_id: str, origins: Origins) -> dict[str, list[Decimal]]:
    # What was traded since the venue last reported its balances, in the order of arrival
    states = {state.account_id: state.ts_account for state in observation.accounts}
    if (ts := states.get(account_id)) is None:
        return {}
    flagged = (
        fill
        for fill, origin in origins.fills
        if origin is not FillOrigin.SYNTHETIC and fill.ts_event > ts  # What is older is in it
    )
    live = (fill for fill in observation.live_fills if fill.ts_init > ts)
    late: dict[str, list[Decimal]] = defaultdict(list)
    for fill in sorted((*flagged, *live), key=attrgetter("ts_init")):
        base = observation.base_currencies.get(fill.instrument_id)
        if fill.account_id == account_id and base is not None:
            late[base].append(fill.qty - (fill.fee if fill.fee_currency == base else _ZERO))
    return late


def _largest(changes: Iterable[Decimal]) -> Decimal:
    # The balance may have been read before any of them, or already count the first ones
    return max(_sums(reversed(tuple(changes))), default=_ZERO)


def _sums(changes: Iterable[Decimal]) -> Iterator[Decimal]:
    total = _ZERO
    yield total
    for change in changes:
        total += change
        yield total
