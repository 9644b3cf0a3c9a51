"""
Where facts become decisions of the core, and these are carried out (long: all that hosts add).
"""

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import uuid4

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import recovery as core
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.host.log import asked
from nautilus_recovery_actor.host.log import beginning
from nautilus_recovery_actor.host.log import write
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.process import steady_ns


M = TypeVar("M")

CANNOT_ASK = "This node's venues cannot be asked while it runs: restart it to have them asked"


class Deciding(ABC):
    """
    Asks the core about one fact after another, on the node's thread, and does what it says.

    A host adds what it looks at, and what of it is done in its own way.
    """

    def __init__(
        self,
        log: Log,
        now: Callable[[], int],
        trader_id: str,
        rules: Rules,
        on_answer: Callable[[CommandAnswer], None],
    ) -> None:
        self.log = log
        self.rules = rules
        self.on_answer = on_answer
        self.recovery = Recovery(epoch=1, ts_started=0)
        self._now = now
        self._trader_id = trader_id
        # What is on record is not known before it was read, and is left as it is until then
        self.journal: RecoveryJournal | None = None

    # -- WHAT A HOST SEES --

    @property
    @abstractmethod
    def recovery_id(self) -> str:
        """The UUID of the current epoch."""

    @recovery_id.setter
    @abstractmethod
    def recovery_id(self, recovery_id: str) -> None: ...

    @property
    @abstractmethod
    def last_heartbeat(self) -> Heartbeat | None:
        """The last one of the run before."""

    @abstractmethod
    def flagged(self) -> int:
        """Return how many flagged events have come."""

    @abstractmethod
    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""

    @abstractmethod
    def observation(self) -> Observation:
        """Return all that was seen of the current epoch so far."""

    # -- WHAT A HOST DOES --

    @abstractmethod
    def inform(self, kind: MessageKind, report: RecoveryReport) -> None:
        """Have everybody who listens hear it."""

    @abstractmethod
    def follow(self) -> None:
        """The core has decided: what it says is carried out next."""

    @abstractmethod
    def settle(self) -> None:
        """What followed is carried out."""

    @abstractmethod
    def opened(self, *, is_at_runtime: bool) -> None:
        """An epoch has opened, and is published."""

    @abstractmethod
    def ended(self, kind: MessageKind, report: RecoveryReport, /) -> None:
        """An epoch is over, and is published next."""

    @abstractmethod
    def absorb(self) -> None:
        """What was flagged is of no epoch."""

    @abstractmethod
    def shut_down(self, reason: str) -> None:
        """Shut the node down."""

    def judge(self) -> None:
        """Judge the current epoch."""
        self.judge_now()

    def ask(self, _: happened.Ask, /) -> None:
        """Ask the venues."""
        raise TypeError(CANNOT_ASK)

    def prove(self, _: happened.Prove, /) -> None:
        """Ask the venues between two epochs."""
        raise TypeError(CANNOT_ASK)

    def repair(self, _: tuple[Step, ...], /) -> None:
        """Carry out a plan."""
        raise TypeError(CANNOT_ASK)

    # -- FACTS --

    def moment(self) -> tuple[int, int]:
        """Return the time (UNIX ns), and how many flagged events have come."""
        return self._now(), self.flagged()

    def decide(self, happening: happened.Happening) -> None:
        """Let the core decide about `happening`, and carry out what follows."""
        for action in self._decided(happening):
            self._carry_out(action)
        self.settle()

    def _decided(self, happening: happened.Happening) -> tuple[happened.Action, ...]:
        self.recovery, actions = core.decide(self.recovery, happening, self.rules)
        self.follow()
        return actions

    @contextmanager
    def guarded(self, doing: str) -> Iterator[None]:
        """Let what raises here end the epoch, and harm nothing else."""
        try:
            yield
        except Exception as e:
            self.break_off(doing, e)

    def break_off(self, doing: str, error: Exception) -> None:
        """Close every gate, for the monitor itself raised."""
        self.log.exception(f"The recovery monitor raised while {doing}", error)
        message = f"The recovery monitor raised while {doing}: {error!r}"
        broke = happened.Broke(*self.moment(), message=message)
        # Each of them, so that the epoch ends whatever raises again
        for action in self._decided(broke):
            self.attempt("closing the gates", self._carry_out, action)
        self.attempt("closing the gates", self.settle)

    def take_lease(self, lease: Lease) -> None:
        """Take note of the lease."""
        problem = "" if lease.standing.may_trade else lease.problem
        self.decide(happened.Leased(*self.moment(), problem=problem, known=self.known()))

    def obey(self, command: OperatorCommand, until: int | None) -> None:
        """
        Do what an operator says, or answer why not. From outside it counts until a time of
        `steady_ns`, whatever the clock of its sender says.
        """
        try:
            # Whoever made it may have changed it
            command = OperatorCommand.from_dict(command.to_dict())
        except ValueError as e:
            self.log.error(f"Refused to {asked(command)}: {e}")
            self.answer(happened.Answer(command.command_id, False, str(e)))
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
                ts_expires=command.ts_expires if until is None else now + until - steady_ns(),
                known=self.known(),
                plan_id=command.plan_id,
            )
        )

    def answer(self, answer: happened.Answer) -> None:
        """Answer an operator's command."""
        said = CommandAnswer(answer.command_id, answer.is_accepted, answer.text, self._now())
        self.on_answer(said)

    # -- CARRYING OUT --

    def _carry_out(self, action: happened.Action) -> None:  # noqa: C901  One case for each action
        match action:
            case happened.Open(is_at_runtime):
                self._open(is_at_runtime=is_at_runtime)
            case happened.Ask():
                self.ask(action)
            case happened.Prove():
                self.prove(action)
            case happened.Judge():
                self.judge()
            case happened.Repair(steps):
                self.repair(steps)
            case happened.Fail(is_stopping=is_stopping):
                # Half way through a reconciliation a comparison would report nothing but that
                report = self.opening_report() if is_stopping else self.describe()
                self.decide(happened.Described(*self.moment(), failure=action, report=report))
            case happened.End(kind, report):
                self.ended(kind, report)
                self.inform(kind, report)
            case happened.Revise(report):
                self.inform(MessageKind.OVERRIDDEN, report)
            case happened.Record(report):
                self.attempt("recording the end of a release", self.record, report)
            case happened.Absorb():
                self.absorb()
            case happened.Log(severity, text):
                write(self.log, severity, text)
            case happened.Answer():
                self.answer(action)
            case happened.Shutdown(reason):
                self.shut_down(reason)

    def _open(self, *, is_at_runtime: bool) -> None:
        self.recovery_id = str(uuid4())
        report = self.opening_report()
        self.inform(MessageKind.STARTED, report)  # Gates close first
        if report.trigger != "backtest":
            self.log.info(beginning(report, self.recovery.concerned))
        # Without it the next run would count from there again
        if self.journal is not None:
            self.journal.begin(self.recovery.epoch)
        self.opened(is_at_runtime=is_at_runtime)

    def judge_now(self) -> None:
        """Judge at once."""
        judgment = verdict.judge(self.observation(), self.rules.policy)
        self.decide(happened.Judged(*self.moment(), judgment=judgment))

    def describe(self) -> RecoveryReport:
        """Return the report of the current epoch as of now, as far as it can be described."""
        try:
            return verdict.describe(self.observation(), self.rules.policy)
        except Exception as e:  # A failure must be reported all the same
            self.log.exception("The recovery monitor raised while describing the recovery", e)
            return self.opening_report()

    def opening_report(self) -> RecoveryReport:
        """Return what is known of an epoch when nothing was compared."""
        recovery, last = self.recovery, self.last_heartbeat
        return RecoveryReport(
            trader_id=self._trader_id,
            recovery_id=self.recovery_id,
            epoch=recovery.epoch,
            trigger=recovery.trigger,
            ts_started=recovery.ts_started,
            ts_last_alive=last.ts if last else None,
            clean_shutdown=last.is_stopped if last else None,
            shadow=self.rules.policy.shadow,
        )

    def message(self, make: Callable[..., M], report: RecoveryReport) -> M:
        """Return what a host publishes of a report, made by its class for that."""
        return make(
            trader_id=report.trader_id,
            recovery_id=report.recovery_id,
            epoch=report.epoch,
            report=report,
            ts_event=report.ts_completed or report.ts_started,
            ts_init=self._now(),
        )

    def record(self, report: RecoveryReport) -> None:
        """Put a report on record."""
        if self.journal is not None:
            self.journal.record(report)

    def attempt(self, doing: str, function: Callable[..., None], *args: object) -> None:
        """Do what must not change the outcome of an epoch."""
        try:
            function(*args)
        except Exception as e:
            self.log.exception(f"The recovery monitor raised while {doing}", e)
