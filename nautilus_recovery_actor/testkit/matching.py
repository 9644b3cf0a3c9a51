"""
What happens to an order at a paper exchange: accepted, triggered, filled, canceled.
"""

from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from nautilus_recovery_actor.testkit.account import ZERO
from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.records import BalanceEvent
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import EventKind
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import TimeInForce


ExchangeEvent = OrderEvent | CommandRejected | BalanceEvent | Quote


class Matching:
    """Move orders from state to state against one price per symbol, and publish each step."""

    def __init__(
        self,
        publish: Callable[[ExchangeEvent], None],
        now: Callable[[], int],
        prefix: str,
        currency: str,
        fee_rate: Decimal,
    ) -> None:
        self.prices: dict[str, Decimal] = {}
        self._publish = publish
        self._now = now
        self._prefix = prefix
        self._currency = currency
        self._fee_rate = fee_rate
        self._trade_count = 0

    def accept(self, account: Account, order: Order) -> Order:
        """Accept an order and match it for the first time."""
        order = self.change(account, order, EventKind.ACCEPTED, state=OrderState.ACCEPTED)
        return self.match(account, order, is_new=True)

    def match(self, account: Account, order: Order, is_new: bool = False) -> Order:
        """Trigger and fill an open order as far as the price allows, and return what it became."""
        px = self.prices.get(order.symbol)
        if px is None:
            return order

        is_taker = is_new
        if order.is_stop:
            if not order.is_triggered_at(px):
                return order
            is_taker = True
            order = self._trigger(account, order)

        if order.px is None:
            order = self._take(account, order, px, is_maker=False)
        elif order.is_crossed_at(px):
            order = self._take(account, order, px if is_taker else order.px, not is_taker)

        if is_new and order.state.is_open and order.tif in (TimeInForce.IOC, TimeInForce.FOK):
            order = self.cancel(account, order, f"{order.tif.value} not filled")
        return order

    def fill(
        self, account: Account, order: Order, qty: Decimal, px: Decimal, is_maker: bool
    ) -> Order:
        """Fill an order, and return what it became."""
        self._trade_count += 1
        fill = Fill(
            trade_id=f"{self._prefix}-T{self._trade_count}",
            venue_order_id=order.venue_order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            px=px,
            fee=qty * px * self._fee_rate,
            currency=self._currency,
            is_maker=is_maker,
            leg=order.leg,
            ts=self._now(),
        )
        account.book(fill)
        filled_qty = order.filled_qty + qty
        paid = (order.avg_px or ZERO) * order.filled_qty + px * qty
        order = account.store(
            replace(
                order,
                state=OrderState.PARTIALLY_FILLED if filled_qty < order.qty else OrderState.FILLED,
                filled_qty=filled_qty,
                avg_px=paid / filled_qty,
                ts_last=fill.ts,
            )
        )
        self.publish_order(account, EventKind.FILLED, order, fill)
        self.publish_balances(account)
        if order.state is OrderState.FILLED:
            self._cancel_linked(account, order)
        return order

    def cancel(self, account: Account, order: Order, reason: str = "") -> Order:
        """Cancel an order."""
        changes = {"state": OrderState.CANCELED, "reason": reason}
        return self.change(account, order, EventKind.CANCELED, **changes)

    def change(self, account: Account, order: Order, kind: EventKind, **changes: object) -> Order:
        """Change an order, publish it, and return what it became."""
        order = account.store(replace(order, ts_last=self._now(), **changes))
        self.publish_order(account, kind, order)
        return order

    def publish_balances(self, account: Account) -> None:
        """Publish the balances of an account."""
        balances = account.balances()
        self._publish(
            BalanceEvent(account_id=account.account_id, balances=balances, ts=self._now())
        )

    def _trigger(self, account: Account, order: Order) -> Order:
        order = replace(order, ts_triggered=self._now())
        if order.kind is OrderKind.STOP_MARKET:
            # Filled at once: venues report no triggered state in between
            return account.store(order)
        return self.change(account, order, EventKind.TRIGGERED, state=OrderState.TRIGGERED)

    def _take(self, account: Account, order: Order, px: Decimal, is_maker: bool) -> Order:
        qty = order.leaves_qty
        if order.only_closes:
            qty = min(qty, account.reducible_qty(order))
        if qty > ZERO:
            order = self.fill(account, order, qty, px, is_maker)
        if order.only_closes and order.state.is_open:
            order = self.cancel(account, order, "nothing left to reduce")
        return order

    def _cancel_linked(self, account: Account, order: Order) -> None:
        for client_order_id in order.cancels:
            linked = account.find(client_order_id)
            if linked is not None and linked.state.is_open:
                self.cancel(account, linked, f"linked order {order.client_order_id} was filled")

    def publish_order(
        self, account: Account, kind: EventKind, order: Order, fill: Fill | None = None
    ) -> None:
        """Publish what happened to an order."""
        self._publish(
            OrderEvent(
                account_id=account.account_id, kind=kind, ts=order.ts_last, order=order, fill=fill
            )
        )
