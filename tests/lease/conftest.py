from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.lease.support import Scene


@pytest.fixture
def scene(valkey: EmbeddedValkey, venue: PaperVenue) -> Iterator[Scene]:
    scene = Scene(valkey, venue)
    try:
        yield scene
    finally:
        scene.close()
