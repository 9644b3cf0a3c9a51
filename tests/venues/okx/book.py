"""
What OKX does with orders: it matches at one price per instrument, for one account.
"""

import time
from decimal import ROUND_DOWN
from decimal import Decimal

from tests.venues.okx.records import FEE_RATE
from tests.venues.okx.records import LIVE
from tests.venues.okx.records import ZERO
from tests.venues.okx.records import Algo
from tests.venues.okx.records import Fill
from tests.venues.okx.records import Json
from tests.venues.okx.records import Order
from tests.venues.okx.records import Position
from tests.venues.okx.records import fee_currency
from tests.venues.okx.records import inst_type
from tests.venues.okx.wire import account_json


class RefusedError(Exception):
    """
    Raised with the code and the message of what OKX does not do.
    """


class Book:
    """
    The account, and all its orders. What must be pushed waits in `outbox`, by channel.
    """

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.prices: dict[str, Decimal] = {}
        self.orders: dict[str, Order] = {}
        self.algos: dict[str, Algo] = {}
        self.fills: list[Fill] = []
        self.positions: dict[str, Position] = {}
        self.balances = {"USDT": Decimal(1_000_000)}
        self.outbox: list[tuple[str, Json]] = []
        self.slices: dict[str, int] = {}
        self._numbers = time.time_ns() // 1_000

    # -- WHAT A TEST DOES --

    def add(self, inst_id: str, px: str) -> None:
        self.codes[inst_id] = len(self.codes) + 10_000
        self.prices[inst_id] = Decimal(px)

    def set_price(self, inst_id: str, px: str) -> None:
        """
        Let the market move: what it crosses is triggered or filled.
        """
        self.prices[inst_id] = price = Decimal(px)
        for algo in self.algos.values():
            if algo.state == "live" and algo.inst_id == inst_id and _crosses(algo, price):
                self._place_of(algo)
        for order in self.open_orders(inst_id):
            if order.px is not None and order.sign * (order.px - price) >= 0:
                self._fill(order, order.sz - order.filled, order.px, "M")

    def set_slices(self, inst_id: str, parts: int) -> None:
        """
        Let each market order of an instrument fill in several trades.
        """
        self.slices[inst_id] = parts

    def trade(self, inst_id: str, side: str, sz: str) -> None:
        """
        Trade at the market, as somebody else who has the account.
        """
        self.place(inst_id, side, "market", sz)

    def cancel(self, client_id: str) -> None:
        """
        Cancel an order of either kind, as somebody else who has the account.
        """
        if any(algo.algo_cl_ord_id == client_id for algo in self.algos.values()):
            self.cancel_algo(self._algo(client_id).algo_id)
        else:
            self.cancel_order(self._order(client_id).ord_id)

    def state(self) -> Json:
        """
        Return what is true: positions by instrument, open orders by their ID, and balances.
        """
        orders = {
            each.cl_ord_id or each.ord_id: f"{each.sz - each.filled:f}"
            for each in self.orders.values()
            if each.state in LIVE
        }
        algos = {
            each.algo_cl_ord_id or each.algo_id: f"{each.sz:f}"
            for each in self.algos.values()
            if each.state == "live"
        }
        return {
            "positions": {name: f"{p.qty:f}" for name, p in self.positions.items() if p.qty},
            "orders": orders | algos,
            "balances": {name: f"{held:f}" for name, held in self.balances.items()},
        }

    # -- WHAT A CLIENT DOES --

    def place(
        self,
        inst_id: str,
        side: str,
        ord_type: str,
        sz: str,
        px: str = "",
        *,
        cl_ord_id: str = "",
        reduce_only: bool = False,
        algo: Algo | None = None,
    ) -> Order:
        if inst_id not in self.prices:
            raise RefusedError("51001", "Instrument ID does not exist")
        if not (cl_ord_id or "x").isalnum() or len(cl_ord_id) > 32:
            raise RefusedError("51000", "Parameter clOrdId error")
        if cl_ord_id and any(each.cl_ord_id == cl_ord_id for each in self.orders.values()):
            raise RefusedError("51016", "Duplicated client order ID")
        limit, market, now = Decimal(px) if px else None, self.prices[inst_id], self.now()
        order = Order(
            self._number(), cl_ord_id, inst_id, side, ord_type, Decimal(sz), limit, reduce_only,
            now, now,
        )  # fmt: skip
        if algo is not None:
            order.algo_id, order.algo_cl_ord_id = algo.algo_id, algo.algo_cl_ord_id
        held = self.positions.get(inst_id, Position(inst_id)).qty
        if reduce_only and held * order.sign >= 0:
            raise RefusedError("51169", "You don't have any positions of this contract to reduce")
        if reduce_only:
            order.sz = min(order.sz, abs(held))
        self.orders[order.ord_id] = order
        self._push(order)
        if limit is None or order.sign * (limit - market) >= 0:
            parts = self.slices.get(inst_id, 1)
            for part in range(parts):
                left = order.sz - order.filled
                self._fill(
                    order, left if part == parts - 1 else _part(order.sz, parts), market, "T"
                )
        return order

    def cancel_order(self, ord_id: str, cl_ord_id: str = "") -> Order:
        orders = self.orders.values()
        found = self.orders.get(ord_id) or next(
            (each for each in orders if cl_ord_id and each.cl_ord_id == cl_ord_id), None
        )
        if found is None or found.state not in LIVE:
            raise RefusedError("51400", "Cancellation failed as the order does not exist")
        found.state, found.u_time = "canceled", self.now()
        self._push(found)
        return found

    def place_algo(
        self,
        inst_id: str,
        side: str,
        ord_type: str,
        sz: str,
        trigger_px: str,
        order_px: str,
        *,
        algo_cl_ord_id: str = "",
        reduce_only: bool = False,
    ) -> Algo:
        now, trigger = self.now(), Decimal(trigger_px)
        algo = Algo(
            self._number(), algo_cl_ord_id, inst_id, side, ord_type, Decimal(sz), trigger, order_px,
            reduce_only, trigger > self.prices[inst_id], now, now,
        )  # fmt: skip
        self.algos[algo.algo_id] = algo
        self.outbox.append(("orders-algo", algo.json()))
        return algo

    def cancel_algo(self, algo_id: str) -> Algo:
        algo = self.algos.get(algo_id)
        if algo is None or algo.state != "live":
            raise RefusedError("51400", "Cancellation failed as the order does not exist")
        algo.state, algo.u_time = "canceled", self.now()
        self.outbox.append(("orders-algo", algo.json()))
        return algo

    def open_orders(self, inst_id: str) -> list[Order]:
        orders = self.orders.values()
        return [each for each in orders if each.inst_id == inst_id and each.state in LIVE]

    # -- INSIDE --

    def _place_of(self, algo: Algo) -> None:
        algo.state, algo.u_time = "effective", self.now()
        px = "" if algo.order_px == "-1" else algo.order_px
        kind, pushed = "limit" if px else "market", len(self.outbox)
        try:
            order = self.place(
                algo.inst_id, algo.side, kind, f"{algo.sz:f}", px,
                reduce_only=algo.reduce_only, algo=algo,
            )  # fmt: skip
        except RefusedError:
            algo.state = "order_failed"
        else:
            algo.ord_id, algo.actual_sz = order.ord_id, f"{order.sz:f}"
            algo.actual_px = f"{order.value / order.filled:f}" if order.filled else ""
        self.outbox.insert(pushed, ("orders-algo", algo.json()))

    def _fill(self, order: Order, sz: Decimal, px: Decimal, exec_type: str) -> None:
        now, currency = self.now(), fee_currency(order.inst_id, order.side)
        base, quote, *_ = order.inst_id.split("-")
        fee = sz * FEE_RATE * (1 if currency == base else px)
        fill = Fill(
            self._number(), order.ord_id, order.cl_ord_id, order.inst_id, order.side, sz, px, fee,
            exec_type, now,
        )  # fmt: skip
        self.fills.append(fill)
        self._pay(currency, -fee)
        if inst_type(order.inst_id) == "SPOT":
            self._pay(base, order.sign * sz)
            self._pay(quote, -order.sign * sz * px)
        else:
            before = self.positions.get(order.inst_id, Position(order.inst_id))
            self.positions[order.inst_id] = after = before.after(order.sign * sz, px, now)
            closed = sz if abs(after.qty) < abs(before.qty) else ZERO
            self._pay(quote, closed * order.sign * (before.avg_px - px))
        order.filled, order.value = order.filled + sz, order.value + sz * px
        order.fee, order.last_fill, order.u_time = order.fee + fee, fill, now
        order.state = "filled" if order.filled == order.sz else "partially_filled"
        self._push(order, fill)
        self.outbox.append(("account", account_json(self.balances, now)))

    def _pay(self, currency: str, amount: Decimal) -> None:
        self.balances[currency] = self.balances.get(currency, ZERO) + amount

    def _push(self, order: Order, fill: Fill | None = None) -> None:
        self.outbox.append(("orders", order.json(fill)))

    def _algo(self, client_id: str) -> Algo:
        return next(each for each in self.algos.values() if each.algo_cl_ord_id == client_id)

    def _order(self, client_id: str) -> Order:
        return next(each for each in self.orders.values() if each.cl_ord_id == client_id)

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def _number(self) -> str:
        self._numbers += 1
        return str(self._numbers)


def _crosses(algo: Algo, price: Decimal) -> bool:
    return price >= algo.trigger_px if algo.rises else price <= algo.trigger_px


def _part(sz: Decimal, parts: int) -> Decimal:
    return (sz / parts).quantize(Decimal("0.001"), ROUND_DOWN)
