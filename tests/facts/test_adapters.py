"""
What the table of adapters says of NautilusTrader's own, seen in them.
"""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader import __version__
from nautilus_trader import adapters as native
from nautilus_trader.adapters.binance import BinanceAccountType
from nautilus_trader.adapters.binance import BinanceExecClientConfig
from nautilus_trader.adapters.binance import BinanceLiveExecClientFactory
from nautilus_trader.adapters.binance.futures.execution import BinanceFuturesExecutionClient
from nautilus_trader.adapters.binance.spot.execution import BinanceSpotExecutionClient
from nautilus_trader.adapters.bybit import BybitExecClientConfig
from nautilus_trader.adapters.okx import OKXExecClientConfig
from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.adapters.sandbox.execution import SandboxExecutionClient
from nautilus_trader.adapters.sandbox.factory import SandboxLiveExecClientFactory
from nautilus_trader.config import ImportableConfig
from nautilus_trader.model.identifiers import ClientOrderId

from nautilus_recovery_actor.node import adapters
from nautilus_recovery_actor.node.adapters import ADAPTERS
from nautilus_recovery_actor.node.adapters import Adapter
from nautilus_recovery_actor.node.adapters import adapter_of
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig


IS_1_221 = __version__.startswith("1.221.")
INSTALLED = {module.name for module in pkgutil.iter_modules(native.__path__)}
# Without a client for execution, or not in the table
OTHERS = {
    "_template",
    "architect_ax",
    "coinbase_intx",
    "databento",
    "env",
    "interactive_brokers_pyo3",
    "tardis",
}
QUERIES = {
    adapters.ORDERS: "generate_order_status_reports",
    adapters.FILLS: "generate_fill_reports",
    adapters.POSITIONS: "generate_position_status_reports",
}
HERE = [row for row in ADAPTERS if row.package in INSTALLED]
NAMES = [row.name for row in HERE]


def passing_the_log(row: Adapter) -> set[str]:
    """
    Return the queries whose code mentions the log of failed reports. It is read, not imported:
    some adapters need what is not installed.
    """
    (folder,) = native.__path__
    tree = ast.parse((Path(folder) / row.package / "execution.py").read_text())
    functions = {
        node.name: ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
    }
    return {query for query, name in QUERIES.items() if "_log_report_error" in functions[name]}


def test_every_adapter_that_executes_is_in_the_table() -> None:
    """
    A new one of NautilusTrader's is read before it is relied on.
    """
    assert {row.package for row in HERE} == INSTALLED - OTHERS
    missing = {"kraken", "deribit"} if IS_1_221 else set()
    assert {row.package for row in ADAPTERS} - INSTALLED == missing


def test_the_table_imports_no_adapter() -> None:
    """
    Some take seconds, and need what is not installed.
    """
    code = (
        "import sys, nautilus_recovery_actor.node.adapters\n"
        "print([name for name in sys.modules if name.startswith('nautilus_trader.adapters.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("subject", "row"),
    [
        (BinanceExecClientConfig(), adapters.BINANCE_SPOT),
        (BinanceExecClientConfig(account_type=BinanceAccountType.MARGIN), adapters.BINANCE_SPOT),
        (
            BinanceExecClientConfig(account_type=BinanceAccountType.USDT_FUTURES),
            adapters.BINANCE_FUTURES,
        ),
        (
            ImportableConfig(
                path="nautilus_trader.adapters.binance:BinanceExecClientConfig",
                config={"account_type": "COIN_FUTURES"},
            ),
            adapters.BINANCE_FUTURES,
        ),
        (BinanceLiveExecClientFactory, adapters.BINANCE_SPOT),
        (BinanceFuturesExecutionClient, adapters.BINANCE_FUTURES),
        (BinanceSpotExecutionClient, adapters.BINANCE_SPOT),
        (BybitExecClientConfig(), adapters.BYBIT),
        (OKXExecClientConfig(), adapters.OKX),
        (SandboxLiveExecClientFactory, adapters.SANDBOX),
        (
            "nautilus_trader.adapters.betfair.factories:BetfairLiveExecClientFactory",
            adapters.BETFAIR,
        ),
        ("nautilus_trader.adapters.dydx:Anything", adapters.DYDX),
        ("nautilus_trader.adapters.databento:Anything", None),
        ("elsewhere.adapters.okx:OKXExecClientConfig", None),
        (PaperVenueExecClientConfig(port=1), None),
        (None, None),
    ],
)
def test_an_adapter_is_recognized(subject: Any, row: Adapter | None) -> None:
    """
    By where its client, its configuration or its factory is defined, and by the account.
    """
    assert adapter_of(subject) is row


def test_an_adapter_is_recognized_by_what_is_derived_from_it() -> None:
    """
    A user's own client, configuration or factory behaves as the one below it.
    """

    class Client(SandboxExecutionClient):
        pass

    class Config(SandboxExecutionClientConfig, frozen=True, kw_only=True):
        pass

    assert adapter_of(Client) is adapters.SANDBOX
    assert adapter_of(Config(venue="SIM", starting_balances=["1 USD"])) is adapters.SANDBOX
    # A client that was made; no loop is needed to see what it is
    assert adapter_of(Client.__new__(Client)) is adapters.SANDBOX


@pytest.mark.skipif(IS_1_221, reason="1.221 has no Kraken adapter")
def test_kraken_is_recognized_by_its_products() -> None:
    """
    One class for two venues, spot by default.
    """
    kraken: Any = importlib.import_module("nautilus_trader.adapters.kraken")
    make, products = kraken.KrakenExecClientConfig, kraken.KrakenProductType
    spot, futures = products.SPOT, products.FUTURES
    assert adapter_of(make()) is adapters.KRAKEN_SPOT
    assert adapter_of(make(product_types=(spot,))) is adapters.KRAKEN_SPOT
    assert adapter_of(make(product_types=(futures,))) is adapters.KRAKEN_FUTURES
    assert adapter_of(make(product_types=(spot, futures))) is adapters.KRAKEN


@pytest.mark.skipif(IS_1_221, reason="1.221 has no Kraken adapter")
def test_kraken_futures_cuts_ids_that_are_no_uuid() -> None:
    """
    To the number of characters that the table says.
    """
    kraken: Any = importlib.import_module("nautilus_trader.adapters.kraken.execution")
    length = adapters.KRAKEN_FUTURES.cuts_client_order_id_to
    assert length is not None
    cut = kraken.KrakenExecutionClient._truncate_client_order_id
    default, uuid = "O-20260101-120000-001-000-1", "6d47a5f0-6fd4-4b84-b56e-c23f0f689c20"
    assert len(cut(None, ClientOrderId(default))) == length
    assert cut(None, ClientOrderId(default[-length:])) == default[-length:]
    assert cut(None, ClientOrderId(uuid)) == uuid


@pytest.mark.parametrize("row", HERE, ids=NAMES)
def test_failures_pass_the_log_of_reports_where_the_table_says(row: Adapter) -> None:
    """
    On 1.221 there is no such method.
    """
    assert passing_the_log(row) == (set() if IS_1_221 else row.logs_errors)
    assert row.logs_errors <= row.swallows_errors


@pytest.mark.parametrize("row", HERE, ids=NAMES)
def test_a_setting_for_cash_positions_exists(row: Adapter) -> None:
    """
    And is off by default.
    """
    if row.cash_positions_setting is not None:
        module = importlib.import_module(f"nautilus_trader.adapters.{row.package}.config")
        (kind,) = (
            kind
            for name, kind in vars(module).items()
            if name.endswith("ExecClientConfig") and kind.__module__ == module.__name__
        )
        assert getattr(kind(), row.cash_positions_setting) is False
