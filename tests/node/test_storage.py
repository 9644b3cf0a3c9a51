"""
A server that loses or refuses what a node writes is noticed within two heartbeats, in the log, in
`status` and by a signal; and the next start knows that its cache is old.
"""

import contextlib
import re
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.order_ids import made_at
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from tests.forget.support import is_startable
from tests.node.storing import HEARTBEAT_SECS
from tests.node.storing import TRADER_ID
from tests.node.storing import Server
from tests.node.storing import started


FENCE = f"trader-{TRADER_ID}:recovery:fence"
OPEN, NO_HEARTBEAT, UNSTORED = 0, 3, 4
# A machine that is busy with other things
SLACK_SECS = 1.0


@pytest.fixture
def own() -> Iterator[Server]:
    """
    A server that only one test uses.
    """
    with Server() as server:
        yield server


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """
    Where a snapshot is kept.
    """
    return tmp_path / "kept.rdb"


def status(server: EmbeddedValkey) -> int:
    return main(["status", "--trader", TRADER_ID, "--redis", server.url])


def becomes(server: EmbeddedValkey, code: int, secs: float = 60.0) -> float:
    """
    Wait until `status` exits with a code, and return how long that took.
    """
    began = time.monotonic()
    while status(server) != code:
        assert time.monotonic() < began + secs, f"not {code} within {secs} s"
    return time.monotonic() - began


def seen(node: NodeProcess, kind: str, *, is_over: bool = False, secs: float = 60.0) -> float:
    """
    Wait for the signal of an incident, and return how long that took.
    """
    began = time.monotonic()
    node.wait_for(
        lambda fact: (
            (fact["fact"], fact.get("kind"), fact.get("is_over")) == ("storage", kind, is_over)
        ),
        secs,
    )
    return time.monotonic() - began


def told(node: NodeProcess, text: str) -> int:
    """
    Return how many lines of the log of the monitor have a text.
    """
    lines = (line for line in node.log.splitlines() if ".RecoveryMonitorActor: " in line)
    return sum(text in line for line in lines)


def logged(server: EmbeddedValkey, node: NodeProcess, text: str) -> str:
    """
    Wait until a node has logged a text, and return its log.
    """
    server.wait_for(lambda _: text in node.log)
    return node.log


def beats(server: EmbeddedValkey) -> int:
    with server.client() as client:
        return int(client.hget(FENCE, "beats") or 0)


def beaten(server: EmbeddedValkey, more: int = 2) -> None:
    """
    Wait for some heartbeats.
    """
    until = beats(server) + more
    server.wait_for(lambda _: beats(server) >= until)


@contextlib.contextmanager
def trading(venue: PaperVenue, server: EmbeddedValkey, **fields: Any) -> Iterator[NodeProcess]:
    """
    Run a node that has stored a position, a stop and checkpoints.
    """
    with started(venue, server, **fields) as node:
        node.wait_for("enabled")
        server.wait_for(lambda client: client.keys(f"trader-{TRADER_ID}:positions:*"))
        server.wait_for(lambda client: len(client.keys(f"trader-{TRADER_ID}:orders:*")) > 1)
        beaten(server)
        yield node


def flushed(server: Server, _: Path) -> None:
    server.flush()


def killed_and_empty(server: Server, _: Path) -> None:
    server.kill()
    server.start()


def gone_back(server: Server, kept: Path) -> None:
    server.go_back(kept)


@pytest.mark.parametrize("is_leased", [True, False], ids=["lease", "no lease"])
@pytest.mark.parametrize("lose", [flushed, killed_and_empty, gone_back])
@pytest.mark.long
def test_lost_writes_are_noticed_and_the_next_start_knows(
    venue: PaperVenue,
    own: Server,
    kept: Path,
    lose: Callable[[Server, Path], None],
    *,
    is_leased: bool,
) -> None:
    """The warning stands until the process ends; what monitor and strategies keep comes back."""
    with trading(venue, own, monitor={"lease": is_leased}) as node:
        own.keep_snapshot(kept)
        beaten(own, 3)
        assert status(own) == OPEN
        lose(own, kept)
        assert seen(node, "LOST") < 2 * HEARTBEAT_SECS + SLACK_SECS
        assert becomes(own, UNSTORED) < HEARTBEAT_SECS + SLACK_SECS
        logged(own, node, "Stored in Redis again")
        assert told(node, "Redis has lost ") == 1
        beaten(own)
        assert status(own) == UNSTORED
        assert told(node, "Redis has lost ") == 1
        node.kill()
        numbers = [fact["number"] for fact in node.facts if fact["fact"] == "began"]
        epoch = next(fact["epoch"] for fact in node.facts if fact["fact"] == "result")

    with started(venue, own, monitor={"lease": is_leased}) as again:
        result = again.wait_for("result")
        assert result["kinds"].count("STALE_CACHE") == 1
        assert result["epoch"] > epoch
        assert not result["is_stale"]
        assert again.facts[0]["number"] > numbers[0]  # The checkpoint was stored again
        assert "RECOVERY_STALE_CHECKPOINT" not in (result["hold"] or "")
        again.kill()


def full(server: Server) -> None:
    server.set(maxmemory=1, maxmemory_policy="noeviction")


def not_full(server: Server) -> None:
    server.set(maxmemory=0)


def alone(server: Server) -> None:
    server.set(min_replicas_to_write=1)


def not_alone(server: Server) -> None:
    server.set(min_replicas_to_write=0)


def demoted(server: Server) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")


def promoted(server: Server) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "NO", "ONE")


def failing_snapshots(server: Server) -> None:
    directory = server.snapshot.parent / "gone"
    server.set(save="3600 1", stop_writes_on_bgsave_error="yes")
    with server.client() as client:
        directory.mkdir()
        # The directory is a protected setting: what is in the way is a directory of that name
        (server.snapshot).mkdir()
        client.bgsave()
    server.wait_for(lambda client: client.info("persistence")["rdb_last_bgsave_status"] == "err")


def working_snapshots(server: Server) -> None:
    server.snapshot.rmdir()
    with server.client() as client:
        client.bgsave()
    server.wait_for(lambda client: client.info("persistence")["rdb_last_bgsave_status"] == "ok")


@pytest.mark.parametrize(
    ("refuse", "accept", "code", "kind"),
    [
        (full, not_full, "OOM", "REFUSED"),
        (alone, not_alone, "NOREPLICAS", "REFUSED"),
        (failing_snapshots, working_snapshots, "MISCONF", "REFUSED"),
        (demoted, promoted, "READONLY", "REPLICA"),
    ],
)
@pytest.mark.long
def test_refused_writes_are_noticed_and_end_when_they_end(
    venue: PaperVenue,
    own: Server,
    refuse: Callable[[Server], None],
    accept: Callable[[Server], None],
    code: str,
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The heartbeat cannot say so, it is refused too: `status` tries whether it could write."""
    with trading(venue, own, monitor={"lease": False}) as node:
        assert status(own) == OPEN
        refuse(own)
        assert seen(node, "REFUSED") < 2 * HEARTBEAT_SECS + SLACK_SECS
        assert seen(node, kind) < SLACK_SECS
        assert becomes(own, UNSTORED) < 2 * HEARTBEAT_SECS + SLACK_SECS
        assert re.search(f"REFUSED since .*{code}", capsys.readouterr().out)
        assert told(node, "Redis refuses what this node writes") == 1
        accept(own)
        assert seen(node, kind, is_over=True) < 2 * HEARTBEAT_SECS + SLACK_SECS
        assert seen(node, "REFUSED", is_over=True) < SLACK_SECS
        assert becomes(own, OPEN) < 2 * HEARTBEAT_SECS + SLACK_SECS
        assert told(node, "Redis accepts writes again") == 1
        assert told(node, "Redis has lost ") == 0
        node.kill()


@pytest.mark.long
def test_a_restart_that_loses_nothing_is_only_mentioned(venue: PaperVenue, own: Server) -> None:
    """With what was written until the last heartbeat, it is the same server."""
    with trading(venue, own, monitor={"heartbeat_secs": 2.0}) as node:
        own.wait_for(lambda _: beats(own) >= 3)
        beaten(own, 1)  # The next heartbeat is two seconds away
        own.save()
        own.kill()
        own.start()
        own.wait_for(lambda _: told(node, "Redis was restarted"))
        assert told(node, "Redis has lost ") == 0
        node.kill()


def test_a_server_that_does_not_answer_is_told_once(venue: PaperVenue, own: Server) -> None:
    """And once more when it is back."""
    with trading(venue, own, monitor={"lease": False}) as node:
        own.save()
        own.kill()
        seen(node, "AWAY")
        assert status(own) == NO_HEARTBEAT
        own.start()
        seen(node, "AWAY", is_over=True)
        assert told(node, "Redis does not answer") == 1
        node.kill()


def newest_order(venue: PaperVenue) -> float:
    return max(made_at(one) or 0 for one in venue.submitted())


@pytest.mark.parametrize("way_out", ["start", "forget"])
@pytest.mark.long
def test_a_checkpoint_of_a_store_that_went_back_while_the_node_was_away_is_held(
    venue: PaperVenue, own: Server, kept: Path, way_out: str
) -> None:
    """Until somebody does what the reason says, however often the node starts."""
    with trading(venue, own, order_secs=0.5) as node:
        own.keep_snapshot(kept)
        until = time.time() + 5.0  # Longer than a heartbeat may be late
        own.wait_for(lambda _: newest_order(venue) > until)
        node.kill()
    own.go_back(kept)

    log = ""
    for _ in range(2):
        with started(venue, own) as again:
            result = again.wait_for("result")
            log = logged(own, again, "Trading stays disabled until the next start")
            assert result["outcome"] is not None
            assert not [fact for fact in again.facts if fact["fact"] == "enabled"]
            again.kill()
    reason = next(line for line in log.splitlines() if "RECOVERY_STALE_CHECKPOINT" in line)
    (forget,) = re.findall(r"`nautilus-recovery (forget [^`]+)`", reason)
    if way_out == "forget":
        names = ["--apply", "--trader", TRADER_ID, "--redis", own.url]
        own.wait_for(lambda _: main([*forget.split(), *names]) == 0)  # Once the heartbeat is old

    fields: dict[str, Any] = {"on_bad_checkpoint": "start"} if way_out == "start" else {}
    with started(venue, own, **fields) as last:
        last.wait_for("enabled")
        (number,) = (fact["number"] for fact in last.facts if fact["fact"] == "began")
        assert (number == 0) == (way_out == "forget")
        beaten(own)  # One that says that its recovery has completed
        last.kill()
    with started(venue, own) as last:
        last.wait_for("enabled")
        last.kill()


@pytest.mark.long
def test_the_first_start_after_that_says_why(venue: PaperVenue, own: Server, kept: Path) -> None:
    """The venue knows orders of this trader that are newer than all that is stored."""
    with trading(venue, own, order_secs=0.5) as node:
        own.keep_snapshot(kept)
        until = time.time() + 5.0
        own.wait_for(lambda _: newest_order(venue) > until)
        node.kill()
        epoch = next(fact["epoch"] for fact in node.facts if fact["fact"] == "result")
    own.go_back(kept)
    with started(venue, own) as again:
        result = again.wait_for("result")
        ((knows, has),) = result["stale"]
        assert knows.startswith("own orders made until ")
        assert has.startswith("newest entry of ")
        assert result["is_stale"]
        assert result["epoch"] > epoch
        again.kill()


def test_what_a_start_finds_beside_the_cache_counts(venue: PaperVenue, own: Server) -> None:
    """Epochs never go back, also where the cache has forgotten them."""
    with trading(venue, own) as node:
        node.kill()
    with own.client() as client:
        client.delete(*client.keys(f"trader-{TRADER_ID}:general:*"))
        client.hset(FENCE, "epoch", 41)
        # Later than what is stored, by a run that was not just beginning
        client.hset(FENCE, "beat", time.time_ns() + 60 * 10**9)
    with started(venue, own) as again:
        result = again.wait_for("result")
        assert result["epoch"] == 42
        ((knows, _),) = result["stale"]
        assert knows == "recovery epoch 41 beside the cache"
        assert int(_fence(own)["epoch"]) == 42
        again.kill()


def _fence(server: EmbeddedValkey) -> dict[str, str]:
    with server.client(decode_responses=True) as client:
        fence: dict[str, str] = client.hgetall(FENCE)
        return fence


@pytest.mark.sampled(1)
@pytest.mark.parametrize("away_secs", [0.0, 1.0])
def test_a_kill_alone_makes_no_cache_old(venue: PaperVenue, own: Server, away_secs: float) -> None:
    """What a kill keeps from being stored is younger than a heartbeat may be late."""
    with trading(venue, own, order_secs=0.05) as node:
        beaten(own, 2 + int(away_secs))
        node.kill()
    with started(venue, own) as again:
        result = again.wait_for("result")
        assert "STALE_CACHE" not in result["kinds"]
        assert not result["is_stale"]
        again.wait_for("enabled")
        again.kill()


def test_the_heartbeat_of_a_new_monitor_is_read_by_an_old_one() -> None:
    """The new fields are optional, and unknown ones are passed over."""
    old = msgspec.json.decode(b'{"ts":1,"epoch":2,"phase":"COMPLETE"}', type=Heartbeat)
    assert (old.storage, old.beats) == (None, None)


@pytest.mark.long
def test_what_came_back_under_external_is_claimed(venue: PaperVenue, own: Server) -> None:
    """Claimed, it belongs to its strategy again; and the start after that reports nothing."""
    claims: dict[str, Any] = {"external_order_claims": ["ETHUSDT-PERP.PAPER"]}
    with trading(venue, own) as node:
        own.flush()
        logged(own, node, "Stored in Redis again")
        beaten(own)
        node.kill()
    with started(venue, own, **claims) as again:
        result = again.wait_for("result")
        assert "STALE_CACHE" in result["kinds"]
        again.wait_for("enabled")
        beaten(own)
        again.kill()
    with started(venue, own, **claims) as last:
        result = last.wait_for("result")
        assert not {"STALE_CACHE", "UNCLAIMED_POSITION"} & set(result["kinds"])
        last.wait_for("enabled")
        last.kill()


@pytest.mark.parametrize("lose", [flushed, gone_back])
@pytest.mark.long
def test_what_a_loss_leaves_is_foretold_and_never_stops_a_start_for_good(
    venue: PaperVenue, own: Server, kept: Path, lose: Callable[[Server, Path], None]
) -> None:
    """Events that come after a loss are appended to what is not there, or to what is older."""
    with trading(venue, own, order_secs=0.2) as node:
        own.keep_snapshot(kept)
        beaten(own, 3)
        lose(own, kept)
        seen(node, "LOST")
        until = len(venue.submitted()) + 3
        own.wait_for(lambda _: len(venue.submitted()) > until)
        node.kill()
    if not is_startable(own, TRADER_ID):
        names = ["--apply", "--trader", TRADER_ID, "--redis", own.url]
        own.wait_for(lambda _: main(["forget", "--all-that-stop", *names]) == 0)
        assert is_startable(own, TRADER_ID)
    with started(venue, own, on_bad_checkpoint="start") as again:
        result = again.wait_for("result")
        assert "STALE_CACHE" in result["kinds"]
        again.wait_for("enabled")
        again.kill()
