"""
What a strategy asks for while its own checkpoint is on the way: held, in order, until the server
has that.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
from threading import RLock
from typing import NamedTuple

from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.link.alarms import Alarm
from nautilus_recovery_actor.node.config import strategy_settings
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.strategy.denial import Denial


CANCELED_HELD = "RECOVERY_CANCELED: it waited for a checkpoint to be stored and was canceled"
DISPOSED_HELD = "RECOVERY_CHECKPOINT_NOT_STORED: the strategy was disposed of before it was"

# By how much the loop may be late: what has come meanwhile is looked at before time is up
_LATE_SECS = 0.05
# On 1.221 there is none
_is_exiting: Callable[[Strategy], bool] = getattr(Strategy, "is_exiting", lambda _: False)


class Submit(NamedTuple):
    """Orders that are to be sent."""

    orders: list[Order]
    position_id: PositionId | None
    client_id: ClientId | None
    # By the gate, as if they were asked for at that moment; and past it
    ask: Callable[[], None]
    send: Callable[[], None]


class _Held(NamedTuple):
    # What was asked for after so many checkpoints
    asked: int
    instruments: frozenset[InstrumentId]
    submit: Submit | None
    ask: Callable[[], None]


class _Promise(NamedTuple):
    # A checkpoint that was made, and until when it may take
    asked: int
    sequence: int
    due: float


class Held:
    """
    Holds back what a strategy submits after a `checkpoint()` of its own until that is stored.

    Changes and cancels are held only behind a submit of the same instrument, so that their order
    stays what it is.
    """

    def __init__(
        self, strategy: Strategy, following: Following[RecoveryMessage], denial: Denial
    ) -> None:
        self._strategy = strategy
        self._following = following
        self._denial = denial
        # Asked for every order: nothing else happens while no checkpoint is on the way
        self.is_holding = False
        self._timeout_secs = strategy_settings(strategy.config).checkpoint_timeout_secs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._why: Callable[[], str] = str
        self._lock = RLock()  # Timers call on another thread
        self._queue: deque[_Held] = deque()
        self._promises: deque[_Promise] = deque()
        # How many checkpoints were asked for, how many of them are stored, and how many are or were
        # not in time
        self._asked = self._stored = self._settled = 0
        self._sequence = 0  # Of the newest that is stored
        self._is_releasing = False
        self._is_told = False
        self._alarm = Alarm(self._on_time)

    # -- THE CHECKPOINT --

    def begin(
        self, loop: asyncio.AbstractEventLoop | None, sequence: int, why: Callable[[], str]
    ) -> None:
        """Take the checkpoint that is stored at the start, and who knows why a later one is not."""
        self._loop, self._sequence, self._why = loop, sequence, why

    def expect(self) -> int:
        """Hold from now on, on any thread, and return the number of what was asked for."""
        with self._lock:
            self._asked += 1
            self.is_holding = True
            return self._asked

    def promise(self, asked: int, sequence: int) -> None:
        """Hold until the checkpoint of a sequence is stored."""
        if self._loop is None or sequence <= self._sequence:
            self._settle(asked, is_stored=True)
            return
        self._promises.append(_Promise(asked, sequence, self._loop.time() + self._timeout_secs))
        if not self._alarm.is_armed:
            self._alarm.arm(self._loop, self._timeout_secs)

    def stored(self, sequence: int) -> None:
        """Send what waited for a checkpoint of a sequence, or for one before it."""
        self._sequence = max(sequence, self._sequence)
        asked = 0
        while self._promises and self._promises[0].sequence <= sequence:
            asked = max(asked, self._promises.popleft().asked)
        if asked:
            self._settle(asked, is_stored=True)

    def _settle(self, asked: int, *, is_stored: bool) -> None:
        self._settled = max(asked, self._settled)
        if is_stored:
            self._stored = max(asked, self._stored)
        if is_stored and self._is_told:
            self._is_told = False
            self._strategy.log.info("The checkpoint is stored: orders are sent again")
        self._release()

    def _on_time(self) -> None:
        assert self._loop is not None
        now = self._loop.time()
        waiting = [one for one in self._promises if one.asked > self._settled]
        if not waiting:
            return
        if now - waiting[0].due > _LATE_SECS:
            # The loop was blocked, and the answer may be there
            due = now + self._timeout_secs
            self._promises = deque(one._replace(due=due) for one in self._promises)
            self._alarm.arm(self._loop, self._timeout_secs)
            return
        over = [one.asked for one in waiting if one.due <= now]
        if len(over) < len(waiting):
            self._alarm.arm(self._loop, waiting[len(over)].due - now)
        if over:
            self._tell()
            self._settle(max(over), is_stored=False)

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            self._strategy.log.error(
                f"No checkpoint was stored within {seconds(self._timeout_secs)} "
                f"({self._reason()}): until one is, only exits are sent"
            )

    def _reason(self) -> str:
        return self._why() or "the server has not answered"

    # -- WHAT IS ASKED: on any thread --

    def submit(self, submit: Submit) -> None:
        """Send orders in their turn."""
        instruments = frozenset(order.instrument_id for order in submit.orders)
        if not self._is_kept(instruments, submit, submit.ask):
            submit.ask()

    def follow(self, instruments: Iterable[InstrumentId], ask: Callable[[], None]) -> None:
        """Change or cancel in its turn: behind what is held of the same instrument."""
        if not self._is_kept(frozenset(instruments), None, ask):
            ask()

    def _is_kept(
        self, instruments: frozenset[InstrumentId], submit: Submit | None, ask: Callable[[], None]
    ) -> bool:
        with self._lock:
            # Shadow mode holds nothing back, and a market exit waits for nothing
            if self._following.is_shadow or _is_exiting(self._strategy) or not self.is_holding:
                return False
            is_alone = not any(one.instruments & instruments for one in self._queue)
            if submit is None and is_alone:
                return False
            if self._is_releasing or self._queue or self._asked > self._settled:
                self._queue.append(_Held(self._asked, instruments, submit, ask))
                return True
        assert submit is not None
        self._answer(submit)  # Its checkpoint was not stored in time
        return True

    def orders(self) -> list[tuple[Order, PositionId | None]]:
        """Return the orders that are held, and for which position: the cache has none of them."""
        return [
            (order, one.submit.position_id)
            for one in tuple(self._queue)
            if one.submit is not None
            for order in one.submit.orders
        ]

    def give_up(self, orders: list[Order]) -> list[Order]:
        """
        Deny orders that are canceled while they are held, and those that go with them, and return
        which.

        A market order is not: natively it would have been filled before it could be canceled.
        """
        return self._give_up(orders.__contains__)

    def give_up_all(self, instrument_id: InstrumentId, side: OrderSide) -> None:
        """Deny what is held of an instrument and a side, as `give_up` does."""
        sides = (OrderSide.BUY, OrderSide.SELL) if side == OrderSide.NO_ORDER_SIDE else (side,)
        self._give_up(lambda order: order.instrument_id == instrument_id and order.side in sides)

    def _give_up(self, is_canceled: Callable[[Order], bool]) -> list[Order]:
        def is_given_up(one: _Held) -> bool:
            return one.submit is not None and any(
                is_canceled(order) and order.order_type != OrderType.MARKET
                for order in one.submit.orders
            )

        with self._lock:
            given_up = [one for one in self._queue if is_given_up(one)]
            self._queue = deque(one for one in self._queue if not is_given_up(one))
        return self._deny(given_up, CANCELED_HELD)

    # -- THE ANSWER --

    def _release(self) -> None:
        with self._lock:
            if self._is_releasing:
                return
            self._is_releasing = True
        while (one := self._next()) is not None:
            self._guarded(partial(self._answer_held, one))

    def _next(self) -> _Held | None:
        with self._lock:
            if self._queue and self._queue[0].asked <= self._settled:
                return self._queue.popleft()
            self._is_releasing = False
            self.is_holding = bool(self._queue) or self._asked > self._stored
            return None

    def _answer_held(self, one: _Held) -> None:
        if one.submit is None or one.asked <= self._stored:
            one.ask()
        else:
            self._answer(one.submit)

    def _answer(self, submit: Submit) -> None:
        orders, position_id, client_id, _, send = submit
        reason = f"RECOVERY_CHECKPOINT_NOT_STORED: {self._reason()}"
        self._denial.refuse(orders, position_id, client_id, send, reason)

    def _guarded(self, call: Callable[[], None]) -> None:
        # What raises here must not keep the others from being answered
        try:
            call()
        except Exception as e:
            self._strategy.log.exception("What was held until a checkpoint is stored raised", e)

    def dispose(self) -> None:
        """Deny what is held."""
        self._alarm.cancel()
        with self._lock:
            rest, self._queue = list(self._queue), deque()
            self._promises.clear()
        self._deny(rest, DISPOSED_HELD)

    def _deny(self, rest: list[_Held], reason: str) -> list[Order]:
        orders = [order for one in rest if one.submit is not None for order in one.submit.orders]
        for order in orders:
            self._guarded(partial(self._denial.deny, order, reason))
        return orders
