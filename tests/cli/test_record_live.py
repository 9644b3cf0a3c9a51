"""
What `status`, `history` and `watch` tell of real nodes.
"""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.record.entries import Message
from nautilus_recovery_actor.outside.record.stream import MessageStream
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from tests.cli.support import command
from tests.cli.support import monitored
from tests.cli.support import reached


pytestmark = pytest.mark.long


@pytest.fixture
def venue() -> Iterator[PaperVenue]:
    with PaperVenue() as paper:
        paper.open_account()
        paper.set_price("ETHUSDT-PERP", 2000)
        yield paper


class Told:
    """
    What the commands say of one trader.
    """

    def __init__(
        self, valkey: EmbeddedValkey, trader_id: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._where = ["--trader", trader_id, "--redis", valkey.url]
        self._capsys = capsys

    def run(self, name: str, *options: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = main([name, *self._where, *options])
        told = self._capsys.readouterr()
        assert told.err == ""
        return code, told.out

    def status(self, *options: str) -> tuple[int, dict[str, Any]]:
        code, told = self.run("status", "--json", *options)
        return code, json.loads(told)


def test_a_node_that_is_killed_and_one_that_is_stopped(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is open while it runs, a kill shows when its heartbeat is old, and a stop at once."""
    told = Told(valkey, "ENDED-001", capsys)
    with monitored(valkey, venue, "ENDED-001") as node:
        reached(valkey, "ENDED-001", 1, "COMPLETE")
        code, status = told.status()
        assert (code, status["state"], status["epoch"]) == (0, "OPEN", 1)
        assert (status["outcome"], status["max_age_secs"]) == ("CLEAN", 15.0)
        node.kill()
    assert told.status()[0] == 0  # So long nobody can know
    code, status = told.status("--max-age", "0.001")
    assert (code, status["state"], status["is_stopped"]) == (3, "NO_HEARTBEAT", False)

    with monitored(valkey, venue, "ENDED-001") as node:
        reached(valkey, "ENDED-001", 2, "COMPLETE")
        assert told.run("status")[1].startswith("ENDED-001 OPEN: Recovery epoch 2 CLEAN: ")
        node.stop()
    code, status = told.status()
    assert (code, status["state"], status["is_stopped"]) == (3, "NO_HEARTBEAT", True)

    _, told_history = told.run("history")
    rows = told_history.splitlines()
    assert rows[1].split()[0] == "2"
    assert " CLEAN   Away for " in rows[1]
    assert rows[1].endswith(", not stopped cleanly")
    assert rows[2].endswith("No earlier run on record")


def test_a_start_that_fails_and_one_that_hangs(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one is failed, the other closed as long as it lasts."""
    told = Told(valkey, "FAILED-001", capsys)
    venue.set_faults(query_errors=True)
    with monitored(valkey, venue, "FAILED-001"):
        reached(valkey, "FAILED-001", 1, "FAILED")
        code, status = told.status()
        assert (code, status["state"]) == (2, "FAILED")
        assert status["failure"] == "RECONCILIATION_FAILED"
        assert told.run("watch")[0] == 2
    venue.set_faults(mass_status=MassStatusFault.HANG)
    with monitored(valkey, venue, "FAILED-001"):
        reached(valkey, "FAILED-001", 2, "PENDING")
        code, status = told.status()
        assert (code, status["state"], status["phase"]) == (1, "CLOSED", "PENDING")
        assert told.run("watch", "--timeout", "0.001")[0] == 1


def test_an_epoch_in_which_the_node_was_killed_is_on_record(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the history, and in the log of the next start."""
    told = Told(valkey, "CUT-001", capsys)
    venue.set_faults(mass_status=MassStatusFault.HANG)
    with monitored(valkey, venue, "CUT-001") as node:
        reached(valkey, "CUT-001", 1, "PENDING")
        assert "IN PROGRESS" in told.run("history")[1]
        node.kill()
    venue.set_faults()
    with monitored(valkey, venue, "CUT-001", log_level="INFO") as node:
        reached(valkey, "CUT-001", 2, "COMPLETE")
        log = node.log_path.read_text()
    assert "Recovery epoch 1 left no report: the node was killed, or Redis has lost" in log
    assert (
        "Recovery epoch 2 begins (startup: the node starts). Recoverable strategies send only "
        "exits until it ends"
    ) in log
    rows = told.run("history")[1].splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["2", "1"]
    assert "CUT SHORT  It left no report: the node was killed" in rows[1]


def test_a_start_that_blocks_an_instrument(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is open with the instrument named, or closed for who is strict, until it is released."""
    told = Told(valkey, "BLOCKED-001", capsys)
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    with monitored(valkey, venue, "BLOCKED-001", generate_missing_orders=False):
        reached(valkey, "BLOCKED-001", 1, "COMPLETE")
        code, status = told.status()
        assert (code, status["outcome"]) == (0, "DEGRADED")
        assert status["blocked_instruments"] == ["ETHUSDT-PERP.PAPER"]
        assert told.status("--strict")[0] == 1
        code, out = told.run("history", "--epoch", "1")
        assert code == 0
        assert "Blocked\n  ETHUSDT-PERP.PAPER\n" in out
        assert "  Position ETHUSDT-PERP.PAPER (PAPER-001): flat -> flat, venue +3\n" in out

        release = ("ETHUSDT-PERP.PAPER", "--reason", "seen")
        code, out = told.run("release", *release, "--json")
        assert code == 0
        answer = json.loads(out)
        assert (answer["trader_id"], answer["action"]) == ("BLOCKED-001", "release")
        assert (answer["instrument_id"], answer["is_accepted"]) == ("ETHUSDT-PERP.PAPER", True)
        assert told.status("--strict")[0] == 0
        assert ", released until 20" in told.run("status")[1]

        code, out = told.run("release", "SOLUSDT-PERP.PAPER", *release[1:], "--json")
        assert code == 1
        assert json.loads(out)["text"].startswith("SOLUSDT-PERP.PAPER is not blocked")
        code, out = told.run("resume", *release[1:], "--json")
        assert (code, json.loads(out)["is_accepted"]) == (1, False)


@pytest.mark.parametrize("bus", [None, {"encoding": "json"}, {"encoding": "msgpack"}])
def test_a_recovery_is_told_while_it_goes_on(
    valkey: EmbeddedValkey, venue: PaperVenue, bus: dict[str, Any] | None
) -> None:
    """Each phase is told once, by a stream in either encoding or without one, then the result."""
    trader_id = f"WATCHED-{'none' if bus is None else bus['encoding']}"
    watch = ("watch", "--trader", trader_id, "--redis", valkey.url, "--json")
    with command(*watch) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["what"] == "NO_HEARTBEAT"
        venue.set_faults(mass_status=MassStatusFault.OK, mass_status_delay_secs=0.6)
        with monitored(valkey, venue, trader_id, bus=bus, monitor={"settle_ms": 600}):
            told = [json.loads(line) for line in watching.stdout]
            assert watching.wait(60) == 0
        assert watching.stderr is not None
        assert watching.stderr.read() == ""
    phases = [
        one["what"] for one in told if one["what"] != "RECONCILING"
    ]  # Too short to be sure of
    assert phases == ["PENDING", "VERIFYING", "COMPLETE"]
    assert {one["epoch"] for one in told} == {1}
    assert told[-1]["text"].startswith("CLEAN: ")
    assert told[-1]["report"]["outcome"] == "CLEAN"


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_what_a_node_streams_is_heard(
    valkey: EmbeddedValkey, venue: PaperVenue, encoding: str
) -> None:
    """In either encoding of its message bus, as soon as it comes."""
    trader_id = f"HEARD-{encoding}"
    client: Any = valkey.client()
    stream = MessageStream(client, Namespace(trader_id=trader_id, instance_id="of the cache alone"))
    stream.begin()
    heard: list[Message] = []
    with monitored(valkey, venue, trader_id, bus={"encoding": encoding}):
        reached(valkey, trader_id, 1, "COMPLETE")
        while len(heard) < 2:
            heard += stream.wait(60.0)
    assert sorted(message.type for message in heard) == ["RecoveryComplete", "RecoveryStarted"]
    assert {message.report.epoch for message in heard} == {1}


def test_who_follows_is_told_of_a_reconnect_and_ends_quietly(
    valkey: EmbeddedValkey, venue: PaperVenue
) -> None:
    """Lines for a reader, and 130 after Ctrl-C."""
    where = ("--trader", "FOLLOWED-001", "--redis", valkey.url)
    with monitored(valkey, venue, "FOLLOWED-001", bus={}):
        reached(valkey, "FOLLOWED-001", 1, "COMPLETE")
        with command("watch", "--follow", *where) as watching:
            assert watching.stdout is not None
            assert " epoch 1   COMPLETE      CLEAN: " in watching.stdout.readline()
            venue.push_mass_status()
            line = ""
            while "COMPLETE" not in line:
                line = watching.stdout.readline()
                assert line[26:36] == "epoch 2   "
            assert (
                line[36:]
                == "COMPLETE      CLEAN: Nothing was changed; equal to the venue's report, "
                "confirmed by a second answer\n"
            )
            watching.send_signal(signal.SIGINT)
            assert watching.communicate(timeout=60) == (
                "",
                "Interrupted: the node is not affected\n",
            )
            assert watching.returncode == 130


def test_the_json_of_the_history_is_that_of_the_monitor(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest report is the first, and each reads back."""
    told = Told(valkey, "KEPT-001", capsys)
    with monitored(valkey, venue, "KEPT-001", monitor={"history_size": 3}) as node:
        for epoch in range(1, 6):
            reached(valkey, "KEPT-001", epoch, "COMPLETE")
            assert told.status()[1]["outcome"] == "CLEAN"
            if epoch < 5:
                venue.push_mass_status()
        node.kill()
    _, out = told.run("history", "--json")
    reports = [RecoveryReport.from_dict(values) for values in json.loads(out)]
    assert [report.epoch for report in reports] == [5, 4, 3]
    _, out = told.run("history", "--json", "--epoch", "4")
    assert RecoveryReport.from_bytes(out.encode()) == reports[1]
    _, out = told.run("history", "--json", "--limit", "1")
    assert [values["epoch"] for values in json.loads(out)] == [5]


def test_a_node_without_a_monitor_is_known_for_what_it_is(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cache is there, a record is not."""
    import msgspec

    database = msgspec.structs.asdict(valkey.database_config())
    with NodeProcess(
        "tests.cli.monitored:unmonitored", port=venue.port, database=database, trader_id="PLAIN-001"
    ) as node:
        node.wait_for("started")
        valkey.wait_for(lambda client: client.exists("trader-PLAIN-001:accounts:PAPER-001"))
    assert main(["history", "--trader", "PLAIN-001", "--redis", valkey.url]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"No recovery of PLAIN-001 on record in Redis at 127.0.0.1:{valkey.port}: its cache is "
        "here, but the node had no RecoveryMonitorActor\n"
    )


def test_a_proof_that_is_asked_for_is_answered_with_its_result(
    valkey: EmbeddedValkey, venue: PaperVenue, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the exit code too, and the status says how old it is."""
    verify = ["verify", "--trader", "VERIFIED-001", "--redis", valkey.url]
    told = Told(valkey, "VERIFIED-001", capsys)
    monitor = {"prove_interval_secs": None}
    with monitored(valkey, venue, "VERIFIED-001", monitor=monitor) as node:
        reached(valkey, "VERIFIED-001", 1, "COMPLETE")
        assert main(verify) == 0
        text = "VERIFIED-001: Proven: 0 instruments of 1 account agree with the venue\n"
        assert capsys.readouterr().out == text
        venue.place("ETHUSDT-PERP", "BUY", 1, "LIMIT", px=1000)
        venue.set_faults(hide_orders=tuple(one.venue_order_id for one in venue.state().orders))
        code = main(verify)
        out = capsys.readouterr()
        assert (code, out.out) == (1, "")
        assert "VERIFIED-001: Recovery epoch 2 ended DEGRADED" in out.err
        node.stop()
    assert main(verify) == 2
    _, found = told.status()
    assert found["proven_age_secs"] > 0
    assert not found["is_proof_old"]
