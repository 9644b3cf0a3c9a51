"""
Somebody who does what the advice says, as it is written, with the command line.
"""

import asyncio
import os
import re
import shlex
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ImportableActorConfig
from nautilus_trader.config import TradingNodeConfig

from nautilus_recovery_actor import Discrepancy
from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import RecoveryPhase as Phase
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import differing
from tests.node.support import heir
from tests.node.support import may_trade
from tests.node.support import watched
from tests.scenes import SYMBOL


TRADER_ID = "TESTER-001"
# A block that does not end after as many steps does not end
_STEPS = 4


def command(*arguments: str) -> int:
    """
    Run a command as an operator does whose environment names the trader and the server.
    """
    assert {"RECOVERY_TRADER", "REDIS_URL"} <= os.environ.keys()
    return main(list(arguments))


def checked() -> TradingNodeConfig:
    """
    Return the configuration of a node of that trader, for `check`.
    """
    server = urlsplit(os.environ["REDIS_URL"])
    monitor = ImportableActorConfig(
        actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
        config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
        config={},
    )
    return TradingNodeConfig(
        trader_id=TRADER_ID,
        cache=CacheConfig(database=DatabaseConfig(host=server.hostname, port=server.port)),
        actors=[monitor],
    )


async def to_node(*arguments: str) -> int:
    """
    Run a command while the node runs.
    """
    return await asyncio.to_thread(command, *arguments)


def commands(advised: Discrepancy) -> list[list[str]]:
    """
    Return the commands that an advice names.
    """
    return [shlex.split(one) for one in re.findall(r"`nautilus-recovery ([^`]+)`", advised.detail)]


def forget(advised: Discrepancy) -> None:
    """
    Take out what the advice names, of a node that is stopped.
    """
    (named,) = (one for one in commands(advised) if one[0] == "forget")
    assert command(*named, "--apply") == 0


@asynccontextmanager
async def operated(
    venue: PaperVenue, valkey: EmbeddedValkey, *strategies: Recorder, **fields: Any
) -> AsyncIterator[Watched]:
    """
    Run a node that an operator can command.
    """
    async with watched(venue, valkey, *strategies, **fields) as node:
        yield node


def found(report: RecoveryReport, *kinds: Kind) -> Discrepancy:
    """
    Return the first difference of these kinds, or of any kind that blocks.
    """
    return next(
        one for one in report.discrepancies if one.is_blocking and (not kinds or one.kind in kinds)
    )


def close_at(venue: PaperVenue) -> None:
    """
    Close all that the venue holds, there.
    """
    for held in venue.state().positions:
        if held.qty:
            venue.place(SYMBOL, "SELL" if held.qty > 0 else "BUY", abs(held.qty), leg=held.leg)


async def follow(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    *,
    is_by_hand: bool = False,
    first: dict[str, Any] | None = None,
    act: Callable[[Watched], Awaitable[Any]] | None = None,
    claims: dict[str, Any] | None = None,
    **fields: Any,
) -> list[str]:
    """
    Do what is advised of whatever blocks, until a node trades, and return what that was.

    The fields of the node in which it arises are in `first`, of those after it in `fields`; `act`
    is what brings it about, if it takes more than a start. If `is_by_hand`, no plan is carried out.
    """
    done: list[str] = []
    settings = {**fields, **(first or {})}
    while True:
        async with operated(venue, valkey, strategy := heir(**(claims or {})), **settings) as node:
            await node.result()
            if act is not None:
                await act(node)
                act = None
            advised = await _on_running_node(node, venue, done, is_by_hand=is_by_hand)
            if advised is None:
                assert await may_trade(node, venue, strategy)
                return done
        forget(advised)
        done.append("forget")
        settings = fields


async def _on_running_node(
    node: Watched, venue: PaperVenue, done: list[str], *, is_by_hand: bool
) -> Discrepancy | None:
    # Return what has to be forgotten, if that is what is left
    while node.terminals[-1].report.blocked_instruments:
        assert len(done) < _STEPS, (done, differing(node.terminals[-1].report))
        advised = found(node.terminals[-1].report)
        named = [one[0] for one in commands(advised)]
        if named[:1] == ["repair"] and not is_by_hand:
            assert await to_node("repair", "--apply") == 0
            done.append("repair")
        elif "forget" in named:
            return advised
        else:
            assert "verify" in named, advised
            if "cancel it" in advised.detail:
                venue.cancel()
                done.append("cancel")
            else:
                assert re.search("close (it|the position)", advised.detail), advised
                close_at(venue)
                done.append("close")
            await verified(node)
    return None


async def verified(node: Watched) -> RecoveryReport:
    """
    Have the venue asked, and return the report of what then has ended.
    """
    await to_node("verify")  # It is refused while a recovery is in progress
    await node.run.until(lambda: node.monitor.phase in (Phase.COMPLETE, Phase.FAILED))
    return node.terminals[-1].report
