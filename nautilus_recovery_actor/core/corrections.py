"""
What is evidently wrong in a venue's report, and what the engine gets instead (long: seven of them).

Each correction is one pure function. None guesses: a report that is right stays as it is, less what
the cache already has. Reports and orders are whatever a host has, by the few names used here;
identifiers and quantities are only compared.
"""

from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import Protocol
from typing import TypeAlias

import msgspec

from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.report import CorrectionMade


ALL = frozenset(Correction)
# Shorter ones could be anything
_SHORTEST_CUT = 12
_NAMED = 3


class OrderReport(Protocol):
    """What a venue says of an order."""

    account_id: Any
    instrument_id: Any
    client_order_id: Any
    venue_order_id: Any
    order_side: Any
    order_status: Any
    quantity: Any
    filled_qty: Any
    price: Any
    trigger_price: Any
    avg_px: Any
    is_open: bool


class FillReport(Protocol):
    """What a venue says of a trade."""

    account_id: Any
    instrument_id: Any
    venue_order_id: Any
    trade_id: Any
    last_qty: Any
    last_px: Any


class PositionReport(Protocol):
    """What a venue says of a position."""

    account_id: Any
    instrument_id: Any
    signed_decimal_qty: Any


class KnownOrder(Protocol):
    """An order of the cache; what has no price lacks the attribute."""

    instrument_id: Any
    client_order_id: Any
    venue_order_id: Any
    venue_order_ids: Any
    side: Any
    status: Any
    quantity: Any
    filled_qty: Any
    trade_ids: Any
    is_closed: bool


class Known(Protocol):
    """What the cache knows."""

    def order(self, client_order_id: Any) -> KnownOrder | None:
        """Return the order of that client order id."""

    def order_at_venue(self, venue_order_id: Any) -> KnownOrder | None:
        """Return the order of that venue order id."""

    def unanswered(self, instrument_id: Any) -> Iterable[KnownOrder]:
        """Return the orders of an instrument that no venue has given an id."""

    def held(self, instrument_id: Any) -> Any:
        """Return the signed quantity held of an instrument."""

    def is_past(self, fill: Any) -> bool:
        """Return whether a trade is in an open position, or older than all of them."""

    def base(self, instrument_id: Any) -> tuple[str, Any] | None:
        """Return the base currency of an instrument of a cash account, and what is held of it."""


# A report with some of its fields replaced
Rebuild: TypeAlias = Callable[[Any, Mapping[str, Any]], Any]


class Corrected(msgspec.Struct):
    """What the engine is given."""

    orders: list[Any]
    fills: list[Any]
    positions: list[Any]
    # The orders whose venue order id has changed, with the report that says so
    renamed: list[tuple[Any, Any]] = []
    made: list[CorrectionMade] = []


def correct(
    orders: Iterable[Any],
    fills: Iterable[Any],
    positions: Iterable[Any],
    known: Known,
    rebuild: Rebuild,
    on: Collection[Correction] = ALL,
    *,
    is_price_average: bool = False,
) -> Corrected:
    """Return what the engine is given in place of what a client reported."""
    done = Corrected(list(orders), list(fills), list(positions))
    notes = _Notes()
    if Correction.DUPLICATE_FILL in on:
        done.fills, twice = duplicate_fills(done.fills)
        notes.add(Correction.DUPLICATE_FILL, twice, "trade_id")
    if Correction.CLIENT_ORDER_ID_CUT in on:
        for index, whole in uncut(done.orders, known).items():
            done.orders[index] = rebuild(done.orders[index], {"client_order_id": whole})
            notes.add(Correction.CLIENT_ORDER_ID_CUT, [done.orders[index]], "client_order_id")
    if Correction.VENUE_ORDER_ID_CHANGED in on:
        done.orders, done.renamed, outdated = renamed(done.orders, known)
        changed = [report for _, report in done.renamed]
        notes.add(Correction.VENUE_ORDER_ID_CHANGED, [*changed, *outdated], "client_order_id")
    if Correction.PRICE_IS_AVERAGE in on:
        for index, report in enumerate(done.orders):
            if changes := real_prices(report, known, is_price_average=is_price_average):
                done.orders[index] = rebuild(report, changes)
                notes.add(Correction.PRICE_IS_AVERAGE, [report], "client_order_id")
    if Correction.CASH_POSITION_FLAT in on:
        done.positions, untrue = cash_positions(done.positions, known)
        notes.add(Correction.CASH_POSITION_FLAT, untrue, "signed_decimal_qty")
    if Correction.ALREADY_APPLIED in on:
        done.orders, done.fills, applied = already_applied(done.orders, done.fills, known)
        notes.add_count(Correction.ALREADY_APPLIED, applied, "orders and trades")
    done.made = list(notes.made())
    return done


def duplicate_fills(fills: Iterable[FillReport]) -> tuple[list[Any], list[Any]]:
    """
    Return the trades, each once, and those that were reported before.

    Both sides of a trade with oneself have one trade id, and two orders.
    """
    seen: set[tuple[Any, ...]] = set()
    kept: list[Any] = []
    twice: list[Any] = []
    for fill in fills:
        trade = (fill.instrument_id, fill.venue_order_id, fill.trade_id)
        whole = (*trade, fill.last_qty, fill.last_px)
        (twice if whole in seen else kept).append(fill)
        seen.add(whole)
    return kept, twice


def uncut(orders: Sequence[OrderReport], known: Known) -> dict[int, Any]:
    """
    Return the client order ids of which reports have a part or a number, by the reports' places.

    The order is found by its venue order id, or as the only one that the venue has not answered
    and whose client order id begins or ends so. Where two reports may mean it, neither is changed.
    """
    found: dict[int, Any] = {}
    begun: dict[int, Any] = {}
    for index, report in enumerate(orders):
        if report.client_order_id is None or known.order(report.client_order_id) is not None:
            continue
        order = known.order_at_venue(report.venue_order_id)
        if order is None:
            if (whole := _begun(report, known)) is not None:
                begun[index] = whole
        elif _is_same(report, order):
            found[index] = order.client_order_id
    if begun:
        meant = Counter(report.client_order_id for report in orders) + Counter(begun.values())
        found |= {index: whole for index, whole in begun.items() if meant[whole] == 1}
    return found


def _begun(report: OrderReport, known: Known) -> Any | None:
    told = report.client_order_id.value
    if len(told) < _SHORTEST_CUT:
        return None
    found = [
        order.client_order_id
        for order in known.unanswered(report.instrument_id)
        if _is_part(told, order.client_order_id.value)
        and _is_same(report, order)
        and order.quantity == report.quantity
    ]
    return found[0] if len(found) == 1 else None


def _is_part(told: str, whole: str) -> bool:
    # Its begin, or, as the adapter of Kraken futures cuts it, an O and its end
    return whole.startswith(told) or (told[0] == "O" and whole.endswith(told[1:]))


def renamed(
    orders: Sequence[OrderReport], known: Known
) -> tuple[list[Any], list[tuple[Any, Any]], list[Any]]:
    """
    Return the reports, the orders whose venue order id has changed, each with the report that says
    so, and the reports that are left out since they are of an id that the order no longer has.

    A conditional order has a new one once it is triggered, at several venues, and an order that the
    venue changes by replacing it. Where two reports may be meant, nothing is changed.
    """
    changed: dict[Any, KnownOrder] = {}
    for report in orders:
        if report.client_order_id is None:
            continue
        order = known.order(report.client_order_id)
        if (
            order is not None
            and order.venue_order_id is not None
            and order.venue_order_id != report.venue_order_id
            and _is_same(report, order)
        ):
            changed[report.client_order_id] = order
    if not changed:
        return list(orders), [], []
    groups: dict[Any, list[OrderReport]] = defaultdict(list)
    for report in orders:
        if report.client_order_id in changed:
            groups[report.client_order_id].append(report)
    pairs: list[tuple[Any, Any]] = []
    outdated: list[OrderReport] = []
    for client_order_id, order in changed.items():
        reports = groups[client_order_id]
        now = [r for r in reports if r.venue_order_id == order.venue_order_id]
        old = [r for r in reports if r not in now and r.venue_order_id in order.venue_order_ids]
        new = [r for r in reports if r not in now and r not in old]
        # The venue ended what the cache holds open as it was, and goes on under another id
        is_left = all(not r.is_open and r.filled_qty == order.filled_qty for r in now)
        if len(new) == 1 and is_left and not order.is_closed:
            pairs.append((order, new[0]))
            old += now
        if now or new:
            outdated += [report for report in old if not report.is_open]
    gone = set(map(id, outdated))
    return [report for report in orders if id(report) not in gone], pairs, outdated


def real_prices(
    report: OrderReport, known: Known, *, is_price_average: bool = False
) -> dict[str, Any]:
    """
    Return the prices of a known order in place of those that are none.

    Zero is no price of an order that had another one. The average of what was filled is none either
    where the adapter is known to report it as the price.
    """
    prices = {"price": report.price, "trigger_price": report.trigger_price}
    suspects = [
        name
        for name, px in prices.items()
        if px is not None and (px == 0 or (is_price_average and px == report.avg_px))
    ]
    if not suspects:
        return {}
    order = _order_of(report, known)
    real = {name: getattr(order, name, None) for name in suspects}
    return {name: px for name, px in real.items() if px and px != prices[name]}


def cash_positions(
    positions: Iterable[PositionReport], known: Known
) -> tuple[list[Any], list[Any]]:
    """
    Return the positions, and those that are left out since a cash account holds none.

    What it holds is in its balances. An adapter that tells positions all the same answers "flat"
    for what was bought, and tells one balance once for each pair of its currency.
    """
    reports = list(positions)
    told: dict[str, int] = defaultdict(int)
    for report in reports:
        base = known.base(report.instrument_id)
        if base is not None and report.signed_decimal_qty:
            told[base[0]] += 1
    kept: list[Any] = []
    untrue: list[Any] = []
    for report in reports:
        base = known.base(report.instrument_id)
        qty, held = report.signed_decimal_qty, known.held(report.instrument_id)
        is_told_for_all = base is not None and (base[1] == qty or told[base[0]] > 1)
        is_untrue = base is not None and qty != held and (qty == 0 or is_told_for_all)
        (untrue if is_untrue else kept).append(report)
    return kept, untrue


def already_applied(
    orders: Sequence[OrderReport], fills: Iterable[FillReport], known: Known
) -> tuple[list[Any], list[Any], dict[Any, int]]:
    """
    Return the orders and fills without those that the cache has exactly so, and how many these are
    by account.

    Of an order that is reported several times nothing is left out: the engine has to see that.
    """
    by_order: dict[Any, list[FillReport]] = {}
    for fill in fills:
        by_order.setdefault(fill.venue_order_id, []).append(fill)
    cached = [_order_of(report, known) for report in orders]
    times = Counter(order.client_order_id for order in cached if order is not None)
    new_orders: list[OrderReport] = []
    counts: dict[Any, int] = defaultdict(int)
    for report, order in zip(orders, cached, strict=True):
        if order is None:
            # It may have been purged: then its trades are in the positions that are left of them
            past = [] if report.is_open else by_order.get(report.venue_order_id, [])
            if past and all(map(known.is_past, past)):
                counts[report.account_id] += len(by_order.pop(report.venue_order_id)) + 1
            else:
                new_orders.append(report)
            continue
        if times[order.client_order_id] > 1:
            new_orders.append(report)
            continue
        new = trades = by_order.get(report.venue_order_id)
        if trades:
            applied = set(order.trade_ids)
            new = [fill for fill in trades if fill.trade_id not in applied]
            counts[report.account_id] += len(trades) - len(new)
            by_order[report.venue_order_id] = new
        if new or not _is_applied(report, order):
            new_orders.append(report)
        else:
            counts[report.account_id] += 1
    return new_orders, [fill for trades in by_order.values() for fill in trades], counts


def _order_of(report: OrderReport, known: Known) -> KnownOrder | None:
    order = None if report.client_order_id is None else known.order(report.client_order_id)
    if order is None:
        order = known.order_at_venue(report.venue_order_id)
    return order if order is not None and order.instrument_id == report.instrument_id else None


def _is_same(report: OrderReport, order: KnownOrder) -> bool:
    return bool(order.instrument_id == report.instrument_id and order.side == report.order_side)


def _is_applied(report: OrderReport, order: KnownOrder) -> bool:
    return bool(
        order.venue_order_id is not None  # Identifiers of 1.221 cannot be compared with None
        and order.venue_order_id == report.venue_order_id
        and order.status == report.order_status
        and order.filled_qty == report.filled_qty
        and order.side == report.order_side
        and (order.is_closed or _is_unchanged(report, order))
    )


def _is_unchanged(report: OrderReport, order: KnownOrder) -> bool:
    return bool(
        order.quantity == report.quantity
        and report.price in (None, getattr(order, "price", None))
        and report.trigger_price in (None, getattr(order, "trigger_price", None))
    )


class _Notes:
    # What was corrected, by account and instrument

    def __init__(self) -> None:
        self._found: dict[tuple[Correction, str, str], list[str]] = defaultdict(list)
        self._counts: dict[tuple[Correction, str], tuple[int, str]] = {}

    def add(self, name: Correction, reports: Iterable[Any], subject: str) -> None:
        for report in reports:
            key = (name, report.account_id.value, report.instrument_id.value)
            named = getattr(report, subject)  # Some venues return no client order ids
            self._found[key].append(_text(report.venue_order_id if named is None else named))

    def add_count(self, name: Correction, counts: Mapping[Any, int], what: str) -> None:
        for account_id, count in counts.items():
            if count:
                self._counts[name, account_id.value] = (count, what)

    def made(self) -> Iterator[CorrectionMade]:
        for (name, account_id, instrument_id), subjects in sorted(self._found.items()):
            yield CorrectionMade(
                name, account_id, instrument_id, len(subjects), listed(dict.fromkeys(subjects))
            )
        for (name, account_id), (count, what) in sorted(self._counts.items()):
            yield CorrectionMade(name, account_id, "", count, f"{count} {what}")


def noted(name: Correction, reports: Iterable[Any], subject: str) -> Iterator[CorrectionMade]:
    """Return what is said of a correction of `reports`, each named by its `subject`."""
    notes = _Notes()
    notes.add(name, reports, subject)
    return notes.made()


def listed(subjects: Collection[str]) -> str:
    """Return the first of them in words, and how many there are besides."""
    names = list(subjects)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))
