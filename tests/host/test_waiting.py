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


def nothing() -> None:
    pass


def test_nothing_waits_where_nothing_was_written() -> None:
    assert Waiting().is_over


def test_orders_are_due_in_their_order_once_it_is_stored(waiting: Waiting, store: Store) -> None:
    """
    And none before.
    """
    entry, exit_ = [Order(False)], [Order(True)]
    assert not waiting.is_over
    assert waiting.put(0, entry, nothing)
    assert not waiting.put(0, exit_, nothing)
    assert list(waiting.due(SEC - 1)) == []
    store.calls[0]()
    assert list(waiting.due(SEC - 1)) == [(entry, nothing), (exit_, nothing)]
    assert waiting.is_over


def test_only_what_reduces_is_sent_if_it_is_not_stored_in_time(waiting: Waiting) -> None:
    """
    What must not be sent twice is not sent.
    """
    waiting.put(0, [Order(False), Order(True)], nothing)
    waiting.put(0, [Order(True)], nothing)
    assert list(waiting.due(SEC)) == [([Order(False), Order(True)], None), ([Order(True)], nothing)]
    assert not waiting.is_over  # The next one waits too


def test_a_newer_checkpoint_is_waited_for_as_well(waiting: Waiting, store: Store) -> None:
    stored: Any = store
    waiting.writing(stored)("key", b"newer")
    store.calls[0]()
    assert not waiting.is_over
    store.calls[1]()
    assert waiting.is_over
