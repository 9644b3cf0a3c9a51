"""
What is lost, and what was only purged.
"""

from collections.abc import Iterable

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.lost import Losses
from nautilus_recovery_actor.core.lost import Stored
from nautilus_recovery_actor.core.lost import Trace
from nautilus_recovery_actor.core.lost import key
from nautilus_recovery_actor.core.lost import stored
from nautilus_recovery_actor.core.order_ids import made_at
from tests.core.builders import STRATEGY
from tests.core.builders import lost_order


NS = 1_000_000_000


def order(second: int, count: int = 1) -> str:
    """
    Return the id of an order made in a second of one minute.
    """
    return f"O-20260101-1200{second:02}-001-001-{count}"


def at(secs: float) -> int:
    """
    Return a time in that minute.
    """
    start = made_at(order(0))
    assert start is not None
    return int((start + secs) * NS)


def beat(secs: float, ts_stored: int | None = None, *, is_stopped: bool = False) -> Heartbeat:
    return Heartbeat(
        at(secs), 1, RecoveryPhase.COMPLETE, is_stopped=is_stopped, ts_stored=ts_stored
    )


def test_what_a_server_lost_or_refused_was_not_stored() -> None:
    """
    Also before a heartbeat that was stored after it: it is lost, and was not purged.
    """
    gap = msgspec.structs.replace(beat(30, at(30)), ts_gap=at(10))
    assert known(beat(30, at(30))).has(order(20), STRATEGY)
    assert not known(gap, [trace(25, order(25))]).has(order(20), STRATEGY)
    assert known(gap, [trace(25, order(25))]).has(order(8), STRATEGY)
    nothing = msgspec.structs.replace(gap, ts_gap=0)
    assert not known(nothing).has(order(8), STRATEGY)


def trace(secs: float, client_order_id: str) -> Trace:
    return Trace(at(secs), STRATEGY, client_order_id)


def known(
    heartbeat: Heartbeat | None, traces: Iterable[Trace] = (), *, has_entry: bool = True
) -> Stored:
    return stored(heartbeat, has_entry, traces)


def test_where_nothing_is_known_nothing_was_stored() -> None:
    """
    A database that is empty, or was flushed: also an order by hand in our form.
    """
    assert known(None) == Stored()
    assert not Stored().has(order(10), STRATEGY)
    assert not Stored(at(30)).has("by-hand", STRATEGY)


def test_what_was_made_before_the_last_heartbeat_was_stored() -> None:
    """
    In the second of the heartbeat itself it may have been made after it.
    """
    found = known(beat(10.9, at(10.9)))
    assert found.has(order(9), STRATEGY)
    assert not found.has(order(10), STRATEGY)
    assert not found.has(order(11), STRATEGY)
    assert known(beat(10.0)).has(order(9), STRATEGY)  # Of an older version, which told at once


def test_what_the_venue_accepted_later_was_sent_later() -> None:
    """
    An order that waits in the node, or that an algorithm spawns, has an id of long ago.
    """
    found = known(beat(10))
    assert found.has(order(1), STRATEGY, ts_accepted=at(10))
    assert not found.has(order(1), STRATEGY, ts_accepted=at(10) + 1)


def test_after_a_clean_stop_the_second_of_the_stop_counts() -> None:
    """
    What a strategy sends after that is lost if the node is killed as it stops.
    """
    found = known(beat(10.1, at(10.1), is_stopped=True))
    assert found.has(order(10), STRATEGY, ts_accepted=at(10.5))
    assert not found.has(order(11), STRATEGY)


def test_a_run_that_did_not_say_what_was_lost_before_it_vouches_only_for_what_it_found() -> None:
    """
    Whatever it stored itself, heartbeats and orders, was stored after what is lost.
    """
    own = [trace(20, order(20)), trace(5, order(5, 7))]
    found = known(beat(21, at(5.5)), own)
    assert found.until == at(5.5)
    assert found.has(order(4), STRATEGY)
    assert found.has(order(5, 6), STRATEGY)
    assert not found.has(order(5, 8), STRATEGY)
    assert not found.has(order(20), STRATEGY)


def test_a_database_that_was_flushed_under_a_running_node_vouches_for_nothing() -> None:
    """
    The heartbeat came back, the entry of lost orders did not.
    """
    found = known(beat(10, at(10)), [trace(11, order(11))], has_entry=False)
    assert found == Stored()
    assert known(beat(10), has_entry=False).has(order(9), STRATEGY)  # Of an older version


def test_what_is_newer_than_the_heartbeat_counts_too() -> None:
    """
    What was stored last, and the orders made before it, by its count in the same second.
    """
    found = known(beat(10, at(10)), [trace(12.1, order(12, 9)), trace(12.3, order(12, 10))])
    assert found.until == at(12.3)
    assert found.has(order(11), STRATEGY)
    assert found.has(order(12, 2), STRATEGY)
    assert found.has(order(12, 10), STRATEGY)
    assert not found.has(order(12, 11), STRATEGY)
    assert not found.has(order(12, 2), "Other-002")
    assert not found.has(order(12, 2), STRATEGY, ts_accepted=at(12.4))


def test_without_a_heartbeat_what_is_stored_vouches_for_what_was_purged() -> None:
    """
    The first start with a monitor.
    """
    found = known(None, [trace(12, order(11, 3))])
    assert found.has(order(11, 2), STRATEGY)
    assert not found.has(order(13), STRATEGY)


def test_a_spawned_order_says_nothing_of_others_and_is_vouched_for_by_itself() -> None:
    """
    It has the id of an order that was made long before.
    """
    spawned = f"{order(11, 3)}-E1"
    found = known(None, [trace(11.5, spawned)])
    assert found.has(spawned, STRATEGY)
    assert not found.has(order(11, 2), STRATEGY)
    assert not known(None, [trace(11.5, order(11, 9))]).has(spawned, STRATEGY)


# -- UNTIL IT IS TAKEN --


def losses(*pending: str) -> Losses:
    found = map(lost_order, pending)
    return Losses(Stored(at(10)), {key(lost): lost for lost in found})


def is_lost(found: Losses, client_order_id: str) -> bool:
    return found.is_lost(client_order_id, STRATEGY, 0)


def test_what_is_pending_is_lost_although_it_is_stored_by_now() -> None:
    """
    Reconciliation re-created it in a run before.
    """
    found = losses(order(5))
    assert is_lost(found, order(5))
    assert not is_lost(found, order(6))
    assert is_lost(found, order(10))


def test_what_was_taken_is_lost_no_more() -> None:
    """
    Pending or new; another strategy's of the same id still is.
    """
    found = losses(order(5), order(6)).without([lost_order(order(5)), lost_order(order(11))])
    assert [lost.client_order_id for lost in found.pending.values()] == [order(6)]
    assert not is_lost(found, order(5))
    assert not is_lost(found, order(11))
    assert found.is_lost(order(11), "Other-002", 0)
    reported = [lost_order(order(n)) for n in (5, 6, 12)]
    again = found.recorded(reported, at(20))
    assert [lost.client_order_id for lost in again.pending.values()] == [order(6), order(12)]


@pytest.mark.parametrize("second", [19, 21])
def test_what_was_made_by_this_run_is_not_lost(second: int) -> None:
    """
    Once its first recovery has completed: until then the clock of the run before may be ahead.
    """
    found = losses()
    assert is_lost(found, order(second))
    assert is_lost(found.recorded((), at(20)), order(second)) == (second < 20)


def test_a_heartbeat_vouches_for_itself_only_once_a_recovery_has_completed() -> None:
    """
    Until then it passes on what the run before vouched for.
    """
    assert losses().ts_stored(at(30)) == at(10)
    assert losses().recorded((), at(20)).ts_stored(at(30)) == at(30)
