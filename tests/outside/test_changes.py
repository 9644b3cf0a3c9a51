import msgspec
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.outside.record.changes import Change
from nautilus_recovery_actor.outside.record.changes import Changes
from nautilus_recovery_actor.outside.record.entries import Message
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State


T = "LIVE-001"


def report(epoch: int = 1, trigger: str = "startup", **fields: object) -> RecoveryReport:
    values = {"outcome": RecoveryOutcome.CLEAN, "message": "m", "ts_started": 5, "ts_completed": 9}
    plain = RecoveryReport(T, "R", epoch, trigger)
    return msgspec.structs.replace(plain, **{**values, **fields})


def seen(
    following: Changes,
    epoch: int,
    phase: RecoveryPhase,
    ts: int = 5,
    of: RecoveryReport | None = None,
) -> list[tuple[int, int | None, str, str]]:
    state = {RecoveryPhase.COMPLETE: State.OPEN}.get(phase, State.CLOSED)
    now = NodeStatus(trader_id=T, state=state, reason="", phase=phase, epoch=epoch)
    return plain(following.look(now, ts, of, 99))


def absent(following: Changes, *, is_stopped: bool = False) -> list[str]:
    now = NodeStatus(
        trader_id=T, state=State.NO_HEARTBEAT, reason="gone", epoch=1, is_stopped=is_stopped
    )
    return [change.what for change in following.look(now, 5, None, 99)]


def heard(
    following: Changes, kind: str, of: RecoveryReport
) -> list[tuple[int, int | None, str, str]]:
    return plain(following.hear(Message(MessageKind(kind), of)))


def plain(changes: object) -> list[tuple[int, int | None, str, str]]:
    return [(c.ts, c.epoch, c.what, c.text) for c in changes]  # type: ignore[attr-defined]


def test_each_phase_is_told_once() -> None:
    """
    However often it is looked at.
    """
    following = Changes(T)
    for ts, phase in enumerate(("PENDING", "RECONCILING", "VERIFYING")):
        assert seen(following, 1, RecoveryPhase(phase), ts) == [(ts, 1, phase, "")]
        assert seen(following, 1, RecoveryPhase(phase), ts + 1) == []
    assert seen(following, 1, RecoveryPhase.COMPLETE, 10, report()) == [
        (9, 1, "COMPLETE", "CLEAN: m")
    ]
    assert seen(following, 1, RecoveryPhase.COMPLETE, 11, report()) == []


def test_what_was_heard_is_not_told_again_when_it_is_seen() -> None:
    """
    A stream is faster than a look, and a look may be faster than a stream.
    """
    following = Changes(T)
    started = report(2, "mass_status", ts_completed=None)
    assert heard(following, "RecoveryStarted", started) == [
        (5, 2, "RECONCILING", "opened by mass_status")
    ]
    assert seen(following, 2, RecoveryPhase.RECONCILING) == []
    assert seen(following, 2, RecoveryPhase.COMPLETE, 9, report(2)) != []
    assert heard(following, "RecoveryComplete", report(2)) == []
    assert heard(following, "RecoveryStarted", started) == []


def test_a_start_and_a_failure_are_heard() -> None:
    """
    A startup begins pending.
    """
    following = Changes(T)
    assert heard(following, "RecoveryStarted", report(ts_completed=None)) == [
        (5, 1, "PENDING", "opened by startup")
    ]
    failed = report(outcome=None, failure="TIMEOUT")
    assert heard(following, "RecoveryFailed", failed) == [(9, 1, "FAILED", "TIMEOUT: m")]


def test_another_traders_message_is_not_told() -> None:
    """
    A stream may serve several.
    """
    assert heard(Changes("OTHER-001"), "RecoveryStarted", report()) == []


def test_an_end_without_a_report_says_so() -> None:
    """
    A monitor may keep none.
    """
    assert seen(Changes(T), 1, RecoveryPhase.COMPLETE) == [
        (5, 1, "COMPLETE", "no report on record")
    ]


def test_a_release_and_its_end_are_told_once() -> None:
    """
    Whether the report is heard or seen.
    """
    one = Override("ETH.X", "checked", "ada@desk", 20, 1_000_000_000)
    following = Changes(T)
    seen(following, 1, RecoveryPhase.COMPLETE, 9, report())
    assert heard(following, "RecoveryOverridden", report(overrides=(one,))) == [
        (20, 1, "RELEASED", wording.release_line(one))
    ]
    assert seen(following, 1, RecoveryPhase.COMPLETE, 9, report(overrides=(one,))) == []
    over = msgspec.structs.replace(one, ts_ended=30)
    assert seen(following, 1, RecoveryPhase.COMPLETE, 9, report(overrides=(over,))) == [
        (30, 1, "RELEASE_ENDED", wording.release_line(over))
    ]
    assert heard(following, "RecoveryOverridden", report(overrides=(over,))) == []


def test_a_node_that_is_gone_is_told_once_and_again_when_it_went_again() -> None:
    """
    A stop and a silence are two things.
    """
    following = Changes(T)
    assert absent(following) == ["NO_HEARTBEAT"]
    assert absent(following) == []
    assert seen(following, 1, RecoveryPhase.COMPLETE) != []
    assert absent(following) == ["NO_HEARTBEAT"]
    assert absent(following, is_stopped=True) == ["STOPPED"]
    assert absent(following, is_stopped=True) == []


def test_a_node_that_counts_anew_is_followed() -> None:
    """
    Its Redis was emptied, so its epochs begin at one again.
    """
    following = Changes(T)
    seen(following, 7, RecoveryPhase.COMPLETE, 5)
    assert seen(following, 1, RecoveryPhase.PENDING, 4) == []
    assert seen(following, 1, RecoveryPhase.PENDING, 6) == [(6, 1, "PENDING", "")]
    assert seen(following, 1, RecoveryPhase.VERIFYING, 7) == [(7, 1, "VERIFYING", "")]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(RecoveryPhase), st.booleans())))
def test_no_phase_is_told_twice_and_epochs_go_up(
    happenings: list[tuple[int, RecoveryPhase, bool]],
) -> None:
    """
    In whatever order looks and messages come.
    """
    following, told = Changes(T), list[Change]()
    kinds = {"COMPLETE": "RecoveryComplete", "FAILED": "RecoveryFailed"}
    for epoch, phase, is_heard in happenings:
        if is_heard:
            kind = kinds.get(phase, "RecoveryStarted")
            told += following.hear(Message(MessageKind(kind), report(epoch)))
        else:
            now = NodeStatus(trader_id=T, state=State.CLOSED, reason="", phase=phase, epoch=epoch)
            told += following.look(now, 5, None, 99)
    order = [(c.epoch or 0, min(list(RecoveryPhase).index(RecoveryPhase(c.what)), 3)) for c in told]
    assert order == sorted(set(order))
