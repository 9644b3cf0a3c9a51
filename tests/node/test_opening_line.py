"""
What the log says when an epoch begins.
"""

from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.log import beginning


@pytest.mark.parametrize(
    ("fields", "concerned", "told"),
    [
        (
            {"trigger": "startup"},
            None,
            (
                "Recovery epoch 1 begins (startup: the node starts). Recoverable strategies send "
                "only exits until it ends"
            ),
        ),
        (
            {"trigger": "mass_status", "shadow": True},
            frozenset({"B-1", "A-1"}),
            (
                "Recovery epoch 1 begins (mass_status: a venue reports anew, or its client was "
                f"disconnected, of A-1, B-1). {wording.SHADOW}"
            ),
        ),
        (
            {"trigger": "proof"},
            frozenset({"A-1"}),
            (
                "Recovery epoch 1 begins (proof: the venue and the cache may differ, of A-1). "
                "Recoverable strategies send only exits until it ends"
            ),
        ),
    ],
)
def test_the_beginning_of_an_epoch_says_why_and_what_it_holds(
    fields: dict[str, Any], concerned: frozenset[str] | None, told: str
) -> None:
    begun = msgspec.structs.replace(RecoveryReport("T-1", "x", 1, "startup"), **fields)
    assert beginning(begun, concerned) == told
