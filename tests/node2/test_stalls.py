"""
Redis stalls on 2.0 while something waits for it, and what waits is canceled.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit.valkey import server_binary
from tests.node2.support import Bench


@pytest.fixture
def server_pid(bench: Bench) -> Iterator[int]:
    """
    The server's process, which goes on after the test.
    """
    with bench.valkey.client() as client:
        pid = client.info("server")["process_id"]
    yield pid
    os.kill(pid, signal.SIGCONT)


def test_a_start_of_which_nothing_is_heard_is_not_judged(bench: Bench, server_pid: int) -> None:
    """
    The resting order is gone, and nobody holds a position that could be missed: the gate stays
    closed until the bus is heard, and what it says is judged then.
    """
    with bench.node(way="Quoting") as node:
        node.wait_for("accepted")
        with bench.valkey.client() as client:
            (key,) = client.keys("trader-TWO-001:orders:*")
        bench.valkey.wait_for(lambda client: client.llen(key) == 3)
        node.kill()
    bench.venue.cancel(bench.venue.state()["orders"][0]["clientOrderId"])
    settings = {"lease": False, "heartbeat_secs": 0.5}
    stalled = {"server_pid": server_pid, "is_stalled": True, "settings": settings}
    with bench.node(way="Quoting", **stalled) as node:
        assert node.wait_for("denied")["reason"].startswith("RECOVERY_IN_PROGRESS")
        node.wait_for(lambda _: "nothing of it has come over the node" in node.log)
        assert not node.all("complete")
        os.kill(server_pid, signal.SIGCONT)
        assert node.wait_for("complete")["blocking"] == ["ORDER_NOT_AT_VENUE"]
        node.wait_for(lambda one: one.get("reason", "").startswith("RECOVERY_BLOCKED"))
        assert not node.all("accepted")


def test_a_bus_that_a_restart_of_redis_has_cut_closes_the_gates(
    bench: Bench, tmp_path: Path
) -> None:
    """
    The bus of 2.0 ends with its connection, and says so nowhere: nobody would hear of strangers.
    """
    with EmbeddedValkey() as valkey, Bench(bench.venue, valkey).node() as node:
        node.wait_for("filled")
        with valkey.client() as client:
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
        node.wait_for("storage")
        served = [server_binary(), "--port", str(valkey.port), "--dir", str(tmp_path), "--save", ""]
        with subprocess.Popen(served, stdout=subprocess.DEVNULL) as server:
            try:
                failed = node.wait_for(lambda one: one.get("reason") == "INTERNAL_ERROR")
            finally:
                server.kill()
        assert "nothing comes over the node's message bus" in failed["message"]


def test_what_is_canceled_before_it_is_sent_is_never_sent(bench: Bench, server_pid: int) -> None:
    """
    Each way to cancel an order that waits for a checkpoint denies it.
    """
    with bench.node(way="Withdrawing", server_pid=server_pid) as node:
        node.wait_for("withdrawn")
        node.wait_for(lambda _: len(node.all("denied")) > 3)
        canceled = [one for one in node.all("denied") if "RECOVERY_CANCELED" in one["reason"]]
        assert len(canceled) == 3
    assert not [one for one in bench.venue.state()["orders"] if one["price"] == "90.00"]


def test_an_exit_passes_where_no_checkpoint_can_be_stored(bench: Bench, server_pid: int) -> None:
    """
    Also one that is not reduce-only, as far as it can only reduce: nothing else is sent.
    """
    with bench.after_a_kill():
        pass
    with bench.node(way="Unstored", server_pid=server_pid, settings={"lease": False}) as node:
        node.wait_for("left")
        node.wait_for(lambda one: "RECOVERY_CHECKPOINT_NOT_STORED" in one.get("reason", ""))
        node.wait_for("closed")
        assert not [one for one in bench.venue.state()["orders"] if one["price"] == "80.00"]


def test_a_hook_that_raises_at_a_denial_harms_nothing(bench: Bench) -> None:
    """
    Neither the start of the node, nor who has asked for the order.
    """
    with bench.node(way="Raising") as node:
        node.wait_for("denied")
        node.wait_for("accepted")
        assert "Raising.on_order_denied raised: ValueError('not that one')" in node.log
