"""
What needs NautilusTrader 2.0: `make two` runs it, on 1.x there is nothing to collect.
"""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.node2.support import OTHER
from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.venues.binance.control import FakeBinance


if find_spec("nautilus_trader.common.actor") is not None:
    collect_ignore_glob = ["test_*.py", "facts/test_*.py"]


@pytest.fixture(scope="session")
def binance() -> Iterator[FakeBinance]:
    with FakeBinance() as venue:
        yield venue


@pytest.fixture
def bench(binance: FakeBinance, valkey: EmbeddedValkey) -> Bench:
    binance.reset(SYMBOL, OTHER)
    return Bench(binance, valkey)
