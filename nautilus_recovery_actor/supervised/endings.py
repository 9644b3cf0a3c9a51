"""
How a supervised node ends: the exit code, and the line that says why.
"""

import traceback
from collections.abc import Collection
from enum import IntEnum
from enum import StrEnum
from typing import Any

import msgspec

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.lease import AnotherNodeError
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.checks.redact import error_text
from nautilus_recovery_actor.outside.checks.redact import secrets_in
from nautilus_recovery_actor.outside.checks.redact import without_secrets


class Exit(IntEnum):
    """Exit codes: those of ``sysexits.h``, and 128 + N for signal N before the node had started."""

    STOPPED = 0
    ENTRIES_STOP_START = 65
    RAISED = 70
    TRY_AGAIN = 75
    MISCONFIGURED = 78


class Phase(StrEnum):
    """What the process of the node is doing."""

    BUILDING = "BUILDING"
    RUNNING = "RUNNING"
    RECOVERED = "RECOVERED"
    STOPPING = "STOPPING"


class Ending(msgspec.Struct, frozen=True):
    """How the node ended."""

    code: int
    # Why, in one line, where it is not a stop as asked
    why: str = ""


class RefusedError(BaseException):
    """
    Raised where a node must not be made. Not an `Exception`: no `build` may go on after it.
    """

    def __init__(self, code: Exit, why: str) -> None:
        super().__init__(why)
        self.ending = Ending(code, why)


def stopped(phases: Collection[RecoveryPhase], remark: str = "") -> Ending:
    """Return how a node ended that was asked to stop, by how far its recoveries had come."""
    if all(phase is RecoveryPhase.COMPLETE for phase in phases):
        return Ending(Exit.STOPPED, f"the node stopped: {remark}" if remark else "")
    is_failed = RecoveryPhase.FAILED in phases
    why = "its last recovery failed" if is_failed else "its last recovery had not ended"
    return Ending(Exit.TRY_AGAIN, "; ".join(filter(None, [f"the node stopped: {why}", remark])))


def raised(doing: str, error: BaseException, config: Any) -> Ending:
    """Return how a node ends in which something was raised, and print where."""
    for cause in _causes(error):
        if isinstance(cause, AnotherNodeError):
            return Ending(Exit.TRY_AGAIN, one_line(str(cause)))
    traceback.print_exception(error)
    text = without_secrets(error_text(error), secrets_in(config))
    return Ending(Exit.RAISED, f"{doing} raised {text}")


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
