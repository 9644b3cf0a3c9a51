"""
The state that a strategy must not forget, and what of it is stored.
"""

from decimal import Decimal
from typing import Any

import msgspec

from nautilus_recovery_actor.core.checkpoint import decode
from nautilus_recovery_actor.core.names import CHECKPOINT_KEY
from nautilus_recovery_actor.testkit import EmbeddedValkey


STRATEGY_ID = "EntryAndStop-001"
FIRST_PX = Decimal("2000.00")

_KEY = f"trader-TESTER-001:general:{CHECKPOINT_KEY}"


class State(msgspec.Struct, frozen=True):
    """
    What the strategy must not forget.

    Parameters
    ----------
    version : int, default 0
        One more with each change.
    signal : Decimal, default ``FIRST_PX``
        The last price that was acted on.
    entry : str, default ""
        The client order ID of the entry that it was acted on with.
    fills : int, default 0
        The fills that were seen.

    """

    version: int = 0
    signal: Decimal = FIRST_PX
    entry: str = ""
    fills: int = 0


BLANK: dict[str, Any] = msgspec.to_builtins(State())


def stored_state(valkey: EmbeddedValkey) -> dict[str, Any]:
    """
    Return the state of the newest checkpoint.
    """
    with valkey.client() as client:
        keys = [_KEY.format(strategy_id=STRATEGY_ID, slot=slot) for slot in (0, 1)]
        slots = [decode(data) for key in keys if (data := client.get(key)) is not None]
    if not slots:
        return BLANK
    newest = max(slots, key=lambda checkpoint: (checkpoint.run, checkpoint.sequence))
    state: dict[str, Any] = msgspec.json.decode(newest.state["state"])
    return state
