from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.restart.run import Bench
from tests.venues.binance.control import FakeBinance


@pytest.fixture(scope="package")
def bench(server: EmbeddedValkey) -> Iterator[Bench]:
    with FakeBinance() as binance:
        yield Bench(binance, server)
