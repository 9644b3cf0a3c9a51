"""
An account at the venue, and the matching of its orders: no I/O, and no NautilusTrader.

A market order fills at the price and moves it a little, a limit order rests until the price reaches
it, a conditional one until the price crosses its trigger. On `algo` venues (Binance since December
2025) a conditional order is an algo order, and triggering it places another order under a new ID.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from decimal import Decimal


CONDITIONAL = {"STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"}
OPEN = {"NEW", "PARTIALLY_FILLED"}
FEE = Decimal("0.0005")
IMPACT = Decimal("0.10")
ZERO = Decimal(0)


class VenueError(Exception):
    """Raised when the venue refuses a request, with its code and its message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Trade:
    id: int
    order_id: int
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    pnl: Decimal
    is_maker: bool
    time: int
    leg: str = "BOTH"

    @property
    def commission(self) -> Decimal:
        return self.qty * self.price * FEE


@dataclass
class Order:
    id: int
    client_id: str
    symbol: str
    side: str
    kind: str
    qty: Decimal
    price: Decimal = ZERO
    trigger: Decimal = ZERO
    time_in_force: str = "GTC"
    is_reduce_only: bool = False
    leg: str = "BOTH"  # `LONG` or `SHORT` in hedge mode
    status: str = "NEW"
    original_kind: str = ""
    filled: Decimal = ZERO
    quote: Decimal = ZERO
    created: int = 0
    updated: int = 0
    triggered: int = 0
    placed: "Order | None" = None  # Of an algo order: what triggering it has placed

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def sign(self) -> int:
        return 1 if self.side == "BUY" else -1

    @property
    def avg_price(self) -> Decimal:
        return self.quote / self.filled if self.filled else ZERO


@dataclass
class Position:
    qty: Decimal = ZERO
    entry: Decimal = ZERO
    updated: int = 0

    def apply(self, signed: Decimal, price: Decimal) -> Decimal:
        """Change by a fill, and return the profit that it realizes."""
        before, after = self.qty, self.qty + signed
        if before * signed >= 0:
            self.entry = (before * self.entry + signed * price) / after
            self.qty = after
            return ZERO
        closed = min(abs(before), abs(signed)) * (1 if before > 0 else -1)
        pnl = closed * (price - self.entry)
        self.qty = after
        self.entry = price if before * after < 0 else self.entry if after else ZERO
        return pnl


@dataclass
class Account:
    """What the venue knows of one account: `tell` hears of each change as it happens."""

    is_algo: bool = True
    prices: dict[str, Decimal] = field(default_factory=dict)
    slices: dict[str, int] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    algo_orders: list[Order] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    balance: Decimal = Decimal(1_000_000)
    skew_ms: int = 0
    is_hedged: bool = False
    last_id: int = 8_000_000_000
    last_time: int = 0
    # Symbol → what ended before is no longer in the answers
    history_from: dict[str, int] = field(default_factory=dict)
    # Bars that the history lacks, by when they opened
    gaps: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.tell: Callable[[str, Order, Trade | None], None] = lambda *_: None

    def now(self) -> int:
        """No two things happen in one millisecond: in which order they did would be a guess."""
        self.last_time = max(self.last_time + 1, time.time_ns() // 1_000_000 + self.skew_ms)
        return self.last_time

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def forget_history(self, symbol: str | None = None) -> None:
        """Let a week pass: the venue answers with trades and closed orders of seven days."""
        self.history_from |= dict.fromkeys([symbol] if symbol else self.prices, self.now())

    def forget_order(self, client_id: str) -> None:
        """Drop an order and its trades from every answer, also when it is asked for by its ID."""
        named = {order.id for order in self.orders if order.client_id == client_id}
        self.trades[:] = [trade for trade in self.trades if trade.order_id not in named]
        for orders in (self.orders, self.algo_orders):
            orders[:] = [order for order in orders if order.client_id != client_id]

    def remembers(self, order: Order) -> bool:
        return order.is_open or order.updated >= self.history_from.get(order.symbol, 0)

    def position(self, symbol: str, leg: str = "BOTH") -> Position:
        key = symbol if leg == "BOTH" else f"{symbol} {leg}"
        return self.positions.setdefault(key, Position())

    # -- REQUESTS --

    def place(self, order: Order) -> Order:
        """Take an order, as `POST /fapi/v1/order`."""
        if order.kind in CONDITIONAL and self.is_algo:
            raise VenueError(
                -4120, "Order type not supported for this endpoint. Please use the Algo Order API"
            )
        if order.is_reduce_only and order.kind not in CONDITIONAL and not self._reducible(order):
            raise VenueError(-2022, "ReduceOnly Order is rejected.")
        self._add(self.orders, order)
        self.tell("NEW", order, None)
        if order.kind == "MARKET":
            self._fill_at_market(order)
        self._match(order.symbol)
        return order

    def place_algo(self, order: Order) -> Order:
        """Take a conditional order, as `POST /fapi/v1/algoOrder`."""
        self._add(self.algo_orders, order)
        self.tell("ALGO", order, None)
        self._match(order.symbol)
        return order

    def cancel(self, order: Order) -> Order:
        """Cancel an order of either kind."""
        if not order.is_open:
            raise VenueError(-2011, "Unknown order sent.")
        self._end(order, "CANCELED")
        return order

    def find(self, orders: list[Order], order_id: str | None, client_id: str | None) -> Order:
        """Return an order by the venue's ID, or else the newest with the client's."""
        for order in reversed(orders):
            if str(order.id) == order_id or (order_id is None and order.client_id == client_id):
                return order
        raise VenueError(-2013, "Order does not exist.")

    # -- WHAT HAPPENS --

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the price, and execute what it reaches."""
        self.prices[symbol] = price
        self._match(symbol)

    def fill(self, order: Order, qty: Decimal, price: Decimal, *, is_maker: bool = True) -> None:
        """Fill an order, in full or in part."""
        position = self.position(order.symbol, order.leg)
        pnl = position.apply(order.sign * qty, price)
        now = self.now()
        done = (order.side, qty, price, pnl, is_maker, now, order.leg)
        trade = Trade(self.next_id(), order.id, order.symbol, *done)
        self.trades.append(trade)
        self.balance += pnl - trade.commission
        position.updated = order.updated = now
        order.filled += qty
        order.quote += qty * price
        order.status = "FILLED" if order.filled >= order.qty else "PARTIALLY_FILLED"
        self.tell("TRADE", order, trade)
        self._expire_reduce_only(order.symbol)

    def _add(self, orders: list[Order], order: Order) -> None:
        order.original_kind = order.original_kind or order.kind
        order.created = order.updated = self.now()
        orders.append(order)

    def _end(self, order: Order, status: str) -> None:
        order.status, order.updated = status, self.now()
        is_algo = any(order is algo_order for algo_order in self.algo_orders)
        self.tell("ALGO" if is_algo else status, order, None)

    def _match(self, symbol: str) -> None:
        price = self.prices[symbol]
        for order in [*self.algo_orders, *self.orders]:
            if order.symbol != symbol or not order.is_open:
                continue
            if order.kind in CONDITIONAL:
                if _is_crossed(order, price):
                    self._trigger(order)
            elif order.kind == "LIMIT" and order.sign * (order.price - price) >= 0:
                self.fill(order, order.qty - order.filled, order.price)

    def _trigger(self, order: Order) -> None:
        order.triggered = self.now()
        if order.is_reduce_only and not self._reducible(order):
            self._end(order, "EXPIRED")
        elif any(order is algo_order for algo_order in self.algo_orders):
            self._place_triggered(order)
        else:  # As the venue was before: the same order, with another type
            order.kind = "MARKET" if order.kind.endswith("_MARKET") else "LIMIT"
            self._execute(order)

    def _place_triggered(self, algo_order: Order) -> None:
        kind = "MARKET" if algo_order.kind.endswith("_MARKET") else "LIMIT"
        algo_order.placed = order = Order(
            id=self.next_id(),
            client_id=algo_order.client_id,
            symbol=algo_order.symbol,
            side=algo_order.side,
            kind=kind,
            qty=algo_order.qty,
            price=algo_order.price,
            time_in_force=algo_order.time_in_force,
            is_reduce_only=algo_order.is_reduce_only,
            leg=algo_order.leg,
            original_kind=kind,
        )
        self._end(algo_order, "TRIGGERED")
        self._add(self.orders, order)
        self.tell("NEW", order, None)
        self._execute(order)
        self._end(algo_order, "FINISHED")

    def _execute(self, order: Order) -> None:
        if order.kind == "MARKET":
            self._fill_at_market(order)

    def _fill_at_market(self, order: Order) -> None:
        if order.is_reduce_only:
            order.qty = min(order.qty, abs(self.position(order.symbol, order.leg).qty))
        parts = self.slices.get(order.symbol, 1)
        step = (order.qty / parts).quantize(Decimal("0.001"))
        for part in range(parts):
            qty = order.qty - order.filled if part == parts - 1 else step
            self.fill(order, qty, self.prices[order.symbol], is_maker=False)
            self.prices[order.symbol] += order.sign * IMPACT

    def _reducible(self, order: Order) -> bool:
        return self.position(order.symbol, order.leg).qty * order.sign < 0

    def _expire_reduce_only(self, symbol: str) -> None:
        for order in self.orders:
            is_left = order.symbol == symbol and order.is_open and order.kind == "LIMIT"
            if is_left and order.is_reduce_only and not self._reducible(order):
                self._end(order, "EXPIRED")


def _is_crossed(order: Order, price: Decimal) -> bool:
    is_stop = order.kind.startswith("STOP")
    return (price - order.trigger) * order.sign * (1 if is_stop else -1) >= 0
