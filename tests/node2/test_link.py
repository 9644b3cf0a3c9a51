"""
The lease, operators' commands, signs of life and the record: over Redis, as on 1.x.
"""

import time
from typing import Any

import pytest

from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.host.judging import JUDGED_AT_ONCE
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.outside.record.reader import RecordReader
from nautilus_recovery_actor.outside.remote import send
from tests.node2.support import SYMBOL
from tests.node2.support import TRADER
from tests.node2.support import Bench
from tests.node2.test_supervised import paused
from tests.node2.trial import INSTRUMENT


NAMESPACE = Namespace(trader_id=TRADER)
FENCE = f"trader-{TRADER}:recovery:fence"


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


def test_a_monitor_that_the_node_does_not_take_leaves_nothing(bench: Bench) -> None:
    """
    Added too late it is refused, each time with the reason, and holds no lease.
    """
    with bench.node(target="tests.node2.node:late") as node:
        node.wait_for("enabled")
        node.stop()
        refused = [one["error"] for one in node.all("refused")]
    assert len(refused) == 2
    assert all(one.startswith("Cannot add actor while node is running") for one in refused)
    with bench.valkey.client() as client:
        assert not client.exists(f"trader-{TRADER}:recovery:lease")


def test_a_node_whose_lease_was_taken_closes_its_gates(bench: Bench) -> None:
    """
    What it sends after that is denied, and its recovery says so.
    """
    with bench.node() as node:
        node.wait_for("enabled")
        with bench.valkey.client() as client:
            client.hset(f"trader-{TRADER}:recovery:lease", "token", "another")
        assert node.wait_for("failed")["reason"] == "ANOTHER_NODE"


@pytest.mark.parametrize("is_back", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_lease_that_comes_back_is_no_proof_by_itself(bench: Bench, is_back: bool) -> None:
    """
    The gate opens again when the cache equals what the venue has told since the start.
    """
    if is_back:
        with bench.after_a_kill():
            pass
    with bench.node() as node, bench.valkey.client() as client:
        node.wait_for("accepted" if is_back else "filled")
        with paused(client.info()["process_id"]):
            node.wait_for("failed")
        node.wait_for(lambda _: len(node.all("complete")) == 2)
        assert node.all("complete")[1]["blocking"] == []
        node.wait_for(lambda _: len(node.all("enabled")) == 2)
        reports, _ = RecordReader(client, NAMESPACE).history()
    newest = max(reports, key=lambda one: one.epoch)
    assert newest.message.endswith("equal to the venue's report")


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


def test_an_open_position_without_a_stop_is_in_the_heartbeat(bench: Bench) -> None:
    """
    It is looked for again once something has happened, and `status` names it.
    """
    with bench.node() as node:
        node.wait_for("filled")

        def unprotected(client: Any) -> list[str]:
            heartbeat = RecordReader(client, NAMESPACE).stamps().heartbeat
            found = () if heartbeat is None else heartbeat.unprotected or ()
            return [f"{one.kind} {one.position_id} {one.cache}" for one in found]

        bench.valkey.wait_for(unprotected)
        with bench.valkey.client() as client:
            (found,) = unprotected(client)
        assert found.startswith(f"UNPROTECTED_POSITION {INSTRUMENT}-Trial-001")


def test_a_server_that_loses_writes_is_noticed(bench: Bench) -> None:
    """
    The heartbeat says so, the monitor stores its entries again, also those of the run before, and
    the signal is sent.
    """
    with bench.after_a_kill(), bench.node() as node:
        node.wait_for("accepted")
        bench.valkey.wait_for(lambda client: client.hget(FENCE, "beats"))
        bench.valkey.flush()
        assert node.wait_for("storage")["kind"] == "LOST"

        def incidents(client: Any) -> list[StorageIncident]:
            heartbeat = RecordReader(client, NAMESPACE).stamps().heartbeat
            found = () if heartbeat is None else heartbeat.storage or ()
            return [one for one in found if one.is_rewritten]

        bench.valkey.wait_for(incidents)
        with bench.valkey.client() as client:
            (lost,) = incidents(client)
            reports, _ = RecordReader(client, NAMESPACE).history()
            assert client.exists(f"trader-{TRADER}:general:recovery:epoch")
        assert lost.kind is StorageTrouble.LOST
        assert [one.epoch for one in reports] == [2, 1]


def test_a_start_with_many_orders_is_judged_beside_the_node(bench: Bench) -> None:
    """
    Each judgment of few is made on its thread.
    """
    for number in range(JUDGED_AT_ONCE + 1):
        px = f"{50 + number / 100:.2f}"
        bench.venue.place(symbol=SYMBOL, side="BUY", type="LIMIT", price=px, quantity="0.1")
    with bench.node() as node:
        complete = node.wait_for("complete")
        assert complete["outcome"] == "ADJUSTED"
        judged = [one["is_beside"] for one in node.all("judged")]
        assert judged
        assert all(judged)


@pytest.mark.parametrize("payload", ["nonsense", "[" * 100_000], ids=["no JSON", "too deep"])
def test_a_message_that_cannot_be_read_closes_the_gates(bench: Bench, payload: str) -> None:
    """
    Whatever else comes with it: it may be just what the node should have heard of.
    """
    with bench.node() as node:
        node.wait_for("enabled")
        with bench.valkey.client() as client, client.pipeline() as batch:
            stream = f"trader-{TRADER}:stream"
            batch.xadd(stream, {"nobody": "knows"})
            fields = {"topic": "events.order.Trial-001", "payload": payload, "encoding": "json"}
            batch.xadd(stream, fields)
            batch.execute()
        assert node.wait_for("failed")["reason"] == "INTERNAL_ERROR"


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
