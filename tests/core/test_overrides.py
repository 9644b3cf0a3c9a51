import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.overrides import RefusedError
from nautilus_recovery_actor.core.overrides import active
from nautilus_recovery_actor.core.overrides import ended
from nautilus_recovery_actor.core.overrides import expired
from nautilus_recovery_actor.core.overrides import may_resume
from nautilus_recovery_actor.core.overrides import released
from nautilus_recovery_actor.core.overrides import withdrawn
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import RecoveryReport
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import SOL
from tests.core.builders import full_report


NOW = 10_000


def degraded(*overrides: Override) -> RecoveryReport:
    return msgspec.structs.replace(
        full_report(), blocked_instruments=(BTC, ETH), overrides=overrides
    )


def one(instrument_id: str = BTC, until: int = NOW + 100, ts_ended: int | None = None) -> Override:
    return Override(instrument_id, "checked", "me@host", NOW - 50, until, ts_ended)


def release(report: RecoveryReport, instrument_id: str = BTC, now: int = NOW) -> RecoveryReport:
    return released(report, instrument_id, "looked at the venue", "desk@host", now, 100)


# -- RELEASED --


def test_blocked_instrument_is_released_for_its_time() -> None:
    """
    The report tells what, why, by whom, from when and until when, and still blocks it.
    """
    report = release(degraded())
    assert report.overrides == (
        Override(BTC, "looked at the venue", "desk@host", NOW, NOW + 100, None),
    )
    assert report.blocked_instruments == (BTC, ETH)
    assert report == msgspec.structs.replace(degraded(), overrides=report.overrides)
    assert active(report, NOW) == {BTC: NOW + 100}


def test_second_release_takes_the_place_of_the_first() -> None:
    """
    The first one ended when the second began, and stays in the report.
    """
    report = release(release(degraded()), now=NOW + 40)
    assert [(o.ts_started, o.ts_until, o.ts_ended) for o in report.overrides] == [
        (NOW, NOW + 100, NOW + 40),
        (NOW + 40, NOW + 140, None),
    ]
    assert active(report, NOW + 120) == {BTC: NOW + 140}


def test_release_after_the_first_one_was_over_ended_it_at_its_own_time() -> None:
    """
    A release whose end nobody noted ended when it had to.
    """
    report = release(degraded(one(until=NOW - 10)))
    assert [o.ts_ended for o in report.overrides] == [NOW - 10, None]


def test_release_of_another_instrument_leaves_the_first_as_it_is() -> None:
    """
    Several instruments may be released at a time.
    """
    report = release(degraded(one()), ETH)
    assert report.overrides[0] == one()
    assert active(report, NOW) == {BTC: NOW + 100, ETH: NOW + 100}


def test_release_that_has_ended_is_not_ended_again() -> None:
    """
    What is over keeps the time of its end.
    """
    report = release(degraded(one(ts_ended=NOW - 30)))
    assert report.overrides[0] == one(ts_ended=NOW - 30)


@pytest.mark.parametrize("failure", [None, FailureReason.TIMEOUT])
def test_epoch_that_did_not_complete_releases_nothing(failure: FailureReason | None) -> None:
    """
    While it is open, and after a failure, there is nothing that could be released.
    """
    report = msgspec.structs.replace(degraded(), outcome=None, failure=failure)
    with pytest.raises(RefusedError) as raised:
        release(report)
    assert str(raised.value) == (
        "Recovery epoch 7 has not completed: an instrument can be released only then"
    )


@pytest.mark.parametrize(("blocked", "told"), [((BTC, ETH), f"{BTC}, {ETH}"), ((), "none")])
def test_instrument_that_is_not_blocked_is_refused_with_those_that_are(
    blocked: tuple[str, ...], told: str
) -> None:
    """
    A misspelt instrument is answered with what could be released.
    """
    report = msgspec.structs.replace(degraded(), blocked_instruments=blocked)
    with pytest.raises(RefusedError) as raised:
        release(report, SOL)
    assert str(raised.value) == f"{SOL} is not blocked, now blocked: {told}"


# -- WITHDRAWN --


def test_withdrawn_release_ended_now() -> None:
    """
    The instrument is blocked again, and the report tells since when; no other is touched.
    """
    report = withdrawn(degraded(one(), one(ETH)), BTC, NOW + 5)
    assert report.overrides == (one(ts_ended=NOW + 5), one(ETH))
    assert active(report, NOW + 5) == {ETH: NOW + 100}


@pytest.mark.parametrize(
    "overrides",
    [(), (one(ETH),), (one(ts_ended=NOW - 1),), (one(until=NOW),)],
    ids=["none", "another", "ended", "its time is over"],
)
def test_what_is_not_released_cannot_be_withdrawn(overrides: tuple[Override, ...]) -> None:
    """
    An operator who is late, or means another instrument, is told.
    """
    with pytest.raises(RefusedError) as raised:
        withdrawn(degraded(*overrides), BTC, NOW)
    assert str(raised.value) == f"{BTC} is not released: there is nothing to withdraw"


# -- EXPIRED AND ENDED --


def test_release_whose_time_is_over_has_ended_then() -> None:
    """
    It ended at its own time, however late that is noted, and not one nanosecond before.
    """
    report = degraded(one(until=NOW), one(ETH, until=NOW + 1))
    assert expired(report, NOW - 1) == report
    assert expired(report, NOW).overrides == (one(until=NOW, ts_ended=NOW), one(ETH, until=NOW + 1))
    assert [o.ts_ended for o in expired(report, NOW + 99).overrides] == [NOW, NOW + 1]


def test_release_that_was_withdrawn_does_not_expire() -> None:
    """
    What ended before its time keeps that end.
    """
    report = degraded(one(until=NOW, ts_ended=NOW - 5))
    assert expired(report, NOW + 1) == report


def test_next_epoch_ends_all_that_stands() -> None:
    """
    Now, or at its own time if that is over; what has ended stays as it is.
    """
    report = ended(degraded(one(), one(ETH, until=NOW - 7), one(SOL, ts_ended=NOW - 30)), NOW)
    assert [o.ts_ended for o in report.overrides] == [NOW, NOW - 7, NOW - 30]
    assert active(report, 0) == {}
    assert ended(report, NOW + 1) == report


# -- ACTIVE --


def test_release_stands_until_the_nanosecond_before_its_end() -> None:
    """
    At its end it is over.
    """
    report = degraded(one(until=NOW))
    assert active(report, NOW - 1) == {BTC: NOW}
    assert active(report, NOW) == {}


def test_release_that_ended_does_not_stand() -> None:
    """
    Also if its time would have lasted.
    """
    assert active(degraded(one(ts_ended=NOW - 1)), NOW) == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["release", "withdraw", "expire", "end"]),
            st.sampled_from([BTC, ETH]),
            st.integers(0, 60),
        ),
        max_size=15,
    )
)
def test_each_instrument_has_at_most_one_release_that_stands(
    steps: list[tuple[str, str, int]],
) -> None:
    """
    Whatever operators do, the overrides are a log to which entries are added, and none reopens.
    """
    report, now = degraded(), NOW
    for name, instrument_id, later in steps:
        now += later
        before = report
        try:
            match name:
                case "release":
                    report = release(report, instrument_id, now)
                case "withdraw":
                    report = withdrawn(report, instrument_id, now)
                case "expire":
                    report = expired(report, now)
                case _:
                    report = ended(report, now)
        except RefusedError:
            assert name == "withdraw"
            assert instrument_id not in active(report, now)
        for old, new in zip(before.overrides, report.overrides, strict=False):
            if old.ts_ended is None:
                assert msgspec.structs.replace(new, ts_ended=None) == old
            else:
                assert new == old
        assert len(report.overrides) == len(before.overrides) + (name == "release")
        standing = [o.instrument_id for o in report.overrides if o.ts_ended is None]
        assert len(standing) == len(set(standing))
        assert set(active(report, now)) <= set(standing)
        for override in report.overrides:
            assert override.ts_ended is None or override.ts_ended <= override.ts_until
    assert RecoveryReport.from_bytes(report.to_bytes()) == report


# -- RESUMED --


def test_failed_epoch_of_a_trader_that_runs_may_be_resumed() -> None:
    """
    An operator's word opens the next epoch.
    """
    may_resume(RecoveryPhase.FAILED, 7, is_trader_started=True)


@pytest.mark.parametrize("phase", [p for p in RecoveryPhase if p is not RecoveryPhase.FAILED])
def test_epoch_that_did_not_fail_is_not_resumed(phase: RecoveryPhase) -> None:
    """
    An open epoch ends by itself, and a completed one needs nothing.
    """
    with pytest.raises(RefusedError) as raised:
        may_resume(phase, 7, is_trader_started=True)
    assert str(raised.value) == "Recovery epoch 7 has not failed: there is nothing to resume"


def test_node_whose_trader_never_started_is_not_resumed() -> None:
    """
    Without strategies that run there is nothing to allow trading to.
    """
    with pytest.raises(RefusedError) as raised:
        may_resume(RecoveryPhase.FAILED, 7, is_trader_started=False)
    assert str(raised.value) == (
        "The trader is not running: fix the error in the log, then restart the node"
    )


def test_refusal_is_an_error_of_the_value_that_was_given() -> None:
    """
    Who calls these functions may catch what Python names so.
    """
    assert issubclass(RefusedError, ValueError)
