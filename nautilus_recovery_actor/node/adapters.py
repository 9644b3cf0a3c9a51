"""
long: one row for each adapter. What NautilusTrader's execution adapters report, and how.

Read in the source of the adapters of 1.231; a row says what differs on 1.221. What an account is
seen to do counts more than the name of its adapter: this is for what cannot be seen before a start
or in an answer, for `check`, and for the documentation.
"""

from dataclasses import dataclass
from typing import Any


_ADAPTERS = "nautilus_trader.adapters."
# What a client is asked
ORDERS, FILLS, POSITIONS = "orders", "fills", "positions"
_ALL = frozenset({ORDERS, FILLS, POSITIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """How an execution adapter reports an account."""

    # As a reader knows it
    name: str
    # Its package below `nautilus_trader.adapters`
    package: str
    # If the positions of a margin account are reported
    reports_positions: bool = True
    # If what a cash account holds is reported as positions, without a setting
    reports_cash_positions: bool = False
    # The setting that makes it do so, if there is one
    cash_positions_setting: str | None = None
    # If the answer for one instrument of a cash account is "flat", whatever is held
    answers_cash_flat: bool = False
    # If orders that have ended are reported, beside the open ones
    reports_closed_orders: bool = True
    reports_fills: bool = True
    # If a single order can be asked for
    answers_single_orders: bool = True
    # If the average price comes in the place of the order's own
    price_is_average: bool = False
    # The number of characters that are left of a longer client order ID that is no UUID
    cuts_client_order_id_to: int | None = None
    # If orders come back with another client order ID, or none
    replaces_client_order_id: bool = False
    # If a report on an instrument that is not loaded is left out, without an error
    drops_unloaded_instruments: bool = False
    # The questions whose failure looks like an empty answer
    swallows_errors: frozenset[str] = _ALL
    # Those among them whose failure passes `LiveExecutionClient._log_report_error` (not on 1.221)
    logs_errors: frozenset[str] = frozenset()
    # The orders that no list contains
    orders_left_out: str | None = None
    # The most orders in one answer, the newest ones
    newest_orders_only: int | None = None
    # If filled orders are made up from positions
    makes_up_orders: bool = False
    # If reports can come under an account ID that is not the client's
    has_other_account_id: bool = False
    # If nothing is left of orders and balances when the process ends
    forgets_at_restart: bool = False
    # For the reader: what is reported, what the monitor corrects, what it cannot prove, what to set
    reports: str
    corrected: str
    unproven: str
    settings: str

    @property
    def venue(self) -> str | None:
        """The venue of its instruments, ``None`` if that is set or there are many."""
        is_any = self.package in {"interactive_brokers", "sandbox"}
        return None if is_any else self.package.upper()

    def can_report_position(self, *, is_cash: bool) -> bool:
        """Return whether a position of such an account is ever reported, without a setting."""
        return self.reports_cash_positions if is_cash else self.reports_positions


_NOTHING_OWN = "Nothing beyond what holds for every adapter."
_LOAD = (
    "`load_all=True`, or `load_ids` with every instrument of the account, in the "
    "`InstrumentProviderConfig` of the client."
)
_UNSEEN = "Positions and orders on instruments that are not loaded: the adapter leaves them out."
_BALANCES = "What is held is proven by the balances."
_GAP = "On 1.221, what happens in a gap of the user stream is found at the next restart only."
_NO_INVENTION = (
    "`generate_missing_orders=False` and no `external_order_claims`; no "
    "`position_check_interval_secs`."
)

BINANCE_FUTURES = Adapter(
    name="Binance futures",
    package="binance",
    swallows_errors=_ALL,
    newest_orders_only=1000,
    reports=(
        "Positions, with one leg each in hedge mode; the newest 1,000 orders and the newest trades "
        "of each instrument with a position or an open order; on 1.231 conditional orders too."
    ),
    corrected=(
        "Each trade comes twice (`DUPLICATE_FILL`). A conditional order that triggered has a new "
        "venue order ID (`VENUE_ORDER_ID_CHANGED`)."
    ),
    unproven=(
        "Orders older than the newest 1,000 of an instrument, and conditional orders that ended "
        f"more than 7 days ago. {_GAP}"
    ),
    settings=(
        "In hedge mode `use_reduce_only=False`, which the adapter demands, and no "
        '`oms_type="NETTING"` in a strategy.'
    ),
)
BINANCE_SPOT = Adapter(
    name="Binance spot",
    package="binance",
    reports_positions=False,
    answers_cash_flat=True,
    newest_orders_only=1000,
    reports=(
        'No positions, and "flat" for each instrument that is asked for; the newest 1,000 orders '
        "and the newest trades of each instrument with a cached position or an open order."
    ),
    corrected='"Flat" is not passed on for a cash account (`CASH_POSITION_FLAT`).',
    unproven=(
        f"{_BALANCES} Two instruments that share a base currency are proven together only. On a "
        f"margin account (`MARGIN`, `ISOLATED_MARGIN`) nothing proves a position. {_GAP}"
    ),
    settings=_NO_INVENTION,
)
BYBIT = Adapter(
    name="Bybit",
    package="bybit",
    cash_positions_setting="use_spot_position_reports",
    drops_unloaded_instruments=True,
    logs_errors=frozenset({FILLS, POSITIONS}),
    reports=(
        "Positions of derivatives (on 1.221 none of inverse contracts), open orders, conditional "
        "ones too, the order history and trades; no positions of spot."
    ),
    corrected=_NOTHING_OWN,
    unproven=(
        f"{_UNSEEN} Spot: {_BALANCES.lower()} Linear contracts that settle in anything other than "
        "USDT and USDC are never asked for."
    ),
    settings=(
        f'{_LOAD} With `position_mode` of both sides: `oms_type="HEDGING"` in each strategy. For '
        f"spot: {_NO_INVENTION}"
    ),
)
OKX = Adapter(
    name="OKX",
    package="okx",
    cash_positions_setting="use_spot_cash_position_reports",
    answers_cash_flat=True,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    orders_left_out="algo orders (every stop)",
    reports=(
        "Positions of derivatives and of spot margin, open orders, the order history and trades. "
        "Pending algo orders (every stop) are in no list. Spot without margin: no positions, and "
        '"flat" for each instrument that is asked for.'
    ),
    corrected=(
        'An open order that no list contains is asked for by its ID (`ORDER_ASKED`). "Flat" is '
        "not passed on for a cash account (`CASH_POSITION_FLAT`)."
    ),
    unproven=(
        f"{_UNSEEN} Algo orders that this node did not place. Its reconnects go unnoticed: "
        "what happens meanwhile is found at the next restart only. On 1.221 every stop, since its "
        f"client asks for them at an address that OKX does not have. Spot: {_BALANCES.lower()}"
    ),
    settings=(
        f'{_LOAD} In long/short mode: `oms_type="HEDGING"` in each strategy. For spot: '
        f"{_NO_INVENTION}"
    ),
)
HYPERLIQUID = Adapter(
    name="Hyperliquid",
    package="hyperliquid",
    reports_cash_positions=True,
    reports_closed_orders=False,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    reports=(
        "Positions, spot balances as positions, open orders only, and the newest trades. Prices "
        "have at most 5 significant digits."
    ),
    corrected=(
        "A cached open order that is not in the list is asked for by its ID (`ORDER_ASKED`; not on "
        "1.221, whose adapter cannot)."
    ),
    unproven=f"{_UNSEEN} Orders that ended without a trade, where their ID is unknown.",
    settings=_LOAD,
)
KRAKEN_SPOT = Adapter(
    name="Kraken spot",
    package="kraken",
    cash_positions_setting="use_spot_position_reports",
    price_is_average=True,
    replaces_client_order_id=True,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    reports=(
        "Open and closed orders without their client order IDs, and trades. Positions on a margin "
        "account only (`spot_account_type`)."
    ),
    corrected=(
        "Orders are found by their venue order ID. The order's price is the average of what was "
        "filled, 0 for an order without a fill (`PRICE_IS_AVERAGE`)."
    ),
    unproven=f"{_UNSEEN} {_BALANCES} The price of a resting order.",
    settings=f"{_LOAD} {_NO_INVENTION}",
)
KRAKEN_FUTURES = Adapter(
    name="Kraken futures",
    package="kraken",
    cuts_client_order_id_to=18,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    reports="Positions, open orders, order events and trades.",
    corrected="Client order IDs that were cut to 18 characters (`CLIENT_ORDER_ID_CUT`).",
    unproven=_UNSEEN,
    settings=f"{_LOAD} `use_uuid_client_order_ids=True` in each strategy: UUIDs are not cut.",
)
KRAKEN = Adapter(
    name="Kraken spot and futures",
    package="kraken",
    cash_positions_setting="use_spot_position_reports",
    price_is_average=True,
    cuts_client_order_id_to=18,
    replaces_client_order_id=True,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    reports="Each product as above, under one margin account; no positions of spot.",
    corrected="Each product as above.",
    unproven=f"{_UNSEEN} What is held of spot, since nothing tells it from collateral.",
    settings=(
        "One client for each product. `use_uuid_client_order_ids=True` in each strategy, "
        f"and {_LOAD}"
    ),
)
BITMEX = Adapter(
    name="BitMEX",
    package="bitmex",
    answers_single_orders=False,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    newest_orders_only=500,
    has_other_account_id=True,
    reports=(
        "Positions, the newest 500 orders and the newest 500 trades, under an account ID that can "
        "differ from the client's."
    ),
    corrected="Reports are compared with the account that they name, as the engine applies them.",
    unproven=f"{_UNSEEN} An open order older than the newest 500: it cannot be asked for by ID.",
    settings=_LOAD,
)
DERIBIT = Adapter(
    name="Deribit",
    package="deribit",
    answers_single_orders=False,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    reports="Positions, open orders, the order history of each currency and trades.",
    corrected=_NOTHING_OWN,
    unproven=f"{_UNSEEN} An order that is in no list: it cannot be asked for by ID.",
    settings=_LOAD,
)
DYDX = Adapter(
    name="dYdX",
    package="dydx",
    replaces_client_order_id=True,
    drops_unloaded_instruments=True,
    logs_errors=_ALL,
    newest_orders_only=1000,
    reports=(
        "Positions, at most 1,000 orders and 1,000 trades. Orders come back with a number as their "
        "client order ID (1.221 finds the real one in the cache)."
    ),
    corrected="Orders are found by their venue order ID.",
    unproven=_UNSEEN,
    settings=f"{_LOAD} Keep the cache in Redis: without it the orders become EXTERNAL.",
)
INTERACTIVE_BROKERS = Adapter(
    name="Interactive Brokers",
    package="interactive_brokers",
    reports_closed_orders=False,
    swallows_errors=frozenset({FILLS}),
    makes_up_orders=True,
    reports=(
        "Positions, open orders only (on 1.221 none without a position), executions, and for each "
        "position a filled order named like its instrument."
    ),
    corrected=_NOTHING_OWN,
    unproven=(
        "Orders that ended while the node was away. On 1.221 a lost connection looks like an "
        "empty answer."
    ),
    settings=(
        "`open_check_open_only=True`: otherwise each check reports the made-up orders again. "
        "`load_ids` or `load_contracts` with every instrument of the account."
    ),
)
BETFAIR = Adapter(
    name="Betfair",
    package="betfair",
    reports_positions=False,
    swallows_errors=frozenset(),
    reports="Orders of the markets that are not settled yet, what was matched, and no positions.",
    corrected=_NOTHING_OWN,
    unproven="Positions: they follow from the bets, and nothing at the venue proves them.",
    settings="No `position_check_interval_secs`.",
)
POLYMARKET = Adapter(
    name="Polymarket",
    package="polymarket",
    reports_cash_positions=True,
    reports_closed_orders=False,
    drops_unloaded_instruments=True,
    swallows_errors=frozenset({ORDERS, FILLS}),
    reports=(
        "What is held of the instruments that are loaded, open orders only, and trades. Client "
        "order IDs come from the cache."
    ),
    corrected="A cached open order that is not in the list is asked for by its ID (`ORDER_ASKED`).",
    unproven=f"{_UNSEEN} Orders that ended without a trade.",
    settings=f"{_LOAD} Keep the cache in Redis: without it the orders become EXTERNAL.",
)
SANDBOX = Adapter(
    name="Sandbox",
    package="sandbox",
    reports_positions=False,
    reports_closed_orders=False,
    reports_fills=False,
    answers_single_orders=False,
    swallows_errors=frozenset(),
    forgets_at_restart=True,
    reports=(
        "Nothing. At a restart it begins with its `starting_balances` and without an order; "
        "positions are what the cache holds of them."
    ),
    corrected=_NOTHING_OWN,
    unproven=(
        "Everything: a restored position is the cache's word alone, a restored order rests nowhere "
        "and cannot be canceled, and the balances are the ones it began with."
    ),
    settings=(
        "No Redis for the cache (`CacheConfig(database=None)`): each start is then empty on both "
        "sides. No `position_check_interval_secs`."
    ),
)

ADAPTERS = (
    BINANCE_FUTURES,
    BINANCE_SPOT,
    BYBIT,
    OKX,
    HYPERLIQUID,
    KRAKEN_SPOT,
    KRAKEN_FUTURES,
    KRAKEN,
    BITMEX,
    DERIBIT,
    DYDX,
    INTERACTIVE_BROKERS,
    BETFAIR,
    POLYMARKET,
    SANDBOX,
)


def adapter_of(subject: object) -> Adapter | None:
    """
    Return the adapter of an execution client, of its configuration (importable too), or of its
    factory or an import path (these as what the configuration is by default), or ``None``.
    """
    for module in _modules(subject):
        if module.startswith(_ADAPTERS):
            package = module.removeprefix(_ADAPTERS).partition(":")[0].partition(".")[0]
            rows = [row for row in ADAPTERS if row.package == package]
            if package == "binance":
                return BINANCE_FUTURES if _is_binance_futures(subject) else BINANCE_SPOT
            if package == "kraken":
                return _kraken(subject)
            return rows[0] if rows else None
    return None


def setting(config: Any, name: str) -> Any:
    """Return a setting of a client's configuration, ``None`` if it has no such one."""
    # Importable, as an object or as read from JSON
    inner = config.get("config") if isinstance(config, dict) else getattr(config, "config", None)
    if isinstance(inner, dict):
        return inner.get(name)
    return config.get(name) if isinstance(config, dict) else getattr(config, name, None)


def name_of(value: Any) -> str:
    """Return the name of an enumeration's member, of either kind, or of the text for it."""
    return str(getattr(value, "name", value)).rpartition(".")[2].upper()


def _modules(subject: Any) -> list[str]:
    if isinstance(subject, str):
        return [subject]
    path = subject.get("path") if isinstance(subject, dict) else getattr(subject, "path", None)
    if isinstance(path, str):
        return [path]
    kind = subject if isinstance(subject, type) else type(subject)
    return [base.__module__ for base in kind.__mro__]


def _is_binance_futures(subject: Any) -> bool:
    kind = subject if isinstance(subject, type) else type(subject)
    if any(base.__module__.startswith(f"{_ADAPTERS}binance.futures") for base in kind.__mro__):
        return True
    return "FUTURE" in name_of(setting(subject, "account_type"))


def _kraken(subject: Any) -> Adapter:
    provider = getattr(subject, "kraken_instrument_provider", None)  # Of a client
    products = setting(provider or subject, "product_types")
    names = {name_of(product) for product in products or ()}
    if "FUTURES" not in names:
        return KRAKEN_SPOT
    return KRAKEN if "SPOT" in names else KRAKEN_FUTURES
