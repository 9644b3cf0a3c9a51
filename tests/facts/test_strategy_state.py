"""
What NautilusTrader keeps of a strategy's own variables, and gives back.
"""

import asyncio
from typing import Any

import pytest
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running


class Counting(Strategy):
    """
    Counts its starts in a variable, which it saves and loads as the documentation has it.
    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config)
        self.starts: Any = 0
        self.told: list[str] = []

    def on_start(self) -> None:
        self.told.append("start")
        self.starts = int(self.starts) + 1
        emit("counted", starts=self.starts)

    def on_stop(self) -> None:
        self.told.append("stop")

    def on_save(self) -> dict[str, bytes]:
        self.told.append("save")
        return {"starts": str(self.starts).encode()}

    def on_load(self, state: dict[str, bytes]) -> None:
        self.told.append("load")
        self.starts = state["starts"]


def config(
    venue_port: int,
    account_id: str,
    redis_port: int,
    trader_id: str,
    *,
    is_configured: bool = True,
    encoding: str = "msgpack",
) -> Any:
    counting = ImportableStrategyConfig(
        strategy_path=f"{__name__}:Counting",
        config_path="nautilus_trader.config:StrategyConfig",
        config={},
    )
    database = DatabaseConfig(host="127.0.0.1", port=redis_port)
    return paper_node_config(
        [PaperVenueExecClientConfig(port=venue_port, account_id=account_id)],
        trader_id=trader_id,
        cache=CacheConfig(database=database, encoding=encoding),
        strategies=[counting] if is_configured else [],
        load_state=True,
        save_state=True,
    )


def counting_node(venue_port: int, account_id: str, redis_port: int, trader_id: str) -> TradingNode:
    return paper_node(config(venue_port, account_id, redis_port, trader_id))


@pytest.mark.parametrize(("encoding", "found"), [("msgpack", b"1"), ("json", "MQ==")])
def test_a_clean_stop_saves_after_on_stop_and_a_node_loads_when_it_is_made(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str, encoding: str, found: Any
) -> None:
    """
    A cache that is encoded in JSON gives text in base64 back for the bytes.
    """

    async def scenario() -> None:
        made = config(venue.port, venue.account_id, valkey.port, trader_id, encoding=encoding)
        node = paper_node(made)
        (strategy,) = node.trader.strategies()
        async with running(node):
            pass
        assert strategy.told == ["start", "stop", "save"]
        node = paper_node(made)
        (strategy,) = node.trader.strategies()
        assert strategy.told == ["load"]
        assert strategy.starts == found
        node.kernel.dispose()

    asyncio.run(scenario())


def test_a_strategy_that_is_added_to_a_node_is_saved_and_never_loaded(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    The node loads what its configuration names, before anything else can be added.
    """

    async def scenario() -> None:
        made = config(venue.port, venue.account_id, valkey.port, trader_id, is_configured=False)
        for _ in range(2):
            node = paper_node(made)
            node.trader.add_strategy(strategy := Counting())
            async with running(node):
                pass
            assert strategy.told == ["start", "stop", "save"]
            assert strategy.starts == 1

    asyncio.run(scenario())


def test_a_kill_leaves_what_the_last_clean_stop_saved(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    Whatever the strategy has done since is lost.
    """
    node: dict[str, Any] = {
        "venue_port": venue.port,
        "account_id": venue.account_id,
        "redis_port": valkey.port,
        "trader_id": trader_id,
    }
    counts = []
    for is_clean in (True, False, True):
        with NodeProcess(f"{__name__}:counting_node", **node) as process:
            counts.append(process.wait_for("counted")["starts"])
            process.wait_for("started")
            if is_clean:
                assert process.stop() == 0
            else:
                process.kill()
    assert counts == [1, 2, 2]
