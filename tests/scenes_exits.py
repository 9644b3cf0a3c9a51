"""
Strategies that are killed with positions and exits of every kind.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config


ETH = InstrumentId.from_str("ETHUSDT-PERP.PAPER")
SYMBOL = ETH.symbol.value
HOLDER: dict[str, Any] = {
    "strategy_id": "HOLDER",
    "order_id_tag": "001",
    "use_uuid_client_order_ids": True,
}


class Holder(Strategy):
    """
    Sends its orders one after the other, and tells when the last one rests.

    Parameters
    ----------
    sends : list[str]
        The orders: a side and a quantity, and if it is no market order its kind with its price,
        ``"SELL 2 STOP 1900"``, ``LIMIT`` and ``EMULATED`` alike, ``"BUY 2 BRACKET 1900 2100"`` for
        an entry with its stop and its profit, ``"BUY 2 BRACKET 1900 2100 1990"`` for one that
        waits for a price, ``EMULATED_BRACKET`` for one that does so in the node. A last word
        ``LONG`` or ``SHORT`` names the leg.
    account_id : str
        The account.

    """

    def __init__(self, sends: list[str], account_id: str) -> None:
        super().__init__(StrategyConfig(**HOLDER))
        self._sends = sends
        self._account_id = account_id
        self._last: list[Order] = []

    def on_start(self) -> None:
        # A strategy that starts drops what it hears of its own emulated orders
        asyncio.get_running_loop().call_soon(self._send)

    def on_order_event(self, event: Any) -> None:
        if self._last and all(map(self._is_at_rest, self._last)):
            self._send()

    def _is_at_rest(self, sent: Order) -> bool:
        order = self.cache.order(sent.client_order_id)  # What is emulated becomes another one
        status = None if order is None else order.status_string()
        return status in ("FILLED", "EMULATED") or (
            status == "ACCEPTED" and order.order_type != OrderType.MARKET
        )

    def _send(self) -> None:
        if not self._sends:
            self._last = []
            orders, positions = self.cache.orders(), self.cache.positions()
            emit(
                "holds",
                events={
                    **{f"orders:{order.client_order_id}": len(order.events) for order in orders},
                    **{f"positions:{held.id}": len(held.events) for held in positions},
                },
            )
            return
        side, qty, *rest = self._sends.pop(0).split()
        leg = PositionId(leg_id(self._account_id, rest.pop())) if rest[-1:] in _LEGS else None
        self._submit(OrderSide[side], qty, rest, leg)

    def _submit(self, side: OrderSide, qty: str, rest: list[str], leg: PositionId | None) -> None:
        instrument = paper_instrument(SYMBOL)
        quantity = instrument.make_qty(qty)
        kind, *prices = rest or ["MARKET"]
        px = [instrument.make_price(price) for price in prices]
        if kind in ("BRACKET", "EMULATED_BRACKET"):
            entry = {"entry_order_type": OrderType.LIMIT, "entry_price": px[2]} if px[2:] else {}
            if kind == "EMULATED_BRACKET":
                entry["emulation_trigger"] = TriggerType.BID_ASK
            bracket = self.order_factory.bracket(
                ETH, side, quantity, sl_trigger_price=px[0], tp_price=px[1], **entry
            )
            # The children of an emulated entry are held back
            self._last = bracket.orders if kind == "BRACKET" else [bracket.first]
            self.submit_order_list(bracket, leg)
            return
        match kind:
            case "MARKET":
                order = self.order_factory.market(ETH, side, quantity)
            case "LIMIT":
                order = self.order_factory.limit(ETH, side, quantity, px[0], reduce_only=True)
            case "STOP":
                order = self.order_factory.stop_market(ETH, side, quantity, px[0], reduce_only=True)
            case "EMULATED":
                order = self.order_factory.stop_market(
                    ETH,
                    side,
                    quantity,
                    px[0],
                    reduce_only=True,
                    emulation_trigger=TriggerType.BID_ASK,
                )
            case _:
                raise ValueError(kind)
        self._last = [order]
        self.submit_order(order, leg)


_LEGS = (["LONG"], ["SHORT"])


def leg_id(account_id: str, leg: str) -> str:
    """
    Return the position ID of a leg.
    """
    return f"{ETH}-{account_id}-{leg}"


def clients(venue: PaperVenueControl) -> dict[str, Any]:
    """
    Return the execution client's fields for the venue's account.
    """
    return {"port": venue.port, "account_id": venue.account_id, "symbols": (SYMBOL,)}


def holder_node(
    client: dict[str, Any], sends: list[str], redis: dict[str, Any], monitored: bool
) -> TradingNode:
    """
    Return the node that a process to be killed runs.
    """
    node = paper_node(
        paper_node_config(
            [PaperVenueExecClientConfig(**client)],
            [PaperVenueDataClientConfig(port=client["port"], symbols=(SYMBOL,))],
            database=DatabaseConfig(**redis),
        )
    )
    if monitored:
        node.trader.add_actor(RecoveryMonitorActor())
    node.trader.add_strategy(Holder(sends, client["account_id"]))
    return node


def killed_holding(
    venue: PaperVenueControl,
    valkey: EmbeddedValkey,
    *sends: str,
    oms_type: str = "NETTING",
    monitored: bool = True,
    before: Callable[[], object] = lambda: None,
) -> None:
    """
    Run a node until its strategy has sent those orders and all is stored, and kill it.

    `before` is called just before that.
    """
    with NodeProcess(
        "tests.scenes_exits:holder_node",
        client={**clients(venue), "oms_type": oms_type},
        sends=list(sends),
        redis={"host": valkey.host, "port": valkey.port},
        monitored=monitored,
    ) as process:
        stored = process.wait_for("holds")["events"]

        def is_stored(client: Any) -> bool:
            return all(
                client.llen(f"trader-TESTER-001:{key}") == count for key, count in stored.items()
            )

        valkey.wait_for(is_stored)
        before()
        process.kill()
