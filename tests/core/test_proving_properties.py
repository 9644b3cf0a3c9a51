"""
Whatever the venues answer between recoveries: what opens an epoch, and what never does.
"""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import initialize
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.report import Discrepancy
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import discrepancy
from tests.core.test_proving import PACE
from tests.core.test_proving import PROVING
from tests.core.test_proving import SEC
from tests.core.test_proving import World
from tests.core.test_recovery import verifying


ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
PLACES = tuple((account_id, one) for account_id in ACCOUNTS for one in (BTC, ETH))
SOME = st.frozensets(st.sampled_from(PLACES), max_size=2)
# From the first answer that has a difference to the epoch that opens for it
PATIENCE = 5 * SEC


def differing(place: tuple[str, str]) -> Discrepancy:
    account_id, instrument_id = place
    return discrepancy(
        Kind.ORDER_MISMATCH, account_id=account_id, instrument_id=instrument_id, position_id=None
    )


class ProvingMachine(RuleBasedStateMachine):
    @initialize(blocked=SOME)
    def begin(self, blocked: frozenset[tuple[str, str]]) -> None:
        self.world = World(verifying())
        self.failing: dict[str, int] = {}
        self.waited = 0  # For answers
        self.end(blocked)

    def end(self, blocked: frozenset[tuple[str, str]]) -> None:
        self.world.judge(*map(differing, sorted(blocked)))
        self.blocked = blocked
        # In how many answers in a row, and since when: what differs and is not blocked, and what is
        # blocked and does not differ
        self.runs: dict[tuple[str, str], tuple[int, int, int]] = {}
        self.healed: dict[tuple[str, str], int] = {}
        self.failing = {}

    @precondition(lambda self: self.world.is_open)
    @rule(
        found=SOME,
        active=SOME,
        failing=st.sampled_from([frozenset(), frozenset(), frozenset({ACCOUNT})]),
        is_repeated=st.booleans(),
        latency=st.sampled_from([0, SEC // 10, 90 * SEC]),
        blocked=SOME,
        chance=st.floats(0, 1),
    )
    def answer(
        self,
        found: frozenset[tuple[str, str]],
        active: frozenset[tuple[str, str]],
        failing: frozenset[str],
        latency: int,
        blocked: frozenset[tuple[str, str]],
        chance: float,
        *,
        is_repeated: bool,
    ) -> None:
        for _ in range(6 if is_repeated else 1):  # What stands, stands for a while
            if self.world.is_open:
                self._answer(
                    found, active, failing, min(latency, 0 if is_repeated else latency), chance
                )
        if not self.world.is_open:
            self.end(blocked)

    def _answer(
        self,
        found: frozenset[tuple[str, str]],
        active: frozenset[tuple[str, str]],
        failing: frozenset[str],
        latency: int,
        chance: float,
    ) -> None:
        world = self.world
        world.ask()
        asked_at = world.now
        world.now += latency
        waited, self.waited = self.waited, self.waited + latency
        for account_id in ACCOUNTS:
            if account_id in failing:
                self.failing.setdefault(account_id, asked_at)
            else:
                self.failing.pop(account_id, None)
        for place in PLACES:
            if place[0] in failing:
                continue
            if place in found - self.blocked:
                count, *times = self.runs.get(place, (0, asked_at, asked_at - waited))
                self.runs[place] = (count + 1, times[0], times[1])
            else:
                self.runs.pop(place, None)
            self.healed[place] = (
                self.healed.get(place, 0) + 1 if place in self.blocked - found else 0
            )
        answers = tuple(
            Answer(one, asked_at, problem="503" if one in failing else None) for one in ACCOUNTS
        )
        world.answer(
            *map(differing, sorted(found)),
            answers=answers,
            active=active,
            known=frozenset(ACCOUNTS),
            chance=chance,
        )
        self._check(active, asked_at, waited)

    def _check(self, active: frozenset[tuple[str, str]], asked_at: int, waited: int) -> None:
        is_open, now = self.world.is_open, self.world.now
        enough = {
            place
            for place, (count, since, _) in self.runs.items()
            if place[0] not in self.failing
            and count >= (3 if place in active else 2)
            and (place not in active or asked_at - since >= 3 * SEC)
        }
        late = {one for one, since in self.failing.items() if now - since >= PACE.limit}
        healed = {place for place, count in self.healed.items() if count >= 2}
        assert is_open or enough or late or healed
        assert not (is_open and (enough or late))
        # In time, unless its venue does not answer
        for place, (*_, since) in self.runs.items():
            is_late = asked_at - waited - since >= PATIENCE
            assert not (is_open and is_late) or place[0] in self.failing

    @precondition(lambda self: self.world.is_open)
    @rule(secs=st.integers(0, 100))
    def pass_time(self, secs: int) -> None:
        wake_at = self.world.recovery.wake_at or 0
        if wake_at > self.world.now:
            self.world.now = min(self.world.now + secs * SEC, wake_at - 1)
            assert self.world.happen(epoch.Woke(self.world.now, 0)) == []

    @rule()
    def stir(self) -> None:
        self.world.happen(happened.Stirred(self.world.now))

    @invariant()
    def never_spins(self) -> None:
        """A host that wakes when it is told to has something to do then."""
        if not hasattr(self, "world") or not self.world.is_open:
            return
        copy: Any = World(self.world.recovery, PROVING)
        copy.now = self.world.now
        copy.ask()
        copy.answer(answers=())
        assert copy.recovery.wake_at > copy.now


def test_only_what_is_seen_often_enough_opens_an_epoch_and_that_in_time() -> None:
    """
    A difference, a block that is gone, or a venue that does not answer; and nothing is due at once
    for ever.
    """
    run_state_machine_as_test(
        ProvingMachine,
        settings=settings(max_examples=settings().max_examples, stateful_step_count=20),
    )
