"""
Where facts become decisions of the core, and decisions are carried out, on the node's one thread.
"""

import traceback
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import uuid4

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import recovery as core
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.messages import MESSAGES
from nautilus_recovery_actor.host.messages import RecoveryMessage
from nautilus_recovery_actor.host.wire import Wire
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.process import steady_ns


Gate = Callable[[RecoveryMessage], None]

_CANNOT_ASK = "This node's venues cannot be asked while it runs: restart it to have them asked"
_SIGNALS = {
    MessageKind.STARTED: signals.recovery_started,
    MessageKind.COMPLETE: signals.recovery_completed,
    MessageKind.FAILED: signals.recovery_failed,
    MessageKind.OVERRIDDEN: signals.recovery_overridden,
}


class Host(Protocol):
    """A node, as far as decisions are concerned."""

    def now(self) -> int:
        """Return the time (UNIX ns)."""

    def flagged(self) -> int:
        """Return how many flagged events have come."""

    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""

    def say(self, severity: Severity, line: str) -> None:
        """Write a line to the node's log."""

    def observation(self, recovery: Recovery, recovery_id: str) -> Observation:
        """Return all that was seen of this epoch so far."""

    def note(self, *, is_opened: bool) -> None:
        """An epoch has opened at run time, or one is over."""

    def record(self, report: RecoveryReport) -> None:
        """Keep what a recovery that completes has found, before anybody hears of it."""

    def publish(self, topic: str, message: RecoveryMessage) -> None:
        """Put a message on the bus."""

    def shut_down(self, reason: str) -> None:
        """Shut the node down."""


class Decisions:
    """Asks the core about one fact after another, and does what it says."""

    def __init__(
        self,
        host: Host,
        trader_id: str,
        rules: Rules,
        wire: Wire,
        heartbeat_secs: float,
        history_size: int,
    ) -> None:
        self._host = host
        self._trader_id = trader_id
        self._rules = rules
        self._wire = wire
        self._heartbeat_secs = heartbeat_secs
        self._history_size = history_size
        self._gates: dict[Gate, None] = {}
        self._newest: tuple[RecoveryMessage, ...] = ()
        self._recovery_id = ""
        self._beat_at = 0
        self._written: tuple[int, RecoveryPhase] | None = None
        self._journal: RecoveryJournal | None = None
        self.last: Heartbeat | None = None
        self.recovery = Recovery(epoch=1, ts_started=0)

    def restore(self, journal: RecoveryJournal, ts_registered: int) -> None:
        """Go on from what is on record."""
        self._journal = journal
        self.last = journal.heartbeat()
        newest = max(journal.last_epoch(), self.last.epoch if self.last else 0)
        self.recovery = Recovery(epoch=newest + 1, ts_started=ts_registered)

    @property
    def report(self) -> RecoveryReport:
        """The report of the current epoch as of now."""
        return self.recovery.report or verdict.describe(self._observation(), self._rules.policy)

    def _observation(self) -> Observation:
        return self._host.observation(self.recovery, self._recovery_id)

    def join(self, gate: Gate) -> None:
        """Tell a gate what was said last, and what is said from now on."""
        self._gates[gate] = None
        for message in self._newest:
            gate(message)

    def moment(self) -> tuple[int, int]:
        """Return the time (UNIX ns), and how many flagged events have come."""
        return self._host.now(), self._host.flagged()

    @contextmanager
    def guarded(self, doing: str) -> Iterator[None]:
        """Let what raises here end the epoch, and harm nothing else."""
        try:
            yield
        except Exception as e:
            message = f"The recovery monitor raised while {doing}: {e!r}"
            self._host.say(Severity.BLOCK, f"{message}\n{traceback.format_exc()}")
            self.decide(happened.Broke(*self.moment(), message=message))

    def decide(self, fact: happened.Happening) -> None:
        """Let the core decide about a fact, and carry out what follows."""
        self.recovery, actions = core.decide(self.recovery, fact, self._rules)
        self._wire.epoch = self.recovery.epoch
        for action in actions:
            self._carry_out(action)
        if self._written not in (None, (self.recovery.epoch, self.recovery.phase)):
            self.beat()

    def look(self, lease: Lease) -> None:
        """Take note of the lease."""
        problem = "" if lease.standing.may_trade else lease.problem
        known = self._host.known()
        self.decide(happened.Leased(*self.moment(), problem=problem, known=known))

    def obey(self, command: OperatorCommand, until: int) -> None:
        """Do what an operator says, if it can be done here."""
        if command.action in ("verify", "repair"):
            self._answer(happened.Answer(command.command_id, False, _CANNOT_ASK))
            return
        now, flagged = self.moment()
        self.decide(
            happened.Commanded(
                now,
                flagged,
                command_id=command.command_id,
                action=command.action,
                instrument_id=command.instrument_id,
                reason=command.reason,
                operator=command.operator,
                duration=int(command.secs * 1e9),
                ts_expires=now + until - steady_ns(),
                known=self._host.known(),
                plan_id=command.plan_id,
            )
        )

    # -- CARRYING OUT --

    def _carry_out(self, action: happened.Action) -> None:  # noqa: C901  One case for each action
        match action:
            case happened.Open(is_at_runtime):
                self._recovery_id = str(uuid4())
                self._publish(MessageKind.STARTED, self._opening())
                if self._journal is not None:
                    self._journal.begin(self.recovery.epoch)
                if is_at_runtime:
                    self._host.note(is_opened=True)
            case happened.Judge():
                judgment = verdict.judge(self._observation(), self._rules.policy)
                self.decide(happened.Judged(*self.moment(), judgment=judgment))
            case happened.Fail(is_stopping=is_stopping):
                # Half way through a reconciliation a comparison would report nothing but that
                is_seen = self.recovery.reports and not is_stopping
                report = self.report if is_seen else self._opening()
                self.decide(happened.Described(*self.moment(), failure=action, report=report))
            case happened.End(kind, report):
                self._host.note(is_opened=False)
                self._publish(kind, report)
            case happened.Revise(report):
                self._publish(MessageKind.OVERRIDDEN, report)
            case happened.Record(report):
                self._record(report)
            case happened.Absorb():
                self._host.note(is_opened=False)
            case happened.Log(severity, text):
                self._host.say(severity, text)
            case happened.Answer():
                self._answer(action)
            case happened.Shutdown(reason):
                self._host.shut_down(reason)
            case _:
                raise TypeError(_CANNOT_ASK)

    def _opening(self) -> RecoveryReport:
        state, last = self.recovery, self.last
        return RecoveryReport(
            trader_id=self._trader_id,
            recovery_id=self._recovery_id,
            epoch=state.epoch,
            trigger=state.trigger,
            ts_started=state.ts_started,
            ts_last_alive=last.ts if last else None,
            clean_shutdown=last.is_stopped if last else None,
            shadow=self._rules.policy.shadow,
        )

    def _answer(self, said: happened.Answer) -> None:
        answer = CommandAnswer(said.command_id, said.is_accepted, said.text, self._host.now())
        self._wire.call(self._wire.link.commands.answer, answer)

    def _record(self, report: RecoveryReport) -> None:
        if self._journal is not None:
            self._journal.record(report)

    def _publish(self, kind: MessageKind, report: RecoveryReport) -> None:
        message = MESSAGES[kind](
            trader_id=self._trader_id,
            recovery_id=report.recovery_id,
            epoch=report.epoch,
            report=report,
            ts_event=report.ts_completed or report.ts_started,
            ts_init=self._host.now(),
        )
        is_revised = kind is MessageKind.OVERRIDDEN
        self._newest = (*self._newest[:1], message) if is_revised else (message,)
        if kind is MessageKind.COMPLETE:
            self._attempt("Recording lost orders", self._host.record, report)
        for gate in tuple(self._gates):  # Before anybody else, and whatever one of them raises
            self._attempt("A gate", gate, message)
        if kind is not MessageKind.STARTED:
            self._record(report)
        if kind in (MessageKind.COMPLETE, MessageKind.FAILED):
            for severity, line in wording.lines(report):
                self._host.say(severity, line)
        signals.send(_SIGNALS[kind], self._host, self._complain, event=message)
        self._attempt("The bus", self._host.publish, message.topic(), message)

    def _attempt(self, who: str, call: Callable[..., None], *values: object) -> None:
        try:
            call(*values)
        except Exception as e:
            self._complain(f"{who} raised", e)

    def _complain(self, text: str, error: Exception) -> None:
        self._host.say(Severity.BLOCK, f"{text}: {error!r}")

    # -- SIGNS OF LIFE --

    def beat_if_due(self, now: int) -> None:
        """Give a sign of life, if it is time."""
        if now >= self._beat_at:
            self.beat()

    def beat(self, *, is_stopped: bool = False) -> None:
        """Give a sign of life."""
        now, epoch, phase = self._host.now(), self.recovery.epoch, self.recovery.phase
        self._beat_at = now + int(self._heartbeat_secs * 1e9)
        self._written = (epoch, phase)
        if self._journal is not None:
            self._journal.beat(
                Heartbeat(
                    ts=now,
                    epoch=epoch,
                    phase=phase,
                    is_stopped=is_stopped,
                    interval_secs=self._heartbeat_secs,
                    history_size=self._history_size,
                )
            )
