"""
What an epoch asks the venues, and what their clients ask for by themselves.
"""

import asyncio

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.node.evidence.answers import Answers
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.monitor.decisions import Decisions


class Asking:
    """Asks once at a time, and tells the core what was answered and which client comes back."""

    def __init__(self, answers: Answers, seam: Seam, decisions: Decisions) -> None:
        self._answers = answers
        self._seam = seam
        self._decisions = decisions
        self._task: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    def begin(self, ask: happened.Ask) -> None:
        """Ask the venues; without an event loop none can be."""
        if self.loop is None:
            self._answered(())
            return
        self._task = self.loop.create_task(self._run(ask))

    def cancel(self) -> None:
        """Drop what is asked."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, ask: happened.Ask) -> None:
        epoch = self._decisions.recovery.epoch
        answers: tuple[Answer, ...] = ()
        try:
            with self._decisions.guarded("asking the venues"):
                answers = await self._answers.ask(ask.accounts, ask.again, ask.explored)
        finally:
            if self._task is asyncio.current_task():
                self._task = None
        if self._seam.busy:
            return  # The epoch waits for what a client reports by itself, and asks again
        if self._decisions.recovery.epoch == epoch:
            self._answered(answers)

    def _answered(self, answers: tuple[Answer, ...]) -> None:
        with self._decisions.guarded("reading the venues' answers"):
            self._decisions.decide(happened.Answered(*self._decisions.moment(), answers=answers))

    # -- WHAT CLIENTS DO --

    def on_asked(self, account_id: str) -> None:
        """A client asks its venue by itself: it comes back."""
        with self._decisions.guarded("noticing a client that comes back"):
            self._decisions.decide(
                happened.Returning(*self._decisions.moment(), account_id=account_id)
            )

    def on_idle(self) -> None:
        """No client asks any more."""
        if self.loop is not None and self._task is None:
            # The client sends what it made in the same turn
            self.loop.call_soon(self.loop.call_soon, self._on_returned)

    def _on_returned(self) -> None:
        with self._decisions.guarded("noticing a client that has come back"):
            self._decisions.decide(happened.Returned(*self._decisions.moment()))
