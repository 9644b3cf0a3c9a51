from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue


@pytest.fixture
def venue() -> Iterator[PaperVenue]:
    with PaperVenue() as paper_venue:
        paper_venue.set_price("ETHUSDT-PERP", 2000)
        yield paper_venue


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


@pytest.fixture
def valkey(valkey_server: EmbeddedValkey) -> EmbeddedValkey:
    valkey_server.flush()
    return valkey_server
