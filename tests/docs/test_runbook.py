"""
Each row of the runbook is followed by a test that breaks a node in that way, does what the row
says, and ends with a node that trades. Nothing says that entries are to be deleted by hand.
"""

import re
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()

_STATUS = "test_runbook.py::test_a_status_of_0_or_1_or_2_needs_nothing_but_patience"
_CANNOT_START = (
    "test_runbook.py::test_a_node_that_cannot_start_does_once_what_stops_it_is_taken_out"
)
_BLOCKED = "test_runbook.py::test_a_blocked_instrument_is_repaired_while_the_others_trade"
SEEN = {
    "`status` 0, `CLEAN`": [_STATUS],
    "`status` 0, `ADJUSTED`": [_STATUS],
    "`status` 0, `DEGRADED`, blocked instruments": [_BLOCKED],
    "`status` 1": [_STATUS],
    "`status` 2": [_STATUS],
    "`status` 4, `LOST`": [
        "test_storage.py::test_lost_writes_are_noticed_and_the_next_start_knows"
    ],
    "`status` 4, `REFUSED` or `REPLICA`": [
        "test_storage.py::test_refused_writes_are_noticed_and_end_when_they_end"
    ],
    "`status` 3, the process runs": [
        "test_runbook.py::test_a_node_that_hangs_has_no_heartbeat_and_has_one_again"
    ],
    "`status` 3, no process": [_CANNOT_START],
    "`traders` or the board: `Two nodes`": [
        "../serve/test_twins.py::test_one_trader_on_two_servers_needs_somebody_until_one_is_stopped",
        "../serve/test_twins.py::test_the_list_of_traders_warns_of_those_that_run_twice",
    ],
    "the node is restarted again and again": [_CANNOT_START],
    "`check` 2, the node does not start": [_CANNOT_START],
    "orders denied, `RECOVERY_...`, while `status` is 0": [_BLOCKED],
    "Redis is down, the node runs": [
        (
            "../docs/test_redis.py::test_a_node_loses_the_first_write_into_a_dead_server_and_keeps_"
            "the_others"
        )
    ],
    "you do not understand it": [
        "test_runbook.py::test_a_naked_position_is_protected_at_the_venue_by_hand"
    ],
}
_MADE_UP = "test_advice.py::test_a_part_that_was_made_up_is_closed_or_forgotten"
_FLATTENED = "test_advice.py::test_what_no_single_entry_corrects_is_repaired_or_closed_at_the_venue"
DIFFERENCES = {
    "POSITION_QTY_MISMATCH": [_MADE_UP, _FLATTENED],
    "HEDGE_LEG_MISMATCH": [
        "test_advice.py::test_a_leg_that_differs_is_repaired_or_closed_at_the_venue",
        "test_advice.py::test_legs_that_a_strategy_netted_are_free_once_it_keeps_them_apart",
    ],
    "POSITION_NOT_AT_VENUE": [
        "test_advice.py::test_a_position_that_is_flat_at_the_venue_is_closed_or_forgotten",
        "test_advice.py::test_a_position_that_was_left_out_is_free_once_it_is_reported",
        "test_cash_accounts.py::test_a_position_of_coins_that_are_gone_is_forgotten",
        (
            "test_cash_accounts.py::test_a_margin_account_that_never_reports_positions_is_released_"
            "by_hand"
        ),
    ],
    "INSTRUMENT_NOT_LOADED": [
        "test_advice.py::test_an_instrument_is_loaded_or_nothing_is_left_on_it"
    ],
    "UNCLAIMED_POSITION": [
        "test_claims.py::test_a_position_of_nobody_is_closed_by_a_closing_order",
        "test_claims.py::test_a_claim_after_the_position_was_stored_hands_it_over",
    ],
    "SPLIT_OWNERSHIP": [
        "test_advice.py::test_a_part_of_nobody_is_claimed",
        "test_advice.py::test_a_part_of_nobody_is_closed_from_the_node",
        "test_advice.py::test_all_parts_but_one_are_closed_from_the_node",
        _MADE_UP,
        _FLATTENED,
    ],
    "ORDER_NOT_IN_CACHE": [
        "test_advice.py::test_an_order_that_the_cache_does_not_know_is_canceled_at_the_venue"
    ],
    "ORDER_NOT_AT_VENUE": [
        "test_advice.py::test_an_order_that_is_gone_at_the_venue_is_ended_or_forgotten"
    ],
    "ORDER_MISMATCH": [
        (
            "test_advice.py::test_an_order_whose_news_the_engine_dropped_is_brought_up_to_date_or_"
            "forgotten"
        ),
        "test_advice.py::test_an_order_that_the_engine_gave_up_is_canceled_at_the_venue",
    ],
    "INFLIGHT_ORDER": [
        "test_advice.py::test_an_order_in_flight_that_the_engine_gives_up_blocks_no_more"
    ],
    "NO_MASS_STATUS": ["test_advice.py::test_a_start_without_a_mass_status_is_repeated"],
    "UNPROVEN_REPORT": [
        "test_advice.py::test_a_venue_that_never_answers_alike_blocks_until_it_does",
        "test_advice.py::test_an_account_that_stops_answering_goes_on_once_it_answers",
        (
            "test_cash_accounts.py::test_a_margin_account_that_never_reports_positions_is_released_"
            "by_hand"
        ),
    ],
    "AVG_PX_MISMATCH": ["test_runbook.py::test_what_blocks_nothing_is_done_in_daylight"],
    "UNPROTECTED_POSITION": [
        "test_runbook.py::test_a_naked_position_is_protected_at_the_venue_by_hand"
    ],
    "ORPHAN_EXIT": [
        (
            "test_owners.py::test_a_stop_whose_take_profit_was_filled_is_an_orphan_and_its_strategy_"
            "is_told"
        ),
        "test_runbook.py::test_what_blocks_nothing_is_done_in_daylight",
    ],
    "ABSENT_STRATEGY": ["test_runbook.py::test_what_blocks_nothing_is_done_in_daylight"],
    "STALE_CACHE": [
        (
            "test_storage.py::test_a_checkpoint_of_a_store_that_went_back_while_the_node_was_away_"
            "is_held"
        ),
        "test_storage.py::test_what_came_back_under_external_is_claimed",
    ],
}


_REASONS = "test_runbook_reasons.py::"
_REPEATED = f"{_REASONS}test_a_start_that_failed_is_repeated_once_its_cause_is_gone"
FAILURES = {
    "`RECONCILIATION_FAILED`": [_REPEATED],
    '`RECONCILIATION_FAILED`, "More than ... new recoveries"': [
        "test_resume.py::test_after_a_storm_an_operator_resumes_with_the_newest_report"
    ],
    '`TIMEOUT`, "did not start"': [_REPEATED],
    '`TIMEOUT`, "kept arriving"': [
        f"{_REASONS}test_what_trades_all_the_time_is_stopped_before_the_restart"
    ],
    '`TIMEOUT`, "Stopped before"': [_REPEATED],
    "`NOT_RECONCILED`": [
        "test_advice.py::test_an_account_that_stops_answering_goes_on_once_it_answers"
    ],
    '`ANOTHER_NODE`, "has taken the lease"': [
        "../lease/test_two_nodes.py::test_an_operator_takes_over",
        "../lease/test_two_nodes.py::test_a_process_that_was_stopped_sends_nothing_when_it_goes_on",
    ],
    '`ANOTHER_NODE`, "ran out"': [
        "../lease/test_two_nodes.py::test_a_process_that_was_stopped_alone_trades_again"
    ],
    "`INTERNAL_ERROR`": [f"{_REASONS}test_after_an_error_of_the_monitor_a_restart_is_enough"],
}
_BY_ITSELF = f"{_REASONS}test_a_gate_that_waits_for_a_recovery_opens_by_itself"
GATE = {
    "`RECOVERY_PENDING`": [_BY_ITSELF],
    "`RECOVERY_IN_PROGRESS`": [_BY_ITSELF],
    "`RECOVERY_FAILED`": [one for tests in FAILURES.values() for one in tests],
    "`RECOVERY_ANOTHER_NODE`": [
        "../lease/test_two_nodes.py::test_a_process_that_was_stopped_alone_trades_again"
    ],
    "`RECOVERY_BLOCKED`": [_BLOCKED],
    "`RECOVERY_WARMUP`": [
        "test_warmup.py::test_trading_is_enabled_after_the_indicators_are_warm",
        "test_warmup.py::test_history_that_is_not_fit_keeps_the_gate_closed_until_it_is",
    ],
    "`RECOVERY_WOULD_LEAVE_NAKED`": [
        (
            "test_way_out.py::test_a_cancel_that_would_leave_a_position_naked_is_held_back_and_"
            "answered"
        )
    ],
    "`RECOVERY_CANCELED`": [
        (
            "test_way_out_crossing.py::test_what_has_waited_is_judged_again_at_a_gate_that_is_open_"
            "by_then"
        )
    ],
    "`RECOVERY_CHECKPOINT_NOT_STORED`": [
        "test_durable.py::test_without_an_answer_in_time_only_exits_are_sent_until_there_is_one"
    ],
    "`RECOVERY_HOOK_RAISED`": [
        f"{_REASONS}test_a_strategy_whose_hook_raised_is_fixed_and_restarted"
    ],
    "`RECOVERY_BAD_CHECKPOINT`": [f"{_REASONS}test_a_checkpoint_that_cannot_be_read_is_forgotten"],
    "`RECOVERY_STALE_CHECKPOINT`": [
        (
            "test_storage.py::test_a_checkpoint_of_a_store_that_went_back_while_the_node_was_away_"
            "is_held"
        )
    ],
    "`RECOVERY_NO_MONITOR`": [f"{_REASONS}test_a_node_without_a_monitor_trades_once_it_has_one"],
}
TABLES = (SEEN, DIFFERENCES, FAILURES, GATE)


def rows(title: str) -> list[str]:
    """
    Return the first cells of the tables of a section, or of what comes before the first.
    """
    section = PAGE.split("\n## ")[0] if not title else PAGE.split(f"\n## {title}\n")[1]
    section = section.split("\n## ")[0]
    cells = re.findall(r"^\| (.+?) \|", section, re.MULTILINE)
    return [cell for cell in cells if cell not in ("what you see", "kind", "reason")]


def test_each_row_of_what_is_seen_is_followed() -> None:
    """No row without a test, and no test of a row that is not there."""
    assert rows("") == list(SEEN)


def test_each_row_of_the_differences_is_followed() -> None:
    """Both tables, in their order."""
    kinds = [re.match(r"`(\w+)`", cell) for cell in rows("The differences")]
    assert [found and found[1] for found in kinds] == list(DIFFERENCES)


@pytest.mark.parametrize(
    ("title", "table"), [("The recovery failed", FAILURES), ("What the gate says", GATE)]
)
def test_each_row_of_the_reasons_is_followed(title: str, table: dict[str, list[str]]) -> None:
    """Why a recovery failed, and why an order was denied."""
    assert rows(title) == list(table)
    assert all(table.values())


@pytest.mark.parametrize(
    "named", sorted({one for tests in TABLES for each in tests.values() for one in each})
)
def test_what_follows_a_row_is_there(named: str) -> None:
    """By the name of its file and its own."""
    file, _, name = named.partition("::")
    text = (ROOT / "tests" / "node" / file).read_text()
    assert f"\ndef {name}(" in text


def texts() -> list[Path]:
    found = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*")]
    return [*found, *(ROOT / "nautilus_recovery_actor").rglob("*.py")]


@pytest.mark.parametrize(
    "remedy", [r"redis-cli (DEL|UNLINK|COPY|RENAME|--scan|FLUSH)", r"delete [^.]*from\s+\"?Redis"]
)
def test_nobody_is_told_to_write_to_redis(remedy: str) -> None:
    """There is a command for it. A backup is another thing."""
    for path in texts():
        if path.is_file():
            found = re.search(remedy, path.read_text(errors="ignore"), re.IGNORECASE)
            assert found is None, (path, found)
