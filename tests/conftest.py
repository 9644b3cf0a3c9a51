"""
What most tests look at: an empty server, and a venue of their own. Where the server is shared with
a node that runs meanwhile, a directory has another `valkey`.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue


HERE = Path(__file__).parent
# Where most tests run nodes, servers or commands, and how many parameter sets of each `make test`
# runs of those
COSTLY = {
    **dict.fromkeys(("cli", "demo", "examples", "forget", "inspect", "lease", "preflight"), 1),
    **dict.fromkeys(("repair", "restart", "server", "supervised"), 1),
    **dict.fromkeys(("node", "serve"), 2),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the matrix all but a few parameter sets of a test, taken evenly from all of them."""
    sets: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        sets[item.nodeid.partition("[")[0]].append(item)
    for several in sets.values():
        marker = several[0].get_closest_marker("sampled")
        folder = several[0].path.relative_to(HERE).parts[0]
        few = COSTLY.get(folder, len(several)) if marker is None else marker.args[0]
        share = min(few / len(several), 1.0)
        for i, item in enumerate(several):
            if int(i * share) == int((i - 1) * share) and i:
                item.add_marker(pytest.mark.long)


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
