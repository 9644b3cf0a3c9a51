"""
What a venue has answered twice in a row: the one thing that the cache is judged by.

A mass status is the first answer. What the monitor asks for itself, after the engine has
reconciled, is the next. Two that differ prove nothing, unless what was traded in between explains
it.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from decimal import Decimal
from itertools import accumulate
from operator import attrgetter

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import CachedOrder
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenuePosition
from nautilus_recovery_actor.core.observation import VenueReport
from nautilus_recovery_actor.core.origins import Origins
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy


_ZERO = Decimal(0)
_TWICE = 2
_COMPARED = attrgetter("side", "qty", "filled_qty", "px", "trigger_px")
# Of one instrument, and of a leg if the venue names legs
_Place = tuple[str, str | None]

_SILENT = (
    "{} was asked again after the reconciliation, and did not answer ({}), so nothing about it is "
    "proven: the venue keeps being asked, and trading goes on once it answers"
)
_DIFFERENT = (
    "The venue was asked {} times, and the last two answers differ, so neither is believed: check "
    "the venue; the block ends by itself once it answers alike, or at once with "
    "`nautilus-recovery verify`"
)


class Proof(msgspec.Struct):
    """What is proven of the accounts that were asked, and what is not."""

    # The reports by account, those of the accounts that were asked as the last answer has them
    reports: dict[str, VenueReport]
    # What no two answers in a row agree on
    unproven: list[Discrepancy] = []
    # How often each account has answered, and when the second of the last two that agree was given
    answers: dict[str, tuple[int, int | None]] = {}
    # The accounts whose mass status was not what the last two answers agree on
    outdated: set[str] = set()
    # The accounts that answer, and have not answered alike twice in a row yet
    pending: set[str] = set()
    # The accounts and instruments of the cache's positions that the last two leave out alike
    missing: set[tuple[str, str]] = set()


def prove(observation: Observation, origins: Origins, policy: Policy) -> Proof:
    """Return what the venues' answers prove."""
    reports = {report.account_id: report for report in observation.reports}
    proof = Proof(reports)
    given, problems = _series(observation)
    trades = _trades(observation, origins)
    for account_id, series in sorted(given.items()):
        proof.answers[account_id] = (len(series), None)
        report = reports.get(account_id)
        is_first_missing = report is None and account_id in observation.required_accounts
        if account_id not in observation.asked_accounts or is_first_missing:
            continue  # There was nobody to ask, or what has to come first did not
        if len(series) < _TWICE:
            proof.pending |= {account_id} - problems.keys()
            if report is not None:
                proof.unproven.append(_silent(account_id, problems, policy))
            continue
        last = series[-1]
        comparison = _Comparison(observation, account_id, trades)
        different = comparison.between(series[-2], last)
        proof.unproven += _differences(account_id, different, len(series), policy)
        if different:
            proof.pending.add(account_id)
        else:
            proof.answers[account_id] = (len(series), last.ts)
            proof.missing |= _missing(observation, series[-2:])
            if report is not None and comparison.between(_answer(report), last):
                proof.outdated.add(account_id)
        proof.reports[account_id] = _merged(report, series)
    return proof


def _missing(observation: Observation, answers: list[Answer]) -> set[tuple[str, str]]:
    account_id = answers[0].account_id
    held = {one.instrument_id for one in observation.after if one.account_id == account_id}
    reported = {position.instrument_id for one in answers for position in one.positions}
    return {(account_id, instrument_id) for instrument_id in held - reported}


def _series(observation: Observation) -> tuple[dict[str, list[Answer]], dict[str, str]]:
    # What each account has said, oldest first, and why some said nothing
    series: dict[str, list[Answer]] = {each: [] for each in observation.asked_accounts}
    problems: dict[str, str] = {}
    for report in observation.reports:
        series.setdefault(report.account_id, []).append(_answer(report))
    for answer in sorted(observation.answers, key=attrgetter("ts")):
        if answer.problem is None:
            series.setdefault(answer.account_id, []).append(answer)
            problems.pop(answer.account_id, None)
        else:
            problems[answer.account_id] = answer.problem
    for given in series.values():
        given.sort(key=attrgetter("ts"))
    return series, problems


def _silent(account_id: str, problems: Mapping[str, str], policy: Policy) -> Discrepancy:
    detail = _SILENT.format(account_id, problems.get(account_id, "no answer came"))
    return policy.difference(Kind.UNPROVEN_REPORT, account_id, venue="one answer", detail=detail)


def _differences(
    account_id: str, different: Mapping[str, tuple[str, str]], count: int, policy: Policy
) -> Iterator[Discrepancy]:
    for instrument_id, (before, after) in sorted(different.items()):
        yield policy.difference(
            Kind.UNPROVEN_REPORT,
            account_id,
            instrument_id,
            venue=f"{before}, then {after}",
            detail=_DIFFERENT.format(count),
        )


def unasked(account_id: str, instrument_id: str, policy: Policy) -> Discrepancy:
    """Return what stands until the venue has been asked what somebody else has traded there."""
    return policy.difference(
        Kind.UNPROVEN_REPORT,
        account_id,
        instrument_id,
        venue="a trade that is not this node's",
        detail="Somebody else traded what a strategy of this node holds, a liquidation or an order "
        "placed elsewhere, and the venue has not answered twice since: check the venue; the block "
        "ends by itself once it has",
    )


def _answer(report: VenueReport) -> Answer:
    return Answer(
        account_id=report.account_id,
        venue=report.venue,
        ts=report.ts,
        seen_events=report.seen_events,
        seen_live_fills=report.seen_live_fills,
        positions=report.positions,
        orders=report.orders,
    )


def _merged(report: VenueReport | None, given: list[Answer]) -> VenueReport:
    last = given[-1]
    held = {position.instrument_id for position in last.positions}
    named = {position.instrument_id: position for one in given for position in one.positions}
    flat = (
        VenuePosition(instrument_id, _ZERO) for instrument_id in named if instrument_id not in held
    )
    known = {(order.instrument_id, order.venue_order_id) for order in last.orders}
    over = (
        order
        for order in (report.orders if report is not None else ())
        if not order.is_open and (order.instrument_id, order.venue_order_id) not in known
    )
    return VenueReport(
        account_id=last.account_id,
        venue=last.venue if report is None else report.venue,
        ts=last.ts,
        seen_events=last.seen_events,
        seen_live_fills=last.seen_live_fills,
        positions=(*last.positions, *flat),
        orders=(*last.orders, *over),
        trade_ids=frozenset() if report is None else report.trade_ids,
        fills=0 if report is None else report.fills,
        corrections=() if report is None else report.corrections,
    )


class _Trade(msgspec.Struct, frozen=True, gc=False):
    fill: ObservedFill
    is_live: bool

    def bounds(self, answer: Answer) -> tuple[bool, bool]:
        # Whether an answer is sure to count it, and whether it may
        seen = answer.seen_live_fills if self.is_live else answer.seen_events
        is_seen = self.fill.index < seen
        return is_seen and self.fill.ts_init <= answer.ts, is_seen


def _trades(observation: Observation, origins: Origins) -> dict[tuple[str, str], list[_Trade]]:
    # A synthetic fill is not a trade of the venue
    real = [_Trade(f, False) for f, origin in origins.fills if origin is not FillOrigin.SYNTHETIC]
    found: dict[tuple[str, str], list[_Trade]] = {}
    for trade in (*real, *(_Trade(fill, True) for fill in observation.live_fills)):
        found.setdefault((trade.fill.account_id, trade.fill.instrument_id), []).append(trade)
    for trades in found.values():
        trades.sort(key=lambda trade: trade.fill.ts_init)
    return found


class _Comparison:
    # Of two answers of one account

    def __init__(
        self,
        observation: Observation,
        account_id: str,
        trades: Mapping[tuple[str, str], list[_Trade]],
    ) -> None:
        self._account_id = account_id
        self._trades = trades
        self._observation = observation
        self._orders: dict[tuple[str, str | None], CachedOrder] | None = None

    def between(self, before: Answer, after: Answer) -> dict[str, tuple[str, str]]:
        """Return what the two say, by instrument, where they differ without an explanation."""
        return dict((*self._orders_differ(before, after), *self._positions_differ(before, after)))

    def _positions_differ(
        self, before: Answer, after: Answer
    ) -> Iterator[tuple[str, tuple[str, str]]]:
        old, new = _held(before.positions), _held(after.positions)
        for place in old.keys() | new.keys():
            was, now = old.get(place, _ZERO), new.get(place, _ZERO)
            if now != was and now - was not in self._traded(place, before, after):
                yield place[0], (str(was), str(now))

    def _traded(self, place: _Place, before: Answer, after: Answer) -> set[Decimal]:
        # What one counts and the other does not: all that came in between, and, as they may have
        # been made before or after it, as much of what crossed either
        instrument_id, leg = place
        trades = [
            trade
            for trade in self._trades.get((self._account_id, instrument_id), ())
            if leg in (None, trade.fill.position_id)
        ]
        sums = [_ZERO, *accumulate(trade.fill.qty for trade in trades)]
        counted = [_counts(trades, answer) for answer in (before, after)]
        return {sums[there] - sums[here] for here in counted[0] for there in counted[1]}

    def _orders_differ(
        self, before: Answer, after: Answer
    ) -> Iterator[tuple[str, tuple[str, str]]]:
        old, new = _open(before.orders), _open(after.orders)
        for key in old.keys() | new.keys():
            was, now = old.get(key), new.get(key)
            if was is not None and now is not None and _COMPARED(was) == _COMPARED(now):
                continue
            if not self._is_changed_since(key, was or now, before.ts):
                yield key[0], (_text(was), _text(now))

    def _is_changed_since(self, key: tuple[str, str], order: VenueOrder | None, ts: int) -> bool:
        if self._orders is None:
            self._orders = {}
            for one in self._observation.orders:
                self._orders[one.instrument_id, one.venue_order_id] = one
                self._orders[one.instrument_id, one.client_order_id] = one
        name = None if order is None else order.client_order_id
        known = self._orders.get(key) or (self._orders.get((key[0], name)) if name else None)
        return known is not None and max(known.ts_init, known.ts_last, known.ts_filled) > ts


def _counts(trades: list[_Trade], answer: Answer) -> range:
    bounds = [trade.bounds(answer) for trade in trades]
    return range(sum(sure for sure, _ in bounds), sum(may for _, may in bounds) + 1)


def _held(positions: Iterable[VenuePosition]) -> dict[_Place, Decimal]:
    held: dict[_Place, Decimal] = {}
    for position in positions:
        place = (position.instrument_id, position.position_id)
        held[place] = held.get(place, _ZERO) + position.qty
    return held


def _open(orders: Iterable[VenueOrder]) -> dict[tuple[str, str], VenueOrder]:
    return {(order.instrument_id, order.venue_order_id): order for order in orders if order.is_open}


def _text(order: VenueOrder | None) -> str:
    if order is None:
        return "no open order"
    name = order.client_order_id or order.venue_order_id
    return f"{name} {order.status} {order.filled_qty} of {order.qty} at {order.px}"
