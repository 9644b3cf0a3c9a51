from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import pytest

from nautilus_recovery_actor.host.waiting import Waiting


SEC = 1_000_000_000


class Order(NamedTuple):
    is_reduce_only: bool


class Store:
    """
    What a checkpoint is written to, and when that is done.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def add(self, key: str, value: bytes, on_stored: Callable[[], None]) -> None:
        self.calls.append(on_stored)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def waiting(store: Store) -> Waiting:
    waiting = Waiting()
    stored: Any = store
    waiting.writing(stored)("key", b"value")
    return waiting


class Asked:
    """
    Says what was done with the orders that were put.
    """

    def __init__(self, waiting: Waiting) -> None:
        self.done: list[str] = []
        self._waiting = waiting

    def put(self, name: str, *orders: Order) -> bool:
        def refuse(reason: str) -> None:
            self.done.append(f"{name} {reason.partition(':')[0]}")

        return self._waiting.put(0, list(orders), lambda: self.done.append(name), refuse)

    def at(self, now: int) -> list[str]:
        for answer in self._waiting.due(now):
            answer()
        return self.done


@pytest.fixture
def asked(waiting: Waiting) -> Asked:
    return Asked(waiting)


def test_nothing_waits_where_nothing_was_written() -> None:
    assert Waiting().is_over


def test_orders_are_due_in_their_order_once_it_is_stored(
    waiting: Waiting, store: Store, asked: Asked
) -> None:
    """
    And none before.
    """
    assert not waiting.is_over
    assert asked.put("entry", Order(False))
    assert not asked.put("exit", Order(True))
    assert asked.at(SEC - 1) == []
    store.calls[0]()
    assert asked.at(SEC - 1) == ["entry", "exit"]
    assert waiting.is_over


def test_only_what_reduces_is_sent_if_it_is_not_stored_in_time(
    waiting: Waiting, asked: Asked
) -> None:
    """
    What must not be sent twice is refused, unless a closer look shows that it only reduces.
    """
    asked.put("both", Order(False), Order(True))
    asked.put("exit", Order(True))
    assert asked.at(SEC) == ["both RECOVERY_CHECKPOINT_NOT_STORED", "exit"]
    assert not waiting.is_over  # The next one waits too


def test_what_is_canceled_waits_no_more(waiting: Waiting, asked: Asked) -> None:
    """
    With all that goes with it.
    """
    first, second, third = Order(False), Order(True), Order(False)
    asked.put("both", first, second)
    asked.put("entry", third)
    assert waiting.give_up(lambda order: order is second) == [first, second]
    assert asked.at(SEC) == ["entry RECOVERY_CHECKPOINT_NOT_STORED"]


def test_a_newer_checkpoint_is_waited_for_as_well(waiting: Waiting, store: Store) -> None:
    stored: Any = store
    waiting.writing(stored)("key", b"newer")
    store.calls[0]()
    assert not waiting.is_over
    store.calls[1]()
    assert waiting.is_over
