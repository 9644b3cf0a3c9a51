from collections import defaultdict
from decimal import Decimal
from itertools import product
from random import Random
from typing import TypeVar

import msgspec
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import CachedPosition
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.verdict import describe
from tests.core.builders import ACCOUNT
from tests.core.builders import BTC
from tests.core.builders import ETH
from tests.core.builders import OTHER_ACCOUNT
from tests.core.builders import SOL
from tests.core.builders import STRATEGY
from tests.core.builders import TS_REPORT
from tests.core.builders import cached_order
from tests.core.builders import cached_position
from tests.core.builders import discrepancy
from tests.core.builders import fill
from tests.core.builders import judge
from tests.core.builders import observation
from tests.core.builders import venue_order
from tests.core.builders import venue_position
from tests.core.builders import venue_report


ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
INSTRUMENTS = (BTC, ETH, SOL)
LEGS = ("L", "S")
ZERO = Decimal(0)

_Item = TypeVar("_Item")

# Few distinct values, so that equal and unequal quantities are both common
QUANTITIES = st.sampled_from([Decimal(q) for q in ("-2", "-1", "0", "1", "1.0", "2", "0.5")])
TRADED = QUANTITIES.filter(lambda q: q != 0)


@st.composite
def venue_positions(draw: st.DrawFn) -> tuple[VenuePosition, ...]:
    positions = []
    for instrument_id in INSTRUMENTS:
        match draw(st.sampled_from(["absent", "net", "parts", "legs"])):
            case "net":
                positions.append(venue_position(draw(QUANTITIES), instrument_id))
            case "parts":
                side = draw(st.sampled_from([1, -1]))
                for _ in range(2):
                    qty = side * abs(draw(QUANTITIES))
                    positions.append(venue_position(qty, instrument_id))
            case "legs":
                legs = draw(st.lists(st.sampled_from(LEGS), min_size=1, unique=True))
                positions += [venue_position(draw(QUANTITIES), instrument_id, leg) for leg in legs]
            case _:
                pass
    return tuple(positions)


@st.composite
def cached_positions(draw: st.DrawFn) -> tuple[CachedPosition, ...]:
    owners = st.sampled_from([STRATEGY, "Other-002", "EXTERNAL"])
    return tuple(
        cached_position(draw(TRADED), instrument_id, position_id, account_id, draw(owners))
        for account_id in ACCOUNTS
        for instrument_id in INSTRUMENTS
        for position_id in draw(st.lists(st.sampled_from([*LEGS, "N"]), max_size=2, unique=True))
    )


@st.composite
def venue_orders(draw: st.DrawFn, account_id: str) -> tuple[VenueOrder, ...]:
    numbers = draw(st.lists(st.integers(0, 5), max_size=4, unique=True))
    return tuple(
        venue_order(
            draw(st.sampled_from([None, f"{account_id}-{number}"])),
            f"{account_id}-V{number}",
            INSTRUMENTS[number % 3],
            is_open=draw(st.booleans()),
        )
        for number in numbers
    )


@st.composite
def cached_orders(draw: st.DrawFn) -> tuple[CachedOrder, ...]:
    orders = []
    for account_id in ACCOUNTS:
        for number in draw(st.lists(st.integers(0, 5), max_size=4, unique=True)):
            is_open = draw(st.booleans())
            orders.append(
                cached_order(
                    f"{account_id}-{number}",
                    draw(st.sampled_from([None, f"{account_id}-V{number}"])),
                    INSTRUMENTS[number % 3],
                    draw(st.sampled_from([account_id, None])),
                    is_open=is_open,
                    is_inflight=not is_open and draw(st.booleans()),
                    is_local=draw(st.integers(0, 5)) == 0,
                    ts_init=TS_REPORT + draw(st.integers(-2, 2)),
                    ts_last=TS_REPORT + 2 + draw(st.integers(-4, 2)),
                )
            )
    return tuple(orders)


@st.composite
def observed_fills(draw: st.DrawFn) -> tuple[ObservedFill, ...]:
    return tuple(
        fill(
            draw(TRADED),
            index,
            draw(st.sampled_from([f"T-{index}", "S-1a-2b"])),
            f"{ACCOUNT}-V{draw(st.integers(0, 5))}",
            draw(st.sampled_from(INSTRUMENTS)),
            draw(st.sampled_from(ACCOUNTS)),
            draw(st.booleans()),
            draw(st.integers(0, 3)) == 0,
        )
        for index in range(draw(st.integers(0, 6)))
    )


@st.composite
def venue_reports(draw: st.DrawFn) -> tuple[VenueReport, ...]:
    return tuple(
        venue_report(
            draw(venue_positions()),
            draw(venue_orders(account_id)),
            account_id,
            [f"T-{number}" for number in draw(st.sets(st.integers(0, 5)))],
            seen_events=draw(st.integers(0, 6)),
            seen_live_fills=draw(st.integers(0, 3)),
        )
        for account_id in draw(st.lists(st.sampled_from(ACCOUNTS), unique=True))
    )


def found_before() -> st.SearchStrategy[list[Discrepancy]]:
    return st.lists(
        st.builds(
            discrepancy,
            severity=st.sampled_from(Severity),
            account_id=st.sampled_from(ACCOUNTS),
            instrument_id=st.sampled_from(INSTRUMENTS),
            resolved=st.booleans(),
        ),
        max_size=2,
        unique_by=lambda d: (d.account_id, d.instrument_id),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    fills = draw(observed_fills())
    return observation(
        reports=draw(venue_reports()),
        before=draw(cached_positions()),
        after=draw(cached_positions()),
        orders=draw(cached_orders()),
        fills=fills,
        live_fills=draw(observed_fills()),
        events=len(fills) + draw(st.integers(0, 2)),
        required=draw(st.sets(st.sampled_from(ACCOUNTS))),
        instruments=draw(st.sets(st.sampled_from(INSTRUMENTS))),
        carried=draw(found_before()),
        earlier=draw(found_before()),
        reported_events=draw(st.integers(0, len(fills))),
    )


POLICIES = st.builds(
    Policy,
    severities=st.dictionaries(st.sampled_from(DiscrepancyKind), st.sampled_from(Severity)),
    allow_unreconciled=st.booleans(),
    max_report_fills=st.integers(0, 7),
    shadow=st.booleans(),
)


# -- THE REPORT IS A FUNCTION OF WHAT WAS OBSERVED --


@settings(max_examples=60)
@given(observations(), POLICIES, st.randoms(use_true_random=False))
def test_report_depends_neither_on_the_call_nor_on_the_order_of_what_was_seen(
    observed: Observation, policy: Policy, random: Random
) -> None:
    """
    The same observation gives the same report, also with its positions, orders, reports shuffled.
    """

    def shuffled(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
        return tuple(random.sample(items, len(items)))

    other = msgspec.structs.replace(
        observed,
        before=shuffled(observed.before),
        after=shuffled(observed.after),
        orders=shuffled(observed.orders),
        carried=shuffled(observed.carried),
        earlier=shuffled(observed.earlier),
        reports=shuffled(
            tuple(
                msgspec.structs.replace(
                    report, positions=shuffled(report.positions), orders=shuffled(report.orders)
                )
                for report in observed.reports
            )
        ),
    )
    report = judge(observed, policy)
    assert judge(observed, policy) == report
    assert judge(other, policy) == report
    assert describe(other, policy) == describe(observed, policy)


@settings(max_examples=60)
@given(observations(), POLICIES)
def test_report_survives_its_codec(observed: Observation, policy: Policy) -> None:
    """
    Whatever was found, the report reads back equal from its bytes and from its dictionary.
    """
    report = judge(observed, policy)
    assert RecoveryReport.from_bytes(report.to_bytes()) == report
    assert RecoveryReport.from_dict(report.to_dict()) == report
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(report.to_dict()))
    assert RecoveryReport.from_dict(stored) == report


@settings(max_examples=60)
@given(observations(), POLICIES)
def test_result_follows_from_what_differs(observed: Observation, policy: Policy) -> None:
    """
    A silent account fails, a blocked instrument degrades, and only what blocks does either.
    """
    report = judge(observed, policy)
    blocking = [d for d in report.discrepancies if d.is_blocking]
    is_silent = any(
        d.kind is DiscrepancyKind.NO_MASS_STATUS and not d.instrument_id for d in blocking
    )
    assert (report.failure is not None) is is_silent
    assert (report.outcome is None) is is_silent
    instruments = {d.instrument_id for d in blocking if d.instrument_id}
    assert report.blocked_instruments == tuple(sorted(instruments))
    if not is_silent:
        assert (report.outcome is RecoveryOutcome.DEGRADED) is bool(instruments)
    if report.outcome is RecoveryOutcome.CLEAN:
        assert observed.events <= observed.reported_events
        assert all(p.qty_before == p.qty_after for p in report.positions)
        assert not any(d.resolved for d in report.discrepancies)


# -- FILLS --


@settings(max_examples=60)
@given(observations(), st.integers(0, 7))
def test_each_flagged_fill_is_counted_once(observed: Observation, limit: int) -> None:
    """
    The counts by origin add up to all flagged fills of which no epoch has told, and the report
    holds the newest of them.
    """
    report = judge(observed, Policy(max_report_fills=limit))
    untold = observed.fills[observed.reported_events :]
    assert sum(report.fill_counts.values()) == len(untold)
    newest = untold[max(0, len(untold) - limit) :]
    assert [(f.client_order_id, f.qty) for f in report.fills] == [
        (f.client_order_id, f.qty) for f in newest
    ]
    everything = judge(observed, Policy(max_report_fills=len(observed.fills)))
    for origin in FillOrigin:
        told = sum(f.origin is origin for f in everything.fills)
        assert told == report.fill_counts.get(origin, 0)
    assert everything.fills[len(everything.fills) - len(report.fills) :] == report.fills


@given(cached_positions(), observed_fills(), venue_reports())
def test_quantity_after_is_quantity_before_plus_the_fills(
    before: tuple[CachedPosition, ...],
    fills: tuple[ObservedFill, ...],
    reports: tuple[VenueReport, ...],
) -> None:
    """
    For a cache that applied each fill, the report balances per account and instrument.
    """
    held = {(p.account_id, p.instrument_id, p.position_id): p for p in before}
    for one in fills:
        key = (one.account_id, one.instrument_id, "N")
        old = held.get(key) or cached_position(ZERO, key[1], key[2], key[0])
        held[key] = msgspec.structs.replace(old, qty=old.qty + one.qty)
    after = [position for position in held.values() if position.qty != 0]

    report = judge(
        observation(reports=reports, before=before, after=after, fills=fills),
        Policy(max_report_fills=len(fills)),
    )

    moved: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for change in report.positions:
        moved[change.account_id, change.instrument_id] += change.qty_after - change.qty_before
    for told in report.fills:
        moved[told.account_id, told.instrument_id] -= told.qty
    assert set(moved.values()) <= {ZERO}
    for account_id, instrument_id in {(p.account_id, p.instrument_id) for p in (*before, *after)}:
        quantities = [
            change.qty_after
            for change in report.positions
            if change.account_id == account_id and change.instrument_id == instrument_id
        ]
        cached = [
            position.qty
            for position in after
            if position.account_id == account_id and position.instrument_id == instrument_id
        ]
        assert sum(quantities, ZERO) == sum(cached, ZERO)


# -- FAIL CLOSED --


def differs(venue: list[VenuePosition], cached: list[CachedPosition]) -> bool:
    """
    Return whether what one venue said of one instrument is anything but what the cache holds, or is
    one net position in parts that do not go together.
    """
    if not venue:
        return any(p.qty != 0 for p in cached)
    if any(p.position_id is not None for p in venue):
        legs = {p.position_id: p.qty for p in venue if p.qty != 0}
        return legs != {p.position_id: p.qty for p in cached}
    return is_split(cached) or sum(p.qty for p in venue) != sum(p.qty for p in cached)


def is_split(held: list[CachedPosition]) -> bool:
    """
    Return whether a net position has several owners, or is held LONG and SHORT.
    """
    return len({p.strategy_id for p in held}) > 1 or len({p.qty > 0 for p in held}) > 1


@given(
    cached_positions(),
    st.lists(st.sampled_from(ACCOUNTS), unique=True, min_size=1),
    st.data(),
    st.sets(st.sampled_from(INSTRUMENTS)),
)
def test_instrument_is_blocked_just_where_the_venue_differs_from_the_cache(
    after: tuple[CachedPosition, ...], accounts: list[str], data: st.DataObject, unloaded: set[str]
) -> None:
    """
    Any difference in an account that reported blocks its instrument, and nothing else does.
    """
    reports = [venue_report(data.draw(venue_positions()), account_id=a) for a in accounts]
    # Instruments that are not loaded are named as such, whether or not their quantities agree
    report = judge(
        observation(reports=reports, after=after, instruments=set(INSTRUMENTS) - unloaded), Policy()
    )
    for instrument_id in INSTRUMENTS:
        compared = [
            (
                [p for p in status.positions if p.instrument_id == instrument_id],
                [
                    p
                    for p in after
                    if (p.account_id, p.instrument_id) == (status.account_id, instrument_id)
                ],
            )
            for status in reports
        ]
        is_different = any(differs(venue, cached) for venue, cached in compared)
        is_unknown = instrument_id in unloaded and any(
            p.qty != 0 for venue, _ in compared for p in venue
        )
        assert (instrument_id in report.blocked_instruments) is (is_different or is_unknown)


@given(cached_positions(), st.booleans())
def test_report_that_equals_the_cache_blocks_nothing(
    after: tuple[CachedPosition, ...], is_hedged: bool
) -> None:
    """
    A venue that reports what the cache holds, net or by leg, leaves nothing to block but a split.
    """
    reports = []
    for account_id in ACCOUNTS:
        held = [p for p in after if p.account_id == account_id]
        if is_hedged:
            told = [venue_position(p.qty, p.instrument_id, p.position_id) for p in held]
        else:
            told = [
                venue_position(
                    sum((p.qty for p in held if p.instrument_id == instrument_id), ZERO),
                    instrument_id,
                )
                for instrument_id in sorted({p.instrument_id for p in held})
            ]
        reports.append(venue_report(told, account_id=account_id))
    report = judge(observation(reports=reports, before=after, after=after), Policy())
    split = {
        instrument_id
        for account_id, instrument_id in product(ACCOUNTS, INSTRUMENTS)
        if not is_hedged and is_split(parts(after, account_id, instrument_id))
    }
    assert report.blocked_instruments == tuple(sorted(split))
    assert (report.outcome is RecoveryOutcome.CLEAN) is (not split)
    allowed = {DiscrepancyKind.UNCLAIMED_POSITION, DiscrepancyKind.SPLIT_OWNERSHIP}
    assert {d.kind for d in report.discrepancies} <= allowed


def parts(
    held: tuple[CachedPosition, ...], account_id: str, instrument_id: str
) -> list[CachedPosition]:
    return [p for p in held if (p.account_id, p.instrument_id) == (account_id, instrument_id)]


@given(cached_positions(), st.sets(st.sampled_from(INSTRUMENTS)), QUANTITIES)
def test_absence_of_a_report_is_never_a_zero(
    after: tuple[CachedPosition, ...], reported: set[str], other: Decimal
) -> None:
    """
    Whatever the venue says of other instruments, a position that it left out blocks its own.
    """
    told = [venue_position(other, instrument_id) for instrument_id in sorted(reported)]
    report = judge(observation(reports=[venue_report(told)], after=after), Policy())
    missing = {
        p.instrument_id
        for p in after
        if p.account_id == ACCOUNT and p.instrument_id not in reported
    }
    assert missing <= set(report.blocked_instruments)
    silent = judge(observation(after=after, required={p.account_id for p in after}), Policy())
    assert (silent.failure is not None) is bool(after)


@given(
    st.dictionaries(st.sampled_from(INSTRUMENTS), TRADED),
    st.lists(st.tuples(st.sampled_from(INSTRUMENTS), TRADED, st.booleans()), max_size=6),
    st.booleans(),
)
def test_venue_and_cache_agree_on_what_was_filled_after_the_report(
    reported: dict[str, Decimal], late: list[tuple[str, Decimal, bool]], is_flat_reported: bool
) -> None:
    """
    Late fills, flagged and live, applied to the cache leave it equal, and one left out does not.
    """
    flagged = [(i, q) for i, q, is_flagged in late if is_flagged]
    live = [(i, q) for i, q, is_flagged in late if not is_flagged]
    told = [
        venue_position(reported.get(instrument_id, ZERO), instrument_id)
        for instrument_id in INSTRUMENTS
        if instrument_id in reported or is_flat_reported
    ]
    net = {i: reported.get(i, ZERO) for i in INSTRUMENTS}
    for instrument_id, qty, _ in late:
        net[instrument_id] += qty

    def judged(held: dict[str, Decimal]) -> RecoveryReport:
        return judge(
            observation(
                reports=[venue_report(told, seen_events=4, seen_live_fills=2)],
                after=[
                    cached_position(qty, instrument_id, f"P-{instrument_id}")
                    for instrument_id, qty in held.items()
                    if qty != 0
                ],
                fills=[fill(q, 4 + n, instrument_id=i) for n, (i, q) in enumerate(flagged)],
                live_fills=[fill(q, 2 + n, instrument_id=i) for n, (i, q) in enumerate(live)],
            ),
            Policy(),
        )

    assert judged(net).blocked_instruments == ()
    for instrument_id, qty, _ in late:
        missed = net | {instrument_id: net[instrument_id] - qty}
        assert judged(missed).blocked_instruments == (instrument_id,)


@settings(max_examples=60)
@given(observations(), POLICIES)
def test_difference_of_an_account_without_a_report_is_never_forgotten(
    observed: Observation, policy: Policy
) -> None:
    """
    What the epoch before found stands as it was for each account that does not report in this one.
    """
    reported = {report.account_id for report in observed.reports}
    told = judge(observed, policy).discrepancies
    for carried in observed.carried:
        if carried.account_id not in reported and not carried.resolved:
            assert carried in told
