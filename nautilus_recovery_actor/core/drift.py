"""
What one answer of the venues leaves of the cache, between recoveries: by the comparison that every
recovery makes, part by part, so that a host may pause in between.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

import msgspec

from nautilus_recovery_actor.core.compare.discrepancies import discrepancies
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.observation import in_reading_order
from nautilus_recovery_actor.core.origins import origins
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.proving import Place
from nautilus_recovery_actor.core.report import Discrepancy


# For how long after an event an instrument counts as active (ns)
ACTIVE = 2_000_000_000
# How many positions, orders and fills are compared at a time, unless one instrument has more
_PART = 60


def as_report(answer: Answer, seen_live_fills: int) -> VenueReport:
    """Return an answer in the form in which the cache is compared with it."""
    return VenueReport(
        account_id=answer.account_id,
        venue=answer.venue,
        ts=answer.ts,
        seen_live_fills=seen_live_fills,
        positions=answer.positions,
        orders=answer.orders,
    )


def names(observation: Observation) -> dict[str, int]:
    """Return how much there is to compare, by instrument."""
    weights: dict[str, int] = {}
    compared: tuple[tuple[Any, ...], ...] = (
        observation.after,
        observation.orders,
        observation.live_fills,
        *(one.positions for one in observation.reports),
        *(one.orders for one in observation.reports),
    )
    for things in compared:
        for thing in things:
            weights[thing.instrument_id] = weights.get(thing.instrument_id, 0) + 1
    return weights


def parts(observation: Observation) -> Iterator[Observation]:
    """Yield an observation instrument by instrument; those that share a balance stay together."""
    bases, cash = observation.base_currencies, observation.cash_accounts.keys()
    weights = names(observation)
    groups: dict[str, list[str]] = {}
    for instrument_id in weights:
        base = bases.get(instrument_id) if cash else None
        groups.setdefault(base or instrument_id, []).append(instrument_id)
    part: set[str] = set()
    weight = 0
    for group in groups.values():
        part.update(group)
        weight += sum(weights[one] for one in group)
        if weight >= _PART:
            yield _part(observation, part)
            part, weight = set(), 0
    yield _part(observation, part)


def _part(observation: Observation, instruments: set[str]) -> Observation:
    def of(things: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(one for one in things if one.instrument_id in instruments)

    names = ("after", "orders", "live_orders", "closed", "live_fills")
    fields = {name: of(getattr(observation, name)) for name in names}
    reports = (
        msgspec.structs.replace(one, positions=of(one.positions), orders=of(one.orders))
        for one in observation.reports
    )
    part = msgspec.structs.replace(observation, reports=tuple(reports), **fields)
    held = {(one.account_id, one.instrument_id) for one in part.after}
    # What is left out counts as gone here: nothing follows from one answer alone
    return in_reading_order(msgspec.structs.replace(part, twice_missing=frozenset(held)))


def drift(part: Observation, policy: Policy) -> tuple[Discrepancy, ...]:
    """Return what differs."""
    return tuple(discrepancies(part, origins(part), policy))


def active(observation: Observation, ts: int) -> frozenset[Place]:
    """Return where orders or trades have changed shortly before `ts`, or since."""
    since = ts - ACTIVE
    orders = {
        (order.account_id or "", order.instrument_id)
        for order in observation.orders
        if max(order.ts_init, order.ts_last, order.ts_filled) >= since
    }
    fills = {
        (fill.account_id, fill.instrument_id)
        for fill in observation.live_fills
        if fill.ts_init >= since
    }
    return frozenset(orders | fills)
