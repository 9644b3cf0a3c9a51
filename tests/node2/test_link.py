"""
The lease, operators' commands, signs of life and the record: over Redis, as on 1.x.
"""

import time

import pytest

from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.outside.record.reader import RecordReader
from nautilus_recovery_actor.outside.remote import send
from tests.node2.support import SYMBOL
from tests.node2.support import TRADER
from tests.node2.support import Bench
from tests.node2.trial import INSTRUMENT


NAMESPACE = Namespace(trader_id=TRADER)


def test_a_second_node_of_the_trader_is_refused_at_its_registration(bench: Bench) -> None:
    """
    The first one trades on, and the line names its process.
    """
    with bench.node() as first:
        first.wait_for("enabled")
        with bench.node() as second:
            error = second.wait_for("raised")["error"]
            assert "AnotherNodeError" in error
            assert f"process {first.pid} on " in error
        assert not second.all("registered")
        first.wait_for("filled")


def test_a_node_whose_lease_was_taken_closes_its_gates(bench: Bench) -> None:
    """
    What it sends after that is denied, and its recovery says so.
    """
    with bench.node() as node:
        node.wait_for("enabled")
        with bench.valkey.client() as client:
            client.hset(f"trader-{TRADER}:recovery:lease", "token", "another")
        assert node.wait_for("failed")["reason"] == "ANOTHER_NODE"


def test_a_blocked_instrument_is_released_and_withdrawn_by_command(bench: Bench) -> None:
    """
    The command goes to who has the lease, and is answered.
    """
    with bench.after_a_kill() as ids:
        bench.venue.cancel(ids[1])
    with bench.node() as node:
        node.wait_for(lambda one: one.get("reason", "").startswith("RECOVERY_BLOCKED"))
        command = OperatorCommand.new(TRADER, "release", "seen", INSTRUMENT, 60.0)
        answer = send(command, bench.valkey.url)
        assert (answer.is_accepted, answer.text) == (True, f"Released {INSTRUMENT} for 1 min")
        node.wait_for(lambda _: len(node.all("enabled")) == 2)
        node.wait_for("accepted")
        command = OperatorCommand.new(TRADER, "verify", "to be sure")
        answer = send(command, bench.valkey.url)
        assert not answer.is_accepted
        assert answer.text.startswith("This node's venues cannot be asked while it runs")


def test_a_node_gives_signs_of_life_until_a_clean_stop(bench: Bench) -> None:
    """
    `status`, `history` and `watch` read what it keeps as that of a node of 1.x.
    """
    with bench.valkey.client() as client, bench.node() as node:
        record = RecordReader(client, NAMESPACE)
        node.wait_for("filled")
        heartbeat = record.stamps().heartbeat
        assert heartbeat is not None
        assert (heartbeat.epoch, heartbeat.phase) == (1, RecoveryPhase.COMPLETE)
        assert liveness(heartbeat, time.time_ns()).life is Life.ALIVE
        node.stop()
        stopped = record.stamps().heartbeat
        assert stopped is not None
        assert stopped.is_stopped
        assert client.exists(f"trader-{TRADER}:recovery:lease") == 0
        reports, broken = record.history()
        (report,) = reports
        assert not broken
        assert (report.epoch, report.outcome) == (1, RecoveryOutcome.CLEAN)


@pytest.mark.parametrize("is_held", [True, False])
def test_a_trade_of_somebody_else_opens_an_epoch(bench: Bench, is_held: bool) -> None:
    """
    The gate closes, and opens again once the cache equals what the venue has told.
    """
    with bench.node() as node:
        node.wait_for("filled")
        symbol = SYMBOL if is_held else "C01USDT"
        bench.venue.place(symbol=symbol, side="BUY", type="LIMIT", price="101", quantity="0.5")
        second = node.wait_for(lambda one: one.get("epoch") == 2)
        assert (second["trigger"], second["outcome"]) == ("mass_status", "ADJUSTED")
        assert second["fills"] == ["EXTERNAL 0.500"]
        node.wait_for(lambda _: len(node.all("enabled")) == 2)


def test_an_order_of_somebody_else_opens_an_epoch(bench: Bench) -> None:
    """
    It rests, so that nothing but the venue's report tells of it.
    """
    with bench.node() as node:
        node.wait_for("filled")
        bench.venue.place(symbol=SYMBOL, side="BUY", type="LIMIT", price="70", quantity="0.5")
        second = node.wait_for(lambda one: one.get("epoch") == 2)
        assert (second["trigger"], second["outcome"]) == ("mass_status", "ADJUSTED")
        node.wait_for(lambda _: len(node.all("enabled")) == 2)
