"""
What a node holds of a wrong state.
"""

from dataclasses import dataclass

from nautilus_recovery_actor import RecoveryReport
from tests.repair.holdings import Holdings
from tests.restart.judge import Result
from tests.restart.judge import State


@dataclass(frozen=True)
class Found:
    """
    What a node holds of one state, and what its monitor says.

    Parameters
    ----------
    result : Result
        How that compares with the venue.
    holdings : Holdings
        What the cache holds.
    venue : State
        What the venue holds.
    report : RecoveryReport
        The monitor's last, of all that the node trades.
    outcomes : tuple[str, ...]
        The outcomes since the node started, oldest first.

    """

    result: Result
    holdings: Holdings
    venue: State
    report: RecoveryReport
    outcomes: tuple[str, ...]

    @property
    def kinds(self) -> set[str]:
        """What differs according to the monitor, and is more than a remark."""
        return {
            found.kind.value
            for found in self.report.discrepancies
            if found.instrument_id == self.result.cell.instrument_id
            and found.severity.value != "INFO"
            and not found.resolved
        }

    def __str__(self) -> str:
        return f"{self.result}\n{self.holdings}\nvenue: {self.venue}"
