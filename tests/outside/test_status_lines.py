"""
What ``status`` prints.
"""

import msgspec
import pytest

from nautilus_recovery_actor.console.status import show
from nautilus_recovery_actor.outside.record.status import NodeStatus
from tests.outside.test_status import CLEAN
from tests.outside.test_status import DEGRADED
from tests.outside.test_status import NOW
from tests.outside.test_status import SEC
from tests.outside.test_status import beat
from tests.outside.test_status import found


def lines(status: NodeStatus, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(status)
    return capsys.readouterr().out.splitlines()


def test_a_proof_is_of_the_rest_where_something_is_blocked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It must not read as if all were well."""
    proof = beat(ts_proven=NOW - 12 * SEC)
    assert "Proven 12 s ago" in lines(found(proof, CLEAN), capsys)
    degraded = msgspec.structs.replace(DEGRADED, message="X")
    printed = lines(found(proof, degraded), capsys)
    assert "The rest was proven 12 s ago" in printed
    assert "Proven 12 s ago" not in printed
