"""
A node that cannot start: what stops it is taken out, and then a real one starts and trades.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from nautilus_trader.model.enums import OrderSide

from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.forget.support import ACCOUNT
from tests.forget.support import GARBAGE
from tests.forget.support import POSITION
from tests.forget.support import PREFIX
from tests.forget.support import TRADER
from tests.forget.support import Run
from tests.forget.support import again
from tests.forget.support import is_startable
from tests.forget.support import left_behind
from tests.forget.support import restarted
from tests.forget.support import stored
from tests.forget.support import until_written
from tests.forget.support import without_record
from tests.node.support import ETH
from tests.node.support import heir
from tests.node.support import monitor_config
from tests.node.support import watched


# What stops the start, and whether a node that starts again keeps its strategy's own history
BROKEN: dict[str, tuple[Callable[[Any, dict[str, str]], Any], bool]] = {
    "a filled order is garbage": (lambda c, o: c.lset(o["filled"], 1, GARBAGE), True),
    "an order filled in part is garbage": (lambda c, o: c.lset(o["partly"], 1, GARBAGE), False),
    "an open order is garbage": (lambda c, o: c.lset(o["stop"], 1, GARBAGE), False),
    "an order is torn: no first event": (lambda c, o: c.lpop(o["bid"]), False),
    "an order is a string": (lambda c, o: (c.delete(o["bid"]), c.set(o["bid"], b"x")), False),
    "an order is a stream": (
        lambda c, o: (c.delete(o["bid"]), c.xadd(o["bid"], {"a": "b"})),
        False,
    ),
    "a position is garbage": (lambda c, _: c.lset(POSITION, 0, GARBAGE), False),
    "a position's second fill is garbage": (lambda c, _: c.lset(POSITION, 1, GARBAGE), False),
    "an account is garbage": (lambda c, _: c.rpush(ACCOUNT, GARBAGE), True),
    "the map of positions is a string": (
        lambda c, _: (
            c.delete(f"{PREFIX}index:order_position"),
            c.set(f"{PREFIX}index:order_position", "x"),
        ),
        True,
    ),
    "a name is not UTF-8": (
        lambda c, _: c.set(PREFIX.encode() + b"orders:\xff\n[red]", b"x"),
        True,
    ),
    "a general name is not UTF-8": (
        lambda c, _: c.set(PREFIX.encode() + b"general:\xff:\x1b[31m", b"x"),
        True,
    ),
    "two nodes wrote a fill": (lambda c, o: (again(c, o["filled"]), again(c, POSITION, 0)), True),
    "late bytes repeat a fill": (
        lambda c, o: (c.rpush(POSITION, c.lindex(POSITION, 0)), again(c, o["partly"])),
        True,
    ),
    "two nodes wrote that an order rests": (lambda c, o: again(c, o["stop"]), True),
    "all of it": (
        lambda c, o: [c.rpush(key, GARBAGE) for key in (*o.values(), POSITION, ACCOUNT)],
        False,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_stops_the_start_goes_and_comes_back_exactly(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run, name: str
) -> None:
    """
    Taken out, put back byte for byte, taken out again; then a node starts, completes its recovery
    and trades, and one after it finds nothing to change.
    """
    orders = left_behind(venue, valkey)
    with valkey.client() as client:
        BROKEN[name][0](client, orders)
    before = stored(valkey)
    assert not is_startable(valkey)

    assert run("--all-that-stop", "--apply")[0] == 0
    assert is_startable(valkey)
    assert stored(valkey) != before
    code, out, _ = run("--undo", "--apply")
    assert (code, out.splitlines()[-1].partition(":")[0]) == (0, "Put back")
    assert stored(valkey) == before

    assert run("--all-that-stop", "--apply")[0] == 0
    keeps_history = BROKEN[name][1]
    claims = {} if keeps_history else {"external_order_claims": ["ETHUSDT-PERP.PAPER"]}
    first = asyncio.run(restarted(venue, valkey, **claims))
    outcomes = {RecoveryOutcome.CLEAN} if keeps_history else {*RecoveryOutcome} - {"DEGRADED"}
    assert first.outcome in outcomes
    second = asyncio.run(restarted(venue, valkey, **claims))
    assert second.outcome is RecoveryOutcome.CLEAN
    held = {row.position_id: row for row in second.report.positions}
    assert len(held) == 1
    assert venue.state().positions


def test_what_was_taken_can_be_put_back_after_a_start(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """Where the node has stored nothing in its place, it is there again byte for byte."""
    orders = left_behind(venue, valkey)
    with valkey.client() as client:
        client.lset(orders["filled"], 1, GARBAGE)
        client.set(PREFIX.encode() + b"general:\xff", b"\xff\0")
    order = orders["filled"].encode()
    before = stored(valkey)
    assert run("--all-that-stop", "--apply")[0] == 0
    asyncio.run(restarted(venue, valkey))
    after = stored(valkey)
    assert run("--undo", "--apply")[0] == 0
    back = stored(valkey)
    for key in (order, PREFIX.encode() + b"general:\xff"):
        assert key not in after
        assert back[key] == before[key]
    id_ = order.rpartition(b":")[2]
    indexes = {key for key in before if b":index:" in key and id_ in before[key][1]}
    assert len(indexes) == 4  # order_ids, orders, orders_closed, order_position
    for key in indexes:
        assert id_ in back[key][1]
        assert key not in after or id_ not in after[key][1]
    others = {
        key for key in without_record(after) if key not in indexes and b":forgotten:" not in key
    }
    assert {key: back[key] for key in others} == {key: after[key] for key in others}


def test_it_is_not_put_back_onto_what_a_node_has_stored_since(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """One line says what stands there; once that is forgotten too, the older one can be undone."""
    orders = left_behind(venue, valkey)
    with valkey.client() as client:
        client.lset(orders["stop"], 1, GARBAGE)
        before = client.lrange(orders["stop"], 0, -1)
    assert run("--all-that-stop", "--apply")[0] == 0
    asyncio.run(restarted(venue, valkey, external_order_claims=["ETHUSDT-PERP.PAPER"]))
    between = without_record(stored(valkey))
    key = orders["stop"].removeprefix(PREFIX)
    code, out, err = run("--undo", "--apply")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"another {key} stands there now" in err
    assert f"forget {key} first" in err
    assert without_record(stored(valkey)) == between

    (first,) = (
        line.split()[0] for line in run("--list", columns=200)[1].splitlines() if key in line
    )
    assert run(key, "--apply")[0] == 0
    assert run("--undo", first, "--apply")[0] == 0
    with valkey.client() as client:
        assert client.lrange(orders["stop"], 0, -1) == before


def test_a_list_that_has_grown_since_is_not_put_back(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """What a node has appended to a list that was freed of repeats is not lost by an undo."""
    orders = left_behind(venue, valkey)
    with valkey.client() as client:
        again(client, orders["stop"])
        assert run("--all-that-stop", "--apply")[0] == 0
        client.rpush(orders["stop"], b"more")
        assert run("--undo", "--apply")[0] == 1
        client.rpop(orders["stop"])
        assert run("--undo", "--apply")[0] == 0
        assert client.llen(orders["stop"]) == 4


@pytest.mark.parametrize("with_orders", [False, True])
def test_a_position_goes_alone_or_with_its_orders(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run, with_orders: bool
) -> None:
    """
    A phantom goes alone: with its orders kept, the venue's history does not bring it back. What the
    venue still holds goes with its orders, and comes back from there.
    """
    left_behind(venue, valkey)
    options: tuple[str, ...] = ("--with-orders",) if with_orders else ()
    if not with_orders:
        venue.cancel()
        venue.set_position("ETHUSDT-PERP", 0)
    code, out, _ = run("ETHUSDT-PERP.PAPER-TRADER-001", "--apply", *options)
    assert code == 0
    assert ("give --with-orders" in " ".join(out.split())) is not with_orders
    claims: dict[str, Any] = {"external_order_claims": ["ETHUSDT-PERP.PAPER"]}
    event = asyncio.run(restarted(venue, valkey, **claims))
    assert event.outcome is not RecoveryOutcome.DEGRADED
    assert asyncio.run(restarted(venue, valkey, **claims)).outcome is RecoveryOutcome.CLEAN


async def run_twice(venue: PaperVenue, valkey: EmbeddedValkey, order_id: str) -> None:
    """
    Run two nodes of one trader at a time, while what both have restored is filled.
    """
    monitor = monitor_config(lease=False)
    async with (
        watched(venue, valkey, heir(), trader_id=TRADER, monitor=monitor) as first,
        watched(venue, valkey, heir(), trader_id=TRADER, monitor=monitor) as second,
    ):
        for node in (first, second):
            await node.result()
        venue.fill(order_id)
        for node in (first, second):
            await node.run.until(
                lambda node=node: any(  # type: ignore[misc]
                    order.client_order_id.value == order_id and order.is_closed
                    for order in node.node.cache.orders()
                )
            )
        for node in (first, second):
            await until_written(node, valkey)


def test_what_two_running_nodes_of_one_trader_wrote_is_repaired_exactly(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """Both have appended the same fill to the same lists, and no node starts any more."""
    orders = left_behind(venue, valkey)
    asyncio.run(run_twice(venue, valkey, orders["bid"].rpartition(":")[2]))
    before = stored(valkey)
    assert not is_startable(valkey)
    code, out, _ = run("--all-that-stop", "--apply", columns=120)
    assert code == 0
    assert "repeated event" in out.splitlines()[0]
    assert "entr" not in out.splitlines()[0]
    assert run("--undo", "--apply")[0] == 0
    assert stored(valkey) == before
    assert run("--all-that-stop", "--apply")[0] == 0
    event = asyncio.run(restarted(venue, valkey))
    assert event.outcome is RecoveryOutcome.CLEAN


@pytest.mark.parametrize("place", [0, 1])
def test_in_hedge_mode_each_leg_is_taken_by_itself(
    valkey: EmbeddedValkey, run: Run, place: int
) -> None:
    """The broken leg goes with its order, the other one stays as it was."""
    claims: dict[str, Any] = {"oms_type": "HEDGING"}
    with PaperVenue(oms="HEDGING") as hedging:
        hedging.set_price("ETHUSDT-PERP", 2000)
        hedging.set_price("BTCUSDT-PERP", 50_000)

        async def both_legs() -> None:
            async with watched(
                hedging, valkey, strategy := heir(**claims), trader_id=TRADER
            ) as node:
                await node.result()
                await node.run.until(lambda: strategy.gate.is_open)
                quantity = strategy.market().quantity
                for side in (OrderSide.BUY, OrderSide.SELL):
                    strategy.submit_order(strategy.order_factory.market(ETH, side, quantity))
                await node.run.until(lambda: len(strategy.cache.positions_open()) == 2)

        asyncio.run(both_legs())
        with valkey.client() as client:
            keys = sorted(client.scan_iter(f"{PREFIX}positions:*"))
            client.lset(keys[place], 0, GARBAGE)
            other = client.lrange(keys[1 - place], 0, -1)
            assert run("--all-that-stop", "--apply")[0] == 0
            assert client.lrange(keys[1 - place], 0, -1) == other
            assert len(list(client.scan_iter(f"{PREFIX}orders:*"))) == 1
        assert is_startable(valkey)
