"""
A paper exchange: any number of accounts, traded against one price per symbol.

Market orders fill at the price, limit orders when it crosses them, stop orders once it reaches
their trigger. Liquidity is never scarce: partial fills happen on request only (`Exchange.fill`).

Nothing here uses sockets, the system clock or NautilusTrader. Every change is published as an event
to one callback, so a server can push it and a test can collect it.
"""

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import asdict
from msgspec.structs import replace

from nautilus_recovery_actor.testkit.account import ZERO
from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.matching import ExchangeEvent
from nautilus_recovery_actor.testkit.matching import Matching
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import EventKind
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.wire import served


class ExchangeError(Exception):
    """Raised when an operation names something that does not exist or cannot be done."""


class Exchange:
    """Take the orders of any number of accounts, and match them against one price per symbol."""

    def __init__(
        self,
        publish: Callable[[ExchangeEvent], None],
        clock: Callable[[], int],
        prefix: str = "PAPER",  # Venues of one node need different ones: its cache mixes their IDs
        currency: str = "USDT",
        fee_rate: Decimal = ZERO,
    ) -> None:
        self.accounts: dict[str, Account] = {}
        self._publish = publish
        self._clock = clock
        self._prefix = prefix
        self._currency = currency
        self._matching = Matching(publish, self.now, prefix, currency, fee_rate)
        self.prices = self._matching.prices
        self._ts_last = 0
        self._order_count = 0

    def now(self) -> int:
        """Return the time (UNIX nanoseconds), later than any time handed out before."""
        self._ts_last = max(self._clock(), self._ts_last + 1)
        return self._ts_last

    # -- ACCOUNTS AND PRICES -----------------------------------------------------------------------

    @served
    def open_account(
        self, account_id: str, oms: Oms | None = Oms.NETTING, balance: Decimal = Decimal(1_000_000)
    ) -> None:
        """Open an account with the given balance, unless it is open."""
        account = self.accounts.get(account_id)
        if account is None:
            totals = {self._currency: balance}
            self.accounts[account_id] = Account(account_id, oms or Oms.NETTING, totals)
        elif oms not in (None, account.oms):
            raise ExchangeError(
                f"account {account_id} is {account.oms}, not {oms}: "
                f"use the same OMS everywhere, or use another account ID"
            )

    def account(self, account_id: str) -> Account:
        """Return the account with the given ID."""
        if account_id not in self.accounts:
            known = ", ".join(self.accounts) or "none"
            raise ExchangeError(f"no account {account_id} (known accounts: {known}): open it first")
        return self.accounts[account_id]

    @served
    def set_price(self, symbol: str, px: Decimal) -> None:
        """Set the price of a symbol, and trigger or fill the orders it reaches."""
        self.prices[symbol] = px
        self._publish(Quote(symbol=symbol, px=px, ts=self.now()))
        for account in self.accounts.values():
            for venue_order_id in list(account.orders):
                # Looked up again at its turn: an order before it may have canceled it
                order = account.orders[venue_order_id]
                if order.symbol == symbol and order.state.is_open:
                    self._matching.match(account, order)

    @served
    def set_position(
        self,
        account_id: str,
        symbol: str,
        qty: Decimal,
        avg_px: Decimal = ZERO,
        leg: Leg | None = None,
    ) -> None:
        """Put a position in place as if it had always been there, without an order or a fill."""
        account = self.account(account_id)
        if leg is None:
            leg = Leg.NET
            if account.oms is Oms.HEDGING:
                leg = Leg.LONG if qty >= ZERO else Leg.SHORT
        position = Position(symbol=symbol, qty=qty, cost=qty * avg_px, leg=leg, ts_last=self.now())
        account.positions[symbol, leg] = position

    @served
    def set_balance(self, account_id: str, total: Decimal, currency: str | None = None) -> None:
        """Set the balance of an account, by default in the currency of the exchange."""
        account = self.account(account_id)
        account.totals[currency or self._currency] = total
        self._matching.publish_balances(account)

    # -- ORDERS ------------------------------------------------------------------------------------

    def submit(self, account_id: str, new: NewOrder, hold: bool = False) -> Order:
        """Match an order, or hold it until `release`; a rejected one is not kept."""
        account = self.account(account_id)
        ts = self.now()
        self._order_count += 1
        order = Order(
            **{**asdict(new), "leg": account.leg_of(new)},
            venue_order_id=f"{self._prefix}-{self._order_count}",
            state=OrderState.HELD,
            ts_accepted=ts,
            ts_last=ts,
        )
        reason = self._refusal(account, order)
        if reason is not None:
            order = replace(order, state=OrderState.REJECTED, reason=reason)
            self._matching.publish_order(account, EventKind.REJECTED, order)
            return order
        account.store(order)
        return order if hold else self._matching.accept(account, order)

    @served
    def place(self, account_id: str, order: NewOrder) -> Order:
        """Place an order "elsewhere": on the account, but not by a node."""
        placed = self.submit(account_id, order)
        if placed.state is OrderState.REJECTED:
            raise ExchangeError(f"order rejected: {placed.reason}")
        return placed

    def release(self, account_id: str) -> None:
        """Answer the orders that were held back, oldest first."""
        account = self.account(account_id)
        for order in [o for o in account.orders.values() if o.state is OrderState.HELD]:
            self._matching.accept(account, order)

    def modify(
        self,
        account_id: str,
        order_id: str,
        qty: Decimal | None = None,
        px: Decimal | None = None,
        trigger_px: Decimal | None = None,
    ) -> None:
        """Change an open order and match it again, or publish why not."""
        account = self.account(account_id)
        order = self._open_order(account, order_id, "MODIFY")
        if order is None:
            return
        if qty is not None and qty <= order.filled_qty:
            self._refuse(account, "MODIFY", order_id, f"{order.filled_qty} is already filled")
            return
        order = self._matching.change(
            account,
            order,
            EventKind.MODIFIED,
            qty=order.qty if qty is None else qty,
            px=order.px if px is None else px,
            trigger_px=order.trigger_px if trigger_px is None else trigger_px,
        )
        self._matching.match(account, order)

    @served
    def cancel(self, account_id: str, order_id: str) -> None:
        """Cancel an open order, or publish why not."""
        account = self.account(account_id)
        order = self._open_order(account, order_id, "CANCEL")
        if order is not None:
            self._matching.cancel(account, order)

    @served
    def cancel_all(
        self, account_id: str, symbol: str | None = None, side: Side | None = None
    ) -> None:
        """Cancel all open orders of an account, of a symbol or of a side."""
        account = self.account(account_id)
        for order in list(account.orders.values()):
            is_listed = symbol in (None, order.symbol) and side in (None, order.side)
            if is_listed and order.state.is_open:
                self._matching.cancel(account, order)

    @served
    def expire(self, account_id: str, order_id: str) -> None:
        """Expire an open order."""
        account = self.account(account_id)
        order = self._must_be_open(account, order_id)
        self._matching.change(account, order, EventKind.EXPIRED, state=OrderState.EXPIRED)

    def expire_due(self, now_ns: int) -> None:
        """Expire the ``GTD`` orders that are due."""
        for account in self.accounts.values():
            for order in list(account.orders.values()):
                is_due = order.expire_ns is not None and order.expire_ns <= now_ns
                if is_due and order.state.is_open:
                    self.expire(account.account_id, order.venue_order_id)

    @served
    def fill(
        self, account_id: str, order_id: str, qty: Decimal | None = None, px: Decimal | None = None
    ) -> Order:
        """Fill an open order, in part or as a whole, whatever the price is."""
        account = self.account(account_id)
        order = self._must_be_open(account, order_id)
        qty = order.leaves_qty if qty is None else qty
        if not ZERO < qty <= order.leaves_qty:
            raise ExchangeError(f"cannot fill {qty} of {order_id}: {order.leaves_qty} is left")
        closable = account.reducible_qty(order)
        if order.only_closes and qty > closable:
            raise ExchangeError(
                f"cannot fill {qty} of {order_id}: it only closes, and {closable} is open"
            )
        candidates = (px, order.px, order.trigger_px, self.prices.get(order.symbol))
        fill_px = next((c for c in candidates if c is not None), None)
        if fill_px is None:
            raise ExchangeError(f"no price at which to fill {order_id}: pass one")
        return self._matching.fill(account, order, qty, fill_px, is_maker=order.px is not None)

    # -- REFUSALS ----------------------------------------------------------------------------------

    def _refusal(self, account: Account, order: Order) -> str | None:
        px = self.prices.get(order.symbol)
        reasons = {
            f"duplicate client order ID {order.client_order_id}": (
                order.client_order_id in account.client_order_ids
            ),
            f"quantity {order.qty} is not positive": order.qty <= ZERO,
            f"no price for {order.symbol}": order.kind is OrderKind.MARKET and px is None,
            f"{order.kind.value} needs a price": (
                order.px is None and order.kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
            ),
            f"{order.kind.value} needs a trigger price": order.is_stop and order.trigger_px is None,
            f"post-only order would take liquidity at {px}": (
                order.post_only and px is not None and order.is_crossed_at(px)
            ),
        }
        return next((reason for reason, is_so in reasons.items() if is_so), None)

    def _open_order(self, account: Account, order_id: str, command: str) -> Order | None:
        order = account.find(order_id)
        if order is not None and order.state.is_open:
            return order
        reason = "no such order" if order is None else f"order is {order.state.value}"
        self._refuse(account, command, order_id, reason)
        return None

    def _must_be_open(self, account: Account, order_id: str) -> Order:
        order = account.find(order_id)
        if order is None:
            raise ExchangeError(f"account {account.account_id} has no order {order_id}")
        if not order.state.is_open:
            raise ExchangeError(f"order {order_id} is {order.state.value}, not open")
        return order

    def _refuse(self, account: Account, command: str, order_id: str, reason: str) -> None:
        order = account.find(order_id)
        self._publish(
            CommandRejected(
                account_id=account.account_id,
                command=command,
                reason=reason,
                ts=self.now(),
                client_order_id=order_id if order is None else order.client_order_id,
                venue_order_id=None if order is None else order.venue_order_id,
            )
        )
