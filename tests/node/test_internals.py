"""
What the monitor makes of a NautilusTrader in which something that it reaches for is missing.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.common.component import Logger
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.system.kernel import NautilusKernel

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.node import internals
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecutionClient
from tests.node.support import ACCOUNT
from tests.node.support import Recorder
from tests.node.support import differences
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched


EDITS_MASS_STATUS = hasattr(LiveExecutionEngine, "_deduplicate_mass_status_orders")


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[internals.Reach]:
    """
    Return what is logged as missing, in order.
    """
    found: list[internals.Reach] = []
    warn = internals.warn

    def noted(log: Any, reaches: tuple[internals.Reach, ...]) -> None:
        found.extend(reaches)
        warn(log, reaches)

    monkeypatch.setattr(internals, "warn", noted)
    return found


def restored_from_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let the adapter send each mass status through `from_dict`.
    """
    report = PaperVenueExecutionClient.generate_mass_status

    async def restored(client: PaperVenueExecutionClient, *args: Any) -> Any:
        mass_status = await report(client, *args)
        assert mass_status is not None
        return ExecutionMassStatus.from_dict(mass_status.to_dict())

    monkeypatch.setattr(PaperVenueExecutionClient, "generate_mass_status", restored)


def closed_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let no client be given other methods.
    """
    closed = internals.CLIENT_METHODS._replace(is_there=lambda: False)
    others = (one for one in internals.AT_REGISTRATION if one is not internals.CLIENT_METHODS)
    monkeypatch.setattr(internals, "AT_REGISTRATION", (closed, *others))
    monkeypatch.setattr(internals, "are_clients_open", lambda: False)


@pytest.mark.parametrize("take_away", [restored_from_dict, closed_clients])
def test_a_mass_status_that_may_have_been_edited_proves_nothing(
    venue: PaperVenue,
    monkeypatch: pytest.MonkeyPatch,
    warned: list[internals.Reach],
    take_away: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """
    Where the engine edits nothing it is compared as it is, elsewhere nothing of it counts, unless
    it was seen before the engine had it, however its adapter made it.
    """
    venue.place("ETHUSDT-PERP", "BUY", 2)
    take_away(monkeypatch)
    is_closed = take_away is closed_clients

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder()) as node:
            event = await node.result()
            if not (EDITS_MASS_STATUS and is_closed):
                assert event.outcome is RecoveryOutcome.ADJUSTED
                return
            assert event.reason is FailureReason.NOT_RECONCILED
            (found,) = differences(event)
            assert (found.kind, found.account_id) == (DiscrepancyKind.NO_MASS_STATUS, ACCOUNT)
            assert found.is_blocking
            assert "may have edited the mass status of PAPER-001" in found.detail
            (account,) = event.report.accounts
            assert account.ts_report is None
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())
    assert [one.touches for one in warned] == [internals.CLIENT_METHODS.touches] * is_closed


@pytest.mark.skipif(not EDITS_MASS_STATUS, reason="The engine edits no mass status")
def test_a_mass_status_at_run_time_that_may_have_been_edited_closes_the_gate(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the engine made of it is in the cache, and cannot be compared."""
    closed_clients(monkeypatch)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder()) as node:
            assert isinstance(await node.result(), RecoveryComplete)
            venue.place("ETHUSDT-PERP", "BUY", 2)
            engine = node.run.node.kernel.exec_engine
            (client,) = internals.clients(engine) or ()
            engine.reconcile_execution_mass_status(await client.generate_mass_status())
            event = await node.result(2)
            assert event.reason is FailureReason.NOT_RECONCILED
            assert kinds(event) == {DiscrepancyKind.NO_MASS_STATUS}
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


@pytest.mark.parametrize("take_away", ["an unknown list", "code that cannot be read"])
def test_an_engine_that_cannot_be_read_counts_as_one_that_edits(
    monkeypatch: pytest.MonkeyPatch, take_away: str
) -> None:
    """Only an engine that is known to leave a mass status alone is trusted with it."""
    if take_away == "an unknown list":
        monkeypatch.setattr(internals, "_LISTS", frozenset({"_orders", "_fills"}))
    else:
        monkeypatch.setattr(ExecutionMassStatus, "__init__", object.__init__)
    assert internals.edits_mass_status()
    assert internals.MASS_STATUS_LISTS in internals.missing_at_registration()


def test_when_clients_cannot_be_seen_one_that_disconnects_costs_every_account(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, warned: list[internals.Reach]
) -> None:
    """The engine still says whether all of them are connected; of each alone nothing is known."""
    monkeypatch.setattr(internals, "_CLIENTS", "_renamed")
    strategy = Recorder()
    config = monitor_config(heartbeat_secs=0.05, verify_timeout_secs=0.3)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=config) as node:
            event = await node.result()
            (account,) = event.report.accounts
            assert account.is_connected is None
            assert strategy.gate.is_open
            engine: Any = node.node.kernel.exec_engine
            engine._clients[ClientId("PAPER")].disconnect()
            event = await node.result(2)
            assert event.reason is FailureReason.NOT_RECONCILED
            (account,) = event.report.accounts
            assert (account.account_id, account.is_connected) == (ACCOUNT, False)
            assert not strategy.gate.is_open

    asyncio.run(scenario())
    assert warned == [internals.CLIENTS]


def unseen(monkeypatch: pytest.MonkeyPatch, *, has_caller: bool) -> None:
    """
    Give the kernel's start another name, and hide the kernel that calls.
    """
    monkeypatch.setattr(NautilusKernel.start_async, "__name__", "launch")
    if not has_caller:
        monkeypatch.setattr("nautilus_recovery_actor.node.observing.start.calling_kernel", _nobody)


def _nobody() -> None:
    return None


@pytest.mark.parametrize("has_caller", [True, False])
def test_an_aborted_start_that_cannot_be_seen_fails_at_the_deadline(
    venue: PaperVenue,
    monkeypatch: pytest.MonkeyPatch,
    warned: list[internals.Reach],
    has_caller: bool,
) -> None:
    """Nothing is proven meanwhile, and what cannot be seen is logged."""
    unseen(monkeypatch, has_caller=has_caller)
    venue.open_account()
    venue.set_faults(mass_status=MassStatusFault.RAISE)
    config = monitor_config(startup_timeout_secs=1.0)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder(), monitor=config, wait=False) as node:
            event = await node.result()
            assert event.reason is FailureReason.TIMEOUT
            assert not strategy.gate.is_open

    asyncio.run(scenario())
    assert warned == [internals.STARTING_TASK, *([] if has_caller else [internals.CALLING_KERNEL])]


@pytest.mark.parametrize("is_on", [True, False])
@pytest.mark.parametrize("has_caller", [True, False])
def test_whether_a_node_reconciles_is_not_guessed(
    monkeypatch: pytest.MonkeyPatch, has_caller: bool, is_on: bool
) -> None:
    """The kernel that calls says so; without any it counts as switched off until one reports."""
    unseen(monkeypatch, has_caller=has_caller)

    async def scenario() -> None:
        engine = LiveExecEngineConfig(reconciliation=is_on)
        async with watched(None, None, strategy := Recorder(), exec_engine=engine) as node:
            event = await node.result()
            assert strategy.gate.is_open is (is_on and has_caller)
            is_closed = not (is_on and has_caller)
            assert event.report.failure is (FailureReason.NOT_RECONCILED if is_closed else None)

    asyncio.run(scenario())


def test_a_client_that_disconnects_is_noticed_also_when_the_start_could_not_be_seen(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel that calls leads to its clients."""
    unseen(monkeypatch, has_caller=True)
    config = monitor_config(heartbeat_secs=0.05, verify_timeout_secs=0.3)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder(), monitor=config) as node:
            await node.result()
            engine: Any = node.node.kernel.exec_engine
            engine._clients[ClientId("PAPER")].disconnect()
            await node.run.until(lambda: node.monitor.phase is RecoveryPhase.FAILED)
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_nothing_is_missing_here(venue: PaperVenue, warned: list[internals.Reach]) -> None:
    """On a version that this was written for, nothing is logged."""

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            await node.result()

    asyncio.run(scenario())
    assert warned == []


def test_a_line_says_what_is_missing_and_what_it_costs() -> None:
    """One plain line each."""
    line = internals.CLIENTS.line()
    assert "does not have `ExecutionEngine._clients`: " in line
    assert line.endswith("every account must report again when any of them does")


class Deaf:
    """
    A strategy whose start calls the `on_start` of its class.
    """

    def __init__(self) -> None:
        self.log = Logger("Deaf")
        self.is_running = False
        self.calls: list[str] = []

    def on_start(self) -> None:
        self.calls.append("on_start")

    def start(self) -> None:
        self.is_running = True
        type(self).on_start(self)


def test_a_start_that_does_not_look_at_the_instance_is_logged(
    warned: list[internals.Reach],
) -> None:
    """Its orders are numbered too late, which nobody would notice; the strategy starts."""
    deaf: Any = Deaf()
    with internals.called_before_on_start(deaf, lambda: deaf.calls.append("call")):
        deaf.start()
    assert deaf.calls == ["on_start"]
    assert warned == [internals.ON_START]
    assert "on_start" not in vars(deaf)
    with internals.called_before_on_start(deaf, lambda: None):
        pass  # A start that is refused since it runs already
    assert warned == [internals.ON_START]
