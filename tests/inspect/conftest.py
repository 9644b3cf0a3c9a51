from collections.abc import Iterator
from uuid import uuid4

import pytest
import redis

from nautilus_recovery_actor.testkit import EmbeddedValkey


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with valkey.client() as connection:
        yield connection


@pytest.fixture
def trader_id() -> str:
    return f"INSPECT-{uuid4().hex[:8]}"  # The server is shared, the keys are not
