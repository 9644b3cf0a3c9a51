"""
The gates of the node's strategies, and whoever asks for the newest message.
"""

from collections.abc import Callable
from typing import TypeAlias

from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus

from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.names import ASK_ENDPOINT
from nautilus_recovery_actor.core.names import JOIN_ENDPOINT
from nautilus_recovery_actor.core.names import JOIN_FIRST_ENDPOINT
from nautilus_recovery_actor.core.names import LEAVE_ENDPOINT
from nautilus_recovery_actor.core.names import is_gate
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News
from nautilus_recovery_actor.node.messages import RecoveryMessage


Gate: TypeAlias = Callable[[RecoveryMessage], None]


class GateListener(Listener):
    """
    Calls each gate that joined, before the bus does.

    Nobody else moves one: whoever writes to an external stream of the node publishes on the topics
    too, but on no endpoint. No subscriber that raises can keep a message from a gate either.
    """

    def __init__(self, log: Logger, msgbus: MessageBus) -> None:
        self._log = log
        self._msgbus = msgbus
        self._newest: tuple[RecoveryMessage, ...] = ()
        self._gates: dict[Gate, None] = {}  # In the order in which they are called
        self._endpoints: dict[str, Callable[[Gate], None]] = {
            ASK_ENDPOINT: self._answer,
            JOIN_ENDPOINT: self._join,
            JOIN_FIRST_ENDPOINT: self._join_first,
            LEAVE_ENDPOINT: self._leave,
        }

    def open(self) -> None:
        """Register the endpoints, and have the gates join that were there before."""
        before = self._msgbus.endpoints()
        for endpoint, handler in self._endpoints.items():
            self._msgbus.register(endpoint, handler)
        for endpoint in filter(is_gate, before):
            self._msgbus.send(endpoint, self)

    def close(self) -> None:
        """Deregister the endpoints."""
        for endpoint, handler in self._endpoints.items():
            self._msgbus.deregister(endpoint, handler)

    def hear(self, news: News) -> None:
        """Call every gate."""
        message = news.message
        if message.kind is MessageKind.OVERRIDDEN:
            self._newest = (*self._newest[:1], message)  # It goes with the result of its epoch
        else:
            self._newest = (message,)
        for gate in tuple(self._gates):
            try:
                gate(message)
            except Exception as e:
                self._log.exception(f"A gate raised on {message.kind}", e)

    def _answer(self, gate: Gate) -> None:
        for message in self._newest:
            gate(message)

    def _join(self, gate: Gate) -> None:
        self._gates[gate] = None
        self._answer(gate)

    def _join_first(self, gate: Gate) -> None:
        # What a strategy sends when its gate opens must find the guard open
        self._gates = {gate: None, **self._gates}
        self._answer(gate)

    def _leave(self, gate: Gate) -> None:
        self._gates.pop(gate, None)
