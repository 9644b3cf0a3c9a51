"""
No identifier is broken on a terminal: who copies one has all of it.
"""

import io
from collections.abc import Callable
from decimal import Decimal

import pytest
from rich.console import Console

from nautilus_recovery_actor.console import findings
from nautilus_recovery_actor.console import forget_tables
from nautilus_recovery_actor.console import inventory_tables
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import PreflightReport
from nautilus_recovery_actor.outside.store.accounts import RestoredAccount
from nautilus_recovery_actor.outside.store.forgetting import Entry
from nautilus_recovery_actor.outside.store.inventory import BrokenEntry
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.keeping import Kept
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.positions import RestoredPosition


ORDER = "O-20251129-123456-001-000-12345678901"
UUID = "6e504a1b-000f-47ed-9b0e-7169fb0077dd"
INSTRUMENT = "ETHUSDT-PERP-20251226.BINANCE_FUTURES"
STRATEGY = "MomentumBreakoutStrategy-LONG-001"
POSITION = f"{INSTRUMENT}-{STRATEGY}"
KEY = f"orders:{ORDER}-{UUID}"
WHY = "its first event is missing, which no node can load: it is half of what was once written"


def inventory() -> Inventory:
    position = RestoredPosition(
        position_id=POSITION,
        strategy_id=STRATEGY,
        instrument_id=INSTRUMENT,
        account_id="BINANCE_FUTURES-USDT_FUTURES-master",
        side="LONG",
        signed_qty=Decimal("12345.678"),
        avg_px_open=2345.67891,
        realized_pnl=Decimal("-1234567.12345678"),
        currency="USDT",
        ts_opened=0,
        ts_last=0,
    )
    orders = tuple(
        RestoredOrder(
            client_order_id=order_id,
            strategy_id=STRATEGY,
            instrument_id=INSTRUMENT,
            order_type="TRAILING_STOP_LIMIT",
            side="SELL",
            quantity=Decimal("12345.678"),
            leaves_qty=Decimal(1),
            filled_qty=Decimal("1234.5"),
            price=Decimal("2345.67"),
            trigger_price=Decimal("2345.68"),
            ts_init=0,
            ts_last=0,
            status="PENDING_CANCEL",
        )
        for order_id in (ORDER, UUID)
    )
    return Inventory(
        trader_id="LIVE-001",
        ts=3 * 86_400_000_000_000,
        positions=(position,),
        orders=orders,
        broken=(BrokenEntry(key=KEY, why=WHY, stops_start=True),),
        accounts=(RestoredAccount(account_id="BINANCE_FUTURES-1", account_type="MARGIN"),),
    )


ENTRY = Entry(key=KEY.encode(), why=WHY, redis_type="list", count=3)
SHEETS: dict[str, tuple[Callable[[Console], None], tuple[str, ...]]] = {
    "inspect": (
        lambda console: inventory_tables.show(inventory(), None, console),
        (ORDER, UUID, POSITION, STRATEGY, KEY),
    ),
    "forget": (lambda console: forget_tables.show_taken("To be taken", [ENTRY], console), (KEY,)),
    "forget --list": (
        lambda console: forget_tables.show_kept(
            [Kept(id=UUID, ts=0, operator="ada@host-12345.example.com", taken=(ENTRY,))], console
        ),
        (UUID, KEY),
    ),
}


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("name", SHEETS)
def test_each_identifier_is_in_one_line_of_a_table(name: str, columns: int) -> None:
    """Also one that leaves no room for anything else, and all the rest is there too."""
    show, identifiers = SHEETS[name]
    out = io.StringIO()
    show(Console(file=out, width=columns, highlight=False))
    lines = out.getvalue().splitlines()
    for identifier in identifiers:
        assert any(identifier in line for line in lines), (identifier, out.getvalue())
    longest = max(map(len, identifiers))
    assert max(map(len, lines)) <= max(columns, longest + len("    what: "))
    words = " ".join(out.getvalue().split())
    if name == "inspect":
        assert "trigger 2,345.68" in words
        assert "-1,234,567.12345678 USDT" in words
    if "--list" not in name:
        assert "first event" in words


@pytest.mark.parametrize("columns", [80, 120])
def test_each_identifier_is_in_one_line_of_the_findings(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However long the sentence is that has it."""
    monkeypatch.setenv("COLUMNS", str(columns))
    finding = Finding(
        code="ENTRY_STOPS_START",
        severity=Severity.BLOCK,
        subject=KEY,
        message=f"The order {ORDER} of {POSITION} with the venue order ID {UUID} is half stored.",
        consequence="No node starts.",
        remedy=f"nautilus-recovery forget {KEY} --trader LIVE-001",
    )
    findings.show(PreflightReport(trader_id="LIVE-001", findings=(finding,), ts=0))
    lines = capsys.readouterr().out.splitlines()
    for identifier in (KEY, ORDER, POSITION, UUID):
        assert any(identifier in line for line in lines), identifier
