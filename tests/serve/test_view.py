"""
What a page shows of a trader, whatever is in its report.
"""

import time

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import StorageTrouble
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.status import node_status
from nautilus_recovery_actor.serve import view
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.board import Server
from nautilus_recovery_actor.serve.verdict import verdict
from tests.serve.world import BLOCKING
from tests.serve.world import BTC
from tests.serve.world import ETH
from tests.serve.world import NAKED
from tests.serve.world import PLANNED
from tests.serve.world import SEC
from tests.serve.world import ended


NOW = time.time_ns()


def seen(trader_id: str = "LIVE-001", trouble: str = "", **fields: object) -> Seen:
    """
    Return a trader as it was read: what is named of its report or of its heartbeat, it has.
    """
    report = ended(trader_id)
    of_report = {name: fields.pop(name) for name in list(fields) if hasattr(report, name)}
    report = msgspec.structs.replace(report, **of_report)
    beat = Heartbeat(ts=NOW, epoch=7, phase=RecoveryPhase.COMPLETE, interval_secs=5.0)
    beat = msgspec.structs.replace(beat, **fields)
    status = node_status(trader_id, Record(heartbeat=beat, report=report), NOW)
    return Seen(
        server="redis:6379",
        trader_id=trader_id,
        status=status,
        report=report,
        ts_read=NOW,
        trouble=trouble,
    )


def lines(one: Seen) -> list[str]:
    return [line.text for line in view.row(one).lines]


def test_who_is_well_needs_no_line() -> None:
    """
    Nothing to read where nothing is to be done.
    """
    row = view.row(seen())
    assert (row.light, row.may_trade, row.state, row.lines) == (Light.GREEN, "yes", "ADJUSTED", ())


def test_a_venue_that_does_not_answer_is_not_all_well() -> None:
    """
    Though nothing is blocked yet.
    """
    row = view.row(seen(ts_unanswered=NOW - 20 * SEC))
    assert row.light is Light.AMBER
    assert row.lines[0].text.startswith("A venue has not answered since ")


def test_what_is_released_may_be_traded_and_is_told() -> None:
    """
    Until when, too.
    """
    one = Override(BTC, "Checked", "desk@host", NOW - SEC, NOW + 900 * SEC)
    row = view.row(seen(blocked_instruments=(BTC, ETH), overrides=(one,)))
    assert row.may_trade == "in part"
    assert row.lines[0].text == f"Blocked: {ETH}"
    assert f"{BTC}, released until" in row.lines[1].text
    assert view.row(seen(blocked_instruments=(BTC,), overrides=(one,))).may_trade == "yes"


def test_what_only_a_recovery_looks_for_is_dated_by_it() -> None:
    """
    Between recoveries nobody looks: it may be over, and a page must not say that it is so now.
    """
    concerns = tuple(
        msgspec.structs.replace(NAKED, kind=kind, cache="SELL 1 of S-1")
        for kind in (DiscrepancyKind.ORPHAN_EXIT, DiscrepancyKind.ABSENT_STRATEGY)
    )
    ts = 1_700_000_000 * SEC
    told = [line for line in lines(seen(discrepancies=concerns, ts_completed=ts)) if "S-1" in line]
    when = "at the last recovery (2023-11-14 22:13:20 UTC): SELL 1 of S-1"
    assert [when in line for line in told] == [True, True]


def test_words_stay_the_same_while_nothing_changes_but_time() -> None:
    """
    Else each page would get each trader each second.
    """
    silent = seen(ts=NOW - 60 * SEC)
    later = node_status(
        "LIVE-001",
        Record(
            heartbeat=Heartbeat(
                ts=NOW - 60 * SEC, epoch=7, phase=RecoveryPhase.COMPLETE, interval_secs=5.0
            ),
            report=silent.report,
        ),
        NOW + 100 * SEC,
    )
    assert silent.status.reason != later.reason
    assert view.row(silent) == view.row(msgspec.structs.replace(silent, status=later))


def test_a_server_that_loses_writes_is_the_first_thing_said() -> None:
    """
    Whoever restarts the node now loses more.
    """
    lost = StorageIncident(StorageTrouble.LOST, NOW, "writes are gone: do not restart")
    one = seen(storage=(lost,))
    assert view.row(one).light is Light.RED
    assert "writes are gone" in lines(one)[0]


def test_a_plan_is_told_once_and_with_what_it_ends() -> None:
    """
    With the command as it is given; other differences of the instrument share the plan.
    """
    advice = "A repair is planned: `nautilus-recovery repair`. Or by hand: forget it"
    one, two = (
        msgspec.structs.replace(BLOCKING, detail=advice, client_order_id=f"O-{n}") for n in range(2)
    )
    told = lines(seen(discrepancies=(one, two), blocked_instruments=(BTC,), repairs=(PLANNED,)))
    how = "`nautilus-recovery repair --trader LIVE-001`"
    assert told == [
        f"Blocked: {BTC}",
        f"{wording.difference(one)}. Repair planned, carried out by {how}: {PLANNED.detail}",
        wording.difference(two),
    ]
    elsewhere = msgspec.structs.replace(PLANNED, instrument_id=ETH)
    assert lines(seen(repairs=(elsewhere,))) == [
        f"{wording.repair_line(elsewhere)}: {how} carries it out"
    ]


def test_what_is_endless_is_cut() -> None:
    """
    One report must not be all of the page, nor take the time of the others.
    """
    large = msgspec.structs.replace(BLOCKING, detail="x" * 1_000_000)
    many = tuple(f"SYM{number}.BINANCE" for number in range(10_000))
    row = view.row(seen(discrepancies=(large,) * 1_000, blocked_instruments=many))
    assert len(row.lines) <= 21
    assert max(len(line.text) for line in row.lines) < 1_010
    assert (len(row.blocked), row.more_blocked) == (20, 9_999)
    assert "More differences that block, only in the report: 994" in lines(
        seen(discrepancies=(large,) * 1_000)
    )


def test_the_verdict_names_the_first_few() -> None:
    """
    And says what is the matter if it is one.
    """
    trouble = "redis:6379 cannot be read: Timeout"
    board = Board(ts=1, servers=(Server(name="redis:6379", ts_read=1, traders=5),))

    def text(*found: Seen) -> str:
        return verdict([view.row(one) for one in found], board).text

    well, gray = seen("A-1"), seen("B-1", trouble)
    assert text(well) == "A-1 may trade"
    assert text(gray) == "B-1 cannot be seen"
    assert text(well, well) == "All 2 may trade"
    assert text(gray, well) == "1 of 2 cannot be seen: B-1"
    assert text(gray, gray, gray, gray, well) == "4 of 5 cannot be seen: B-1, B-1, B-1 and 1 more"
    assert text() == "No trader on record yet"


def test_a_server_says_once_that_it_cannot_be_read() -> None:
    """
    And not at each of its traders again.
    """
    one = seen(trouble="redis:6379 cannot be read: Timeout")
    assert lines(one) == ["Redis:6379 cannot be read: Timeout"]
    row = view.row(one, frozenset({"redis:6379"}))
    assert (row.light, row.may_trade, row.lines) == (Light.GRAY, "unknown", ())
