from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import PaperVenue


@pytest.fixture
def venue(venue: PaperVenue) -> PaperVenue:
    venue.set_price("BTCUSDT-PERP", 50_000)
    return venue


@pytest.fixture
def hedging() -> Iterator[PaperVenue]:
    with PaperVenue(oms="HEDGING") as paper:
        paper.set_price("ETHUSDT-PERP", 2000)
        yield paper
