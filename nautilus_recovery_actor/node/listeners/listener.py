"""
What a listener is, and what it hears.
"""

from typing import Protocol

import msgspec

from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.messages import RecoveryMessage


class News(msgspec.Struct, frozen=True):
    """A message of the monitor. Nobody changes it."""

    message: RecoveryMessage

    @property
    def report(self) -> RecoveryReport:
        """What was found so far."""
        return self.message.report


class Listener(Protocol):
    """Somebody who is informed of a recovery. What it raises is logged and keeps nobody else."""

    def open(self) -> None:
        """Register what is needed on the message bus."""
        return

    def close(self) -> None:
        """Take back what `open` registered."""
        return

    def hear(self, news: News) -> None:
        """Take notice of `news`, without blocking."""
