"""
What one start of a node ends in.
"""

import asyncio
from collections.abc import Coroutine
from collections.abc import Generator
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.system.kernel import NautilusKernel

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import FillOrigin
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import Severity
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import ACCOUNT
from tests.node.support import ETH
from tests.node.support import Plain
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import differences
from tests.node.support import monitor_config
from tests.node.support import watched


def kinds(event: RecoveryComplete) -> dict[DiscrepancyKind, Severity]:
    return {found.kind: found.severity for found in differences(event)}


def test_with_nothing_to_recover_the_outcome_is_clean_and_the_gate_opens(venue: PaperVenue) -> None:
    """A recovery always ends in a message, also when there was nothing to recover."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            event = await node.result()
            assert isinstance(event, RecoveryComplete)
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.epoch == 1
            assert event.blocked_instruments == frozenset()
            assert [type(m) for m in node.messages] == [RecoveryStarted, RecoveryComplete]
            assert node.monitor.phase is RecoveryPhase.COMPLETE
            assert [a.account_id for a in event.report.accounts] == [ACCOUNT]
            assert strategy.told == ["start", "complete", "enabled"]
            assert strategy.gate.is_open
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            assert order.status_string() == "FILLED"

    asyncio.run(scenario())


def test_an_unclaimed_position_is_warned_of_and_blocks_nothing(venue: PaperVenue) -> None:
    """A position that no strategy claims is adopted by the engine with a synthetic fill."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert kinds(event) == {DiscrepancyKind.UNCLAIMED_POSITION: Severity.WARN}
            assert event.report.fill_counts == {FillOrigin.SYNTHETIC: 1}
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after, change.qty_venue) == (0, 3, 3)

    asyncio.run(scenario())


def test_a_claimed_position_goes_to_its_strategy_before_trading_is_enabled(
    venue: PaperVenue,
) -> None:
    """A position on a claimed instrument belongs to the claiming strategy, which is told of it."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    strategy = Recorder(StrategyConfig(external_order_claims=[ETH], order_id_tag="1"))

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert kinds(event) == {}
            (change,) = event.report.positions
            assert change.strategy_id == strategy.id.value
            assert strategy.told == ["start", "complete", "position", "enabled"]
            (position, exits) = strategy.recovered[0]
            assert position.signed_decimal_qty() == 3
            assert exits == []

    asyncio.run(scenario())


def test_orders_placed_elsewhere_are_external(venue: PaperVenue) -> None:
    """A real fill of an order that this node did not place is EXTERNAL, and so is its position."""
    venue.open_account()
    venue.place("ETHUSDT-PERP", "BUY", 1)

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.report.fill_counts == {FillOrigin.EXTERNAL: 1}
            (fill,) = event.report.fills
            assert (fill.qty, fill.px) == (1, 2000)
            assert event.outcome is RecoveryOutcome.ADJUSTED

    asyncio.run(scenario())


def test_a_resting_order_placed_elsewhere_is_taken_over(venue: PaperVenue) -> None:
    """An open order at the venue that the cache takes over is a change, and equal afterwards."""
    venue.open_account()
    venue.place("ETHUSDT-PERP", "BUY", 1, kind="LIMIT", px=1500)

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert kinds(event) == {}
            assert event.report.accounts[0].orders_open == 1

    asyncio.run(scenario())


def test_a_fill_without_a_fill_report_is_inferred(venue: PaperVenue) -> None:
    """An order that the venue reports filled, without its fills, gives an INFERRED fill."""
    venue.open_account()
    venue.place("ETHUSDT-PERP", "BUY", 1)
    venue.set_faults(hide_fill_reports=True)

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.report.fill_counts == {FillOrigin.INFERRED: 1}
            assert event.outcome is RecoveryOutcome.ADJUSTED

    asyncio.run(scenario())


def test_a_position_on_an_instrument_that_is_not_loaded_is_degraded(venue: PaperVenue) -> None:
    """NautilusTrader skips it and says success; the monitor blocks the instrument."""
    venue.open_account()
    venue.set_position("SOLUSDT-PERP", 5, 100)
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            event = await node.result()
            assert node.run.is_trading  # The native start succeeded
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert event.blocked_instruments == {"SOLUSDT-PERP.PAPER"}
            assert kinds(event) == {DiscrepancyKind.INSTRUMENT_NOT_LOADED: Severity.BLOCK}
            assert strategy.gate.is_open_for(ETH)
            assert not strategy.gate.is_open_for("SOLUSDT-PERP.PAPER")

    asyncio.run(scenario())


def test_a_mismatch_that_the_engine_is_told_to_ignore_is_degraded(venue: PaperVenue) -> None:
    """With `generate_missing_orders=False` the engine ignores a difference and says success."""
    venue.open_account()
    venue.set_position("ETHUSDT-PERP", 3, 1900)

    async def scenario() -> None:
        async with watched(
            venue, exec_engine=LiveExecEngineConfig(generate_missing_orders=False)
        ) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            (found,) = differences(event)
            assert found.kind is DiscrepancyKind.POSITION_QTY_MISMATCH
            assert (Decimal(found.venue), Decimal(found.cache)) == (Decimal(3), Decimal(0))
            assert event.blocked_instruments == {ETH.value}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (MassStatusFault.RAISE, FailureReason.RECONCILIATION_FAILED),
        (MassStatusFault.NONE, FailureReason.RECONCILIATION_FAILED),
        (MassStatusFault.HANG, FailureReason.TIMEOUT),
    ],
)
def test_a_start_that_fails_or_hangs_is_told_once(
    venue: PaperVenue, fault: MassStatusFault, reason: FailureReason
) -> None:
    """The kernel tells nobody that its start failed; the monitor does, within the time set."""
    venue.open_account()
    venue.set_faults(mass_status=fault)
    strategy = Recorder()
    config = monitor_config(startup_timeout_secs=2.0)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config, wait=False) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is reason
            assert event.report.ts_completed is not None
            assert event.report.ts_completed - event.report.ts_started < 3e9
            assert not node.run.is_trading
            assert not strategy.gate.is_open
            assert (strategy.gate.reason() or "").startswith(f"RECOVERY_FAILED: {reason}")
            assert node.monitor.phase is RecoveryPhase.FAILED
            assert len(node.terminals) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("is_allowed", [False, True])
def test_a_node_that_does_not_reconcile_trades_only_if_that_is_allowed(
    venue: PaperVenue, is_allowed: bool
) -> None:
    """`reconciliation=False` proves nothing, so it fails unless the configuration allows it."""
    strategy = Recorder()
    config = monitor_config(allow_unreconciled=is_allowed)
    engine = LiveExecEngineConfig(reconciliation=False)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config, exec_engine=engine) as node:
            event = await node.result()
            assert strategy.gate.is_open is is_allowed
            if is_allowed:
                assert event.outcome is RecoveryOutcome.CLEAN
                assert kinds(event) == {DiscrepancyKind.NO_MASS_STATUS: Severity.WARN}
            else:
                assert event.reason is FailureReason.NOT_RECONCILED
                assert strategy.told == ["start", "failed"]
                assert ACCOUNT in event.message

    asyncio.run(scenario())


def test_a_configured_account_that_never_reports_fails_the_recovery(venue: PaperVenue) -> None:
    """Every account named in the configuration must report, whether the cache knows it or not."""
    config = monitor_config(accounts=[ACCOUNT, "OTHER-001"])

    async def scenario() -> None:
        async with watched(venue, monitor=config) as node:
            event = await node.result()
            assert event.reason is FailureReason.NOT_RECONCILED
            assert "OTHER-001" in event.message

    asyncio.run(scenario())


def test_the_report_can_be_read_before_the_recovery_is_complete(venue: PaperVenue) -> None:
    """`report`, `phase` and `epoch` tell of the current epoch at any time."""
    venue.open_account()
    venue.set_faults(mass_status=MassStatusFault.HANG)

    async def scenario() -> None:
        async with watched(venue, wait=False) as node:
            await node.run.until(lambda: node.messages)
            assert node.monitor.epoch == 1
            assert node.monitor.phase is RecoveryPhase.PENDING
            assert node.monitor.report.outcome is None
            assert node.monitor.report.ts_started > 0
            assert node.terminals == []

    asyncio.run(scenario())


def test_a_plain_strategy_hears_the_result_on_the_bus_and_trades_as_ever(venue: PaperVenue) -> None:
    """A strategy that is not recoverable is not held back, and its orders are no discrepancy."""
    strategy = Plain()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=monitor_config(settle_ms=300)) as node:
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            assert node.terminals == []
            event = await node.result()
            assert event.outcome is not RecoveryOutcome.DEGRADED
            assert differences(event) == []

    asyncio.run(scenario())


def test_the_cache_restored_and_an_unchanged_venue_are_clean(
    venue: PaperVenue, valkey: EmbeddedValkey, capfd: pytest.CaptureFixture[str]
) -> None:
    """A quiet restart with a position and a resting order changes nothing and blocks nothing."""
    first = Recorder()

    async def before() -> None:
        async with watched(venue, valkey, first) as node:
            await node.result()
            first.submit_order(first.market())
            await node.run.until(lambda: first.portfolio.is_net_long(ETH))
            (held,) = node.node.cache.positions_open()
            first.submit_order(stop := first.stop_loss("1900.00"), position_id=held.id)
            await node.run.until(lambda: stop.is_open)

    asyncio.run(before())
    second = Recorder()

    async def after() -> None:
        async with watched(venue, valkey, second) as node:
            event = await node.result()
            assert differences(event) == []
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.epoch == 2
            assert event.report.clean_shutdown is True
            (change,) = event.report.positions
            assert (change.qty_before, change.qty_after, change.qty_venue) == (2, 2, 2)
            (position, exits) = second.recovered[0]
            assert position.signed_decimal_qty() == 2
            assert [order.status_string() for order in exits] == ["ACCEPTED"]

    asyncio.run(after())
    assert "RecoveryMonitorActor" not in capfd.readouterr().out  # Nothing at the level ERROR


@pytest.mark.parametrize("is_on", [True, False])
def test_a_node_without_accounts_is_clean_only_if_it_reconciles(is_on: bool) -> None:
    """Where no account is known, a switched off reconciliation is seen in the kernel itself."""

    async def scenario() -> None:
        engine = LiveExecEngineConfig(reconciliation=is_on)
        async with watched(None, None, strategy := Recorder(), exec_engine=engine) as node:
            event = await node.result()
            assert strategy.gate.is_open is is_on
            assert event.report.failure is (None if is_on else FailureReason.NOT_RECONCILED)

    asyncio.run(scenario())


def test_a_stop_before_the_end_ends_the_epoch(venue: PaperVenue) -> None:
    """Every epoch has one terminal message, also one that the node's stop cut short."""
    found: list[Watched] = []

    async def scenario() -> None:
        config = monitor_config(settle_ms=60_000, on_failure="shutdown")
        async with watched(venue, monitor=config) as node:
            found.append(node)
            assert node.terminals == []

    asyncio.run(scenario())
    (event,) = found[0].terminals
    assert isinstance(event, RecoveryFailed)
    assert event.reason is FailureReason.TIMEOUT
    assert "Stopped before" in event.message


class Hidden:
    """
    Awaits a coroutine so that nobody sees it, as some frameworks do.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, None]:
        return self._coroutine.__await__()


def test_a_start_that_cannot_be_seen_is_not_taken_for_one_given_up(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the start is awaited through something opaque, only the deadline decides."""
    start = NautilusKernel.start_async

    async def started(kernel: NautilusKernel) -> None:
        await Hidden(start(kernel))

    monkeypatch.setattr(NautilusKernel, "start_async", started)
    started.__name__ = "begin"
    venue.open_account()
    venue.set_faults(mass_status_delay_secs=0.8)

    async def scenario() -> None:
        async with watched(venue) as node:
            event = await node.result()
            assert event.report.outcome is RecoveryOutcome.CLEAN

    asyncio.run(scenario())
