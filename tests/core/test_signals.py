from typing import Any

import pytest
from blinker import NamedSignal
from blinker import Namespace

from nautilus_recovery_actor import signals


NAMES = [
    "discrepancy_found",
    "exit_passed",
    "fill_reconciled",
    "gate_closed",
    "gate_opened",
    "order_denied",
    "recovery_completed",
    "recovery_failed",
    "recovery_overridden",
    "recovery_started",
    "storage_changed",
]


def ignored(_: str, __: Exception) -> None:
    raise AssertionError("no receiver was to raise")


@pytest.mark.parametrize("name", NAMES)
def test_signal_is_named_like_its_attribute_and_documented(name: str) -> None:
    """
    Each signal has its own name, and says who sends it, with what and when.
    """
    signal = getattr(signals, name)
    assert isinstance(signal, NamedSignal)
    assert signal.name == name.replace("_", "-")
    assert (signal.__doc__ or "").startswith("Sent ")
    assert not signal.receivers


def test_no_signal_is_without_a_test() -> None:
    """
    The signals are those listed here.
    """
    found = [name for name, value in vars(signals).items() if isinstance(value, NamedSignal)]
    assert sorted(found) == NAMES


def test_receivers_get_the_sender_and_the_values() -> None:
    """
    Every receiver is called once with what the signal documents.
    """
    signal = Namespace().signal("x")
    got: list[tuple[str, object, dict[str, Any]]] = []

    def first(sender: object, **values: Any) -> None:
        got.append(("first", sender, values))

    def second(sender: object, **values: Any) -> None:
        got.append(("second", sender, values))

    signal.connect(first)
    signal.connect(second)
    sender = object()
    signals.send(signal, sender, ignored, event=7, reason="why")
    assert sorted(got, key=lambda call: call[0]) == [
        ("first", sender, {"event": 7, "reason": "why"}),
        ("second", sender, {"event": 7, "reason": "why"}),
    ]


def test_receiver_that_raises_is_told_of_and_keeps_the_news_from_nobody() -> None:
    """
    What a receiver raises is handed on with the signal's name, and the others are called.
    """
    signal = Namespace().signal("gate-opened")
    called: list[int] = []
    told: list[tuple[str, Exception]] = []
    error = ValueError("mine")

    def good_one(_: object, **__: Any) -> None:
        called.append(1)

    def raising(_: object, **__: Any) -> None:
        raise error

    def good_two(_: object, **__: Any) -> None:
        called.append(2)

    for receiver in (good_one, raising, good_two):
        signal.connect(receiver)
    signals.send(signal, "sender", lambda line, e: told.append((line, e)))
    assert sorted(called) == [1, 2]
    assert told == [("A receiver of the signal 'gate-opened' raised and was skipped", error)]


def test_signal_without_receivers_does_nothing() -> None:
    """
    With nobody connected nothing is called and nothing is told.
    """
    signals.send(Namespace().signal("x"), object(), ignored, event=1)


def test_receiver_of_another_sender_is_not_called() -> None:
    """
    A receiver that was connected for one sender hears of no other.
    """
    signal = Namespace().signal("x")
    mine, other = object(), object()
    got: list[object] = []

    def receiver(sender: object) -> None:
        got.append(sender)

    signal.connect(receiver, sender=mine)
    signals.send(signal, other, ignored)
    signals.send(signal, mine, ignored)
    assert got == [mine]


def test_receiver_may_disconnect_itself_while_it_is_called() -> None:
    """
    A receiver that listens once does not disturb the others.
    """
    signal = Namespace().signal("x")
    got: list[str] = []

    def once(_: object) -> None:
        got.append("once")
        signal.disconnect(once)

    def always(_: object) -> None:
        got.append("always")

    signal.connect(once)
    signal.connect(always)
    signals.send(signal, "sender", ignored)
    signals.send(signal, "sender", ignored)
    assert sorted(got) == ["always", "always", "once"]


def test_muted_signal_is_silent() -> None:
    """
    What blinker documents of a muted signal holds here too.
    """
    signal = Namespace().signal("x")
    got: list[object] = []

    def receiver(sender: object) -> None:
        got.append(sender)

    signal.connect(receiver)
    with signal.muted():
        signals.send(signal, "muted", ignored)
    signals.send(signal, "heard", ignored)
    assert got == ["heard"]
