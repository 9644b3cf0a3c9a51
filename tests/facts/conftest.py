from collections.abc import Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueControl


_accounts = count(1)
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What NautilusTrader does changes with its version alone, and those are the matrix's."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


@pytest.fixture
def trader_id() -> str:
    return f"FACTS-{uuid4().hex[:8]}"  # The server is shared, the keys are not


@pytest.fixture(scope="session")
def exchange() -> Iterator[PaperVenue]:
    with PaperVenue() as paper:
        yield paper


@pytest.fixture
def venue(exchange: PaperVenue) -> Iterator[PaperVenueControl]:
    control = PaperVenueControl(exchange.port, account_id=f"PAPER-{next(_accounts):03}")
    control.open_account()
    control.set_price("ETHUSDT-PERP", 2000)
    yield control
    control.close()
