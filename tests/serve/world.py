"""
Traders of every kind on a server, as their monitors write them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from typing import Self

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.support import Recording


SEC = 1_000_000_000
ACCOUNT = "BINANCE-001"
BTC = "BTCUSDT-PERP.BINANCE"
ETH = "ETHUSDT-PERP.BINANCE"
STOP = "O-20261123-011418-001-000-2"

BLOCKING = Discrepancy(
    kind=DiscrepancyKind.ORDER_NOT_AT_VENUE,
    severity=Severity.BLOCK,
    account_id=ACCOUNT,
    instrument_id=BTC,
    client_order_id=STOP,
    venue="none",
    cache="SELL 0.5 STOP_MARKET, ACCEPTED",
    detail="The cache holds an order that the venue does not know: look there, then release it",
)
NAKED = Discrepancy(
    kind=DiscrepancyKind.UNPROTECTED_POSITION,
    severity=Severity.WARN,
    account_id=ACCOUNT,
    instrument_id=ETH,
    position_id=f"{ETH}-Trend-001",
    venue="no stop covers it",
    cache=f"+1.5 {ETH}-Trend-001",
    detail="Place a stop",
)
PLANNED = RepairStep("close_phantom", ACCOUNT, BTC, None, "P-1", "close +0.5 that is made up")


class _Recording(Recording):
    def __init__(self, desk: "Desk", valkey: EmbeddedValkey, trader_id: str) -> None:
        super().__init__(valkey, trader_id)
        self._desk = desk

    def get(self, key: str) -> bytes | None:
        if self._desk.at_once is None:
            return super().get(key)
        return self._desk.at_once.get(self.key(key))

    def add(self, key: str, value: bytes) -> None:
        if self._desk.at_once is None:
            super().add(key, value)
        else:
            self._desk.at_once[self.key(key)] = value


class Desk:
    """
    Writes what the monitors of some traders would.
    """

    def __init__(self, valkey: EmbeddedValkey) -> None:
        self._valkey = valkey
        self.traders: dict[str, Recording] = {}
        # What is to be written in one step, if anything is
        self.at_once: dict[str, bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.traders.values():
            one.client.close()

    def trader(self, trader_id: str) -> Recording:
        if trader_id not in self.traders:
            self.traders[trader_id] = _Recording(self, self._valkey, trader_id)
        return self.traders[trader_id]

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        Write all that is written meanwhile in one step at the end: many traders, however busy the
        machine is.
        """
        self.at_once = {}
        yield
        with self._valkey.client() as client:
            client.mset(self.at_once)
        self.at_once = None

    def beat(self, trader_id: str, epoch: int = 7, age_secs: float = 0.0, **fields: Any) -> None:
        values: dict[str, Any] = {
            "ts": time.time_ns() - int(age_secs * SEC),
            "epoch": epoch,
            "phase": RecoveryPhase.COMPLETE,
            "interval_secs": 600.0,
            "history_size": 100,
            **fields,
        }
        self.trader(trader_id).journal.beat(Heartbeat(**values))

    def ended(self, trader_id: str, epoch: int = 7, **fields: Any) -> RecoveryReport:
        """
        Write the report of an epoch that has ended, and its heartbeat.
        """
        report = ended(trader_id, epoch, **fields)
        journal = self.trader(trader_id).journal
        journal.begin(epoch)
        journal.record(report)
        phase = RecoveryPhase.FAILED if report.failure else RecoveryPhase.COMPLETE
        self.beat(trader_id, epoch, phase=phase, ts_proven=time.time_ns())
        return report

    def fails(self, trader_id: str, epoch: int = 8) -> None:
        self.ended(
            trader_id,
            epoch,
            outcome=None,
            failure=FailureReason.TIMEOUT,
            message=f"No result within 60 s: {ACCOUNT} did not report",
        )

    def blocks(self, trader_id: str) -> None:
        self.ended(
            trader_id,
            outcome=RecoveryOutcome.DEGRADED,
            message=f"Differences that remain: 1; blocked: {BTC}",
            discrepancies=(BLOCKING,),
            blocked_instruments=(BTC,),
        )

    def plans(self, trader_id: str) -> None:
        self.ended(
            trader_id,
            outcome=RecoveryOutcome.DEGRADED,
            message=f"Differences that remain: 1; blocked: {BTC}",
            discrepancies=(BLOCKING,),
            blocked_instruments=(BTC,),
            repairs=(PLANNED,),
        )

    def exposes(self, trader_id: str) -> None:
        self.ended(trader_id)
        self.beat(trader_id, unprotected=(NAKED,), ts_proven=time.time_ns())

    def recovers(self, trader_id: str) -> None:
        self.trader(trader_id).journal.begin(7)
        self.beat(trader_id, phase=RecoveryPhase.VERIFYING)

    def stops(self, trader_id: str) -> None:
        self.ended(trader_id)
        self.beat(trader_id, age_secs=7200, is_stopped=True)

    def dies(self, trader_id: str) -> None:
        self.ended(trader_id)
        self.beat(trader_id, age_secs=95, interval_secs=5.0)


def ended(trader_id: str, epoch: int = 7, **fields: Any) -> RecoveryReport:
    """
    Return a report as one of a start that went well, with what is named.
    """
    began = time.time_ns() - 3 * 3600 * SEC
    report = RecoveryReport(
        trader_id=trader_id,
        recovery_id="5f0c0b1e-5a39-4c1b-9a53-1d1f3f6a2b11",
        epoch=epoch,
        trigger="startup",
        outcome=RecoveryOutcome.ADJUSTED,
        message="Equal to what the venue answers, after 1 fill",
        ts_started=began,
        ts_reconciled=began + 2 * SEC,
        ts_completed=began + 3 * SEC,
        ts_last_alive=began - 900 * SEC,
        clean_shutdown=False,
        accounts=(
            AccountRecovery(
                ACCOUNT, "BINANCE", began + SEC, 2, 1, 1, True, None, began + 5 * SEC // 2, 2
            ),
        ),
        positions=(
            PositionChange(
                ACCOUNT,
                ETH,
                f"{ETH}-Trend-001",
                "Trend-001",
                Decimal("2.5"),
                Decimal("1.5"),
                Decimal("1.5"),
                Decimal("1900.25"),
                Decimal("1900.25"),
            ),
        ),
        fills=(
            ReconciledFill(
                FillOrigin.VENUE,
                ACCOUNT,
                ETH,
                "Trend-001",
                STOP,
                "8389765",
                "T-1",
                Decimal(-1),
                Decimal("1890.10"),
                began - 600 * SEC,
            ),
        ),
        fill_counts={FillOrigin.VENUE: 1},
        balances=(BalanceChange(ACCOUNT, "USDT", Decimal("1000.5"), Decimal("990.35")),),
    )
    return msgspec.structs.replace(report, **fields)
