"""
What a command line may name.
"""

import asyncio
import atexit
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import halt_until_recovered
from tests.preflight.nodes import Plain
from tests.preflight.nodes import PlainConfig
from tests.preflight.nodes import good
from tests.preflight.nodes import strategy


class UntoldError(Exception):
    """
    Cannot be told.
    """

    def __str__(self) -> str:
        raise RuntimeError(SECRET)


print("noise of the target")  # noqa: T201

SECRET = "hunter2"
NOBODY = DatabaseConfig(host="127.0.0.1", port=1, username="me", password=SECRET)

config = good(NOBODY)
text = "a text"
number_of_things = 3


def factory() -> TradingNodeConfig:
    print("noise of the factory")  # noqa: T201
    os.write(1, b"noise of what is compiled\n")
    return config


def prints_at_its_end() -> TradingNodeConfig:
    atexit.register(print, "noise of the end")
    return config


def pair() -> tuple[TradingNodeConfig, list[Any]]:
    return config, [RecoverableStrategyConfig(order_id_tag="002"), strategy("Plain", tag="003")]


def leaks() -> TradingNodeConfig:
    raise ConnectionError(f"redis://me:{SECRET}@db:6379/0 refused {SECRET * 2}\nand more")


def leaks_in_its_text() -> TradingNodeConfig:
    raise UntoldError


def leaks_env() -> TradingNodeConfig:
    raise ConnectionError("refused sesame-open")


def exits() -> None:
    sys.exit(3)


def needs(port: int) -> TradingNodeConfig:
    return config


def node(given: TradingNodeConfig | None = None, database: DatabaseConfig = NOBODY) -> TradingNode:
    made = TradingNode(config=given or good(NOBODY, actors=[], strategies=[]))
    made.trader.add_actor(RecoveryMonitorActor(RecoveryMonitorConfig(database=database)))
    made.trader.add_strategy(Plain(PlainConfig(strategy_id="Later", order_id_tag="007")))
    return made


def runs() -> None:
    made = node()
    try:
        made.build()
        made.run()
        os.write(1, b"it runs\n")
    finally:
        made.dispose()


def runs_in_a_loop() -> None:
    async def run() -> None:
        await node().run_async()

    asyncio.run(run())


def halted() -> TradingNode:
    halt_until_recovered(made := node())
    return made


def at_redis() -> TradingNode:
    where = urlsplit(os.environ["REDIS_URL"])
    database = DatabaseConfig(host=where.hostname, port=where.port)
    return node(good(database, actors=[], strategies=[]), database)


async def waits() -> TradingNodeConfig:
    return config
