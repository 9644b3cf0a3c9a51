"""
The controls of a paper venue (long: each public one has its signature and its docstring).
"""

import itertools
import socket
from collections.abc import Callable
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING
from typing import Any
from typing import Concatenate
from typing import ParamSpec
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.testkit.conditions import AnyCondition
from nautilus_recovery_actor.testkit.conditions import CommandsAre
from nautilus_recovery_actor.testkit.conditions import FillsAre
from nautilus_recovery_actor.testkit.conditions import OrdersAre
from nautilus_recovery_actor.testkit.conditions import PositionIs
from nautilus_recovery_actor.testkit.conditions import SessionsAre
from nautilus_recovery_actor.testkit.controls import AccountState
from nautilus_recovery_actor.testkit.controls import Command
from nautilus_recovery_actor.testkit.controls import Controls
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.wire import Call
from nautilus_recovery_actor.testkit.wire import CallError
from nautilus_recovery_actor.testkit.wire import Reply
from nautilus_recovery_actor.testkit.wire import call
from nautilus_recovery_actor.testkit.wire import decode


if TYPE_CHECKING:
    from nautilus_recovery_actor.testkit.clients import PaperVenueDataClientConfig
    from nautilus_recovery_actor.testkit.clients import PaperVenueExecClientConfig

P = ParamSpec("P")
R = TypeVar("R")
Number = Decimal | int | str

# Time for the answer to travel, on a busy machine, on top of what the call itself may take
_ANSWER_SECS = 10.0


class PaperVenueError(Exception):
    """
    Raised when a paper venue cannot be started or reached, refuses a call, or when a
    condition does not become true in time.
    """


class PaperVenueControl:
    """
    A connection to a running paper venue with all of its controls.

    It blocks, and works from any process. In a coroutine on a node's own loop, wrap what waits for
    the node in `asyncio.to_thread`.

    Parameters
    ----------
    port : int
        The port of the venue.
    host : str, default "127.0.0.1"
        The host of the venue.
    account_id : str, default "PAPER-001"
        The account used where none is given. It is opened if it is not open yet.
    oms : Oms or str, optional
        How that account holds positions, by default ``NETTING``. With ``None`` it stays as it is,
        if it is open.

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
        oms: Oms | str | None = Oms.NETTING,
    ) -> None:
        self.host = host
        self.port = port
        self.account_id = account_id
        self._ids = itertools.count(1)
        try:
            self._socket = socket.create_connection((host, port), timeout=_ANSWER_SECS)
        except OSError as e:
            raise PaperVenueError(
                f"no paper venue at {host}:{port} ({e}): is its process running?"
            ) from e
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self._socket.makefile("rb")
        try:
            self.open_account(account_id, oms)
            self.oms = self.state(account_id).oms if oms is None else Oms(oms)
        except PaperVenueError:
            PaperVenueControl.close(self)
            raise

    def close(self) -> None:
        """Close the connection. The venue keeps running."""
        self._lines.close()
        self._socket.close()

    def request(self, call: Call[R], timeout_secs: float = 0.0) -> R:
        """
        Make the venue perform a call, and return what the call returned.

        Parameters
        ----------
        call : Call[R]
            The call, see `testkit.wire.call`.
        timeout_secs : float, default 0.0
            The time (seconds) the call itself may take.

        Raises
        ------
        PaperVenueError
            If the venue refuses the call or does not answer.

        """
        try:
            self._socket.settimeout(_ANSWER_SECS + timeout_secs)
            self._socket.sendall(call.line(next(self._ids)))
            line = self._lines.readline()
        except OSError as e:
            raise PaperVenueError(f"{call.kind}: paper venue {self.host}:{self.port}: {e}") from e
        if not line:
            raise PaperVenueError(f"{call.kind}: paper venue {self.host}:{self.port} has ended")
        try:
            reply = decode(line)
            assert isinstance(reply, Reply)  # A control says no hello: nothing else is sent to it
            return call.result(reply)
        except CallError as e:
            raise PaperVenueError(str(e)) from e
        except msgspec.MsgspecError as e:
            where = f"{self.host}:{self.port}"
            raise PaperVenueError(f"{call.kind}: {where} is not a paper venue ({e})") from e

    def _control(
        self,
        account_id: str | None,
        function: Callable[Concatenate[Any, str, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        return self.request(call(function, account_id or self.account_id, *args, **kwargs))

    # -- ACCOUNTS AND PRICES -----------------------------------------------------------------------

    def open_account(
        self,
        account_id: str | None = None,
        oms: Oms | str | None = Oms.NETTING,
        balance: Number = 1_000_000,
    ) -> None:
        """Open an account, unless it is open. A trading client opens its own when it connects."""
        oms = None if oms is None else Oms(oms)
        self._control(account_id, Exchange.open_account, oms, Decimal(balance))

    def set_price(self, symbol: str, px: Number) -> None:
        """Set the price of a symbol, and fill or trigger the orders it reaches."""
        self.request(call(Exchange.set_price, symbol, Decimal(px)))

    def prices(self) -> dict[str, Decimal]:
        """Return the price of each symbol."""
        return self.request(call(Controls.prices))

    def play(self, path: Sequence[tuple[float, str, Number]]) -> None:
        """
        Play prices by the venue's own clock, and return at once.

        Parameters
        ----------
        path : Sequence[tuple[float, str, Number]]
            For each price the delay (seconds) after the one before, the symbol and the price.

        """
        prices = tuple((delay, symbol, Decimal(px)) for delay, symbol, px in path)
        self.request(call(Controls.play, prices))

    def walk(self, seed: int = 1, interval_secs: float = 1.0, is_still: bool = False) -> None:
        """
        Let all prices move by themselves from now on.

        Bars and history then are those of the same walk, also before it began. A price that is
        set later is gone on from.

        Parameters
        ----------
        seed : int, default 1
            The seed: the same one makes the same moves.
        interval_secs : float, default 1.0
            The time (seconds) from one price to the next.
        is_still : bool, default False
            If prices only change when they are set, so that bars and history show no other.

        """
        self.request(call(Controls.walk, seed, interval_secs, is_still))

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
        held = (symbol, Decimal(qty), Decimal(avg_px), None if leg is None else Leg(leg))
        self._control(account_id, Exchange.set_position, *held)

    def set_balance(
        self, total: Number, currency: str | None = None, account_id: str | None = None
    ) -> None:
        """Set the balance of an account, and push it to its trading clients."""
        self._control(account_id, Exchange.set_balance, Decimal(total), currency)

    def state(self, account_id: str | None = None) -> AccountState:
        """Return the true state of an account, whatever its faults make the venue report."""
        return self._control(account_id, Controls.state)

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
        order = NewOrder(
            symbol=symbol,
            side=Side(side),
            qty=Decimal(qty),
            kind=OrderKind(kind),
            px=_decimal(px),
            trigger_px=_decimal(trigger_px),
            client_order_id=client_order_id,
            reduce_only=reduce_only,
            leg=None if leg is None else Leg(leg),
        )
        return self._control(account_id, Exchange.place, order)

    def fill(
        self,
        order_id: str,
        qty: Number | None = None,
        px: Number | None = None,
        account_id: str | None = None,
    ) -> None:
        """Fill an open order, by default as a whole, whatever the price is."""
        self._control(account_id, Exchange.fill, order_id, _decimal(qty), _decimal(px))

    def cancel(self, *order_ids: str, account_id: str | None = None) -> None:
        """Cancel orders by their client or venue order IDs; all open ones if none is given."""
        if not order_ids:
            self._control(account_id, Exchange.cancel_all)
        for order_id in order_ids:
            self._control(account_id, Exchange.cancel, order_id)

    def expire(self, order_id: str, account_id: str | None = None) -> None:
        """Expire an open order."""
        self._control(account_id, Exchange.expire, order_id)

    def release(self, account_id: str | None = None) -> None:
        """Answer the orders that `hold_acks` held back, and stop holding back."""
        self._control(account_id, Controls.release)

    # -- FAULTS AND CONNECTIONS --------------------------------------------------------------------

    def set_faults(
        self, faults: Faults | None = None, account_id: str | None = None, **changes: Any
    ) -> None:
        """
        Replace the faults of an account. With nothing given, all faults are cleared.

        Parameters
        ----------
        faults : Faults, optional
            The faults, by default none.
        account_id : str, optional
            The account.
        **changes
            Fields of `Faults`, in place of those given.

        """
        faults = msgspec.structs.replace(faults or Faults(), **changes)
        self._control(account_id, Controls.set_faults, faults)

    def set_history(
        self, fault: HistoryFault | str = HistoryFault.OK, delay_secs: float = 0.0
    ) -> None:
        """
        Set how data clients answer requests for history. With nothing given, they answer in full.

        Parameters
        ----------
        fault : HistoryFault or str, default ``OK``
            What is wrong with the answers.
        delay_secs : float, default 0.0
            The delay (seconds) of an answer.

        """
        self.request(call(Controls.set_history, HistoryFault(fault), delay_secs))

    def mark(self) -> int:
        """Return the venue's time (UNIX nanoseconds), for `Faults.lose_fills_since`."""
        return self.request(call(Controls.mark))

    def drop_connections(self, account_id: str | None = None, refuse_secs: float = 0.0) -> int:
        """
        Close the trading connections of an account, and return how many there were.

        Parameters
        ----------
        account_id : str, optional
            The account.
        refuse_secs : float, default 0.0
            For how long (seconds) its clients, which try by themselves, cannot connect again.

        """
        return self._control(account_id, Controls.drop_connections, refuse_secs)

    def refuse_connections(self, refuse: bool = True, account_id: str | None = None) -> None:
        """Refuse new trading connections of an account, or accept them again."""
        self._control(account_id, Controls.refuse_connections, refuse)

    def push_mass_status(self, account_id: str | None = None) -> None:
        """Make the trading clients of an account send a mass status to their nodes."""
        self._control(account_id, Controls.push_mass_status)

    # -- WHAT HAPPENED -----------------------------------------------------------------------------

    def commands(self, kind: str | None = None, account_id: str | None = None) -> list[Command]:
        """
        Return the commands that trading clients have sent, oldest first.

        Parameters
        ----------
        kind : str, optional
            What was called: ``"SubmitOrders"``, ``"CancelOrders"``, ``"QueryPositions"`` and so on.
        account_id : str, optional
            The account, by default all accounts.

        """
        commands = self.request(call(Controls.commands, account_id))
        return [c for c in commands if kind in (None, c.kind)]

    def submitted(self, account_id: str | None = None) -> list[str]:
        """Return the client order IDs that trading clients have submitted, oldest first."""
        submits = self.commands("SubmitOrders", account_id)
        return [order_id for command in submits for order_id in command.order_ids]

    def wait(self, condition: AnyCondition, timeout_secs: float = 60.0) -> None:
        """
        Wait until a condition is true.

        Raises
        ------
        PaperVenueError
            If it does not become true within the timeout.

        """
        self.request(call(Controls.wait, condition, timeout_secs), timeout_secs)

    def wait_for_order(
        self,
        order_id: str | None = None,
        *states: OrderState | str,
        count: int = 1,
        account_id: str | None = None,
        timeout_secs: float = 60.0,
    ) -> list[Order]:
        """Wait for orders with the given ID or states, and return them."""
        condition = OrdersAre(
            account_id=account_id or self.account_id,
            order_id=order_id,
            states=tuple(OrderState(s) for s in states),
            count=count,
        )
        self.wait(condition, timeout_secs)
        return condition.matching(self.state(account_id).orders)

    def wait_for_fill(
        self,
        order_id: str | None = None,
        count: int = 1,
        account_id: str | None = None,
        timeout_secs: float = 60.0,
    ) -> None:
        """Wait for fills, of one order or of any."""
        account_id = account_id or self.account_id
        self.wait(FillsAre(account_id=account_id, order_id=order_id, count=count), timeout_secs)

    def wait_for_position(
        self, symbol: str, qty: Number, account_id: str | None = None, timeout_secs: float = 60.0
    ) -> None:
        """Wait until the signed quantity of a symbol, summed over its legs, is `qty`."""
        account_id = account_id or self.account_id
        condition = PositionIs(account_id=account_id, symbol=symbol, qty=Decimal(qty))
        self.wait(condition, timeout_secs)

    def wait_for_connections(
        self, count: int = 1, account_id: str | None = None, timeout_secs: float = 60.0
    ) -> None:
        """Wait until exactly `count` trading clients of an account are connected."""
        account_id = account_id or self.account_id
        self.wait(SessionsAre(account_id=account_id, count=count), timeout_secs)

    def wait_for_commands(
        self, kind: str, count: int = 1, account_id: str | None = None, timeout_secs: float = 60.0
    ) -> None:
        """Wait until `count` commands of a kind have been received since the venue started."""
        account_id = account_id or self.account_id
        self.wait(CommandsAre(account_id=account_id, kind=kind, count=count), timeout_secs)

    # -- CONFIGURATION OF A NODE -------------------------------------------------------------------

    def exec_config(self, **fields: Any) -> "PaperVenueExecClientConfig":
        """
        Return the configuration of an execution client for this venue.

        Parameters
        ----------
        **fields
            Fields of `PaperVenueExecClientConfig`, on top of host, port, account and OMS.

        """
        # Imported when needed: what only controls a venue does not have to load NautilusTrader
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
        # Imported when needed: what only controls a venue does not have to load NautilusTrader
        from nautilus_recovery_actor.testkit.clients import PaperVenueDataClientConfig  # noqa: PLC0415

        return PaperVenueDataClientConfig(**{"host": self.host, "port": self.port, **fields})


def _decimal(number: Number | None) -> Decimal | None:
    return None if number is None else Decimal(number)
