"""
Where venues are asked, no gate opens on what they have not answered alike twice in a row.
"""

from collections import defaultdict
from decimal import Decimal
from operator import itemgetter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.policy import Policy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import venue_position
from tests.core.host import ACCOUNTS
from tests.core.host import ANSWER
from tests.core.host import INSTRUMENTS
from tests.core.host import TIMING
from tests.core.host import Host


ASKS = 4
ZERO = Decimal(0)
NAMES = st.sampled_from(ACCOUNTS)
SAID = st.sampled_from(["equal", "equal", "equal", "empty", "more", "problem"])
# How many wakes and answers an epoch may take that nothing comes to any more
MOST = 40


class AnswersMachine(RuleBasedStateMachine):
    @initialize(is_quick=st.booleans())
    def start(self, *, is_quick: bool) -> None:
        self.host = Host(Policy(), ASKS)
        if is_quick:
            for account_id in ACCOUNTS:
                self.report(account_id, "equal")
            self.host.start_trader()
            self.end()

    @rule()
    def start_trader(self) -> None:
        self.host.start_trader()

    @rule(duration=st.sampled_from([1, 5, 10, 15, 30, 80, 200]), is_busy=st.booleans())
    def time(self, duration: int, *, is_busy: bool) -> None:
        self.host.pass_time(duration, is_busy=is_busy)

    @rule(account_id=NAMES, said=SAID)
    def report(self, account_id: str, said: str) -> None:
        if said != "problem":
            self.host.report_status(account_id, self._positions(account_id, said), 0)

    @precondition(lambda self: self.host.asked)
    @rule(said=st.tuples(SAID, SAID), age=st.sampled_from([0, 0, 1, 5]))
    def answer(self, said: tuple[str, str], age: int) -> None:
        concerned = self.host.asked[0].accounts
        answers = (
            Answer(account_id, self.host.now - age, problem="timed out")
            if what == "problem"
            else Answer(
                account_id, self.host.now - age, positions=self._positions(account_id, what)
            )
            for account_id, what in zip(ACCOUNTS, said, strict=True)
            if concerned is None or account_id in concerned
        )
        self.host.answer(*answers)

    def _positions(self, account_id: str, said: str) -> tuple[VenuePosition, ...]:
        if said == "empty":
            return ()
        more = int(said == "more")
        return tuple(
            venue_position(self.held()[account_id, name] + more, name) for name in INSTRUMENTS
        )

    def held(self) -> dict[tuple[str, str], Decimal]:
        held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for (account_id, instrument_id, _), qty in self.host.held.items():
            held[account_id, instrument_id] += qty
        return held

    @rule(account_id=NAMES, name=st.sampled_from(INSTRUMENTS), qty=st.sampled_from([-1, 1]))
    def change(self, account_id: str, name: str, qty: int) -> None:
        place = (account_id, name, "L")
        self.host.held[place] = self.host.held.get(place, ZERO) + qty

    @rule(account_id=NAMES)
    def return_(self, account_id: str) -> None:
        self.host.happen(happened.Returning(*self.host.moment, account_id=account_id))

    @rule()
    def are_back(self) -> None:
        self.host.happen(happened.Returned(*self.host.moment))

    @rule(account_id=NAMES, name=st.sampled_from(INSTRUMENTS), is_doubt=st.booleans())
    def news(self, account_id: str, name: str, *, is_doubt: bool) -> None:
        what = happened.Doubted if is_doubt else happened.StrangerTraded
        self.host.happen(what(*self.host.moment, account_id=account_id, instrument_id=name))

    @rule(disconnected=st.sets(NAMES, max_size=1))
    def look(self, disconnected: set[str]) -> None:
        self.host.look(frozenset(disconnected))

    @rule()
    def stop(self) -> None:
        self.host.stop()

    @rule()
    def resume(self) -> None:
        self.host.command("resume")

    @rule()
    def break_off(self) -> None:
        self.host.raise_error()

    @rule(is_answered=st.booleans(), said=SAID)
    def end(self, *, is_answered: bool = True, said: str = "equal") -> None:
        # Nothing comes any more but time, and answers, or none
        host = self.host
        for _ in range(MOST):
            if is_answered and host.asked:
                self.answer((said, said), 0)
            elif (wake_at := host.recovery.wake_at) is not None and host.report is None:
                host.pass_time(max(wake_at - host.now, 0), is_busy=False)
        assert host.report is not None

    @invariant()
    def is_never_open_on_what_was_not_answered_twice(self) -> None:
        host = self.host
        if not host.gate.is_open:
            return
        judged, recovery = host.judged, host.recovery
        assert judged is not None
        accounts = ACCOUNTS if recovery.concerned is None else recovery.concerned
        for account_id in accounts:
            assert account_id in judged.asked_accounts
            given = [
                (one.ts, one.positions) for one in judged.reports if one.account_id == account_id
            ]
            given += [
                (one.ts, one.positions)
                for one in judged.answers
                if one.account_id == account_id and one.problem is None
            ]
            series = [
                {position.instrument_id: position.qty for position in positions}
                for _, positions in sorted(given, key=itemgetter(0))
            ]
            held = {p.instrument_id: p.qty for p in judged.after if p.account_id == account_id}
            if len(series) < 2 and account_id not in judged.required_accounts:
                # Nothing was said of it in this epoch: what stood before stands
                stands = [one for one in judged.carried if one.account_id == account_id]
                blocked = {one.instrument_id for one in stands if one.is_blocking}
                assert not any(host.gate.is_open_for(name) for name in blocked)
                continue
            for name in INSTRUMENTS:
                if host.gate.is_open_for(name):
                    said = [one.get(name, ZERO) for one in series[-2:]]
                    assert said == [held.get(name, ZERO)] * 2

    @invariant()
    def has_one_end_and_is_open_just_under_a_completion(self) -> None:
        host = self.host
        assert set(host.ends.values()) <= {1}
        is_over = host.report is not None
        assert set(host.ends) == set(range(1, host.recovery.epoch + is_over))
        assert host.gate.is_open is (host.recovery.phase is RecoveryPhase.COMPLETE)
        assert host.recovery.is_trader_running or not host.gate.is_open

    @invariant()
    def never_asks_without_end(self) -> None:
        state = self.host.recovery.state
        assert state is None or state.asked <= ASKS


def test_gate_is_open_on_two_answers_that_agree_and_on_nothing_else() -> None:
    """
    Whatever venues answer, however late, and whatever happens meanwhile; and each epoch ends.
    """
    run_state_machine_as_test(
        AnswersMachine,
        settings=settings(max_examples=3 * settings().max_examples, stateful_step_count=25),
    )


def test_host_that_asks_completes_and_opens() -> None:
    """
    The simulated node gets to trade where the second answer is that of the first, and else not.
    """
    for second, outcome in (("equal", RecoveryOutcome.CLEAN), ("more", RecoveryOutcome.DEGRADED)):
        machine = AnswersMachine()
        machine.host = host = Host(Policy(), ASKS)
        host.held[ACCOUNT, BTC, "L"] = Decimal(1)
        host.before = host.positions()
        for account_id in ACCOUNTS:
            machine.report(account_id, "equal")
        host.start_trader()
        host.pass_time(TIMING.settle, is_busy=False)
        assert len(host.asked) == 1
        assert host.report is None
        machine.end(said=second)
        assert host.report is not None
        assert host.report.outcome is outcome
        assert host.gate.is_open_for(BTC) is (second == "equal")


def test_host_that_is_never_answered_opens_nothing() -> None:
    """
    It waits for each answer as long as it may take.
    """
    machine = AnswersMachine()
    machine.host = host = Host(Policy(), ASKS)
    for account_id in ACCOUNTS:
        machine.report(account_id, "equal")
    host.start_trader()
    machine.end(is_answered=False)
    assert host.recovery.phase is RecoveryPhase.FAILED
    assert host.now >= ANSWER
