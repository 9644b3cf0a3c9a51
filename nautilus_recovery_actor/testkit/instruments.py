"""
The instruments of a paper venue.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import Symbol
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity

from nautilus_recovery_actor.testkit.config import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit.config import PaperVenueExecClientConfig


def paper_instrument(
    symbol: str,
    venue: str = "PAPER",
    price_precision: int = 2,
    size_precision: int = 3,
    **fields: Any,
) -> CryptoPerpetual:
    """
    Return a linear perpetual contract settled in USDT.

    Parameters
    ----------
    symbol : str
        The symbol, such as ``"ETHUSDT-PERP"``. The base currency is what stands before ``USDT``.
    venue : str, default "PAPER"
        The venue.
    price_precision : int, default 2
        The decimal places of prices.
    size_precision : int, default 3
        The decimal places of quantities.
    **fields
        Any parameter of `CryptoPerpetual`, such as `multiplier`, in place of the default.

    """
    base = re.split(r"USDT|[-_/.]", symbol)[0] or symbol
    defaults: dict[str, Any] = {
        "instrument_id": InstrumentId(Symbol(symbol), Venue(venue)),
        "raw_symbol": Symbol(symbol),
        "base_currency": Currency.from_str(base),
        "quote_currency": Currency.from_str("USDT"),
        "settlement_currency": Currency.from_str("USDT"),
        "is_inverse": False,
        "price_precision": price_precision,
        "size_precision": size_precision,
        "price_increment": Price(Decimal(1).scaleb(-price_precision), price_precision),
        "size_increment": Quantity(Decimal(1).scaleb(-size_precision), size_precision),
        "margin_init": Decimal("0.05"),
        "margin_maint": Decimal("0.025"),
        "maker_fee": Decimal(0),
        "taker_fee": Decimal(0),
        "ts_event": 0,
        "ts_init": 0,
    }
    return CryptoPerpetual(**{**defaults, **fields})


class PaperInstrumentProvider(InstrumentProvider):
    """
    Provides the instruments of a paper venue for a list of symbols.

    Parameters
    ----------
    venue : str
        The venue.
    symbols : tuple[str, ...]
        The symbols.
    price_precision : int, default 2
        The decimal places of prices.
    size_precision : int, default 3
        The decimal places of quantities.
    multipliers : Mapping[str, str], optional
        The contract multiplier of the symbols that have one other than 1.

    """

    def __init__(
        self,
        venue: str,
        symbols: tuple[str, ...],
        price_precision: int = 2,
        size_precision: int = 3,
        multipliers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(config=InstrumentProviderConfig(load_all=True))
        sizes = {s: Quantity.from_str((multipliers or {}).get(s, "1")) for s in symbols}
        self._offered = [
            paper_instrument(symbol, venue, price_precision, size_precision, multiplier=size)
            for symbol, size in sizes.items()
        ]

    async def load_all_async(self, filters: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        """Load the instruments of all symbols."""
        for instrument in self._offered:
            self.add(instrument)

    async def load_ids_async(
        self,
        instrument_ids: list[InstrumentId],  # noqa: ARG002 (all are loaded)
        filters: dict[str, Any] | None = None,
    ) -> None:
        """Load the instruments of all symbols: they cost nothing."""
        await self.load_all_async(filters)


def configured_provider(
    config: PaperVenueDataClientConfig | PaperVenueExecClientConfig,
) -> PaperInstrumentProvider:
    """Return the provider of the instruments that the configuration of a client names."""
    return PaperInstrumentProvider(
        config.venue,
        config.symbols,
        config.price_precision,
        config.size_precision,
        config.multipliers,
    )
