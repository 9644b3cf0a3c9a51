"""
Each finding in NautilusTrader's own clients, and its nearest neighbour in which it is not.
"""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from nautilus_trader import __version__
from nautilus_trader.adapters.binance import BinanceAccountType
from nautilus_trader.adapters.binance import BinanceExecClientConfig
from nautilus_trader.adapters.bybit import BybitExecClientConfig
from nautilus_trader.adapters.okx import OKXExecClientConfig
from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.config import ImportableConfig
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.core.nautilus_pyo3 import OKXInstrumentType
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import Finding
from nautilus_recovery_actor.outside.checks.client_facts import client_facts
from nautilus_recovery_actor.outside.checks.client_rules import RULES
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from tests.preflight.nodes import found
from tests.preflight.nodes import good
from tests.preflight.nodes import strategy


IS_1_221 = __version__.startswith("1.221.")
HAS_POSITION_CHECK = "position_check_interval_secs" in LiveExecEngineConfig.__struct_fields__
ALL = InstrumentProviderConfig(load_all=True)
FUTURES = BinanceAccountType.USDT_FUTURES
Fields = dict[str, Any]


def looked_at(
    client: Any,
    name: str = "VENUE",
    *,
    engine: Mapping[str, Any] = MappingProxyType({}),
    strategies: Any = (),
    **fields: Any,
) -> dict[str, Finding]:
    """
    Return what is found in a node with one client, and by default without a strategy.
    """
    return found(
        good(exec_clients={name: client}, engine=engine, strategies=list(strategies), **fields)
    )


def binance(account_type: BinanceAccountType = BinanceAccountType.SPOT, **fields: Any) -> Any:
    return BinanceExecClientConfig(account_type=account_type, **fields)


def bybit(*products: str, **fields: Any) -> Any:
    kinds = tuple(getattr(_bybit("BybitProductType"), product) for product in products)
    return BybitExecClientConfig(
        **{"product_types": kinds or None, "instrument_provider": ALL, **fields}
    )


def _bybit(name: str) -> Any:
    # 1.221 has its own enumerations
    place = "adapters.bybit.common.enums" if IS_1_221 else "core.nautilus_pyo3"
    return getattr(importlib.import_module(f"nautilus_trader.{place}"), name)


def okx(*kinds: Any, **fields: Any) -> Any:
    types = kinds or (OKXInstrumentType.SPOT,)
    return OKXExecClientConfig(**{"instrument_types": types, "instrument_provider": ALL, **fields})


def imported(adapter: str, name: str, **config: Any) -> Any:
    """
    Return a client of an adapter that may not be installed, or not be on this version.
    """
    loaded = {"instrument_provider": {"load_all": True}}
    return ImportableConfig(
        path=f"nautilus_trader.adapters.{adapter}:{name}", config={**loaded, **config}
    )


def kraken(*products: str, **config: Any) -> Any:
    return imported("kraken", "KrakenExecClientConfig", product_types=list(products), **config)


def sandbox(**fields: Any) -> Any:
    return SandboxExecutionClientConfig(venue="SIM", starting_balances=["1_000 USDT"], **fields)


def paper(**fields: Any) -> Any:
    return PaperVenueExecClientConfig(port=1, **fields)


def claims(instrument: str, **config: Any) -> Any:
    return strategy(external_order_claims=[instrument], **config)


LINEAR, PERP = "BTCUSDT-LINEAR.BYBIT", "BTCUSDT-PERP.BINANCE"
BOTH = {"BTCUSDT-LINEAR": _bybit("BybitPositionMode").BOTH_SIDES}
IB = imported("interactive_brokers", "InteractiveBrokersExecClientConfig")
NOT_MADE = {"generate_missing_orders": False}
CHECKED = {"position_check_interval_secs": 60.0}

# The code, what triggers it, the nearest that does not: each a client, and what is around it
PAIRS: list[tuple[str, tuple[Any, Fields], tuple[Any, Fields]]] = [
    ("SPOT_POSITIONS_MADE_UP", (binance(), {}), (binance(), {"engine": NOT_MADE})),
    ("SPOT_POSITIONS_MADE_UP", (binance(), {}), (binance(FUTURES), {})),
    (
        "SPOT_POSITIONS_MADE_UP",
        (binance(BinanceAccountType.ISOLATED_MARGIN), {}),
        (binance(BinanceAccountType.COIN_FUTURES), {}),
    ),
    ("SPOT_POSITIONS_MADE_UP", (okx(), {}), (okx(use_spot_margin=True), {})),
    (
        "SPOT_POSITIONS_MADE_UP",
        (okx(OKXInstrumentType.SPOT, OKXInstrumentType.SWAP), {}),
        (okx(OKXInstrumentType.SWAP), {}),
    ),
    (
        "SPOT_POSITIONS_MADE_UP",
        (bybit("SPOT", use_spot_position_reports=True), {}),
        (bybit("SPOT"), {}),
    ),
    (
        "SPOT_POSITIONS_MADE_UP",
        (kraken("SPOT", use_spot_position_reports=True), {}),
        (kraken("SPOT"), {}),
    ),
    (
        "SPOT_CLAIMED",
        (binance(), {"strategies": [claims("BTCUSDT.BINANCE")]}),
        (binance(), {"strategies": [claims("BTCUSDT-LINEAR.BYBIT")]}),
    ),
    (
        "SPOT_CLAIMED",
        (binance(), {"strategies": [claims("BTCUSDT.BINANCE")]}),
        (binance(FUTURES), {"strategies": [claims("BTCUSDT-PERP.BINANCE")]}),
    ),
    (
        "SPOT_CLAIMED",
        (bybit("SPOT"), {"strategies": [claims("BTCUSDT-SPOT.BYBIT")]}),
        (bybit("SPOT", "LINEAR"), {"strategies": [claims("BTCUSDT-LINEAR.BYBIT")]}),
    ),
    (
        "LEGS_NETTED",
        (bybit("LINEAR", position_mode=BOTH), {"strategies": [claims(LINEAR)]}),
        (bybit("LINEAR"), {"strategies": [claims(LINEAR)]}),
    ),
    (
        "LEGS_NETTED",
        (bybit("LINEAR", position_mode=BOTH), {"strategies": [claims(LINEAR)]}),
        (bybit("LINEAR", position_mode=BOTH), {"strategies": [claims(LINEAR, oms_type="HEDGING")]}),
    ),
    (
        "LEGS_NETTED",
        (bybit("LINEAR", position_mode=BOTH), {"strategies": [claims(LINEAR)]}),
        (bybit("LINEAR", position_mode=BOTH), {"strategies": [claims("BTCUSDT.BINANCE")]}),
    ),
    (
        "LEGS_NETTED",
        (
            binance(FUTURES, use_reduce_only=False),
            {"strategies": [claims(PERP, oms_type="NETTING")]},
        ),
        # Whose client is one of legs by itself
        (binance(FUTURES, use_reduce_only=False), {"strategies": [claims(PERP)]}),
    ),
    (
        "LEGS_NETTED",
        (
            binance(FUTURES, use_reduce_only=False),
            {"strategies": [claims(PERP, oms_type="NETTING")]},
        ),
        (binance(FUTURES), {"strategies": [claims(PERP, oms_type="NETTING")]}),
    ),
    (
        "LEGS_NETTED",
        (paper(oms_type="HEDGING"), {"strategies": [claims("A.PAPER", oms_type="NETTING")]}),
        (paper(oms_type="HEDGING"), {"strategies": [claims("A.PAPER")]}),
    ),
    (
        "CLIENT_ORDER_IDS_CUT",
        (kraken("FUTURES"), {"strategies": [claims("PF_XBTUSD.KRAKEN")]}),
        (
            kraken("FUTURES"),
            {"strategies": [claims("PF_XBTUSD.KRAKEN", use_uuid_client_order_ids=True)]},
        ),
    ),
    (
        "CLIENT_ORDER_IDS_CUT",
        # Without a sign what it trades, it trades with the only client
        (kraken("FUTURES"), {"strategies": [strategy(use_hyphens_in_client_order_ids=False)]}),
        (kraken("SPOT"), {"strategies": [strategy()]}),
    ),
    ("CLIENT_ORDER_IDS_REPLACED", (kraken("SPOT"), {}), (kraken("FUTURES"), {})),
    (
        "CLIENT_ORDER_IDS_REPLACED",
        (imported("dydx", "DydxExecClientConfig"), {}),
        (imported("deribit", "DeribitExecClientConfig"), {}),
    ),
    (
        "UNLOADED_INSTRUMENTS_DROPPED",
        (bybit(instrument_provider=InstrumentProviderConfig()), {}),
        (bybit(instrument_provider=ALL), {}),
    ),
    (
        "UNLOADED_INSTRUMENTS_DROPPED",
        (bybit(instrument_provider=InstrumentProviderConfig()), {}),
        (
            bybit(
                instrument_provider=InstrumentProviderConfig(
                    load_ids=frozenset({InstrumentId.from_str(LINEAR)})
                )
            ),
            {},
        ),
    ),
    (
        "UNLOADED_INSTRUMENTS_DROPPED",
        (kraken("SPOT", instrument_provider={}), {}),
        (kraken("SPOT"), {}),
    ),
    (
        "UNLOADED_INSTRUMENTS_DROPPED",
        (imported("polymarket", "PolymarketExecClientConfig", instrument_provider={}), {}),
        # Which reports what it does not know
        (binance(FUTURES, instrument_provider=InstrumentProviderConfig()), {}),
    ),
    ("SANDBOX_WITH_DATABASE", (sandbox(), {}), (sandbox(), {"without_cache": True})),
    ("SANDBOX_WITH_DATABASE", (sandbox(), {}), (paper(), {})),
    (
        "OPEN_CHECK_MISSES_ENDED_ORDERS",
        (binance(FUTURES), {"engine": {"open_check_open_only": True}}),
        (binance(FUTURES), {"engine": {"open_check_open_only": False}}),
    ),
    (
        "MADE_UP_ORDERS_CHECKED",
        (IB, {"engine": {"open_check_open_only": False}}),
        (IB, {"engine": {"open_check_open_only": True}}),
    ),
    (
        "MADE_UP_ORDERS_CHECKED",
        (IB, {"engine": {"open_check_open_only": False}}),
        (IB, {"engine": {"open_check_open_only": False, "open_check_interval_secs": None}}),
    ),
]
if HAS_POSITION_CHECK:
    PAIRS += [
        (
            "POSITION_CHECK_MAKES_UP_FILLS",
            (binance(), {"engine": CHECKED}),
            (binance(FUTURES), {"engine": CHECKED}),
        ),
        ("POSITION_CHECK_MAKES_UP_FILLS", (sandbox(), {"engine": CHECKED}), (sandbox(), {})),
        (
            "POSITION_CHECK_MAKES_UP_FILLS",
            (imported("betfair", "BetfairExecClientConfig"), {"engine": CHECKED}),
            (imported("polymarket", "PolymarketExecClientConfig"), {"engine": CHECKED}),
        ),
        (
            "POSITION_CHECK_MAKES_UP_FILLS",
            (bybit("SPOT", "LINEAR"), {"engine": CHECKED}),
            (bybit("LINEAR"), {"engine": CHECKED}),
        ),
        ("POSITION_CHECK_OFF", (binance(FUTURES), {}), (binance(FUTURES), {"engine": CHECKED})),
        # Never recommended where it would make up fills, or where that is not known
        ("POSITION_CHECK_OFF", (bybit("LINEAR"), {}), (bybit("SPOT", "LINEAR"), {})),
        ("POSITION_CHECK_OFF", (okx(OKXInstrumentType.SWAP), {}), (okx(), {})),
        ("POSITION_CHECK_OFF", (kraken("FUTURES"), {}), (sandbox(), {})),
        ("POSITION_CHECK_OFF", (binance(FUTURES), {}), (paper(), {})),
    ]


@pytest.mark.parametrize(("code", "trigger", "neighbour"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_a_finding_is_made_and_is_not_in_the_nearest_neighbour(
    code: str, trigger: tuple[Any, Fields], neighbour: tuple[Any, Fields]
) -> None:
    """
    Each code is triggered by one change to a client, or to what is around it.
    """
    client, around = trigger
    assert code in looked_at(client, **around)
    client, around = neighbour
    assert code not in looked_at(client, **around)


def test_every_rule_of_clients_has_such_a_pair() -> None:
    """
    No rule is left without a client that shows it, but for what a version cannot show.
    """
    shown = {code for code, _, _ in PAIRS}
    lacking = {"POSITION_CHECK_OFF", "POSITION_CHECK_MAKES_UP_FILLS"}
    assert {rule.code for rule in RULES} == shown | (set() if HAS_POSITION_CHECK else lacking)


def test_what_is_found_says_of_which_client_and_what_it_does() -> None:
    """
    By the name in the configuration, and by the adapter's as the docs have it.
    """
    owner = claims("BTCUSDT.BINANCE")
    findings = looked_at(binance(), "MAIN", strategies=[owner])
    spot = findings["SPOT_POSITIONS_MADE_UP"]
    assert (spot.subject, spot.message) == (
        "exec_clients: MAIN",
        'Binance spot reports "flat" when asked for spot; the made-up fills are Trades-001\'s.',
    )
    assert findings["SPOT_CLAIMED"].message == "It claims BTCUSDT.BINANCE of a cash account."
    cut = looked_at(kraken("FUTURES"), strategies=[strategy(tag="007")])["CLIENT_ORDER_IDS_CUT"]
    assert cut.message == (
        "Kraken futures cuts IDs such as O-20260101-000000-001-007-1 to 18 characters, and leaves "
        "UUIDs as they are."
    )


def test_the_advice_for_one_client_is_not_a_finding_of_another_rule() -> None:
    """
    Spot without made-up orders and claims, and a sandbox without a database, are left in peace.
    """
    trades = strategy(instrument_id="BTCUSDT.BINANCE")
    findings = looked_at(binance(), strategies=[trades], engine=NOT_MADE)
    assert findings.keys() & {"MISSING_ORDERS_NOT_GENERATED", "INSTRUMENT_NOT_CLAIMED"} == set()
    assert "NO_DATABASE" not in looked_at(sandbox(), without_cache=True)
    # Each still is one where that is not so
    findings = looked_at(binance(FUTURES), strategies=[trades], engine=NOT_MADE)
    assert findings.keys() >= {"MISSING_ORDERS_NOT_GENERATED", "INSTRUMENT_NOT_CLAIMED"}
    both = good(exec_clients={"SIM": sandbox(), "BINANCE": binance(FUTURES)}, without_cache=True)
    assert "NO_DATABASE" in found(both)


@pytest.mark.skipif(IS_1_221, reason="1.221 drops all that a client's JSON says")
@pytest.mark.parametrize(
    "client",
    [
        kraken("SPOT", "FUTURES"),
        IB,
        imported("binance", "BinanceExecClientConfig", account_type="SPOT"),
        imported("sandbox.config", "SandboxExecutionClientConfig", venue="SIM"),
    ],
)
def test_a_client_read_from_json_is_looked_at_alike(client: Any) -> None:
    """
    What was read has plain values in place of enumerations.
    """
    config = good(exec_clients={"VENUE": client}, strategies=[strategy()])
    again = type(config).parse(config.json())
    codes = found(config).keys()
    assert codes
    assert found(again).keys() == codes


def test_two_accounts_at_one_venue_are_told_apart() -> None:
    """
    Spot and futures of Binance, by the symbol.
    """

    def claiming(*instruments: str) -> dict[str, Finding]:
        clients = {"SPOT": binance(), "FUTURES": binance(FUTURES, use_reduce_only=False)}
        owners = [
            claims(instrument, tag=f"{tag:03}", oms_type="NETTING")
            for tag, instrument in enumerate(instruments)
        ]
        return found(good(exec_clients=clients, strategies=owners))

    both = {"SPOT_CLAIMED", "LEGS_NETTED"}
    assert claiming("BTCUSDT.BINANCE").keys() & both == {"SPOT_CLAIMED"}
    assert claiming(PERP).keys() & both == {"LEGS_NETTED"}
    assert claiming("BTCUSDT_261225.BINANCE").keys() & both == {"LEGS_NETTED"}
    assert claiming("BTCUSDT.BINANCE", PERP).keys() & both == both


def test_a_bybit_client_without_products_is_what_its_version_makes_of_it() -> None:
    """
    An account of spot on 1.221, of all products later.
    """
    findings = looked_at(bybit(), strategies=[claims("BTCUSDT-SPOT.BYBIT")])
    assert ("SPOT_CLAIMED" in findings) == IS_1_221


def test_a_sandbox_beside_another_client_needs_a_node_of_its_own() -> None:
    """
    The other client needs the database that the sandbox must not have.
    """
    clients = {"SIM": sandbox(), "PAPER": paper()}
    finding = found(good(exec_clients=clients, strategies=[]))["SANDBOX_WITH_DATABASE"]
    assert finding.remedy == "Run it in a node of its own, without a database."
    alone = found(good(exec_clients={"SIM": sandbox()}, strategies=[]))["SANDBOX_WITH_DATABASE"]
    assert "database=None" in alone.remedy


@pytest.mark.parametrize(
    ("key", "client", "account_id"),
    [
        ("BINANCE", binance(FUTURES), "BINANCE-USDT_FUTURES-master"),
        ("BINANCE", binance(), "BINANCE-SPOT-master"),
        ("BINANCE-2", binance(), "BINANCE-SPOT-master"),
        ("OKX", okx(), "OKX-master"),
        ("BYBIT", bybit(), "BYBIT-UNIFIED"),
        ("SIM", sandbox(), "SIM-001"),
        ("PAPER", paper(account_id="PAPER-007"), "PAPER-007"),
    ],
)
def test_the_account_of_a_client_is_known(key: str, client: Any, account_id: str) -> None:
    """
    As the adapter makes its ID, also under a key that distinguishes two clients of one venue.
    """
    (facts,) = client_facts(good(exec_clients={key: client}))
    assert facts.account_ids == frozenset({account_id})
    assert account_id.partition("-")[0] in facts.issuers
