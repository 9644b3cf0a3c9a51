from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from nautilus_trader.core.data import Data
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.serialization.serializer import MsgSpecSerializer

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.messages import RecoveryOverridden
from nautilus_recovery_actor.node.messages import RecoveryStarted
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import full_report


KINDS = (RecoveryStarted, RecoveryComplete, RecoveryFailed, RecoveryOverridden)
TS = 1_700_000_000_123_456_789


def message(kind: type[RecoveryMessage], epoch: int = 7, ts: int = TS) -> RecoveryMessage:
    reports: dict[type[RecoveryMessage], RecoveryReport] = {
        RecoveryStarted: full_report(epoch, outcome=None),
        RecoveryComplete: full_report(epoch),
        RecoveryFailed: full_report(epoch, None, FailureReason.TIMEOUT, "too late"),
        RecoveryOverridden: full_report(epoch),
    }
    return kind("TRADER-001", "f6b2c6f0", epoch, reports[kind], ts, ts + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_message_is_data_with_the_fields_it_was_made_of(kind: type[RecoveryMessage]) -> None:
    """
    A message is custom data of NautilusTrader and gives back what it was given.
    """
    one = message(kind)
    assert isinstance(one, Data)
    assert (one.trader_id, one.recovery_id, one.epoch) == ("TRADER-001", "f6b2c6f0", 7)
    assert one.report.epoch == 7
    assert (one.ts_event, one.ts_init) == (TS, TS + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_topic_is_the_one_of_custom_data(kind: type[RecoveryMessage]) -> None:
    """
    The topic is that of `publish_data`, with its literal star.
    """
    assert kind.topic() == f"data.{kind.__name__}*"


@pytest.mark.parametrize("kind", KINDS)
def test_message_reads_back_equal_from_a_dictionary_and_from_bytes(
    kind: type[RecoveryMessage],
) -> None:
    """
    Nothing is lost either way, and the dictionary tells its type.
    """
    one = message(kind)
    values = one.to_dict()
    assert list(values) == [
        "type",
        "trader_id",
        "recovery_id",
        "epoch",
        "report",
        "ts_event",
        "ts_init",
    ]
    assert values["type"] == kind.__name__
    assert (values["ts_event"], values["ts_init"]) == (TS, TS + 1)
    back = kind.from_dict(values)
    assert type(back) is kind
    assert back == one
    assert kind.from_bytes(one.to_bytes()) == one
    assert kind.from_dict(msgspec.json.decode(one.to_bytes())) == one


def test_messages_are_equal_only_to_their_like() -> None:
    """
    Type and every field count, and equal messages have one hash.
    """
    one = message(RecoveryComplete)
    assert one == message(RecoveryComplete)
    assert hash(one) == hash(message(RecoveryComplete))
    assert one != message(RecoveryComplete, epoch=8)
    assert one != message(RecoveryComplete, ts=TS + 1)
    assert one != message(RecoveryStarted)
    assert one != "RecoveryComplete"
    assert len({one, message(RecoveryComplete), message(RecoveryComplete, epoch=8)}) == 2


def test_message_names_itself_in_a_log() -> None:
    """
    The text of a message is short: what it is, whose, and its result.
    """
    assert repr(message(RecoveryFailed)) == (
        "RecoveryFailed(trader_id=TRADER-001, epoch=7, message='too late')"
    )


def test_complete_tells_its_outcome_and_the_blocked_instruments() -> None:
    """
    A completion answers what a gate asks.
    """
    report = msgspec.structs.replace(full_report(), blocked_instruments=(BTC, ETH))
    one = RecoveryComplete("TRADER-001", "x", 7, report, TS, TS)
    assert one.outcome is RecoveryOutcome.DEGRADED
    assert one.blocked_instruments == frozenset({BTC, ETH})


def test_failed_tells_its_reason_and_message() -> None:
    """
    A failure answers why.
    """
    one = message(RecoveryFailed)
    assert isinstance(one, RecoveryFailed)
    assert one.reason is FailureReason.TIMEOUT
    assert one.message == "too late"


def test_override_is_told_apart_from_the_completion_that_it_changes() -> None:
    """
    The message carries the report of the epoch with what was released, and is no completion.
    """
    one = message(RecoveryOverridden)
    (released,) = one.report.overrides
    assert (released.instrument_id, released.reason, released.operator, released.ts_ended) == (
        BTC,
        "Checked by hand",
        "desk@host",
        1_500,
    )
    assert one != message(RecoveryComplete)
    assert not isinstance(one, RecoveryComplete)
    assert one.topic() == "data.RecoveryOverridden*"


@pytest.mark.parametrize("encoding", [msgspec.json, msgspec.msgpack])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"timestamps_as_str": True},
        {"timestamps_as_iso8601": True},
        {"timestamps_as_str": True, "timestamps_as_iso8601": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", KINDS)
def test_message_passes_the_serializer_of_a_stream(
    kind: type[RecoveryMessage], encoding: ModuleType, options: dict[str, Any]
) -> None:
    """
    A message bus with an external stream writes and reads it, however its times are written.
    """
    one = message(kind)
    serializer = MsgSpecSerializer(encoding=encoding, **options)
    back = serializer.deserialize(serializer.serialize(one))
    assert type(back) is kind
    assert back == one


@pytest.mark.parametrize("kind", KINDS)
def test_message_passes_a_parquet_catalog(kind: type[RecoveryMessage], tmp_path: Path) -> None:
    """
    A catalog writes messages and reads them back equal, whole and by time.
    """
    catalog = ParquetDataCatalog(tmp_path)
    written = [message(kind, epoch, TS + epoch * 1_000) for epoch in (7, 8, 9)]
    catalog.write_data(written)
    assert [custom.data for custom in catalog.custom_data(kind)] == written
    assert [custom.data for custom in catalog.query(kind)] == written
    later = catalog.query(kind, start=TS + 8_000)
    assert [custom.data for custom in later] == written[1:]


def test_catalog_tells_the_kinds_of_messages_apart(tmp_path: Path) -> None:
    """
    Messages written together are read by type.
    """
    catalog = ParquetDataCatalog(tmp_path)
    catalog.write_data([message(kind) for kind in KINDS])
    for kind in KINDS:
        assert [custom.data for custom in catalog.custom_data(kind)] == [message(kind)]
