import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import HISTORY_KEY
from nautilus_recovery_actor.core.names import LOST_KEY
from nautilus_recovery_actor.core.names import REPORTING_KEY
from tests.core.builders import discrepancy
from tests.core.builders import full_report
from tests.core.builders import lost_order


class Memory:
    """
    A store that is a dictionary.
    """

    def __init__(self, entries: dict[str, bytes] | None = None) -> None:
        self.entries = dict(entries or {})

    def get(self, key: str) -> bytes | None:
        return self.entries.get(key)

    def add(self, key: str, value: bytes) -> None:
        self.entries[key] = value


def journal(
    entries: dict[str, bytes] | None = None, size: int = 3
) -> tuple[RecoveryJournal, Memory, list[str]]:
    store, warnings = Memory(entries), list[str]()
    return RecoveryJournal(store, size, warnings.append), store, warnings


def slot(number: int) -> str:
    return HISTORY_KEY.format(slot=number)


def test_keys_are_the_ones_that_stored_data_has() -> None:
    """
    The keys are part of what is stored, so they do not change.
    """
    assert (EPOCH_KEY, HEARTBEAT_KEY, LOST_KEY, REPORTING_KEY, slot(7)) == (
        "recovery:epoch",
        "recovery:heartbeat",
        "recovery:lost",
        "recovery:reporting",
        "recovery:history:7",
    )


def test_empty_store_has_no_past() -> None:
    """
    A first start finds epoch zero, no heartbeat, no report, and warns of nothing.
    """
    kept, store, warnings = journal()
    assert kept.last_epoch() == 0
    assert kept.heartbeat() is None
    assert kept.history() == ()
    assert kept.lost() is None
    assert (store.entries, warnings) == ({}, [])


def test_lost_orders_are_read_back_and_none_of_them_is_not_the_same_as_no_entry() -> None:
    """
    An entry that cannot be read counts as absent.
    """
    kept, store, warnings = journal()
    for lost in ((), (lost_order(), lost_order(strategy_id="B-1"))):
        kept.record_lost(lost)
        assert kept.lost() == lost
    store.add(LOST_KEY, b'[{"strategy_id": 1}]')
    assert kept.lost() is None
    assert len(warnings) == 1


def test_epoch_is_read_from_its_key() -> None:
    """
    An epoch that began and never ended is on record.
    """
    kept, store, _ = journal()
    kept.begin(41)
    assert kept.last_epoch() == 41
    assert store.entries == {EPOCH_KEY: b"41"}
    kept.begin(42)
    assert kept.last_epoch() == 42


def test_epoch_is_read_from_the_history_if_its_key_is_lost_or_older() -> None:
    """
    A report of a newer epoch than the key's counts, so the epoch never goes back.
    """
    kept, store, warnings = journal()
    for epoch in (5, 7, 6):
        kept.record(full_report(epoch))
    assert kept.last_epoch() == 7
    kept.begin(4)
    assert kept.last_epoch() == 7
    kept.begin(9)
    assert kept.last_epoch() == 9
    store.add(EPOCH_KEY, b"nine")
    assert kept.last_epoch() == 7
    assert len(warnings) == 1


def test_history_keeps_the_newest_reports_the_oldest_first() -> None:
    """
    Of more epochs than there are slots the newest remain.
    """
    kept, store, _ = journal(size=3)
    for epoch in range(1, 9):
        kept.record(full_report(epoch))
    assert kept.history() == (full_report(6), full_report(7), full_report(8))
    assert sorted(store.entries) == [slot(0), slot(1), slot(2)]


@given(st.lists(st.integers(0, 10_000), max_size=30), st.integers(0, 5))
def test_number_of_keys_never_grows(epochs: list[int], size: int) -> None:
    """
    However many epochs there are, the keys are those of the epoch, the heartbeat, the lost orders,
    the accounts that report and one for each slot.
    """
    kept, store, warnings = journal(size=size)
    allowed = {EPOCH_KEY, HEARTBEAT_KEY, LOST_KEY, REPORTING_KEY} | {
        slot(number) for number in range(size)
    }
    for epoch in epochs:
        kept.begin(epoch)
        kept.beat(Heartbeat(epoch, epoch, RecoveryPhase.PENDING))
        kept.record(full_report(epoch))
        kept.record_lost([lost_order()])
        kept.record_reporting({"PAPER-001"})
        assert set(store.entries) <= allowed
    assert len(kept.history()) <= size
    assert warnings == []


def test_history_of_size_zero_keeps_nothing() -> None:
    """
    Who wants no history gets none, and the epoch is kept all the same.
    """
    kept, store, warnings = journal(size=0)
    kept.begin(3)
    kept.record(full_report(3))
    assert store.entries == {EPOCH_KEY: b"3"}
    assert kept.history() == ()
    assert kept.last_epoch() == 3
    assert warnings == []


@pytest.mark.parametrize("is_stopped", [False, True])
def test_heartbeat_reads_back(is_stopped: bool) -> None:
    """
    The last sign of life tells when, in which epoch and phase, and whether the stop was clean.
    """
    kept, store, _ = journal()
    kept.beat(Heartbeat(1, 1, RecoveryPhase.PENDING))
    last = Heartbeat(1_700_000_000_000_000_001, 7, RecoveryPhase.COMPLETE, is_stopped)
    kept.beat(last)
    assert kept.heartbeat() == last
    assert list(store.entries) == [HEARTBEAT_KEY]


def test_heartbeat_is_a_kill_unless_it_says_stopped() -> None:
    """
    A heartbeat without the mark is not that of a clean stop.
    """
    stored = {HEARTBEAT_KEY: b'{"ts":1,"epoch":2,"phase":"COMPLETE","added_later":0}'}
    kept, _, warnings = journal(stored)
    assert kept.heartbeat() == Heartbeat(1, 2, RecoveryPhase.COMPLETE, is_stopped=False)
    assert warnings == []


def test_report_of_another_version_is_read() -> None:
    """
    Unknown fields are passed over and missing optional ones take their defaults, without a warning.
    """
    newer = msgspec.json.encode(full_report(4).to_dict() | {"added_later": 1})
    older = b'{"trader_id":"T-1","recovery_id":"x","epoch":5,"trigger":"startup"}'
    kept, _, warnings = journal({slot(1): newer, slot(2): older})
    assert [report.epoch for report in kept.history()] == [4, 5]
    assert kept.history()[0] == full_report(4)
    assert kept.last_epoch() == 5
    assert warnings == []


DAMAGED = {
    "empty": b"",
    "cut off": b'{"trader_id":"T-1","epo',
    "no text": b"\xff\xfe\x00\x80",
    "broken text": b'{"epoch":1,"trader_id":"\xff\xfe"}',
    "foreign list": b"[1,2,3]",
    "foreign text": b'"hello"',
    "foreign object": b'{"name":"of another plugin"}',
    "msgpack": msgspec.msgpack.encode({"epoch": 3}),
    "null": b"null",
    "beyond all": b'{"trader_id":"T-1","recovery_id":"x","epoch":1e23,"trigger":"startup"}',
    "wrong type": b'{"trader_id":"T-1","recovery_id":"x","epoch":"3","trigger":"startup"}',
}


@pytest.mark.parametrize("epoch", [b"-5", b"1e23", b"9007199254740992"])
def test_an_epoch_that_nothing_can_follow_is_damaged(epoch: bytes) -> None:
    """
    A gate never follows a number below one, and some readers none above 2**53.
    """
    kept, _, warnings = journal({EPOCH_KEY: epoch})
    assert kept.last_epoch() == 0
    assert len(warnings) == 1


@pytest.mark.parametrize("name", DAMAGED)
def test_report_that_cannot_be_read_is_one_warning_and_no_exception(name: str) -> None:
    """
    A damaged or foreign entry counts as absent, the others are read, and one line tells of it.
    """
    kept, _, warnings = journal({slot(0): full_report(3).to_bytes(), slot(1): DAMAGED[name]})
    assert kept.history() == (full_report(3),)
    assert len(warnings) == 1
    assert warnings[0].startswith(
        "Ignored the damaged entry 'recovery:history:1' of the recovery history: "
    )
    assert "\n" not in warnings[0]


@pytest.mark.parametrize("name", DAMAGED)
def test_epoch_and_heartbeat_that_cannot_be_read_count_as_absent(name: str) -> None:
    """
    A damaged epoch is zero, a damaged heartbeat none, each with one line that names the key.
    """
    kept, _, warnings = journal({EPOCH_KEY: DAMAGED[name], HEARTBEAT_KEY: DAMAGED[name]})
    assert kept.last_epoch() == 0
    assert kept.heartbeat() is None
    assert [warning.split("'")[1] for warning in warnings] == [EPOCH_KEY, HEARTBEAT_KEY]
    assert all("\n" not in warning for warning in warnings)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_no_bytes_make_the_journal_raise(epoch: bytes, heartbeat: bytes, report: bytes) -> None:
    """
    Whatever the store holds the journal answers, with at most one line for each entry.
    """
    kept, _, warnings = journal({EPOCH_KEY: epoch, HEARTBEAT_KEY: heartbeat, slot(0): report})
    assert isinstance(kept.last_epoch(), int)
    kept.heartbeat()
    assert len(warnings) <= 3
    kept.history()
    assert len(warnings) <= 4


def test_deeply_nested_entry_is_one_warning_and_no_exception() -> None:
    """
    An entry that no decoder can follow is damaged like any other.
    """
    deep = b'{"epoch":3,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    kept, _, warnings = journal({slot(0): deep})
    assert kept.last_epoch() == 0
    assert len(warnings) == 1


def test_positions_without_a_stop_are_kept_and_an_older_heartbeat_says_nothing_of_them() -> None:
    """
    Who does not know them reads the rest.
    """
    kept, _, _ = journal({})
    naked = discrepancy(kind=DiscrepancyKind.UNPROTECTED_POSITION)
    beat = Heartbeat(1, 7, RecoveryPhase.COMPLETE, unprotected=(naked,), unprotected_more=3)
    kept.beat(beat)
    assert kept.heartbeat() == beat
    kept, _, _ = journal({HEARTBEAT_KEY: b'{"ts":1,"epoch":7,"phase":"COMPLETE"}'})
    assert kept.heartbeat() == Heartbeat(1, 7, RecoveryPhase.COMPLETE, unprotected=None)
