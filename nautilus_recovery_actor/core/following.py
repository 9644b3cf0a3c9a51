"""
What a consumer does with each message: close its gate, call hooks, put off, hold, enable, override.

A consumer owns a gate and follows one trader. Whatever comes, it asks here and carries out the
actions it is given, in their order. Nothing here reads a clock or calls anybody. What is kept is
changed in place: one message goes to a thousand strategies.
"""

from collections.abc import Callable
from enum import Enum
from enum import auto
from typing import Generic
from typing import TypeVar

from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.gate import Message
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.gate import close_by
from nautilus_recovery_actor.core.gate import open_by


# An enum's attribute costs more than a message does here
_FAILED, _COMPLETE, _OVERRIDDEN = MessageKind.FAILED, MessageKind.COMPLETE, MessageKind.OVERRIDDEN

M = TypeVar("M", bound=Message)


class Action(Enum):
    """What a consumer has to do about the message that it asked about."""

    CANCEL_WARM_UP = auto()
    WARN_CLOSED = auto()
    SIGNAL_CLOSED = auto()
    # Then ask with `failed`
    CALL_FAILED = auto()
    # All that a completed recovery has to say; then ask with `informed`
    CALL_RECOVERED = auto()
    # Then ask with `warmed_up`, and with `missed` each time that data do not come
    BEGIN_WARM_UP = auto()
    LOG_HELD = auto()
    ANNOUNCE_OPENED = auto()
    ANNOUNCE_RELEASED = auto()
    CALL_ENABLED = auto()


# The usual answers, made once: nobody changes them
_RECOVERED, _BEGIN = [Action.CALL_RECOVERED], [Action.BEGIN_WARM_UP]
_OPENED, _OPENED_AND_ENABLED = (
    [Action.ANNOUNCE_OPENED],
    [Action.ANNOUNCE_OPENED, Action.CALL_ENABLED],
)


class Following(Generic[M]):
    """Where one consumer stands: its gate, and what it has yet to be informed of."""

    __slots__ = (
        "_enabled",
        "_informed",
        "_now",
        "_override",
        "_put_off",
        "_released",
        "_warming_up",
        "gate",
        "is_shadow",
    )

    def __init__(self, now: Callable[[], int]) -> None:
        self.gate = RecoveryGate(now)
        # Whether nothing is to be held back, whatever the gate says
        self.is_shadow = False
        self._now = now
        self._informed: tuple[MessageKind, int] | None = None
        self._enabled = 0
        # The message whose warm-up is under way, and the newest override that came during one: that
        # of an older epoch changes nothing
        self._warming_up: M | None = None
        self._override: M | None = None
        # For when the consumer runs: a message, then perhaps the newest override of its epoch; or
        # that alone, when it released what the consumer has not been told of
        self._put_off: list[M] = []
        self._released: frozenset[str] = frozenset()

    # -- A MESSAGE CAME --

    def close(self, message: M) -> list[Action]:
        """Return what to do first, whatever else the message means."""
        was_open = close_by(self.gate, message)
        actions = [] if self._warming_up is None else self._cancel_warm_up()
        return [*actions, Action.WARN_CLOSED, Action.SIGNAL_CLOSED] if was_open else actions

    def take(self, message: M, *, is_running: bool) -> list[Action]:
        """Return what to do about a message after `close`."""
        if message.epoch < self.gate.epoch:
            return []  # What an older epoch allowed, shadow mode too, is over
        self.is_shadow = message.report.shadow
        if message.kind is _OVERRIDDEN:
            return self._take_override(message, is_running)

        key = (message.kind, message.epoch)
        if key == self._informed:
            return []
        if not is_running:
            self._put_off = [message]  # Hooks are for a strategy that runs
            return []
        self._informed = key
        if message.kind is _COMPLETE:
            return _RECOVERED
        if message.kind is _FAILED:
            return [Action.CALL_FAILED]
        return []

    def _take_override(self, message: M, is_running: bool) -> list[Action]:
        if self._put_off and self._put_off[0].kind is not _OVERRIDDEN:
            self._put_off[1:] = [message]
            return []
        if self._warming_up is not None:
            self._override = message  # For when the gate is open
            return []
        blocked = self.gate.blocked
        is_changed = open_by(self.gate, message, self._now)
        actions = [Action.ANNOUNCE_RELEASED] if is_changed else []
        self._released = (self._released | blocked) - self.gate.blocked
        if not (self._released and self.gate.is_open):
            self._put_off = []
        elif not is_running:
            self._put_off = [message]
        else:
            self._released = frozenset()
            actions.append(Action.CALL_ENABLED)
        return actions

    def catch_up(self) -> list[M]:
        """Return what was put off, to be taken now that the consumer runs."""
        put_off, self._put_off = self._put_off, []
        if len(put_off) > 1:
            self._override = put_off.pop()  # For when the gate is open, so that it is enabled once
        return put_off

    # -- AFTER THE HOOKS AND THE WARM-UP --

    def informed(self, message: M, *, is_running: bool, hold: str | None = None) -> list[Action]:
        """Return what follows `CALL_RECOVERED`; `hold` is why the gate must stay closed."""
        if not is_running:
            return self._inform_again(message)
        if hold is not None:
            self.gate.close(hold)
            return [Action.LOG_HELD]
        self._warming_up, self._released = message, frozenset()
        return _BEGIN

    def failed(self, message: M, *, is_running: bool) -> list[Action]:
        """Return what follows `CALL_FAILED`."""
        if not self.is_shadow:
            return []
        # A strategy that waits to be enabled must not be held back
        return self._enable(message.epoch) if is_running else self._inform_again(message)

    def wait(self, reason: str) -> None:
        """Let the gate say what the warm-up still waits for."""
        if self._warming_up is not None:
            self.gate.hold(self._warming_up.epoch, reason)

    def missed(self, *, is_running: bool) -> list[Action]:
        """Return what to do when data of the warm-up have not come: they are asked for again."""
        if self._warming_up is None or not (self.is_shadow and is_running):
            return []
        return self._enable(self._warming_up.epoch)

    def warmed_up(self, *, is_running: bool) -> list[Action]:
        """Return what follows `BEGIN_WARM_UP` once it is complete."""
        message, self._warming_up = self._warming_up, None
        if message is None:
            return []
        if not is_running:
            return self._inform_again(message)
        if not open_by(self.gate, message, self._now):
            return []
        if self._override is None:
            return _OPENED_AND_ENABLED if self._enable(message.epoch) else _OPENED
        is_released = open_by(self.gate, self._override, self._now)
        released = [Action.ANNOUNCE_RELEASED] if is_released else []
        return [*_OPENED, *released, *self._enable(message.epoch)]

    def raised(self, where: str, error: Exception) -> list[Action]:
        """Return what to do when a hook has raised."""
        was_open = self.gate.close(f"RECOVERY_HOOK_RAISED: {where}: {error!r}")
        return [*([Action.SIGNAL_CLOSED] if was_open else []), *self._cancel_warm_up()]

    def _inform_again(self, message: M) -> list[Action]:
        # A strategy that stopped itself in a hook hears it again when it is resumed
        self._informed = None
        self._put_off = [message] if self._override is None else [message, self._override]
        return []

    def _cancel_warm_up(self) -> list[Action]:
        # Unless the recovery that it belongs to can still open the gate
        if self._warming_up is None or self.gate.may_complete(self._warming_up.epoch):
            return []
        self._warming_up = None
        return [Action.CANCEL_WARM_UP]

    def _enable(self, epoch: int) -> list[Action]:
        if self._enabled == epoch:
            return []
        self._enabled = epoch
        return [Action.CALL_ENABLED]
