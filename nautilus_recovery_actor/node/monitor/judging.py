"""
The comparison of much, off the loop's critical path: read in slices, and judged on another thread.
"""

import asyncio
from collections.abc import Callable

from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Observer
from nautilus_recovery_actor.node.observing.reading import in_turns


# How often it is judged again because something has changed meanwhile, before it is judged at once
_TRIES = 3


class Judging:
    """
    Makes one judgment at a time. `take` is called with it on the loop's thread, or with ``None``
    if it is void, since something has happened meanwhile that the core has to decide about.
    """

    def __init__(
        self,
        take: Callable[[Judgment | None], None],
        intake: Intake,
        observer: Observer,
        policy: Policy,
        now: Callable[[], Recovery],
        break_off: Callable[[str, Exception], None],
    ) -> None:
        self._take = take
        self._intake = intake
        self._observer = observer
        self._policy = policy
        self._now = now
        self._break_off = break_off
        self._task: asyncio.Task[None] | None = None

    @property
    def is_on(self) -> bool:
        """Whether a judgment is being made."""
        return self._task is not None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to judge what is known now."""
        self._task = loop.create_task(self._run(self._now(), len(self._intake.flagged)))

    def cancel(self) -> None:
        """Drop what is being judged."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, recovery: Recovery, flagged: int) -> None:
        own = self._task
        try:
            judgment = await self._judgment(recovery, flagged)
            if self._task is own:
                self._task = None
                self._take(judgment)
        except Exception as e:
            if self._task is own:
                self._task = None
                self._break_off("judging the recovery", e)

    async def _judgment(self, recovery: Recovery, flagged: int) -> Judgment | None:
        loop = asyncio.get_running_loop()

        def is_void() -> bool:
            return self._now() != recovery or len(self._intake.flagged) != flagged

        for _ in range(_TRIES):
            observation = await self._observation(recovery, is_void)
            if observation is None:
                return None
            await asyncio.sleep(0)
            # The core is pure, and reads plain values alone
            judgment = await loop.run_in_executor(None, verdict.judge, observation, self._policy)
            again = await self._observation(recovery, is_void)
            counts = self._intake.counts()
            await asyncio.sleep(0)
            is_unchanged = again == observation
            await asyncio.sleep(0)
            if again is None or is_void():
                return None
            if is_unchanged and self._intake.counts() == counts:
                return judgment
        return verdict.judge(self._observer.observation(recovery), self._policy)

    async def _observation(
        self, recovery: Recovery, is_void: Callable[[], bool]
    ) -> Observation | None:
        # Most of it slice by slice, and at one instant what has changed since
        newest = self._intake.newest
        await in_turns(self._observer.steps(recovery))
        await asyncio.sleep(0)
        if is_void():
            return None
        return self._observer.observation(recovery, is_read=self._intake.newest is newest)
