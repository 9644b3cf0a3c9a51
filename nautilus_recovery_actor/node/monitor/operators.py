"""
Where operators' commands are taken: what may be released by hand is, for its time, and each command
is answered.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from nautilus_recovery_actor.core import overrides
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import CommandAnswer
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.commands import OperatorCommand


# A command is sent again by whoever is not sure that it was heard
_KEPT_IDS = 1_000


class OperatorDesk:
    """Takes operators' commands about the epoch that has ended."""

    def __init__(
        self,
        now: Callable[[], int],
        log: Any,
        journal: RecoveryJournal,
        revise: Callable[[RecoveryReport], None],
        resume: Callable[[], None],
    ) -> None:
        self._now = now
        self._log = log
        self._journal = journal
        self._revise = revise
        self._resume = resume
        self._timer: asyncio.TimerHandle | None = None
        self._command_ids: deque[str] = deque(maxlen=_KEPT_IDS)

    def take(
        self,
        command: OperatorCommand,
        report: RecoveryReport,
        phase: RecoveryPhase,
        is_trader_started: bool,
    ) -> None:
        """Carry a command out, or refuse it, and answer it."""
        if command.command_id in self._command_ids:
            return
        self._command_ids.append(command.command_id)
        now = self._now()
        asked = f"{command.action} by {command.operator} ({command.reason})"
        try:
            command = OperatorCommand.from_dict(command.to_dict())  # Whoever made it may change it
            text = self._carry_out(command, report, phase, is_trader_started, now)
        except ValueError as e:
            self._log.error(f"Refused to {asked}: {e}")
            self._journal.answer(CommandAnswer(command.command_id, False, str(e), now))
            return
        self._log.warning(f"{text}: {asked}")
        self._journal.answer(CommandAnswer(command.command_id, True, text, now))

    def _carry_out(
        self,
        command: OperatorCommand,
        report: RecoveryReport,
        phase: RecoveryPhase,
        is_trader_started: bool,
        now: int,
    ) -> str:
        if command.is_expired(now):
            raise overrides.RefusedError(
                "The command is too old: its sender no longer waits for it"
            )
        match command.action:
            case "release":
                duration = int(command.secs * 1e9)
                self._change(
                    overrides.released(
                        report,
                        command.instrument_id,
                        command.reason,
                        command.operator,
                        now,
                        duration,
                    ),
                )
                return f"Released {command.instrument_id} for {duration / 60e9:g} min"
            case "withdraw":
                self._change(overrides.withdrawn(report, command.instrument_id, now))
                return f"Blocked {command.instrument_id} again"
            case "resume":
                overrides.may_resume(phase, report.epoch, is_trader_started)
                self._resume()
                return f"Opened recovery epoch {report.epoch + 1}"

    def end(self, report: RecoveryReport) -> RecoveryReport:
        """End every release, as the next epoch does, and return the report that tells so."""
        self._cancel()
        return overrides.ended(report, self._now())

    def _change(self, report: RecoveryReport) -> None:
        self._revise(report)
        self._arm(report)

    def _arm(self, report: RecoveryReport) -> None:
        self._cancel()
        now = self._now()
        ends = [one.ts_until for one in report.overrides if one.ts_ended is None]
        if ends:
            delay = max(min(ends) - now, 0) / 1e9
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_time, report)

    def _on_time(self, report: RecoveryReport) -> None:
        later = overrides.expired(report, self._now())
        if later == report:  # The loop's clock is not the node's
            self._arm(report)
            return
        for before, after in zip(report.overrides, later.overrides, strict=True):
            if before != after:
                self._log.warning(f"Blocked {after.instrument_id} again: its time is over")
        self._change(later)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
