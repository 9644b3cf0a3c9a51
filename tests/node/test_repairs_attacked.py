"""
Repairs on a node whose venue lies, moves, is slow or fails, and whose operators hurry.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core import proving
from nautilus_recovery_actor.core.names import COMMAND_ENDPOINT
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.node.monitor.repairs import Repairs
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient
from tests import scenes
from tests.node.support import ETH
from tests.node.support import Plain
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import heir
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched
from tests.repair.states import IS_1_221
from tests.scenes import SYMBOL


pytestmark = pytest.mark.sampled(1)


def repairing(**fields: Any) -> RecoveryMonitorConfig:
    values = {
        "repair": "auto",
        "prove_interval_secs": 0.2,
        "query_retries": 1,
        "query_timeout_secs": 1.0,
        "verify_timeout_secs": 0.3,
        "heartbeat_secs": 0.2,
        "storm_epochs": 20,
    }
    return monitor_config(**{**values, **fields})


def total(node: Watched) -> Decimal:
    """
    Return what the cache holds of the instrument.
    """
    positions = node.node.cache.positions_open(instrument_id=ETH)
    return sum((one.signed_decimal_qty() for one in positions), Decimal(0))


def owners(node: Watched) -> set[str]:
    return {one.strategy_id.value for one in node.node.cache.positions_open(instrument_id=ETH)}


def realized(node: Watched) -> Decimal:
    """
    Return the PnL that all lives of all positions have realized.
    """
    cache = node.node.cache
    lives = [*cache.positions(), *cache.position_snapshots()]
    found = {(one.id, one.ts_opened, one.ts_closed): one.realized_pnl for one in lives}
    return sum((pnl.as_decimal() for pnl in found.values() if pnl is not None), Decimal(0))


async def hold(node: Watched, strategy: Any, quantity: str = "2.000") -> Order:
    """
    Have the strategy buy, and return its order.
    """
    strategy.submit_order(order := strategy.market(quantity))
    await node.run.until(lambda: order.is_closed)
    return order


def ts_proven(node: Watched) -> int:
    return node.monitor._decisions.recovery.proving.ts_proven or 0


async def at_rest(node: Watched, count: int = 2) -> None:
    """
    Wait until so many proofs hold without an epoch between them.
    """
    held, epoch, last = 0, node.monitor.epoch, ts_proven(node)
    while held < count:
        await node.run.until(
            lambda last=last, epoch=epoch: (  # type: ignore[misc]
                ts_proven(node) > last or node.monitor.epoch > epoch
            )
        )
        held = held + 1 if node.monitor.epoch == epoch and node.monitor.report.outcome else 0
        epoch, last = node.monitor.epoch, ts_proven(node)


# -- A PAST THAT IS NOT TOLD --


@pytest.mark.parametrize("is_hanging", [False, True])
def test_a_past_that_was_not_reported_is_asked_for_again(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, is_hanging: bool
) -> None:
    """Without it nothing is planned. Once it is there all is repaired, and nobody had to ask."""
    monkeypatch.setattr(proving, "_FAILED_PAUSE", 200_000_000)
    asked, fails = [0], [True]
    method = PaperVenueExecutionClient.generate_fill_reports

    async def fill_reports(client: Any, command: Any) -> Any:
        if command.venue_order_id is None and command.instrument_id is not None and fails[0]:
            asked[0] += 1
            if is_hanging:
                await asyncio.Event().wait()
            raise RuntimeError("injected")
        return await method(client, command)

    monkeypatch.setattr(PaperVenueExecutionClient, "generate_fill_reports", fill_reports)
    config = repairing(query_timeout_secs=0.3, prove_interval_secs=30.0)

    async def scenario() -> None:
        async with watched(venue, None, monitor=config, **EXTERNAL_OFF) as node:
            await node.result()
            venue.set_position(SYMBOL, 2, 1900)
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, command("verify"))
            event = await node.result(2)
            assert event.outcome is RecoveryOutcome.DEGRADED
            assert event.report.repairs == ()
            in_epoch = asked[0]
            await node.run.until(lambda: asked[0] >= in_epoch + 4)
            assert node.monitor.epoch == 2  # No gate closes for a question
            fails[0] = False
            event = await node.result(3)
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert total(node) == 2
            assert not node.monitor._decisions.recovery.proving.unexplored

    asyncio.run(scenario())


# -- VENUES THAT LIE --


class Liar:
    """
    Has a client report positions of another quantity, so often.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.venue: PaperVenue | None = None
        self.qty = "0"
        self.left = 0
        method = PaperVenueExecutionClient.generate_position_status_reports

        async def lie(client: Any, asked: Any) -> Any:
            found = await method(client, asked)
            if not self.left:
                return found
            self.left -= 1
            assert self.venue is not None
            self.venue.set_faults(override_positions={SYMBOL: Decimal(self.qty)})
            try:
                return await method(client, asked)
            finally:
                self.venue.set_faults()

        monkeypatch.setattr(PaperVenueExecutionClient, "generate_position_status_reports", lie)

    def lies(self, venue: PaperVenue, qty: str, count: int) -> None:
        self.venue, self.qty, self.left = venue, qty, count


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Liar:
    return Liar(monkeypatch)


@pytest.mark.parametrize("qty", ["0", "3"])
def test_a_lie_told_once_repairs_nothing(venue: PaperVenue, liar: Liar, qty: str) -> None:
    """A proof needs two answers that agree."""
    strategy = heir()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=repairing()) as node:
            await node.result()
            await hold(node, strategy)
            await at_rest(node)
            orders = len(node.node.cache.orders())
            liar.lies(venue, qty, 1)
            await node.run.until(lambda: not liar.left)
            await at_rest(node)
            assert len(node.node.cache.orders()) == orders
            assert len(node.terminals) == 1
            assert total(node) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(("count", "qty"), [(2, "0"), (3, "1"), (6, "-2")])
def test_a_lie_told_more_often_is_corrected_by_the_truth(
    venue: PaperVenue, liar: Liar, qty: str, count: int
) -> None:
    """Wherever it ends: the quantity comes right, without PnL, and the node comes to rest."""
    strategy = heir()

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=repairing()) as node:
            await node.result()
            await hold(node, strategy)
            venue.set_price(SYMBOL, 2100)
            await at_rest(node)
            liar.lies(venue, qty, count)
            await node.run.until(lambda: not liar.left)
            await at_rest(node)
            said = [(m.report.outcome, m.report.failure) for m in node.terminals]
            assert total(node) == 2, said
            assert realized(node) == 0, [str(p) for p in node.node.cache.positions()]
            assert len(node.terminals) <= 5, said
            assert strategy.gate.is_open_for(ETH)
            assert await may_trade(node, venue, strategy)

    asyncio.run(scenario())


@pytest.mark.parametrize(("qty", "claims"), [("0", None), ("1", None), ("-2", None), ("0", [ETH])])
def test_a_lie_that_was_repaired_is_undone(venue: PaperVenue, qty: str, claims: Any) -> None:
    """It lasted until the cache held it; and the next proofs bring back what was."""
    strategy = heir(external_order_claims=claims)

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=repairing()) as node:
            await node.result()
            await hold(node, strategy)
            venue.set_price(SYMBOL, 2100)
            await at_rest(node)
            venue.set_faults(override_positions={SYMBOL: Decimal(qty)})
            await node.result(2)
            await at_rest(node, 1)
            assert total(node) == Decimal(qty)
            assert realized(node) == 0, [str(p) for p in node.node.cache.positions()]
            venue.set_faults()
            await node.run.until(lambda: total(node) == 2)
            await at_rest(node)
            said = [(m.report.outcome, m.report.failure) for m in node.terminals]
            assert total(node) == 2, said
            assert realized(node) == 0, [str(p) for p in node.node.cache.positions()]
            assert len(node.terminals) <= 6, said
            if IS_1_221 and not claims and qty in ("0", "1"):
                # Its engine takes up what is reported anew before anything can be planned
                assert "INTERNAL-DIFF" in owners(node)
                return
            assert owners(node) == {"TRADER-001"}
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


# -- VENUES THAT MOVE --


def between(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], Awaitable[None]]) -> list[str]:
    """
    Have something happen once, between the first plan and its first step.
    """
    done: list[str] = []
    carry_out = Repairs.carry_out

    async def moved(repairs: Repairs, steps: Any) -> Any:
        if not done:
            done.append("moved")
            await happen()
        made = await carry_out(repairs, steps)
        done.append(made[1] or "made")
        return made

    monkeypatch.setattr(Repairs, "carry_out", moved)
    return done


def test_a_fill_that_comes_before_the_step_has_it_planned_anew(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is for what was held, and not for what is held by now."""
    strategy = heir(external_order_claims=[ETH])

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=repairing(), **EXTERNAL_OFF) as node:
            await node.result()
            await hold(node, strategy)
            strategy.submit_order(resting := strategy.limit("1500.00"))
            await node.run.until(lambda: resting.is_open)
            await at_rest(node)

            async def fill() -> None:
                venue.fill(str(resting.client_order_id))
                await node.run.until(lambda: resting.is_closed)

            done = between(monkeypatch, fill)
            venue.set_position(SYMBOL, 1, 2000)  # And 2 after the fill
            await node.run.until(lambda: len(done) >= 3)
            assert "by now, and not" in done[1]
            await at_rest(node)
            assert total(node) == 2
            assert realized(node) == 0
            assert strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


# -- OPERATORS --


async def drifted(node: Watched, venue: PaperVenue) -> Any:
    """
    Have the venue hold what the cache does not, and return the recovery that has planned that.
    """
    await node.result()
    venue.set_position(SYMBOL, 2, 1900)
    await node.run.until(
        lambda: planned(node.monitor.report.repairs) and node.monitor.report.outcome
    )
    return node.monitor.report


EXTERNAL_OFF: dict[str, Any] = {
    "exec_engine": LiveExecEngineConfig(reconciliation=True, generate_missing_orders=False)
}


def test_a_plan_is_carried_out_once_whoever_applies_it_how_often(venue: PaperVenue) -> None:
    """All others are refused, in one line; in the epoch, after it, and for what has no plan."""

    async def scenario() -> None:
        config = repairing(repair="ask")
        async with watched(venue, None, monitor=config, **EXTERNAL_OFF) as node:
            report = await drifted(node, venue)
            given = plan_id(planned(report.repairs))
            answers = node.answers

            def apply(operator: str, instrument_id: str = "", of: str = given) -> None:
                asked = command("repair", instrument_id, plan_id=of, operator=operator)
                node.node.kernel.msgbus.send(COMMAND_ENDPOINT, asked)

            apply("eve@desk", of="0123456789ab")
            apply("eve@desk", "BTCUSDT-PERP.PAPER")
            apply("ann@desk")
            apply("bob@desk")
            apply("ann@desk")
            await node.run.until(lambda: total(node) == 2)
            await at_rest(node)
            apply("bob@desk")
            assert [one.is_accepted for one in answers] == [False, False, True, *[False] * 3]
            assert all("\n" not in one.text for one in answers)
            assert "another by now" in answers[0].text
            assert "No repair is planned for BTCUSDT-PERP.PAPER" in answers[1].text
            assert "has not completed" in answers[3].text
            assert "No repair is planned" in answers[5].text
            assert len(node.node.cache.orders()) == 1
            assert total(node) == 2
            approval = node.terminals[-1].report.approval
            assert approval is not None
            assert approval.operator == "ann@desk"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"repair": "off"}, 'set `repair` to "ask"'), ({"shadow": True}, "`shadow`")],
)
def test_a_node_that_repairs_nothing_says_so(
    venue: PaperVenue, fields: dict[str, Any], why: str
) -> None:
    """And how to change that."""

    async def scenario() -> None:
        async with watched(venue, None, monitor=repairing(**fields), **EXTERNAL_OFF) as node:
            await node.result()
            answers = node.answers
            asked = command("repair", plan_id="0123456789ab")
            node.node.kernel.msgbus.send(COMMAND_ENDPOINT, asked)
            (one,) = answers
            assert not one.is_accepted
            assert why in one.text

    asyncio.run(scenario())


# -- STRATEGIES --


class Eager(Recorder):
    """
    Trades on whatever happens to its position.
    """

    is_eager = False

    def _trade(self, _: object) -> None:
        if self.is_eager:
            self.submit_order(self.market("1.000"))

    on_order_filled = on_position_changed = on_position_closed = on_position_opened = _trade


@pytest.mark.parametrize("qty", [0, 1, 3])
def test_what_strategies_send_on_the_events_of_a_repair_is_denied(
    venue: PaperVenue, qty: int
) -> None:
    """The gate is closed until what was repaired is proven."""
    strategy = Eager(StrategyConfig(**scenes.TRADER, external_order_claims=[ETH]))

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=repairing()) as node:
            await node.result()
            await hold(node, strategy)
            await at_rest(node)
            sent = venue.submitted()
            strategy.is_eager = True
            venue.set_position(SYMBOL, qty, 2000)
            await node.run.until(lambda: total(node) == qty)
            await at_rest(node)
            assert strategy.denied
            assert venue.submitted() == sent
            assert total(node) == qty

    asyncio.run(scenario())


# -- NODES THAT STOP OR BREAK --


@pytest.mark.parametrize("is_stop", [True, False], ids=["stop", "raise"])
def test_a_repair_that_is_cut_off_is_taken_up_by_the_next_start(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch, is_stop: bool
) -> None:
    """The epoch fails with the gate closed, and the next node comes right."""
    do = Repairs._do
    begun: list[str] = []

    async def cut_off(repairs: Repairs, step: Any, operation: Any) -> None:
        await do(repairs, step, operation)
        begun.append(type(operation).__name__)
        if not is_stop:
            raise RuntimeError("the executor broke")
        await asyncio.Event().wait()

    strategy = heir(external_order_claims=[ETH])

    async def scenario() -> None:
        async with watched(venue, valkey, strategy, monitor=repairing(), **EXTERNAL_OFF) as node:
            await node.result()
            await hold(node, strategy)
            await at_rest(node)
            monkeypatch.setattr(Repairs, "_do", cut_off)
            venue.set_position(SYMBOL, 1, 2000)
            await node.run.until(lambda: begun)
            if not is_stop:
                await node.result(2)
            assert not strategy.gate.is_open
        event = node.terminals[1]
        assert isinstance(event, RecoveryFailed)
        reason = FailureReason.TIMEOUT if is_stop else FailureReason.INTERNAL_ERROR
        assert event.reason is reason
        assert len(begun) == 1
        monkeypatch.setattr(Repairs, "_do", do)
        later = heir(external_order_claims=[ETH])
        async with watched(venue, valkey, later, monitor=repairing(), **EXTERNAL_OFF) as node:
            event = await node.result()
            assert isinstance(event, RecoveryComplete)
            await at_rest(node)
            assert total(node) == 1
            assert later.gate.is_open_for(ETH)

    asyncio.run(scenario())


def test_an_epoch_that_breaks_leaves_no_repair_behind(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was planned in it is not carried out once it has failed."""
    released = asyncio.Event()
    begun: list[str] = []
    check = Repairs.carry_out

    async def slow(repairs: Repairs, steps: Any) -> Any:
        begun.append("begun")
        await released.wait()
        begun.append("made")
        return await check(repairs, steps)

    async def scenario() -> None:
        async with watched(venue, None, monitor=repairing(), **EXTERNAL_OFF) as node:
            await node.result()
            monkeypatch.setattr(Repairs, "carry_out", slow)
            venue.set_position(SYMBOL, 2, 1900)
            await node.run.until(lambda: begun)
            node.monitor._decisions.break_off("trying", RuntimeError("broken"))
            event = await node.result(2)
            assert event.reason is FailureReason.INTERNAL_ERROR
            released.set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert begun == ["begun"]
            assert total(node) == 0

    asyncio.run(scenario())


# -- CONFIGURATIONS --


def test_a_plain_strategy_that_claims_is_given_nothing(venue: PaperVenue) -> None:
    """It is adopted under nobody, also where the engine leaves out what nobody claims."""
    strategy = Plain(StrategyConfig(**scenes.TRADER, external_order_claims=[ETH]))
    engine = LiveExecEngineConfig(
        reconciliation=True, generate_missing_orders=False, filter_unclaimed_external_orders=True
    )

    async def scenario() -> None:
        async with watched(venue, None, strategy, monitor=repairing(), exec_engine=engine) as node:
            await node.result()
            venue.set_position(SYMBOL, 2, 1900)
            await node.run.until(lambda: total(node) == 2)
            await at_rest(node)
            assert owners(node) == {"EXTERNAL"}
            assert node.terminals[-1].outcome is RecoveryOutcome.ADJUSTED

    asyncio.run(scenario())
