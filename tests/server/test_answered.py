"""
Who is canceled while a server is asked stays canceled: a task that goes on would hold up the end.
"""

import asyncio

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.testkit import EmbeddedValkey


TURNS = 60


def test_a_question_that_is_canceled_in_any_turn_ends_canceled(valkey: EmbeddedValkey) -> None:
    async def scenario() -> None:
        server = Server(valkey.url, Namespace(trader_id="T-1"))
        await server.command("PING")
        for turns in range(TURNS):
            task = asyncio.ensure_future(server.command("PING"))
            for _ in range(turns):
                await asyncio.sleep(0)
            was_canceled = task.cancel()
            await asyncio.wait({task})
            assert task.cancelled() is was_canceled, turns
        await server.close()

    asyncio.run(scenario())
