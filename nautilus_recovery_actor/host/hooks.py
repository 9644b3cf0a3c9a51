"""
Which hooks of a strategy are called, as `core.following` decides.
"""

from collections.abc import Callable
from typing import Any
from typing import ParamSpec
from typing import Protocol
from typing import TypeVar

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.following import Action
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.gate import Message
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.warmup import MakeFeed
from nautilus_recovery_actor.host.warmup import WarmUp


M = TypeVar("M", bound=Message)
P = ParamSpec("P")


class Own(Protocol):
    """What a strategy holds, and what it is, as its host reads it."""

    def is_running(self) -> bool:
        """Return whether it runs."""

    def take(self, report: RecoveryReport) -> None:
        """Take what a recovery that completed has found."""

    def held(self) -> list[Any]:
        """Return the positions that are in its hands."""

    def exits(self, position: Any) -> list[Any]:
        """Return the orders that would reduce a position."""

    def orphans(self) -> list[Any]:
        """Return the orders that have outlived their positions."""

    def unresolved(self) -> list[Any]:
        """Return the orders that are unanswered."""

    def lost(self) -> tuple[LostOrder, ...]:
        """Return the orders that the cache lost."""

    def taken(self, lost: tuple[LostOrder, ...]) -> None:
        """Forget lost orders, once what it made of them is stored."""

    def hold_reason(self) -> str | None:
        """Return why its gate must stay closed until the next start."""

    def say(self, severity: Severity, text: str, error: Exception | None = None) -> None:
        """Write to its log."""


# An enum's attribute costs more than what it is asked for here
_CALL_RECOVERED = Action.CALL_RECOVERED
_BEGIN_WARM_UP = Action.BEGIN_WARM_UP
_ANNOUNCE_OPENED = Action.ANNOUNCE_OPENED
_CALL_ENABLED = Action.CALL_ENABLED
_CALL_FAILED = Action.CALL_FAILED
_CANCEL_WARM_UP = Action.CANCEL_WARM_UP
_INFO, _WARN, _ERROR = Severity.INFO, Severity.WARN, Severity.BLOCK
_GATE_OPENED = signals.gate_opened


class Hooks:
    """Calls the hooks of a strategy, and enables it to trade."""

    __slots__ = ("_following", "_hook", "_own", "_strategy", "is_backtest", "warmup")

    def __init__(
        self, strategy: Any, following: Following[Any], own: Own, make_feed: MakeFeed
    ) -> None:
        self._strategy = strategy
        self._following = following
        self._own = own
        self.warmup = WarmUp(strategy, self, make_feed)
        self.is_backtest = False
        self._hook = ""  # Where an exception comes from

    # -- WHAT COMES --

    def on_message(self, message: Message) -> None:
        """Take what the monitor says."""
        self._hook = "recovery"
        try:
            self._follow(message)
        except Exception as e:
            self._take_error(e)

    def catch_up(self) -> None:
        """Take what was put off until the strategy runs."""
        for message in self._following.catch_up():
            self.on_message(message)

    def guard(self, call: Callable[P, None]) -> Callable[P, None]:
        """Return a `call` of the warm-up that raises nothing, and closes the gate instead."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
            self._hook = "warm-up"
            try:
                call(*args, **kwargs)
            except Exception as e:
                if self.is_backtest:
                    raise
                self._take_error(e)

        return guarded

    def _take_error(self, error: Exception) -> None:
        where = f"{type(self._strategy).__name__}.{self._hook}"
        self._carry_out(self._following.raised(where, error))
        self._own.say(_ERROR, f"Trading stays disabled: {where} raised", error)

    def _follow(self, message: Message) -> None:
        following = self._following
        if actions := following.close(message):
            self._carry_out(actions)
        if actions := following.take(message, is_running=self._own.is_running()):
            self._carry_out(actions, message)

    # -- THE ACTIONS --

    def _carry_out(self, actions: list[Action], message: Message | None = None) -> None:
        for action in actions:  # The most frequent first: a thousand strategies wait for this
            if action is _CALL_RECOVERED:
                assert message is not None
                self._recover(message)
            elif action is _BEGIN_WARM_UP:
                self._hook = "warmup_needs"
                self.warmup.begin(is_backtest=False)
            elif action is _ANNOUNCE_OPENED:
                self._announce_opened()
            elif action is _CALL_ENABLED:
                self._hook = "on_trading_enabled"
                self._strategy.on_trading_enabled()
            elif action is _CALL_FAILED:
                self._hook = "on_recovery_failed"
                self._strategy.on_recovery_failed(message)
                is_running = self._own.is_running()
                self._carry_out(self._following.failed(message, is_running=is_running))
            elif action is _CANCEL_WARM_UP:
                self.warmup.cancel()
            else:
                self._announce(action)

    def _announce_opened(self) -> None:
        gate = self._following.gate
        if gate.is_unrestricted or not gate.blocked:
            self._own.say(_INFO, "Trading is enabled")
        else:
            self._own.say(
                _WARN, f"Trading is enabled, except for {', '.join(sorted(gate.blocked))}"
            )
        if _GATE_OPENED.receivers:
            self._send(_GATE_OPENED)

    def _announce(self, action: Action) -> None:
        gate, say = self._following.gate, self._own.say
        match action:
            case Action.ANNOUNCE_RELEASED:
                blocked = ", ".join(sorted(gate.blocked)) or "none"
                say(_WARN, f"An operator changed what is blocked, now blocked: {blocked}")
                self._send(signals.gate_opened)
            case Action.WARN_CLOSED:
                say(_WARN, f"Trading is disabled: {gate.reason()}")
            case Action.SIGNAL_CLOSED:
                self._send(signals.gate_closed)
            case Action.LOG_HELD:
                say(_ERROR, f"Trading stays disabled: {gate.reason()}")

    def _recover(self, message: Message) -> None:
        strategy, own = self._strategy, self._own
        own.take(message.report)
        self._hook = "on_recovery_complete"
        strategy.on_recovery_complete(message)
        # A thousand strategies ask, and most hold nothing: the report names whatever is held
        for position in own.held() if message.report.positions else ():
            if own.is_running():
                exits = own.exits(position)
                self._hook = f"on_position_recovered of position {position.id}"
                strategy.on_position_recovered(position, exits)
        if own.is_running():
            self._recover_orders(message.report)
        following = self._following.informed(
            message, is_running=own.is_running(), hold=own.hold_reason()
        )
        self._carry_out(following, message)

    def _recover_orders(self, report: RecoveryReport) -> None:
        strategy, own = self._strategy, self._own
        if report.discrepancies and (orphans := own.orphans()):
            self._hook = "on_orphan_exits"
            strategy.on_orphan_exits(orphans)
        if unresolved := own.unresolved():
            names = ", ".join(str(order.client_order_id) for order in unresolved)
            own.say(_WARN, f"Submitted before the recovery and still unanswered: {names}")
            self._hook = "on_orders_unresolved"
            strategy.on_orders_unresolved(unresolved)
        if report.lost_orders and (lost := own.lost()):
            self._hook = "on_orders_lost"
            strategy.on_orders_lost(lost)
            own.taken(lost)

    def _send(self, signal: Any) -> None:
        if signal.receivers:
            signals.send(signal, self._strategy, self._complain, gate=self._following.gate)

    def _complain(self, text: str, error: Exception) -> None:
        self._own.say(_ERROR, text, error)

    # -- THE WARM-UP --

    def warm_up_backtest(self) -> None:
        """Warm up where nothing was recovered."""
        self.warmup.begin(is_backtest=True)

    def on_waiting(self, reason: str) -> None:
        """The warm-up goes on waiting."""
        self._following.wait(reason)

    def on_missed(self) -> None:
        """Data of the warm-up have not come."""
        self._carry_out(self._following.missed(is_running=self._own.is_running()))

    def on_warmed_up(self) -> None:
        """The warm-up is complete."""
        if self.is_backtest:
            self._strategy.on_trading_enabled()
            return
        self._carry_out(self._following.warmed_up(is_running=self._own.is_running()))
