import threading
from collections.abc import Callable
from typing import Any

import pytest

from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.host import judging
from nautilus_recovery_actor.host.judging import Judging
from nautilus_recovery_actor.host.judging import Looking


RECOVERY = Recovery(epoch=1, ts_started=0)
SEEN = Observation(trader_id="T", recovery_id="", epoch=1, trigger="startup", ts_started=0)


class Node:
    """
    Its thread, and what it was asked for.
    """

    def __init__(self) -> None:
        self.turns: list[Callable[[], None]] = []
        self.computed: list[tuple[Callable[[], Any], int]] = []
        self.observed_on = 0

    def compute(self, function: Callable[[], Any], what: str, number: int) -> None:
        assert what == "judged"
        self.computed.append((function, number))

    def look(self, slices: int) -> Looking:
        for _ in range(slices):
            yield

        def observe() -> Observation:
            self.observed_on = threading.get_ident()
            return SEEN

        return observe


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def judge(node: Node) -> Judging:
    return Judging(Policy(), node.compute, node.turns.append)


def test_others_have_their_turn_between_two_slices(
    node: Node, judge: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Each goes on when it is called, and nothing is computed before all of it was copied.
    """
    monkeypatch.setattr(judging, "_SLICE", 0)
    looking = node.look(2)
    judge.begin(looking, RECOVERY, 0)
    turns = 0
    while node.turns:
        assert judge.is_on
        assert not node.computed
        monkeypatch.setattr(judging, "_SLICE", 10**12 if turns == 3 else 0)
        node.turns.pop()()
        turns += 1
    assert turns == 4
    assert len(node.computed) == 1


def test_what_was_copied_is_read_where_it_is_computed(node: Node, judge: Judging) -> None:
    """
    Not on the thread of the node.
    """
    judge.begin(node.look(3), RECOVERY, 0)
    ((function, number),) = node.computed
    assert not node.observed_on
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(function()))
    thread.start()
    thread.join()
    assert node.observed_on not in (0, threading.get_ident())
    assert made[0].report.epoch == 1
    assert judge.is_valid(number, RECOVERY, 0)
    assert not judge.is_on


@pytest.mark.parametrize(
    ("recovery", "flagged"), [(Recovery(epoch=2, ts_started=0), 0), (RECOVERY, 1)]
)
def test_a_judgment_of_what_has_changed_is_void(
    node: Node, judge: Judging, recovery: Recovery, flagged: int
) -> None:
    """
    It is made anew, and the third time in vain at once.
    """
    for _ in range(3):
        assert not judge.is_vain
        judge.begin(node.look(0), RECOVERY, 0)
        assert not judge.is_valid(node.computed[-1][1], recovery, flagged)
        assert not judge.is_on
    assert judge.is_vain


def test_only_the_last_judgment_counts(node: Node, judge: Judging) -> None:
    """
    One that was dropped may come all the same.
    """
    judge.begin(node.look(0), RECOVERY, 0)
    judge.cancel()
    judge.begin(node.look(0), RECOVERY, 0)
    (_, dropped), (_, last) = node.computed
    assert not judge.is_valid(dropped, RECOVERY, 0)
    assert judge.is_on
    assert judge.is_valid(last, RECOVERY, 0)
    judge.begin(node.look(0), RECOVERY, 0)
    judge.cancel()
    assert not judge.is_valid(node.computed[-1][1], RECOVERY, 0)
