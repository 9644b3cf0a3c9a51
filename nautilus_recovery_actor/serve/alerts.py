"""
Alerts: each incident that a board shows is told once to each target, and so is its end.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from collections.abc import Sequence

from nautilus_recovery_actor.serve import findings
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.coordination import Alone
from nautilus_recovery_actor.serve.coordination import Coordination
from nautilus_recovery_actor.serve.incidents import ENDS_AFTER_SECS
from nautilus_recovery_actor.serve.incidents import Incidents
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.incidents import looked
from nautilus_recovery_actor.serve.outbox import Outbox
from nautilus_recovery_actor.serve.outbox import Pace
from nautilus_recovery_actor.serve.outbox import Sender
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.wording import Link
from nautilus_recovery_actor.serve.wording import no_link


_LOG = logging.getLogger(__name__)
_NS = 1_000_000_000
# How often it is looked at what other processes have told (seconds)
_SYNC_SECS = 15.0
# After so long without a look this process was stopped, and the next board is an old one (seconds)
_STALE_SECS = 10.0

_ALONE = (
    "Incidents are not shared (no --coordinate): after a restart of serve, what still stands is "
    "alerted again, and the end of what ended meanwhile is not"
)


class Alerts:
    """Tells of incidents, as a task of the board."""

    def __init__(
        self,
        senders: Sequence[Sender],
        *,
        coordination: Coordination | None = None,
        link: Link = no_link,
        after_secs: Mapping[Kind, float] | None = None,
        ends_after_secs: float = ENDS_AFTER_SECS,
        pace: Pace | None = None,
        sync_secs: float = _SYNC_SECS,
    ) -> None:
        self._coordination = coordination or Alone()
        pace = pace or Pace()
        self.outboxes = [Outbox(one, self._coordination, link, pace) for one in senders]
        self.incidents = Incidents()
        self._after_secs = after_secs
        self._ends_after_secs = ends_after_secs
        self._sync_secs = sync_secs
        self._began = time.time_ns() - round(time.monotonic() * _NS)
        self._looked_at: float | None = None

    async def run(self, watch: Watch) -> None:
        """Look at each board, for ever."""
        _LOG.info(f"Alerts go to {', '.join(outbox.name for outbox in self.outboxes)}")
        if isinstance(self._coordination, Alone):
            _LOG.warning(_ALONE)
        running = [asyncio.ensure_future(self._guarded(one)) for one in self.outboxes]
        try:
            await self._look(watch)
        finally:
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for outbox in self.outboxes:
                outbox.end()
            await self._coordination.close()

    async def _look(self, watch: Watch) -> None:
        seen, synced = 0, 0.0
        while True:
            board = await watch.changed(seen)
            seen = board.ts
            try:
                if time.monotonic() >= synced:
                    self.incidents = self.incidents.with_told(await self._coordination.ongoing())
                    synced = time.monotonic() + self._sync_secs
                self.look(board)
            except Exception:
                _LOG.exception("Alerts could not look at a board: the next one is looked at")

    def look(self, board: Board) -> None:
        """Look at a board, and have told what is new."""
        before, self._looked_at = self._looked_at, time.monotonic()
        if before is not None and self._looked_at - before > _STALE_SECS:
            return
        found = findings.found(board, self.incidents, time.time_ns())
        # A clock that is set must neither hasten nor hold up anything
        now = self._began + round(self._looked_at * _NS)
        self.incidents, notices = looked(
            self.incidents, board, found, now, self._after_secs, self._ends_after_secs
        )
        for outbox in self.outboxes:
            outbox.put(notices)

    async def _guarded(self, outbox: Outbox) -> None:
        while True:
            try:
                await outbox.run()
            except Exception:
                _LOG.exception(f"Sending to {outbox.name} is begun anew")
                await asyncio.sleep(1)
