"""
What a canary tells of a server: a model of one that may lose, refuse, restart and come back.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.enums import StorageTrouble as Trouble
from nautilus_recovery_actor.core.storage import Keeping
from nautilus_recovery_actor.core.storage import Notice
from nautilus_recovery_actor.core.storage import Sight
from nautilus_recovery_actor.core.storage import looked
from nautilus_recovery_actor.core.storage import refusal


def follow(*sights: Sight, keeping: Keeping | None = None) -> tuple[Keeping, list[Notice]]:
    """
    Return what is known after some looks, one a second, and all that was told.
    """
    told: list[Notice] = []
    keeping = keeping or Keeping()
    for now, sight in enumerate(sights, 1):
        keeping, notices = looked(keeping, sight, now)
        told += notices
    return keeping, told


def kept(count: int, **fields: Any) -> Sight:
    return Sight(**{"count": count, "written": count + 1, "run_id": "a", **fields})


def kinds(told: list[Notice]) -> list[tuple[Trouble, bool]]:
    return [(one.incident.kind, one.incident.is_over) for one in told if one.incident is not None]


def test_a_server_that_keeps_everything_is_not_mentioned() -> None:
    """Somebody else may write too: the count is only ever higher then."""
    keeping, told = follow(kept(0), kept(1), kept(2), kept(7), kept(8))
    assert (keeping.count, keeping.ts, keeping.incidents, told) == (9, 5, (), [])
    assert keeping.ts_gap is None


def test_what_a_first_look_finds_is_no_loss() -> None:
    """Whatever the server has of runs before."""
    assert follow(kept(40))[1] == follow(kept(0))[1] == []


def test_an_emptied_server_is_told_once_and_stands() -> None:
    """What was stored before is missing until somebody stores it again."""
    keeping, told = follow(kept(0), kept(1), kept(0), kept(1), kept(2))
    assert kinds(told) == [(Trouble.LOST, False)]
    assert told[0].severity is Severity.WARN
    assert told[0].text.startswith("Redis has lost everything that this node wrote: it was emptied")
    assert (keeping.ts_gap, keeping.is_to_be_rewritten) == (0, True)
    later = keeping.rewritten()
    assert not later.is_to_be_rewritten
    assert later.incident(Trouble.LOST) is not None


def test_a_second_loss_is_told_too() -> None:
    """What was stored again after the first is gone again."""
    keeping, told = follow(kept(0), kept(1), kept(0), kept(1), kept(0))
    assert kinds(told) == [(Trouble.LOST, False)] * 2
    assert [one.ts for one in keeping.incidents] == [5]


def test_an_older_state_says_how_much_is_missing() -> None:
    """In heartbeats, which is what was counted."""
    _, told = follow(kept(8), kept(9), kept(4, run_id="b"))
    assert "It was restarted, or is another one. Redis has lost" in told[0].text
    assert "heartbeats missing: 6 of the last 10" in told[0].text


def test_a_loss_is_seen_also_where_nothing_can_be_written() -> None:
    """By a node whose lease went with the rest, and by one that is refused."""
    refused = Sight(count=0, refused="OOM full", run_id="a")
    assert kinds(follow(kept(0), Sight(count=0, run_id="a"))[1]) == [(Trouble.LOST, False)]
    told = follow(kept(0), refused, refused)[1]
    assert kinds(told) == [(Trouble.LOST, False), (Trouble.REFUSED, False)]


def test_a_restart_that_loses_nothing_is_only_mentioned() -> None:
    """It has all that was written until the last heartbeat."""
    _, told = follow(kept(0), kept(1, run_id="b"), kept(2, run_id="b"))
    assert [(one.severity, one.incident) for one in told] == [(Severity.INFO, None)]
    assert told[0].text.startswith("Redis was restarted")
    unknown = follow(kept(0), kept(1, run_id=""), kept(2))
    assert unknown[1] == []


def test_refused_writes_end_when_they_end() -> None:
    """What was refused stays missing: what was sent since the last good heartbeat may be."""
    refused = Sight(count=2, refused="NOREPLICAS Not enough good replicas to write.", run_id="a")
    keeping, told = follow(kept(0), kept(1), refused, refused, kept(2))
    assert kinds(told) == [(Trouble.REFUSED, False), (Trouble.REFUSED, True)]
    assert [one.severity for one in told] == [Severity.WARN, Severity.INFO]
    assert "min-replicas-to-write" in told[0].text
    assert (keeping.incidents, keeping.ts_gap) == ((), 2)


def test_a_refusal_does_not_end_while_nothing_is_tried() -> None:
    """Without the lease nothing is written, and so nothing refused."""
    refused = Sight(count=1, refused="OOM", run_id="a")
    keeping, told = follow(kept(0), refused, Sight(count=1, run_id="a"))
    assert kinds(told) == [(Trouble.REFUSED, False)]
    assert keeping.incident(Trouble.REFUSED) is not None
    assert kinds(follow(kept(1), keeping=keeping)[1]) == [(Trouble.REFUSED, True)]


def test_each_reason_of_a_refusal_has_its_remedy() -> None:
    """In one line, whatever the server says."""
    texts = {code: refusal(f"{code} no\nway", 1).text for code in ("OOM", "MISCONF", "BUSY")}
    assert "raise `maxmemory`" in texts["OOM"]
    assert "look at its disk" in texts["MISCONF"]
    assert texts["BUSY"] == (
        "Redis refuses what this node writes, so that it is lost (BUSY no way): look at its log"
    )


def test_a_replica_is_told_though_it_takes_writes() -> None:
    """They are gone with the next synchronization."""
    replica = kept(1, is_replica=True)
    _, told = follow(kept(0), replica, kept(2, is_replica=True), kept(3))
    assert kinds(told) == [(Trouble.REPLICA, False), (Trouble.REPLICA, True)]


def test_silence_is_told_once_and_judges_nothing() -> None:
    """What was asked last may have been written or not."""
    away = Sight(away="Connection refused")
    _, told = follow(kept(0), away, away, kept(1))
    assert kinds(told) == [(Trouble.AWAY, False), (Trouble.AWAY, True)]
    assert kinds(follow(kept(0), away, kept(2))[1])[-1] == (Trouble.AWAY, True)


EVENTS = st.sampled_from(
    ["beat", "beat", "other", "flush", "back", "full", "free", "away", "restart"]
)


@given(st.lists(EVENTS, max_size=40))
def test_a_loss_is_told_at_the_next_look_and_nothing_else_is_a_loss(events: list[str]) -> None:
    """
    A server that counts: whatever befalls it, LOST is told exactly where what it acknowledged to
    this node is missing, REFUSED and AWAY stand exactly while they last, and each is told once.
    """
    server, snapshot, acknowledged, run, is_full = 0, 0, 0, 0, False
    keeping, expected = Keeping(), False
    for now, event in enumerate(events, 1):
        match event:
            case "other":
                server += not is_full
            case "flush":
                server = 0
            case "back":
                server, snapshot = snapshot, server
            case "restart":
                run += 1
            case "full" | "free":
                is_full = event == "full"
        if event not in ("beat", "away"):
            continue
        sight = Sight(away="gone")
        is_lost = False
        if event == "beat":
            is_lost = server < acknowledged
            written = None if is_full else server + 1
            refused = "OOM" if is_full else ""
            sight = Sight(count=server, written=written, refused=refused, run_id=str(run))
            server = written or server
            acknowledged = written or min(acknowledged, server)
        before = keeping
        keeping, told = looked(keeping, sight, now)
        expected |= is_lost
        assert ((Trouble.LOST, False) in kinds(list(told))) == is_lost
        assert (keeping.incident(Trouble.LOST) is not None) == expected
        assert (keeping.incident(Trouble.AWAY) is not None) == (event == "away")
        if event == "beat":
            assert (keeping.incident(Trouble.REFUSED) is not None) == is_full
        changed = {one.kind for one in keeping.incidents} ^ {one.kind for one in before.incidents}
        assert changed <= {kind for kind, _ in kinds(list(told))}
        assert all("\n" not in one.text for one in told)
        assert (keeping.ts_gap == 0) >= expected
