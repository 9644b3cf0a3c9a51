"""
What stands between client and engine asks again, and for what is missing (long: all that can fail).
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import GeneratePositionStatusReports
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.objects import Price

from nautilus_recovery_actor import Correction
from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core import corrections
from nautilus_recovery_actor.core.names import EXEC_ENGINE_RECONCILE
from nautilus_recovery_actor.node.evidence import seam
from nautilus_recovery_actor.node.evidence.known import KnownToCache
from nautilus_recovery_actor.node.evidence.reports import reads
from nautilus_recovery_actor.node.evidence.reports import rebuilt
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit.events import account_balance
from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient
from tests import scenes
from tests.facts.support import ADJUSTS_FILLS
from tests.facts.support import EDITS_MASS_STATUS
from tests.node.seams import FILLS
from tests.node.seams import MASS_STATUS
from tests.node.seams import ORDER
from tests.node.seams import ORDERS
from tests.node.seams import POSITIONS
from tests.node.seams import answering
from tests.node.seams import client_of
from tests.node.seams import corrections_of
from tests.node.seams import positions_in
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import heir
from tests.node.support import kinds
from tests.node.support import may_trade
from tests.node.support import monitor_config
from tests.node.support import watched


TRADER_ID = "TESTER-001"
TOPIC = "reports.execution.PAPER"
SOON = monitor_config(query_retries=1)
NATIVELY = monitor_config(corrections="none", query_retries=1)
IN_SHADOW = monitor_config(shadow=True, query_retries=1)
GIVES_UP = monitor_config(query_timeout_secs=0.2, query_retries=1)

Question = Callable[[], Awaitable[Any]]


def times(number: int, fault: Callable[[], Any]) -> Any:
    """
    Return an answer that is a fault that often, and then right.
    """

    async def answer(asked: int, question: Question) -> Any:
        return fault() if asked <= number else await question()

    return answer


def raises() -> None:
    """
    Raise as an adapter does whose venue is out of order.
    """
    raise ConnectionError("502")


# -- A CLIENT THAT DOES NOT ANSWER -----------------------------------------------------------------


@pytest.mark.parametrize("fault", [raises, lambda: None])
def test_a_client_that_fails_once_costs_a_retry(
    venue: PaperVenue, fault: Callable[[], None]
) -> None:
    """Natively the start would be over."""
    venue.set_position("ETHUSDT-PERP", 2, 1900)

    async def scenario() -> None:
        strategy = heir(external_order_claims=[ETH])
        with answering(MASS_STATUS, times(1, fault)) as asked:
            async with watched(venue, None, strategy, monitor=SOON) as node:
                event = await node.result()
                assert event.outcome is RecoveryOutcome.ADJUSTED
                assert await may_trade(node, venue, strategy)
        assert len(asked) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", [raises, lambda: None])
def test_a_client_that_always_fails_opens_no_gate(
    venue: PaperVenue, fault: Callable[[], None]
) -> None:
    """It is asked as often as configured, and the engine gets nothing."""

    async def scenario() -> None:
        strategy = Recorder()
        with answering(MASS_STATUS, times(1000, fault)) as asked:
            async with watched(venue, None, strategy, monitor=SOON, wait=False) as node:
                event = await node.result()
                assert isinstance(event, RecoveryFailed)
                assert event.reason is FailureReason.RECONCILIATION_FAILED
                assert not strategy.gate.is_open
        assert len(asked) == 2

    asyncio.run(scenario())


def test_a_client_that_hangs_is_waited_for_in_time(venue: PaperVenue) -> None:
    """Natively it is waited for without end."""
    venue.set_faults(mass_status="HANG")

    async def scenario() -> None:
        strategy = Recorder()
        async with watched(venue, None, strategy, monitor=GIVES_UP, wait=False) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.RECONCILIATION_FAILED
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_a_client_that_hangs_once_is_asked_again(venue: PaperVenue) -> None:
    """The first question is given up."""

    async def answer(asked: int, question: Question) -> Any:
        if asked == 1:
            await asyncio.Event().wait()
        return await question()

    async def scenario() -> None:
        strategy = Recorder()
        with answering(MASS_STATUS, answer) as asked:
            async with watched(venue, None, strategy, monitor=GIVES_UP) as node:
                assert (await node.result()).outcome is RecoveryOutcome.CLEAN
                assert strategy.gate.is_open
        assert len(asked) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("is_exception", [True, False])
@pytest.mark.parametrize("name", [POSITIONS, ORDERS, FILLS])
@pytest.mark.parametrize("number", [1, 1000])
def test_an_error_that_an_adapter_swallows_is_none_of_its_answers(
    venue: PaperVenue, name: str, number: int, is_exception: bool
) -> None:
    """It answers with an empty list, and has logged why: asked again, or not believed."""
    venue.place("ETHUSDT-PERP", "BUY", 2)
    own = getattr(PaperVenueExecutionClient, name)

    async def scenario() -> None:
        asked: list[Any] = []

        async def answer(client: Any, command: Any) -> Any:
            asked.append(command)
            if len(asked) > number:
                return await own(client, command)
            if is_exception:
                client._log.exception("Failed to generate reports", ConnectionError("502"))
            else:
                client._log.error("Failed to generate reports: 502")
            return []

        strategy = heir(external_order_claims=[ETH])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PaperVenueExecutionClient, name, answer)
            async with watched(venue, None, strategy, monitor=SOON) as node:
                event = await node.result()
                if number == 1:
                    assert event.outcome is RecoveryOutcome.ADJUSTED
                    assert positions_in(node.node.cache)[0][2] == 2
                    assert strategy.gate.is_open
                else:
                    assert isinstance(event, RecoveryFailed)
                    assert event.reason is FailureReason.NOT_RECONCILED
                    assert not strategy.gate.is_open

    asyncio.run(scenario())


# -- WHAT A MASS STATUS LEAVES OUT -----------------------------------------------------------------


@pytest.mark.parametrize("monitor", [SOON, NATIVELY])
def test_a_mass_status_without_what_was_just_held_is_asked_again(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: Any
) -> None:
    """The position is there at the second asking, as it was before the restart."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        with answering(POSITIONS, times(1, list)), answering(MASS_STATUS, times(0, list)) as asked:
            async with watched(venue, valkey, heir(), monitor=monitor) as node:
                event = await node.result()
                assert event.outcome is RecoveryOutcome.CLEAN
                assert [qty for *_, qty, _ in positions_in(node.node.cache)] == [2]
        assert len(asked) == 2

    asyncio.run(scenario())


def test_a_position_that_reported_trades_have_closed_is_not_asked_for_again(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It is left out because it is not there."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", "@1500")
        venue.place("ETHUSDT-PERP", "SELL", 2)
        with answering(MASS_STATUS, times(0, list)) as asked:
            strategy = heir(external_order_claims=[ETH])
            async with watched(venue, valkey, strategy, monitor=SOON) as node:
                await node.result()
        assert len(asked) == 1

    asyncio.run(scenario())


def without(name: str, orders: list[str]) -> Any:
    """
    Return an answer without the orders of these client order IDs.
    """

    async def answer(_: int, question: Question) -> Any:
        return [each for each in await question() if str(each.client_order_id) not in orders]

    return answering(name, answer)


@contextmanager
def of_orders_alone() -> Iterator[None]:
    """
    Have clients report the trades only of the order that they are asked for.
    """
    own = PaperVenueExecutionClient.generate_fill_reports

    async def answer(client: Any, command: Any) -> Any:
        return [] if command.venue_order_id is None else await own(client, command)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PaperVenueExecutionClient, FILLS, answer)
        yield


@pytest.mark.parametrize("is_filled", [False, True])
def test_an_order_that_is_left_out_is_asked_for_by_itself(
    venue: PaperVenue, valkey: EmbeddedValkey, is_filled: bool
) -> None:
    """Natively a stop would be taken for gone, and what filled it made up."""

    async def scenario() -> None:
        ids = await scenes.leave_trades(venue, valkey, TRADER_ID, "@1500", client=None)
        if is_filled:
            venue.fill(ids[0], px=1500)
        with without(ORDERS, ids), of_orders_alone(), answering(ORDER, times(0, list)) as asked:
            strategy = heir(external_order_claims=[ETH])
            async with watched(venue, valkey, strategy, monitor=SOON) as node:
                event = await node.result()
                (order,) = node.node.cache.orders()
                assert order.status_string() == ("FILLED" if is_filled else "ACCEPTED")
                trades = [fill.trade_id for fill in venue.state().fills]
                assert [each.value for each in order.trade_ids] == trades
                outcome = RecoveryOutcome.ADJUSTED if is_filled else RecoveryOutcome.CLEAN
                assert event.outcome is outcome
                found = [m for m in event.report.corrections if m.name is Correction.ORDER_ASKED]
                assert [(made.instrument_id, made.count, made.detail) for made in found] == [
                    (ETH.value, 1, ids[0])
                ]
                assert await may_trade(node, venue, strategy)
        assert ids[0] in {each.client_order_id.value for each in asked}

    asyncio.run(scenario())


def test_an_order_of_which_only_the_price_has_changed_gets_it(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    An engine that edits what it is given leaves it out, as if nothing had changed. The other one
    does not look at the prices of what rests, so the order stays blocked there.
    """

    async def answer(_: int, question: Question) -> Any:
        changed = {"price": Price.from_str("1510.00")}
        return [rebuilt(report, changed) for report in await question()]

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "@1500")
        with answering(ORDERS, answer):
            strategy = heir()
            async with watched(venue, valkey, strategy, monitor=SOON) as node:
                event = await node.result()
                (order,) = node.node.cache.orders()
                if EDITS_MASS_STATUS:
                    assert order.price == Price.from_str("1510.00")
                    assert event.outcome is RecoveryOutcome.ADJUSTED
                    assert strategy.gate.is_open_for(ETH)
                else:
                    assert order.price == Price.from_str("1500.00")
                    assert kinds(event) == {DiscrepancyKind.ORDER_MISMATCH}
                    assert not strategy.gate.is_open_for(ETH)

    asyncio.run(scenario())


# -- WHO REPORTS -----------------------------------------------------------------------------------


def test_accounts_are_those_that_the_reports_name(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some adapters report under another account ID than their client's; the engine applies it."""
    other = AccountId("PAPER-777")

    async def answer(_: int, question: Question) -> Any:
        return [rebuilt(report, {"account_id": other}) for report in await question()]

    async def left_out_once(asked: int, question: Question) -> Any:
        return [] if asked == 1 else await question()

    own = PaperVenueExecutionClient._apply_balances

    def apply_balances(client: Any, event: Any) -> None:
        own(client, event)
        state = AccountState(
            account_id=other,
            account_type=AccountType.MARGIN,
            base_currency=None,
            reported=True,
            balances=[account_balance(each) for each in event.balances],
            margins=[],
            info={},
            event_id=UUID4(),
            ts_event=event.ts,
            ts_init=client._clock.timestamp_ns(),
        )
        client._msgbus.send("Portfolio.update_account", state)

    monkeypatch.setattr(PaperVenueExecutionClient, "_apply_balances", apply_balances)

    async def restart(*strategies: Recorder) -> tuple[Any, Any]:
        async with watched(venue, valkey, *strategies, monitor=SOON) as node:
            event = await node.result()
            (position,) = node.node.cache.positions_open()
            assert position.account_id == other
            assert position.signed_decimal_qty() == 2
            (seen,) = node.monitor._seam._seen.values()
            found = reads(seen, 0, 0)
            assert [
                (account_id, len(read().orders), read().fills, len(read().positions))
                for account_id, read in found.items()
            ] == [("PAPER-001", 0, 0, 0), ("PAPER-777", 1, 1, 1)]
            return event, {a.account_id: a for a in event.report.accounts}

    async def scenario() -> None:
        venue.place("ETHUSDT-PERP", "BUY", 2)
        with answering(POSITIONS, answer), answering(ORDERS, answer), answering(FILLS, answer):
            for outcome in (RecoveryOutcome.ADJUSTED, RecoveryOutcome.CLEAN):
                event, accounts = await restart(heir(external_order_claims=[ETH]))
                assert event.outcome is outcome
                assert accounts.keys() == {"PAPER-001", "PAPER-777"}
                assert event.blocked_instruments == set()
            (change,) = event.report.positions
            assert (change.account_id, change.qty_venue) == ("PAPER-777", 2)
            # What is left out of another account's is asked for again too
            with answering(POSITIONS, left_out_once), answering(MASS_STATUS, times(0, list)) as n:
                event, _ = await restart(heir(external_order_claims=[ETH]))
                assert event.outcome is RecoveryOutcome.CLEAN
            assert len(n) == 2

    asyncio.run(scenario())


# -- NOTHING CORRECTED -----------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", [NATIVELY, IN_SHADOW])
def test_where_nothing_is_corrected_the_engine_gets_what_the_adapter_made(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: Any
) -> None:
    """The very objects, at the start and later."""
    made: list[Any] = []

    async def answer(_: int, question: Question) -> Any:
        made.append(await question())
        return made[-1]

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", "@1500")
        seen: list[Any] = []
        with answering(MASS_STATUS, answer):
            async with watched(venue, valkey, heir(), monitor=monitor) as node:
                node.node.kernel.msgbus.subscribe(TOPIC, seen.append)
                published = list(node.monitor._seam._seen.values())
                assert [each.given is made[0] for each in published] == [True]
                event = await node.result()
                assert event.report.corrections == ()
                venue.push_mass_status()
                await node.run.until(lambda: seen)
                assert seen[-1] is made[-1]
                assert node.monitor._seam.reports(made[-1]).later == []

        with answering(POSITIONS, answer):
            async with watched(venue, valkey, heir(), monitor=monitor) as node:
                await node.result()
                for instrument_id in (None, ETH):
                    told = await client_of(node).generate_position_status_reports(
                        GeneratePositionStatusReports(instrument_id, None, None, UUID4(), 0)
                    )
                    assert told is made[-1]
            nothing: list[Any] = []
            with answering(POSITIONS, times(1000, lambda: nothing)) as asked:
                ask = GeneratePositionStatusReports(None, None, None, UUID4(), 0)
                async with watched(venue, valkey, heir(), monitor=monitor) as node:
                    await node.result()
                    before = len(asked)
                    told = await client_of(node).generate_position_status_reports(ask)
                    assert told is nothing
                    assert len(asked) == before + 1

    asyncio.run(scenario())


def test_a_torn_order_is_forgotten_also_where_nothing_is_corrected(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Natively each start would end with it."""

    async def scenario() -> None:
        ids = await scenes.leave_trades(venue, None, TRADER_ID, "@1500")  # type: ignore[arg-type]
        with valkey.client() as client:
            client.hset(f"trader-{TRADER_ID}:index:order_position", ids[0], "P-1")
        for monitor in (NATIVELY, SOON):
            strategy = heir(external_order_claims=[ETH])
            async with watched(venue, valkey, strategy, monitor=monitor) as node:
                event = await node.result()
                assert isinstance(event, RecoveryComplete)
                (order,) = node.node.cache.orders()
                assert (order.client_order_id.value, order.status_string()) == (ids[0], "ACCEPTED")

    asyncio.run(scenario())


# -- EVERY FILL TWICE ------------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", [SOON, NATIVELY])
def test_fills_that_are_reported_twice_are_booked_once(
    venue: PaperVenue, valkey: EmbeddedValkey, monitor: Any
) -> None:
    """An engine that adjusts fills makes up an opposite one, where that is not corrected."""
    is_wrong = ADJUSTS_FILLS and monitor is NATIVELY

    async def scenario() -> None:
        await scenes.long_with_every_fill_reported_twice(venue, valkey, TRADER_ID)
        strategy = heir(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy, monitor=monitor) as node:
            event = await node.result()
            held = [qty for *_, qty, _ in positions_in(node.node.cache)]
            assert held == ([] if is_wrong else [2])
            outcome = RecoveryOutcome.DEGRADED if is_wrong else RecoveryOutcome.CLEAN
            assert event.outcome is outcome
            is_corrected = monitor is SOON
            assert (Correction.DUPLICATE_FILL in corrections_of(event.report)) is is_corrected
            assert await may_trade(node, venue, strategy) is not is_wrong

    asyncio.run(scenario())


# -- SEVERAL NODES, AND THE END --------------------------------------------------------------------


def test_nodes_side_by_side_correct_each_for_itself() -> None:
    """Of one process, one of them not at all, and the end of one changes nothing for the other."""

    async def scenario() -> None:
        with PaperVenue() as one, PaperVenue() as two:
            fields: dict[str, Any] = {"symbols": ("ETHUSDT-PERP",)}
            for each in (one, two):
                each.set_price("ETHUSDT-PERP", 2000)
                each.place("ETHUSDT-PERP", "BUY", 2)
                each.set_faults(duplicate_fill_reports=True)
            async with watched(one, None, trader_id="A-1", monitor=SOON, **fields) as left:
                plain = {"trader_id": "B-1", "monitor": NATIVELY, **fields}
                async with watched(two, None, **plain) as right:
                    assert corrections_of((await left.result()).report) == {
                        Correction.DUPLICATE_FILL
                    }
                    assert (await right.result()).report.corrections == ()
                assert {MASS_STATUS, POSITIONS} <= vars(client_of(left)).keys()
                one.push_mass_status()
                again = await left.result(2)
                assert corrections_of(again.report) >= {Correction.DUPLICATE_FILL}

    asyncio.run(scenario())


def test_a_node_that_ends_leaves_its_clients_as_they_were(venue: PaperVenue) -> None:
    """Nothing of the monitor is left in them, and the engine gets what is sent to it."""

    async def scenario() -> None:
        async with watched(venue, None, monitor=SOON) as node:
            client, kernel = client_of(node), node.node.kernel
            await node.result()
            wrapped = {MASS_STATUS, POSITIONS}
            assert type(client) is not PaperVenueExecutionClient
            assert wrapped <= vars(client).keys()
            node.monitor._seam.close()
            assert not (wrapped | {"generate_order_rejected"}) & vars(client).keys()
            assert type(client) is PaperVenueExecutionClient
            # It can be taken from the endpoint only by who has it
            engine = kernel.exec_engine
            kernel.msgbus.deregister(EXEC_ENGINE_RECONCILE, engine.reconcile_execution_mass_status)
            kernel.msgbus.register(EXEC_ENGINE_RECONCILE, engine.reconcile_execution_mass_status)
            node.monitor._seam.close()  # Once more changes nothing
        assert not wrapped & vars(client).keys()

    asyncio.run(scenario())


# -- WHAT RAISES -----------------------------------------------------------------------------------


def breaks(*_: Any, **__: Any) -> list[Any]:
    """
    Raise as a fault of our own would.
    """
    raise ZeroDivisionError("ours")


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (corrections, "correct"),
        (seam, "torn_orders"),
        (KnownToCache, "instruments_held"),
        (seam, "missing_orders"),
        (seam, "filled"),
    ],
)
def test_what_raises_at_the_seam_closes_the_gates_and_lets_the_node_start(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
) -> None:
    """The engine gets what the adapter made."""

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2", "@1500")
        monkeypatch.setattr(where, name, breaks)
        strategy = heir()
        async with watched(venue, valkey, strategy, monitor=SOON) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert "ours" in event.message
            assert node.run.is_trading
            assert not strategy.gate.is_open
            assert [qty for *_, qty, _ in positions_in(node.node.cache)] == [2]

    asyncio.run(scenario())


@pytest.mark.parametrize(("where", "name"), [(corrections, "correct"), (seam, "torn_orders")])
def test_what_raises_when_a_client_sends_a_mass_status_closes_the_gates(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    """And the engine gets it as it was sent."""

    async def scenario() -> None:
        strategy = Recorder()
        async with watched(venue, None, strategy, monitor=SOON) as node:
            await node.result()
            seen: list[Any] = []
            node.node.kernel.msgbus.subscribe(TOPIC, seen.append)
            # Made by the client without being asked for it by the method that was wrapped
            own = PaperVenueExecutionClient.generate_mass_status
            sent = await own(client_of(node))
            assert strategy.gate.is_open
            monkeypatch.setattr(where, name, breaks)
            client_of(node)._send_mass_status_report(sent)
            await node.run.until(lambda: len(node.terminals) == 2)
            assert isinstance(node.terminals[-1], RecoveryFailed)
            assert node.terminals[-1].reason is FailureReason.INTERNAL_ERROR
            assert not strategy.gate.is_open
            assert [each is sent for each in seen] == [True]

    asyncio.run(scenario())


def test_what_raises_when_the_engine_asks_for_a_position_closes_the_gates(
    venue: PaperVenue, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine gets the answer of the adapter."""

    def breaks_here(name: Correction, *_: Any) -> list[Any]:
        return breaks() if name is Correction.CASH_POSITION_FLAT else []

    async def scenario() -> None:
        await scenes.leave_trades(venue, valkey, TRADER_ID, "+2")
        venue.set_position("ETHUSDT-PERP", 0)  # So that the engine asks for it by itself
        monkeypatch.setattr(seam, "_noted", breaks_here)
        strategy = heir(external_order_claims=[ETH])
        async with watched(venue, valkey, strategy, monitor=SOON) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert "correcting positions" in event.message
            assert node.run.is_trading
            assert positions_in(node.node.cache) == []
            assert not strategy.gate.is_open

    asyncio.run(scenario())
