"""
Where facts become decisions of the core, and decisions are carried out.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nautilus_trader.common.actor import Actor
from nautilus_trader.core.uuid import UUID4

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import recovery
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.happenings import Action
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.node.listeners import Audience
from nautilus_recovery_actor.node.listeners import News
from nautilus_recovery_actor.node.listeners.log import beginning
from nautilus_recovery_actor.node.listeners.log import write
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.monitor.judging import JUDGED_AT_ONCE
from nautilus_recovery_actor.node.monitor.judging import Judging
from nautilus_recovery_actor.node.monitor.losses import LostOrders
from nautilus_recovery_actor.node.monitor.repairs import Repairs
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Observer
from nautilus_recovery_actor.node.observing.orders import emulated_orders


_MESSAGES = {message.kind: message for message in MESSAGES}


class Decisions:
    """
    Asks the core about one fact after another, on the event loop's thread, and does what it says.

    `on_decided` is called after each, `shut_down` with the reason when the node is to end, and
    `ask` and `prove` when the venues are to be asked: `Answered` and `Proved` are what comes of it.
    `on_answer` is called with what an operator's command is answered.
    """

    def __init__(
        self,
        monitor: Actor,
        rules: Rules,
        intake: Intake,
        observer: Observer,
        evidence: Evidence,
        journal: RecoveryJournal,
        lost_orders: LostOrders,
        audience: Audience,
        on_decided: Callable[[Recovery], None],
        shut_down: Callable[[str], None],
        ask: Callable[[happened.Ask], None],
        prove: Callable[[happened.Prove], None],
        repairs: Repairs,
        on_answer: Callable[[CommandAnswer], None],
    ) -> None:
        self.recovery = Recovery(epoch=1, ts_started=monitor.clock.timestamp_ns())
        self.rules = rules
        self.log = monitor.log
        self._cache = monitor.cache
        self._now = monitor.clock.timestamp_ns
        self._intake = intake
        self._observer = observer
        self._evidence = evidence
        self._journal = journal
        self._lost_orders = lost_orders
        self._audience = audience
        self._on_decided = on_decided
        self._shut_down = shut_down
        self._ask = ask
        self._prove = prove
        self._judging = Judging(
            self._take_judged, intake, observer, rules.policy, lambda: self.recovery, self.break_off
        )
        # Set once the node starts: without it everything is judged at once
        self.loop: asyncio.AbstractEventLoop | None = None
        self._repairs = repairs
        self.on_answer = on_answer
        self._repairing: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a message is on its way, which the next one would overtake."""
        return self._audience.is_busy

    def moment(self) -> tuple[int, int]:
        """Return the time (UNIX ns), and how many flagged events have come."""
        return self._now(), len(self._intake.flagged)

    def describe(self) -> RecoveryReport:
        """Return the report of the current epoch as of now, as far as it can be described."""
        try:
            return verdict.describe(self._observer.observation(self.recovery), self.rules.policy)
        except Exception as e:  # A failure must be reported all the same
            self.log.exception("The recovery monitor raised while describing the recovery", e)
            return self._observer.opening_report(self.recovery)

    def decide(self, happening: Happening) -> None:
        """Let the core decide about `happening`, and carry out what follows."""
        for action in self._decided(happening):
            self._carry_out(action)
        self._on_decided(self.recovery)

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
        for action in self._decided(
            broke
        ):  # Each of them, so that the epoch ends whatever raises again
            self._attempt("closing the gates", self._carry_out, action)
        self._attempt("closing the gates", self._on_decided, self.recovery)

    def _decided(self, happening: Happening) -> tuple[Action, ...]:
        self.recovery, actions = recovery.decide(self.recovery, happening, self.rules)
        self._intake.follow(self.recovery)
        return actions

    def answer(self, answer: happened.Answer) -> None:
        """Answer an operator's command."""
        said = CommandAnswer(answer.command_id, answer.is_accepted, answer.text, self._now())
        self.on_answer(said)

    # -- CARRYING OUT --

    def _carry_out(self, action: Action) -> None:  # noqa: C901  One case for each action
        match action:
            case happened.Open():
                self._open(action)
            case happened.Ask():
                self.stop_repairing()  # One that took too long: no two at once
                self._ask(action)
            case happened.Prove():
                self._prove(action)
            case happened.Judge():
                self._judging.cancel()
                if self.loop is None or self._observer.size(self.recovery) <= JUDGED_AT_ONCE:
                    self._judge()
                else:
                    self._judging.begin(self.loop)
            case happened.Repair(steps):
                assert self.loop is not None  # Who is not asked has answered nothing
                self._repairing = self.loop.create_task(self._repair(steps))
            case happened.Fail():
                report = self._describe_failure(action)
                self.decide(happened.Described(*self.moment(), failure=action, report=report))
            case happened.End(kind, report):
                self._attempt("keeping the evidence", self._settle, report)
                if is_complete := kind is MessageKind.COMPLETE:
                    record = self._lost_orders.record
                    self._attempt("recording lost orders", record, report.lost_orders)
                self._intake.end(is_complete=is_complete)
                self._observer.forget()
                self.stop_repairing()
                self._repairs.forget()
                self._publish(kind, report)
            case happened.Revise(report):
                self._publish(MessageKind.OVERRIDDEN, report)
            case happened.Record(report):
                self._attempt("recording the end of a release", self._journal.record, report)
            case happened.Absorb():
                self._intake.absorb(self._cache)
            case happened.Log(severity, text):
                write(self.log, severity, text)
            case happened.Answer():
                self.answer(action)
            case happened.Shutdown(reason):
                self._shut_down(reason)

    async def _repair(self, steps: tuple[Step, ...]) -> None:
        with self.guarded("repairing"):
            made, problem = await self._repairs.carry_out(steps)
            self._repairing = None
            self.decide(happened.Repaired(*self.moment(), made=made, problem=problem))

    def stop_repairing(self) -> None:
        """Leave what is not begun."""
        if self._repairing is not None:
            self._repairing.cancel()
            self._repairing = None

    @property
    def is_judging(self) -> bool:
        """Whether a judgment is on its way: nothing else is due until it is there."""
        return self._judging.is_on

    def stop_judging(self) -> None:
        """Drop a judgment that is on its way."""
        self._judging.cancel()

    def _judge(self) -> None:
        observation = self._observer.observation(self.recovery)
        judgment = verdict.judge(observation, self.rules.policy)
        self.decide(happened.Judged(*self.moment(), judgment=judgment))

    def _take_judged(self, judgment: Judgment | None) -> None:
        # Without one the core decides anew what is due
        if judgment is None:
            self._on_decided(self.recovery)
        else:
            self.decide(happened.Judged(*self.moment(), judgment=judgment))

    def _open(self, opening: happened.Open) -> None:
        self._intake.recovery_id = UUID4().value
        report = self._observer.opening_report(self.recovery)
        self._publish(MessageKind.STARTED, report)  # Gates close first
        if report.trigger != "backtest":
            self.log.info(beginning(report, self.recovery.concerned))
        # Without it the next run would count from there again
        self._journal.begin(self.recovery.epoch)
        if emulated := emulated_orders(self._cache):
            self.log.warning(
                "Emulated orders rest in the node and are sent when triggered, whatever the "
                f"outcome of the recovery: {', '.join(emulated)}"
            )
        if opening.is_at_runtime:
            self._intake.begin_at_runtime(self._cache)

    def _settle(self, report: RecoveryReport) -> None:
        self._evidence.settle(report, self._observer.positions())

    def _publish(self, kind: MessageKind, report: RecoveryReport) -> None:
        message = _MESSAGES[kind](
            trader_id=report.trader_id,
            recovery_id=report.recovery_id,
            epoch=report.epoch,
            report=report,
            ts_event=report.ts_completed or report.ts_started,
            ts_init=self._now(),
        )
        self._audience.inform(News(message))

    def _describe_failure(self, failure: happened.Fail) -> RecoveryReport:
        # Half way through a reconciliation a comparison would report nothing but that
        is_seen = not failure.is_stopping
        return self.describe() if is_seen else self._observer.opening_report(self.recovery)

    def _attempt(self, doing: str, function: Callable[..., None], *args: Any) -> None:
        # For what must not change the outcome of an epoch
        try:
            function(*args)
        except Exception as e:
            self.log.exception(f"The recovery monitor raised while {doing}", e)
