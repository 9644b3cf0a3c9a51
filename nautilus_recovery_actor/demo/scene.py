"""
What the demo plays: two acts on two instruments, an entry with a stop-loss, a price that falls.
"""

from decimal import Decimal

import msgspec


class Act(msgspec.Struct, frozen=True):
    """One act."""

    # Its number
    number: int
    # What happens in it
    title: str
    # If the venue loses the record of what fills while the node is dead
    loses_fills: bool


ACTS = (
    Act(1, "The stop-loss fills while the node is dead", loses_fills=False),
    Act(2, "The same, and the venue loses its record of that fill", loses_fills=True),
)

SYMBOL = "ETHUSDT-PERP"
INSTRUMENT_ID = f"{SYMBOL}.PAPER"
OTHER_SYMBOL = "SOLUSDT-PERP"
OTHER_INSTRUMENT_ID = f"{OTHER_SYMBOL}.PAPER"

QTY = Decimal(2)
ENTRY_PX = Decimal("2000.00")
STOP_PX = Decimal("1900.00")
OTHER_PX = Decimal("150.00")

# The prices while no node runs: the last one is below the stop-loss
FALL = (Decimal("1960.00"), Decimal("1915.00"), Decimal("1890.00"))

# What the strategy bids after the restart, so low that it rests
BIDS = {INSTRUMENT_ID: Decimal("1500.00"), OTHER_INSTRUMENT_ID: Decimal("100.00")}
BID_QTY = Decimal(1)
