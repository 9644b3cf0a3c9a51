"""
Two nodes of one trader, as real processes on one server: one of them trades.
"""

import json
import time

import pytest

from nautilus_recovery_actor.console.main import main
from tests.lease.support import LEASE
from tests.lease.support import TRADER
from tests.lease.support import Scene
from tests.lease.support import denied
from tests.lease.support import ended
from tests.lease.support import is_closed
from tests.lease.support import says
from tests.lease.support import sent_last
from tests.lease.support import stopped
from tests.lease.support import trades
from tests.lease.support import way_to


pytestmark = pytest.mark.sampled(1)


# A lease that no test waits for
LONG_SECS = 15.0


@pytest.mark.parametrize("is_here", [True, False], ids=["this machine", "another"])
def test_a_second_node_by_hand_is_refused_with_one_line(scene: Scene, is_here: bool) -> None:
    """At once on this machine; on another one with the first heartbeat that is seen."""
    first = scene.start()
    trades(first)
    if not is_here:
        scene.put_elsewhere()
    second = scene.start()
    assert ended(second) != 0
    (line,) = [one for one in second.log.splitlines() if "AnotherNodeError: " in one]
    assert f"Another node runs {TRADER}: process {first.pid} on " in line
    assert f"nautilus-recovery lease --trader {TRADER} --take-over" in line
    assert second.facts == []
    assert scene.holder() == first.pid
    assert first.stop() == 0
    scene.starts_again()


@pytest.mark.long
def test_in_a_rollout_the_next_node_trades_when_the_one_before_has_stopped(scene: Scene) -> None:
    """It waits for what it cannot see, and not for a lease that is given back."""
    first = scene.start(heartbeat_secs=LONG_SECS)
    trades(first)
    scene.put_elsewhere()
    second = scene.start(heartbeat_secs=LONG_SECS)
    says(second, "Waiting for the lease")
    started = time.monotonic()
    assert first.stop() == 0
    assert sent_last(first) < trades(second)
    assert time.monotonic() - started < LONG_SECS
    scene.starts_again()


def test_what_was_killed_on_this_machine_is_not_waited_for(scene: Scene) -> None:
    """Its lease would last for long."""
    first = scene.start(heartbeat_secs=LONG_SECS)
    trades(first)
    first.kill()
    second = scene.start()
    trades(second)
    assert "Waiting for the lease" not in second.log
    scene.starts_again()


@pytest.mark.long
def test_what_was_killed_elsewhere_is_waited_for(scene: Scene) -> None:
    """For as long as its lease lasts."""
    first = scene.start()
    trades(first)
    first.kill()
    scene.put_elsewhere()
    started = time.monotonic()
    second = scene.start()
    says(second, "Waiting for the lease of this trader, at most 3 s: process")
    assert trades(second) - started > 3
    scene.starts_again()


@pytest.mark.parametrize("is_plain", [False, True], ids=["recoverable", "plain"])
def test_a_process_that_was_stopped_sends_nothing_when_it_goes_on(
    scene: Scene, is_plain: bool
) -> None:
    """Not even what a timer had due: another node trades by then."""
    first = scene.start(is_plain=is_plain)
    trades(first)
    scene.put_elsewhere()
    with stopped(first):
        second = scene.start(is_plain=is_plain)
        taken = trades(second)
    assert "has taken the lease" in is_closed(first) or "ran out" in is_closed(first)
    says(first, "has taken the lease")
    denied(first)
    assert sent_last(first) < taken
    later = [fact for fact in first.facts if fact.get("at", 0.0) > taken]
    assert all(fact.get("reason", "RECOVERY_").startswith("RECOVERY_") for fact in later)
    scene.starts_again()


@pytest.mark.long
def test_a_process_that_was_stopped_alone_trades_again(scene: Scene) -> None:
    """After a new recovery: nobody had the lease meanwhile."""
    first = scene.start()
    trades(first)
    with stopped(first):
        scene.valkey.wait_for(lambda client: not client.exists(LEASE))
    message = is_closed(first)
    assert "ran out" in message
    facts = len(first.facts)
    first.wait_for(lambda fact: fact in first.facts[facts:] and fact["fact"] == "sent")
    assert scene.holder() == first.pid
    scene.starts_again()


@pytest.mark.long
def test_in_a_split_the_node_that_reaches_the_server_trades(scene: Scene) -> None:
    """The other one stops by its own clock before, and stays closed when the way is there again."""
    with way_to(scene.valkey.port) as way:
        first = scene.start(at=way.port)
        trades(first)
        scene.put_elsewhere()
        with way.cut():
            second = scene.start(repair="auto")
            taken = trades(second)
            assert "ran out" in is_closed(first)
            assert sent_last(first) < taken
            says(first, "trading goes on for")
        says(first, "has taken the lease")
        denied(first)
        assert sent_last(first) < taken
        trades(second)
        scene.starts_again()


@pytest.mark.long
def test_without_a_server_for_a_while_it_goes_on(scene: Scene) -> None:
    """For as long as nobody else can have the lease, and then after a new recovery."""
    with way_to(scene.valkey.port) as way:
        first = scene.start(at=way.port)
        trades(first)
        with way.cut():
            says(first, "trading goes on for")
            facts = len(first.facts)
            first.wait_for(lambda fact: fact in first.facts[facts:] and fact["fact"] == "sent")
            is_closed(first)
        facts = len(first.facts)
        first.wait_for(lambda fact: fact in first.facts[facts:] and fact["fact"] == "sent")
        scene.starts_again()


@pytest.mark.long
def test_an_operator_takes_over(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """The gates of the one close, the other one trades, and the first says who did it."""
    first = scene.start()
    trades(first)
    at = ["--trader", TRADER, "--redis", scene.valkey.url]
    assert main(["lease", *at, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["state"], status["pid"]) == ("HELD", first.pid)
    assert main(["status", *at]) == 0
    assert f"Lease: process {first.pid} on " in capsys.readouterr().out
    assert main(["lease", *at, "--take-over", "--reason", "it is out of reach"]) == 0
    told = capsys.readouterr().out
    assert f"taken over from process {first.pid} on " in told
    assert "at most 3 s" in told
    assert "it is out of reach" in is_closed(first)
    assert main(["lease", *at]) == 1
    assert "RESERVED" in capsys.readouterr().out
    second = scene.start()
    assert sent_last(first) < trades(second)
    assert "Waiting" not in second.log
    denied(first)
    scene.starts_again()
