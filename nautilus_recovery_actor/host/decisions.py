"""
Decisions of the core on a host without an event loop: what is looked at there, and who hears of it.
"""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import Protocol

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.staleness import Restored
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.host.deciding import CANNOT_ASK
from nautilus_recovery_actor.host.deciding import Deciding
from nautilus_recovery_actor.host.heartbeats import Heartbeats
from nautilus_recovery_actor.host.judging import JUDGED_AT_ONCE
from nautilus_recovery_actor.host.judging import Judging
from nautilus_recovery_actor.host.judging import Looking
from nautilus_recovery_actor.host.judging import at_once
from nautilus_recovery_actor.host.log import NodeLog
from nautilus_recovery_actor.host.log import left_no_report
from nautilus_recovery_actor.host.log import write
from nautilus_recovery_actor.host.messages import MESSAGES
from nautilus_recovery_actor.host.messages import RecoveryMessage
from nautilus_recovery_actor.host.wire import Wire
from nautilus_recovery_actor.link.command import OperatorCommand


Gate = Callable[[RecoveryMessage], None]

_SIGNALS = {
    MessageKind.STARTED: signals.recovery_started,
    MessageKind.COMPLETE: signals.recovery_completed,
    MessageKind.FAILED: signals.recovery_failed,
    MessageKind.OVERRIDDEN: signals.recovery_overridden,
}


class Host(Protocol):
    """A node, as far as decisions are concerned."""

    @property
    def log(self) -> Any:
        """The node's log."""

    def now(self) -> int:
        """Return the time (UNIX ns)."""

    def flagged(self) -> int:
        """Return how many flagged events have come."""

    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""

    def size(self) -> int:
        """Return how much there is to look at, about."""

    def look(self, recovery: Recovery, recovery_id: str) -> Looking:
        """Look at all that was seen of this epoch so far."""

    def soon(self, call: Callable[[], None]) -> None:
        """Have something called after others had their turn."""

    def protections(self, unproven: frozenset[str]) -> Iterator[Discrepancy | None]:
        """Yield what no stop covers, and ``None`` wherever it may pause."""

    def newest(self) -> object:
        """Return what is another once an event of an order has come."""

    def note(self, *, is_opened: bool) -> None:
        """An epoch has opened at run time, or one is over."""

    def record(self, report: RecoveryReport) -> None:
        """Keep what a recovery that completes has found, before anybody hears of it."""

    def publish(self, topic: str, message: RecoveryMessage) -> None:
        """Put a message on the bus."""

    def shut_down(self, reason: str) -> None:
        """Shut the node down."""


class Decisions(Deciding):
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
        super().__init__(
            NodeLog(lambda: host.log),
            host.now,
            trader_id,
            rules,
            lambda said: wire.call(wire.link.commands.answer, said),
        )
        self._host = host
        self._wire = wire
        self._interval = int(heartbeat_secs * 1e9)
        self._heartbeats = Heartbeats(
            lambda: self.journal,
            heartbeat_secs,
            history_size,
            host.now,
            self.log,
            host.protections,
            host.newest,
            lambda: wire.storage.keeping,
        )
        self._gates: dict[Gate, None] = {}
        self._newest: tuple[RecoveryMessage, ...] = ()
        self._recovery_id = ""
        self._last: Heartbeat | None = None
        self._beat_at = 0
        self.judging = Judging(rules.policy, wire.compute, host.soon)

    def restore(self, journal: RecoveryJournal, ts_registered: int) -> None:
        """Go on from what is on record."""
        self.journal = journal
        self._last = last = journal.heartbeat()
        restored = Restored(
            epoch=journal.last_epoch(),
            heartbeat=last,
            beside=self._wire.beside,
            ts_registered=ts_registered,
        )
        self.recovery = Recovery(epoch=restored.newest_epoch + 1, ts_started=ts_registered)
        if (cut_short := journal.cut_short()) is not None:
            self.log.warning(left_no_report(cut_short))

    def join(self, gate: Gate) -> None:
        """Tell a gate what was said last, and what is said from now on."""
        self._gates[gate] = None
        for message in self._newest:
            gate(message)

    # -- WHAT IS SEEN --

    @property
    def recovery_id(self) -> str:
        """The UUID of the current epoch."""
        return self._recovery_id

    @recovery_id.setter
    def recovery_id(self, recovery_id: str) -> None:
        self._recovery_id = recovery_id

    @property
    def last_heartbeat(self) -> Heartbeat | None:
        """The last one of the run before."""
        return self._last

    def flagged(self) -> int:
        """Return how many flagged events have come."""
        return self._host.flagged()

    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""
        return self._host.known()

    def observation(self) -> Observation:
        """Return all that was seen of the current epoch so far."""
        return at_once(self._host.look(self.recovery, self._recovery_id))

    # -- WHAT IS DONE --

    def inform(self, kind: MessageKind, report: RecoveryReport) -> None:
        """Have everybody who listens hear it."""
        message = self.message(MESSAGES[kind], report)
        is_revised = kind is MessageKind.OVERRIDDEN
        self._newest = (*self._newest[:1], message) if is_revised else (message,)
        if kind is MessageKind.COMPLETE:
            self.attempt("recording lost orders", self._host.record, report)
        for gate in tuple(self._gates):  # Before anybody else, and whatever one of them raises
            self.attempt("calling a gate", gate, message)
        if kind is not MessageKind.STARTED:
            self.attempt("putting a report on record", self.record, report)
        if kind in (MessageKind.COMPLETE, MessageKind.FAILED):
            for severity, line in wording.lines(report):
                write(self.log, severity, line)
        signals.send(_SIGNALS[kind], self._host, self.log.exception, event=message)
        self.attempt("publishing a message", self._host.publish, message.topic(), message)

    def follow(self) -> None:
        """The core has decided."""
        self._wire.epoch = self.recovery.epoch

    def settle(self) -> None:
        """What followed is carried out."""
        self._heartbeats.take(self.recovery.report, self.recovery.proving)
        if self._beat_at:
            self._heartbeats.write_if_changed(self.recovery.epoch, self.recovery.phase)

    def opened(self, *, is_at_runtime: bool) -> None:
        """Take up what is there at run time."""
        if is_at_runtime:
            self._host.note(is_opened=True)

    def ended(self, _: MessageKind, __: RecoveryReport, /) -> None:
        """What was flagged is reported."""
        self.judging.cancel()
        self._host.note(is_opened=False)

    def absorb(self) -> None:
        """What was flagged is of no epoch."""
        self._host.note(is_opened=False)

    def shut_down(self, reason: str) -> None:
        """Shut the node down."""
        self._host.shut_down(reason)

    def obey(self, command: OperatorCommand, until: int | None) -> None:
        """Do what an operator says, if it can be done here."""
        if command.action in ("verify", "repair"):
            self.answer(happened.Answer(command.command_id, False, CANNOT_ASK))
        else:
            super().obey(command, until)

    # -- THE JUDGMENT --

    def judge(self) -> None:
        """Judge the current epoch, on another thread if there is much."""
        self.judging.cancel()
        if self._host.size() <= JUDGED_AT_ONCE or self.judging.is_vain:
            self.judge_now()
        else:
            looking = self._host.look(self.recovery, self._recovery_id)
            self.judging.begin(looking, self.recovery, self.flagged())

    def take_judged(self, number: int, judgment: Judgment) -> None:
        """Take what was judged on another thread. If that is void, the core decides what is due."""
        if self.judging.is_valid(number, self.recovery, self.flagged()):
            self.decide(happened.Judged(*self.moment(), judgment=judgment))

    # -- SIGNS OF LIFE --

    def beat_if_due(self, now: int) -> None:
        """Give a sign of life, if it is time."""
        if now >= self._beat_at:
            self.beat()

    def beat(self) -> None:
        """Give a sign of life."""
        self._beat_at = self._host.now() + self._interval
        self._heartbeats.beat(self._host.soon, self.recovery.epoch, self.recovery.phase)

    def stop(self) -> None:
        """Leave the mark of a clean stop."""
        self._heartbeats.write(self.recovery.epoch, self.recovery.phase, is_stopped=True)

    def on_incident(self, incident: StorageIncident) -> None:
        """Something is the matter with the server, or is not any more."""
        signals.send(signals.storage_changed, self._host, self.log.exception, incident=incident)
