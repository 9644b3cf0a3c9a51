"""
What of an instrument decides how 2.0 adds up fills (`crates/model/src/instruments`, 2.0.0rc7), and
how many decimals a currency has.
"""

from collections.abc import Callable
from typing import Annotated
from typing import Literal

import msgspec

from nautilus_recovery_actor.outside.store import decoding
from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError
from nautilus_recovery_actor.outside.store.positions import Terms


# Which of its currencies is the base, by the variant; others have none
_BASE = {
    **dict.fromkeys(
        ("Cfd", "CryptoPerpetual", "CurrencyPair", "PerpetualContract", "TokenizedAsset"),
        "base_currency",
    ),
    **dict.fromkeys(
        ("CryptoFuture", "CryptoFuturesSpread", "CryptoOption", "CryptoOptionSpread"), "underlying"
    ),
}
_WITHOUT_BASE = {
    *("Betting", "BinaryOption", "Commodity", "Equity", "FuturesContract", "FuturesSpread"),
    *("IndexInstrument", "OptionContract", "OptionSpread"),
}
_WITHOUT_MULTIPLIER = {
    *("Betting", "BinaryOption", "Cfd", "Commodity", "Equity", "IndexInstrument")
}
# Whole contracts, whatever is stored
_WHOLE = {"Equity", "FuturesContract", "FuturesSpread", "OptionContract", "OptionSpread"}
# Their premium is a sum of money: it is not divided by a price
_PREMIUM = {"BinaryOption", "CryptoOption", "CryptoOptionSpread", "OptionContract", "OptionSpread"}
_SPOT = "CurrencyPair"
_DOLLARS = {"BUSD", "FDUSD", "pUSD", "TUSD", "USD", "USDC", "USDC.e", "USDP", "USDT"}

_DECIMALS = {
    0: "JPY KRW",
    2: "AUD BRL CAD CHF CNH CNY CZK DKK EUR GBP HKD HUF ILS INR MXN NOK NZD PLN RUB SAR SEK SGD "
    "THB TRY TWD USD XAG XAU XPT ZAR",
    6: "ADA USDC.e XRP XTZ pUSD",
    8: "1INCH AAVE ACA APT ARB AVAX BCH BIO BNB BRZ BSV BTC BTTC BUSD CAKE CRV DASH DOGE DOT ENA "
    "EOS ETH ETHW FDUSD GWEI HYPE JOE LINK LTC LUNA MAMUSD NBT POL PROVE RLUSD SHIB SOL SUI TON "
    "TRX TRYB TUSD UNI USDC USDG USDP USDT VTC WBTC WSB XBT XEC XLM XMR ZEC",
}
# The currencies that it knows without their being stored
PRECISIONS = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}


class _Currency(msgspec.Struct, gc=False):
    code: str
    precision: Annotated[int, msgspec.Meta(ge=0, le=18)]
    iso4217: Annotated[int, msgspec.Meta(ge=0, le=65_535)]
    name: str
    currency_type: Literal["CRYPTO", "FIAT", "COMMODITY_BACKED"]


class _Instrument(msgspec.Struct, gc=False):
    id: str
    price_precision: int | None = None
    size_precision: Annotated[int, msgspec.Meta(ge=0, le=18)] = 0
    multiplier: str = "1"
    is_inverse: bool = False
    base_currency: str | None = None
    quote_currency: str | None = None
    settlement_currency: str | None = None
    underlying: str | None = None
    currency: str | None = None


_currency = decoding.decoder(_Currency | str)
_instrument = decoding.decoder(dict[str, _Instrument])


def precision(code: str, value: bytes) -> int | None:
    """Return the decimals of a stored currency, ``None`` if it is passed over."""
    # A bare code is what the first release candidates wrote; no decoder takes one of JSON for a map
    found = _currency(value)
    if isinstance(found, str):
        return PRECISIONS.get(found) if found == code else None
    if found.code != code:
        raise BrokenEntryError(f"the currency {found.code[:20]!r} under another name")
    return PRECISIONS.get(code, int(found.precision))


def instrument_terms(value: bytes, precision_of: Callable[[str], int | None]) -> tuple[str, Terms]:
    """Return the ID of a stored instrument, and its terms."""
    stored: dict[str, _Instrument] = _instrument(value)
    if len(stored) != 1:
        raise BrokenEntryError(f"an instrument of {len(stored)} types")
    [(variant, found)] = stored.items()
    if variant not in _BASE and variant not in _WITHOUT_BASE:
        raise BrokenEntryError(f"unknown type of instrument: {variant[:30]!r}")
    base: str | None = getattr(found, _BASE[variant]) if variant in _BASE else None
    quote = found.quote_currency or found.currency
    settlement = found.settlement_currency or quote
    is_inverse = found.is_inverse and variant in _BASE
    currency = base if is_inverse else settlement if _is_quanto(base, quote, settlement) else quote
    for code in filter(None, (base, quote, settlement, currency)):
        if precision_of(code) is None:
            raise BrokenEntryError(f"its currency {code[:20]!r} is not known")
    if not currency:
        raise BrokenEntryError("an instrument without a currency")
    multiplier = "1" if variant in _WITHOUT_MULTIPLIER else found.multiplier
    return found.id, Terms(
        size_precision=0 if variant in _WHOLE else found.size_precision,
        multiplier=float(decoding.quantity(multiplier)),
        is_inverse=is_inverse and variant not in _PREMIUM,
        currency=currency,
        precision=precision_of(currency) or 0,
        commission_currency=base if variant == _SPOT else None,
    )


def _is_quanto(base: str | None, quote: str | None, settlement: str | None) -> bool:
    if base is None or settlement in {base, quote}:
        return False
    return not {quote, settlement} <= _DOLLARS
