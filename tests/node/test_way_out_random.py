"""
Random sequences of calls at a closed gate, each beside a native run of the same calls.

Never natively flat or protected and ours naked; never more exposure than when the gate closed.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from nautilus_trader.config import StrategyConfig
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_instrument
from tests.node.support import ETH
from tests.node.support import Watched
from tests.node.support import command
from tests.node.way_out import SYMBOL
from tests.node.way_out import PlainActs
from tests.node.way_out import RecoverableActs
from tests.node.way_out import acting
from tests.node.way_out import legs
from tests.node.way_out import quiet


pytestmark = pytest.mark.sampled(8)


SEEDS = range(24)
INSTRUMENT = paper_instrument(SYMBOL)


class Plan:
    """
    What is done in one run, drawn from a seed.
    """

    def __init__(self, seed: int) -> None:
        draw = Random(seed)
        self.is_long = draw.random() < 0.6
        self.flag = draw.random() < 0.5
        self.is_hedged = draw.random() < 0.3
        self.hides_position = draw.random() < 0.25
        self.stays_open = draw.random() < 0.4
        # What nothing proves and no stop protects cannot be closed without the flag
        self.has_stop = self.hides_position or draw.random() < 0.9
        names = [*ACTS, "wait", "wait", "reconnect", "release", "price"]
        weights = [1] * len(ACTS) + [2, 2, 1, 1, 1]
        self.steps = draw.choices(names, weights, k=draw.randint(2, 8))
        self.ends_with = draw.choice(["nothing", "stop", "stop"])
        # By `halt_until_recovered`, instead of a gate: it does not know single instruments
        self.is_halted = self.has_stop and draw.random() < 0.3

    def __str__(self) -> str:
        return f"{vars(self)}"


def cancel_stop(strategy: Any) -> None:
    for order in newest(strategy, "STOP_MARKET"):
        strategy.cancel_order(order)


def cancel_profit(strategy: Any) -> None:
    for order in newest(strategy, "LIMIT"):
        strategy.cancel_order(order)


def cancel_all(strategy: Any) -> None:
    strategy.cancel_all_orders(ETH)


def close_position(strategy: Any) -> None:
    if (position := strategy.held) is not None:
        strategy.close_position(position, reduce_only=strategy.flag)


def close_all(strategy: Any) -> None:
    strategy.close_all_positions(ETH, reduce_only=strategy.flag)


def cancel_and_close(strategy: Any) -> None:
    cancel_all(strategy)
    close_all(strategy)


def market_exit(strategy: Any) -> None:
    if hasattr(Strategy, "market_exit"):
        strategy.market_exit()
    else:
        cancel_and_close(strategy)


def place_stop(strategy: Any) -> None:
    if (position := strategy.held) is not None:
        side, px = ("SELL", "1900") if position.is_long else ("BUY", "2100")
        strategy.protect(side, px, str(position.quantity))


def place_profit(strategy: Any) -> None:
    if (position := strategy.held) is not None:
        side, px = ("SELL", "2200") if position.is_long else ("BUY", "1800")
        strategy.take_profit(side, px, str(position.quantity))


def shrink_stop(strategy: Any) -> None:
    # What a strategy takes off by itself stays off if its close is denied for what is left of it
    for order in newest(strategy, "STOP_MARKET") if strategy.flag else []:
        strategy.modify_order(order, quantity=INSTRUMENT.make_qty(1))


def tighten_stop(strategy: Any) -> None:
    for order in newest(strategy, "STOP_MARKET"):
        px = "1950" if order.side_string() == "SELL" else "2050"
        strategy.modify_order(order, trigger_price=INSTRUMENT.make_price(px))


def loosen_stop(strategy: Any) -> None:
    for order in newest(strategy, "STOP_MARKET"):
        px = "1850" if order.side_string() == "SELL" else "2150"
        strategy.modify_order(order, trigger_price=INSTRUMENT.make_price(px))


def newest(strategy: Any, kind: str) -> list[Any]:
    found = [
        order
        for order in strategy.cache.orders_open(strategy_id=strategy.id)
        if order.type_string() == kind
    ]
    return sorted(found, key=lambda order: order.ts_init)[-1:]


ACTS: dict[str, Callable[[Any], None]] = {
    act.__name__: act
    for act in (
        cancel_stop,
        cancel_profit,
        cancel_all,
        close_position,
        close_all,
        market_exit,
        place_stop,
        place_profit,
        shrink_stop,
        tighten_stop,
        loosen_stop,
    )
}


async def carry_out(
    plan: Plan,
    node: Watched,
    venue: PaperVenue,
    strategy: Any,
    close: Callable[[], Awaitable[None]],
    specials: Mapping[str, Callable[[], Awaitable[None]]],
) -> Decimal:
    """Do what is planned, and return the position with which the gate closed."""
    side, exit_side, px, far = ("BUY", "SELL", "1900", "2200")
    if not plan.is_long:
        side, exit_side, px, far = ("SELL", "BUY", "2100", "1800")
    strategy.leg = legs()[0 if plan.is_long else 1] if plan.is_hedged else None
    strategy.enter(side)
    await quiet(node)
    if plan.has_stop:
        strategy.protect(exit_side, px)
    strategy.take_profit(exit_side, far, "1")
    await quiet(node)
    start = held_at(venue)
    await close()
    for step in plan.steps:
        if step in ACTS:
            ACTS[step](strategy)
        elif step == "wait":
            await quiet(node)
        elif step == "price":
            venue.set_price(SYMBOL, 1890 if plan.is_long else 2110)
        elif step in specials:
            await specials[step]()
    if plan.ends_with == "stop":
        strategy.on_stop = lambda: cancel_and_close(strategy)
        strategy.stop()
    await quiet(node)
    return start


def held_at(venue: PaperVenue) -> Decimal:
    return sum((position.qty for position in venue.state().positions), Decimal(0))


def is_naked(venue: PaperVenue) -> bool:
    """Return whether a position is left that no stop at the venue would close."""
    state = venue.state()
    for position in state.positions:
        stops = (
            order.leaves_qty
            for order in state.orders
            if order.state.is_open
            and order.is_stop
            and order.leg == position.leg
            and order.side.sign * position.qty < 0
        )
        if abs(position.qty) > sum(stops, Decimal(0)):
            return True
    return False


def is_clean(venue: PaperVenue) -> bool:
    """Return whether what rests at the venue can do no more than close what is left."""
    state = venue.state()
    unbound: dict[tuple[Any, int], Decimal] = defaultdict(Decimal)
    for order in state.orders:
        if order.state.is_open and not order.only_closes:
            unbound[order.leg, order.side.sign] += order.leaves_qty
    return all(
        any(p.leg == leg and -sign * p.qty >= qty for p in state.positions)
        for (leg, sign), qty in unbound.items()
    )


def exposures_since(venue: PaperVenue, start: Decimal, after: int) -> list[Decimal]:
    """Return the position after each trade that followed the first `after`."""
    held, found = start, [start]
    for fill in venue.state().fills[after:]:
        held += fill.qty * fill.side.sign
        found.append(held)
    return found


def configured(kind: Any, config: Any, plan: Plan) -> Any:
    fields: dict[str, Any] = {}
    if hasattr(Strategy, "market_exit"):
        fields = {"market_exit_reduce_only": plan.flag, "market_exit_interval_ms": 30}
        fields["market_exit_max_attempts"] = 5
    strategy = kind(config(strategy_id="ACTS", order_id_tag="001", **fields))
    strategy.flag = plan.flag
    return strategy


async def native_run(plan: Plan, venue: PaperVenue) -> None:
    strategy = configured(PlainActs, StrategyConfig, plan)

    async def nothing() -> None:
        pass

    clients = {"oms_type": "HEDGING"} if plan.is_hedged else {}
    async with acting(venue, strategy, has_monitor=False, clients=clients) as node:
        await carry_out(plan, node, venue, strategy, nothing, {})


async def our_run(plan: Plan, venue: PaperVenue) -> tuple[Decimal, int]:
    if plan.is_halted:
        strategy = configured(PlainActs, StrategyConfig, plan)
    else:
        strategy = configured(RecoverableActs, RecoverableStrategyConfig, plan)
    monitor = {"verify_timeout_secs": 60.0 if plan.stays_open else 0.05, "storm_epochs": 100}
    clients = {"oms_type": "HEDGING"} if plan.is_hedged else {}
    count = 0

    async with acting(
        venue, strategy, monitor=monitor, clients=clients, halt=plan.is_halted
    ) as node:

        async def reconnect() -> None:
            before = node.monitor.epoch, node.monitor.report.ts_reconciled
            venue.push_mass_status()
            await node.run.until(
                lambda: (node.monitor.epoch, node.monitor.report.ts_reconciled) != before
            )
            if not plan.stays_open:
                await node.run.until(lambda: node.monitor.report.outcome is not None)

        async def close() -> None:
            nonlocal count
            stops = [o for o in venue.state().orders if o.is_stop and o.state.is_open]
            hidden: dict[str, Any] = {
                "hide_orders": tuple(str(stop.client_order_id) for stop in stops)
            }
            if plan.hides_position:
                hidden["hide_positions"] = (SYMBOL,)
            venue.set_faults(**hidden)
            count = len(venue.state().fills)
            await reconnect()
            if not plan.is_halted and strategy.gate.is_open_for(ETH):
                strategy.gate.close("TEST: there was nothing to hide")

        async def release() -> None:
            node.node.kernel.msgbus.send(
                "RecoveryMonitor.command", command("release", instrument_id=str(ETH))
            )

        specials = {"reconnect": reconnect, "release": release}
        start = await carry_out(plan, node, venue, strategy, close, specials)
    return start, count


@pytest.mark.parametrize("seed", SEEDS)
def test_no_sequence_ends_worse_than_natively(seed: int) -> None:
    """Netting and hedged, long and short, with the flag and without it, blocked and in an epoch."""
    plan = Plan(seed)
    oms = "HEDGING" if plan.is_hedged else "NETTING"

    async def scenario() -> None:
        with PaperVenue(oms=oms) as beside, PaperVenue(oms=oms) as venue:
            for paper in (beside, venue):
                paper.set_price(SYMBOL, 2000)
            await native_run(plan, beside)
            start, count = await our_run(plan, venue)
            if is_clean(beside) and not is_naked(beside):
                assert not is_naked(venue), str(plan)
            if "release" in plan.steps:
                return  # Then the gate is open
            for held in exposures_since(venue, start, count):
                assert abs(held) <= abs(start), str(plan)
                assert held * start >= 0, str(plan)

    asyncio.run(scenario())
