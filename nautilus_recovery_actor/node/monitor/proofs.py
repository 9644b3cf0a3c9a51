"""
One proof between recoveries: the venues are asked, and the cache is compared with what they answer,
in slices, so that no order event waits for it.
"""

import asyncio
import random
from collections.abc import Callable

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.drift import active
from nautilus_recovery_actor.core.drift import drift
from nautilus_recovery_actor.core.drift import names
from nautilus_recovery_actor.core.drift import parts
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.node.evidence.answers import Answers
from nautilus_recovery_actor.node.monitor.decisions import Decisions
from nautilus_recovery_actor.node.observing.current import Current
from nautilus_recovery_actor.node.observing.reading import in_turns


class Proofs:
    """Makes one proof at a time, and tells the core what came of it."""

    def __init__(
        self,
        answers: Answers,
        current: Current,
        decisions: Decisions,
        can_report: Callable[[], bool],
    ) -> None:
        self._answers = answers
        self._current = current
        self._decisions = decisions
        self._can_report = can_report
        self._task: asyncio.Task[None] | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, prove: happened.Prove) -> None:
        """Ask the venues."""
        self.cancel()
        self._task = loop.create_task(self._run(prove, self._decisions.recovery.epoch))

    def cancel(self) -> None:
        """Drop what is asked: an epoch asks for itself."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self, prove: happened.Prove, epoch: int) -> None:
        decisions = self._decisions
        with decisions.guarded("asking the venues for a proof"):
            answers = await self._answers.ask(prove.accounts, (), prove.explored)
            proved = await self._proved(answers)
            if self._task is asyncio.current_task() and decisions.recovery.epoch == epoch:
                self._task = None
                decisions.decide(proved)

    async def _proved(self, answers: tuple[Answer, ...]) -> happened.Proved:
        recovery: Recovery = self._decisions.recovery
        rules: Rules = self._decisions.rules
        given = tuple(one for one in answers if one.problem is None)
        found: list[Discrepancy] = []
        instruments = 0
        busy: frozenset[tuple[str, str]] = frozenset()
        if given:
            await in_turns(self._current.steps(given))
            await asyncio.sleep(0)
            observation = self._current.observation(recovery, given)
            await asyncio.sleep(0)
            busy = active(observation, min(one.ts for one in given))
            for part in parts(observation):
                await asyncio.sleep(0)
                found += drift(part, rules.policy)
            await asyncio.sleep(0)
            instruments = len(names(observation))
        return happened.Proved(
            *self._decisions.moment(),
            answers=answers,
            found=tuple(found),
            active=busy,
            instruments=instruments,
            known=self._current.known(),
            can_report=self._can_report(),
            chance=random.random(),  # noqa: S311  It spreads questions, and hides nothing
        )
