"""
Where operators' commands come in: from the node itself, on any thread, or over the monitor's own
connection.
"""

import asyncio

from nautilus_recovery_actor.host.log import asked
from nautilus_recovery_actor.link.alarms import is_running_here
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.node.monitor.decisions import Decisions
from nautilus_recovery_actor.node.seldom import Seldom


class CommandDesk:
    """Takes the commands of one trader to the event loop's thread, one after another."""

    def __init__(self, trader_id: str, decisions: Decisions) -> None:
        self._trader_id = trader_id
        self._decisions = decisions
        self._strange = Seldom()
        self.loop: asyncio.AbstractEventLoop | None = None

    def take(self, command: OperatorCommand, until: int | None = None) -> None:
        """
        Take a command, on any thread. From outside it counts until a time of `steady_ns`, whatever
        the clock of its sender says.
        """
        if not isinstance(command, OperatorCommand):
            if self._strange.is_due():
                kind = type(command).__name__
                self._decisions.log.error(f"Refused: not an OperatorCommand, but a {kind}")
            return
        if command.trader_id != self._trader_id:
            return
        if self.loop is None:
            self._decisions.log.error(f"Refused to {asked(command)}: the node has not started")
            return
        if is_running_here(self.loop) and not self._decisions.is_busy:
            self._obey(command, until)
        else:
            self.loop.call_soon_threadsafe(self._obey, command, until)

    def _obey(self, command: OperatorCommand, until: int | None) -> None:
        with self._decisions.guarded("taking an operator's command"):
            self._decisions.obey(command, until)
