"""
How each major version of NautilusTrader reads a store: what it makes of a value, and which values
it does not start with.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.accounts import restored_account
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.orders import restored_order
from nautilus_recovery_actor.outside.store.positions import RestoredPosition
from nautilus_recovery_actor.outside.store.positions import Terms
from nautilus_recovery_actor.outside.store.positions import instrument_terms
from nautilus_recovery_actor.outside.store.positions import restored_position
from nautilus_recovery_actor.outside.store.two import accounts as accounts_of_two
from nautilus_recovery_actor.outside.store.two import instruments as instruments_of_two
from nautilus_recovery_actor.outside.store.two import orders as orders_of_two
from nautilus_recovery_actor.outside.store.two import positions as positions_of_two
from nautilus_recovery_actor.outside.store.two.events import Knows


_TermsOf = Callable[[str], Terms]


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """How one major version reads a store."""

    major: Major
    # The currencies that it knows itself, with their decimals
    precisions: Mapping[str, int]
    # The decimals of a currency that it does not know, `None` if it does not load what needs one
    default_precision: int | None
    # From the code and the value of a currency to its decimals, and who wrote it
    precision: Callable[[str, bytes], tuple[int | None, Major]]
    # From a value and the decimals of currencies to an instrument's ID, and its terms
    instrument: Callable[[bytes, Callable[[str], int | None]], tuple[str, Terms]]
    # From values, and whether a currency is known, to what is restored
    account: Callable[[Iterable[bytes], Knows], RestoredAccount]
    order: Callable[[Iterable[bytes], Knows], RestoredOrder]
    position: Callable[[Iterable[bytes], _TermsOf, Knows], RestoredPosition]
    # What keeps it from starting where it cannot be loaded; it starts without anything else
    stops: frozenset[bytes]


def _known() -> tuple[dict[str, int], bool | None]:
    # As the NautilusTrader that is installed has them, if that is 1.x
    try:
        from nautilus_trader.model import currencies  # noqa: PLC0415
        from nautilus_trader.model.objects import Currency  # noqa: PLC0415
        from nautilus_trader.model.position import Position  # noqa: PLC0415
    except ImportError:
        return dict(instruments_of_two.PRECISIONS), None
    found = vars(currencies).values()
    precisions = {one.code: one.precision for one in found if isinstance(one, Currency)}
    # It does since 1.222 or later
    return precisions, hasattr(Position, "adjustments")


# Whether a commission in what was bought makes a position smaller, ``None`` without 1.x
_precisions, TAKES_COMMISSION = _known()


def _precision_of_one(_: str, value: bytes) -> tuple[int, Major]:
    found = decoding.currency(value)
    return found.precision, Major.TWO if found.code else Major.ONE


def _precision_of_two(code: str, value: bytes) -> tuple[int | None, Major]:
    return instruments_of_two.precision(code, value), Major.TWO


def _instrument_of_one(
    value: bytes, precision_of: Callable[[str], int | None]
) -> tuple[str, Terms]:
    found = decoding.instrument(value)
    terms = instrument_terms(
        found, lambda code: precision_of(code) or 0, takes_commission=TAKES_COMMISSION is not False
    )
    return found.id, terms


ONE = Version(
    major=Major.ONE,
    precisions=_precisions,
    default_precision=8,
    precision=_precision_of_one,
    instrument=_instrument_of_one,
    account=lambda values, _: restored_account(values),
    order=lambda values, _: restored_order(values),
    position=lambda values, terms_of, _: restored_position(values, terms_of),
    stops=frozenset({b"accounts", b"orders", b"positions"}),
)
TWO = Version(
    major=Major.TWO,
    precisions=instruments_of_two.PRECISIONS,
    default_precision=None,
    precision=_precision_of_two,
    instrument=instruments_of_two.instrument_terms,
    account=accounts_of_two.restored_account,
    order=orders_of_two.restored_order,
    position=positions_of_two.restored_position,
    stops=frozenset({b"currencies", b"instrument_closes"}),
)
