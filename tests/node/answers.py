"""
Clients that answer single questions badly.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from nautilus_recovery_actor.testkit.execution import PaperVenueExecutionClient


_is_mass_status: ContextVar[bool] = ContextVar("is_mass_status", default=False)
_METHODS = {
    "mass status": "generate_mass_status",
    "positions": "generate_position_status_reports",
    "orders": "generate_order_status_reports",
}


class Script:
    """
    How the clients of a test answer: each question first as said, in order, and then well.

    A question is "mass status", "positions" or "orders", those two asked for by themselves, or
    "mass positions", asked for in a mass status. An answer is "raise", "hang", "empty" or "well".
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []
        for question, method in _METHODS.items():
            original = getattr(PaperVenueExecutionClient, method)
            monkeypatch.setattr(
                PaperVenueExecutionClient, method, self._scripted(question, original)
            )

    def _scripted(
        self, question: str, original: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        async def answer(client: Any, *args: Any, **kwargs: Any) -> Any:
            name = f"mass {question}" if _is_mass_status.get() else question
            self.asked.append(name)
            answers = self.answers.get(name) or ["well"]
            said = answers.pop(0) if len(answers) > 1 or answers[0] != "raise always" else "raise"
            if said == "raise":
                raise RuntimeError(f"no {name}")
            if said == "hang":
                await asyncio.Event().wait()
            token = _is_mass_status.set(question == "mass status" or _is_mass_status.get())
            try:
                found = await original(client, *args, **kwargs)
            finally:
                _is_mass_status.reset(token)
            return [] if said == "empty" else found

        return answer
