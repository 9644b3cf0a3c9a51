"""
What happened in an act: facts of the node, the venue and the reports, to be shown and checked.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.demo.scene import Act


class Mood(StrEnum):
    """How a moment is to be read."""

    PLAIN = "PLAIN"
    GOOD = "GOOD"
    WARN = "WARN"
    BAD = "BAD"


class Moment(msgspec.Struct, frozen=True):
    """One line of the timeline: when (UNIX ns), who, and what."""

    ts: int
    who: str
    what: str
    mood: Mood = Mood.PLAIN


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order of the strategy."""

    # When (UNIX ns)
    ts: int
    # The event: ``OrderDenied``, ``OrderAccepted`` or ``OrderRejected``
    event: str = msgspec.field(name="fact")
    # The client order ID
    order_id: str
    instrument_id: str
    # Why, for an order that was refused
    reason: str = ""


class Belief(msgspec.Struct, frozen=True):
    """What NautilusTrader holds true after its restart."""

    # What the kernel logged of its reconciliation, empty if it logged nothing
    log_line: str
    # The portfolio's net position in the instrument
    net_position: Decimal
    # The client order IDs that are open in the cache
    orders_open: tuple[str, ...]
    # The state of the risk engine
    trading_state: str


class VenueTruth(msgspec.Struct, frozen=True):
    """What is true at the venue, asked by the demo while no node ran, and at the end."""

    # The signed position in the instrument while no node ran
    position: Decimal
    # The state of the stop-loss while no node ran
    stop_state: str
    # The trades that filled the stop-loss
    stop_trade_ids: tuple[str, ...] = ()
    # The states of all orders that reached the venue, at the end, by client order ID
    orders: dict[str, str] = {}


class ActRecord(msgspec.Struct, frozen=True):
    """One act."""

    act: Act
    # Its trader
    trader_id: str
    # The client order ID of the stop-loss
    stop_id: str
    # The report before the kill
    first: RecoveryReport
    # The report after the restart
    report: RecoveryReport
    # What NautilusTrader holds true, ``None`` if trading was never enabled
    belief: Belief | None
    # What is true
    venue: VenueTruth
    # The answer to the bid before the recovery had completed, ``None`` if it was never sent
    early: Answer | None
    # The answers to the bids when trading was enabled
    bids: tuple[Answer, ...] = ()
