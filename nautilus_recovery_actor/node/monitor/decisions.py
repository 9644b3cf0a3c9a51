"""
Decisions of the core on NautilusTrader 1.x: what is looked at there, and what only 1.x can do.
"""

import asyncio
from collections.abc import Callable

from nautilus_trader.common.actor import Actor

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.host.deciding import Deciding
from nautilus_recovery_actor.host.judging import JUDGED_AT_ONCE
from nautilus_recovery_actor.node.listeners import Audience
from nautilus_recovery_actor.node.listeners import News
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.monitor.judging import Judging
from nautilus_recovery_actor.node.monitor.losses import LostOrders
from nautilus_recovery_actor.node.monitor.repairs import Repairs
from nautilus_recovery_actor.node.observing.accounts import known_accounts
from nautilus_recovery_actor.node.observing.evidence import Evidence
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Observer
from nautilus_recovery_actor.node.observing.orders import emulated_orders


_MESSAGES = {message.kind: message for message in MESSAGES}


class Decisions(Deciding):
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
        clock, trader_id = monitor.clock, monitor.trader_id.value
        super().__init__(monitor.log, clock.timestamp_ns, trader_id, rules, on_answer)
        self.journal = journal
        self.recovery = Recovery(epoch=1, ts_started=clock.timestamp_ns())
        self._cache = monitor.cache
        self._intake = intake
        self._observer = observer
        self._evidence = evidence
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
        self._repairing: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a message is on its way, which the next one would overtake."""
        return self._audience.is_busy

    # -- WHAT IS SEEN --

    @property
    def recovery_id(self) -> str:
        """The UUID of the current epoch."""
        return self._intake.recovery_id

    @recovery_id.setter
    def recovery_id(self, recovery_id: str) -> None:
        self._intake.recovery_id = recovery_id

    @property
    def last_heartbeat(self) -> Heartbeat | None:
        """The last one of the run before."""
        return self._intake.last_heartbeat

    def flagged(self) -> int:
        """Return how many flagged events have come."""
        return len(self._intake.flagged)

    def known(self) -> frozenset[str]:
        """Return the accounts that the node knows."""
        return known_accounts(self._cache)

    def observation(self) -> Observation:
        """Return all that was seen of the current epoch so far."""
        return self._observer.observation(self.recovery)

    # -- WHAT IS DONE --

    def inform(self, kind: MessageKind, report: RecoveryReport) -> None:
        """Have everybody who listens hear it."""
        self._audience.inform(News(self.message(_MESSAGES[kind], report)))

    def follow(self) -> None:
        """The core has decided."""
        self._intake.follow(self.recovery)

    def settle(self) -> None:
        """What followed is carried out."""
        self._on_decided(self.recovery)

    def opened(self, *, is_at_runtime: bool) -> None:
        """Take up what is there at run time."""
        if emulated := emulated_orders(self._cache):
            self.log.warning(
                "Emulated orders rest in the node and are sent when triggered, whatever the "
                f"outcome of the recovery: {', '.join(emulated)}"
            )
        if is_at_runtime:
            self._intake.begin_at_runtime(self._cache)

    def ended(self, kind: MessageKind, report: RecoveryReport, /) -> None:
        """Keep what later epochs need, and let go of the rest."""
        self.attempt("keeping the evidence", self._settle, report)
        if is_complete := kind is MessageKind.COMPLETE:
            record = self._lost_orders.record
            self.attempt("recording lost orders", record, report.lost_orders)
        self._intake.end(is_complete=is_complete)
        self._observer.forget()
        self.stop_repairing()
        self._repairs.forget()

    def _settle(self, report: RecoveryReport) -> None:
        self._evidence.settle(report, self._observer.positions())

    def absorb(self) -> None:
        """Take what was flagged for trades."""
        self._intake.absorb(self._cache)

    def shut_down(self, reason: str) -> None:
        """Shut the node down."""
        self._shut_down(reason)

    # -- WHAT THE VENUES ARE ASKED --

    def ask(self, ask: happened.Ask, /) -> None:
        """Ask the venues."""
        self.stop_repairing()  # One that took too long: no two at once
        self._ask(ask)

    def prove(self, prove: happened.Prove, /) -> None:
        """Ask the venues between two epochs."""
        self._prove(prove)

    def repair(self, steps: tuple[Step, ...], /) -> None:
        """Carry out a plan."""
        assert self.loop is not None  # Who is not asked has answered nothing
        self._repairing = self.loop.create_task(self._repair(steps))

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

    # -- THE JUDGMENT --

    @property
    def is_judging(self) -> bool:
        """Whether a judgment is on its way: nothing else is due until it is there."""
        return self._judging.is_on

    def stop_judging(self) -> None:
        """Drop a judgment that is on its way."""
        self._judging.cancel()

    def judge(self) -> None:
        """Judge the current epoch, on another thread if there is much."""
        self._judging.cancel()
        if self.loop is None or self._observer.size(self.recovery) <= JUDGED_AT_ONCE:
            self.judge_now()
        else:
            self._judging.begin(self.loop)

    def _take_judged(self, judgment: Judgment | None) -> None:
        # Without one the core decides anew what is due
        if judgment is None:
            self.settle()
        else:
            self.decide(happened.Judged(*self.moment(), judgment=judgment))
