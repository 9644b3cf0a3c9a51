"""
What to do next: the life of one epoch as pure functions (long: its words, and all their cases).

`decide` takes a state and what happened, and answers with the next state and at most one action.
It reads no clock and does nothing itself; the host carries the action out and feeds back what
came of it.
"""

from collections.abc import Collection
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import seconds


class Timing(msgspec.Struct, frozen=True):
    """The durations that bound an epoch, in nanoseconds."""

    # From the start of the kernel to the failure of a trader that did not start
    startup: int
    # How long no flagged event may have come before the judgment
    settle: int
    # From the start of the trader, `settle` aside, to the failure of a recovery that did not
    # settle, and to the last check of one that blocks
    verify: int
    # From one check that blocks to the next, if nothing that matters comes in between
    recheck: int = 500_000_000
    # How many epochs may open at run time within `storm_window`
    storm_epochs: int = 6
    # The time in which they are counted
    storm_window: int = 300_000_000_000
    # How often the venues are asked in one epoch before a judgment
    asks: int = 0
    # How long all of them may take to answer
    answer: int = 0
    # How long a repair may take
    repair: int = 30_000_000_000


class RecoveryState(msgspec.Struct, frozen=True):
    """Where an epoch stands."""

    phase: RecoveryPhase
    # When the phase ends in failure (UNIX ns)
    deadline: int
    # When to judge, if nothing comes in between (UNIX ns)
    settle_at: int | None = None
    # The number of flagged events when `settle_at` was set
    flagged: int = 0
    # Set when a first judgment blocked and another one is due: to where events that come late
    # may put off the deadline (UNIX ns)
    limit: int | None = None
    # How often the venues were asked, and until when an answer is awaited, or was not (UNIX ns)
    asked: int = 0
    asking_until: int | None = None
    # Whether the last answer is still to be judged
    is_answered: bool = False
    # Not before the venues are asked again (UNIX ns)
    ask_at: int = 0
    # How often what they had answered was not enough any more
    rounds: int = 0
    # Until when a repair that is being made is waited for (UNIX ns)
    repairing_until: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether the epoch has had its one terminal message."""
        return self.phase in (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED)

    @property
    def wake_at(self) -> int | None:
        """When the host has to send `Woke` (UNIX ns), ``None`` once the epoch is over."""
        if self.is_over:
            return None
        if self.repairing_until is not None:
            return self.repairing_until
        if self.asking_until is not None:
            return self.asking_until
        return min(self.deadline, self.settle_at) if self.settle_at is not None else self.deadline


# -- WHAT HAPPENED --


class Seen(msgspec.Struct, frozen=True):
    """A flagged event or a mass status came."""


class TraderStarted(msgspec.Struct, frozen=True):
    """The trader, with all its strategies, started at `now`; `flagged` events had come."""

    now: int
    flagged: int


class Woke(msgspec.Struct, frozen=True):
    """
    The time `now` has come; `flagged` events had come. `is_start_pending` says whether the kernel
    still starts, ``None`` if that is not known; the clients of `disconnected` are.
    """

    now: int
    flagged: int
    is_start_pending: bool | None = None
    disconnected: frozenset[str] = frozenset()


class Changed(msgspec.Struct, frozen=True):
    """At `now` an order event came that may resolve what blocks."""

    now: int


class Unasked(msgspec.Struct, frozen=True):
    """At `now` something came that the venues have to be asked about: a mass status, or a doubt."""

    now: int


class Again(msgspec.Struct, frozen=True):
    """At `now`, after a judgment, more has to be asked: it is judged by a further answer."""

    now: int


class Repairing(msgspec.Struct, frozen=True):
    """At `now`, after a judgment, the cache is being changed: nothing is judged meanwhile."""

    now: int


class Repaired(msgspec.Struct, frozen=True):
    """That was done at `now`; `flagged` events had come: it is judged by a further answer."""

    now: int
    flagged: int


class Returning(msgspec.Struct, frozen=True):
    """At `now` a client began to report by itself: that is waited for."""

    now: int


class Returned(msgspec.Struct, frozen=True):
    """At `now` no client is about to report any more; `flagged` events had come."""

    now: int
    flagged: int


class Answered(msgspec.Struct, frozen=True):
    """The answer to `Ask` is there at `now`, whatever it is; `flagged` events had come."""

    now: int
    flagged: int


class Judged(msgspec.Struct, frozen=True):
    """
    The judgment was made at `now`: a `failure`, with its `message`, if it allows no trading at
    all; `is_blocking` if it blocks anything; `is_pending` if another answer of a venue may change
    that.
    """

    now: int
    failure: FailureReason | None = None
    message: str = ""
    is_blocking: bool = False
    is_pending: bool = False


class Stormed(msgspec.Struct, frozen=True):
    """Too many epochs have opened, this one included: see `is_storm`."""


class Stopped(msgspec.Struct, frozen=True):
    """The node, or the monitor, stops."""


class Broke(msgspec.Struct, frozen=True):
    """The monitor itself raised, as `message` says."""

    message: str


class Fenced(msgspec.Struct, frozen=True):
    """Another node may run this trader, as `message` says."""

    message: str


Happening: TypeAlias = (
    Seen
    | TraderStarted
    | Woke
    | Changed
    | Unasked
    | Again
    | Repairing
    | Repaired
    | Returning
    | Returned
    | Answered
    | Judged
    | Stormed
    | Stopped
    | Broke
    | Fenced
)


# -- WHAT TO DO --


class Ask(msgspec.Struct, frozen=True):
    """Ask the venues what they hold, and answer with `Answered`."""


class Judge(msgspec.Struct, frozen=True):
    """Compare the venue's report with the cache, and answer with `Judged`."""


class Complete(msgspec.Struct, frozen=True):
    """Publish `RecoveryComplete`."""


class Fail(msgspec.Struct, frozen=True):
    """Publish `RecoveryFailed` for `reason`, which `message` says in one line."""

    reason: FailureReason
    message: str


Action: TypeAlias = Ask | Judge | Complete | Fail


def open_startup(now: int, timing: Timing) -> RecoveryState:
    """Return the state of an epoch that begins with the kernel's start."""
    return RecoveryState(phase=RecoveryPhase.PENDING, deadline=now + timing.startup)


def open_runtime(now: int, flagged: int, timing: Timing) -> RecoveryState:
    """Return the state of an epoch that re-opens a node whose trader runs."""
    return RecoveryState(
        phase=RecoveryPhase.RECONCILING,
        deadline=now + timing.settle + timing.verify,
        settle_at=now + timing.settle,
        flagged=flagged,
    )


def is_storm(openings: Collection[int], timing: Timing) -> bool:
    """Return whether the newest of `openings` is one too many."""
    since = max(openings) - timing.storm_window
    return sum(opening > since for opening in openings) > timing.storm_epochs


def decide(  # noqa: C901  One case each
    state: RecoveryState, happening: Happening, timing: Timing
) -> tuple[RecoveryState, Action | None]:
    """
    Return the next state and what to do.

    Nothing leaves `COMPLETE` or `FAILED`, so an epoch has at most one terminal message.
    """
    if state.is_over:
        return state, None
    match happening:
        case Seen() if state.phase is RecoveryPhase.PENDING:
            return _moved(state, RecoveryPhase.RECONCILING), None
        case TraderStarted(now, flagged) if state.settle_at is None:
            return RecoveryState(
                phase=RecoveryPhase.VERIFYING,
                deadline=now + timing.settle + timing.verify,
                settle_at=now + timing.settle,
                flagged=flagged,
            ), None
        case Woke(now, flagged) if state.repairing_until is not None:
            is_due = now >= state.repairing_until
            return (_repaired(state, now, flagged, timing) if is_due else state), None
        case Woke():
            return _woken(state, happening, timing)
        case Changed(now) if state.limit is not None and state.settle_at is not None:
            settle_at = min(state.settle_at, now + timing.settle)
            return msgspec.structs.replace(state, settle_at=settle_at), None
        case Unasked(now):
            state, _ = decide(state, Changed(now), timing)
            return _unasked(state, timing), None
        case Again(now) if state.settle_at is not None:
            # Whatever time is left
            what = Judged(now, is_blocking=True, is_pending=True)
            return _judged(_again(state), what, timing)
        case Repairing(now) if state.settle_at is not None:
            return msgspec.structs.replace(state, repairing_until=now + timing.repair), None
        case Repaired(now, flagged) if state.repairing_until is not None:
            return _repaired(state, now, flagged, timing), None
        case Returning(now) if state.settle_at is not None and state.rounds < timing.storm_epochs:
            until = max(state.asking_until or 0, now + timing.answer)
            return msgspec.structs.replace(state, asking_until=until), None
        case Returned(now, flagged) if state.asking_until is not None:
            is_new = state.rounds < timing.storm_epochs
            settle_at = now + timing.settle
            deadline = max(state.deadline, settle_at + (timing.verify if is_new else 0))
            return msgspec.structs.replace(
                _unasked(state, timing),
                rounds=state.rounds + is_new,
                asking_until=None,
                settle_at=settle_at,
                flagged=flagged,
                deadline=deadline,
                limit=None if state.limit is None else max(state.limit, deadline),
            ), None
        case Answered(now, flagged) if state.asking_until is not None:
            return _answered(state, now, flagged, timing)
        case Judged() if state.settle_at is not None:  # Not before the trader started
            return _judged(state, happening, timing)
        case Stormed():
            return _failed(
                state,
                FailureReason.RECONCILIATION_FAILED,
                f"More than {counted(timing.storm_epochs, 'new recovery')} within "
                f"{timing.storm_window / 60e9:g} min: the connection or the venue is not stable. "
                "Trading stays disabled until `nautilus-recovery resume`, or a restart",
            )
        case Stopped():
            return _failed(
                state,
                FailureReason.TIMEOUT,
                "Stopped before the recovery was verified: nothing is proven",
            )
        case Broke(message):
            return _failed(state, FailureReason.INTERNAL_ERROR, message)
        case Fenced(message):
            return _failed(state, FailureReason.ANOTHER_NODE, message)
        case _:
            return state, None


def _unasked(state: RecoveryState, timing: Timing) -> RecoveryState:
    # A venue that never comes to rest must not keep the epoch open for ever
    if state.asked and state.rounds < timing.storm_epochs:
        return msgspec.structs.replace(_again(state), rounds=state.rounds + 1)
    return msgspec.structs.replace(state, is_answered=False)


def _again(state: RecoveryState) -> RecoveryState:
    return msgspec.structs.replace(state, asked=0, ask_at=0, is_answered=False)


def _repaired(state: RecoveryState, now: int, flagged: int, timing: Timing) -> RecoveryState:
    settle_at = now + timing.settle
    deadline = max(state.deadline, settle_at + timing.verify)
    return msgspec.structs.replace(
        _again(state),
        repairing_until=None,
        settle_at=settle_at,
        flagged=flagged,
        deadline=deadline,
        limit=None if state.limit is None else max(state.limit, deadline),
    )


def _answered(
    state: RecoveryState, now: int, flagged: int, timing: Timing
) -> tuple[RecoveryState, Action | None]:
    deadline = max(state.deadline, now + timing.settle)
    state = msgspec.structs.replace(
        state,
        asking_until=None,
        # What came after the question is not in the answer: it is asked about again
        is_answered=state.asked > 0,
        ask_at=now + timing.recheck * 2 ** (state.asked - 1) if state.asked else now,
        settle_at=now,
        deadline=deadline,
        limit=None if state.limit is None else max(state.limit, deadline),
    )
    return _woken(state, Woke(now, flagged), timing)


def _woken(state: RecoveryState, woke: Woke, timing: Timing) -> tuple[RecoveryState, Action | None]:
    if state.asking_until is not None:
        if woke.now < state.asking_until:
            return state, None
        return _answered(state, woke.now, woke.flagged, timing)
    settle_at = state.settle_at
    if settle_at is None:
        if woke.is_start_pending is False:
            return _failed(
                state,
                FailureReason.RECONCILIATION_FAILED,
                "The kernel aborted its start, so the trader did not start: "
                "fix the error in the node's log, then restart",
            )
        if woke.now < state.deadline:
            return state, None
        return _failed(
            state,
            FailureReason.TIMEOUT,
            f"The trader did not start within {seconds(timing.startup / 1e9)}: a venue does not "
            "answer, or reconciliation takes longer than `startup_timeout_secs`",
        )
    if woke.flagged != state.flagged:
        settle_at = woke.now + timing.settle
        state = msgspec.structs.replace(
            state,
            flagged=woke.flagged,
            settle_at=settle_at,
            deadline=state.deadline
            if state.limit is None
            else min(max(state.deadline, settle_at), state.limit),
        )
    elif woke.now >= settle_at:
        state = _moved(state, RecoveryPhase.VERIFYING)
        if state.asked < timing.asks and not state.is_answered and woke.now >= state.ask_at:
            until = woke.now + timing.answer
            return msgspec.structs.replace(state, asked=state.asked + 1, asking_until=until), Ask()
        return msgspec.structs.replace(state, is_answered=False), Judge()
    if woke.now >= state.deadline:
        return _failed(
            state,
            FailureReason.TIMEOUT,
            f"Reconciliation events kept arriving: no quiet {timing.settle / 1e6:g} ms within "
            f"{seconds(timing.verify / 1e9)}; something is still trading, stop it and restart",
        )
    return state, None


def _judged(
    state: RecoveryState, judged: Judged, timing: Timing
) -> tuple[RecoveryState, Action | None]:
    may_answer = judged.is_pending and state.asked < timing.asks
    if judged.is_blocking and (judged.now < state.deadline or may_answer):
        # Answers that differ are not believed, however long the venues take to agree
        recheck_at = max(judged.now + timing.recheck, state.ask_at if may_answer else 0)
        deadline = max(state.deadline, recheck_at) if may_answer else state.deadline
        return msgspec.structs.replace(
            state,
            settle_at=min(recheck_at, deadline),
            deadline=deadline,
            limit=max(state.limit or deadline + timing.verify, deadline),
        ), None
    if judged.failure is not None:
        return _failed(state, judged.failure, judged.message)
    return _moved(state, RecoveryPhase.COMPLETE), Complete()


def _moved(state: RecoveryState, phase: RecoveryPhase) -> RecoveryState:
    return msgspec.structs.replace(state, phase=phase)


def _failed(
    state: RecoveryState, reason: FailureReason, message: str
) -> tuple[RecoveryState, Fail]:
    return _moved(state, RecoveryPhase.FAILED), Fail(reason, message)
