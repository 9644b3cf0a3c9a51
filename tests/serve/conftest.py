from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.serve.support import Serving
from tests.serve.world import Desk


@pytest.fixture
def desk(valkey: EmbeddedValkey) -> Iterator[Desk]:
    with Desk(valkey) as traders:
        yield traders


@pytest.fixture
def serving(desk: Desk, valkey: EmbeddedValkey) -> Iterator[Serving]:
    with Serving.of(valkey.url) as process:
        yield process
