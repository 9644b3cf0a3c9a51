"""
Wrong states that other venues bring about: one that says nothing of what is flat, one whose
positions have legs, and one with wallets instead of positions.
"""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nautilus_trader.config import StrategyConfig

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.repair.holdings import Holdings
from tests.repair.holdings import holdings
from tests.restart import okx_node
from tests.restart.okx import Restart
from tests.scenes import SYMBOL
from tests.scenes_exits import killed_holding


Settings = dict[str, Any]

OTHER = "BTCUSDT-PERP"
_POLL_SECS = 0.05


@dataclass(frozen=True)
class Came:
    """What a node came to: its report, what its cache holds by instrument, and what is closed."""

    report: RecoveryReport
    holdings: dict[str, Holdings]
    closed_gates: frozenset[str]

    @property
    def kinds(self) -> set[str]:
        """What differs and blocks."""
        return {
            found.kind.value
            for found in self.report.discrepancies
            if found.severity.value == "BLOCK" and not found.resolved
        }

    def qty(self, instrument_id: str) -> list[Decimal]:
        """Return the open positions of an instrument, by size."""
        return sorted(one.qty for one in self.holdings[instrument_id].open_positions)


async def _settled(
    monitor: RecoveryMonitorActor, is_right: Callable[[], bool], wait_secs: float = 5.0
) -> None:
    # A repair comes after the report of what is wrong
    deadline = asyncio.get_running_loop().time() + wait_secs
    while not (monitor.phase is RecoveryPhase.COMPLETE and is_right()):
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(_POLL_SECS)


# -- A VENUE THAT SAYS NOTHING OF WHAT IS FLAT, AND ONE WITH LEGS --


def holder(**fields: Any) -> Recorder:
    """Return the strategy that `killed_holding` leaves behind."""
    return Recorder(
        StrategyConfig(
            strategy_id="HOLDER", order_id_tag="001", external_order_claims=[ETH], **fields
        )
    )


def gone_in_silence(
    venue: PaperVenue, valkey: EmbeddedValkey, *, has_stop: bool, reports: bool
) -> None:
    """
    Kill a node that is LONG 2 with a stop, close that from a phone, and let the history lack it.

    With `reports` the account holds something else, so that it is known to report positions.
    """
    if reports:
        venue.set_price(OTHER, 50_000)
        venue.set_position(OTHER, 1, 50_000)
    killed_holding(venue, valkey, "BUY 2", "SELL 2 STOP 1900")
    since = venue.mark()
    venue.place(SYMBOL, "SELL", 2)
    if not has_stop:
        venue.cancel(*(one.venue_order_id for one in venue.state().orders if one.state.is_open))
    venue.set_faults(lose_fills_since=since, silent_when_flat=True)


async def paper_start(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    strategy: Recorder,
    *,
    oms_type: str = "NETTING",
    wait_secs: float = 0.0,
    settings: Settings | None = None,
) -> Came:
    """Start a node with these settings, and say what it came to, in so long if it is degraded."""
    async with watched(
        venue,
        valkey,
        strategy,
        monitor=monitor_config(query_retries=1, **(settings or {})),
        clients={"oms_type": oms_type},
        wait=False,
    ) as node:
        event = await node.result()
        if wait_secs:
            monitor = node.monitor
            await _settled(monitor, lambda: monitor.report.outcome != "DEGRADED", wait_secs)
        return Came(
            node.monitor.report if wait_secs else event.report,
            {str(ETH): holdings(node.node, str(ETH))},
            frozenset({str(ETH)}) if strategy.gate.reason(str(ETH)) else frozenset(),
        )


# -- WALLETS --


async def spot_start(
    restart: Restart,
    *,
    reports_wallet: bool = False,
    waits_for: dict[str, Decimal] | None = None,
    settings: Settings | None = None,
) -> Came:
    """
    Start a node on the wallet of a restart, with what its server holds now.

    `waits_for` says which positions a repair is to make.
    """
    made = _spot_node(restart, settings or {}, reports_wallet=reports_wallet)
    async with made as (node, monitor, strategies):
        ids = {name: str(okx_node.instrument_id(name)) for name in restart.instruments}

        def held() -> dict[str, Decimal]:
            positions = node.cache.positions_open()
            return {str(one.instrument_id.symbol): one.signed_decimal_qty() for one in positions}

        if waits_for is not None:
            await _settled(monitor, lambda: held() == waits_for)
        return Came(
            monitor.report,
            {each: holdings(node, each) for each in ids.values()},
            frozenset(ids[name] for name, one in strategies.items() if one.gate.reason(ids[name])),
        )


@asynccontextmanager
async def _spot_node(
    restart: Restart, settings: Settings, *, reports_wallet: bool
) -> AsyncIterator[tuple[Any, Any, dict[str, Any]]]:
    node, monitor, strategies = okx_node.build(
        restart.venue.port,
        restart.valkey.port,
        instruments=list(restart.instruments),
        claimed=restart.claimed,
        monitored=True,
        reports_wallet=reports_wallet,
        settings=settings,
    )
    async with running(node, wait=False):
        await okx_node.come_back(node, strategies)
        yield node, monitor, strategies


def restore(restart: Restart) -> None:
    """Have the server hold what it held when the node was killed."""
    restart.valkey.flush()
    with restart.valkey.client() as client:
        for key, value in restart.stored.items():
            client.restore(key, 0, value)
