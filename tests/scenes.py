"""
What happens to orders and positions while a node is away: the past that a restart then finds.

`tests/facts` shows what NautilusTrader makes of each scene by itself, `tests/node` what it is with
the monitor.
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.facts.support import ETH
from tests.facts.support import Trader
from tests.facts.support import trading


SYMBOL = ETH.symbol.value
RESTING = tuple(f"@{1500 + i}" for i in range(14))

# The strategy that all scenes leave behind, for one of another class that takes its place
TRADER: dict[str, Any] = {
    "strategy_id": "TRADER",
    "order_id_tag": "001",
    "use_uuid_client_order_ids": True,
}
OTHER: dict[str, Any] = {**TRADER, "strategy_id": "OTHER", "order_id_tag": "002"}

# The engine asks for the answer to an order in flight as soon as it can, and soon gives up
IMPATIENT = LiveExecEngineConfig(
    reconciliation_startup_delay_secs=0.001,
    inflight_check_interval_ms=20,
    inflight_check_threshold_ms=20,
    inflight_check_retries=2,
)
# ... and this one goes on asking
PATIENT = LiveExecEngineConfig(
    reconciliation_startup_delay_secs=0.001,
    inflight_check_interval_ms=20,
    inflight_check_threshold_ms=20,
    inflight_check_retries=10_000,
)


class Driven(Trader):
    """
    Sends the orders that it is made for when it starts.
    """

    def __init__(self, sends: list[str]) -> None:
        super().__init__()
        self._sends = sends

    def on_start(self) -> None:
        for send in self._sends:
            self.submit_order(order_of(self, send))


def order_of(trader: Trader, send: str) -> Order:
    """
    Return an order: ``"+2"`` buys and ``"-2"`` sells at the market, ``"@1500"`` bids for 1.
    """
    if send.startswith("@"):
        return trader.limit(send[1:])
    return trader.market(send[1:], OrderSide.BUY if send.startswith("+") else OrderSide.SELL)


def driven_node(
    client: dict[str, Any], trader_id: str, sends: list[str], database: dict[str, Any] | None
) -> TradingNode:
    """
    Return the node that a process to be killed runs.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(**client)],
        trader_id=trader_id,
        database=DatabaseConfig(**database) if database else None,
    )
    node = paper_node(config)
    node.trader.add_strategy(Driven(sends))
    return node


@contextmanager
def killed_after(
    venue: PaperVenueControl, valkey: EmbeddedValkey | None, trader_id: str, *sends: str
) -> Iterator[NodeProcess]:
    """
    Run a node in a process of its own that sends orders, and kill it when the block ends.
    """
    with NodeProcess(
        "tests.scenes:driven_node",
        client={"port": venue.port, "account_id": venue.account_id, "symbols": [SYMBOL]},
        trader_id=trader_id,
        sends=list(sends),
        database={"host": valkey.host, "port": valkey.port} if valkey else None,
    ) as process:
        yield process
        process.kill()


async def leave_trades(
    venue: PaperVenueControl,
    valkey: EmbeddedValkey,
    trader_id: str,
    *sends: str,
    client: dict[str, Any] | None = None,
) -> list[str]:
    """
    Run a node that trades, one order after the other, and return the client order IDs.
    """
    trader = Trader()
    orders: list[Order] = []
    async with trading(venue, trader, valkey=valkey, trader_id=trader_id, client=client) as run:
        for send in sends:
            orders.append(order_of(trader, send))
            trader.submit_order(orders[-1])
            await run.until(lambda: orders[-1].status_string() in ("FILLED", "ACCEPTED"))
    return [order.client_order_id.value for order in orders]


# -- A HISTORY THAT DOES NOT ADD UP ----------------------------------------------------------------


async def long_after_a_forgotten_short(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    SHORT 2 became LONG 2, and the venue's history does not reach back to the short.
    """
    short, *_ = await leave_trades(venue, valkey, trader_id, "-2", "+2", "+2")
    venue.set_faults(hide_orders=(short,))


async def long_with_every_fill_reported_twice(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    LONG 2, nothing happened meanwhile, and each fill is in the history twice.
    """
    await leave_trades(venue, valkey, trader_id, "+2")
    venue.set_faults(duplicate_fill_reports=True)


# After a round trip, LONG 3 by two orders, the second of which the venue's history has lost
BROKEN_HISTORY = ("+2", "-2", "+1", "+2")


async def bid_placed_by_hand_behind_a_broken_history(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> str:
    """
    LONG 3 that the fills do not make up, and a new bid at the venue; return its venue order ID.
    """
    *_, lost = await leave_trades(venue, valkey, trader_id, *BROKEN_HISTORY)
    venue.set_faults(hide_orders=(lost,))
    return venue.place(SYMBOL, "BUY", 1, "LIMIT", 1500).venue_order_id


def fourteen_bids_killed_behind_a_broken_history(
    venue: PaperVenueControl, valkey: EmbeddedValkey | None, trader_id: str
) -> None:
    """
    Kill a node with LONG 3 that the fills do not make up and 14 bids that rest at the venue.
    """
    with killed_after(venue, valkey, trader_id, *BROKEN_HISTORY, *RESTING):
        venue.wait_for_order(None, "ACCEPTED", count=len(RESTING))
        venue.wait_for_fill(count=len(BROKEN_HISTORY))
        if valkey is not None:
            wait_for_events(valkey, trader_id, accepted=len(RESTING))
    venue.set_faults(hide_orders=(venue.state().fills[-1].venue_order_id,))


def wait_for_events(valkey: EmbeddedValkey, trader_id: str, accepted: int) -> None:
    """
    Wait until that many orders are stored as accepted, behind all that was filled before.
    """

    def is_stored(client: Any) -> bool:
        keys = client.keys(f"trader-{trader_id}:orders:*")
        # Initialized, submitted, accepted, and filled for a market order
        events = sorted(client.llen(key) for key in keys)
        return events == [3] * accepted + [4] * len(BROKEN_HISTORY)

    valkey.wait_for(is_stored)


# -- ORDERS IN FLIGHT ------------------------------------------------------------------------------


def killed_before_the_answer(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> str:
    """
    Kill a node that has sent an order to buy 2 and not got the answer; return its client order ID.

    The venue has taken the order and reports nothing of it until it is released.
    """
    venue.set_faults(hold_acks=True)
    with killed_after(venue, valkey, trader_id, "+2"):
        (held,) = venue.wait_for_order(None, "HELD")
        assert held.client_order_id is not None
        key = f"trader-{trader_id}:orders:{held.client_order_id}"
        valkey.wait_for(lambda client: client.llen(key) == 2)  # Initialized, submitted
    venue.set_faults()
    return held.client_order_id


# -- CLIENT ORDER IDS ------------------------------------------------------------------------------


async def two_runs_in_one_second(
    venue: PaperVenueControl, trader_id: str, trader: Callable[[], Any]
) -> tuple[Order, Order]:
    """
    Run two nodes one after the other that send an order each, and return the orders.

    Both send in one second, the cache of the second is empty, and the venue reports nothing of the
    order of the first.
    """
    while True:
        orders: list[Order] = []
        for _ in range(2):
            async with trading(venue, strategy := trader(), trader_id=trader_id) as run:
                strategy.submit_order(order := strategy.limit("1500"))
                await run.until(lambda: order.is_open or order.is_closed)  # noqa: B023
            orders.append(order)
            venue.set_faults(hide_orders=(order.client_order_id.value,))
        first, second = (order.init_event.ts_init // 1_000_000_000 for order in orders)
        if first == second:
            return orders[0], orders[1]


# -- HEDGE LEGS ------------------------------------------------------------------------------------


def hedged(venue: PaperVenueControl) -> dict[str, Any]:
    """
    Open a hedging account that was traded elsewhere to LONG 2 and SHORT 2; return its client.
    """
    account_id = f"{venue.account_id}H"  # Of the same client ID
    venue.open_account(account_id, oms="HEDGING")
    venue.place(SYMBOL, "BUY", 2, account_id=account_id)
    venue.place(SYMBOL, "SELL", 2, account_id=account_id)
    return {"account_id": account_id, "oms_type": "HEDGING"}
