import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeProcessError
from nautilus_recovery_actor.testkit import PaperVenue
from tests.testkit.probe import SYMBOL
from tests.testkit.probe import wait_until_ended


TARGET = "tests.testkit.probe:child_node"


def _kwargs(venue: PaperVenue, valkey: EmbeddedValkey, opens_position: bool) -> dict[str, Any]:
    return {
        "port": venue.port,
        "valkey_port": valkey.port,
        "opens_position": opens_position,
        "trader_id": "TESTER-001",
    }


def test_a_stop_triggers_while_the_node_is_dead_and_the_next_node_knows(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    with NodeProcess(TARGET, **_kwargs(venue, valkey, opens_position=True)) as first:
        assert first.wait_for("started")["is_trading"]
        entry, stop = venue.wait_for_order(count=2)
        venue.wait_for_order(stop.venue_order_id, "ACCEPTED")
        key = f"trader-TESTER-001:orders:{stop.client_order_id}"
        valkey.wait_for(lambda stored: "OrderAccepted" in str(stored.lrange(key, 0, -1)))
        first.kill()
        assert not first.is_running
    venue.wait_for_connections(0)
    venue.play([(0.0, SYMBOL, 1950), (0.01, SYMBOL, 1890)])
    venue.wait_for_position(SYMBOL, 0)

    with NodeProcess(TARGET, **_kwargs(venue, valkey, opens_position=False)) as second:
        started = second.wait_for("probe_started")
        assert started["net_qty"] == "0"
        assert started["orders"] == {
            entry.client_order_id: "FILLED",
            stop.client_order_id: "FILLED",
        }
        second.wait_for("started")
        assert second.stop() == 0
        assert second.facts[-1] == {"fact": "stopped"}
        assert "Disconnected" in second.log
    assert len(venue.submitted()) == 2


def test_a_node_that_cannot_be_built_ends_with_its_log_in_the_error() -> None:
    with NodeProcess("tests.testkit.probe:broken_node") as process:
        with pytest.raises(NodeProcessError, match="RuntimeError: no such instrument"):
            process.wait_for("started")
        assert process.stop() == 1


def test_a_fact_that_is_not_emitted_in_time_is_named(
    venue: PaperVenue, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    log_path = tmp_path / "node.log"
    kwargs = _kwargs(venue, valkey, opens_position=False)
    with NodeProcess(TARGET, log_path=log_path, **kwargs) as process:
        process.wait_for(lambda fact: fact["fact"] == "started")
        with pytest.raises(NodeProcessError, match=r"did not emit recovered within 0\.01 s"):
            process.wait_for("recovered", timeout_secs=0.01)
    assert "TradingNode" in log_path.read_text()


@pytest.mark.long
def test_the_node_ends_when_its_parent_is_killed(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    kwargs = _kwargs(venue, valkey, opens_position=False)
    code = (
        "from nautilus_recovery_actor.testkit import NodeProcess; import time\n"
        f"node = NodeProcess({TARGET!r}, **{kwargs!r}); node.wait_for('started')\n"
        "print(node.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        child = int(lines.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until_ended(child)
    venue.wait_for_connections(0)
