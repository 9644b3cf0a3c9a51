"""
The plan: which steps, in which order, make the cache equal to what the venue has answered twice.
"""

from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import takewhile

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.proof import Proof
from nautilus_recovery_actor.core.repair import orders
from nautilus_recovery_actor.core.repair import parts
from nautilus_recovery_actor.core.repair import positions
from nautilus_recovery_actor.core.repair.changes import changes
from nautilus_recovery_actor.core.repair.place import Place
from nautilus_recovery_actor.core.repair.place import RefusedError
from nautilus_recovery_actor.core.repair.place import place
from nautilus_recovery_actor.core.repair.steps import Plan
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RepairStep


_POSITIONS = frozenset(
    {
        Kind.POSITION_QTY_MISMATCH,
        Kind.HEDGE_LEG_MISMATCH,
        Kind.POSITION_NOT_AT_VENUE,
        Kind.SPLIT_OWNERSHIP,
    }
)
_ORDERS = frozenset(
    {Kind.ORDER_NOT_IN_CACHE, Kind.ORDER_NOT_AT_VENUE, Kind.ORDER_MISMATCH, Kind.INFLIGHT_ORDER}
)
_UNPLANNABLE = {
    Kind.INSTRUMENT_NOT_LOADED: "the node has not loaded the instrument",
    Kind.UNPROVEN_REPORT: "the venue has not answered alike twice",
    Kind.NO_MASS_STATUS: "the venue has not reported",
}


def plan(
    observation: Observation, proof: Proof, origins: Origins, standing: Iterable[Discrepancy]
) -> Plan:
    """Return the plan for all that stands and blocks, and for what a strategy claims."""
    blocking: dict[tuple[str, str], list[Discrepancy]] = defaultdict(list)
    for one in standing:
        if one.is_blocking and one.kind.is_difference:
            blocking[one.account_id, one.instrument_id].append(one)
    explored = _explored(observation.answers)
    steps: list[Step] = []
    refused: list[RepairStep] = []
    unexplored: set[tuple[str, str]] = set()
    halves = {(one.account_id, one.instrument_id) for one in observation.half_moves}
    for at in sorted({*blocking, *halves, *_nobodys(observation)}):
        account_id, instrument_id = at
        found = blocking.get(at, [])
        if not instrument_id or proof.answers.get(account_id, (0, None))[1] is None:
            continue
        if unplannable := [_UNPLANNABLE[o.kind] for o in found if o.kind in _UNPLANNABLE]:
            refused.append(_refusal(at, unplannable[0]))
            continue
        there = place(observation, proof, origins, at, explored.get(at))
        if found and at not in explored and not parts.only(there, found):
            unexplored.add(at)
            continue
        planned, reason = _there(there, found, observation.tried)
        steps += planned
        if reason is not None:
            refused.append(_refusal(at, reason))
    return Plan(tuple(steps), tuple(refused), frozenset(unexplored))


def _there(
    there: Place, found: Collection[Discrepancy], tried: Mapping[Step, str]
) -> tuple[tuple[Step, ...], str | None]:
    # The steps of one place, and why it is not equal then
    steps: list[Step] = []
    try:
        steps += tuple(_of(there, found))
        steps += parts.moves(there)  # Each is right without the next
        reason = (parts.left(there) or _lost(there, found)) if found else None
    except RefusedError as e:
        reason = str(e)
    untried = tuple(takewhile(lambda step: step not in tried, steps))
    if vain := steps[len(untried) :]:
        problem = tried[vain[0]] or vain[0].told.detail
        reason = f"this was tried, and the difference is still there: {problem}"
    elif reason is None and found and not steps and not there.is_cash:
        reason = "nothing that the venue reports explains the difference"
    return untried, reason


def _of(there: Place, found: Collection[Discrepancy]) -> Iterator[Step]:
    # In the order in which it was seen to last: what is made up goes first, then orders get their
    # ids and trades, and only then what is left is closed or moved
    kinds = {one.kind for one in found}
    if not kinds & (_ORDERS | _POSITIONS):
        yield from positions.complete(there)
        return
    ordered = changes(there)
    solved = positions.solve(there, ordered.missing, ordered.resting)
    yield from solved.undone
    yield from orders.updates(there, ordered)
    yield from orders.trades(there, ordered, solved.trades)
    yield from orders.endings(there, ordered, solved.trades)
    yield from solved.rest


def _lost(there: Place, found: Iterable[Discrepancy]) -> str | None:
    if not there.half_moves or _POSITIONS.isdisjoint(one.kind for one in found):
        return None
    moves = " and ".join(f"{o.qty} at {o.px} to {o.strategy_id}" for o in there.half_moves)
    return (
        f"a repair was broken off that moved {moves}, and what the venue holds does not say what "
        "has become of that: its PnL is not booked"
    )


def _nobodys(observation: Observation) -> set[tuple[str, str]]:
    # What no strategy owns beside what one does, or what one claims
    held = {(o.account_id, o.instrument_id) for o in observation.after if not _is_nobodys(o)}
    return {
        at
        for one in observation.after
        if _is_nobodys(one) and one.qty
        if (at := (one.account_id, one.instrument_id)) in held or at[1] in observation.claims
    }


def _is_nobodys(position: CachedPosition) -> bool:
    return position.strategy_id in UNCLAIMED_STRATEGIES


def _explored(answers: Iterable[Answer]) -> dict[tuple[str, str], Answer]:
    return {
        (answer.account_id, instrument_id): answer
        for answer in answers
        for instrument_id in answer.explored
    }


def _refusal(at: tuple[str, str], reason: str) -> RepairStep:
    return RepairStep(
        kind="none", account_id=at[0], instrument_id=at[1], detail=reason, state="refused"
    )
