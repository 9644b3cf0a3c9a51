"""
What most tests look at: an empty server, and a venue of their own. Where the server is shared with
a node that runs meanwhile, a directory has another `valkey`.
"""

from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(server: EmbeddedValkey) -> EmbeddedValkey:
    server.flush()
    return server


@pytest.fixture
def venue() -> Iterator[PaperVenue]:
    with PaperVenue() as paper:
        paper.set_price("ETHUSDT-PERP", 2000)
        yield paper
