"""
Configurations of nodes as users have them before they know of recoveries.
"""

import os
from typing import Any
from urllib.parse import urlsplit

from nautilus_trader.adapters.binance import BinanceAccountType
from nautilus_trader.adapters.binance import BinanceExecClientConfig
from nautilus_trader.adapters.okx.config import OKXExecClientConfig
from nautilus_trader.adapters.sandbox.config import SandboxExecutionClientConfig
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import LiveRiskEngineConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.core.nautilus_pyo3 import OKXInstrumentType
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import TraderId

from tests.preflight.nodes import Plain
from tests.preflight.nodes import PlainConfig
from tests.preflight.nodes import actor
from tests.preflight.nodes import good
from tests.preflight.nodes import strategy


SECRET = "hunter2hunter2"
FUTURE = "ETHUSDT-PERP.BINANCE"


def database(**fields: Any) -> DatabaseConfig:
    where = urlsplit(os.environ["REDIS_URL"])
    return DatabaseConfig(host=where.hostname, port=where.port, **fields)


def futures() -> TradingNodeConfig:
    client = BinanceExecClientConfig(
        account_type=BinanceAccountType.USDT_FUTURES,
        api_key=f"key-{SECRET}",
        api_secret=SECRET,
        instrument_provider=InstrumentProviderConfig(
            load_ids=frozenset([InstrumentId.from_str(FUTURE)])
        ),
    )
    return TradingNodeConfig(
        trader_id=TraderId("FUTURES-001"),
        cache=CacheConfig(
            database=database(), encoding="json", buffer_interval_ms=50, flush_on_start=True
        ),
        exec_engine=LiveExecEngineConfig(
            reconciliation=False, reconciliation_lookback_mins=1440, filter_position_reports=True
        ),
        risk_engine=LiveRiskEngineConfig(bypass=True),
        strategies=[strategy(instrument_id=FUTURE)],
        exec_clients={"BINANCE": client},
    )


def spot() -> TradingNodeConfig:
    client = BinanceExecClientConfig(account_type=BinanceAccountType.SPOT, api_key=SECRET)
    return TradingNodeConfig(
        trader_id=TraderId("SPOT-001"),
        cache=CacheConfig(database=database(), use_instance_id=True),
        strategies=[strategy("Plain", instrument_id="ETHUSDT.BINANCE")],
        exec_clients={"BINANCE": client},
    )


def spot_and_futures() -> TradingNodeConfig:
    kinds = {"BINANCE": BinanceAccountType.SPOT, "FUTURES": BinanceAccountType.USDT_FUTURES}
    clients: dict[str, Any] = {
        key: BinanceExecClientConfig(account_type=kind) for key, kind in kinds.items()
    }
    return TradingNodeConfig(
        trader_id=TraderId("BOTH-001"), cache=CacheConfig(database=database()), exec_clients=clients
    )


def okx() -> TradingNodeConfig:
    client = OKXExecClientConfig(api_passphrase=SECRET, instrument_types=(OKXInstrumentType.SWAP,))
    return TradingNodeConfig(
        trader_id=TraderId("OKX-001"),
        cache=CacheConfig(database=database()),
        exec_engine=LiveExecEngineConfig(load_cache=False),
        exec_clients={"OKX": client},
        actors=[actor(lease=False, startup_timeout_secs=60.0)],
        strategies=[strategy(instrument_id="ETH-USDT-SWAP.OKX")],
    )


def sandbox() -> TradingNodeConfig:
    client = SandboxExecutionClientConfig(venue="SIM", starting_balances=["1_000 USDT"])
    return TradingNodeConfig(
        trader_id=TraderId("SANDBOX-001"),
        cache=CacheConfig(database=database(username="me", password=SECRET)),
        exec_clients={"SIM": client},
        strategies=[strategy(instrument_id="ETHUSDT.SIM")],
    )


def without_a_server() -> TradingNodeConfig:
    return TradingNodeConfig(trader_id=TraderId("NOWHERE-001"))


def as_a_file() -> TradingNodeConfig:
    return TradingNodeConfig(
        trader_id=TraderId("FILE-001"),
        cache=CacheConfig(database=database()),
        strategies=[strategy(instrument_id=FUTURE)],
        load_state=False,
    )


def ready() -> TradingNodeConfig:
    return good(database())


def node() -> TradingNode:
    config = TradingNodeConfig(
        trader_id=TraderId("NODE-001"), cache=CacheConfig(database=database())
    )
    made = TradingNode(config=config)
    made.trader.add_strategy(Plain(PlainConfig(order_id_tag="001")))
    return made
