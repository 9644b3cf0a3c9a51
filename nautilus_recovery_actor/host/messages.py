"""
The messages of the monitor on NautilusTrader 2.0, published as the Python objects that they are.
"""

from typing import Any
from typing import ClassVar
from typing import Self

import msgspec

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.names import streamed_topic
from nautilus_recovery_actor.core.report import RecoveryReport


class RecoveryMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True):
    """
    What every message of the monitor carries, as on NautilusTrader 1.x.
    """

    kind: ClassVar[MessageKind]

    trader_id: str
    recovery_id: str
    epoch: int
    report: RecoveryReport
    ts_event: int
    ts_init: int

    @classmethod
    def topic(cls) -> str:
        """Return the topic for `subscribe_topic`."""
        return streamed_topic(cls.__name__)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as values that JSON and msgpack encoders take."""
        return {"type": type(self).__name__, **msgspec.to_builtins(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the message that `to_dict` wrote."""
        return msgspec.convert(values, cls)

    def to_bytes(self) -> bytes:
        """Return the message as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the message that `to_bytes` wrote."""
        return msgspec.json.decode(data, type=cls)


class RecoveryStarted(RecoveryMessage, frozen=True):
    """An epoch has opened: every gate closes until it ends."""

    kind = MessageKind.STARTED


class RecoveryComplete(RecoveryMessage, frozen=True):
    """An epoch has ended with permission to trade, except for blocked instruments."""

    kind = MessageKind.COMPLETE

    @property
    def outcome(self) -> RecoveryOutcome:
        """What the recovery means for trading."""
        assert self.report.outcome is not None  # A completed epoch has an outcome
        return self.report.outcome

    @property
    def blocked_instruments(self) -> frozenset[str]:
        """The instruments that must not be traded."""
        return frozenset(self.report.blocked_instruments)


class RecoveryFailed(RecoveryMessage, frozen=True):
    """An epoch has ended without permission to trade."""

    kind = MessageKind.FAILED

    @property
    def reason(self) -> FailureReason:
        """Why it failed."""
        assert self.report.failure is not None  # A failed epoch has a reason
        return self.report.failure

    @property
    def message(self) -> str:
        """Why it failed and what to do, in one line."""
        return self.report.message


class RecoveryOverridden(RecoveryMessage, frozen=True):
    """An operator released a blocked instrument by hand, or such a release has ended."""

    kind = MessageKind.OVERRIDDEN


MESSAGES: dict[MessageKind, type[RecoveryMessage]] = {
    one.kind: one for one in (RecoveryStarted, RecoveryComplete, RecoveryFailed, RecoveryOverridden)
}
