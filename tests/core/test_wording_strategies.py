from decimal import Decimal
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import StrategyRecovery
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import STRATEGY
from tests.core.builders import full_report
from tests.core.builders import full_strategy


SECOND = 1_000_000_000


def block(strategy: StrategyRecovery | None = None, **fields: Any) -> list[str]:
    values = {"trigger": "startup", "strategies": (strategy or full_strategy(),), **fields}
    report = RecoveryReport("TRADER-001", "x", 7, **values)
    (told,) = wording.blocks(report)
    return told.split("\n")


def test_a_block_tells_all_that_happened_to_a_strategy() -> None:
    """In the order of a story: how long, the positions, the orders, the money."""
    report = msgspec.structs.replace(full_report(), trigger="startup", ts_started=95 * SECOND)
    (told,) = wording.blocks(report)
    assert told.split("\n") == [
        "Trend-001",
        "  Away for 1 min 34 s, stopped cleanly",
        "  Position P-1: +2.0 -> -1",
        "    real:    2 fills, -2.5, realized -20.1 USDT",
        "    made up: 1 fill, -0.5, realized PnL unknown",
        "  Orders closed: 1 FILLED, 1 REJECTED",
        "    REJECTED SELL 2.5, 1.5 filled LIMIT O-1 (too late)",
        "  Balance PAPER-001 USDT: 5.10 -> 4.9 (-0.20)",
    ]


def test_a_strategy_to_which_nothing_happened_has_what_it_holds() -> None:
    """No line is empty, and none says that nothing was."""
    held = PositionRecovery(ACCOUNT, BTC, "P-1", Decimal(2), Decimal(0))
    assert block(StrategyRecovery(STRATEGY, (ACCOUNT,), (held,))) == [
        STRATEGY,
        "  No earlier run on record",
        "  Position P-1: +2 -> flat",
    ]


@pytest.mark.parametrize(
    ("away", "told"),
    [
        (0, "less than 1 s"),
        (SECOND - 1, "less than 1 s"),
        (SECOND, "1 s"),
        (60 * SECOND, "1 min"),
        (3_599 * SECOND, "59 min 59 s"),
        (3_600 * SECOND, "1 h"),
        (3_661 * SECOND, "1 h 1 min"),
        (86_400 * SECOND + 5 * SECOND, "1 d 5 s"),
        (200_000 * SECOND, "2 d 7 h"),
    ],
)
def test_the_time_away_is_told_in_its_two_largest_units(away: int, told: str) -> None:
    """As one would say it."""
    lines = block(ts_last_alive=5, ts_started=5 + away, clean_shutdown=False)
    assert lines[1] == f"  Away for {told}, not stopped cleanly"


def test_at_run_time_nobody_was_away() -> None:
    """The trigger is named in its place."""
    assert block(trigger="mass_status", ts_last_alive=5)[1] == "  At run time (mass_status)"


@pytest.mark.parametrize(
    ("effect", "told"),
    [
        (FillEffect(1, Decimal("0.5"), Decimal("1E+2")), "1 fill, +0.5, realized +100 USDT"),
        (FillEffect(3, Decimal(-7), Decimal("-0.10")), "3 fills, -7, realized -0.1 USDT"),
        (FillEffect(2, Decimal(0), Decimal(0)), "2 fills, 0, realized 0 USDT"),
    ],
)
def test_fills_are_told_with_their_signs(effect: FillEffect, told: str) -> None:
    """Neither an exponent nor zeros at the end."""
    held = PositionRecovery(ACCOUNT, BTC, "P-1", Decimal(2), Decimal(2), "USDT", real=effect)
    assert block(StrategyRecovery(STRATEGY, (), (held,)))[3:] == [f"    real:    {told}"]


@pytest.mark.parametrize(
    ("qty", "filled", "told"),
    [
        ("2", "0", "BUY 2 STOP_MARKET O-1"),
        ("2", "2", "BUY 2 STOP_MARKET O-1"),
        ("-2", "-0.5", "SELL 2, 0.5 filled STOP_MARKET O-1"),
    ],
)
def test_an_order_is_told_by_its_end_and_its_side(qty: str, filled: str, told: str) -> None:
    """What was filled of it only where it is a part."""
    order = EndedOrder(
        STRATEGY,
        BTC,
        "O-1",
        ACCOUNT,
        "V-1",
        "STOP_MARKET",
        Decimal(qty),
        Decimal(filled),
        "EXPIRED",
    )
    strategy = StrategyRecovery(STRATEGY, orders=(order,), order_counts={"EXPIRED": 1})
    assert block(strategy)[2:] == ["  Orders closed: 1 EXPIRED", f"    EXPIRED  {told}"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("1", "1.0", "1.0, unchanged"),
        ("1E+3", "1500.5", "1000 -> 1500.5 (+500.5)"),
        (None, "7", "unknown -> 7"),
        ("7", None, "7 -> unknown"),
    ],
)
def test_a_balance_is_told_before_and_after(
    before: str | None, after: str | None, told: str
) -> None:
    """Of the accounts of the strategy, and no others."""
    change = BalanceChange(
        ACCOUNT,
        "BTC",
        None if before is None else Decimal(before),
        None if after is None else Decimal(after),
    )
    other = msgspec.structs.replace(change, account_id=OTHER_ACCOUNT)
    lines = block(StrategyRecovery(STRATEGY, (ACCOUNT,)), balances=(other, change))
    assert lines[2:] == [f"  Balance {ACCOUNT} BTC: {told}"]


def test_no_line_is_wider_than_a_terminal_and_the_first_leaves_room_for_a_prefix() -> None:
    """Long names go to a line of their own, further in; what is one word stays one."""
    order_id = "O-20261123-031418-001-000-" + "1" * 40
    order = msgspec.structs.replace(
        full_strategy().orders[0],
        client_order_id=order_id,
        reason="the venue said that the order would have been too late for the session of the day",
    )
    lines = block(msgspec.structs.replace(full_strategy(), orders=(order,)))
    assert max(map(len, lines)) <= 79
    assert lines[0] == STRATEGY
    first = next(i for i, line in enumerate(lines) if "REJECTED SELL" in line)
    assert lines[first : first + 4] == [
        "    REJECTED SELL 2.5, 1.5 filled LIMIT",
        f"        {order_id} (the",
        "        venue said that the order would have been too late for the session of",
        "        the day)",
    ]


def test_an_identifier_is_never_broken() -> None:
    """One that is searched for is found, however long it is, and at whatever column."""
    for length in (40, 90):
        order_id = ("O-20261123" * 9)[:length]
        order = msgspec.structs.replace(full_strategy().orders[0], client_order_id=order_id)
        lines = block(msgspec.structs.replace(full_strategy(), orders=(order,)))
        assert any(order_id in line for line in lines)


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({}, False),
        ({"real": FillEffect(2)}, True),
        ({"synthetic": FillEffect(1)}, True),
        ({"qty_after": Decimal(1)}, True),
    ],
)
def test_at_run_time_only_what_happened_is_told(change: dict[str, Any], is_told: bool) -> None:
    """A connection that comes back does not tell each time what is held."""
    held = PositionRecovery(ACCOUNT, BTC, "P-1", Decimal(2), Decimal(2))
    strategy = StrategyRecovery(STRATEGY, positions=(held, msgspec.structs.replace(held, **change)))
    report = RecoveryReport("T-1", "x", 1, "mass_status", strategies=(strategy,))
    assert bool(wording.blocks(report)) is is_told
    ended = msgspec.structs.replace(strategy, order_counts={"FILLED": 1})
    assert wording.blocks(msgspec.structs.replace(report, strategies=(ended,)))


def test_each_strategy_has_a_block() -> None:
    """In the order of the report; without any there is none."""
    strategies = (StrategyRecovery("A-1"), StrategyRecovery("B-1"))
    report = RecoveryReport("T-1", "x", 1, "startup", strategies=strategies)
    assert [told.split("\n")[0] for told in wording.blocks(report)] == ["A-1", "B-1"]
    assert wording.blocks(RecoveryReport("T-1", "x", 1, "startup")) == []


def test_a_long_history_is_summarized_in_the_log_and_told_in_full_elsewhere() -> None:
    """The first start on an old account must not bury what matters."""
    order = full_strategy().orders[0]
    ids = [f"O-{number}" for number in range(1000)]
    orders = tuple(msgspec.structs.replace(order, client_order_id=one) for one in ids)
    held = (PositionRecovery(ACCOUNT, BTC, "P-1", Decimal(0), Decimal(1)),) * 300
    strategy = StrategyRecovery("EXTERNAL", positions=held, orders=orders)
    report = RecoveryReport("T-1", "x", 1, "startup", strategies=(strategy,))
    (told,) = wording.blocks(report)
    assert told.count("\n") < 50
    assert "O-999" in told
    assert "O-979" not in told
    assert "Older ones, only in the report: 980" in told
    assert "More positions, only in the report: 280" in told
    assert sum("O-" in line for line in wording.block(report, strategy)) == 1000
