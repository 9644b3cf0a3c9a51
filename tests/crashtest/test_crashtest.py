"""
The crash test: its plan, what it finds wrong, and a short run on real nodes.
"""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crashtest import claims
from crashtest.plan import MAX_DELAY_MS
from crashtest.plan import Meanwhile
from crashtest.plan import Moment
from crashtest.plan import plan


STATE: dict[str, Any] = {"version": 3, "signal": "2000.01"}


def test_a_seed_makes_one_plan() -> None:
    """The same seed makes the same kills, and a longer plan begins as a shorter one."""
    assert plan(7, 50) == plan(7, 50)
    assert plan(7, 50)[:6] == plan(7, 6)
    assert plan(7, 50) != plan(8, 50)


@pytest.mark.parametrize("seed", range(20))
def test_each_six_kills_have_six_moments_and_fifty_have_all_that_can_happen(seed: int) -> None:
    """No moment is left out, and each kill has a part of its entry to fill."""
    kills = plan(seed, 50)
    for first in range(0, 48, 6):
        assert {kill.moment for kill in kills[first : first + 6]} == set(Moment)
    assert {kill.meanwhile for kill in kills} == set(Meanwhile)
    assert [kill.number for kill in kills] == list(range(1, 51))
    for kill in kills:
        assert 0 < kill.part < kill.qty
        assert 0 <= kill.delay_ms <= MAX_DELAY_MS
        assert kill.moment is Moment.BEFORE_ACCEPT or not kill.is_answer_late
    assert len({kill.delay_ms for kill in kills}) > 10


@pytest.mark.parametrize(
    ("submitted", "bids", "wrong"),
    [
        (["O-1", "S-1", "O-2"], ["O-1", "O-2"], ""),
        (["O-1", "O-1"], ["O-1"], "O-1 came 2 times; signal 1 has 2 entries"),
        (["O-2", "O-3"], ["O-2", "O-3"], "signal 2 has 2 entries"),
        (["O-1", "O-4"], ["O-1", "O-4"], "O-4 was not decided on"),
    ],
)
def test_an_entry_that_came_twice_is_found(
    submitted: list[str], bids: list[str], wrong: str
) -> None:
    """Under one client order id, under another one, or out of nothing."""
    assert claims.once(submitted, {"O-1": "1", "O-2": "2", "O-3": "2"}, bids) == wrong


@pytest.mark.parametrize(
    ("sent", "cached", "wrong"),
    [
        ([], "1", ""),
        (["O-2", "S-2"], "1", "O-2, S-2 came while the instrument was blocked"),
        ([], "2.0", "blocked, though 2 is held here and there"),
    ],
)
def test_what_is_blocked_sends_nothing_and_has_a_cause(
    sent: list[str], cached: str, wrong: str
) -> None:
    """The engine really has the position wrong, and nothing goes out because of it."""
    assert claims.blocked(sent, Decimal(cached), Decimal(2)) == wrong


@pytest.mark.parametrize(
    ("held", "stops", "wrong"),
    [("2", "2.000", ""), ("2", "1", "2 is held, stops cover 1"), ("0", "1", "0 is held, stops")],
)
def test_stops_that_do_not_cover_the_position_are_found(held: str, stops: str, wrong: str) -> None:
    """Too few and too many are both wrong."""
    assert claims.protected(Decimal(held), Decimal(stops)).startswith(wrong)
    assert bool(claims.protected(Decimal(held), Decimal(stops))) is bool(wrong)


@pytest.mark.parametrize(
    ("restored", "stored", "seen_version", "wrong"),
    [
        (STATE, STATE, 3, ""),
        ({**STATE, "version": 2}, STATE, 2, "version 2 was restored, 3 was stored"),
        (STATE, STATE, 4, "version 3 was restored, 4 was stored before"),
        ({"version": 3}, {"version": 3}, 3, "version 3 was restored, there never was such a state"),
    ],
)
def test_a_state_that_is_not_the_newest_checkpoint_is_found(
    restored: dict[str, Any], stored: dict[str, Any], seen_version: int, wrong: str
) -> None:
    """An older one, one that went back, and one that nobody saved."""
    assert claims.state(restored, stored, seen_version, [STATE]) == wrong


def test_a_position_that_the_venue_does_not_hold_is_found() -> None:
    """The cache must hold what the venue holds."""
    assert claims.position(Decimal("1.5"), Decimal("1.500")) == ""
    assert claims.position(Decimal(1), Decimal(2)) == "the cache holds 1, the venue 2"


def test_a_node_killed_once_at_each_moment_recovers_each_time() -> None:
    """On real nodes: no order twice, nothing naked, the state and the position as they were."""
    ended = subprocess.run(
        [sys.executable, "-m", "crashtest", "--seed", "3", "--kills", "6"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ended.stderr == ""
    rows = re.findall(r"^ +\d .* ok +ok +ok +ok +\d+\.\d$", ended.stdout, re.MULTILINE)
    assert len(rows) == 6, ended.stdout
    assert all(any(f" {moment} " in row for row in rows) for moment in Moment)
    assert "6 of 6 kills ended as they should" in ended.stdout
    assert ended.returncode == 0
