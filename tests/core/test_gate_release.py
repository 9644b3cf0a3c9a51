"""
Blocked instruments that an operator releases by hand.
"""

import time

from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.gate import RecoveryGate
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import SOL


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def blocking_gate(*blocked: str) -> tuple[RecoveryGate, Clock]:
    clock = Clock()
    gate = RecoveryGate(clock)
    gate.complete(3, frozenset(blocked or {BTC, ETH}))
    return gate, clock


def test_released_instrument_trades_until_its_time_is_over() -> None:
    """
    The release ends by itself, by the gate's own clock, and the other instrument stays blocked.
    """
    gate, clock = blocking_gate()
    assert gate.blocked == {BTC, ETH}
    assert gate.release(3, {BTC: 2_000}) is True
    for now, is_open in ((1_000, True), (1_999, True), (2_000, False), (9_999, False)):
        clock.now = now
        assert gate.is_open_for(BTC) is is_open
        assert gate.blocked == ({ETH} if is_open else {BTC, ETH})
        assert (gate.reason(BTC) is None) is is_open
        assert not gate.is_open_for(ETH)
    assert gate.reason(BTC) == (
        f"RECOVERY_BLOCKED: {BTC} differs from the venue's report since recovery epoch 3"
    )


def test_instrument_is_blocked_from_the_beginning_of_time() -> None:
    """
    A clock of a backtest begins at zero, and nothing is released then.
    """
    gate, clock = blocking_gate(BTC)
    clock.now = 0
    assert not gate.is_open_for(BTC)
    assert gate.blocked == {BTC}


def test_released_gate_is_not_unrestricted() -> None:
    """
    Each order is still looked at: the release may end before the next.
    """
    gate, clock = blocking_gate(BTC)
    gate.release(3, {BTC: 2_000})
    assert gate.is_open
    assert not gate.is_unrestricted
    assert gate.is_open_for(SOL)
    clock.now = 2_000
    assert gate.is_open_for(SOL)


def test_release_is_withdrawn_by_one_without_it() -> None:
    """
    What stands is what was said last, all of it.
    """
    gate, _ = blocking_gate()
    gate.release(3, {BTC: 2_000, ETH: 2_000})
    assert gate.blocked == frozenset()
    assert gate.release(3, {ETH: 2_000}) is True
    assert gate.blocked == {BTC}
    assert gate.release(3, {}) is True
    assert gate.blocked == {BTC, ETH}


def test_release_may_be_made_longer_or_shorter() -> None:
    """
    A release of the same instrument takes the place of the one before.
    """
    gate, clock = blocking_gate()
    gate.release(3, {BTC: 2_000})
    assert gate.release(3, {BTC: 1_500}) is True
    clock.now = 1_500
    assert not gate.is_open_for(BTC)
    assert gate.release(3, {BTC: 3_000}) is True
    assert gate.is_open_for(BTC)


def test_answer_tells_whether_the_release_changed_anything() -> None:
    """
    A release that is delivered again is no news.
    """
    gate, _ = blocking_gate()
    assert gate.release(3, {}) is False
    assert gate.release(3, {BTC: 2_000}) is True
    assert gate.release(3, {BTC: 2_000}) is False


def test_release_of_another_epoch_changes_nothing() -> None:
    """
    Neither an older nor a newer epoch's release opens what this one blocks.
    """
    gate, _ = blocking_gate()
    for epoch in (2, 4):
        assert gate.release(epoch, {BTC: 2_000}) is False
        assert gate.blocked == {BTC, ETH}
    assert gate.epoch == 3


def test_release_opens_no_closed_gate() -> None:
    """
    Before the completion, after a failure and after a close, nothing is released, nor afterwards.
    """
    gate = RecoveryGate(Clock())
    gate.begin(3)
    assert gate.release(3, {BTC: 2_000}) is False
    assert not gate.is_open_for(BTC)
    gate.complete(3, frozenset({BTC}))
    assert not gate.is_open_for(BTC)
    gate.release(3, {BTC: 2_000})
    gate.fail(3, FailureReason.TIMEOUT, "late")
    assert not gate.is_open_for(BTC)
    assert gate.release(3, {ETH: 2_000}) is False


def test_next_epoch_ends_the_release() -> None:
    """
    What a newer epoch blocks is blocked, also if the release would still have lasted.
    """
    gate, _ = blocking_gate()
    gate.release(3, {BTC: 2_000})
    gate.begin(4)
    assert not gate.is_open_for(BTC)
    gate.complete(4, frozenset({BTC}))
    assert not gate.is_open_for(BTC)
    assert gate.blocked == {BTC}


def test_next_epoch_whose_beginning_was_missed_ends_the_release_too() -> None:
    """
    A completion by itself takes no release over.
    """
    gate, _ = blocking_gate()
    gate.release(3, {BTC: 2_000})
    gate.complete(4, frozenset({BTC}))
    assert not gate.is_open_for(BTC)


def test_second_completion_of_the_epoch_keeps_the_release() -> None:
    """
    A message that is delivered again does not undo what came after it.
    """
    gate, _ = blocking_gate()
    gate.release(3, {BTC: 2_000})
    assert gate.complete(3, frozenset({BTC, ETH})) is False
    assert gate.is_open_for(BTC)


def test_what_the_gate_was_given_may_change_afterwards() -> None:
    """
    The gate keeps its own record of the release.
    """
    gate, _ = blocking_gate()
    until = {BTC: 2_000}
    gate.release(3, until)
    until.clear()
    assert gate.is_open_for(BTC)


def test_time_is_the_systems_unless_another_is_given() -> None:
    """
    A gate outside a node ends a release by UNIX time.
    """
    gate = RecoveryGate()
    gate.complete(1, frozenset({BTC}))
    gate.release(1, {BTC: time.time_ns() - 1})
    assert not gate.is_open_for(BTC)
    gate.release(1, {BTC: time.time_ns() + 3_600_000_000_000})
    assert gate.is_open_for(BTC)


@given(
    st.frozensets(st.sampled_from([BTC, ETH, SOL])),
    st.dictionaries(st.sampled_from([BTC, ETH, SOL]), st.integers(990, 1_010)),
    st.integers(990, 1_010),
)
def test_instrument_is_open_if_it_is_not_blocked_or_is_released(
    blocked: frozenset[str], until: dict[str, int], now: int
) -> None:
    """
    `blocked` and `is_open_for` agree, for any releases at any time.
    """
    clock = Clock()
    gate = RecoveryGate(clock)
    gate.complete(1, blocked)
    gate.release(1, until)
    clock.now = now
    for instrument_id in (BTC, ETH, SOL):
        is_open = instrument_id not in blocked or until.get(instrument_id, 0) > now
        assert gate.is_open_for(instrument_id) is is_open
        assert (instrument_id in gate.blocked) is (not is_open)
