import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.console.report_tables import in_full
from nautilus_recovery_actor.console.report_tables import table
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.outside.record import entries
from nautilus_recovery_actor.outside.record.changes import Changes
from nautilus_recovery_actor.outside.record.entries import DamagedError
from nautilus_recovery_actor.outside.record.entries import Message
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.rows import row
from nautilus_recovery_actor.outside.record.status import node_status
from tests.core.builders import full_report


READERS = {
    "epoch": entries.epoch,
    "heartbeat": entries.heartbeat,
    "report": entries.report,
    "report_epoch": entries.report_epoch,
    "message": entries.message,
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["NaN", "sNaN", "-Infinity", "1E999999999", "1E-999999999", "COMPLETE", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


HUGE = st.integers().map(lambda number: str(number << 70).encode())


def holes(value: object) -> list[tuple[object, ...]]:
    """
    Return the way to each value inside, and to the whole.
    """
    found: list[tuple[object, ...]] = [()]
    if isinstance(value, dict):
        found += [(key, *rest) for key, inner in value.items() for rest in holes(inner)]
    elif isinstance(value, list):
        found += [(at, *rest) for at, inner in enumerate(value) for rest in holes(inner)]
    return found


def put(value: object, way: tuple[object, ...], new: object) -> object:
    if not way:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
    copy[way[0]] = put(copy[way[0]], way[1:], new)
    return copy


REPORT = full_report().to_dict()
WAYS = holes(REPORT)


def read_all(report: RecoveryReport) -> None:
    """
    Make all of a report that is ever shown, and expect it to be of the report's own order of size.
    """
    told = [
        *table([row(report)], 80),
        *table([row(report)], None),
        *in_full(report),
        node_status("T-1", Record(heartbeat=BEAT, report=report), 1).reason,
        *(str(change) for change in Changes("T-1").hear(Message(MessageKind.COMPLETE, report))),
    ]
    assert sum(map(len, told)) < 100 * len(report.to_bytes())


BEAT = Heartbeat(1, full_report().epoch, RecoveryPhase.COMPLETE)


@pytest.mark.parametrize("name", READERS)
@given(data=st.binary() | HUGE | JSON.map(msgspec.json.encode) | JSON.map(msgspec.msgpack.encode))
def test_no_bytes_make_a_reader_raise_anything_else(name: str, data: bytes) -> None:
    """
    Whatever is stored is read, or damaged.
    """
    try:
        READERS[name](data)
    except DamagedError:
        return


@given(way=st.sampled_from(WAYS), value=JSON)
def test_a_report_with_any_value_anywhere_is_damaged_or_can_be_shown(
    way: tuple[object, ...], value: object
) -> None:
    """
    What passes the reader can be made into every text that there is, in bounded space.
    """
    data = msgspec.json.encode(put(REPORT, way, value))
    try:
        report = entries.report(data)
    except DamagedError:
        return
    read_all(report)


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "1E65", "1E-66", "1" * 65])
def test_a_number_that_no_node_writes_damages_a_report(number: str) -> None:
    """
    Written out it may fill the memory, and comparing it may raise.
    """
    values = put(REPORT, ("positions", 0, "qty_before"), number)
    with pytest.raises(DamagedError, match="number"):
        entries.report(msgspec.json.encode(values))


@pytest.mark.parametrize("number", ["0", "-0.0", "1E64", "1E-64", "1" * 64, "0." + "1" * 64])
def test_any_number_of_an_exchange_is_read(number: str) -> None:
    """
    The limits are far from what is traded.
    """
    values = put(REPORT, ("positions", 0, "qty_before"), number)
    read_all(entries.report(msgspec.json.encode(values)))


@pytest.mark.parametrize("ts", [2**63, -(2**63) - 1])
def test_a_time_out_of_bounds_damages_a_report(ts: int) -> None:
    """
    No date can be made of it.
    """
    with pytest.raises(DamagedError):
        entries.report(msgspec.json.encode(put(REPORT, ("ts_started",), ts)))


@pytest.mark.parametrize("ts", [2**63 - 1, -(2**63)])
def test_every_other_time_can_be_shown(ts: int) -> None:
    """
    However far away it is.
    """
    read_all(entries.report(msgspec.json.encode(put(REPORT, ("ts_started",), ts))))


def test_what_is_nested_too_deep_is_damaged() -> None:
    """
    It would end the decoder otherwise.
    """
    deep = b'{"epoch":1,"x":' + b"[" * 100_000
    for read in READERS.values():
        with pytest.raises(DamagedError):
            read(deep)


def test_what_is_no_text_is_damaged() -> None:
    """
    A byte that is none, where a text is.
    """
    plain = full_report().to_bytes()
    for data in (plain.replace(b"by hand", b"by \xff"), plain.replace(b"by hand", b"by \\ud800")):
        assert data != plain
        with pytest.raises(DamagedError):
            entries.report(data)


def test_values_of_the_monitor_read_back() -> None:
    """
    The report is the one that was written, and a heartbeat of before has no interval.
    """
    report = full_report()
    assert entries.report(report.to_bytes()) == report
    assert entries.report_epoch(report.to_bytes()) == report.epoch
    assert entries.epoch(b"7") == 7
    old = b'{"ts":5,"epoch":7,"phase":"PENDING"}'
    assert entries.heartbeat(old) == Heartbeat(5, 7, RecoveryPhase.PENDING)


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
@pytest.mark.parametrize(
    "kind", ["RecoveryStarted", "RecoveryComplete", "RecoveryFailed", "RecoveryOverridden"]
)
def test_messages_of_a_stream_read_back_in_either_encoding(kind: str, encode: object) -> None:
    """
    What a message bus adds is passed over.
    """
    assert callable(encode)
    payload = encode({"type": kind, "report": REPORT, "ts_event": "1", "more": 1})
    assert entries.message(payload) == Message(MessageKind(kind), full_report())


def test_another_message_is_refused() -> None:
    """
    The monitor sends four kinds.
    """
    with pytest.raises(DamagedError, match="Invalid enum value 'OrderFilled'"):
        entries.message(msgspec.json.encode({"type": "OrderFilled", "report": REPORT}))
