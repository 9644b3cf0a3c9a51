"""
The messages on the bus: NautilusTrader custom data on the topics ``data.<TypeName>*``.

They are registered for serialization, so they also reach an external Redis stream and a
`ParquetDataCatalog`. The topics are for information: what comes from an external stream is there
too, so gates are called by their monitor and subscribe to nothing. Delivery is at least once: a
consumer deduplicates each type by ``(trader_id, epoch)``, and `RecoveryOverridden`, which may come
several times, by its ``ts_init`` as well.
"""

import threading
from functools import cached_property
from typing import Any
from typing import ClassVar
from typing import Self

import msgspec
import pyarrow as pa
from nautilus_trader.common.component import Logger
from nautilus_trader.core.data import Data
from nautilus_trader.model.data import DataType
from nautilus_trader.serialization.arrow.serializer import register_arrow
from nautilus_trader.serialization.base import register_serializable_type

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.seldom import Seldom


class RecoveryMessage(Data):
    """
    What every message of the monitor carries.

    Parameters
    ----------
    trader_id : str
        The trader that recovers.
    recovery_id : str
        A UUID for the epoch.
    epoch : int
        The number of the recovery, counting up by one.
    report : RecoveryReport
        What was found so far.
    ts_event : int
        UNIX timestamp (nanoseconds) when the event occurred.
    ts_init : int
        UNIX timestamp (nanoseconds) when the message was made.

    """

    kind: ClassVar[MessageKind]

    def __init__(
        self,
        trader_id: str,
        recovery_id: str,
        epoch: int,
        report: RecoveryReport,
        ts_event: int,
        ts_init: int,
    ) -> None:
        self.trader_id = trader_id
        self.recovery_id = recovery_id
        self.epoch = epoch
        self.report = report
        self._ts_event = ts_event
        self._ts_init = ts_init

    @property
    def ts_event(self) -> int:
        """UNIX timestamp (nanoseconds) when the event occurred."""
        return self._ts_event

    @property
    def ts_init(self) -> int:
        """UNIX timestamp (nanoseconds) when the message was made."""
        return self._ts_init

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((type(self), self.trader_id, self.epoch))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(trader_id={self.trader_id}, epoch={self.epoch}, "
            f"message='{self.report.message}')"
        )

    @classmethod
    def topic(cls) -> str:
        """Return the topic on which this type is published, to subscribe to on the message bus."""
        return f"data.{DataType(cls).topic}"

    def to_dict(self) -> dict[str, Any]:
        """Return the message as values that JSON and msgpack encoders take."""
        return {
            "type": type(self).__name__,
            "trader_id": self.trader_id,
            "recovery_id": self.recovery_id,
            "epoch": self.epoch,
            "report": self.report.to_dict(),
            "ts_event": self._ts_event,
            "ts_init": self._ts_init,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the message that `to_dict` wrote."""
        return cls(
            trader_id=values["trader_id"],
            recovery_id=values["recovery_id"],
            epoch=values["epoch"],
            report=RecoveryReport.from_dict(values["report"]),
            ts_event=int(values["ts_event"]),
            ts_init=int(values["ts_init"]),
        )

    def to_bytes(self) -> bytes:
        """Return the message as JSON."""
        return msgspec.json.encode(self.to_dict())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the message that `to_bytes` wrote."""
        return cls.from_dict(msgspec.json.decode(data))


class RecoveryStarted(RecoveryMessage):
    """
    An epoch has opened: every gate closes until it ends.

    Its report describes the epoch and the previous run; nothing is compared yet. See
    `RecoveryMessage` for the parameters.
    """

    kind = MessageKind.STARTED


class RecoveryComplete(RecoveryMessage):
    """
    An epoch has ended with permission to trade, except for blocked instruments.

    See `RecoveryMessage` for the parameters.
    """

    kind = MessageKind.COMPLETE

    @property
    def outcome(self) -> RecoveryOutcome:
        """
        What the recovery means for trading.
        """
        assert self.report.outcome is not None  # A completed epoch has an outcome
        return self.report.outcome

    @cached_property
    def blocked_instruments(self) -> frozenset[str]:
        """
        The instruments that must not be traded.
        """
        return frozenset(self.report.blocked_instruments)


class RecoveryFailed(RecoveryMessage):
    """
    An epoch has ended without permission to trade.

    See `RecoveryMessage` for the parameters.
    """

    kind = MessageKind.FAILED

    @property
    def reason(self) -> FailureReason:
        """
        Why it failed.
        """
        assert self.report.failure is not None  # A failed epoch has a reason
        return self.report.failure

    @property
    def message(self) -> str:
        """
        Why it failed and what to do, in one line.
        """
        return self.report.message


class RecoveryOverridden(RecoveryMessage):
    """
    An operator released a blocked instrument by hand, or such a release has ended.

    The `overrides` of its report are all of this epoch's; those without a `ts_ended` are active.
    See `RecoveryMessage` for the parameters.
    """

    kind = MessageKind.OVERRIDDEN


_SCHEMA_FIELDS = {
    "trader_id": pa.string(),
    "recovery_id": pa.string(),
    "epoch": pa.uint64(),
    "report": pa.string(),
    "ts_event": pa.uint64(),
    "ts_init": pa.uint64(),
}


_log = Logger("RecoveryMessages")
_serialized = threading.local()
_unreadable = Seldom()


def serializations() -> int:
    """Return how often a bus of this thread has serialized a message of the monitor."""
    count: int = getattr(_serialized, "count", 0)
    return count


def _register(kind: type[RecoveryMessage]) -> None:
    schema = pa.schema(_SCHEMA_FIELDS, metadata={"type": kind.__name__})

    def encode(messages: RecoveryMessage | list[RecoveryMessage]) -> pa.RecordBatch:
        batch = messages if isinstance(messages, list) else [messages]
        rows = [m.to_dict() | {"report": m.report.to_bytes().decode()} for m in batch]
        return pa.RecordBatch.from_pylist(rows, schema=schema)

    def decode(table: pa.Table) -> list[RecoveryMessage]:
        return [
            kind.from_dict(row | {"report": msgspec.json.decode(row["report"])})
            for row in table.to_pylist()
        ]

    def serialize(message: RecoveryMessage) -> dict[str, Any]:
        _serialized.count = serializations() + 1  # No sent message is changed
        return message.to_dict()

    def deserialize(values: dict[str, Any]) -> RecoveryMessage | dict[str, Any]:
        try:
            return kind.from_dict(values)
        except Exception as e:
            # It is from a stream where others write too, and no bus passes on plain values
            if _unreadable.is_due():
                error = f"{e!r:.200}"
                _log.warning(f"A {kind.__name__} from outside is ignored, it is damaged: {error}")
            return values

    register_serializable_type(kind, serialize, deserialize)
    register_arrow(kind, schema, encode, decode)


MESSAGES: tuple[type[RecoveryMessage], ...] = (
    RecoveryStarted,
    RecoveryComplete,
    RecoveryFailed,
    RecoveryOverridden,
)

for _message in MESSAGES:
    _register(_message)
