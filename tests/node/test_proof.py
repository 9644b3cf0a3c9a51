"""
What a venue answers when it is asked again, and what the monitor makes of it on a node.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import ClientId

from nautilus_recovery_actor import DiscrepancyKind as Kind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor.node.observing.accounts import connections
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient
from tests import scenes
from tests.node.answers import Script
from tests.node.support import ACCOUNT
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.scenes import SYMBOL


TRADER_ID = "TESTER-001"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(monkeypatch)


def quick(**fields: Any) -> RecoveryMonitorConfig:
    return monitor_config(
        **{"query_retries": 1, "query_timeout_secs": 1.0, "verify_timeout_secs": 2.0, **fields}
    )


async def leave(venue: PaperVenue, valkey: EmbeddedValkey, is_warm: bool) -> None:
    """
    Leave a position of 2 at the venue, and in a warm cache.
    """
    if is_warm:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
    else:
        venue.set_position(SYMBOL, 2, 2000)


def held(node: Watched) -> list[tuple[str, Decimal]]:
    """
    Return who holds what of the instrument.
    """
    return sorted(
        (position.strategy_id.value, position.signed_decimal_qty())
        for position in node.node.cache.positions_open(instrument_id=ETH)
    )


# -- QUESTIONS THAT FAIL --

WARM = pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])


@WARM
@pytest.mark.parametrize("question", ["mass status", "positions", "orders"])
def test_a_question_that_fails_once_costs_a_retry(
    venue: PaperVenue, valkey: EmbeddedValkey, script: Script, question: str, is_warm: bool
) -> None:
    """And blocks nothing."""

    async def scenario() -> None:
        await leave(venue, valkey, is_warm)
        script.asked.clear()
        script.answers[question] = ["raise", "well"]
        async with watched(venue, valkey, heir(), monitor=quick()) as node:
            event = await node.result()
            assert isinstance(event, RecoveryComplete)
            assert event.blocked_instruments == set()
            assert script.asked.count(question) == 2
            (account,) = event.report.accounts
            assert account.answers == 2
            assert account.ts_report is not None
            assert account.ts_proof is not None
            assert account.ts_report < account.ts_proof

    asyncio.run(scenario())


@pytest.mark.parametrize("question", ["mass status", "positions", "orders"])
def test_a_question_that_always_fails_keeps_the_gate_closed(
    venue: PaperVenue, valkey: EmbeddedValkey, script: Script, question: str
) -> None:
    """With the reason, and the strategy keeps what it holds."""
    strategy = heir()

    async def scenario() -> None:
        await leave(venue, valkey, is_warm=True)
        script.answers[question] = ["raise always"]
        config = quick(query_retries=0, verify_timeout_secs=0.3)
        async with watched(venue, valkey, strategy, monitor=config, wait=False) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert held(node) == [("TRADER-001", Decimal(2))]
            assert not strategy.gate.is_open
            (one,) = [one for one in event.report.discrepancies if not one.instrument_id]
            if question == "mass status":  # NautilusTrader does not start
                assert event.reason is FailureReason.RECONCILIATION_FAILED
                assert one.kind is Kind.NO_MASS_STATUS
                return
            assert event.reason is FailureReason.NOT_RECONCILED
            assert one.kind is Kind.UNPROVEN_REPORT
            assert f"no {question}" in one.detail
            assert not await may_trade(node, venue, strategy)

    asyncio.run(scenario())


@pytest.mark.parametrize("question", ["positions", "orders"])
def test_a_question_that_hangs_once_costs_a_retry(
    venue: PaperVenue, script: Script, question: str
) -> None:
    """After its time limit."""

    async def scenario() -> None:
        script.answers[question] = ["hang", "well"]
        async with watched(venue, monitor=quick(query_timeout_secs=0.2)) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.CLEAN
            assert script.asked.count(question) == 2

    asyncio.run(scenario())


def test_a_stop_does_not_wait_for_an_answer(venue: PaperVenue, script: Script) -> None:
    """The epoch ends at once, and nothing comes after its end."""

    async def scenario() -> None:
        script.answers["positions"] = ["hang", "well"]
        async with watched(venue, monitor=quick(query_timeout_secs=15.0)) as node:
            await node.run.until(lambda: "positions" in script.asked)
            assert node.terminals == []
        (event,) = node.terminals
        assert isinstance(event, RecoveryFailed)
        assert event.reason is FailureReason.TIMEOUT
        assert event.message.startswith("Stopped before the recovery was verified")
        assert script.asked.count("positions") == 1

    asyncio.run(scenario())


# -- ANSWERS THAT ARE EMPTY --


# A mass status that leaves out what is held is asked for twice
EMPTY = {"positions": ["empty"]}
TWICE = {"mass positions": ["empty", "empty"]}


@pytest.mark.parametrize(
    ("is_warm", "answers"),
    [
        pytest.param(True, TWICE, id="warm, first"),
        pytest.param(True, EMPTY, id="warm, second"),
        pytest.param(True, TWICE | EMPTY, id="warm, both"),
        pytest.param(False, {"mass positions": ["empty"]}, id="cold, first"),
        pytest.param(False, EMPTY, id="cold, second"),
    ],
)
def test_an_answer_that_is_empty_for_once_comes_right(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    script: Script,
    is_warm: bool,
    answers: dict[str, list[str]],
) -> None:
    """The gate opens on what was seen twice, and with what the venue holds in the cache."""
    strategy = heir()
    owner = "TRADER-001" if is_warm else "EXTERNAL"

    async def scenario() -> None:
        await leave(venue, valkey, is_warm)
        script.answers |= {name: [*said, "well"] for name, said in answers.items()}
        async with watched(venue, valkey, strategy, monitor=quick(query_retries=3)) as node:
            event = await node.result()
            assert isinstance(event, RecoveryComplete)
            assert event.blocked_instruments == set()
            assert [qty for _, qty in held(node)] == [Decimal(2)]
            if is_warm:
                assert held(node) == [(owner, Decimal(2))]
            assert event.report.accounts[0].ts_proof is not None
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


def test_answers_that_never_agree_block_the_instrument(
    venue: PaperVenue, valkey: EmbeddedValkey, script: Script
) -> None:
    """As often as they are asked for; the report has the last two."""
    strategy = heir()

    async def scenario() -> None:
        await leave(venue, valkey, is_warm=True)
        script.answers["positions"] = ["empty", "well"] * 9
        async with watched(venue, valkey, strategy, monitor=quick()) as node:
            event = await node.result()
            assert event.outcome is RecoveryOutcome.DEGRADED
            found = [one for one in event.report.discrepancies if not one.resolved]
            unproven = [one.venue for one in found if one.kind is Kind.UNPROVEN_REPORT]
            assert unproven == ["0, then 2"], found
            assert event.report.accounts[0].ts_proof is None
            assert event.report.accounts[0].answers == 3  # `query_retries` + 1 questions
            assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


# -- CASH ACCOUNTS --

CASH: dict[str, Any] = {"account_type": "CASH"}


@pytest.mark.parametrize("is_answered", [True, False])
def test_the_balances_of_a_cash_account_are_asked_for_again(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, is_answered: bool
) -> None:
    """And one whose venue does not answer that is not proven."""
    asked: list[object] = []
    original = PaperVenueExecutionClient._query_account

    async def query_account(client: PaperVenueExecutionClient, command: Any) -> None:
        asked.append(command)
        if is_answered:
            await original(client, command)

    monkeypatch.setattr(PaperVenueExecutionClient, "_query_account", query_account)
    config = quick(query_retries=0, query_timeout_secs=0.3)

    async def scenario() -> None:
        venue.open_account()
        venue.set_balance(10, currency="ETH")
        async with watched(venue, None, Recorder(), clients=CASH, monitor=config) as node:
            event = await node.result()
            assert asked
            if is_answered:
                assert event.outcome is RecoveryOutcome.CLEAN
            else:
                assert event.reason is FailureReason.NOT_RECONCILED
                (one,) = event.report.discrepancies
                assert "no answer within 0.3 s" in one.detail

    asyncio.run(scenario())


def test_the_balances_of_a_margin_account_are_not_asked_for(venue: PaperVenue) -> None:
    """What it holds is in its positions."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            assert len(venue.commands("QueryBalances")) == 1  # On connecting

    asyncio.run(scenario())


# -- CLIENTS THAT COME BACK --


def test_a_reconnect_closes_the_gate_before_its_mass_status_comes(venue: PaperVenue) -> None:
    """And opens it once that has come, and was proven."""
    strategy = Recorder()
    seen: list[object] = []

    async def scenario() -> None:
        config = quick(query_retries=3, query_timeout_secs=5.0)
        async with watched(venue, None, strategy, monitor=config) as node:
            await node.result()
            node.node.kernel.msgbus.subscribe("reports.execution.PAPER", seen.append)
            venue.set_faults(mass_status_delay_secs=0.7)  # Longer than any settling
            venue.push_mass_status()
            await node.run.until(lambda: not strategy.gate.is_open)
            assert seen == []
            assert node.monitor.phase is RecoveryPhase.RECONCILING
            event = await node.result(2)
            assert len(seen) == 1
            assert event.outcome is RecoveryOutcome.CLEAN
            assert event.report.accounts[0].answers == 2
            assert strategy.gate.is_open

    asyncio.run(scenario())


@pytest.mark.parametrize("is_well_again", [True, False])
def test_a_client_whose_mass_status_fails_has_not_come_back(
    venue: PaperVenue, is_well_again: bool
) -> None:
    """Its account is asked to report once more, and is not reconciled until it does."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=quick()) as node:
            await node.result()
            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            venue.set_faults(query_errors=True)
            venue.push_mass_status()
            await node.run.until(lambda: not strategy.gate.is_open)
            await node.run.until(lambda: client.reconciliation_active)
            if is_well_again:
                venue.set_faults()
            event = await node.result(2)
            assert event.report.accounts[0].is_connected is is_well_again
            assert client.reconciliation_active is not is_well_again
            assert strategy.gate.is_open is is_well_again
            if not is_well_again:
                assert event.reason is FailureReason.NOT_RECONCILED

    asyncio.run(scenario())


def test_a_client_that_has_begun_to_report_and_did_not_end_closes_the_gate(
    venue: PaperVenue,
) -> None:
    """Whoever asked it; until a mass status comes, which the monitor asks for."""
    strategy = Recorder()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=quick(heartbeat_secs=0.05)) as node:
            await node.result()
            client = node.node.kernel.exec_engine._clients[ClientId("PAPER")]
            client.reconciliation_active = True
            await node.run.until(lambda: not strategy.gate.is_open)
            event = await node.result(2)
            assert isinstance(event, RecoveryComplete)
            assert event.blocked_instruments == set()
            assert not client.reconciliation_active
            assert strategy.gate.is_open

    asyncio.run(scenario())


def test_a_client_that_is_just_being_asked_is_connected(venue: PaperVenue) -> None:
    """A mass status that takes its time is no lost connection."""

    async def scenario() -> None:
        async with watched(venue) as node:
            await node.result()
            engine, cache = node.node.kernel.exec_engine, node.node.cache
            assert connections(engine, cache) == {ACCOUNT: True}
            engine._clients[ClientId("PAPER")].reconciliation_active = True
            assert connections(engine, cache) == {ACCOUNT: False}
            assert connections(engine, cache, {"PAPER"}) == {ACCOUNT: True}
            engine._clients[ClientId("PAPER")].reconciliation_active = False

    asyncio.run(scenario())


# -- WHAT SOMEBODY ELSE TRADES MEANWHILE --


class Filled(Recorder):
    """
    A strategy that keeps its fills.
    """

    fills: list[OrderFilled]

    def on_order_filled(self, event: OrderFilled) -> None:
        self.fills = [*getattr(self, "fills", []), event]


def filled_heir() -> Filled:

    return Filled(StrategyConfig(**scenes.TRADER))


@pytest.mark.parametrize(("qty", "rest"), [(1, [Decimal(1)]), (2, []), (3, [Decimal(-1)])])
def test_what_was_traded_by_hand_is_booked_on_the_strategy_and_stays_so(
    venue: PaperVenue, valkey: EmbeddedValkey, qty: int, rest: list[Decimal]
) -> None:
    """The gate closes, opens on the proof, and the strategy gets what NautilusTrader has for it."""
    strategy = filled_heir()

    async def scenario() -> None:
        await leave(venue, valkey, is_warm=True)
        async with watched(venue, valkey, strategy, monitor=quick()) as node:
            await node.result()
            assert strategy.gate.is_open_for(ETH)
            venue.place(SYMBOL, "SELL", qty)
            await node.run.until(lambda: not strategy.gate.is_open)
            event = await node.result(2)
            assert event.report.trigger == "proof"
            assert event.outcome is RecoveryOutcome.ADJUSTED, event.report
            (step,) = event.report.repairs
            assert (step.kind, step.state) == ("merge", "proven")
            assert [qty for _, qty in held(node)] == rest
            assert all(owner == "TRADER-001" for owner, q in held(node) if q > 0)
            moved = min(qty, 2)
            (fill,) = strategy.fills
            assert (fill.order_side.name, fill.last_qty.as_decimal()) == ("SELL", moved)
            assert fill.last_px == Decimal(2000)
            assert strategy.gate.is_open_for(ETH)
        for _ in range(2):
            async with watched(venue, valkey, later := filled_heir(), monitor=quick()) as node:
                event = await node.result()
                assert event.blocked_instruments == set(), event.report
                assert event.outcome is RecoveryOutcome.CLEAN, event.report
                assert [qty for _, qty in held(node)] == rest
                assert not hasattr(later, "fills")

    asyncio.run(scenario())


@pytest.mark.parametrize("fields", [{"shadow": True}, {"corrections": "none"}], ids=str)
def test_nothing_is_moved_where_nothing_may_be_changed(
    venue: PaperVenue, valkey: EmbeddedValkey, fields: dict[str, Any]
) -> None:
    """The two parts stay as NautilusTrader books them, and the report says so."""
    strategy = filled_heir()

    async def scenario() -> None:
        await leave(venue, valkey, is_warm=True)
        async with watched(venue, valkey, strategy, monitor=quick(**fields)) as node:
            await node.result()
            venue.place(SYMBOL, "SELL", 1)
            event = await node.result(2)
            # Without a word, which nobody is asked for in shadow
            planned = [] if "shadow" in fields else [("merge", "planned")]
            assert [(one.kind, one.state) for one in event.report.repairs] == planned
            assert Kind.SPLIT_OWNERSHIP in kinds(event)
            assert held(node) == [("EXTERNAL", Decimal(-1)), ("TRADER-001", Decimal(2))]
            assert not hasattr(strategy, "fills")

    asyncio.run(scenario())


def test_each_slice_of_what_somebody_else_trades_is_booked(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """A liquidation comes in slices, and the next one while the first is proven."""
    strategy = filled_heir()

    async def scenario() -> None:
        await leave(venue, valkey, is_warm=True)
        async with watched(venue, valkey, strategy, monitor=quick()) as node:
            await node.result()
            venue.place(SYMBOL, "SELL", "0.5")
            await node.run.until(lambda: getattr(strategy, "fills", None))
            venue.place(SYMBOL, "SELL", "0.5")
            await node.run.until(lambda: len(strategy.fills) == 2)
            await node.run.until(lambda: strategy.gate.is_open_for(ETH))
            ((_, qty),) = held(node)
            assert qty == 1

    asyncio.run(scenario())
