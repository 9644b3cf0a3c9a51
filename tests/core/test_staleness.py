"""
Whether what a start restored is older than what the runs before have written.
"""

from datetime import UTC
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.staleness import Beside
from nautilus_recovery_actor.core.staleness import Restored
from nautilus_recovery_actor.core.staleness import read_beside


NS = 1_000_000_000
START = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())


def order_id(secs: float, count: int = 1) -> str:
    made = datetime.fromtimestamp(START + int(secs), UTC)
    return f"O-{made:%Y%m%d-%H%M%S}-001-000-{count}"


def heartbeat(secs: float = 100, **fields: Any) -> Heartbeat:
    ts = int((START + secs) * NS)
    values = {"ts": ts, "ts_stored": ts, "interval_secs": 5.0, "epoch": 7, **fields}
    return Heartbeat(phase=RecoveryPhase.COMPLETE, **values)


def restored(**fields: Any) -> Restored:
    values = {
        "epoch": 7,
        "heartbeat": heartbeat(),
        "ts_registered": (START + 10_000) * NS,
        **fields,
    }
    return Restored(**values)


def test_an_order_that_a_kill_explains_is_not_newer() -> None:
    """A heartbeat may be late by three intervals; what was made later was stored somewhere."""
    found = restored()
    assert found.by_orders([order_id(50), order_id(115)]) is None
    late = found.by_orders([order_id(50), order_id(116), order_id(200)])
    assert late is not None
    assert (late.knows, late.has) == (
        f"own orders made until 2026-11-01 00:03:20 UTC: {order_id(200)}, {order_id(116)}",
        "newest entry of 2026-11-01 00:01:40 UTC",
    )
    assert late.checkpoints


def test_an_order_of_this_run_says_nothing_of_those_before() -> None:
    """It was made after the cache was restored."""
    assert restored().by_orders([order_id(10_000), order_id(10_001)]) is None


def test_where_nothing_is_stored_any_own_order_is_newer() -> None:
    """The database was emptied, or is another one."""
    empty = restored(epoch=0, heartbeat=None)
    found = empty.by_orders([order_id(1)])
    assert found is not None
    assert found.has == "nothing stored"
    assert empty.staleness() is None
    assert empty.by_orders([]) is None


def test_without_a_database_nothing_is_old() -> None:
    """There is none to be restored from."""
    found = restored(is_stored=False, epoch=0, heartbeat=None, beside=Beside(9, 9, 9))
    assert found.by_orders([order_id(500)]) is None
    assert found.staleness() is None


def test_a_cache_without_a_heartbeat_is_as_new_as_its_newest_event() -> None:
    """That of a node that had no monitor yet."""
    found = restored(heartbeat=None, ts_event=(START + 100) * NS)
    assert found.by_orders([order_id(115)]) is None
    assert found.by_orders([order_id(130)]) is not None


def test_a_run_that_did_not_complete_is_as_old_as_what_it_restored() -> None:
    """It was killed before anybody was told."""
    beat = heartbeat(300, ts_stored=(START + 100) * NS)
    assert restored(heartbeat=beat).by_orders([order_id(150)]) is not None


def test_what_the_last_run_noticed_is_known() -> None:
    """The checkpoints are old unless they were stored again."""
    for is_rewritten in (False, True):
        lost = StorageIncident(
            StorageTrouble.LOST, (START + 90) * NS, "lost", is_rewritten=is_rewritten
        )
        found = restored(heartbeat=heartbeat(storage=(lost,))).staleness()
        assert found is not None
        assert found.knows == "writes lost until 2026-11-01 00:01:30 UTC, as the last run noticed"
        assert found.checkpoints is not is_rewritten
    full = StorageIncident(StorageTrouble.REFUSED, 1, "full")
    assert restored(heartbeat=heartbeat(storage=(full,))).staleness() is None


def test_a_server_that_counts_less_than_the_heartbeat_went_back() -> None:
    """The heartbeat was written after the server had acknowledged as many."""
    beat = heartbeat(beats=57)
    assert restored(heartbeat=beat, beside=Beside(7, 57, 0)).staleness() is None
    assert restored(heartbeat=beat, beside=Beside(7, 90, 0)).staleness() is None
    assert restored(heartbeat=beat).staleness() is None  # The server could not be asked
    for beats in (0, 41):
        found = restored(heartbeat=beat, beside=Beside(7, beats, 0)).staleness()
        assert found is not None
        assert found.knows == f"57 heartbeats written, of which Redis has {beats}"


def test_a_run_that_was_killed_right_after_it_began_makes_no_cache_old() -> None:
    """What it wrote beside the cache is there at once, what it wrote to the cache is not yet."""
    begun = START + 5_000
    for secs, is_old in ((0.2, False), (14, False), (16, True)):
        last = Beside(8, 300, int((begun + secs) * NS), begun * NS, 15 * NS, begun * NS)
        sent = order_id(5_000 + secs)
        for fields in ({"beside": last}, {"elsewhere": last}):
            found = restored(**fields)
            assert (found.staleness() is not None) is is_old
            assert (found.by_orders([sent]) is not None) is is_old
    first = restored(
        epoch=0, heartbeat=None, beside=Beside(1, 1, begun * NS, begun * NS, NS, begun * NS)
    )
    assert first.staleness() is first.by_orders([order_id(5_000)]) is None


def test_a_later_epoch_beside_the_cache_is_known_unless_a_kill_explains_it() -> None:
    """It is written at once, the cache's after its buffer."""
    soon, late = (START + 110) * NS, (START + 200) * NS
    assert restored(beside=Beside(8, 0, soon)).staleness() is None
    assert restored(beside=Beside(7, 0, late)).staleness() is None
    for fields in ({"beside": Beside(8, 0, late)}, {"elsewhere": Beside(8, 0, 0)}):
        found = restored(**fields).staleness()
        assert found is not None
        assert found.knows == "recovery epoch 8 beside the cache"


@given(
    st.integers(0, 50),
    st.none() | st.integers(0, 50),
    st.none() | st.integers(0, 50),
    st.none() | st.integers(0, 50),
)
def test_an_epoch_never_goes_back(
    stored: int, beat: int | None, beside: int | None, elsewhere: int | None
) -> None:
    """It is never lower than anything that is known, and an absurd one is passed over."""
    found = restored(
        epoch=stored,
        heartbeat=None if beat is None else heartbeat(epoch=beat),
        beside=None if beside is None else Beside(beside),
        elsewhere=None if elsewhere is None else Beside(elsewhere),
    )
    known = [one for one in (stored, beat, beside, elsewhere) if one is not None]
    assert found.newest_epoch == max(known)
    absurd = restored(epoch=stored, heartbeat=None, beside=Beside(2**60))
    assert absurd.newest_epoch == stored
    assert absurd.staleness() is None


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0.05, 60))
def test_more_that_is_stored_never_makes_a_cache_older(
    secs: int, made: int, interval: float
) -> None:
    """An order that is not newer than one heartbeat is not newer than a later one either."""
    first = restored(heartbeat=heartbeat(secs, interval_secs=interval))
    later = restored(heartbeat=heartbeat(secs + 50, interval_secs=interval))
    assert first.is_newer(order_id(made)) >= later.is_newer(order_id(made))
    if made <= secs:
        assert not first.is_newer(order_id(made))


def test_damage_beside_the_cache_reads_as_unknown() -> None:
    """A hash that anybody may have written."""
    lease = {"epoch": "7", "since": "1", "renewed": "2", "lasts": "3"}
    assert read_beside(lease) == Beside(7, 0, 2_000_000, 1_000_000, 3_000_000, 1_000_000)
    both = lease | {"beats": "3", "beat": "9", "begun": "8", "late": "4"}
    assert read_beside(both) == Beside(7, 3, 9, 8, 4_000_000, 8)
    assert read_beside(both | {"from": "6"}).ts_from == 6
    assert read_beside({"epoch": "-1", "beats": "x", "beat": "9" * 30}) == Beside()
    assert read_beside({}) == Beside()
