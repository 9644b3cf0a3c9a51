import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import Liveness
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.core.liveness import max_age


SECOND = 1_000_000_000
NOW = 1_000 * SECOND


def beat(interval_secs: float | None = 5.0, *, is_stopped: bool = False) -> Heartbeat:
    return Heartbeat(
        ts=NOW,
        epoch=1,
        phase=RecoveryPhase.COMPLETE,
        is_stopped=is_stopped,
        interval_secs=interval_secs,
    )


def life(*ages: float, interval_secs: float = 5.0, max_age_secs: float | None = None) -> Life:
    clocks = [NOW + int(age * SECOND) for age in ages]
    return liveness(beat(interval_secs), *clocks, max_age_secs=max_age_secs).life


@pytest.mark.parametrize(
    ("interval_secs", "limit"),
    [
        (5.0, 15.0),
        (60.0, 180.0),
        (1.001, 3.003),
        (1.0, 3.0),
        (0.1, 3.0),
        (86_399.0, 259_197.0),
        (86_400.0, 15.0),
        (None, 15.0),
        (0.0, 15.0),
        (-1.0, 15.0),
        (1e300, 15.0),
    ],
)
def test_a_heartbeat_may_be_three_intervals_old(interval_secs: float | None, limit: float) -> None:
    """
    Those of its own node, and 3 s at least; an interval that cannot be counts as unknown.
    """
    assert max_age(beat(interval_secs)) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, Life.ALIVE),
        (15, Life.ALIVE),
        (15.1, Life.SILENT),
        (-15, Life.ALIVE),
        (-15.1, Life.AHEAD),
    ],
)
def test_a_node_is_alive_up_to_the_limit(age: float, expected: Life) -> None:
    """
    By a clock that is behind, too, as far as the limit goes.
    """
    assert life(age) is expected


def test_the_caller_may_set_the_limit() -> None:
    """
    In place of that of the node.
    """
    assert life(2, max_age_secs=1.5) is Life.SILENT
    assert life(99, interval_secs=1.0, max_age_secs=100.0) is Life.ALIVE
    assert liveness(beat(), NOW, max_age_secs=7.0) == Liveness(Life.ALIVE, 0.0, 7.0)


def test_a_node_is_gone_only_if_every_clock_says_so() -> None:
    """
    Nobody knows which of them is wrong.
    """
    assert life(16, 3_600) is Life.SILENT
    assert life(14, 3_600) is Life.ALIVE
    assert life(-3_600, 3_600) is Life.ALIVE
    assert life(-16, -3_600) is Life.AHEAD
    assert life(-14, -3_600) is Life.ALIVE
    clocks = (NOW + 20 * SECOND, NOW + 30 * SECOND)
    assert liveness(beat(), *clocks) == Liveness(Life.SILENT, 20.0, 15.0)
    clocks = (NOW - 20 * SECOND, NOW - 30 * SECOND)
    assert liveness(beat(), *clocks) == Liveness(Life.AHEAD, -20.0, 15.0)


@given(st.lists(st.integers(-100, 100), min_size=1, max_size=3))
def test_a_clean_stop_counts_whatever_the_clocks_say(ages: list[int]) -> None:
    """
    The node said so itself.
    """
    clocks = [NOW + age * SECOND for age in ages]
    found = liveness(beat(is_stopped=True), *clocks)
    assert found == Liveness(Life.STOPPED, min(ages), 15.0)
