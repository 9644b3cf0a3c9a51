"""
Who runs twice, by what several servers show.
"""

from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.status import node_status
from nautilus_recovery_actor.outside.record.twins import Place
from nautilus_recovery_actor.outside.record.twins import twins
from tests.outside.test_status import CLEAN
from tests.outside.test_status import NOW
from tests.outside.test_status import SEC
from tests.outside.test_status import beat


OTHER = msgspec.structs.replace(CLEAN, recovery_id="R-2")
HELD = LeaseStatus(
    trader_id="T-1",
    state=Keeping.HELD,
    reason="",
    host="h",
    pid=1,
    fence=3,
    ts_since=NOW - 60 * SEC,
)
TOO = "it runs on b:1 too"


def place(
    server: str,
    report: RecoveryReport | None = CLEAN,
    *,
    more: dict[str, Any] | None = None,
    **f: Any,
) -> Place:
    record = Record(heartbeat=beat(**f), epoch=7, report=report)
    status = node_status("T-1", record, NOW)
    return Place(server=server, status=status, ts_read=NOW, report=report, **(more or {}))


def found(one: Place, other: Place, *known: str) -> list[str]:
    return list(twins((one, other), one, known))


def test_a_node_that_runs_elsewhere_too_is_a_twin_of_both() -> None:
    one, other = place("a:1"), place("b:1", OTHER, age_secs=2)
    assert found(one, other) == [TOO]
    assert found(other, one) == ["it runs on a:1 too"]


@pytest.mark.parametrize("fields", [{"age_secs": 100}, {"age_secs": 1, "is_stopped": True}])
def test_one_that_is_down_or_was_stopped_is_no_twin(fields: dict[str, Any]) -> None:
    """Nor has it one: the other may have been started in its place."""
    one, other = place("a:1"), place("b:1", OTHER, **fields)
    assert found(one, other) == []
    assert found(other, one) == []


def test_one_whose_clock_is_ahead_may_run() -> None:
    assert found(place("a:1"), place("b:1", OTHER, age_secs=-7200)) == [TOO]


def test_a_replica_shows_the_same_node() -> None:
    """By its report; without one by its lease, or by a heartbeat that both have."""
    assert found(place("a:1"), place("b:1", age_secs=6)) == []
    lease = {"lease": HELD}
    one = place("a:1", None, more=lease)
    assert found(one, place("b:1", None, age_secs=6, more=lease)) == []
    later = {"lease": msgspec.structs.replace(HELD, fence=4)}
    assert found(one, place("b:1", None, age_secs=6, more=later)) == [TOO]
    assert found(place("a:1", None), place("b:1", None)) == []
    assert found(place("a:1", None), place("b:1", None, age_secs=6)) == [TOO]


def test_two_instances_on_one_server_are_two_nodes() -> None:
    more = {"options": "T-1 --instance-id I-1"}
    told = found(place("a:1"), place("a:1", more=more))
    assert told == ["it runs as T-1 --instance-id I-1 too"]


def test_a_server_that_cannot_be_read_ends_and_begins_nothing() -> None:
    """Its node may have been stopped since, or not."""
    one, other = place("a:1"), place("b:1", OTHER, more={"is_old": True})
    assert found(one, other) == []
    assert found(one, other, TOO) == [TOO]
