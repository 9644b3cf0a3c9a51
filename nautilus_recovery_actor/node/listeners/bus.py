"""
The message bus, and the external stream behind it.
"""

from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus

from nautilus_recovery_actor.core.names import streamed_topic
from nautilus_recovery_actor.node.listeners.listener import Listener
from nautilus_recovery_actor.node.listeners.listener import News
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.messages import serializations


class BusListener(Listener):
    """Publishes each message on the bus, and streams it where the bus itself does not."""

    def __init__(self, log: Logger, msgbus: MessageBus) -> None:
        self._log = log
        self._msgbus = msgbus
        self._is_stream_logged = False

    def hear(self, news: News) -> None:
        """Publish the message."""
        message = news.message
        before, has_raised = serializations(), False
        try:
            self._msgbus.publish(message.topic(), message)
        except Exception as e:
            has_raised = True
            self._log.exception(f"A subscriber raised on {message.kind}", e)
        # The bus serializes a message for its external stream only
        if self._msgbus.has_backing and serializations() == before:
            self._stream(message, has_raised)

    def _stream(self, message: RecoveryMessage, has_raised: bool) -> None:
        # A bus streams the types that were registered when it was made, unless a subscriber raises.
        # A node that names this package in its configuration alone imports it later. So the bytes
        # go out by themselves.
        if not has_raised and not self._is_stream_logged:
            self._is_stream_logged = True
            self._log.warning(
                "Recovery messages are streamed on the topics 'recovery.<TypeName>': import "
                "nautilus_recovery_actor before the node is created to use 'data.<TypeName>*'"
            )
        payload = self._msgbus.serializer.serialize(message)
        self._msgbus.publish(streamed_topic(message.kind), payload)
