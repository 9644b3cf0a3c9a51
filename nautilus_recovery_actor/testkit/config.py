"""
The configuration of the paper venue's trading clients.
"""

from nautilus_trader.config import LiveDataClientConfig
from nautilus_trader.config import LiveExecClientConfig


class PaperVenueExecClientConfig(LiveExecClientConfig, kw_only=True, frozen=True):
    """
    Configuration for ``PaperVenueExecutionClient`` instances.

    Parameters
    ----------
    port : int
        The port of the paper venue.
    host : str, default "127.0.0.1"
        The host of the paper venue.
    venue : str, default "PAPER"
        The venue of the instruments.
    account_id : str, default "PAPER-001"
        The account ID. NautilusTrader requires the part before the hyphen to be the client ID,
        the key of this configuration in `TradingNodeConfig.exec_clients`.
    symbols : tuple[str, ...], default ()
        The symbols whose instruments are loaded.
    oms_type : str, {'NETTING', 'HEDGING'}, default "NETTING"
        How the account holds positions.
    account_type : str, {'MARGIN', 'CASH'}, default "MARGIN"
        What kind of account the client has.
    is_venue_client : bool, default True
        If the client is registered for its venue. NautilusTrader allows one client per venue:
        for a second account on the same venue set False, and it becomes the default client.
    live_fill_reports : bool, default False
        If at run time the client sends order status and fill reports, which the engine reconciles
        (events then carry `reconciliation=True`), in place of order events.
    add_instruments : bool, default True
        If the client itself adds its instruments to the cache, so that a node needs no data
        client.
    price_precision : int, default 2
        The decimal places of prices.
    size_precision : int, default 3
        The decimal places of quantities.
    multipliers : dict[str, str], default empty
        The contract multiplier of the symbols that have one other than 1.

    """

    port: int
    host: str = "127.0.0.1"
    venue: str = "PAPER"
    account_id: str = "PAPER-001"
    symbols: tuple[str, ...] = ()
    oms_type: str = "NETTING"
    account_type: str = "MARGIN"
    is_venue_client: bool = True
    live_fill_reports: bool = False
    add_instruments: bool = True
    price_precision: int = 2
    size_precision: int = 3
    multipliers: dict[str, str] = {}


class PaperVenueDataClientConfig(LiveDataClientConfig, kw_only=True, frozen=True):
    """
    Configuration for ``PaperVenueDataClient`` instances.

    Parameters
    ----------
    port : int
        The port of the paper venue.
    host : str, default "127.0.0.1"
        The host of the paper venue.
    venue : str, default "PAPER"
        The venue of the instruments.
    symbols : tuple[str, ...], default ()
        The symbols whose instruments are loaded.
    price_precision : int, default 2
        The decimal places of prices.
    size_precision : int, default 3
        The decimal places of quantities.
    multipliers : dict[str, str], default empty
        The contract multiplier of the symbols that have one other than 1.

    """

    port: int
    host: str = "127.0.0.1"
    venue: str = "PAPER"
    symbols: tuple[str, ...] = ()
    price_precision: int = 2
    size_precision: int = 3
    multipliers: dict[str, str] = {}
