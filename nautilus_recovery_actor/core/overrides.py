"""
The operator's override: what may be released by hand, and for how long.
"""

from collections.abc import Callable
from collections.abc import Mapping

import msgspec

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import RecoveryReport


class RefusedError(ValueError):
    """A command that cannot be carried out; its text says why and what to do."""


def released(
    report: RecoveryReport, instrument_id: str, reason: str, operator: str, now: int, duration: int
) -> RecoveryReport:
    """Return `report` with `instrument_id` released from `now` on, in place of a release before."""
    if report.outcome is None:
        raise RefusedError(
            f"Recovery epoch {report.epoch} has not completed: "
            "an instrument can be released only then"
        )
    if instrument_id not in report.blocked_instruments:
        blocked = ", ".join(report.blocked_instruments) or "none"
        raise RefusedError(f"{instrument_id} is not blocked, now blocked: {blocked}")
    override = Override(
        instrument_id=instrument_id,
        reason=reason,
        operator=operator,
        ts_started=now,
        ts_until=now + duration,
    )
    others = _ended(report, now, lambda other: other.instrument_id == instrument_id).overrides
    return msgspec.structs.replace(report, overrides=(*others, override))


def withdrawn(report: RecoveryReport, instrument_id: str, now: int) -> RecoveryReport:
    """Return `report` with `instrument_id` blocked again."""
    if instrument_id not in active(report, now):
        raise RefusedError(f"{instrument_id} is not released: there is nothing to withdraw")
    return _ended(report, now, lambda override: override.instrument_id == instrument_id)


def expired(report: RecoveryReport, now: int) -> RecoveryReport:
    """Return `report` with every release ended that has expired."""
    return _ended(report, now, lambda override: override.ts_until <= now)


def ended(report: RecoveryReport, now: int) -> RecoveryReport:
    """Return `report` with every release ended, as the next epoch does."""
    return _ended(report, now, lambda _: True)


def active(report: RecoveryReport, now: int) -> Mapping[str, int]:
    """Return when each release that stands ends, by instrument (UNIX ns)."""
    return {
        one.instrument_id: one.ts_until
        for one in report.overrides
        if one.ts_ended is None and one.ts_until > now
    }


def check_age(now: int, ts_expires: int) -> None:
    """Refuse a command whose sender no longer waits: it believes that nothing was done."""
    if now >= ts_expires:
        raise RefusedError("The command is too old: its sender stopped waiting for it")


def may_resume(phase: RecoveryPhase, epoch: int, is_trader_started: bool) -> None:
    """Refuse to open a new epoch where an operator may not."""
    if phase is not RecoveryPhase.FAILED:
        raise RefusedError(f"Recovery epoch {epoch} has not failed: there is nothing to resume")
    if not is_trader_started:
        raise RefusedError(
            "The trader is not running: fix the error in the log, then restart the node"
        )


def _ended(
    report: RecoveryReport, now: int, is_concerned: Callable[[Override], bool]
) -> RecoveryReport:
    return msgspec.structs.replace(
        report,
        overrides=tuple(
            msgspec.structs.replace(override, ts_ended=min(now, override.ts_until))
            if override.ts_ended is None and is_concerned(override)
            else override
            for override in report.overrides
        ),
    )
