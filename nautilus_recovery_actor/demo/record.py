"""
What happened in an act: facts of the node, the venue and the reports, to be shown and checked.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from nautilus_recovery_actor.demo.scene import Act
from nautilus_recovery_actor.report import RecoveryReport


class Mood(StrEnum):
    """
    How a moment is to be read.
    """

    PLAIN = "PLAIN"
    GOOD = "GOOD"
    WARN = "WARN"
    BAD = "BAD"


class Moment(msgspec.Struct, frozen=True):
    """
    One line of the timeline: when (UNIX ns), who, and what.
    """

    ts: int
    who: str
    what: str
    mood: Mood = Mood.PLAIN


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of an order of the strategy.

    Parameters
    ----------
    ts : int
        When (UNIX ns).
    event : str
        The event: ``OrderDenied``, ``OrderAccepted`` or ``OrderRejected``.
    order_id : str
        The client order ID.
    instrument_id : str
        The instrument.
    reason : str
        Why, for an order that was refused.

    """

    ts: int
    event: str = msgspec.field(name="fact")
    order_id: str
    instrument_id: str
    reason: str = ""


class Belief(msgspec.Struct, frozen=True):
    """
    What NautilusTrader holds true after its restart.

    Parameters
    ----------
    log_line : str
        What the kernel logged of its reconciliation, empty if it logged nothing.
    net_position : Decimal
        The portfolio's net position in the instrument.
    orders_open : tuple[str, ...]
        The client order IDs that are open in the cache.
    trading_state : str
        The state of the risk engine.

    """

    log_line: str
    net_position: Decimal
    orders_open: tuple[str, ...]
    trading_state: str


class VenueTruth(msgspec.Struct, frozen=True):
    """
    What is true at the venue, asked by the demo while no node lived, and at the end.

    Parameters
    ----------
    position : Decimal
        The signed position in the instrument while no node lived.
    stop_state : str
        The state of the stop-loss while no node lived.
    stop_trade_ids : tuple[str, ...]
        The trades that filled the stop-loss.
    orders : dict[str, str]
        The states of all orders that reached the venue, at the end, by client order ID.

    """

    position: Decimal
    stop_state: str
    stop_trade_ids: tuple[str, ...] = ()
    orders: dict[str, str] = {}


class ActRecord(msgspec.Struct, frozen=True):
    """
    One act.

    Parameters
    ----------
    act : Act
        The act.
    trader_id : str
        Its trader.
    stop_id : str
        The client order ID of the stop-loss.
    first : RecoveryReport
        The report before the kill.
    report : RecoveryReport
        The report after the restart.
    belief : Belief, optional
        What NautilusTrader holds true, ``None`` if trading was never enabled.
    venue : VenueTruth
        What is true.
    early : Answer, optional
        The answer to the bid before the recovery had completed, ``None`` if it was never sent.
    bids : tuple[Answer, ...]
        The answers to the bids when trading was enabled.

    """

    act: Act
    trader_id: str
    stop_id: str
    first: RecoveryReport
    report: RecoveryReport
    belief: Belief | None
    venue: VenueTruth
    early: Answer | None
    bids: tuple[Answer, ...] = ()
