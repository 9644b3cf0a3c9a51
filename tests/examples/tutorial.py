"""
The strategy of the tutorial, put together from the pieces of code of its page.
"""

import importlib
import re
import sys
import tempfile
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.objects import Money

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import testkit


PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
INSTRUMENT = testkit.paper_instrument("ETHUSDT-PERP")
SYMBOL = INSTRUMENT.symbol.value
BARS = BarType.from_str(f"{INSTRUMENT.id}-1-SECOND-LAST-EXTERNAL")
SECOND_NS = 1_000_000_000


def pieces() -> list[str]:
    """
    Return the pieces of code of the steps, down to the hooks.
    """
    steps, found, _ = PAGE.partition("\n## The hooks\n")
    assert found
    return re.findall(r"```python\n(.*?)```", steps, re.DOTALL)


def module() -> Any:
    """
    Return the module that they make: the first is its top, the others are methods of its class.
    """
    top, *methods = pieces()
    with tempfile.TemporaryDirectory() as directory:
        name = "strategy_of_the_tutorial"
        text = top + "".join("\n" + textwrap.indent(piece, "    ") for piece in methods)
        (Path(directory) / f"{name}.py").write_text(text)
        sys.path.insert(0, directory)
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(directory)


def strategy(**fields: Any) -> Any:
    made = module()
    claims = [INSTRUMENT.id]
    config = made.MyConfig(
        instrument_id=INSTRUMENT.id, bar_type=BARS, external_order_claims=claims, **fields
    )
    return made.MyStrategy(config)


def node(port: int, url: str, **fields: Any) -> TradingNode:
    made = testkit.paper_node(
        testkit.paper_node_config(
            [testkit.PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
            [testkit.PaperVenueDataClientConfig(port=port, symbols=(SYMBOL,))],
            trader_id="LIVE-001",
            database=testkit.EmbeddedValkey(url=url).database_config(),
            timeout_post_stop=2.0,
        )
    )
    made.trader.add_actor(RecoveryMonitorActor())
    made.trader.add_strategy(strategy(**fields))
    return made


def backtest_result() -> dict[str, Any]:
    """
    Return what a backtest of the strategy left, which takes a process of its own.
    """
    logging = LoggingConfig(log_level="OFF")
    engine = BacktestEngine(BacktestEngineConfig(logging=logging))
    engine.add_venue(
        INSTRUMENT.venue, OmsType.NETTING, AccountType.MARGIN, [Money(1_000_000, USDT)]
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(testkit.paper_bars(INSTRUMENT, BARS, SECOND_NS, 120 * SECOND_NS))
    engine.add_strategy(strategy(stop_distance=Decimal(1), ends_flat=True))
    engine.run()
    return {
        "entries": len([o for o in engine.cache.orders() if not o.is_reduce_only]),
        "stops": len([o for o in engine.cache.orders() if o.is_reduce_only and o.filled_qty]),
        "open": [str(position) for position in engine.cache.positions_open()],
        "orders_open": len(engine.cache.orders_open()),
    }
