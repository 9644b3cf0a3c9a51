import asyncio
from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.repair.repaired import parted
from tests.repair.states import STATES
from tests.repair.world import World
from tests.repair.world import wrong_world
from tests.restart.okx import SPOT
from tests.restart.okx import Restart
from tests.restart.run import Bench
from tests.venues.binance.control import FakeBinance
from tests.venues.okx.control import FakeOKX


@pytest.fixture(scope="package")
def bench(server: EmbeddedValkey) -> Iterator[Bench]:
    with FakeBinance() as binance:
        yield Bench(binance, server)


@pytest.fixture(scope="package")
def wrong_worlds(bench: Bench) -> list[World]:
    """Return a node in every state, in a world of their own those made from duplicates."""
    return [asyncio.run(wrong_world(bench, states)) for states in parted(STATES)]


@pytest.fixture(scope="package")
def spot(server: EmbeddedValkey) -> Iterator[Restart]:
    """Return a node that holds what its wallet has."""
    with FakeOKX() as okx:
        yield Restart.after_kill(okx, server, SPOT, claimed=True)
