"""
What a recovery found, as frozen structs with their one codec (long: public docstrings).

Quantities and prices are `Decimal`, signed where a side exists (long and buy positive). Identifiers
are `str`. Times are UNIX nanoseconds. A stored report with fields that this version does not know
is readable, and so is one that lacks a field with a default.
"""

from decimal import Decimal
from typing import Any
from typing import Literal

import msgspec

from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity


class AccountRecovery(msgspec.Struct, frozen=True, gc=False):
    """
    What one account's venue reported.

    Parameters
    ----------
    account_id : str
        The account.
    venue : str
        The venue of the execution client, or the account's issuer for a client that routes.
    ts_report : int, optional
        When the mass status was made, or ``None`` if the account never reported.
    orders_open : int, default 0
        The number of open orders that the venue reported.
    fills : int, default 0
        The number of fills that the venue reported.
    positions : int, default 0
        The number of positions that the venue reported, without flat ones.
    is_connected : bool, optional
        Whether its execution client was connected, ``None`` if unknown.
    ts_account : int, optional
        When the venue last reported the account itself, its balances.
    ts_proof : int, optional
        When the last of two answers in a row that agree was given, or ``None`` if none do.
    answers : int, default 0
        How often the venue has answered in this recovery, its mass statuses included.

    """

    account_id: str
    venue: str
    ts_report: int | None = None
    orders_open: int = 0
    fills: int = 0
    positions: int = 0
    is_connected: bool | None = None
    ts_account: int | None = None
    ts_proof: int | None = None
    answers: int = 0


class CorrectionMade(msgspec.Struct, frozen=True, gc=False):
    """
    What was evidently wrong in a venue's report, and not passed on to the engine like that.

    Parameters
    ----------
    name : Correction
        What was corrected.
    account_id : str
        The account that reported.
    instrument_id : str
        The instrument, empty for all of the account's.
    count : int
        How many orders, trades or positions were concerned.
    detail : str
        Which.

    """

    name: Correction
    account_id: str
    instrument_id: str
    count: int
    detail: str


class Approval(msgspec.Struct, frozen=True, gc=False):
    """
    An operator's word that a plan is carried out.

    Parameters
    ----------
    operator : str
        Who gave it.
    reason : str
        Why.
    ts : int
        When it was given (UNIX ns, the node's clock).
    plan_id : str
        Which plan it is for.
    instrument_id : str
        The one instrument that it is for, empty for all.

    """

    operator: str
    reason: str
    ts: int
    plan_id: str
    instrument_id: str = ""


class RepairStep(msgspec.Struct, frozen=True, gc=False):
    """
    One step by which the cache was made equal to what two answers of the venue agree on.

    Parameters
    ----------
    kind : str
        What is done. Of positions: ``close_phantom`` closes one that is made up, ``undo_fill``
        takes a made-up fill out of one, ``reopen`` reopens one that only a made-up fill closed,
        ``close_position`` closes what the venue does not hold and tells no trade of,
        ``adopt_position`` takes up what it holds and tells no trade of, ``merge`` books what was
        traded outside of the node on the strategy that holds the one net position, ``hand_over``
        moves what nobody owns to the strategy that claims the instrument. Of orders:
        ``rename_order``, ``update_order``, ``apply_fills``, ``infer_fill``, ``adopt_order``,
        ``end_order``. ``none``: nothing can be planned, `detail` says why.
    account_id : str
        The account.
    instrument_id : str
        The instrument.
    client_order_id : str, optional
        The order concerned.
    position_id : str, optional
        The position concerned.
    detail : str
        What it comes to, in words, or why it is refused.
    state : {"planned", "made", "proven", "refused"}
        Whether it is planned, made, proven by a further answer of the venue, or refused.

    """

    kind: str
    account_id: str
    instrument_id: str
    client_order_id: str | None = None
    position_id: str | None = None
    detail: str = ""
    state: Literal["planned", "made", "proven", "refused"] = "planned"


class PositionChange(msgspec.Struct, frozen=True, gc=False):
    """
    One position before and after the recovery, and at the venue.

    Parameters
    ----------
    account_id : str
        The account that holds it.
    instrument_id : str
        The instrument.
    position_id : str
        The position in the cache, or the venue's own for a leg that the cache does not hold. For
        a net position that the cache does not hold, the instrument.
    strategy_id : str
        The strategy that owns it, ``EXTERNAL`` if none does.
    qty_before : Decimal
        The signed quantity that the cache restored.
    qty_after : Decimal
        The signed quantity in the cache now.
    qty_venue : Decimal, optional
        The signed quantity that the venue reported: of this leg in hedge mode, otherwise the net
        of account and instrument. ``None`` if the venue did not report it.
    avg_px_before : Decimal, optional
        The average open price that the cache restored.
    avg_px_after : Decimal, optional
        The average open price in the cache now.

    """

    account_id: str
    instrument_id: str
    position_id: str
    strategy_id: str
    qty_before: Decimal
    qty_after: Decimal
    qty_venue: Decimal | None = None
    avg_px_before: Decimal | None = None
    avg_px_after: Decimal | None = None


class ReconciledFill(msgspec.Struct, frozen=True, gc=False):
    """
    One fill that reconciliation applied, counted once.

    Parameters
    ----------
    origin : FillOrigin
        Where it came from.
    account_id, instrument_id, strategy_id, client_order_id, venue_order_id, trade_id : str
        What it belongs to.
    qty : Decimal
        The signed quantity, positive for a buy.
    px : Decimal
        The price.
    ts_event : int
        When it happened, by the venue's clock.

    """

    origin: FillOrigin
    account_id: str
    instrument_id: str
    strategy_id: str
    client_order_id: str
    venue_order_id: str
    trade_id: str
    qty: Decimal
    px: Decimal
    ts_event: int


class LostOrder(msgspec.Struct, frozen=True, gc=False):
    """
    An order of a strategy's own that was sent and never stored: the node was killed before its
    database had it.

    It is recognized by the form of its client order ID. The engine takes it for an external one.
    It is in every report until the strategy has taken it: until its `on_orders_lost` has returned,
    and its checkpoint was written. What was purged is not lost.

    Parameters
    ----------
    strategy_id : str
        The strategy that sent it.
    account_id, instrument_id, client_order_id, venue_order_id : str
        What it is.
    status : str
        Its status, as the venue reported it.
    qty : Decimal
        The signed quantity, positive for a buy.
    filled_qty : Decimal
        The signed quantity filled.
    booked_under : str, optional
        The strategy under which the cache holds it, ``None`` if the cache does not hold it.

    """

    strategy_id: str
    account_id: str
    instrument_id: str
    client_order_id: str
    venue_order_id: str
    status: str
    qty: Decimal
    filled_qty: Decimal
    booked_under: str | None = None


class Discrepancy(msgspec.Struct, frozen=True, gc=False):
    """
    One difference between the venue's report and the cache.

    Parameters
    ----------
    kind : DiscrepancyKind
        What differs.
    severity : Severity
        What it does, after the configuration's overrides.
    account_id : str
        The account.
    instrument_id : str
        The instrument, empty if the whole account is affected.
    position_id : str, optional
        The position or leg.
    client_order_id : str, optional
        The order; the venue's own ID for an order that has no client order ID.
    venue : str
        The venue's side.
    cache : str
        The cache's side.
    detail : str
        What it means and what to do, in one line.
    resolved : bool, default False
        Whether it was found at first and went away before the epoch ended: it does not block.

    """

    kind: DiscrepancyKind
    severity: Severity
    account_id: str
    instrument_id: str
    position_id: str | None = None
    client_order_id: str | None = None
    venue: str = ""
    cache: str = ""
    detail: str = ""
    resolved: bool = False

    @property
    def is_blocking(self) -> bool:
        """
        Whether it remains and stops trading.
        """
        return self.severity is Severity.BLOCK and not self.resolved


class Override(msgspec.Struct, frozen=True, gc=False):
    """
    A blocked instrument that an operator released by hand.

    Parameters
    ----------
    instrument_id : str
        The instrument.
    reason : str
        Why, in the operator's words.
    operator : str
        Who released it.
    ts_started : int
        When it began.
    ts_until : int
        When it expires.
    ts_ended : int, optional
        When it ended, ``None`` while it is active.

    """

    instrument_id: str
    reason: str
    operator: str
    ts_started: int
    ts_until: int
    ts_ended: int | None = None


class FillEffect(msgspec.Struct, frozen=True, gc=False):
    """
    What fills did to one position.

    Parameters
    ----------
    fills : int, default 0
        The number of fills.
    qty : Decimal, default 0
        Their signed quantity.
    realized_pnl : Decimal, optional
        What they realized, as NautilusTrader counts it: less the commissions in the currency of the
        position. ``None`` if the average open price before is unknown, as at run time.

    """

    fills: int = 0
    qty: Decimal = Decimal(0)
    realized_pnl: Decimal | None = Decimal(0)


class PositionRecovery(msgspec.Struct, frozen=True, gc=False):
    """
    One position of a strategy, and what happened to it while the node was away.

    Parameters
    ----------
    account_id, instrument_id, position_id : str
        What it is.
    qty_before, qty_after : Decimal
        The signed quantities in the cache.
    currency : str, optional
        The currency of the PnL, ``None`` if nothing was filled or the instrument is not loaded.
    real : FillEffect
        The effect of the venue's fills, including those inferred from an order's status.
    synthetic : FillEffect
        The effect of the fills that were made up to align the position.

    """

    account_id: str
    instrument_id: str
    position_id: str
    qty_before: Decimal
    qty_after: Decimal
    currency: str | None = None
    real: FillEffect = FillEffect()
    synthetic: FillEffect = FillEffect()


class EndedOrder(msgspec.Struct, frozen=True, gc=False):
    """
    An order that closed while the node was away.

    Parameters
    ----------
    strategy_id, instrument_id, client_order_id : str
        What it is.
    account_id, venue_order_id : str, optional
        What it is at the venue.
    kind : str
        The name of NautilusTrader's order type.
    qty : Decimal
        The signed quantity, positive for a buy.
    filled_qty : Decimal
        The signed quantity filled.
    status : str
        Its final status: ``FILLED``, ``CANCELED``, ``EXPIRED`` or ``REJECTED``.
    status_before : str, optional
        The status that the cache restored, ``None`` for an order that it did not hold as open, and
        for a recovery at run time.
    reason : str, default ""
        Why it was rejected.
    ts_event : int, default 0
        When it closed, by the venue's clock (UNIX ns).

    """

    strategy_id: str
    instrument_id: str
    client_order_id: str
    account_id: str | None
    venue_order_id: str | None
    kind: str
    qty: Decimal
    filled_qty: Decimal
    status: str
    status_before: str | None = None
    reason: str = ""
    ts_event: int = 0


class StrategyRecovery(msgspec.Struct, frozen=True):
    """
    What happened to one strategy while the node was away.

    Parameters
    ----------
    strategy_id : str
        The strategy, ``EXTERNAL`` for what no strategy owns.
    accounts : tuple[str, ...]
        The accounts of all below.
    positions : tuple[PositionRecovery, ...]
        The positions that it held before or holds now.
    orders : tuple[EndedOrder, ...]
        The newest orders that closed, at most ``max_report_fills``.
    order_counts : dict[str, int]
        The number of orders that closed, by status.

    """

    strategy_id: str
    accounts: tuple[str, ...] = ()
    positions: tuple[PositionRecovery, ...] = ()
    orders: tuple[EndedOrder, ...] = ()
    order_counts: dict[str, int] = {}


class BalanceChange(msgspec.Struct, frozen=True, gc=False):
    """
    The total balance of an account in one currency, before and after.

    Parameters
    ----------
    account_id, currency : str
        Whose balance it is.
    before : Decimal, optional
        The balance that the cache restored, ``None`` if it had none.
    after : Decimal, optional
        The balance that the venue reports now, ``None`` if it no longer reports one.

    """

    account_id: str
    currency: str
    before: Decimal | None
    after: Decimal | None


class RecoveryReport(msgspec.Struct, frozen=True):
    """
    Everything that one epoch found.

    Parameters
    ----------
    trader_id : str
        The trader.
    recovery_id : str
        A UUID for this epoch.
    epoch : int
        The number of the recovery, counting up by one.
    trigger : str
        What opened it: ``startup``, ``mass_status`` (one came, or has to come because a client is
        disconnected), ``synthetic_fill`` (or one that arrived late where the engine had guessed),
        ``proof`` (somebody else traded what the node holds, or the venue was asked at run time and
        its answer calls for it) or ``backtest``.
    outcome : RecoveryOutcome, optional
        The result of a recovery that completed.
    failure : FailureReason, optional
        The reason of one that did not.
    message : str
        The result in one line.
    ts_started : int
        When the epoch opened.
    ts_reconciled : int, optional
        When the last mass status arrived.
    ts_completed : int, optional
        When the epoch ended.
    ts_last_alive : int, optional
        The last heartbeat of the previous run.
    clean_shutdown : bool, optional
        Whether the previous run was stopped and not killed, ``None`` if there was none.
    accounts : tuple[AccountRecovery, ...]
        What each account reported.
    positions : tuple[PositionChange, ...]
        Every position held before, held now, or reported.
    fills : tuple[ReconciledFill, ...]
        The newest fills, at most ``max_report_fills``.
    fill_counts : dict[FillOrigin, int]
        All fills by origin.
    discrepancies : tuple[Discrepancy, ...]
        The differences, including those that were resolved.
    blocked_instruments : tuple[str, ...]
        The instruments that must not be traded.
    shadow : bool, default False
        Whether the monitor only reported this and blocked nothing.
    overrides : tuple[Override, ...]
        The instruments that operators released since the epoch ended, each also in
        `blocked_instruments`.
    lost_orders : tuple[LostOrder, ...]
        Orders that a strategy sent and that were never stored, as long as the strategy has not
        taken them.
    strategies : tuple[StrategyRecovery, ...]
        What happened to each strategy that held something, or to which something happened.
    balances : tuple[BalanceChange, ...]
        The balances of all accounts.
    corrections : tuple[CorrectionMade, ...]
        What the venues' reports said that was evidently wrong, or known already, and that the
        engine was not given like that.
    repairs : tuple[RepairStep, ...]
        What was done beyond that to make the cache equal to the venue, or is planned.
    approval : Approval, optional
        The operator's word on which that was done.
    stale_checkpoints : bool, default False
        Whether the checkpoints that strategies began with may be older than what they wrote last.

    """

    trader_id: str
    recovery_id: str
    epoch: int
    trigger: str
    outcome: RecoveryOutcome | None = None
    failure: FailureReason | None = None
    message: str = ""
    ts_started: int = 0
    ts_reconciled: int | None = None
    ts_completed: int | None = None
    ts_last_alive: int | None = None
    clean_shutdown: bool | None = None
    accounts: tuple[AccountRecovery, ...] = ()
    positions: tuple[PositionChange, ...] = ()
    fills: tuple[ReconciledFill, ...] = ()
    fill_counts: dict[FillOrigin, int] = {}
    discrepancies: tuple[Discrepancy, ...] = ()
    blocked_instruments: tuple[str, ...] = ()
    shadow: bool = False
    overrides: tuple[Override, ...] = ()
    lost_orders: tuple[LostOrder, ...] = ()
    strategies: tuple[StrategyRecovery, ...] = ()
    balances: tuple[BalanceChange, ...] = ()
    corrections: tuple[CorrectionMade, ...] = ()
    repairs: tuple[RepairStep, ...] = ()
    approval: Approval | None = None
    stale_checkpoints: bool = False

    @property
    def away_ns(self) -> int | None:
        """
        How long the node was away (ns): from its last heartbeat to this start.

        Returns
        -------
        int or ``None``
            ``None`` for a recovery at run time, and for the first start.

        """
        if self.trigger != "startup" or self.ts_last_alive is None:
            return None
        return max(self.ts_started - self.ts_last_alive, 0)

    def strategy(self, strategy_id: str) -> StrategyRecovery:
        """
        Return what happened to a strategy.

        Parameters
        ----------
        strategy_id : str
            The strategy.

        Returns
        -------
        StrategyRecovery
            An empty one if nothing happened to it and it holds nothing.

        """
        found = (one for one in self.strategies if one.strategy_id == strategy_id)
        return next(found, StrategyRecovery(strategy_id))

    def to_bytes(self) -> bytes:
        """
        Return the report as JSON.
        """
        return _ENCODER.encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> "RecoveryReport":
        """
        Return the report that `to_bytes` wrote.

        Parameters
        ----------
        data : bytes
            The JSON.

        Raises
        ------
        msgspec.DecodeError
            If `data` is not JSON or not a report.

        """
        return _DECODER.decode(data)

    def to_dict(self) -> dict[str, Any]:
        """
        Return the report as values that every JSON and msgpack encoder takes.
        """
        values: dict[str, Any] = msgspec.to_builtins(self, str_keys=True)
        return values

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "RecoveryReport":
        """
        Return the report that `to_dict` wrote.

        Parameters
        ----------
        values : dict[str, Any]
            The values.

        Raises
        ------
        msgspec.ValidationError
            If the values are not those of a report.

        """
        return msgspec.convert(values, RecoveryReport)


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(RecoveryReport)
