"""
A start that stored entries stop: it says what to do, or does it, and keeps what it takes.
"""

import asyncio
import re
import signal
import time
from collections.abc import Callable

import msgspec
import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.forget.support import POSITION
from tests.forget.support import PREFIX
from tests.forget.support import TRADER
from tests.forget.support import again
from tests.forget.support import is_startable
from tests.forget.support import left_behind
from tests.forget.support import stored
from tests.forget.support import without_record
from tests.forget.test_start import run_twice
from tests.supervised.support import Supervised
from tests.supervised.support import place


@pytest.fixture
def venue(venue: PaperVenue) -> PaperVenue:
    venue.set_price("BTCUSDT-PERP", 50_000)
    return venue


@pytest.fixture
def twice(venue: PaperVenue, valkey: EmbeddedValkey) -> Callable[[], int]:
    """
    Leave a position behind whose fill two nodes have written, and return what counts its events.
    """
    left_behind(venue, valkey)
    with valkey.client() as client:
        again(client, POSITION, 0)
    assert not is_startable(valkey)

    def count() -> int:
        with valkey.client() as client:
            return int(client.llen(POSITION))

    return count


def test_without_healing_the_line_says_what_heals(
    venue: PaperVenue, valkey: EmbeddedValkey, twice: Callable[[], int]
) -> None:
    """No restart helps, and nothing is changed."""
    before = stored(valkey)
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        assert run.code() == 65
        (line,) = run.said
        assert line.startswith(f"Stored entries stop the start of {TRADER}: ")
        assert f"{POSITION.removeprefix(PREFIX)} (" in line
        assert f"`nautilus-recovery forget --all-that-stop --trader {TRADER}`" in line
        assert "run_supervised(..., heal=True)" in line
    assert stored(valkey) == before


def test_what_two_nodes_wrote_is_healed_before_the_node_is_made(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    twice: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The node starts with what happened, and the undo puts all of it back."""
    before = without_record(stored(valkey))
    with Supervised("traded", options={"heal": True}, redis=place(valkey), port=venue.port) as run:
        run.until("Recovery epoch 2 CLEAN")
        run.signal(signal.SIGTERM)
        assert run.code() == 0, run.log
        healed, kept = run.said
        assert "1 of its 3 events taken out" in healed
        found = re.fullmatch(
            rf"what was taken out is kept as (\S+), and put back by "
            rf"`nautilus-recovery forget --undo \1 --trader {TRADER}`",
            kept,
        )
        assert found is not None
    assert twice() == 2
    monkeypatch.setenv("REDIS_URL", valkey.url)
    assert main(["forget", "--undo", found[1], "--trader", TRADER, "--apply"]) == 0
    assert without_record(stored(valkey))[POSITION.encode()] == before[POSITION.encode()]


@pytest.mark.long
def test_what_two_running_nodes_of_one_trader_wrote_is_healed(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Both have appended the same fill to the same lists, and no node starts without healing."""
    orders = left_behind(venue, valkey)
    asyncio.run(run_twice(venue, valkey, orders["bid"].rpartition(":")[2]))
    assert not is_startable(valkey)
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        assert run.code() == 65
    with Supervised("traded", options={"heal": True}, redis=place(valkey), port=venue.port) as run:
        run.until(" CLEAN")
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        assert all(line.startswith("healed ") for line in run.said[:-1])
    with Supervised("traded", redis=place(valkey), port=venue.port) as run:
        run.until(" CLEAN")


def test_nothing_is_healed_while_a_node_runs(
    venue: PaperVenue, valkey: EmbeddedValkey, twice: Callable[[], int]
) -> None:
    """It would go on writing: to be tried again when it is gone."""
    beat = Heartbeat(ts=time.time_ns(), epoch=1, phase=RecoveryPhase.COMPLETE)
    with valkey.client() as client:
        client.set(f"{PREFIX}general:recovery:heartbeat", msgspec.json.encode(beat))
    with Supervised("traded", options={"heal": True}, redis=place(valkey), port=venue.port) as run:
        assert run.code() == 75
        (line,) = run.said
        assert line.startswith(
            f"Stored entries stop the start of {TRADER}, and were not healed: A node of {TRADER} "
            f"runs"
        )
    assert twice() == 3


@pytest.mark.long
def test_a_cache_without_a_fault_is_left_as_it_is(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Nothing is taken, kept or said."""
    left_behind(venue, valkey)
    with Supervised("traded", options={"heal": True}, redis=place(valkey), port=venue.port) as run:
        run.until("Recovery epoch 2 CLEAN")
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        assert run.said == []
    assert not stored(valkey, f"{PREFIX}forgotten:")
