"""
Who hears an operator's command, and until when it counts.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core import delivery
from nautilus_recovery_actor.core.delivery import NobodyHearsError
from nautilus_recovery_actor.core.delivery import Seen
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.core.names import UNLEASED


NOW = 1_700_000_000_123_456_789
SECOND = 1_000_000_000
PROCESS = Process("desk", 7)
OTHER = Process("attic", 8)
SERVER = (
    ". If it does run, is this the server of its cache, or the one in `database` of its "
    "RecoveryMonitorConfig?"
)


def holder(token: str = "t-1", process: Process = PROCESS, operator: str = "") -> Holder:
    return Holder(token, 3, process, operator, NOW - SECOND, NOW, NOW + SECOND)


def beat(age: int, *, is_stopped: bool = False) -> Heartbeat:
    return Heartbeat(NOW - age, 4, RecoveryPhase.COMPLETE, is_stopped=is_stopped)


def refused(seen: Seen) -> str:
    with pytest.raises(NobodyHearsError) as refusal:
        delivery.addressee("LIVE-\x1b001", seen)
    assert str(refusal.value).isprintable()
    return str(refusal.value)


def test_a_command_goes_to_who_holds_the_lease_and_else_to_who_listens_without_one() -> None:
    """
    A node that runs beside the one with the lease, in shadow, is not meant.
    """
    assert delivery.addressee("LIVE-001", Seen(now=NOW, holder=holder())) == "t-1"
    both = Seen(now=NOW, holder=holder(), listener=OTHER)
    assert delivery.addressee("LIVE-001", both) == "t-1"
    assert delivery.addressee("LIVE-001", Seen(now=NOW, listener=OTHER)) == UNLEASED


@pytest.mark.parametrize(
    ("heartbeat", "last"),
    [
        (None, "no heartbeat of it is on record"),
        (beat(90 * SECOND), "its last heartbeat was 1 min 30 s ago"),
        (
            beat(90 * SECOND, is_stopped=True),
            "its last heartbeat was 1 min 30 s ago, of a clean stop",
        ),
        (beat(0), "its last heartbeat was less than 1 s ago"),
        (beat(-90 * SECOND), "its last heartbeat was 1 min 30 s ahead of the server's clock"),
    ],
)
def test_who_does_not_run_is_told_with_the_last_heartbeat(
    heartbeat: Heartbeat | None, last: str
) -> None:
    """
    And where to look for one that does.
    """
    seen = Seen(now=NOW, heartbeat=heartbeat)
    assert refused(seen) == f"No node of LIVE- 001 runs: {last}{SERVER}"


@pytest.mark.parametrize("who", ["holder", "listener"])
def test_a_process_that_has_ended_hears_nothing(who: str) -> None:
    """
    Its lease is still there, and is known to be of no use.
    """
    given: dict[str, Any] = {who: holder() if who == "holder" else PROCESS}
    seen = Seen(now=NOW, is_dead=True, heartbeat=beat(3 * SECOND), **given)
    told = refused(seen)
    assert told == (
        "No node of LIVE- 001 runs: process 7 on desk has ended, its last heartbeat was 3 s ago"
    )


def test_a_lease_that_an_operator_took_has_no_node() -> None:
    """
    The line names him.
    """
    assert refused(Seen(now=NOW, holder=holder("", operator="ann@desk"), listener=OTHER)) == (
        "No node of LIVE- 001 hears commands: operator ann@desk (who took it from process 7 on "
        "desk) has taken its lease, for the next node that starts"
    )


def test_it_is_told_when_another_node_runs_by_now() -> None:
    """
    Nobody waits for an answer of the one before.
    """
    seen = Seen(now=NOW, holder=holder())
    delivery.still("LIVE-001", "t-1", seen)
    with pytest.raises(NobodyHearsError, match=r"^Another node of LIVE- 001 runs by now$"):
        delivery.still("LIVE-\n001", "t-0", seen)
    with pytest.raises(NobodyHearsError, match=r"^No node of LIVE-001 runs"):
        delivery.still("LIVE-001", "t-1", Seen(now=NOW))


@pytest.mark.parametrize(
    ("seen", "where"),
    [
        (Seen(now=NOW, holder=holder(), listener=OTHER), " (process 7 on desk)"),
        (Seen(now=NOW, listener=OTHER), " (process 8 on attic)"),
        (Seen(now=NOW), ""),
    ],
)
def test_what_was_not_answered_is_told_with_what_is_known_of_it(seen: Seen, where: str) -> None:
    """
    A command that was taken back in time was not carried out.
    """
    taken = delivery.unanswered("LIVE-\n001", 2.5, seen, "", is_taken=True)
    assert taken == (
        f"LIVE- 001{where} has taken the command, and has not answered within 2.5 s: its log says "
        "what it did"
    )
    left = delivery.unanswered("LIVE-\n001", 2.5, seen, "", is_taken=False)
    assert left == (
        f"No answer from LIVE- 001{where} within 2.5 s: it starts, its event loop is blocked, or "
        "its process is paused. Nothing was done, and the command is taken back"
    )
    gone = delivery.unanswered("LIVE-001", 2.5, seen, "It has ended", is_taken=True)
    assert gone == "It has ended. The command had been taken: the node's log says what it did"
    gone = delivery.unanswered("LIVE-001", 2.5, seen, "It has ended", is_taken=False)
    assert gone == "It has ended. Nothing was done, and the command is taken back"


def test_a_command_counts_by_the_clock_of_the_server() -> None:
    """
    For as long as its sender waits, wherever that is.
    """
    data = b'{"action":"resume"}'
    sent = delivery.entry(data, NOW, 2.5)
    assert delivery.received(sent, NOW) == (data, 2_500_000_000)
    assert delivery.received(sent, NOW + SECOND) == (data, 1_500_000_000)
    assert delivery.received(sent, NOW + 3 * SECOND) == (data, -500_000_000)


def test_a_command_does_not_count_for_ever_whatever_it_says() -> None:
    """
    Nobody waits longer than an hour, and a server whose clock was set back lives on.
    """
    data = b"{}"
    sent = delivery.entry(data, NOW, 1e9)
    assert delivery.received(sent, NOW) == (data, 3_600 * SECOND)
    assert delivery.MAX_VALID_SECS == 3_600
    endless = b'{"until":99999999999999999999999999999999,"command":{}}'
    assert delivery.received(endless, NOW) == (data, 3_600 * SECOND)


@given(
    st.binary(max_size=20)
    | st.sampled_from(
        [
            b"[" * 100_000,
            b'{"until":1}',
            b'{"command":{}}',
            b'{"until":"1","command":{}}',
            b'{"until":1,"command":}',
            b'{"until":1.5,"command":{}}',
            b'{"until":1,"command":' + b"[" * 100_000,
        ]
    )
)
def test_no_bytes_are_a_command_or_raise_anything_but_a_value_error(data: bytes) -> None:
    """
    Whatever lies in the list is passed over.
    """
    with pytest.raises(ValueError):  # noqa: PT011
        delivery.received(data, NOW)


def test_an_answer_is_read_by_other_versions() -> None:
    """
    It is JSON with these fields, and unknown ones are passed over.
    """
    answer = delivery.CommandAnswer("c-1", True, "Released BTCUSDT.PAPER for 5 min", 7)
    values = msgspec.to_builtins(answer)
    assert list(values) == ["command_id", "is_accepted", "text", "ts"]
    newer = msgspec.json.encode(values | {"added_later": 1})
    assert msgspec.json.decode(newer, type=delivery.CommandAnswer) == answer


def test_the_limits_are_those_that_both_sides_have() -> None:
    """
    A node of another version reads what is no longer than that, and keeps answers as long.
    """
    assert (delivery.MAX_BYTES, delivery.KEPT_SECS) == (8_192, 60.0)
