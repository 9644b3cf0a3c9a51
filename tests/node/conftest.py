import pytest

from nautilus_recovery_actor.testkit import PaperVenue


@pytest.fixture
def venue(venue: PaperVenue) -> PaperVenue:
    venue.set_price("BTCUSDT-PERP", 50_000)
    return venue
