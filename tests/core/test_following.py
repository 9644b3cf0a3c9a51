"""
What a consumer does with each message, without a node.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.following import Action
from nautilus_recovery_actor.core.following import Following
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.gate import apply_message
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import RecoveryReport
from tests.core.builders import BTC
from tests.core.builders import ETH


NOW = 1_000
CLOSED = [Action.WARN_CLOSED, Action.SIGNAL_CLOSED]
OPENED = [Action.ANNOUNCE_OPENED, Action.CALL_ENABLED]
RELEASED = [Action.ANNOUNCE_RELEASED, Action.CALL_ENABLED]
RELEASED_AND_OPENED = [Action.ANNOUNCE_OPENED, *RELEASED]


class Sent(msgspec.Struct, frozen=True):
    """A message in plain values."""

    kind: MessageKind
    epoch: int
    report: RecoveryReport


def sent(kind: MessageKind, epoch: int = 1, **fields: object) -> Sent:
    plain = RecoveryReport("T-001", "R", epoch, "startup")
    return Sent(kind, epoch, msgspec.structs.replace(plain, **fields))


def started(epoch: int = 1, **fields: object) -> Sent:
    return sent(MessageKind.STARTED, epoch, **fields)


def complete(epoch: int = 1, *blocked: str, **fields: object) -> Sent:
    outcome = RecoveryOutcome.DEGRADED if blocked else RecoveryOutcome.CLEAN
    return sent(MessageKind.COMPLETE, epoch, outcome=outcome, blocked_instruments=blocked, **fields)


def failed(epoch: int = 1, **fields: object) -> Sent:
    failure = FailureReason.TIMEOUT
    return sent(MessageKind.FAILED, epoch, failure=failure, message="too late", **fields)


def overridden(epoch: int, *released: str, until: int = 2 * NOW) -> Sent:
    overrides = tuple(Override(name, "checked", "ann", 0, until) for name in released)
    return sent(MessageKind.OVERRIDDEN, epoch, overrides=overrides)


def new() -> Following[Sent]:
    return Following(lambda: NOW)


def hear(following: Following[Sent], message: Sent, *, is_running: bool = True) -> list[Action]:
    return [*following.close(message), *following.take(message, is_running=is_running)]


def enabled(epoch: int = 1, *blocked: str, **fields: object) -> Following[Sent]:
    """Return one that has completed an epoch."""
    following = warming(epoch, *blocked, **fields)
    assert following.warmed_up(is_running=True) == OPENED
    return following


def warming(epoch: int = 1, *blocked: str, **fields: object) -> Following[Sent]:
    """Return one whose warm-up is under way."""
    following, message = new(), complete(epoch, *blocked, **fields)
    assert hear(following, message) == [Action.CALL_RECOVERED]
    assert following.informed(message, is_running=True) == [Action.BEGIN_WARM_UP]
    return following


# -- ONE EPOCH --


def test_a_recovery_that_completes_opens_the_gate_after_the_hooks_and_the_warm_up() -> None:
    """
    Until then every step leaves it closed.
    """
    following, message = new(), complete()
    assert hear(following, started()) == []
    assert hear(following, message) == [Action.CALL_RECOVERED]
    assert not following.gate.is_open
    assert following.informed(message, is_running=True) == [Action.BEGIN_WARM_UP]
    following.wait("RECOVERY_WARMUP: 200 bars")
    assert following.gate.reason() == "RECOVERY_WARMUP: 200 bars"
    assert following.warmed_up(is_running=True) == OPENED
    assert following.gate.is_unrestricted


def test_the_hooks_of_an_epoch_are_called_once() -> None:
    """
    Messages may come twice, and a completion after its warm-up changes nothing either.
    """
    following, message = new(), complete()
    assert hear(following, message) == [Action.CALL_RECOVERED]
    assert hear(following, message) == []
    following.informed(message, is_running=True)
    following.warmed_up(is_running=True)
    assert hear(following, message) == []
    assert hear(following, complete(2)) == [*CLOSED, Action.CALL_RECOVERED]

    failing = new()
    assert hear(failing, failed()) == [Action.CALL_FAILED]
    assert hear(failing, failed()) == []


def test_what_begins_closes_the_gate_and_says_so_once() -> None:
    """
    It was open: who listens learns it at once, and not again with the failure that follows.
    """
    following = enabled()
    assert hear(following, started(2)) == CLOSED
    assert hear(following, failed(2)) == [Action.CALL_FAILED]
    assert following.gate.reason() == "RECOVERY_FAILED: TIMEOUT: too late"


def test_a_result_whose_beginning_was_missed_closes_first() -> None:
    """
    What the older epoch allowed is over before the hooks of the newer one are called.
    """
    following = enabled()
    assert following.close(complete(2)) == CLOSED
    assert not following.gate.is_open


def test_what_an_older_epoch_said_changes_nothing() -> None:
    """
    Neither gate, nor hooks, nor shadow mode.
    """
    following = enabled(5)
    for late in (started(4), complete(4, shadow=True), failed(4), overridden(4, ETH)):
        assert hear(following, late) == []
    assert following.gate.is_unrestricted
    assert not following.is_shadow


def test_a_failure_at_the_epoch_that_opened_closes_it() -> None:
    """
    Within one epoch a failure outweighs a completion.
    """
    following = enabled()
    assert hear(following, failed()) == [*CLOSED, Action.CALL_FAILED]


# -- PUT OFF --


def test_what_comes_while_the_strategy_does_not_run_is_put_off() -> None:
    """
    The gate closes at once, the hooks wait, and only for the newest.
    """
    following, newest = enabled(), complete(2)
    assert hear(following, started(2), is_running=False) == CLOSED
    assert hear(following, newest, is_running=False) == []
    assert following.catch_up() == [newest]
    assert following.catch_up() == []
    assert hear(following, newest) == [Action.CALL_RECOVERED]


def test_the_newest_override_is_put_off_with_its_result() -> None:
    """
    It is taken after it, and those before it are not; the strategy is enabled once.
    """
    following, message = new(), complete(1, ETH, BTC)
    hear(following, message, is_running=False)
    hear(following, overridden(1, ETH), is_running=False)
    hear(following, overridden(1, BTC), is_running=False)
    assert following.catch_up() == [message]
    hear(following, message)
    following.informed(message, is_running=True)
    assert following.warmed_up(is_running=True) == RELEASED_AND_OPENED
    assert following.gate.blocked == {ETH}


@pytest.mark.parametrize("stops_in", ["hook", "warm-up"])
def test_a_strategy_that_stopped_meanwhile_is_informed_again(stops_in: str) -> None:
    """
    In a hook, or while its data were on their way: its gate stays closed until it is resumed.
    """
    following, message = new(), complete()
    hear(following, message)
    if stops_in == "hook":
        assert following.informed(message, is_running=False) == []
    else:
        following.informed(message, is_running=True)
        assert following.warmed_up(is_running=False) == []
    assert not following.gate.is_open
    (again,) = following.catch_up()
    assert hear(following, again) == [Action.CALL_RECOVERED]


def test_a_release_during_a_warm_up_that_is_put_off_is_not_lost() -> None:
    """
    The strategy stops before its data have come, and is resumed later.
    """
    following = warming(1, ETH)
    released = overridden(1, ETH)
    hear(following, released, is_running=False)
    assert following.warmed_up(is_running=False) == []
    (message,) = following.catch_up()
    hear(following, message)
    following.informed(message, is_running=True)
    assert following.warmed_up(is_running=True) == RELEASED_AND_OPENED
    assert following.gate.is_open_for(ETH)


# -- HOLD, RAISE, WARM-UP --


def test_a_reason_to_hold_keeps_the_gate_closed() -> None:
    """
    Until the next epoch, which asks again.
    """
    following, message = new(), complete()
    hear(following, message)
    held = following.informed(message, is_running=True, hold="RECOVERY_BAD_CHECKPOINT: torn")
    assert held == [Action.LOG_HELD]
    assert following.gate.reason() == "RECOVERY_BAD_CHECKPOINT: torn"
    assert following.warmed_up(is_running=True) == []
    assert not following.gate.is_open


def test_what_raises_closes_the_gate_and_ends_the_warm_up() -> None:
    """
    The reason names the hook, and nothing that is answered later opens the gate.
    """
    following = warming()
    assert following.raised("S.on_bar", KeyError("x")) == [Action.CANCEL_WARM_UP]
    assert following.gate.reason() == "RECOVERY_HOOK_RAISED: S.on_bar: KeyError('x')"
    assert following.warmed_up(is_running=True) == []
    assert enabled().raised("S.on_bar", KeyError("x")) == [Action.SIGNAL_CLOSED]


def test_a_newer_epoch_ends_the_warm_up() -> None:
    """
    What it waited for belongs to an epoch that is over; the same epoch again changes nothing.
    """
    following = warming()
    assert hear(following, complete()) == []
    assert hear(following, started(2)) == [Action.CANCEL_WARM_UP]
    assert hear(following, started(3)) == []
    following.wait("RECOVERY_WARMUP: late")
    assert following.gate.reason() == ("RECOVERY_IN_PROGRESS: recovery epoch 3 has not completed")
    assert following.warmed_up(is_running=True) == []


def test_a_failure_of_its_own_epoch_ends_the_warm_up() -> None:
    """
    The gate was not open yet, so that it closed is no news.
    """
    assert hear(warming(), failed()) == [Action.CANCEL_WARM_UP, Action.CALL_FAILED]


def test_data_that_have_not_come_hold_back_nobody_in_shadow_mode() -> None:
    """
    It is enabled once, whether the data come in the end or not.
    """
    assert warming().missed(is_running=True) == []
    following = warming(shadow=True)
    assert following.missed(is_running=False) == []
    assert following.missed(is_running=True) == [Action.CALL_ENABLED]
    assert following.missed(is_running=True) == []
    assert following.warmed_up(is_running=True) == [Action.ANNOUNCE_OPENED]


def test_a_failure_in_shadow_mode_enables_too() -> None:
    """
    A strategy that waits for it must not be held back.
    """
    following = new()
    message = failed(shadow=True)
    assert hear(following, message) == [Action.CALL_FAILED]
    assert following.is_shadow
    assert following.failed(message, is_running=True) == [Action.CALL_ENABLED]
    assert following.failed(message, is_running=True) == []
    hear(following, started(2))
    assert not following.is_shadow


def test_a_failure_enables_nobody_but_in_shadow_mode() -> None:
    """
    Not in whatever state the strategy is.
    """
    for is_running in (True, False):
        following, message = new(), failed()
        hear(following, message)
        assert following.failed(message, is_running=is_running) == []
        assert following.catch_up() == []


def test_who_stops_itself_in_a_failure_in_shadow_mode_is_enabled_when_it_is_resumed() -> None:
    """
    It hears the failure again, as it would a completion.
    """
    following, message = new(), failed(shadow=True)
    hear(following, message)
    assert following.failed(message, is_running=False) == []
    assert following.catch_up() == [message]
    assert hear(following, message) == [Action.CALL_FAILED]
    assert following.failed(message, is_running=True) == [Action.CALL_ENABLED]


# -- OVERRIDES --


def test_a_release_under_an_open_gate_is_announced_if_it_changes_anything() -> None:
    """
    The same one again does not, nor one that has ended.
    """
    following = enabled(1, ETH, BTC)
    assert hear(following, overridden(1, ETH)) == RELEASED
    assert following.gate.blocked == {BTC}
    assert hear(following, overridden(1, ETH)) == []
    assert hear(following, overridden(1, ETH, until=NOW)) == [Action.ANNOUNCE_RELEASED]
    assert following.gate.blocked == {ETH, BTC}
    assert hear(following, overridden(1, ETH)) == RELEASED


def test_a_release_that_lasts_longer_or_is_withdrawn_enables_nothing() -> None:
    """
    Only what may be traded again is news to the strategy.
    """
    following = enabled(1, ETH, BTC)
    hear(following, overridden(1, ETH))
    assert hear(following, overridden(1, ETH, until=3 * NOW)) == [Action.ANNOUNCE_RELEASED]
    assert hear(following, overridden(1, ETH, BTC)) == RELEASED
    assert hear(following, overridden(1, BTC)) == [Action.ANNOUNCE_RELEASED]
    assert following.gate.blocked == {ETH}


def test_who_was_stopped_during_a_release_is_enabled_once_when_it_is_resumed() -> None:
    """
    The gate lets the instrument pass at once; several releases are one.
    """
    following = enabled(1, ETH, BTC)
    announced = [Action.ANNOUNCE_RELEASED]
    assert hear(following, overridden(1, ETH), is_running=False) == announced
    assert following.gate.is_open_for(ETH)
    assert hear(following, newest := overridden(1, ETH, BTC), is_running=False) == announced
    assert following.catch_up() == [newest]
    assert hear(following, newest) == [Action.CALL_ENABLED]
    assert following.catch_up() == []
    assert hear(following, newest) == []


@pytest.mark.parametrize("ends_with", ["withdrawal", "epoch"])
def test_a_release_that_is_over_enables_nobody_who_is_resumed(ends_with: str) -> None:
    """
    It was withdrawn, or the next epoch opened: that one enables.
    """
    following = enabled(1, ETH)
    hear(following, overridden(1, ETH), is_running=False)
    if ends_with == "withdrawal":
        hear(following, overridden(1), is_running=False)
        assert following.catch_up() == []
        return
    hear(following, message := complete(2, ETH), is_running=False)
    assert following.catch_up() == [message]
    hear(following, message)
    following.informed(message, is_running=True)
    assert following.warmed_up(is_running=True) == OPENED
    assert hear(following, overridden(2)) == []


def test_a_release_enables_nobody_whose_gate_is_closed() -> None:
    """
    A hook raised: the next recovery opens it.
    """
    following = enabled(1, ETH)
    hear(following, overridden(1, ETH), is_running=False)
    following.raised("S.on_bar", KeyError("x"))
    assert hear(following, overridden(1, ETH, until=3 * NOW)) == []
    assert following.catch_up() == []


def test_a_release_during_the_warm_up_waits_for_the_gate() -> None:
    """
    The newest counts, and nothing is announced before the gate opens.
    """
    following = warming(1, ETH, BTC)
    assert hear(following, overridden(1, ETH)) == []
    assert hear(following, overridden(1, BTC)) == []
    assert not following.gate.is_open
    assert following.warmed_up(is_running=True) == RELEASED_AND_OPENED
    assert following.gate.blocked == {ETH}


def test_a_release_of_a_warm_up_before_is_forgotten_with_it() -> None:
    """
    The next epoch blocks what it finds.
    """
    following = warming(1, ETH)
    hear(following, overridden(1, ETH))
    hear(following, message := complete(2, ETH))
    following.informed(message, is_running=True)
    assert following.warmed_up(is_running=True) == OPENED
    assert following.gate.blocked == {ETH}


# -- MESSAGE TO GATE --


EPOCHS = st.integers(1, 4)
INSTRUMENTS = st.sampled_from([ETH, BTC])
MESSAGES = st.one_of(
    st.builds(started, EPOCHS),
    st.builds(failed, EPOCHS),
    st.builds(complete, EPOCHS, INSTRUMENTS),
    st.builds(overridden, EPOCHS, INSTRUMENTS),
)


@given(st.lists(MESSAGES, max_size=12))
def test_a_consumer_without_hooks_and_warm_up_has_the_gate_that_the_messages_make(
    messages: list[Sent],
) -> None:
    """
    A strategy and the halt of the whole engine agree on what may be traded.
    """
    plain, following = RecoveryGate(lambda: NOW), new()
    for message in messages:
        apply_message(plain, message, lambda: NOW)
        for action in hear(following, message):
            if action is Action.CALL_RECOVERED:
                following.informed(message, is_running=True)
                following.warmed_up(is_running=True)
        assert following.gate.epoch == plain.epoch
        assert following.gate.is_open is plain.is_open
        assert following.gate.blocked == plain.blocked
        assert following.gate.reason() == plain.reason()


@given(st.lists(MESSAGES, max_size=12), st.data())
def test_no_message_opens_the_gate_before_the_hooks_and_the_warm_up(
    messages: list[Sent], data: st.DataObject
) -> None:
    """
    Whatever comes in between, in whatever state the strategy is.
    """
    following = new()
    for message in messages:
        was_open = following.gate.is_open
        actions = hear(following, message, is_running=data.draw(st.booleans()))
        assert was_open or not following.gate.is_open
        if Action.CALL_RECOVERED in actions and data.draw(st.booleans()):
            following.informed(message, is_running=data.draw(st.booleans()))
            if data.draw(st.booleans()):
                following.warmed_up(is_running=True)
