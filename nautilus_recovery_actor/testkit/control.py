"""
A paper venue in a process of its own, and the hand on its controls.
"""

import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from typing import Any
from typing import Self
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.testkit import protocol as p
from nautilus_recovery_actor.testkit.conditions import AnyCondition
from nautilus_recovery_actor.testkit.conditions import CommandsAre
from nautilus_recovery_actor.testkit.conditions import FillsAre
from nautilus_recovery_actor.testkit.conditions import OrdersAre
from nautilus_recovery_actor.testkit.conditions import PositionIs
from nautilus_recovery_actor.testkit.conditions import SessionsAre
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Side


if TYPE_CHECKING:
    from nautilus_recovery_actor.testkit.clients import PaperVenueDataClientConfig
    from nautilus_recovery_actor.testkit.clients import PaperVenueExecClientConfig

R = TypeVar("R", bound=p.Reply)
Number = Decimal | int | str

# Time for the answer to travel, on a busy machine, on top of what the request itself may take
_ANSWER_SECS = 10.0


class PaperVenueError(Exception):
    """
    Raised when a paper venue cannot be started or reached, refuses a request, or when something
    that was waited for did not happen.
    """


class PaperVenueControl:
    """
    A connection to a running paper venue that can do anything.

    It blocks, and works from any process. In a coroutine on a node's own loop, wrap what waits for
    the node in `asyncio.to_thread`.

    Parameters
    ----------
    port : int
        The port of the venue.
    host : str, default "127.0.0.1"
        The host of the venue.
    account_id : str, default "PAPER-001"
        The account meant where none is given. It is opened if it is not open yet.
    oms : Oms or str, default ``NETTING``
        How that account holds positions.

    Raises
    ------
    PaperVenueError
        If the venue cannot be reached.

    """

    def __init__(
        self,
        port: int,
        host: str = "127.0.0.1",
        account_id: str = "PAPER-001",
        oms: Oms | str = Oms.NETTING,
    ) -> None:
        self.host = host
        self.port = port
        self.account_id = account_id
        self.oms = Oms(oms)
        self._ids = itertools.count(1)
        try:
            self._socket = socket.create_connection((host, port), timeout=_ANSWER_SECS)
        except OSError as e:
            raise PaperVenueError(
                f"no paper venue at {host}:{port} ({e}): is its process running?",
            ) from e
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        try:
            self.open_account(account_id, self.oms)
        except PaperVenueError:
            PaperVenueControl.close(self)
            raise

    def close(self) -> None:
        """
        Close the connection. The venue goes on.
        """
        self._lines.close()
        self._socket.close()

    def request(self, request: p.AnyRequest, reply: type[R], timeout_secs: float = 0.0) -> R:
        """
        Send a request and return its reply.

        Parameters
        ----------
        request : AnyRequest
            The request. Its ID is set here.
        reply : type[R]
            The type of the reply.
        timeout_secs : float, default 0.0
            The time (seconds) the request itself may take.

        Raises
        ------
        PaperVenueError
            If the venue refuses the request or does not answer.

        """
        what = type(request).__name__
        try:
            self._socket.settimeout(_ANSWER_SECS + timeout_secs)
            self._socket.sendall(p.encode(msgspec.structs.replace(request, id=next(self._ids))))
            line = self._lines.readline()
        except OSError as e:
            raise PaperVenueError(f"{what}: paper venue {self.host}:{self.port}: {e}") from e
        if not line:
            raise PaperVenueError(f"{what}: paper venue {self.host}:{self.port} has ended")
        answer = p.decode(line)
        if isinstance(answer, p.Failed):
            raise PaperVenueError(f"{what}: {answer.message}")
        if not isinstance(answer, reply):
            raise PaperVenueError(f"{what}: got {type(answer).__name__}, not {reply.__name__}")
        return answer

    # -- ACCOUNTS AND PRICES -----------------------------------------------------------------------

    def open_account(
        self,
        account_id: str | None = None,
        oms: Oms | str = Oms.NETTING,
        balance: Number = 1_000_000,
    ) -> None:
        """
        Open an account, unless it is open. A trading client opens its own when it connects.
        """
        request = p.OpenAccount(
            account_id=account_id or self.account_id,
            oms=Oms(oms),
            balance=Decimal(balance),
        )
        self.request(request, p.Done)

    def set_price(self, symbol: str, px: Number) -> None:
        """
        Set the price of a symbol, and fill or trigger the orders it reaches.
        """
        self.request(p.SetPrice(symbol=symbol, px=Decimal(px)), p.Done)

    def play(self, path: Sequence[tuple[float, str, Number]]) -> None:
        """
        Play prices by the venue's own clock, and return at once.

        Parameters
        ----------
        path : Sequence[tuple[float, str, Number]]
            For each price the delay (seconds) after the one before, the symbol and the price.

        """
        points = tuple(p.PricePoint(delay, symbol, Decimal(px)) for delay, symbol, px in path)
        self.request(p.PlayPath(points=points), p.Done)

    def set_position(
        self,
        symbol: str,
        qty: Number,
        avg_px: Number = 0,
        leg: Leg | str | None = None,
        account_id: str | None = None,
    ) -> None:
        """
        Put a position in place, or remove it with a quantity of 0, without an order or a fill.
        """
        request = p.SetPosition(
            account_id=account_id or self.account_id,
            symbol=symbol,
            qty=Decimal(qty),
            avg_px=Decimal(avg_px),
            leg=None if leg is None else Leg(leg),
        )
        self.request(request, p.Done)

    def set_balance(
        self,
        total: Number,
        currency: str | None = None,
        account_id: str | None = None,
    ) -> None:
        """
        Set the balance of an account, and push it to its trading clients.
        """
        request = p.SetBalance(
            account_id=account_id or self.account_id,
            total=Decimal(total),
            currency=currency,
        )
        self.request(request, p.Done)

    def state(self, account_id: str | None = None) -> p.AccountState:
        """
        Return all that is true of an account, faults aside.
        """
        return self.request(p.GetAccount(account_id=account_id or self.account_id), p.AccountState)

    # -- ORDERS ------------------------------------------------------------------------------------

    def place(
        self,
        symbol: str,
        side: Side | str,
        qty: Number,
        kind: OrderKind | str = OrderKind.MARKET,
        px: Number | None = None,
        trigger_px: Number | None = None,
        client_order_id: str | None = None,
        reduce_only: bool = False,
        leg: Leg | str | None = None,
        account_id: str | None = None,
    ) -> Order:
        """
        Place an order "elsewhere": on the account, but not by a node.

        Returns
        -------
        Order
            The order as it is afterwards.

        Raises
        ------
        PaperVenueError
            If the venue rejects the order.

        """
        account_id = account_id or self.account_id
        new = NewOrder(
            symbol=symbol,
            side=Side(side),
            qty=Decimal(qty),
            kind=OrderKind(kind),
            px=None if px is None else Decimal(px),
            trigger_px=None if trigger_px is None else Decimal(trigger_px),
            client_order_id=client_order_id,
            reduce_only=reduce_only,
            leg=None if leg is None else Leg(leg),
        )
        return self.request(p.PlaceOrder(account_id=account_id, order=new), p.Placed).order

    def fill(
        self,
        order_id: str,
        qty: Number | None = None,
        px: Number | None = None,
        account_id: str | None = None,
    ) -> None:
        """
        Fill an open order, by default as a whole, whatever the price is.
        """
        request = p.FillOrder(
            account_id=account_id or self.account_id,
            order_id=order_id,
            qty=None if qty is None else Decimal(qty),
            px=None if px is None else Decimal(px),
        )
        self.request(request, p.Done)

    def cancel(self, *order_ids: str, account_id: str | None = None) -> None:
        """
        Cancel orders by their client or venue order IDs; all open ones if none is given.
        """
        account_id = account_id or self.account_id
        if order_ids:
            self.request(p.CancelOrders(account_id=account_id, order_ids=order_ids), p.Done)
        else:
            self.request(p.CancelAll(account_id=account_id), p.Done)

    def expire(self, order_id: str, account_id: str | None = None) -> None:
        """
        Expire an open order.
        """
        request = p.ExpireOrder(account_id=account_id or self.account_id, order_id=order_id)
        self.request(request, p.Done)

    def release(self, account_id: str | None = None) -> None:
        """
        Answer the orders that `hold_acks` held back, and hold back no more.
        """
        self.request(p.ReleaseOrders(account_id=account_id or self.account_id), p.Done)

    # -- FAULTS AND CONNECTIONS --------------------------------------------------------------------

    def set_faults(
        self,
        faults: Faults | None = None,
        account_id: str | None = None,
        **changes: Any,
    ) -> None:
        """
        Replace the faults of an account. With nothing given, all faults end.

        Parameters
        ----------
        faults : Faults, optional
            The faults, by default none.
        account_id : str, optional
            The account.
        **changes
            Fields of `Faults` set on top.

        """
        faults = msgspec.structs.replace(faults or Faults(), **changes)
        request = p.SetFaults(account_id=account_id or self.account_id, faults=faults)
        self.request(request, p.Done)

    def set_history(
        self,
        fault: HistoryFault | str = HistoryFault.OK,
        delay_secs: float = 0.0,
    ) -> None:
        """
        Set how data clients answer requests for history. With nothing given, they do as asked.

        Parameters
        ----------
        fault : HistoryFault or str, default ``OK``
            What is wrong with the answers.
        delay_secs : float, default 0.0
            How long (seconds) an answer takes.

        """
        self.request(p.SetHistory(fault=HistoryFault(fault), delay_secs=delay_secs), p.Done)

    def mark(self) -> int:
        """
        Return the venue's time (UNIX nanoseconds), for `Faults.lose_fills_since`.
        """
        return self.request(p.Mark(), p.Marked).ts

    def drop_connections(self, account_id: str | None = None) -> None:
        """
        Close the trading connections of an account. Its clients connect again by themselves.
        """
        self.request(p.DropConnections(account_id=account_id or self.account_id), p.Done)

    def refuse_connections(self, refuse: bool = True, account_id: str | None = None) -> None:
        """
        Refuse new trading connections of an account, or take them again.
        """
        request = p.RefuseConnections(account_id=account_id or self.account_id, refuse=refuse)
        self.request(request, p.Done)

    def push_mass_status(self, account_id: str | None = None) -> None:
        """
        Make the trading clients of an account send a mass status to their nodes.
        """
        self.request(p.PushMassStatus(account_id=account_id or self.account_id), p.Done)

    # -- WHAT HAPPENED -----------------------------------------------------------------------------

    def commands(self, kind: str | None = None, account_id: str | None = None) -> list[p.Command]:
        """
        Return the commands that trading clients have sent, oldest first.

        Parameters
        ----------
        kind : str, optional
            The name of a message of `testkit.protocol`, such as ``"SubmitOrders"``.
        account_id : str, optional
            The account, by default all accounts.

        """
        commands = self.request(p.GetCommands(account_id=account_id), p.Commands).commands
        return [c for c in commands if kind in (None, c.kind)]

    def submitted(self, account_id: str | None = None) -> list[str]:
        """
        Return the client order IDs that trading clients have submitted, oldest first.
        """
        submits = self.commands("SubmitOrders", account_id)
        return [order_id for command in submits for order_id in command.order_ids]

    def wait(self, condition: AnyCondition, timeout_secs: float = 20.0) -> None:
        """
        Wait until a condition is true.

        Raises
        ------
        PaperVenueError
            If it is not within the timeout.

        """
        self.request(p.Wait(condition=condition, timeout_secs=timeout_secs), p.Done, timeout_secs)

    def wait_for_order(
        self,
        order_id: str | None = None,
        *states: OrderState | str,
        count: int = 1,
        account_id: str | None = None,
        timeout_secs: float = 20.0,
    ) -> list[Order]:
        """
        Wait for orders with the given ID or states, and return them.
        """
        wanted = tuple(OrderState(s) for s in states)
        condition = OrdersAre(
            account_id=account_id or self.account_id,
            order_id=order_id,
            states=wanted,
            count=count,
        )
        self.wait(condition, timeout_secs)
        return [
            o
            for o in self.state(account_id).orders
            if order_id in (None, o.client_order_id, o.venue_order_id)
            and (not wanted or o.state in wanted)
        ]

    def wait_for_fill(
        self,
        order_id: str | None = None,
        count: int = 1,
        account_id: str | None = None,
        timeout_secs: float = 20.0,
    ) -> None:
        """
        Wait for fills, of one order or of any.
        """
        condition = FillsAre(
            account_id=account_id or self.account_id,
            order_id=order_id,
            count=count,
        )
        self.wait(condition, timeout_secs)

    def wait_for_position(
        self,
        symbol: str,
        qty: Number,
        account_id: str | None = None,
        timeout_secs: float = 20.0,
    ) -> None:
        """
        Wait until the signed quantity of a symbol, summed over its legs, has a value.
        """
        condition = PositionIs(
            account_id=account_id or self.account_id,
            symbol=symbol,
            qty=Decimal(qty),
        )
        self.wait(condition, timeout_secs)

    def wait_for_connections(
        self,
        count: int = 1,
        account_id: str | None = None,
        timeout_secs: float = 20.0,
    ) -> None:
        """
        Wait until exactly `count` trading clients of an account are connected.
        """
        condition = SessionsAre(account_id=account_id or self.account_id, count=count)
        self.wait(condition, timeout_secs)

    def wait_for_commands(
        self,
        kind: str,
        count: int = 1,
        account_id: str | None = None,
        timeout_secs: float = 20.0,
    ) -> None:
        """
        Wait until `count` commands of a kind have been received since the venue started.
        """
        condition = CommandsAre(
            account_id=account_id or self.account_id,
            kind=kind,
            count=count,
        )
        self.wait(condition, timeout_secs)

    # -- CONFIGURATION OF A NODE -------------------------------------------------------------------

    def exec_config(self, **fields: Any) -> "PaperVenueExecClientConfig":
        """
        Return the configuration of an execution client for this venue.

        Parameters
        ----------
        **fields
            Fields of `PaperVenueExecClientConfig`, on top of host, port, account and OMS.

        """
        # Imported when needed: what controls a venue need not load NautilusTrader
        from nautilus_recovery_actor.testkit.clients import PaperVenueExecClientConfig  # noqa: PLC0415

        defaults = {
            "host": self.host,
            "port": self.port,
            "account_id": self.account_id,
            "oms_type": self.oms.value,
        }
        return PaperVenueExecClientConfig(**{**defaults, **fields})

    def data_config(self, **fields: Any) -> "PaperVenueDataClientConfig":
        """
        Return the configuration of a data client for this venue.

        Parameters
        ----------
        **fields
            Fields of `PaperVenueDataClientConfig`, on top of host and port.

        """
        # Imported when needed: what controls a venue need not load NautilusTrader
        from nautilus_recovery_actor.testkit.clients import PaperVenueDataClientConfig  # noqa: PLC0415

        return PaperVenueDataClientConfig(**{"host": self.host, "port": self.port, **fields})


class PaperVenue(PaperVenueControl):
    """
    A paper venue in a process of its own, which ends with this object or with this process.

    Parameters
    ----------
    account_id : str, default "PAPER-001"
        The account meant where none is given. It is opened at once.
    oms : Oms or str, default ``NETTING``
        How that account holds positions.
    prefix : str, default "PAPER"
        Starts every venue order ID and trade ID. Use different ones for venues of one node.
    fee_rate : Decimal or int or str, default 0
        The fee as a fraction of the notional value of a fill.
    port : int, default 0
        The port, 0 for a free one.

    Raises
    ------
    PaperVenueError
        If the process does not start.

    Examples
    --------
    >>> with PaperVenue() as venue:
    ...     venue.set_price("ETHUSDT-PERP", "2000")
    ...     venue.exec_config(symbols=("ETHUSDT-PERP",))

    """

    def __init__(
        self,
        account_id: str = "PAPER-001",
        oms: Oms | str = Oms.NETTING,
        prefix: str = "PAPER",
        fee_rate: Number = 0,
        port: int = 0,
    ) -> None:
        standalone = Path(__file__).with_name("standalone.py")
        command = [sys.executable, "-P", str(standalone), "venue", "--exit-with-parent"]
        command += ["--port", str(port), "--prefix", prefix, "--fee-rate", str(fee_rate)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._end_process()
            raise PaperVenueError(
                f"the paper venue ended at once (exit code {self._process.returncode}): "
                f"run `{' '.join(command)}` to see why",
            )
        super().__init__(port=json.loads(line)["port"], account_id=account_id, oms=oms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """
        Return the process ID of the venue.
        """
        return self._process.pid

    def close(self) -> None:
        """
        End the venue.
        """
        super().close()
        self._end_process()

    def _end_process(self) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
