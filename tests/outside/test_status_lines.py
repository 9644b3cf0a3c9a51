"""
What ``status`` prints.
"""

import msgspec
import pytest

from nautilus_recovery_actor.console.status import show
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.outside.record.status import NodeStatus
from tests.outside.test_status import CLEAN
from tests.outside.test_status import DEGRADED
from tests.outside.test_status import NOW
from tests.outside.test_status import SEC
from tests.outside.test_status import beat
from tests.outside.test_status import found
from tests.outside.test_status import naked


def lines(status: NodeStatus, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(status)
    return capsys.readouterr().out.splitlines()


def test_a_proof_is_of_the_rest_where_something_is_blocked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It must not read as if all were well."""
    proof = beat(ts_proven=NOW - 12 * SEC)
    assert "Proven 12 s ago" in lines(found(proof, CLEAN), capsys)
    degraded = msgspec.structs.replace(DEGRADED, message="X")
    printed = lines(found(proof, degraded), capsys)
    assert "The rest was proven 12 s ago" in printed
    assert "Proven 12 s ago" not in printed


def test_exits_without_a_position_are_those_of_the_last_recovery(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody looks in between: the strategy may have canceled them since."""
    concerns = tuple(
        msgspec.structs.replace(naked("P-1"), kind=kind, cache="SELL 1 A of S-1")
        for kind in (DiscrepancyKind.ORPHAN_EXIT, DiscrepancyKind.ABSENT_STRATEGY)
    )
    told = msgspec.structs.replace(CLEAN, discrepancies=concerns)
    rest = "SELL 1 A of S-1 (A-1)"
    for ts, when in ((None, ""), (NOW - 600 * SEC, " (1970-01-01 00:06:40 UTC)")):
        ended = lines(found(beat(), msgspec.structs.replace(told, ts_completed=ts)), capsys)
        assert f"Exits without a position at the last recovery{when}: {rest}" in ended
        absent = f"Of strategies that the node did not run at the last recovery{when}: {rest}"
        assert absent in ended


def test_a_venue_that_owes_an_answer_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the gates close for it; one that is slow is not."""
    late = found(beat(ts_unanswered=NOW - 20 * SEC))
    told = "A venue has not answered since 00:16:20 UTC: nothing newer is proven, see the node's "
    assert any(line.startswith(told[:60]) for line in lines(late, capsys))
    slow = found(beat(ts_unanswered=NOW - 3 * SEC))
    assert not any("not answered" in line for line in lines(slow, capsys))
