"""
What is much is compared off the loop's critical path, and nothing is lost meanwhile.
"""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.node.monitor import decisions
from nautilus_recovery_actor.node.observing import orders
from nautilus_recovery_actor.node.observing import reading
from nautilus_recovery_actor.testkit import PaperVenue
from tests.node.support import Recorder
from tests.node.support import watched


@pytest.fixture(autouse=True)
def all_is_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever there is counts as much."""
    monkeypatch.setattr(decisions, "JUDGED_AT_ONCE", -1)


def held_up(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[threading.Event]]:
    """Have each judgment wait until it is let go, and return how, and what says that one waits."""
    go, waiting = threading.Event(), []
    judge = verdict.judge

    def wait(*args: Any) -> verdict.Judgment:
        assert threading.current_thread() is not threading.main_thread()
        waiting.append(go)
        assert go.wait(10)
        return judge(*args)

    monkeypatch.setattr(verdict, "judge", wait)
    return go, waiting


def test_no_slice_reads_more_than_it_may(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is to be read, the loop has its turn after so many orders."""
    venue.open_account()
    venue.set_price("ETHUSDT-PERP", 1900)
    for _ in range(23):
        venue.place("ETHUSDT-PERP", "BUY", 1, "LIMIT", 1000)
    monkeypatch.setattr(reading, "SLICE", 5)
    read, counts = [0], []
    make, in_turns = orders.cached_order, reading.in_turns

    def counted(*args: Any) -> Any:
        read[0] += 1
        return make(*args)

    def counting(steps: Iterator[None]) -> Iterator[None]:
        read[0] = 0
        for _ in steps:
            counts.append(read[0])
            read[0] = 0
            yield
        counts.append(read[0])

    monkeypatch.setattr("nautilus_recovery_actor.node.observing.reading.cached_order", counted)
    monkeypatch.setattr(
        "nautilus_recovery_actor.node.monitor.judging.in_turns",
        lambda steps: in_turns(counting(steps)),
    )

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            assert (await node.result()).outcome is not None

    asyncio.run(scenario())
    assert sum(counts) == 23
    assert max(counts) == 5


def test_what_changes_while_it_is_judged_is_judged_again(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flagged event that comes meanwhile is in the report, and nobody trades before."""
    venue.open_account()
    strategy = Recorder()
    go, waiting = held_up(monkeypatch)

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.run.until(lambda: bool(waiting))
            venue.set_position("ETHUSDT-PERP", 3, 1900)
            venue.push_mass_status()
            await node.run.until(lambda: bool(node.monitor._intake.flagged))
            assert not strategy.gate.is_open
            go.set()
            event = await node.result()
            assert event.outcome is RecoveryOutcome.ADJUSTED
            assert [change.qty_after for change in event.report.positions] == [3]
            assert len(waiting) > 1
            assert len(node.terminals) == 1

    asyncio.run(scenario())


def test_what_changes_after_the_last_slice_is_judged_too(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read slice by slice stands only if no order event came meanwhile."""
    venue.open_account()
    strategy, judged, judge = Recorder(), [], verdict.judge
    in_turns, looks = reading.in_turns, [0]

    def judging(observation: Observation, policy: Policy) -> verdict.Judgment:
        judged.append(observation)
        return judge(observation, policy)

    async def scenario() -> None:
        async with watched(venue, None, strategy) as node:
            await node.result()
            strategy.submit_order(order := strategy.limit("1500.00"))
            await node.run.until(lambda: order.is_open)

            async def cancelled_before_the_second_look(steps: Iterator[None]) -> None:
                await in_turns(steps)
                looks[0] += 1
                if looks[0] == 2:
                    strategy.cancel_order(order)

            monkeypatch.setattr(verdict, "judge", judging)
            monkeypatch.setattr(
                "nautilus_recovery_actor.node.monitor.judging.in_turns",
                cancelled_before_the_second_look,
            )
            venue.push_mass_status()
            await node.result(2)
            before, after = judged[:2]
            assert [one.status for one in before.orders] == ["ACCEPTED"]
            assert [one.status for one in after.orders] != ["ACCEPTED"]

    asyncio.run(scenario())


def test_what_raises_on_the_other_thread_closes_every_gate(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what raises on the loop's own."""
    venue.open_account()

    def raises(*_: Any) -> verdict.Judgment:
        raise RuntimeError("injected")

    monkeypatch.setattr(verdict, "judge", raises)

    async def scenario() -> None:
        async with watched(venue, None, strategy := Recorder()) as node:
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            assert event.reason is FailureReason.INTERNAL_ERROR
            assert "injected" in event.message
            assert not strategy.gate.is_open

    asyncio.run(scenario())


def test_a_stop_drops_what_is_being_judged(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch ends once, and is not complete."""
    venue.open_account()
    go, waiting = held_up(monkeypatch)

    async def scenario() -> None:
        async with watched(venue, None, Recorder()) as node:
            await node.run.until(lambda: bool(waiting))
            node.monitor._end()
            go.set()
            event = await node.result()
            assert isinstance(event, RecoveryFailed)
            await asyncio.sleep(0)
            assert len(node.terminals) == 1

    asyncio.run(scenario())
