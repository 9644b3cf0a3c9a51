"""
How the monitor's messages get out: to the gates, on the bus, into an external stream, as signals.
"""

from collections.abc import Callable
from typing import Any
from typing import TypeAlias

from nautilus_trader.common.actor import Actor
from nautilus_trader.common.component import MessageBus

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.messages import RecoveryOverridden
from nautilus_recovery_actor.node.messages import RecoveryStarted


# Who sends a callable to this endpoint is called at once with the newest message of the monitor,
# and then with the newest `RecoveryOverridden` of its epoch if there is one.
ENDPOINT = "RecoveryMonitor.ask"

# Gates join with their handler, which is called from then on before the bus is: no subscriber that
# raises can keep the news from them, and the bus takes twice as long. They leave with it.
JOIN_ENDPOINT = "RecoveryMonitor.join"
LEAVE_ENDPOINT = "RecoveryMonitor.leave"

Listener: TypeAlias = Callable[[RecoveryMessage], None]

_SIGNALS = {
    RecoveryStarted: signals.recovery_started,
    RecoveryComplete: signals.recovery_completed,
    RecoveryFailed: signals.recovery_failed,
    RecoveryOverridden: signals.recovery_overridden,
}


class Delivery:
    """Delivers each message to all who listen, whatever one of them raises."""

    def __init__(self, sender: Actor, msgbus: MessageBus) -> None:
        self._sender = sender
        self._msgbus = msgbus
        self._newest: tuple[RecoveryMessage, ...] = ()
        self._gates: dict[Listener, None] = {}  # In the order in which they joined
        self._is_stream_told = False
        self.is_busy = False  # While a message is on its way, the next one would overtake it
        self._endpoints: dict[str, Callable[[Listener], None]] = {
            ENDPOINT: self._answer,
            JOIN_ENDPOINT: self._join,
            LEAVE_ENDPOINT: self._leave,
        }

    @property
    def gates(self) -> int:
        """The number of gates that are told."""
        return len(self._gates)

    def open(self) -> None:
        """Register the endpoints for those who ask."""
        for endpoint, handler in self._endpoints.items():
            self._msgbus.register(endpoint, handler)

    def close(self) -> None:
        """Take the endpoints back."""
        for endpoint, handler in self._endpoints.items():
            self._msgbus.deregister(endpoint, handler)

    def publish(self, message: RecoveryMessage) -> None:
        """Tell `message` to the gates, then to the bus and its stream, then by its signal."""
        if isinstance(message, RecoveryOverridden):
            self._newest = (*self._newest[:1], message)  # It goes with the result of its epoch
        else:
            self._newest = (message,)
        was_busy, self.is_busy = self.is_busy, True
        try:
            self._tell(message)
        finally:
            self.is_busy = was_busy

    def _tell(self, message: RecoveryMessage) -> None:
        kind = type(message).__name__
        for tell in tuple(self._gates):
            self._attempt(f"A gate raised on {kind}", tell, message)
        self._attempt(
            f"A subscriber raised on {kind}",
            self._msgbus.publish,
            message.topic(),
            message,
        )
        if self._msgbus.has_backing and not message.is_streamed:
            self._attempt(f"Cannot stream {kind}", self._stream, message)
        self.signal(_SIGNALS[type(message)], event=message)

    def signal(self, signal: Any, **values: Any) -> None:
        """Send a signal in the monitor's name."""
        signals.send(signal, self._sender, self._sender.log.exception, **values)

    def _stream(self, message: RecoveryMessage) -> None:
        # A bus streams the types that were registered when it was made. A node that names this
        # package in its configuration alone imports it later, so the bytes go out by themselves.
        if not self._is_stream_told:
            self._is_stream_told = True
            self._sender.log.warning(
                "Recovery messages are streamed on the topics 'recovery.<TypeName>': import "
                "nautilus_recovery_actor before the node is made to have 'data.<TypeName>*'",
            )
        payload = self._msgbus.serializer.serialize(message)
        self._msgbus.publish(f"recovery.{type(message).__name__}", payload)

    def _answer(self, listener: Listener) -> None:
        for message in self._newest:
            listener(message)

    def _join(self, listener: Listener) -> None:
        self._gates[listener] = None
        self._answer(listener)

    def _leave(self, listener: Listener) -> None:
        self._gates.pop(listener, None)

    def _attempt(self, failure: str, function: Callable[..., None], *args: Any) -> None:
        try:
            function(*args)
        except Exception as e:
            self._sender.log.exception(failure, e)
