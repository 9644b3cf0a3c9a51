from dataclasses import dataclass
from dataclasses import field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.gate import RecoveryGate
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import SOL


@dataclass(frozen=True)
class Step:
    name: str
    epoch: int = 0
    blocked: frozenset[str] = frozenset()

    def apply(self, gate: RecoveryGate) -> bool:
        match self.name:
            case "begin":
                return gate.begin(self.epoch)
            case "complete":
                return gate.complete(self.epoch, self.blocked)
            case "fail":
                return gate.fail(self.epoch, FailureReason.TIMEOUT, "too late")
            case _:
                return gate.close("RECOVERY_STOPPED: by its owner")


@dataclass
class Known:
    """
    What a gate has been told, kept as the plain list of it.
    """

    told: list[Step] = field(default_factory=list)

    @property
    def newest(self) -> int:
        return max((step.epoch for step in self.told), default=0)

    @property
    def permission(self) -> Step | None:
        # The completion of the newest epoch, if nothing said since that epoch was known forbids it
        newest = self.newest
        of_newest = [step for step in self.told if step.epoch == newest and step.name != "close"]
        since = self.told[self.told.index(of_newest[0]) :] if of_newest else self.told
        if any(step.name == "close" for step in since):
            return None
        if any(step.name == "fail" for step in of_newest):
            return None
        return next((step for step in of_newest if step.name == "complete"), None)


EPOCHS = st.integers(min_value=1, max_value=4)
STEPS = st.one_of(
    st.builds(Step, st.just("begin"), EPOCHS),
    st.builds(Step, st.just("complete"), EPOCHS, st.frozensets(st.sampled_from([BTC, ETH]))),
    st.builds(Step, st.just("fail"), EPOCHS),
    st.builds(Step, st.just("close")),
)


@given(st.lists(STEPS, max_size=14))
def test_gate_is_open_only_under_an_unspoilt_completion_of_the_newest_epoch(
    steps: list[Step],
) -> None:
    """
    Whatever comes, twice, late or out of order, only the newest epoch known can hold a gate open.
    """
    gate, known = RecoveryGate(), Known()
    assert not gate.is_open
    for step in steps:
        step.apply(gate)
        known.told.append(step)
        assert gate.is_open is (known.permission is not None)
        assert gate.epoch == known.newest


@given(st.lists(STEPS, max_size=14))
def test_blocked_instruments_stay_blocked_and_each_closed_door_has_a_reason(
    steps: list[Step],
) -> None:
    """
    What the completion blocks stays blocked under it, and a reason is given just where it is shut.
    """
    gate, known = RecoveryGate(), Known()
    for step in steps:
        step.apply(gate)
        known.told.append(step)
        permission = known.permission
        for instrument_id in (BTC, ETH, SOL):
            is_open = permission is not None and instrument_id not in permission.blocked
            assert gate.is_open_for(instrument_id) is is_open
            reason = gate.reason(instrument_id)
            assert (reason is None) is is_open
            assert reason is None or reason.startswith("RECOVERY_")
        assert (gate.reason() is None) is gate.is_open


@given(st.lists(STEPS, max_size=14))
def test_answers_tell_whether_the_gate_moved(steps: list[Step]) -> None:
    """
    A closing step answers whether it closed the gate, `complete` whether its permission was taken.
    """
    gate = RecoveryGate()
    for step in steps:
        was_open, epoch = gate.is_open, gate.epoch
        answer = step.apply(gate)
        if step.name == "complete":
            assert answer is (gate.is_open and (not was_open or gate.epoch > epoch))
        else:
            assert answer is (was_open and not gate.is_open)


@given(st.lists(STEPS, max_size=8), st.lists(STEPS, max_size=8))
def test_stale_messages_change_nothing(steps: list[Step], late: list[Step]) -> None:
    """
    After a newer epoch has begun, no message of an older one moves the gate.
    """
    gate = RecoveryGate()
    for step in steps:
        step.apply(gate)
    gate.begin(5)
    before = gate.reason()
    for step in late:
        if step.name != "close":
            assert step.apply(gate) is False
    assert not gate.is_open
    assert (gate.reason(), gate.epoch) == (before, 5)


@pytest.mark.parametrize("instrument_id", [BTC, InstrumentId.from_str(BTC)])
def test_instrument_is_named_by_a_string_or_an_identifier(instrument_id: object) -> None:
    """
    NautilusTrader's identifiers and plain strings find the same blocked instrument.
    """
    gate = RecoveryGate()
    gate.complete(1, frozenset({BTC}))
    assert not gate.is_open_for(instrument_id)
    assert gate.reason(instrument_id) == (
        f"RECOVERY_BLOCKED: {BTC} differs from the venue's report since recovery epoch 1"
    )
    assert gate.is_open_for(InstrumentId.from_str(ETH))
    assert gate.reason(InstrumentId.from_str(ETH)) is None
    gate.begin(2)
    gate.complete(2)
    assert gate.is_open_for(instrument_id)


def test_any_object_is_known_by_its_text() -> None:
    """
    An object of another make counts as the instrument that its `str()` names.
    """

    class Symbol:
        def __str__(self) -> str:
            return ETH

    gate = RecoveryGate()
    gate.complete(1, frozenset({ETH}))
    assert not gate.is_open_for(Symbol())
    assert gate.is_open_for(BTC)


def test_new_gate_is_closed_as_pending() -> None:
    """
    A gate that was told nothing is closed and says that no recovery has completed.
    """
    gate = RecoveryGate()
    assert gate.epoch == 0
    assert not gate.is_open
    assert not gate.is_open_for(BTC)
    assert gate.reason() == "RECOVERY_PENDING: no recovery has completed yet"
    assert gate.reason(BTC) == gate.reason()


def test_reasons_tell_what_closed_the_gate() -> None:
    """
    Each way of closing leaves its own reason, the prefix put before one that lacks it.
    """
    gate = RecoveryGate()
    gate.begin(3)
    assert gate.reason() == "RECOVERY_IN_PROGRESS: recovery epoch 3 has not completed"
    gate.fail(3, FailureReason.NOT_RECONCILED, "no mass status")
    assert gate.reason(BTC) == "RECOVERY_FAILED: NOT_RECONCILED: no mass status"
    gate.close("HALTED: by hand")
    assert gate.reason() == "RECOVERY_HALTED: by hand"
    gate.close("RECOVERY_NO_MONITOR: none")
    assert gate.reason() == "RECOVERY_NO_MONITOR: none"


def test_second_completion_of_an_epoch_does_not_unblock() -> None:
    """
    A completion delivered again with fewer blocked instruments leaves those of the first blocked.
    """
    gate = RecoveryGate()
    assert gate.complete(2, frozenset({BTC})) is True
    assert gate.complete(2) is False
    assert not gate.is_open_for(BTC)


def test_newer_completion_replaces_the_blocked_instruments() -> None:
    """
    An epoch whose beginning was missed brings its own blocked instruments.
    """
    gate = RecoveryGate()
    gate.complete(2, frozenset({BTC}))
    assert gate.complete(3, frozenset({ETH})) is True
    assert gate.is_open_for(BTC)
    assert not gate.is_open_for(ETH)


def test_backtest_opens_without_a_recovery() -> None:
    """
    Where there is nothing to recover every instrument may be traded, whatever was blocked before.
    """
    gate = RecoveryGate()
    gate.complete(1, frozenset({BTC}))
    gate.close("stopped")
    gate.open_without_recovery()
    assert gate.is_open
    assert gate.is_open_for(BTC)
    assert gate.reason(BTC) is None


def test_close_holds_until_a_newer_epoch_completes() -> None:
    """
    What the owner closed is not opened by the epoch it was closed in, and is by the next.
    """
    gate = RecoveryGate()
    gate.begin(1)
    assert gate.close("hook raised") is False
    assert gate.complete(1) is False
    assert not gate.is_open
    gate.begin(2)
    assert not gate.is_open
    assert gate.complete(2) is True
    assert gate.is_open


def test_failure_outweighs_the_completion_of_its_epoch() -> None:
    """
    A completion that comes late, of an epoch whose beginning was missed and that failed, opens
    nothing.
    """
    gate = RecoveryGate()
    gate.fail(3, FailureReason.TIMEOUT, "too late")
    assert gate.complete(3) is False
    assert gate.is_open is False
    assert gate.complete(4) is True


def test_gate_is_unrestricted_just_while_it_is_open_for_every_instrument() -> None:
    """
    The attribute that is read on the path of every order says so without a look at any instrument.
    """
    gate = RecoveryGate()
    assert gate.is_unrestricted is False
    assert gate.is_open is False
    gate.complete(1)
    assert gate.is_unrestricted is True
    gate.begin(2)
    assert gate.is_unrestricted is False
    gate.complete(2, frozenset({BTC}))
    assert gate.is_unrestricted is False
    gate.open_without_recovery()
    assert gate.is_unrestricted is True
    assert gate.blocked == frozenset()
    gate.close("by hand")
    assert gate.is_unrestricted is False


@pytest.mark.parametrize("is_limited_first", [True, False])
def test_a_gate_is_closed_once_the_permission_of_the_whole_node_has_run_out(
    is_limited_first: bool,
) -> None:
    """It is asked for every order, however the gate was opened, and says why."""
    is_over = False
    gate = RecoveryGate()
    if is_limited_first:
        gate.limit_by(lambda: is_over)
    gate.complete(1)
    if not is_limited_first:
        gate.limit_by(lambda: is_over)
    assert gate.is_unrestricted is False  # There is something to ask
    assert (gate.is_open, gate.is_open_for(BTC), gate.reason()) == (True, True, None)
    is_over = True
    assert (gate.is_open, gate.is_open_for(BTC), gate.blocked) == (False, False, frozenset())
    reason = gate.reason(BTC)
    assert reason is not None
    assert reason.startswith("RECOVERY_ANOTHER_NODE: ")


def test_a_hold_says_what_a_completed_recovery_waits_for() -> None:
    """The gate stays closed with that reason, and opens when the recovery is completed."""
    gate = RecoveryGate()
    gate.begin(3)
    assert gate.may_complete(3)
    assert gate.hold(3, "RECOVERY_WARMUP: bars")
    assert not gate.is_open
    assert gate.reason() == gate.reason("ETH") == "RECOVERY_WARMUP: bars"
    assert gate.complete(3)
    assert gate.is_open
    assert gate.reason() is None


def test_a_hold_changes_nothing_of_another_epoch_a_failure_or_an_open_gate() -> None:
    """Why a gate is closed is not hidden by a warm-up that is no longer wanted."""
    gate = RecoveryGate()
    gate.begin(3)
    assert not gate.hold(2, "RECOVERY_WARMUP: bars")
    assert not gate.hold(4, "RECOVERY_WARMUP: bars")
    assert str(gate.reason()).startswith("RECOVERY_IN_PROGRESS")
    gate.close("HOOK_RAISED")
    assert not gate.may_complete(3)
    assert not gate.hold(3, "RECOVERY_WARMUP: bars")
    assert gate.reason() == "RECOVERY_HOOK_RAISED"
    gate.complete(4)
    assert not gate.may_complete(4)
    assert not gate.hold(4, "RECOVERY_WARMUP: bars")
    assert gate.is_open
