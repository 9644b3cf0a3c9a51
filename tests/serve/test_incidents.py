"""
Incidents from one board to the next, without a clock.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.serve import findings
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.incidents import Incidents
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.incidents import Notice
from nautilus_recovery_actor.serve.incidents import looked
from tests.serve.boards import ANOTHER
from tests.serve.boards import CLEAN
from tests.serve.boards import DEGRADED
from tests.serve.boards import FAILED
from tests.serve.boards import NAKED
from tests.serve.boards import NOW
from tests.serve.boards import SEC
from tests.serve.boards import board
from tests.serve.boards import seen


NAKED_BEAT: dict[str, Any] = {"unprotected": [msgspec.to_builtins(NAKED)]}
LOST: dict[str, Any] = {
    "storage": [msgspec.to_builtins(StorageIncident(StorageTrouble.LOST, NOW, "Redis lost it"))]
}
RESERVED = LeaseStatus(trader_id="T-1", state=Keeping.RESERVED, reason="operator ada keeps it")


class Desk:
    """
    Looks at one board after another, each a second after the last.
    """

    def __init__(self) -> None:
        self.incidents = Incidents()
        self.at = NOW

    def look(self, shown: Board) -> tuple[Notice, ...]:
        found = findings.found(shown, self.incidents, shown.ts)
        self.incidents, notices = looked(self.incidents, shown, found, shown.ts)
        return notices

    def see(self, secs: float = 1, trouble: str = "", **fields: Any) -> list[str]:
        """
        Look each second, and return what is told.
        """
        told = []
        for _ in range(int(secs)):
            self.at += SEC
            found = [] if fields.get("nobody") else [seen(at=self.at, **fields)]
            notices = self.look(board(*found, at=self.at, trouble=trouble))
            told += [f"{one.incident.key.kind}{' over' * one.is_over}" for one in notices]
        return told


def begun(**fields: Any) -> Desk:
    desk = Desk()
    assert desk.see(3) == []
    return desk


@pytest.mark.parametrize(
    ("kind", "after_secs", "fields"),
    [
        (Kind.FAILED, 0, {"report": FAILED}),
        (Kind.NAKED, 0, NAKED_BEAT),
        (Kind.ANOTHER_NODE, 5, {"report": ANOTHER}),
        (Kind.ANOTHER_NODE, 5, {"more": {"lease": RESERVED}}),
        (Kind.ANOTHER_NODE, 5, {"more": {"twins": ("instance B has a heartbeat too",)}}),
        (Kind.NO_HEARTBEAT, 30, {"age_secs": 100}),
        (Kind.UNSTORED, 5, LOST),
        (Kind.UNSEEN, 30, {"trouble": "Connection refused"}),
        (Kind.UNSEEN, 30, {"more": {"trouble": "no report of epoch 7 on record"}}),
        (Kind.DEGRADED, 10, {"report": msgspec.structs.replace(DEGRADED, repairs=())}),
    ],
)
def test_each_kind_is_told_once_and_so_is_its_end(
    kind: Kind, after_secs: int, fields: dict[str, Any]
) -> None:
    """At once where somebody has to act at once, else when it has lasted."""
    desk = begun()
    assert desk.see(after_secs, **fields) == []
    assert desk.see(200, **fields) == [kind]
    assert desk.see(10) == []
    assert desk.see(1) == [f"{kind} over"]
    assert desk.see(100) == []


def test_a_repair_that_waits_is_told_with_what_is_blocked() -> None:
    desk = begun()
    assert desk.see(60, report=DEGRADED) == ["DEGRADED", "REPAIR_WAITING"]


@pytest.mark.parametrize(
    "fields",
    [
        {"age_secs": 100},
        {"trouble": "Connection refused"},
        {"report": None, "phase": "RECONCILING"},
        {"report": None},
    ],
)
def test_what_cannot_be_seen_does_not_end(fields: dict[str, Any]) -> None:
    """A node that died, is not seen, recovers or has no report is not healed of anything."""
    desk = begun()
    assert desk.see(1, report=FAILED) == ["FAILED"]
    assert "FAILED over" not in desk.see(100, **fields)
    assert desk.see(60, report=FAILED) in ([], ["NO_HEARTBEAT over"], ["UNSEEN over"])
    assert "FAILED over" in desk.see(15)


def test_a_restart_is_no_incident() -> None:
    """Killed, silent, back, reconciling, complete."""
    desk = begun()
    assert desk.see(25, age_secs=20) == []
    assert desk.see(60, report=None, phase="RECONCILING", epoch=8) == []
    assert desk.see(60, report=msgspec.structs.replace(CLEAN, epoch=8), epoch=8) == []


def test_a_node_that_was_stopped_is_no_incident() -> None:
    desk = begun()
    assert desk.see(200, age_secs=100, is_stopped=True) == []


def test_a_node_that_failed_and_stopped_itself_has_failed() -> None:
    """As `on_failure="shutdown"` has it, also if nobody looked in between."""
    desk = begun()
    assert desk.see(60, report=FAILED, is_stopped=True) == ["FAILED"]


def test_what_comes_and_goes_is_one_incident() -> None:
    desk = begun()
    told = []
    for _ in range(10):
        told += desk.see(3, report=FAILED) + desk.see(3)
    assert told == ["FAILED"]


def test_a_stop_has_a_moment_to_be_placed_after_a_recovery() -> None:
    """A strategy places it when it may trade."""
    desk = begun()
    fresh = msgspec.structs.replace(CLEAN, ts_completed=desk.at + SEC)
    assert desk.see(9, report=fresh, **NAKED_BEAT) == []
    assert desk.see(5, report=fresh, **NAKED_BEAT) == ["NAKED"]


def test_a_failure_whose_report_is_late_waits_for_it() -> None:
    """Not for long: it is told without it."""
    desk = begun()
    since = desk.at + SEC
    late: dict[str, Any] = {"report": None, "phase": "FAILED", "more": {"ts_since": since}}
    assert desk.see(1, **late) == []
    assert desk.see(1, **late) == ["FAILED"]


def test_what_stands_when_it_is_first_looked_at_is_told() -> None:
    """Whatever began while nobody looked."""
    assert Desk().see(1, report=FAILED) == ["FAILED"]


def test_what_was_told_elsewhere_is_offered_once_and_its_end_is_told() -> None:
    """
    As after a restart, with what other processes know: it is offered once to each service, which
    may not have been reached.
    """
    first = Desk()
    first.see(1, report=FAILED)
    second = Desk()
    second.incidents = second.incidents.with_told(first.incidents.told())
    assert second.see(1, report=FAILED) == ["FAILED"]
    second.incidents = second.incidents.with_told(first.incidents.told())
    assert second.see(30, report=FAILED) == []
    assert second.see(30) == ["FAILED over"]


def test_a_record_that_is_gone_is_told() -> None:
    """An emptied server shows no trader, and no trader is not all well."""
    desk = begun()
    assert desk.see(60, nobody=True) == ["UNSEEN"]
    assert desk.see(20) == ["UNSEEN over"]
    assert desk.see(20, is_stopped=True) == []
    assert desk.see(60, nobody=True) == []


def test_while_a_server_is_not_seen_its_traders_are_not_told_each() -> None:
    desk = Desk()
    traders = [seen(trader_id=f"T-{n}", more={"trouble": "refused"}) for n in range(100)]
    told: list[Notice] = []
    for secs in range(60):
        told += desk.look(board(*traders, at=NOW + secs * SEC, trouble="refused"))
    assert [(one.incident.key.kind, one.incident.key.trader_id) for one in told] == [("UNSEEN", "")]


def test_in_shadow_mode_nothing_is_blocked() -> None:
    desk = Desk()
    assert desk.see(60, report=msgspec.structs.replace(DEGRADED, shadow=True)) == []


def test_a_thousand_are_told_once_each() -> None:
    desk = Desk()
    for secs in range(3):
        at = NOW + secs * SEC
        traders = [seen(FAILED, at=at, trader_id=f"T-{n}") for n in range(1_000)]
        told = desk.look(board(*traders, at=at))
        assert len({one.incident.key for one in told}) == (0 if secs else 1_000)


SIGHTS: list[Callable[[int], Seen]] = [
    lambda at: seen(at=at),
    lambda at: seen(FAILED, at=at),
    lambda at: seen(DEGRADED, at=at),
    lambda at: seen(ANOTHER, at=at),
    lambda at: seen(at=at, **NAKED_BEAT),
    lambda at: seen(at=at, age_secs=100),
    lambda at: seen(at=at, is_stopped=True),
    lambda at: seen(None, at=at, phase="RECONCILING"),
    lambda at: seen(at=at, more={"trouble": "broken"}),
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(SIGHTS), st.integers(1, 60), st.booleans()), max_size=20))
def test_begin_and_end_alternate_and_nothing_stands_untold(
    shown: list[tuple[Callable[[int], Seen], int, bool]],
) -> None:
    """Whatever comes in whatever order, of each incident first the beginning, then the end."""
    desk = Desk()
    last: dict[Any, bool] = {}
    for sight, secs, is_troubled in shown:
        for _ in range(secs):
            desk.at += SEC
            trouble = "refused" if is_troubled else ""
            for one in desk.look(board(sight(desk.at), at=desk.at, trouble=trouble)):
                assert one.is_over is (not last.get(one.incident.key, True))
                last[one.incident.key] = one.is_over
    assert {key for key, is_over in last.items() if not is_over} == {
        one.key for one in desk.incidents.told()
    }
    report: RecoveryReport = CLEAN
    for _ in range(20):
        desk.at += SEC
        for one in desk.look(board(seen(report, at=desk.at), at=desk.at)):
            last[one.incident.key] = one.is_over
    assert all(last.values())
