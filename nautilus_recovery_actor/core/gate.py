"""
May this instrument trade, and if not, why (long: public docstrings).
"""

import time
from collections.abc import Callable
from collections.abc import Mapping
from typing import Protocol

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.overrides import active
from nautilus_recovery_actor.core.report import RecoveryReport


class RecoveryGate:
    """
    A gate that is open only under the `RecoveryComplete` of the newest epoch it knows.

    It starts closed. `RecoverableStrategy` owns one and feeds it with what the monitor of its node
    says; code that is not a strategy can use one too. It does not ask whose message it is fed with:
    on the topics there may be those of others. Messages may come twice or late: an older epoch
    never changes it, and within one epoch a failure outweighs a completion.

    Parameters
    ----------
    now : Callable[[], int], default time.time_ns
        The clock (UNIX ns) by which a release expires.

    """

    __slots__ = (
        "_are_all_open",
        "_blocked",
        "_epoch",
        "_is_failed",
        "_is_forgone",
        "_is_open",
        "_is_over",
        "_now",
        "_reason",
        "_released",
        "is_unrestricted",
    )

    def __init__(self, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now
        self._is_over: Callable[[], bool] | None = None
        self._is_forgone: Callable[[], bool] | None = None
        self._are_all_open = False
        # Open for every instrument, and nothing else to ask: an attribute, because it is read on
        # the path of every order
        self.is_unrestricted = False
        self._epoch = 0
        self._is_open = False
        self._is_failed = False
        self._blocked: frozenset[str] = frozenset()
        self._released: dict[str, int] = {}
        self._reason = "RECOVERY_PENDING: no recovery has completed yet"

    @property
    def epoch(self) -> int:
        """
        The newest known epoch, zero before the first.
        """
        return self._epoch

    @property
    def is_open(self) -> bool:
        """
        Whether trading is allowed, except for blocked instruments.
        """
        return self._is_open and not self._is_limited()

    def is_open_for(self, instrument_id: object) -> bool:
        """
        Return whether `instrument_id` may be traded.

        Parameters
        ----------
        instrument_id : InstrumentId or str
            The instrument.
        """
        if self.is_unrestricted:
            return True
        if not self._is_open or self._is_limited():
            return False
        if self._are_all_open:
            return True
        value = str(instrument_id)
        return value not in self._blocked or self._released.get(value, 0) > self._now()

    @property
    def blocked(self) -> frozenset[str]:
        """
        The instruments that may not be traded now although the gate is open.
        """
        if not self.is_open:
            return frozenset()
        now = self._now()
        return frozenset(
            instrument_id
            for instrument_id in self._blocked
            if self._released.get(instrument_id, 0) <= now
        )

    def reason(self, instrument_id: object = None) -> str | None:
        """
        Return why trading is not allowed.

        Parameters
        ----------
        instrument_id : InstrumentId or str, optional
            The instrument; ``None`` for trading as a whole.

        Returns
        -------
        str or ``None``
            A text that starts with ``RECOVERY_``, ``None`` if trading is allowed.

        """
        if not self._is_open:
            return self._reason
        if self._is_limited():
            return "RECOVERY_ANOTHER_NODE: the lease has run out, and another node may trade by now"
        if instrument_id is None or self.is_open_for(instrument_id):
            return None
        return (
            f"RECOVERY_BLOCKED: {instrument_id} differs from the venue's report "
            f"since recovery epoch {self._epoch}"
        )

    def begin(self, epoch: int) -> bool:
        """
        Close for a recovery that has begun.

        Parameters
        ----------
        epoch : int
            The epoch.

        Returns
        -------
        bool
            Whether the gate was open.

        """
        if epoch <= self._epoch:
            return False
        self._epoch, self._is_failed = epoch, False
        return self._close(f"RECOVERY_IN_PROGRESS: recovery epoch {epoch} has not completed")

    def complete(self, epoch: int, blocked: frozenset[str] = frozenset()) -> bool:
        """
        Open under a recovery that completed.

        Parameters
        ----------
        epoch : int
            The epoch.
        blocked : frozenset[str], default frozenset()
            The instruments that stay blocked.

        Returns
        -------
        bool
            Whether the gate opened, or now blocks other instruments.

        """
        if epoch < self._epoch:
            return False
        if epoch == self._epoch and (self._is_failed or self._is_open):
            return False
        self._epoch, self._is_failed = epoch, False
        self._open(blocked)
        return True

    def fail(self, epoch: int, failure: FailureReason, message: str) -> bool:
        """
        Close under a recovery that failed.

        Parameters
        ----------
        epoch : int
            The epoch.
        failure : FailureReason
            The reason.
        message : str
            The reason in a sentence.

        Returns
        -------
        bool
            Whether the gate was open.

        """
        if epoch < self._epoch:
            return False
        self._epoch, self._is_failed = epoch, True
        return self._close(f"RECOVERY_FAILED: {failure}: {message}")

    def release(self, epoch: int, until: Mapping[str, int]) -> bool:
        """
        Let blocked instruments trade that an operator released, and no others.

        Parameters
        ----------
        epoch : int
            The epoch that blocks them. A release of another one changes nothing.
        until : Mapping[str, int]
            When each release ends, by instrument (UNIX ns).

        Returns
        -------
        bool
            Whether this changed anything.

        """
        if epoch != self._epoch or not self._is_open or self._released == until:
            return False
        self._released = dict(until)
        return True

    def hold(self, epoch: int, reason: str) -> bool:
        """
        Say what a recovery that completed still waits for. The gate stays closed until `complete`.

        Parameters
        ----------
        epoch : int
            The epoch. One that has failed, is over or has opened the gate changes nothing.
        reason : str
            What is waited for, a text that starts with ``RECOVERY_``.

        Returns
        -------
        bool
            Whether this is the reason now.

        """
        if not self.may_complete(epoch):
            return False
        self._reason = reason
        return True

    def may_complete(self, epoch: int) -> bool:
        """
        Return whether the gate is closed for this epoch only because it has not completed.

        Parameters
        ----------
        epoch : int
            The epoch.
        """
        return epoch == self._epoch and not self._is_failed and not self._is_open

    def close(self, reason: str) -> bool:
        """
        Close for a cause of the owner's own, until the next recovery completes.

        Parameters
        ----------
        reason : str
            The cause; ``RECOVERY_`` is put before it if it is missing.

        Returns
        -------
        bool
            Whether the gate was open.

        """
        self._is_failed = True
        return self._close(reason if reason.startswith("RECOVERY_") else f"RECOVERY_{reason}")

    @property
    def is_forgone(self) -> bool:
        """
        Whether somebody else answers for what is held by now, so that exits do not pass either.
        """
        return self._is_forgone is not None and self._is_forgone()

    def limit_by(
        self, is_over: Callable[[], bool] | None, is_forgone: Callable[[], bool] | None = None
    ) -> None:
        """
        Close also once a permission of the whole node has run out.

        Parameters
        ----------
        is_over : Callable[[], bool], optional
            Returns whether it has. It is asked for every order. With ``None`` there is none.
        is_forgone : Callable[[], bool], optional
            Returns whether somebody else has it.

        """
        self._is_over, self._is_forgone = is_over, is_forgone
        self.is_unrestricted = self._are_all_open and is_over is None

    def open_without_recovery(self) -> None:
        """
        Open where there is nothing to recover, as in a backtest.
        """
        self._open(frozenset())

    def _open(self, blocked: frozenset[str]) -> None:
        self._blocked, self._released = blocked, {}
        self._is_open = True
        self._are_all_open = not blocked
        self.is_unrestricted = self._are_all_open and self._is_over is None

    def _close(self, reason: str) -> bool:
        was_open, self._is_open = self._is_open, False
        self._are_all_open = self.is_unrestricted = False
        self._reason = reason
        return was_open

    def _is_limited(self) -> bool:
        return self._is_over is not None and self._is_over()


_NONE: frozenset[str] = frozenset()
# An enum's attribute costs more than a gate does with it
_FAILED, _COMPLETE, _OVERRIDDEN = MessageKind.FAILED, MessageKind.COMPLETE, MessageKind.OVERRIDDEN


class Message(Protocol):
    """A message of the monitor, as far as a gate is concerned."""

    @property
    def kind(self) -> MessageKind:
        """Which of the messages it is."""

    @property
    def epoch(self) -> int:
        """The epoch that it is about."""

    @property
    def report(self) -> RecoveryReport:
        """What was found so far."""


def apply_message(gate: RecoveryGate, message: Message, now: Callable[[], int]) -> None:
    """Do to a gate what a message means for it."""
    close_by(gate, message)
    open_by(gate, message, now)


def close_by(gate: RecoveryGate, message: Message) -> bool:
    """Close a gate if a message closes it, and return whether it was open."""
    # Also a result whose beginning was missed closes what an older one opened
    was_open = gate.begin(message.epoch)
    if message.kind is _FAILED:
        report = message.report
        assert report.failure is not None  # A failed epoch has a reason
        was_open |= gate.fail(message.epoch, report.failure, report.message)
    return was_open


def open_by(gate: RecoveryGate, message: Message, now: Callable[[], int]) -> bool:
    """Let a gate pass what a message allows, and return whether this changed anything."""
    if message.kind is _COMPLETE:
        blocked = message.report.blocked_instruments
        return gate.complete(message.epoch, frozenset(blocked) if blocked else _NONE)
    if message.kind is _OVERRIDDEN:
        return gate.release(message.epoch, active(message.report, now()))
    return False
