"""
What the trading and data clients of a paper venue can call.
"""

import asyncio
import time
from decimal import Decimal

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.controls import Controls
from nautilus_recovery_actor.testkit.controls import Peer
from nautilus_recovery_actor.testkit.exchange import ExchangeError
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.faults import MassStatusFault
from nautilus_recovery_actor.testkit.faults import reported_fills
from nautilus_recovery_actor.testkit.faults import reported_orders
from nautilus_recovery_actor.testkit.faults import reported_positions
from nautilus_recovery_actor.testkit.market import Market
from nautilus_recovery_actor.testkit.records import BalanceEvent
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.wire import served


class Session(Peer):
    """One connection, and what its client can call."""

    def __init__(self, writer: asyncio.StreamWriter, controls: Controls) -> None:
        super().__init__(writer)
        self._controls = controls
        self._exchange = controls.exchange

    @served
    def hello_trading(self, account_id: str, oms: Oms = Oms.NETTING) -> None:
        """Trade an account from now on, and get its events."""
        if account_id in self._controls.refused:
            self.close()
            return
        self._exchange.open_account(account_id, oms)
        self.account_id = account_id

    @served
    def hello_data(self) -> None:
        """Get the prices so far and all later ones."""
        self.is_data = True
        for symbol, px in self._exchange.prices.items():
            self.send(Quote(symbol=symbol, px=px, ts=self._exchange.now()))

    # -- ORDERS ------------------------------------------------------------------------------------

    @served
    def submit_orders(self, orders: tuple[NewOrder, ...]) -> None:
        """Place orders, one after the other."""
        account_id = self._record("SubmitOrders", *(o.client_order_id or "" for o in orders))
        for order in orders:
            hold = self._controls.faults_of(account_id).hold_acks
            self._exchange.submit(account_id, order, hold=hold)
            if order.expire_ns is not None:
                self._controls.start(self._expire_at(order.expire_ns))

    @served
    def modify_order(
        self,
        order_id: str,
        qty: Decimal | None = None,
        px: Decimal | None = None,
        trigger_px: Decimal | None = None,
    ) -> None:
        """Change an open order."""
        account_id = self._record("ModifyOrder", order_id)
        self._exchange.modify(account_id, order_id, qty, px, trigger_px)

    @served
    def cancel_orders(self, order_ids: tuple[str, ...]) -> None:
        """Cancel orders by their client or venue order IDs."""
        account_id = self._record("CancelOrders", *order_ids)
        for order_id in order_ids:
            self._exchange.cancel(account_id, order_id)

    @served
    def cancel_all(self, symbol: str | None = None, side: Side | None = None) -> None:
        """Cancel all open orders of the account, of a symbol or of a side."""
        self._exchange.cancel_all(self._record("CancelAll"), symbol, side)

    # -- QUERIES (subject to the faults of the account) --------------------------------------------

    @served
    async def begin_mass_status(self) -> MassStatusFault:
        """Return how the client should answer for a mass status."""
        faults = self._controls.faults_of(self._record("BeginMassStatus"))
        if faults.mass_status is MassStatusFault.HANG:
            await asyncio.Event().wait()
        await asyncio.sleep(faults.mass_status_delay_secs)
        return faults.mass_status

    @served
    async def begin_history(self) -> HistoryFault:
        """Return how the client should answer a request for history."""
        fault, delay_secs = self._controls.history
        if fault is HistoryFault.HANG:
            await asyncio.Event().wait()
        await asyncio.sleep(delay_secs)
        return fault

    @served
    def query_market(self, symbol: str) -> Market | None:
        """Return how the price of a symbol moves, ``None`` if it does not by itself."""
        walk = self._controls.walk_of_prices
        return None if walk is None else walk.markets.get(symbol)

    @served
    def query_orders(
        self,
        symbol: str | None = None,
        order_id: str | None = None,
        open_only: bool = False,
        since_ns: int | None = None,
    ) -> list[Order]:
        """Return the orders the venue reports."""
        account, faults = self._query("QueryOrders")
        return reported_orders(account, faults, symbol, order_id, open_only, since_ns)

    @served
    def query_fills(
        self, symbol: str | None = None, order_id: str | None = None, since_ns: int | None = None
    ) -> list[Fill]:
        """Return the fills the venue reports."""
        account, faults = self._query("QueryFills")
        return reported_fills(account, faults, symbol, order_id, since_ns)

    @served
    def query_positions(self, symbol: str | None = None) -> list[Position]:
        """Return the positions the venue reports, all or those of a symbol."""
        account, faults = self._query("QueryPositions")
        return reported_positions(account, faults, symbol)

    @served
    def query_balances(self) -> BalanceEvent:
        """Return the balances of the account."""
        account_id = self._record("QueryBalances")
        balances = self._exchange.account(account_id).balances()
        return BalanceEvent(account_id=account_id, balances=balances, ts=self._exchange.now())

    # -- INSIDE ------------------------------------------------------------------------------------

    def _record(self, kind: str, *order_ids: str) -> str:
        if self.account_id is None:
            raise ExchangeError(
                "this call needs a trading session: say hello with an account first"
            )
        self._controls.record(self.account_id, kind, *order_ids)
        return self.account_id

    def _query(self, kind: str) -> tuple[Account, Faults]:
        account_id = self._record(kind)
        faults = self._controls.faults_of(account_id)
        if faults.query_errors:
            raise ExchangeError(f"account {account_id}: queries are set to fail")
        return self._exchange.account(account_id), faults

    async def _expire_at(self, expire_ns: int) -> None:
        await asyncio.sleep(max(0.0, (expire_ns - time.time_ns()) / 1e9))
        self._exchange.expire_due(max(expire_ns, time.time_ns()))
