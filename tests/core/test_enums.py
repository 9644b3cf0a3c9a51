import json

import pytest

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.enums import StorageTrouble


@pytest.mark.parametrize(
    ("enum", "names"),
    [
        (RecoveryPhase, "PENDING RECONCILING VERIFYING COMPLETE FAILED"),
        (RecoveryOutcome, "CLEAN ADJUSTED DEGRADED"),
        (FailureReason, "RECONCILIATION_FAILED TIMEOUT NOT_RECONCILED ANOTHER_NODE INTERNAL_ERROR"),
        (FillOrigin, "VENUE EXTERNAL INFERRED SYNTHETIC"),
        (Severity, "INFO WARN BLOCK"),
        (StorageTrouble, "LOST REFUSED REPLICA AWAY"),
        (
            DiscrepancyKind,
            (
                "POSITION_QTY_MISMATCH HEDGE_LEG_MISMATCH POSITION_NOT_AT_VENUE "
                "INSTRUMENT_NOT_LOADED UNCLAIMED_POSITION SPLIT_OWNERSHIP ORDER_NOT_IN_CACHE "
                "ORDER_NOT_AT_VENUE ORDER_MISMATCH INFLIGHT_ORDER NO_MASS_STATUS UNPROVEN_REPORT "
                "AVG_PX_MISMATCH "
                "UNPROTECTED_POSITION ORPHAN_EXIT ABSENT_STRATEGY STALE_CACHE"
            ),
        ),
    ],
)
def test_word_reads_as_its_name_everywhere(enum: type[RecoveryPhase], names: str) -> None:
    """
    A word is its name as a string, in a format, in JSON and when it is looked up.
    """
    assert [word.name for word in enum] == names.split()
    for word in enum:
        assert word == word.name
        assert str(word) == f"{word}" == word.name
        assert json.dumps(word) == f'"{word.name}"'
        assert enum(word.name) is word


def test_severity_is_block_unless_it_is_said_otherwise() -> None:
    """
    What is no difference, and two kinds of difference, do not block by default.
    """
    milder = {k: k.default_severity for k in DiscrepancyKind if k.default_severity != "BLOCK"}
    assert milder == {
        DiscrepancyKind.UNCLAIMED_POSITION: Severity.WARN,
        DiscrepancyKind.AVG_PX_MISMATCH: Severity.INFO,
        DiscrepancyKind.UNPROTECTED_POSITION: Severity.INFO,
        DiscrepancyKind.ORPHAN_EXIT: Severity.WARN,
        DiscrepancyKind.ABSENT_STRATEGY: Severity.WARN,
        DiscrepancyKind.STALE_CACHE: Severity.WARN,
    }
