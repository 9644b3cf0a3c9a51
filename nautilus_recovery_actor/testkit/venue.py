"""
The paper venue's server: the paper exchange behind a TCP port, in a process of its own.

Started with ``python -m nautilus_recovery_actor.testkit.venue --port 0``, it prints one JSON line
with its port and goes on, while trading nodes come and go, until it is told to shut down or, with
``--exit-with-parent``, until its standard input is closed.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Coroutine
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.testkit import protocol as p
from nautilus_recovery_actor.testkit.account import Account
from nautilus_recovery_actor.testkit.conditions import AnyCondition
from nautilus_recovery_actor.testkit.conditions import is_true
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.exchange import ExchangeError
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.faults import MassStatusFault
from nautilus_recovery_actor.testkit.faults import reported_fills
from nautilus_recovery_actor.testkit.faults import reported_orders
from nautilus_recovery_actor.testkit.faults import reported_positions
from nautilus_recovery_actor.testkit.matching import ExchangeEvent
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Quote


class SessionError(Exception):
    """
    Raised when a session asks for something that it cannot have.
    """


class Session:
    """
    One connection. It controls the venue until it says hello as a trading or a data session.

    Parameters
    ----------
    writer : asyncio.StreamWriter
        Where to answer.

    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.account_id: str | None = None
        self.is_data = False
        self._writer = writer

    def send(self, message: p.Message) -> None:
        """
        Send a message, unless the connection is closing.
        """
        if not self._writer.is_closing():
            self._writer.write(p.encode(message))

    def close(self) -> None:
        """
        Close the connection.
        """
        self._writer.close()


class Venue:
    """
    Answer the sessions of one exchange.

    Parameters
    ----------
    prefix : str, default "PAPER"
        Starts every venue order ID and trade ID.
    fee_rate : Decimal, default 0
        The fee as a fraction of the notional value of a fill.

    """

    def __init__(self, prefix: str = "PAPER", fee_rate: Decimal = Decimal(0)) -> None:
        self.exchange = Exchange(self._publish, time.time_ns, prefix=prefix, fee_rate=fee_rate)
        self.closed = asyncio.Event()
        self._sessions: set[Session] = set()
        self._faults: dict[str, Faults] = {}
        self._history = p.SetHistory()
        self._refused: set[str] = set()
        self._commands: list[p.Command] = []
        self._waiting: dict[asyncio.Future[None], AnyCondition] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """
        Answer one connection until it closes.

        Parameters
        ----------
        reader : asyncio.StreamReader
            The requests.
        writer : asyncio.StreamWriter
            The replies and pushes.

        """
        session = Session(writer)
        self._sessions.add(session)
        try:
            while line := await reader.readline():
                self._receive(session, line)
        except ConnectionError:
            pass  # A killed node resets its connection: the end of the session as well
        finally:
            self._sessions.discard(session)
            session.close()
            self._check_conditions()

    # -- ROUTING -----------------------------------------------------------------------------------

    def _receive(self, session: Session, line: bytes) -> None:
        try:
            request = p.decode(line)
        except msgspec.MsgspecError as e:
            session.send(p.Failed(message=f"not a message of the paper venue protocol: {e}"))
            return
        if not isinstance(request, p.Request):
            session.send(p.Failed(message=f"{type(request).__name__} is not a request"))
            return

        self._log_command(session, request)
        try:
            reply = self._answer(session, request)
        except (ExchangeError, SessionError) as e:
            reply = p.Failed(message=str(e))
        if reply is not None:
            session.send(msgspec.structs.replace(reply, id=request.id))
        self._check_conditions()

    def _log_command(self, session: Session, request: p.Request) -> None:
        if session.account_id is None:
            return
        order_ids: tuple[str, ...] = ()
        match request:
            case p.SubmitOrders(orders=orders):
                order_ids = tuple(o.client_order_id or "" for o in orders)
            case p.CancelOrders(order_ids=ids):
                order_ids = ids
            case p.ModifyOrder(order_id=order_id):
                order_ids = (order_id,)
        self._commands.append(
            p.Command(
                account_id=session.account_id,
                kind=type(request).__name__,
                ts=self.exchange.now(),
                order_ids=order_ids,
            ),
        )

    def _publish(self, event: ExchangeEvent) -> None:
        for session in self._sessions:
            if isinstance(event, Quote):
                if session.is_data:
                    session.send(event)
            elif session.account_id == event.account_id:
                session.send(event)
        self._check_conditions()

    # -- ANSWERS -----------------------------------------------------------------------------------

    def _answer(self, session: Session, request: p.Request) -> p.AnyReply | None:
        match request:
            case p.HelloTrading():
                self._open_trading(session, request)
            case p.HelloData():
                session.is_data = True
                for symbol, px in self.exchange.prices.items():
                    session.send(Quote(symbol=symbol, px=px, ts=self.exchange.now()))
            case p.SubmitOrders() | p.ModifyOrder() | p.CancelOrders() | p.CancelAll():
                self._take_command(session, request)
            case p.BeginMassStatus() | p.BeginHistory():
                self._begin_answer(session, request)
                return None
            case p.QueryOrders() | p.QueryFills() | p.QueryPositions() | p.QueryBalances():
                return self._answer_query(session, request)
            case p.PlaceOrder() | p.GetAccount() | p.GetCommands() | p.Mark():
                return self._answer_control(request)
            case p.Wait():
                self._start(self._answer_wait(session, request))
                return None
            case _:
                self._control(request)
        return p.Done()

    def _open_trading(self, session: Session, hello: p.HelloTrading) -> None:
        if hello.account_id in self._refused:
            session.close()
            return
        self.exchange.open_account(hello.account_id, hello.oms)
        session.account_id = hello.account_id

    def _take_command(
        self,
        session: Session,
        command: p.SubmitOrders | p.ModifyOrder | p.CancelOrders | p.CancelAll,
    ) -> None:
        account_id = session.account_id or command.account_id
        match command:
            case p.SubmitOrders(orders=orders):
                for order in orders:
                    hold = self._faults_of(account_id).hold_acks
                    self.exchange.submit(account_id, order, hold=hold)
                    if order.expire_ns is not None:
                        self._start(self._expire_at(order.expire_ns))
            case p.ModifyOrder(order_id=order_id, qty=qty, px=px, trigger_px=trigger_px):
                self.exchange.modify(account_id, order_id, qty, px, trigger_px)
            case p.CancelOrders(order_ids=order_ids):
                for order_id in order_ids:
                    self.exchange.cancel(account_id, order_id)
            case p.CancelAll(symbol=symbol, side=side):
                self.exchange.cancel_all(account_id, symbol, side)

    def _begin_answer(
        self,
        session: Session,
        request: p.BeginMassStatus | p.BeginHistory,
    ) -> None:
        if isinstance(request, p.BeginHistory):
            if self._history.fault is not HistoryFault.HANG:
                self._start(self._answer_history(session, request.id, self._history))
            return
        faults = self._faults_of(_trading_account(session))
        if faults.mass_status is not MassStatusFault.HANG:
            self._start(self._answer_mass_status(session, request.id, faults))

    def _answer_query(
        self,
        session: Session,
        query: p.QueryOrders | p.QueryFills | p.QueryPositions | p.QueryBalances,
    ) -> p.AnyReply:
        account = self.exchange.account(_trading_account(session))
        faults = self._faults_of(account.account_id)
        if faults.query_errors and not isinstance(query, p.QueryBalances):
            raise SessionError(f"account {account.account_id}: queries fail, as set")
        match query:
            case p.QueryOrders(symbol=symbol, order_id=order_id, open_only=only, since_ns=since):
                return p.Orders(
                    orders=reported_orders(account, faults, symbol, order_id, only, since),
                )
            case p.QueryFills(symbol=symbol, order_id=order_id, since_ns=since):
                return p.Fills(fills=reported_fills(account, faults, symbol, order_id, since))
            case p.QueryPositions(symbol=symbol):
                return p.Positions(positions=reported_positions(account, faults, symbol))
            case p.QueryBalances():
                return p.Balances(balances=account.balances(), ts=self.exchange.now())

    def _answer_control(
        self,
        request: p.PlaceOrder | p.GetAccount | p.GetCommands | p.Mark,
    ) -> p.AnyReply:
        match request:
            case p.PlaceOrder(account_id=account_id, order=new):
                order = self.exchange.submit(account_id, new)
                if order.state is OrderState.REJECTED:
                    raise ExchangeError(f"order rejected: {order.reason}")
                return p.Placed(order=order)
            case p.GetAccount(account_id=account_id):
                account = self.exchange.account(account_id)
                return p.AccountState(
                    orders=list(account.orders.values()),
                    fills=account.fills,
                    positions=list(account.positions.values()),
                    balances=account.balances(),
                    faults=self._faults_of(account_id),
                )
            case p.GetCommands(account_id=commander):
                return p.Commands(
                    commands=[c for c in self._commands if commander in (None, c.account_id)],
                )
            case p.Mark():
                return p.Marked(ts=self.exchange.now())

    def _control(self, request: p.Request) -> None:  # noqa: C901 (one case per request)
        exchange = self.exchange
        match request:
            case p.OpenAccount(account_id=account_id, oms=oms, balance=balance):
                exchange.open_account(account_id, oms, balance)
            case p.SetPrice(symbol=symbol, px=px):
                exchange.set_price(symbol, px)
            case p.PlayPath(points=points):
                self._start(self._play(points))
            case p.FillOrder(account_id=account_id, order_id=order_id, qty=fill_qty, px=fill_px):
                exchange.fill(account_id, order_id, fill_qty, fill_px)
            case p.ExpireOrder(account_id=account_id, order_id=order_id):
                exchange.expire(account_id, order_id)
            case p.ReleaseOrders(account_id=account_id):
                faults = self._faults_of(account_id)
                self._faults[account_id] = msgspec.structs.replace(faults, hold_acks=False)
                exchange.release(account_id)
            case p.SetPosition(account_id=account_id, symbol=symbol, qty=qty, avg_px=px, leg=leg):
                exchange.set_position(account_id, symbol, qty, px, leg)
            case p.SetBalance(account_id=account_id, total=total, currency=currency):
                exchange.set_balance(account_id, total, currency)
            case p.SetFaults(account_id=account_id, faults=faults):
                self._faults[account_id] = faults
            case p.DropConnections(account_id=account_id):
                for session in self._trading_sessions(account_id):
                    session.close()
            case p.RefuseConnections(account_id=account_id, refuse=True):
                self._refused.add(account_id)
            case p.RefuseConnections(account_id=account_id):
                self._refused.discard(account_id)
            case p.PushMassStatus(account_id=account_id):
                for session in self._trading_sessions(account_id):
                    session.send(p.SendMassStatus())
            case p.SetHistory():
                self._history = request
            case p.Shutdown():
                self.closed.set()

    def _faults_of(self, account_id: str) -> Faults:
        return self._faults.get(account_id) or Faults()

    def _trading_sessions(self, account_id: str) -> list[Session]:
        return [s for s in self._sessions if s.account_id == account_id]

    # -- WHAT TAKES TIME ---------------------------------------------------------------------------

    def _start(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_mass_status(self, session: Session, request_id: int, faults: Faults) -> None:
        await asyncio.sleep(faults.mass_status_delay_secs)
        session.send(p.MassStatusMode(id=request_id, fault=faults.mass_status))

    async def _answer_history(self, session: Session, request_id: int, mode: p.SetHistory) -> None:
        await asyncio.sleep(mode.delay_secs)
        session.send(p.HistoryMode(id=request_id, fault=mode.fault))

    async def _play(self, points: tuple[p.PricePoint, ...]) -> None:
        for point in points:
            await asyncio.sleep(point.delay_secs)
            self.exchange.set_price(point.symbol, point.px)

    async def _expire_at(self, expire_ns: int) -> None:
        await asyncio.sleep(max(0.0, (expire_ns - time.time_ns()) / 1e9))
        self.exchange.expire_due(max(expire_ns, time.time_ns()))

    async def _answer_wait(self, session: Session, wait: p.Wait) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = wait.condition
        self._check_conditions()
        try:
            await asyncio.wait_for(future, wait.timeout_secs)
        except TimeoutError:
            session.send(p.Failed(id=wait.id, message=self._missed(wait)))
        else:
            session.send(p.Done(id=wait.id))
        finally:
            del self._waiting[future]

    def _check_conditions(self) -> None:
        for future, condition in self._waiting.items():
            if not future.done() and self._is_true(condition):
                future.set_result(None)

    def _is_true(self, condition: AnyCondition) -> bool:
        account = self.exchange.accounts.get(condition.account_id) or Account(
            condition.account_id,
            Oms.NETTING,
            {},
        )
        sessions = self._trading_sessions(condition.account_id)
        kinds = (c.kind for c in self._commands if c.account_id == condition.account_id)
        return is_true(condition, account, len(sessions), kinds)

    def _missed(self, wait: p.Wait) -> str:
        account = self.exchange.accounts.get(wait.condition.account_id)
        orders = [] if account is None else account.orders.values()
        return (
            f"not true within {wait.timeout_secs} s: {wait.condition}; "
            f"orders: {[(o.client_order_id, o.venue_order_id, o.state.value) for o in orders]}, "
            f"sessions: {len(self._trading_sessions(wait.condition.account_id))}"
        )


def _trading_account(session: Session) -> str:
    if session.account_id is None:
        raise SessionError("a query needs a trading session: say hello with an account ID first")
    return session.account_id


async def run(port: int, prefix: str, fee_rate: Decimal, exit_with_parent: bool) -> None:
    """
    Serve on 127.0.0.1 until told to shut down.

    Parameters
    ----------
    port : int
        The port, 0 for a free one.
    prefix : str
        Starts every venue order ID and trade ID.
    fee_rate : Decimal
        The fee as a fraction of the notional value of a fill.
    exit_with_parent : bool
        If the server ends when its standard input is closed.

    """
    venue = Venue(prefix=prefix, fee_rate=fee_rate)
    server = await asyncio.start_server(venue.serve, "127.0.0.1", port, limit=p.MAX_LINE_BYTES)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    if exit_with_parent:
        stdin = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        end_of_input = loop.create_task(stdin.read())
        end_of_input.add_done_callback(lambda _: venue.closed.set())
    await venue.closed.wait()
    server.close()


def main() -> None:
    """
    Run the server from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m nautilus_recovery_actor.testkit.venue")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1, 0 for a free one")
    parser.add_argument("--prefix", default="PAPER", help="starts every venue order and trade ID")
    parser.add_argument("--fee-rate", type=Decimal, default=Decimal(0), help="fraction of notional")
    parser.add_argument("--exit-with-parent", action="store_true", help="end with standard input")
    args = parser.parse_args()
    asyncio.run(run(args.port, args.prefix, args.fee_rate, args.exit_with_parent))


if __name__ == "__main__":
    main()
