import msgspec
import pytest

from nautilus_recovery_actor.console.report_tables import in_full
from nautilus_recovery_actor.console.report_tables import table
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.outside.record.rows import Row
from nautilus_recovery_actor.outside.record.rows import row
from tests.core.builders import discrepancy
from tests.core.builders import full_report


SEC = 1_000_000_000
START = 1_795_410_858 * SEC  # 2026-11-23 05:14:18 UTC
PLAIN = RecoveryReport(
    "LIVE-001",
    "R",
    7,
    "startup",
    RecoveryOutcome.CLEAN,
    ts_started=START,
    ts_completed=START + 1_250_000_000,
)


def of(**fields: object) -> Row:
    return row(msgspec.structs.replace(PLAIN, **fields))


def test_a_first_start_is_a_plain_row() -> None:
    """
    Times are UTC.
    """
    assert of() == Row("7", "2026-11-23 05:14:18", "1.2 s", "CLEAN", "No earlier run on record")


def test_a_restart_tells_how_long_the_node_was_away_and_how_it_had_ended() -> None:
    """
    A run that left no mark of a clean stop was killed.
    """
    alive = START - 11_520 * SEC
    assert of(ts_last_alive=alive, clean_shutdown=False).story == (
        "Away for 3 h 12 min, not stopped cleanly"
    )
    assert of(ts_last_alive=alive, clean_shutdown=True).story == (
        "Away for 3 h 12 min, stopped cleanly"
    )


def test_a_recovery_at_run_time_was_not_away() -> None:
    """
    It tells what opened it.
    """
    assert of(trigger="mass_status", ts_last_alive=1).story == "At run time (mass_status)"


def test_a_failure_is_the_result() -> None:
    """
    In place of an outcome; a report that has neither is not known.
    """
    assert of(outcome=None, failure=FailureReason.TIMEOUT).result == "TIMEOUT"
    assert of(outcome=None).result == "UNFINISHED"


@pytest.mark.parametrize(
    ("secs", "told"), [(0.0, "0.0 s"), (59.9, "59.9 s"), (60.0, "1 min"), (-5.0, "0.0 s")]
)
def test_what_it_took(secs: float, told: str) -> None:
    """
    A recovery without an end took nothing that is known.
    """
    assert of(ts_completed=START + int(secs * SEC)).took == told
    assert of(ts_completed=None).took == "-"


def test_all_that_was_found_is_counted() -> None:
    """
    Differences by severity, those that went away aside; what is blocked and released by name.
    """
    report = msgspec.structs.replace(
        full_report(),
        fill_counts={FillOrigin.VENUE: 2, FillOrigin.SYNTHETIC: 1},
        discrepancies=(
            discrepancy(severity=Severity.INFO),
            discrepancy(severity=Severity.BLOCK),
            discrepancy(severity=Severity.BLOCK),
            discrepancy(severity=Severity.BLOCK, resolved=True),
        ),
    )
    assert row(report).story.split(". ")[1:] == [
        "Corrected: 2 DUPLICATE_FILL",
        "Repairs: 1 proven",
        "Reconciled fills: 2 VENUE, 1 SYNTHETIC",
        "Differences: 2 BLOCK, 1 INFO, 1 resolved",
        "Lost orders: 1",
        "Blocked: BTCUSDT.PAPER",
        "Released: BTCUSDT.PAPER",
        "In shadow mode: nothing is blocked",
    ]


def test_many_names_are_cut_short() -> None:
    """
    A row stays readable.
    """
    for blocked, text in (
        (("A", "B"), "A, B"),
        (tuple("ABCDE"), "A, B, C, D, E"),
        (tuple("ABCDEFG"), "A, B, C, D, E and 2 more"),
    ):
        assert of(blocked_instruments=blocked).story.endswith(f". Blocked: {text}")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_fits_its_width(width: int) -> None:
    """
    What is long goes on below, as far as there is room for a few words.
    """
    failed = of(outcome=None, failure=FailureReason.RECONCILIATION_FAILED)
    full = msgspec.structs.replace(full_report(), ts_completed=1_200)
    rows = [row(full), failed]
    lines = list(table(rows, width))
    assert all(len(line) <= max(width, 80) for line in lines)
    told = " ".join(lines).split()
    assert told[:7] == ["Epoch", "Began", "(UTC)", "Took", "Result", "What", "happened"]
    words = [word for one in rows for word in msgspec.structs.astuple(one)]
    assert told[7:] == " ".join(words).split()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_identifier_is_broken_in_a_row(width: int) -> None:
    """
    However little room there is: whoever copies it needs all of it.
    """
    names = ("PERP-WITH-A-LONG-NAME-20251226.VENUE_OF_ITS_OWN", "ETHUSDT-PERP.BINANCE")
    failed = of(
        outcome=None, failure=FailureReason.RECONCILIATION_FAILED, blocked_instruments=names
    )
    lines = list(table([failed], width))
    for name in names:
        assert any(name in line for line in lines)
    # One that is wider than the terminal is still in one piece
    assert max(map(len, lines)) <= max(width, 60)


def test_in_a_pipe_there_is_one_line_for_each() -> None:
    """
    However long it is.
    """
    told = row(full_report())
    lines = list(table([told, of()], None))
    assert len(lines) == 3
    assert lines[1].endswith(f"  {told.result}  {told.story}")
    assert lines[2].startswith("    7  2026-11-23 05:14:18  ")


def test_moments_are_utc() -> None:
    """
    With as many digits as are asked for.
    """
    assert moment(START + 123_456_789) == "2026-11-23 05:14:18"
    assert moment(START + 123_456_789, digits=3) == "2026-11-23 05:14:18.123"
    assert moment(-1) == "1969-12-31 23:59:59"


def test_one_in_full_tells_all() -> None:
    """
    Each part under its title, and nothing that is empty.
    """
    lines = list(in_full(full_report()))
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == [
        lines[0],
        "Accounts",
        "Corrections",
        "Repairs",
        "Positions",
        "Reconciled fills: 1 INFERRED, 2000 VENUE, the newest 1 in full",
        "Lost orders",
        "Differences: 1 BLOCK, 1 resolved",
        "Blocked",
        "Released by an operator",
        "Balances",
        "Trend-001",
    ]
    assert lines[0].startswith(f"Recovery epoch {full_report().epoch} ")
    text = "\n".join(lines)
    assert (
        "  INFERRED 1970-01-01 00:00:00 SELL 0.3 BTCUSDT.PAPER at 99.95, Trend-001, O-1 (V-1), "
        "trade T-1"
    ) in text
    assert "  BTCUSDT.PAPER released by desk@host from 1970-01-01 00:00:00 to 1970-01-01 " in text
    assert (
        "reported 1970-01-01 00:00:00; open orders: 1, fills: 2, positions: 3; "
        "answered alike: 2 answers, the last at 00:00:00 UTC; connected"
    ) in text
    assert "  In shadow mode: nothing is blocked" in lines

    assert list(in_full(PLAIN)) == [
        "Recovery epoch 7 CLEAN: ",
        "  No earlier run on record",
        "  Began 2026-11-23 05:14:18.000 UTC, took 1.2 s",
        "  Trader LIVE-001, recovery R",
    ]


def test_an_account_that_answered_without_a_mass_status_is_not_silent() -> None:
    """
    What it answered proves it all the same; a report of an older version lacks both.
    """
    account = AccountRecovery("A-1", "PAPER", ts_proof=36_192 * SEC, answers=2)
    proven = msgspec.structs.replace(PLAIN, accounts=(account,))
    line = "  A-1 (PAPER): no mass status; answered alike: 2 answers, the last at 10:03:12 UTC"
    assert line in list(in_full(proven))
    old = msgspec.structs.replace(PLAIN, accounts=(AccountRecovery("A-1", "PAPER"),))
    assert "  A-1 (PAPER): did not report" in list(in_full(old))
