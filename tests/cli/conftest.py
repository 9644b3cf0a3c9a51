from collections.abc import Iterator

import msgspec
import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


@pytest.fixture(scope="session")
def node(valkey: EmbeddedValkey) -> Iterator[NodeProcess]:
    with NodeProcess(
        "tests.cli.nodes:commanded",
        database=msgspec.structs.asdict(valkey.database_config()),
        trader_id="COMMANDED-001",
    ) as process:
        process.wait_for("started")
        valkey.wait_for(lambda client: client.exists("trader-COMMANDED-001:recovery:listener"))
        yield process
