"""
What needs NautilusTrader 2.0: `make two` runs it, on 1.x there is nothing to collect.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import nautilus_recovery_actor
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.node2.support import OTHER
from tests.node2.support import SYMBOL
from tests.node2.support import Bench
from tests.venues.binance.control import FakeBinance


PACKAGE = Path(nautilus_recovery_actor.__file__).parent
if find_spec("nautilus_trader.common.actor") is not None:
    collect_ignore_glob = ["test_*.py", "facts/test_*.py"]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Where a distribution of this package is found: the command line says its version.
    """
    folder = tmp_path_factory.mktemp("installed")
    place = folder / f"{PACKAGE.name}-0.1.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PACKAGE.name}\nVersion: 0.1.0\n"
    )
    return folder


@pytest.fixture(scope="session")
def binance() -> Iterator[FakeBinance]:
    with FakeBinance() as venue:
        yield venue


@pytest.fixture
def bench(binance: FakeBinance, valkey: EmbeddedValkey) -> Bench:
    binance.reset(SYMBOL, OTHER)
    return Bench(binance, valkey)
