"""
A node that runs: nothing of its cache is touched.
"""

import asyncio
import time

import pytest

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.running import why_not_stopped
from nautilus_recovery_actor.outside.store.keeping import Keeper
from nautilus_recovery_actor.outside.store.keeping import RefusedError
from nautilus_recovery_actor.outside.store.selection import Selection
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.cli.support import Recording
from tests.forget.support import GARBAGE
from tests.forget.support import POSITION
from tests.forget.support import TRADER
from tests.forget.support import Run
from tests.forget.support import stored
from tests.forget.support import until_written
from tests.forget.support import without_record
from tests.node.support import heir
from tests.node.support import watched


def test_it_is_refused_while_the_node_runs_and_not_after_its_stop(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """One line: which node, how old its heartbeat is, what to do. Nothing is written."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := heir(), trader_id=TRADER) as node:
            await node.result()
            await node.run.until(lambda: strategy.gate.is_open)
            strategy.submit_order(order := strategy.market())
            await node.run.until(lambda: order.is_closed)
            await until_written(node, valkey)
            before = without_record(stored(valkey))
            for what in (("--all-that-stop",), (POSITION,), ("--undo",)):
                code, out, err = await asyncio.to_thread(run, *what, "--apply")
                assert (code, out, err.count("\n")) == (1, "", 1)
                assert err.startswith(f"A node of {TRADER} runs, its last heartbeat is ")
                assert "stop it first" in err
            assert without_record(stored(valkey)) == before

    asyncio.run(scenario())
    assert run(POSITION, "--apply")[0] == 0


@pytest.mark.parametrize(
    ("age_secs", "is_stopped", "why"),
    [
        (1.0, False, "runs, its last heartbeat is 1 s old"),
        (1.0, True, None),
        (16.0, False, None),
        (-3_600.0, False, "in the future"),
    ],
)
def test_a_node_counts_as_stopped_by_its_last_heartbeat(
    valkey: EmbeddedValkey, run: Run, age_secs: float, is_stopped: bool, why: str | None
) -> None:
    """By the rule of `status`: three of its intervals, and clocks that differ prove nothing."""
    record = Recording(valkey, TRADER)
    ts = time.time_ns() - int(age_secs * 1e9)
    ended = "true" if is_stopped else "false"
    record.add(
        "recovery:heartbeat",
        b'{"ts":%d,"epoch":1,"phase":"COMPLETE","interval_secs":5.0,"is_stopped":%s}'
        % (ts, ended.encode()),
    )
    record.add("mine", b"x")
    code, _, err = run("general:mine", "--apply")
    assert code == (0 if why is None else 1)
    assert (why or "") in err
    assert (record.get("mine") is None) is (why is None)


def test_a_heartbeat_that_cannot_be_read_is_in_the_way_until_it_is_forgotten(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """Nothing says then whether a node runs, so the operator does."""
    record = Recording(valkey, TRADER)
    record.add("recovery:heartbeat", GARBAGE)
    record.add("mine", b"x")
    code, _, err = run("mine", "--apply")
    assert (code, err.count("\n")) == (1, 1)
    assert "cannot be read" in err
    assert run("general:recovery:heartbeat", "mine", "--apply")[0] == 1
    assert run("general:recovery:heartbeat", "--apply")[0] == 0
    assert run("mine", "--apply")[0] == 0
    assert run("--undo", "--apply")[0] == 0
    assert record.get("mine") == b"x"


def test_a_node_that_starts_while_it_is_asked_stops_it(
    valkey: EmbeddedValkey, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes between the question and the answer, nothing is changed on old knowledge."""
    record = Recording(valkey, TRADER)
    record.add("mine", b"x")
    record.add("other", b"x")

    def answer_after(key: str) -> None:
        def answer(_: str) -> str:
            record.add(key, b"%d" % time.time_ns())
            return "y"

        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", answer)

    for key in ("recovery:heartbeat", "mine"):
        record.client.delete(record.key("recovery:heartbeat"))
        answer_after(key)
        code, _, err = run("mine")
        assert (code, err.count("\n")) == (1, 1)
        assert err.startswith("Nothing was changed: somebody else has just written")
        assert record.get("mine") is not None
    record.client.delete(record.key("recovery:heartbeat"))
    answer_after("other")
    assert run("mine")[0] == 0
    assert record.get("mine") is None


def test_an_event_that_comes_before_the_entry_is_watched_stops_it_too(
    valkey: EmbeddedValkey,
) -> None:
    """It was counted when it was read, and is counted again."""
    key = f"trader-{TRADER}:orders:O-1"
    with valkey.client() as client:
        client.rpush(key, b"one")
        namespace = Namespace(trader_id=TRADER)
        keeper = Keeper(client, namespace)
        selection = Selection(client, namespace)
        selection.add_named([b"orders:O-1"], with_orders=False)
        client.rpush(key, b"two")
        with pytest.raises(RefusedError, match="somebody else has just written"):
            keeper.watch(selection.taken)
        keeper.close()


def test_a_trader_without_a_heartbeat_is_taken_for_stopped(valkey: EmbeddedValkey) -> None:
    """A node without a monitor leaves none."""
    record = Recording(valkey, "PLAIN-1")
    assert why_not_stopped(valkey.client(), record._namespace) is None
