"""
How a node keeps its lease, on a real server.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.common.component import Logger

from nautilus_recovery_actor.core.lease import AnotherNodeError
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.link import scripts
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.lease import LeaseKeeper
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.server.stand_ins import listening
from tests.server.stand_ins import never_answers


HEARTBEAT_SECS = 0.1
OWN = Namespace(trader_id="T-1")
KEY = OWN.own_key("recovery:lease")


class Kept(LeaseKeeper):
    """
    A keeper whose standings are noted.
    """

    def __init__(self, url: str) -> None:
        self.standings: list[Standing] = []
        super().__init__(
            Server(url, OWN),
            HEARTBEAT_SECS,
            Logger("lease"),
            lambda: 1,
            lambda lease: self.standings.append(lease.standing),
        )

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(4_000):
            if condition():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("not true in time")


def run(keeper: Kept, scenario: Callable[[asyncio.Task[None]], Any]) -> None:
    async def keeping() -> None:
        task = asyncio.create_task(keeper.keep())
        try:
            await scenario(task)
        finally:
            task.cancel()
            await asyncio.wait({task})
            await keeper._server.close()

    asyncio.run(keeping())


def test_a_node_that_was_built_long_before_it_runs_takes_it_again(valkey: EmbeddedValkey) -> None:
    """Nobody renewed it, and nobody else had it."""
    keeper = Kept(valkey.url)
    keeper.take(may_wait=True)
    valkey.wait_for(lambda client: not client.exists(KEY))
    assert keeper.is_over()

    async def scenario(_: object) -> None:
        await keeper.until(lambda: not keeper.is_over())

    run(keeper, scenario)
    assert keeper.standings == [Standing.HELD, Standing.OVER, Standing.HELD]


def test_what_raises_unexpectedly_closes_the_gates_until_it_works_again(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not passed in silence."""
    keeper = Kept(valkey.url)
    keeper.take(may_wait=True)

    async def scenario(task: asyncio.Task[None]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(scripts, "read_renewal", lambda _: 1 / 0)
            await keeper.until(lambda: keeper.lease.standing is Standing.OVER)
            assert keeper.is_over()
            assert "division by zero" in keeper.lease.problem
        await keeper.until(lambda: not keeper.is_over())
        assert not task.done()

    run(keeper, scenario)


def test_a_task_that_is_canceled_lets_it_run_out(valkey: EmbeddedValkey) -> None:
    """Nobody else closes the gates then."""
    keeper = Kept(valkey.url)
    keeper.take(may_wait=True)

    async def scenario(task: asyncio.Task[None]) -> None:
        taken = keeper.lease.until
        await keeper.until(lambda: keeper.lease.until > taken)  # Renewed
        task.cancel()
        await keeper.until(lambda: keeper.standings[-1] is Standing.OVER)

    run(keeper, scenario)


def test_a_server_that_never_answers_does_not_hold_the_loop(valkey: EmbeddedValkey) -> None:
    """The gates close when it is time."""
    keeper = Kept(valkey.url)
    keeper.take(may_wait=True)

    async def scenario(_: object) -> None:
        longest, last = 0.0, time.monotonic()
        while keeper.lease.standing is not Standing.OVER:
            await asyncio.sleep(0)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert longest < 1.0
        assert keeper.standings == [Standing.HELD, Standing.AWAY, Standing.OVER]

    with listening(never_answers) as port:
        keeper._server = Server(f"redis://127.0.0.1:{port}", OWN)
        run(keeper, scenario)


def test_after_the_end_nothing_is_allowed_and_the_next_one_has_it(valkey: EmbeddedValkey) -> None:
    """In this process too, where two at a time are refused."""
    first, second = Kept(valkey.url), Kept(valkey.url)
    first.take(may_wait=True)
    with pytest.raises(AnotherNodeError, match="in this very process"):
        second.take(may_wait=True)
    first.give_back()
    assert first.is_over()
    second.take(may_wait=True)
    assert not second.is_over()


def test_a_server_that_refuses_leaves_the_gates_closed(valkey: EmbeddedValkey) -> None:
    """And the loop takes it once it is allowed."""
    with valkey.client() as client:
        client.execute_command("ACL", "SETUSER", "node", "on", ">secret", "~*", "+@all", "-eval")
        keeper = Kept(f"redis://node:secret@{valkey.host}:{valkey.port}")
        keeper.take(may_wait=True)
        assert keeper.is_over()
        assert "eval" in keeper.lease.problem

        async def scenario(_: object) -> None:
            client.execute_command("ACL", "SETUSER", "node", "+eval")
            await keeper.until(lambda: not keeper.is_over())

        run(keeper, scenario)
        client.execute_command("ACL", "DELUSER", "node")
