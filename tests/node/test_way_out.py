"""
A closed gate lets exits pass, for whatever reason it is closed: nothing natively flat or protected
ends naked, and nothing grows.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.events import OrderDenied
from nautilus_trader.model.events import OrderModifyRejected
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import OrderListId
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders import OrderList
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from tests.node.support import ETH
from tests.node.support import Watched
from tests.node.way_out import SYMBOL
from tests.node.way_out import PlainActs
from tests.node.way_out import RecoverableActs
from tests.node.way_out import acting
from tests.node.way_out import canceled_rejections
from tests.node.way_out import end_of
from tests.node.way_out import legs
from tests.node.way_out import quiet


pytestmark = pytest.mark.sampled(8)


ZERO, TWO = Decimal(0), Decimal(2)
# A difference that blocks is checked again until then, and the epoch stays open
LONG_CHECK = {"verify_timeout_secs": 60.0}
SHORT_CHECK = {"verify_timeout_secs": 0.1}


# -- WHY A GATE IS CLOSED --


async def open_epoch(node: Watched, venue: PaperVenue, strategy: Any) -> None:
    """A reconnect, whose report lacks an order: checked again and again."""
    hide_stops(venue)
    venue.push_mass_status()
    await node.run.until(lambda: node.monitor.epoch > 1)
    assert strategy.gate.reason().startswith("RECOVERY_IN_PROGRESS")


async def blocked(node: Watched, venue: PaperVenue, strategy: Any) -> None:
    """The same, once it is over."""
    await halted(node, venue, strategy)
    assert strategy.gate.reason(ETH).startswith("RECOVERY_BLOCKED")


async def halted(node: Watched, venue: PaperVenue, _: Any) -> None:
    """The same for strategies that know nothing of it."""
    hide_stops(venue)
    venue.push_mass_status()
    await node.result(2)
    assert node.terminals[-1].report.blocked_instruments == (str(ETH),)


async def failed(node: Watched, venue: PaperVenue, strategy: Any) -> None:
    """A storm of reconnects."""
    for count in (2, 3):
        venue.push_mass_status()
        await node.result(count)
    assert isinstance(node.terminals[-1], RecoveryFailed)
    assert strategy.gate.reason().startswith("RECOVERY_FAILED")


async def closed_by_owner(node: Watched, venue: PaperVenue, strategy: Any) -> None:
    """As after a hook that raised, and in a warm-up."""
    strategy.gate.close("HOOK_RAISED: on purpose")


def hide_stops(venue: PaperVenue) -> None:
    stops = [order for order in venue.state().orders if order.is_stop and order.state.is_open]
    venue.set_faults(hide_orders=tuple(str(stop.client_order_id) for stop in stops))


CLOSED: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (open_epoch, LONG_CHECK),
    (blocked, SHORT_CHECK),
    (failed, {"storm_epochs": 1, **SHORT_CHECK}),
    (closed_by_owner, SHORT_CHECK),
]
REASONS = pytest.mark.parametrize(
    ("close", "monitor"), CLOSED, ids=[close.__name__ for close, _ in CLOSED]
)


# -- WHAT A STRATEGY DOES --


def cancels_and_closes_on_stop(strategy: Any) -> None:
    strategy.on_stop = lambda: cancels_and_closes(strategy)
    strategy.stop()


def cancels_and_closes(strategy: Any) -> None:
    strategy.cancel_all_orders(ETH)
    strategy.close_all_positions(ETH, reduce_only=strategy.flag)


def cancels_each_and_closes(strategy: Any) -> None:
    for order in strategy.cache.orders_open(strategy_id=strategy.id):
        strategy.cancel_order(order)
    strategy.close_position(strategy.held, reduce_only=strategy.flag)


def cancels_a_batch_and_closes(strategy: Any) -> None:
    strategy.cancel_orders(strategy.cache.orders_open(strategy_id=strategy.id))
    strategy.close_position(strategy.held, reduce_only=strategy.flag)


def exits_the_market(strategy: Any) -> None:
    strategy.market_exit()


def replaces_its_stop(strategy: Any) -> None:
    strategy.cancel_all_orders(ETH)
    strategy.protect(px="1950")


def closes_and_cancels(strategy: Any) -> None:
    strategy.close_all_positions(ETH, reduce_only=strategy.flag)
    strategy.cancel_all_orders(ETH)


def closes_twice(strategy: Any) -> None:
    strategy.cancel_all_orders(ETH)
    for _ in range(2):
        strategy.close_position(strategy.held, reduce_only=strategy.flag)


SEQUENCES = [
    cancels_and_closes_on_stop,
    cancels_and_closes,
    cancels_each_and_closes,
    cancels_a_batch_and_closes,
    exits_the_market,
    replaces_its_stop,
    closes_and_cancels,
    closes_twice,
]


def exiting(kind: Any, config: Any, *, flag: bool, tag: str = "001", **fields: Any) -> Any:
    """Return a strategy that exits the market with or without the flag, where there is that."""
    if hasattr(Strategy, "market_exit"):
        fields = {"market_exit_reduce_only": flag, "market_exit_interval_ms": 50, **fields}
    strategy = kind(config(strategy_id="ACTS", order_id_tag=tag, **fields))
    strategy.flag = flag
    return strategy


def recoverable(*, flag: bool = True, **fields: Any) -> Any:
    return exiting(RecoverableActs, RecoverableStrategyConfig, flag=flag, **fields)


async def natively(venue: PaperVenue, act: Callable[[Any], None], *, flag: bool) -> None:
    """Do it with a plain strategy on a node without a monitor."""
    strategy = exiting(PlainActs, StrategyConfig, flag=flag)
    async with acting(venue, strategy, has_monitor=False) as node:
        strategy.enter()
        strategy.protect()
        await quiet(node)
        act(strategy)
        await quiet(node)


@pytest.mark.parametrize("is_recoverable", [True, False], ids=["gate", "halt"])
@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
@pytest.mark.parametrize("act", SEQUENCES, ids=[act.__name__ for act in SEQUENCES])
def test_what_natively_ends_flat_or_protected_ends_so_on_a_blocked_instrument(
    venue: PaperVenue, act: Callable[[Any], None], flag: bool, is_recoverable: bool
) -> None:
    """The native run of the same calls stands beside it, and a halted node does the same."""
    if act is exits_the_market and not hasattr(Strategy, "market_exit"):
        pytest.skip("This NautilusTrader has no Strategy.market_exit")
    strategy = recoverable(flag=flag)
    if not is_recoverable:
        strategy = exiting(PlainActs, StrategyConfig, flag=flag)

    async def scenario() -> None:
        with PaperVenue() as beside:
            beside.set_price(SYMBOL, 2000)
            await natively(beside, act, flag=flag)
            native = end_of(beside)
        async with acting(venue, strategy, monitor=SHORT_CHECK, halt=not is_recoverable) as node:
            strategy.enter()
            strategy.protect()
            await quiet(node)
            await (blocked if is_recoverable else halted)(node, venue, strategy)
            adds = strategy.enter()
            act(strategy)
            await quiet(node)
            assert adds.status_string() == "DENIED"
        ours = end_of(venue)
        assert not ours.is_naked
        if act is closes_twice:  # Without the flag a plain strategy turns its position around
            assert (native.qty, ours.qty) == (ZERO if flag else -TWO, ZERO)
        else:
            assert not native.is_naked
            assert ours == native

    asyncio.run(scenario())


@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
def test_a_halted_node_holds_a_cancel_back_that_would_leave_a_position_naked(
    venue: PaperVenue, flag: bool
) -> None:
    """Where nothing proves the position, the close must be reduce-only."""
    strategy = exiting(PlainActs, StrategyConfig, flag=flag)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK, halt=True) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            venue.set_faults(hide_positions=(SYMBOL,))
            venue.push_mass_status()
            await node.result(2)
            cancels_and_closes(strategy)
            await quiet(node)
            assert stop.status_string() == ("CANCELED" if flag else "ACCEPTED")
            assert len(canceled_rejections(strategy)) == (0 if flag else 1)
        assert not end_of(venue).is_naked

    asyncio.run(scenario())


def test_what_one_strategy_sends_does_not_count_for_the_position_of_another(
    venue: PaperVenue,
) -> None:
    """The first is denied its close and keeps its stop, whatever the second closes of its own."""
    first = exiting(PlainActs, StrategyConfig, flag=False)
    second = exiting(PlainActs, StrategyConfig, flag=True, tag="002")

    async def scenario() -> None:
        async with acting(venue, first, monitor=SHORT_CHECK, halt=True, more=(second,)) as node:
            for strategy in (first, second):
                strategy.enter()
            await quiet(node)
            stop = first.protect()
            await quiet(node)
            venue.set_faults(hide_positions=(SYMBOL,))
            venue.push_mass_status()
            await node.result(2)
            cancels_and_closes(first)
            second.close_all_positions(ETH)
            await quiet(node)
            assert stop.status_string() == "ACCEPTED"
            assert len(canceled_rejections(first)) == 1
        assert end_of(venue) == (TWO, TWO)

    asyncio.run(scenario())


def test_a_halted_node_rejects_a_change_that_loosens_and_lets_one_that_tightens_pass(
    venue: PaperVenue,
) -> None:
    """As a gate does."""
    strategy = exiting(PlainActs, StrategyConfig, flag=True)
    instrument = paper_instrument(SYMBOL)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK, halt=True) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            await halted(node, venue, strategy)
            strategy.modify_order(stop, trigger_price=instrument.make_price(1850))
            await quiet(node)
            assert stop.trigger_price.as_decimal() == Decimal(1900)
            (rejected,) = strategy.told(OrderModifyRejected)
            assert rejected.reason.startswith("RECOVERY_BLOCKED")
            strategy.modify_order(stop, trigger_price=instrument.make_price(1950))
            await quiet(node)
            assert stop.trigger_price.as_decimal() == Decimal(1950)

    asyncio.run(scenario())


# -- LEGS AND OTHER STRATEGIES --


@pytest.mark.parametrize("is_recoverable", [True, False], ids=["gate", "halt"])
@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
def test_each_leg_of_a_hedged_account_gets_out_by_itself(
    hedging: PaperVenue, flag: bool, is_recoverable: bool
) -> None:
    """What closes the short leg buys, although the account is long as a whole."""
    long, short = legs()
    strategy = recoverable(flag=flag)
    if not is_recoverable:
        strategy = exiting(PlainActs, StrategyConfig, flag=flag)
    clients = {"oms_type": "HEDGING"}

    async def scenario() -> None:
        async with acting(
            hedging, strategy, monitor=SHORT_CHECK, clients=clients, halt=not is_recoverable
        ) as node:
            for leg, side, qty, exit_side, px in (
                (long, "BUY", "2", "SELL", "1900"),
                (short, "SELL", "1", "BUY", "2100"),
            ):
                strategy.leg = leg
                strategy.enter(side, qty)
                await quiet(node)
                strategy.protect(exit_side, px, qty)
            await quiet(node)
            await (blocked if is_recoverable else halted)(node, hedging, strategy)
            assert strategy.enter("SELL", "1").status_string() in ("DENIED", "INITIALIZED")
            cancels_and_closes(strategy)
            await quiet(node)
            assert len(strategy.told(OrderDenied)) == 1
        assert [position.qty for position in hedging.state().positions] == [0, 0]
        assert not [order for order in hedging.state().orders if order.state.is_open]

    asyncio.run(scenario())


def test_one_strategy_cannot_close_what_another_holds_on_the_account(venue: PaperVenue) -> None:
    """Each gets its own part out, and both together no more than the account holds."""
    first = recoverable(flag=False)
    second = recoverable(flag=False, tag="002")

    async def scenario() -> None:
        async with acting(venue, first, monitor=SHORT_CHECK, more=(second,)) as node:
            await node.run.until(lambda: second.gate.is_open)
            first.enter(qty="2")
            second.enter(qty="1")
            await quiet(node)
            for strategy in (first, second):
                strategy.gate.close("TEST")
            quantity = paper_instrument(SYMBOL).make_qty(3)
            too_much = first.order_factory.market(ETH, OrderSide.SELL, quantity)
            first.submit_order(too_much)
            assert too_much.status_string() == "DENIED"
            for strategy in (first, second):
                strategy.close_all_positions(ETH, reduce_only=False)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


@REASONS
@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
def test_a_strategy_gets_out_for_whatever_reason_its_gate_is_closed(
    venue: PaperVenue, close: Callable[..., Any], monitor: dict[str, Any], flag: bool
) -> None:
    """And is told of what was let pass, while what adds is denied."""
    strategy = recoverable(flag=flag)
    passed: list[tuple[Order, str]] = []

    def note(sender: object, order: Order, reason: str) -> None:
        assert sender is strategy
        passed.append((order, reason))

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=monitor) as node:
            strategy.enter()
            strategy.protect()
            await quiet(node)
            assert end_of(venue) == (TWO, TWO)
            await close(node, venue, strategy)
            adds = strategy.enter()
            assert adds.status_string() == "DENIED"
            with signals.exit_passed.connected_to(note):
                cancels_and_closes(strategy)
                await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)
        ((order, reason),) = passed
        assert (order.order_type, order.side) == (OrderType.MARKET, OrderSide.SELL)
        assert reason.startswith("RECOVERY_")

    asyncio.run(scenario())


def raises_in_a_hook(strategy: Any) -> str:
    def hook(_: object) -> None:
        raise RuntimeError("no")

    strategy.on_recovery_complete = hook
    return "RECOVERY_HOOK_RAISED"


def waits_for_data(strategy: Any) -> str:
    bars = BarType.from_str(f"{ETH}-1-MINUTE-LAST-EXTERNAL")
    strategy.warmup_needs = lambda: [BarsNeeded(bar_type=bars, count=5)]
    return "RECOVERY_WARMUP"


@pytest.mark.parametrize("closes", [raises_in_a_hook, waits_for_data])
@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
def test_a_strategy_that_was_never_enabled_gets_out(
    venue: PaperVenue, closes: Callable[[Any], str], flag: bool
) -> None:
    """What it has taken up of the venue, after a hook that raised and in a warm-up."""
    venue.open_account()
    venue.place(SYMBOL, "BUY", 2)
    strategy = recoverable(flag=flag, external_order_claims=[ETH])
    reason = closes(strategy)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            assert strategy.gate.reason().startswith(reason)
            strategy.protect()
            await quiet(node)
            assert end_of(venue) == (TWO, TWO)
            cancels_and_closes(strategy)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


def test_a_strategy_gets_out_in_its_start(venue: PaperVenue) -> None:
    """Before any recovery has completed: what the node has reconciled is evidence."""
    venue.open_account()
    venue.place(SYMBOL, "BUY", 2)
    strategy = recoverable(external_order_claims=[ETH])
    strategy.on_start = lambda: cancels_and_closes(strategy)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)
        assert strategy.told(OrderDenied) == []

    asyncio.run(scenario())


def test_the_stop_of_a_node_in_the_middle_of_an_epoch_ends_flat(venue: PaperVenue) -> None:
    """`on_stop` is called by the trader, after the monitor has ended the epoch."""
    strategy = recoverable()

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=LONG_CHECK) as node:
            strategy.enter()
            strategy.protect()
            await quiet(node)
            await open_epoch(node, venue, strategy)
            strategy.on_stop = lambda: cancels_and_closes(strategy)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


def test_exits_that_are_canceled_one_by_one_make_room_for_a_close(venue: PaperVenue) -> None:
    """The stop goes first, while its take-profit still rests."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter()
            await quiet(node)
            strategy.gate.close("TEST")
            stop, far = strategy.oco()
            strategy.submit_order_list(OrderList(OrderListId("L-1"), [stop, far]))
            await quiet(node)
            strategy.cancel_order(stop)
            strategy.cancel_order(far)
            strategy.close_position(strategy.held, reduce_only=False)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)
        assert strategy.told(OrderDenied) == []

    asyncio.run(scenario())


def test_a_managed_stop_ends_flat(venue: PaperVenue) -> None:
    """`manage_stop` exits the market before the strategy stops."""
    if not hasattr(Strategy, "market_exit"):
        pytest.skip("This NautilusTrader has no `manage_stop`")
    strategy = recoverable(manage_stop=True)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter()
            strategy.protect()
            await quiet(node)
            await blocked(node, venue, strategy)
            strategy.stop()
            await node.run.until(lambda: strategy.is_stopped)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


def test_a_short_position_gets_out_as_well(venue: PaperVenue) -> None:
    """By orders that buy."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter("SELL")
            strategy.protect("BUY", "2100")
            await quiet(node)
            await blocked(node, venue, strategy)
            cancels_and_closes(strategy)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


def test_without_a_monitor_only_what_is_reduce_only_gets_out(venue: PaperVenue) -> None:
    """Nothing proves then what the account holds, so the cancel of its stop is held back."""
    venue.open_account()
    venue.place(SYMBOL, "BUY", 2)
    strategy = recoverable(external_order_claims=[ETH])

    async def scenario() -> None:
        async with acting(venue, strategy, has_monitor=False) as node:
            stop = strategy.protect()
            await quiet(node)
            assert stop.status_string() == "ACCEPTED"
            strategy.flag = False
            cancels_and_closes(strategy)
            await quiet(node)
            assert end_of(venue) == (TWO, TWO)
            assert len(strategy.told(OrderDenied)) == 1
            strategy.flag = True
            cancels_and_closes(strategy)
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


# -- WHAT CANNOT BE CLOSED STAYS PROTECTED --


async def unreported(node: Watched, venue: PaperVenue, strategy: Any) -> None:
    """The venue's report lacks the position: nothing proves that it is there."""
    venue.set_faults(hide_positions=(SYMBOL,))
    venue.push_mass_status()
    await node.result(2)
    assert not strategy.gate.is_open_for(ETH)


@pytest.mark.parametrize("stops", [False, True], ids=["running", "in-on_stop"])
def test_a_cancel_that_would_leave_a_position_naked_is_held_back_and_answered(
    venue: PaperVenue, stops: bool
) -> None:
    """The close without the flag is denied, the stop rests on, and the strategy is told of both."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter()
            stop = strategy.protect()
            far = strategy.take_profit()
            await quiet(node)
            await unreported(node, venue, strategy)
            (cancels_and_closes_on_stop if stops else cancels_and_closes)(strategy)
            await quiet(node)
            assert stop.status_string() == "ACCEPTED"
            assert far.status_string() == "CANCELED"  # It protects nothing
            (denied,) = strategy.told(OrderDenied)
            assert denied.reason.startswith("RECOVERY_BLOCKED")
            (reason,) = canceled_rejections(strategy)
            assert reason.startswith("RECOVERY_WOULD_LEAVE_NAKED")
        assert end_of(venue) == (TWO, TWO)

    asyncio.run(scenario())


def test_the_stop_of_a_position_whose_close_was_denied_is_kept(venue: PaperVenue) -> None:
    """Natively the close would have been filled, and the stop would protect nothing any more."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            await blocked(node, venue, strategy)
            strategy.close_all_positions(ETH, reduce_only=False)
            await node.run.until(lambda: strategy.told(OrderDenied))
            strategy.cancel_order(stop)
            await node.run.until(lambda: canceled_rejections(strategy))
            assert stop.status_string() == "ACCEPTED"
            cancels_and_closes(strategy)  # Both in one go, and it gets out
            await quiet(node)
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


def test_a_strategy_that_uses_the_flag_may_cancel_what_nothing_proves(venue: PaperVenue) -> None:
    """Its next stop would pass."""
    strategy = recoverable()

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            await unreported(node, venue, strategy)
            strategy.cancel_order(stop)
            await quiet(node)
            assert stop.status_string() == "CANCELED"
            strategy.protect(px="1950")
            await quiet(node)
        assert end_of(venue) == (TWO, TWO)

    asyncio.run(scenario())


@pytest.mark.parametrize("flag", [True, False], ids=["reduce-only", "unflagged"])
def test_an_entry_that_was_denied_holds_no_cancel_back(venue: PaperVenue, flag: bool) -> None:
    """It says nothing of how the strategy would close."""
    strategy = recoverable(flag=flag)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor=SHORT_CHECK) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            await blocked(node, venue, strategy)
            assert strategy.enter().status_string() == "DENIED"
            strategy.cancel_order(stop)
            await quiet(node)
            assert stop.status_string() == "CANCELED"
            assert canceled_rejections(strategy) == []

    asyncio.run(scenario())


def test_nothing_is_held_back_in_shadow_mode(venue: PaperVenue) -> None:
    """What the gate would do to orders is only said."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy, monitor={"shadow": True, **SHORT_CHECK}) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            venue.set_faults(hide_positions=(SYMBOL,))
            venue.push_mass_status()
            await node.result(2)
            strategy.cancel_order(stop)
            await quiet(node)
            assert stop.status_string() == "CANCELED"

    asyncio.run(scenario())


@pytest.mark.parametrize(("balance", "gets_out"), [("2", True), ("1.9", False)])
def test_on_a_cash_account_the_balance_is_the_evidence(
    venue: PaperVenue, balance: str, gets_out: bool
) -> None:
    """Venues report no positions there: what is held is in the balances."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        clients = {"account_type": "CASH"}
        venue.open_account()
        venue.set_balance(10, currency="ETH")
        async with acting(venue, strategy, monitor=SHORT_CHECK, clients=clients) as node:
            account = node.node.cache.account(AccountId("PAPER-001"))
            ether = Currency.from_str("ETH")
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)

            async def receive(total: str) -> None:
                venue.set_balance(total, currency="ETH")
                await node.run.until(
                    lambda: account.balance_total(ether).as_decimal() == Decimal(total)
                )

            await receive("1")  # Less than it holds: the gate closes
            await unreported(node, venue, strategy)
            await receive(balance)
            cancels_and_closes(strategy)
            await quiet(node)
            assert stop.status_string() == ("CANCELED" if gets_out else "ACCEPTED")
        assert end_of(venue) == ((ZERO, ZERO) if gets_out else (TWO, TWO))

    asyncio.run(scenario())


# -- NOTHING GROWS --


@pytest.mark.parametrize("qty", ["2.001", "3"])
@pytest.mark.parametrize("flag", [True, False])
def test_an_exit_larger_than_the_position_is_denied(
    venue: PaperVenue, qty: str, flag: bool
) -> None:
    """It could open the other side."""
    strategy = recoverable(flag=flag)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            strategy.enter()
            await quiet(node)
            strategy.gate.close("TEST")
            assert strategy.protect(qty=qty).status_string() == "DENIED"
            assert strategy.protect(qty="2").status_string() == "INITIALIZED"
            await quiet(node)
        assert end_of(venue) == (TWO, TWO)

    asyncio.run(scenario())


def test_an_exit_that_fills_while_another_waits_leaves_nothing_for_it(venue: PaperVenue) -> None:
    """The stop is triggered before its cancel arrives: the close that waits for it is denied."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            strategy.gate.close("TEST")
            venue.set_price(SYMBOL, 1890)  # The node has not heard of it
            cancels_and_closes(strategy)
            await quiet(node)
            assert stop.status_string() == "FILLED"
            assert len(strategy.told(OrderDenied)) == 1
        assert end_of(venue) == (ZERO, ZERO)

    asyncio.run(scenario())


def test_two_stops_without_the_flag_never_exceed_the_position(venue: PaperVenue) -> None:
    """Both could be triggered."""
    strategy = recoverable(flag=False)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            strategy.enter()
            await quiet(node)
            strategy.gate.close("TEST")
            first = strategy.protect(qty="1.5")
            excess = strategy.protect(qty="1")
            await node.run.until(lambda: excess.is_closed)  # Nothing was canceled to make room
            second = strategy.protect(qty="0.5")
            await quiet(node)
            assert excess.status_string() == "DENIED"
            assert {first.status_string(), second.status_string()} == {"ACCEPTED"}
        assert end_of(venue) == (TWO, TWO)

    asyncio.run(scenario())


def test_a_list_of_exits_that_cancel_one_another_passes_and_one_with_an_entry_does_not(
    venue: PaperVenue,
) -> None:
    """A stop and a take-profit of one position count once."""
    strategy = recoverable(flag=False)
    instrument = paper_instrument(SYMBOL)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            strategy.enter()
            await quiet(node)
            strategy.gate.close("TEST")
            bracket = strategy.order_factory.bracket(
                ETH,
                OrderSide.BUY,
                instrument.make_qty(2),
                sl_trigger_price=instrument.make_price(1900),
                tp_price=instrument.make_price(2100),
            )
            strategy.submit_order_list(bracket)
            assert {order.status_string() for order in bracket.orders} == {"DENIED"}
            stop, far = strategy.oco()
            strategy.submit_order_list(OrderList(OrderListId("L-1"), [stop, far]))
            await quiet(node)
            assert {stop.status_string(), far.status_string()} == {"ACCEPTED"}

    asyncio.run(scenario())


# -- CHANGES --


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({"quantity": 1}, True),
        ({"trigger_price": 1950}, True),
        ({"quantity": 1, "trigger_price": 1950}, True),
        ({"trigger_price": 1850}, False),
        ({"quantity": 3}, False),
        ({"quantity": 1, "trigger_price": 1850}, False),
    ],
)
@pytest.mark.parametrize("flag", [True, False])
def test_a_change_passes_that_only_shrinks_or_tightens(
    venue: PaperVenue, changes: dict[str, int], passes: bool, flag: bool
) -> None:
    """Every other one is rejected, and the order stays as it was."""
    strategy = recoverable(flag=flag)
    instrument = paper_instrument(SYMBOL)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            strategy.enter()
            stop = strategy.protect()
            await quiet(node)
            strategy.gate.close("TEST")
            makes = {"quantity": instrument.make_qty, "trigger_price": instrument.make_price}
            values = {name: makes[name](value) for name, value in changes.items()}
            strategy.modify_order(stop, **values)
            await quiet(node)
            assert bool(strategy.told(OrderModifyRejected)) is not passes
            wanted = {"quantity": TWO, "trigger_price": Decimal(1900)}
            if passes:
                wanted |= {name: Decimal(value) for name, value in changes.items()}
            assert {name: getattr(stop, name).as_decimal() for name in wanted} == wanted

    asyncio.run(scenario())


def test_the_stop_of_a_bracket_shrinks_with_its_take_profit(venue: PaperVenue) -> None:
    """The order manager asks only once: what it is refused it never asks again."""
    strategy = recoverable(manage_contingent_orders=True)
    instrument = paper_instrument(SYMBOL)

    async def scenario() -> None:
        async with acting(venue, strategy) as node:
            bracket = strategy.order_factory.bracket(
                ETH,
                OrderSide.BUY,
                instrument.make_qty(2),
                sl_trigger_price=instrument.make_price(1900),
                tp_price=instrument.make_price(2100),
            )
            strategy.submit_order_list(bracket)
            await quiet(node)
            _, stop, far = bracket.orders
            strategy.gate.close("TEST")
            venue.fill(far.client_order_id.value, "0.5")
            await node.run.until(lambda: stop.quantity.as_decimal() == Decimal("1.5"))
        assert end_of(venue) == (Decimal("1.5"), Decimal("1.5"))

    asyncio.run(scenario())
