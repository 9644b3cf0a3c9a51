"""
A recovery to show: a stop was filled while the node was away, the venue reported that trade twice,
and an order that the cache holds is not at the venue. What judges a real one makes the messages of
this one.
"""

from decimal import Decimal

import msgspec

from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.observation import AccountState
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Contract
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import judge
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.node.messages import RecoveryComplete
from nautilus_recovery_actor.node.messages import RecoveryFailed
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.node.messages import RecoveryOverridden
from nautilus_recovery_actor.node.messages import RecoveryStarted


TRADER_ID = "LIVE-001"

_ACCOUNT_ID = "BINANCE-001"
_STRATEGY_ID = "MyStrategy-000"
_RECOVERY_ID = "5f0c0b1e-5a39-4c1b-9a53-1d1f3f6a2b11"
_HELD = "ETHUSDT-PERP.BINANCE"
_BLOCKED = "BTCUSDT-PERP.BINANCE"
_STOP_ID = "O-20260102-011418-001-000-2"
_MISSING_ID = "O-20260102-011502-001-000-4"

_SECOND = 1_000_000_000
_STARTED = 1_767_329_700 * _SECOND
_RECONCILED = _STARTED + 2 * _SECOND
_ANSWERED = _RECONCILED + 300_000_000
_ENDED = _STARTED + 3 * _SECOND
_ALIVE = _STARTED - 3 * 3600 * _SECOND
_STOPPED_OUT = _STARTED - 3600 * _SECOND


def messages() -> dict[type[RecoveryMessage], RecoveryMessage]:
    """
    Return one message of each kind.

    Returns
    -------
    dict[type[RecoveryMessage], RecoveryMessage]

    """
    opening = RecoveryReport(
        trader_id=TRADER_ID,
        recovery_id=_RECOVERY_ID,
        epoch=7,
        trigger="startup",
        ts_started=_STARTED,
        ts_last_alive=_ALIVE,
        clean_shutdown=False,
    )
    report = _judged(_observation())
    unreported = msgspec.structs.replace(
        _observation(),
        reports=(),
        answers=(),
        fills=(),
        events=0,
        ended=(),
        after=_observation().before,
    )
    released = overrides.released(
        report, _BLOCKED, "canceled by hand", "desk@host", _ENDED + 60 * _SECOND, 900 * _SECOND
    )
    return {
        RecoveryStarted: _message(RecoveryStarted, opening, _STARTED),
        RecoveryComplete: _message(RecoveryComplete, report, _ENDED),
        RecoveryFailed: _message(RecoveryFailed, _judged(unreported), _ENDED),
        RecoveryOverridden: _message(RecoveryOverridden, released, _ENDED + 60 * _SECOND),
    }


def command() -> OperatorCommand:
    """
    Return what ``nautilus-recovery release`` sends.

    Returns
    -------
    OperatorCommand

    """
    return OperatorCommand(
        trader_id=TRADER_ID,
        command_id="0b6f6a52-7c1d-4d0e-8a77-3f2c9d5e4b10",
        action="release",
        instrument_id=_BLOCKED,
        reason="canceled by hand",
        secs=900.0,
        operator="desk@host",
        ts_event=_ENDED + 60 * _SECOND,
        ts_init=_ENDED + 60 * _SECOND,
    )


def answer() -> CommandAnswer:
    """
    Return what the monitor answers.

    Returns
    -------
    CommandAnswer

    """
    given = command()
    text = f"Released {_BLOCKED} for 15 min"
    return CommandAnswer(given.command_id, is_accepted=True, text=text, ts=given.ts_init)


def journal() -> dict[str, bytes]:
    """
    Return what the monitor keeps in the cache, by key.

    Returns
    -------
    dict[str, bytes]

    """
    store = _Store()
    kept = RecoveryJournal(store, history_size=100, warn=store.refuse)
    kept.begin(7)
    kept.beat(
        Heartbeat(
            ts=_ENDED,
            epoch=7,
            phase=RecoveryPhase.COMPLETE,
            interval_secs=5.0,
            history_size=100,
            ts_stored=_ENDED,
            unprotected=(),
            ts_proven=_ENDED,
            prove_interval_secs=60.0,
            storage=(),
            beats=1207,
        )
    )
    kept.record_lost(())
    kept.record(_judged(_observation()))
    return store.values


class _Store:
    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.values.get(key)

    def add(self, key: str, value: bytes) -> None:
        self.values[key] = value

    def refuse(self, line: str) -> None:
        raise AssertionError(line)


def _message(kind: type[RecoveryMessage], report: RecoveryReport, ts: int) -> RecoveryMessage:
    return kind(
        trader_id=report.trader_id,
        recovery_id=report.recovery_id,
        epoch=report.epoch,
        report=report,
        ts_event=ts,
        ts_init=ts,
    )


def _judged(observation: Observation) -> RecoveryReport:
    return msgspec.structs.replace(judge(observation, Policy()).report, ts_completed=_ENDED)


def _observation() -> Observation:
    key = (_ACCOUNT_ID, "USDT")
    return Observation(
        trader_id=TRADER_ID,
        recovery_id=_RECOVERY_ID,
        epoch=7,
        trigger="startup",
        ts_started=_STARTED,
        ts_reconciled=_RECONCILED,
        ts_last_alive=_ALIVE,
        clean_shutdown=False,
        required_accounts=frozenset({_ACCOUNT_ID}),
        accounts=(AccountState(_ACCOUNT_ID, is_connected=True, ts_account=_STARTED),),
        instruments=dict.fromkeys((_HELD, _BLOCKED), Decimal("0.001")),
        before=(
            CachedPosition(
                account_id=_ACCOUNT_ID,
                instrument_id=_HELD,
                position_id=f"{_HELD}-{_STRATEGY_ID}",
                strategy_id=_STRATEGY_ID,
                qty=Decimal("2.000"),
                avg_px=Decimal("2000.00"),
            ),
        ),
        orders=(
            CachedOrder(
                account_id=_ACCOUNT_ID,
                instrument_id=_BLOCKED,
                client_order_id=_MISSING_ID,
                venue_order_id="8389765591",
                status="ACCEPTED",
                is_open=True,
                is_inflight=False,
                is_local=False,
                ts_init=0,
                ts_last=0,
                side="BUY",
                qty=Decimal("0.010"),
                filled_qty=Decimal(0),
                px=Decimal("60000.0"),
            ),
        ),
        reports=(
            VenueReport(
                account_id=_ACCOUNT_ID,
                venue="BINANCE",
                ts=_RECONCILED,
                seen_events=1,
                trade_ids=frozenset({"4471-1"}),
                fills=1,
                corrections=(
                    CorrectionMade(Correction.DUPLICATE_FILL, _ACCOUNT_ID, _HELD, 1, "4471-1"),
                ),
            ),
        ),
        asked_accounts=frozenset({_ACCOUNT_ID}),
        answers=(Answer(_ACCOUNT_ID, ts=_ANSWERED, venue="BINANCE", seen_events=1),),
        events=1,
        fills=(
            ObservedFill(
                index=0,
                strategy_id=_STRATEGY_ID,
                client_order_id=_STOP_ID,
                venue_order_id="8389765590",
                trade_id="4471-1",
                qty=Decimal("-2.000"),
                px=Decimal("1889.10"),
                ts_event=_STOPPED_OUT,
                placed_here=True,
                account_id=_ACCOUNT_ID,
                instrument_id=_HELD,
                position_id=f"{_HELD}-{_STRATEGY_ID}",
                fee=Decimal("1.98"),
                fee_currency="USDT",
            ),
        ),
        ended=(
            EndedOrder(
                strategy_id=_STRATEGY_ID,
                instrument_id=_HELD,
                client_order_id=_STOP_ID,
                account_id=_ACCOUNT_ID,
                venue_order_id="8389765590",
                kind="STOP_MARKET",
                qty=Decimal("-2.000"),
                filled_qty=Decimal("-2.000"),
                status="FILLED",
                status_before="ACCEPTED",
                ts_event=_STOPPED_OUT,
            ),
        ),
        contracts={_HELD: Contract(currency="USDT", precision=2)},
        balances_before={key: Decimal("10000.00")},
        balances_after={key: Decimal("9776.22")},
    )
