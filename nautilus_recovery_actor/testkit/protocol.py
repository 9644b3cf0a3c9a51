"""
The messages between a paper venue, the trading clients and the tests: one JSON object per line.
"""

from decimal import Decimal

import msgspec

from nautilus_recovery_actor.testkit.conditions import AnyCondition
from nautilus_recovery_actor.testkit.faults import Faults
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.faults import MassStatusFault
from nautilus_recovery_actor.testkit.records import Balance
from nautilus_recovery_actor.testkit.records import BalanceEvent
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import Fill
from nautilus_recovery_actor.testkit.records import Leg
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import Order
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.records import Position
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import Side


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """
    Something asked of the venue; the reply carries the same ID.
    """

    id: int = 0


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """
    The answer to the request with the same ID.
    """

    id: int = 0


# -- SESSIONS --------------------------------------------------------------------------------------


class HelloTrading(Request, frozen=True):
    """
    Open a session that trades an account and is sent its events.
    """

    account_id: str
    oms: Oms = Oms.NETTING


class HelloData(Request, frozen=True):
    """
    Open a session that is sent quotes.
    """


# -- ORDERS (for a trading session its own account, for a control session any) ---------------------


class SubmitOrders(Request, frozen=True):
    """
    Place orders, one after the other.
    """

    orders: tuple[NewOrder, ...]
    account_id: str = ""


class ModifyOrder(Request, frozen=True):
    """
    Change an open order.
    """

    order_id: str
    qty: Decimal | None = None
    px: Decimal | None = None
    trigger_px: Decimal | None = None
    account_id: str = ""


class CancelOrders(Request, frozen=True):
    """
    Cancel orders by their client or venue order IDs.
    """

    order_ids: tuple[str, ...]
    account_id: str = ""


class CancelAll(Request, frozen=True):
    """
    Cancel all open orders of the account, a symbol or a side.
    """

    symbol: str | None = None
    side: Side | None = None
    account_id: str = ""


# -- QUERIES (subject to the faults of the account) ------------------------------------------------


class BeginMassStatus(Request, frozen=True):
    """
    Ask how the mass status that follows shall go.
    """


class QueryOrders(Request, frozen=True):
    """
    Ask for orders.
    """

    symbol: str | None = None
    order_id: str | None = None
    open_only: bool = False
    since_ns: int | None = None


class QueryFills(Request, frozen=True):
    """
    Ask for fills.
    """

    symbol: str | None = None
    order_id: str | None = None
    since_ns: int | None = None


class QueryPositions(Request, frozen=True):
    """
    Ask for positions, all or those of a symbol.
    """

    symbol: str | None = None


class QueryBalances(Request, frozen=True):
    """
    Ask for balances.
    """


class BeginHistory(Request, frozen=True):
    """
    Ask how a request for history shall be answered.
    """


# -- CONTROL ---------------------------------------------------------------------------------------


class OpenAccount(Request, frozen=True):
    """
    Open an account, if it is not open yet.
    """

    account_id: str
    oms: Oms = Oms.NETTING
    balance: Decimal = Decimal(1_000_000)


class SetPrice(Request, frozen=True):
    """
    Set the price of a symbol.
    """

    symbol: str
    px: Decimal


class PricePoint(msgspec.Struct, frozen=True):
    """
    A price that holds from a number of seconds after the one before it.
    """

    delay_secs: float
    symbol: str
    px: Decimal


class PlayPath(Request, frozen=True):
    """
    Play prices by the venue's own clock. The reply comes at once.
    """

    points: tuple[PricePoint, ...]


class PlaceOrder(Request, frozen=True):
    """
    Place an order "elsewhere": on the account, but not by a node.
    """

    account_id: str
    order: NewOrder


class FillOrder(Request, frozen=True):
    """
    Fill an open order, in part or as a whole, whatever the price is.
    """

    account_id: str
    order_id: str
    qty: Decimal | None = None
    px: Decimal | None = None


class ExpireOrder(Request, frozen=True):
    """
    Expire an open order.
    """

    account_id: str
    order_id: str


class ReleaseOrders(Request, frozen=True):
    """
    Answer the orders that were held back, and hold back no more.
    """

    account_id: str


class SetPosition(Request, frozen=True):
    """
    Put a position in place without an order or a fill.
    """

    account_id: str
    symbol: str
    qty: Decimal
    avg_px: Decimal = Decimal(0)
    leg: Leg | None = None


class SetBalance(Request, frozen=True):
    """
    Set the balance of an account.
    """

    account_id: str
    total: Decimal
    currency: str | None = None


class SetFaults(Request, frozen=True):
    """
    Replace the faults of an account.
    """

    account_id: str
    faults: Faults


class SetHistory(Request, frozen=True):
    """
    Set how requests for history are answered, and after how long.
    """

    fault: HistoryFault = HistoryFault.OK
    delay_secs: float = 0.0


class DropConnections(Request, frozen=True):
    """
    Close the trading sessions of an account.
    """

    account_id: str


class RefuseConnections(Request, frozen=True):
    """
    Refuse new trading sessions of an account, or take them again.
    """

    account_id: str
    refuse: bool = True


class PushMassStatus(Request, frozen=True):
    """
    Tell the trading sessions of an account to send their mass status to the node.
    """

    account_id: str


class GetAccount(Request, frozen=True):
    """
    Ask for all that is true of an account, faults aside.
    """

    account_id: str


class GetCommands(Request, frozen=True):
    """
    Ask for the commands that trading sessions have sent.
    """

    account_id: str | None = None


class Mark(Request, frozen=True):
    """
    Ask for the venue's time.
    """


class Shutdown(Request, frozen=True):
    """
    End the venue.
    """


# -- WAITING ---------------------------------------------------------------------------------------


class Wait(Request, frozen=True):
    """
    Wait until a condition is true.
    """

    condition: AnyCondition
    timeout_secs: float = 20.0


# -- REPLIES ---------------------------------------------------------------------------------------


class Done(Reply, frozen=True):
    """
    The request was carried out.
    """


class Failed(Reply, frozen=True):
    """
    The request could not be carried out.
    """

    message: str


class Placed(Reply, frozen=True):
    """
    The order was placed.
    """

    order: Order


class MassStatusMode(Reply, frozen=True):
    """
    How the client shall answer for a mass status.
    """

    fault: MassStatusFault


class HistoryMode(Reply, frozen=True):
    """
    How the client shall answer a request for history.
    """

    fault: HistoryFault


class Orders(Reply, frozen=True):
    """
    Orders.
    """

    orders: list[Order]


class Fills(Reply, frozen=True):
    """
    Fills.
    """

    fills: list[Fill]


class Positions(Reply, frozen=True):
    """
    Positions.
    """

    positions: list[Position]


class Balances(Reply, frozen=True):
    """
    Balances.
    """

    balances: tuple[Balance, ...]
    ts: int


class Marked(Reply, frozen=True):
    """
    The venue's time (UNIX nanoseconds).
    """

    ts: int


class AccountState(Reply, frozen=True):
    """
    All that is true of an account.
    """

    orders: list[Order]
    fills: list[Fill]
    positions: list[Position]
    balances: tuple[Balance, ...]
    faults: Faults


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    A command that a trading session sent.

    Parameters
    ----------
    account_id : str
        The account.
    kind : str
        The name of the message: ``SubmitOrders``, ``CancelOrders``, ``QueryPositions`` and so on.
    order_ids : tuple[str, ...]
        The client order IDs (or venue order IDs) it names.
    ts : int
        When it arrived (UNIX nanoseconds).

    """

    account_id: str
    kind: str
    ts: int
    order_ids: tuple[str, ...] = ()


class Commands(Reply, frozen=True):
    """
    Commands received.
    """

    commands: list[Command]


# -- PUSHES ----------------------------------------------------------------------------------------


class SendMassStatus(msgspec.Struct, frozen=True, tag=True):
    """
    Asks the client to send its mass status to the node.
    """


AnyRequest = (
    HelloTrading
    | HelloData
    | SubmitOrders
    | ModifyOrder
    | CancelOrders
    | CancelAll
    | BeginMassStatus
    | BeginHistory
    | QueryOrders
    | QueryFills
    | QueryPositions
    | QueryBalances
    | OpenAccount
    | SetPrice
    | PlayPath
    | PlaceOrder
    | FillOrder
    | ExpireOrder
    | ReleaseOrders
    | SetPosition
    | SetBalance
    | SetFaults
    | SetHistory
    | DropConnections
    | RefuseConnections
    | PushMassStatus
    | GetAccount
    | GetCommands
    | Mark
    | Shutdown
    | Wait
)
AnyReply = (
    Done
    | Failed
    | Placed
    | MassStatusMode
    | HistoryMode
    | Orders
    | Fills
    | Positions
    | Balances
    | Marked
    | AccountState
    | Commands
)
Push = OrderEvent | CommandRejected | BalanceEvent | Quote | SendMassStatus
Message = AnyRequest | AnyReply | Push

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)

# A mass status of many thousand orders is one line
MAX_LINE_BYTES = 1 << 30


def encode(message: Message) -> bytes:
    """
    Return the line for a message.
    """
    return _encoder.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """
    Return the message in a line.

    Raises
    ------
    msgspec.ValidationError
        If the line is no message of this protocol.

    """
    message: Message = _decoder.decode(line)
    return message
