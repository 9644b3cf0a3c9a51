"""
A server that a real node uses.
"""

import asyncio

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.server import look_at_server
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import watched


def test_a_node_is_seen_while_it_runs_and_not_after_its_stop() -> None:
    """Its own heartbeat tells, and its keys are where they are expected."""

    def look() -> dict[str, Finding]:
        found = look_at_server(valkey.url, Namespace(trader_id="TESTER-001"))
        return {finding.code: finding for finding in found}

    async def scenario() -> dict[str, Finding]:
        async with watched(venue, valkey, Recorder()) as node:
            assert isinstance(await node.result(), RecoveryComplete)
            valkey.wait_for(lambda stored: stored.exists(heartbeat))
            return await asyncio.to_thread(look)

    heartbeat = "trader-TESTER-001:general:recovery:heartbeat"
    with EmbeddedValkey(appendonly=True) as valkey, PaperVenue() as venue:
        venue.open_account()
        assert set(look()) == {"REDIS_LOSS_WINDOW", "TRADER_KEYS_ABSENT"}
        assert set(asyncio.run(scenario())) == {"REDIS_LOSS_WINDOW", "ANOTHER_LIVE_NODE"}
        assert set(look()) == {"REDIS_LOSS_WINDOW"}
