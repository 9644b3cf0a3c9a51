"""
What a paper venue holds besides its exchange, and the controls of that.
"""

import asyncio
import time
from collections.abc import Coroutine
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.conditions import AnyCondition
from nautilus_recovery_actor.testkit.conditions import is_true
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.exchange import ExchangeError
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.matching import ExchangeEvent
from nautilus_recovery_actor.testkit.records import Balance
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import SendMassStatus
from nautilus_recovery_actor.testkit.walk import Walk
from nautilus_recovery_actor.testkit.wire import Message
from nautilus_recovery_actor.testkit.wire import encode
from nautilus_recovery_actor.testkit.wire import served


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """The true state of an account, its connections, and the faults it is reported with."""

    oms: Oms
    connections: int
    orders: list[Order]
    fills: list[Fill]
    positions: list[Position]
    balances: tuple[Balance, ...]
    faults: Faults


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call of a trading session, such as ``SubmitOrders``, and the order IDs it names."""

    account_id: str
    kind: str
    ts: int
    order_ids: tuple[str, ...] = ()


class Peer:
    """The other end of one connection: a control, until it says hello as something else."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.account_id: str | None = None
        self.is_data = False
        self._writer = writer

    def send(self, message: Message) -> None:
        """Send a message, unless the connection is closing."""
        if not self._writer.is_closing():
            self._writer.write(encode(message))

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


class Controls:
    """The exchange, its connections, the faults, and the conditions that are waited for."""

    def __init__(self, prefix: str = "PAPER", fee_rate: Decimal = Decimal(0)) -> None:
        self.exchange = Exchange(self._publish, time.time_ns, prefix=prefix, fee_rate=fee_rate)
        self.closed = asyncio.Event()
        self.peers: set[Peer] = set()
        self.refused: set[str] = set()
        self.walk_of_prices: Walk | None = None
        self._received: list[Command] = []
        self.history = (HistoryFault.OK, 0.0)
        self._faults: dict[str, Faults] = {}
        self._unsilenced = asyncio.Event()
        self._waiting: dict[asyncio.Future[None], AnyCondition] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def faults_of(self, account_id: str) -> Faults:
        """Return the faults of an account."""
        return self._faults.get(account_id) or Faults()

    def record(self, account_id: str, kind: str, *order_ids: str) -> None:
        """Record a call of a trading session."""
        ts = self.exchange.now()
        command = Command(account_id=account_id, kind=kind, ts=ts, order_ids=order_ids)
        self._received.append(command)
        self.check_conditions()

    def start(self, coroutine: Coroutine[None, None, None]) -> None:
        """Run a coroutine in the background."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until_heard(self, peer: Peer) -> None:
        """Wait while the venue answers nothing to a connection."""
        while peer.account_id is not None and self.faults_of(peer.account_id).silent:
            self._unsilenced.clear()
            await self._unsilenced.wait()

    def check_conditions(self) -> None:
        """End the waiting for conditions that have become true."""
        for future, condition in self._waiting.items():
            if not future.done() and self._is_true(condition):
                future.set_result(None)

    # -- CONTROLS ----------------------------------------------------------------------------------

    @served
    def prices(self) -> dict[str, Decimal]:
        """Return the price of each symbol."""
        return self.exchange.prices

    @served
    def play(self, path: tuple[tuple[float, str, Decimal], ...]) -> None:
        """Play prices, each some seconds after the one before, and return at once."""
        self.start(self._play(path))

    @served
    def walk(self, seed: int, interval_secs: float, is_still: bool) -> None:
        """Let all prices move by themselves from now on, as bars and history do then."""
        if self.walk_of_prices is not None:
            raise ExchangeError("the prices are moving already")
        self.walk_of_prices = Walk(self.exchange, seed, interval_secs, is_still)
        self.start(self.walk_of_prices.run())

    @served
    def state(self, account_id: str) -> AccountState:
        """Return the true state of an account."""
        account = self.exchange.account(account_id)
        return AccountState(
            oms=account.oms,
            connections=len(self._trading(account_id)),
            orders=list(account.orders.values()),
            fills=account.fills,
            positions=list(account.positions.values()),
            balances=account.balances(),
            faults=self.faults_of(account_id),
        )

    @served
    def release(self, account_id: str) -> None:
        """Answer the orders that were held back, and stop holding back."""
        faults = self.faults_of(account_id)
        self._faults[account_id] = msgspec.structs.replace(faults, hold_acks=False)
        self.exchange.release(account_id)

    @served
    def set_faults(self, account_id: str, faults: Faults) -> None:
        """Replace the faults of an account."""
        self._faults[account_id] = faults
        if not faults.silent:
            self._unsilenced.set()

    @served
    def set_history(self, fault: HistoryFault, delay_secs: float) -> None:
        """Set how requests for history are answered, and after how many seconds."""
        self.history = (fault, delay_secs)

    @served
    def mark(self) -> int:
        """Return the venue's time (UNIX nanoseconds)."""
        return self.exchange.now()

    @served
    def drop_connections(self, account_id: str, refuse_secs: float = 0.0) -> int:
        """Close the trading sessions of an account, and return how many there were."""
        dropped = self._trading(account_id)
        for peer in dropped:
            peer.close()
        if refuse_secs > 0.0:
            self.refuse_connections(account_id, True)
            self.start(self._accept_again(account_id, refuse_secs))
        return len(dropped)

    @served
    def refuse_connections(self, account_id: str, refuse: bool) -> None:
        """Refuse new trading sessions of an account, or accept them again."""
        if refuse:
            self.refused.add(account_id)
        else:
            self.refused.discard(account_id)

    @served
    def push_mass_status(self, account_id: str) -> None:
        """Make the trading sessions of an account send their mass status to the node."""
        for peer in self._trading(account_id):
            peer.send(SendMassStatus())

    @served
    def commands(self, account_id: str | None) -> list[Command]:
        """Return the calls of the trading sessions of one account or of all."""
        return [c for c in self._received if account_id in (None, c.account_id)]

    @served
    async def wait(self, condition: AnyCondition, timeout_secs: float) -> None:
        """Wait until a condition is true."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = condition
        self.check_conditions()
        try:
            await asyncio.wait_for(future, timeout_secs)
        except TimeoutError:
            raise ExchangeError(self._missed(condition, timeout_secs)) from None
        finally:
            del self._waiting[future]

    @served
    def shut_down(self) -> None:
        """End the venue."""
        self.closed.set()

    # -- INSIDE ------------------------------------------------------------------------------------

    def _publish(self, event: ExchangeEvent) -> None:
        if isinstance(event, Quote):
            if self.walk_of_prices is not None:
                self.walk_of_prices.hear(event)
            told = [peer for peer in self.peers if peer.is_data]
        else:
            faults = self.faults_of(event.account_id)
            is_lost = faults.lose_events or faults.silent
            told = [] if is_lost else self._trading(event.account_id)
        for peer in told:
            peer.send(event)
        self.check_conditions()

    def _trading(self, account_id: str) -> list[Peer]:
        return [p for p in self.peers if p.account_id == account_id]

    async def _accept_again(self, account_id: str, delay_secs: float) -> None:
        await asyncio.sleep(delay_secs)
        self.refuse_connections(account_id, False)

    async def _play(self, path: tuple[tuple[float, str, Decimal], ...]) -> None:
        for delay_secs, symbol, px in path:
            await asyncio.sleep(delay_secs)
            self.exchange.set_price(symbol, px)

    def _is_true(self, condition: AnyCondition) -> bool:
        account_id = condition.account_id
        account = self.exchange.accounts.get(account_id) or Account(account_id, Oms.NETTING, {})
        kinds = (c.kind for c in self._received if c.account_id == account_id)
        return is_true(condition, account, len(self._trading(account_id)), kinds)

    def _missed(self, condition: AnyCondition, timeout_secs: float) -> str:
        account = self.exchange.accounts.get(condition.account_id)
        orders = [] if account is None else account.orders.values()
        return (
            f"not true within {timeout_secs} s: {condition}; "
            f"orders: {[(o.client_order_id, o.venue_order_id, o.state.value) for o in orders]}, "
            f"sessions: {len(self._trading(condition.account_id))}"
        )
