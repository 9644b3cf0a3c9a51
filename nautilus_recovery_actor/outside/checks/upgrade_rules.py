"""
What is found in a cache of NautilusTrader 1.x that 2.0 is to start with (seen with 2.0.0rc7, which
started on what 1.231 had left).
"""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.outside.store.keys import name
from nautilus_recovery_actor.outside.store.orders import RestoredOrder
from nautilus_recovery_actor.outside.store.positions import RestoredPosition
from nautilus_recovery_actor.outside.store.written_by import Written


_NAMED = 5
_BRING_ALL = "Bring them over with `nautilus-recovery migrate`"
_BRING = "Bring it over with `nautilus-recovery migrate`"
_TAKE_OUT = f"{_BRING}, or take it out with `nautilus-recovery forget`, --for-upgrade."

UPGRADE_NODE_RUNS = Rule(
    code="UPGRADE_NODE_RUNS",
    severity=Severity.BLOCK,
    consequence="What it writes after this is not checked, and two nodes would trade.",
    remedy="Stop it, then check again.",
)
UPGRADE_START_FAILS = Rule(
    code="UPGRADE_START_FAILS",
    severity=Severity.BLOCK,
    consequence="2.0 raises 'Failed to load persistent cache', and does not say why.",
    remedy=_TAKE_OUT,
)
UPGRADE_STARTED_BEFORE = Rule(
    code="UPGRADE_STARTED_BEFORE",
    severity=Severity.BLOCK,
    consequence="2.0 has written to it, or over it: neither version loads all of it any more.",
    remedy="Take out what 1.x wrote, or restore the server's backup to go back.",
)
UPGRADE_ORDER_HELD = Rule(
    code="UPGRADE_ORDER_HELD",
    severity=Severity.BLOCK,
    consequence="Only this cache knows them: 2.0 drops them, and a stop among them is gone.",
    remedy=f"{_BRING_ALL}, or cancel them with 1.x and place them again with 2.0.",
)
UPGRADE_ORDER_IN_FLIGHT = Rule(
    code="UPGRADE_ORDER_IN_FLIGHT",
    severity=Severity.BLOCK,
    consequence="The venue has not answered: 2.0 does not know that they were sent.",
    remedy="Start 1.x once more, until all of them are open or closed.",
)
UPGRADE_LEGS_LOST = Rule(
    code="UPGRADE_LEGS_LOST",
    severity=Severity.BLOCK,
    consequence="2.0 makes one position of what the venue reports: whose is what is lost.",
    remedy=f"{_BRING_ALL}, or close all but one of them with 1.x.",
)
UPGRADE_POSITION_DROPPED = Rule(
    code="UPGRADE_POSITION_DROPPED",
    severity=Severity.WARN,
    consequence="2.0 drops it. If the venue reports positions, it comes back as EXTERNAL.",
    remedy=f"{_BRING}, close it with 1.x, or claim it.",
)
UPGRADE_ORDER_DROPPED = Rule(
    code="UPGRADE_ORDER_DROPPED",
    severity=Severity.WARN,
    consequence="2.0 drops them. What the venue reports comes back as EXTERNAL.",
    remedy=f"{_BRING_ALL}, cancel them, or claim them.",
)
UPGRADE_STATE_DROPPED = Rule(
    code="UPGRADE_STATE_DROPPED",
    severity=Severity.WARN,
    consequence="With load_state, 2.0 raises an error on it after it has connected.",
    remedy=_TAKE_OUT,
)
UPGRADE_HISTORY_DROPPED = Rule(
    code="UPGRADE_HISTORY_DROPPED",
    severity=Severity.INFO,
    consequence="2.0 drops it, writes over parts of it, and loads positions at its second start.",
    remedy=_TAKE_OUT,
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))


def upgrade_findings(
    where: str, inventory: Inventory, entries: Sequence[Written]
) -> Iterator[Finding]:
    """Return what is found of what 1.x has stored."""
    stopping = [entry for entry in entries if entry.stops_two]
    if stopping:
        message = f"NautilusTrader 1.x wrote {_named(stopping)} without `code`."
        yield UPGRADE_START_FAILS.found(where, message)
    if inventory.is_of_two and entries:
        mixed = [entry for entry in entries if entry.is_mixed]
        both = f", {_named(mixed)} by both" if mixed else ""
        yield UPGRADE_STARTED_BEFORE.found(
            where, f"{counted(len(entries), 'entry')} written by 1.x, others by 2.0{both}."
        )
    yield from _legs(inventory)
    for strategy_id, positions, orders in inventory.by_strategy():
        yield from _of_strategy(strategy_id, positions, orders)
    if inventory.states:
        yield UPGRADE_STATE_DROPPED.found(
            where, f"1.x has saved the state of {', '.join(inventory.states)}."
        )
    yield from _history(where, entries)


def _of_strategy(
    strategy_id: str, positions: Sequence[RestoredPosition], orders: Sequence[RestoredOrder]
) -> Iterator[Finding]:
    held = [order for order in orders if not (order.is_open or order.is_inflight)]
    inflight = [order for order in orders if order.is_inflight]
    resting = [order for order in orders if order.is_open and not order.is_inflight]
    for rule, some in ((UPGRADE_ORDER_HELD, held), (UPGRADE_ORDER_IN_FLIGHT, inflight)):
        if some:
            yield rule.found(strategy_id, f"{_orders(some)}.")
    for position in positions:
        yield UPGRADE_POSITION_DROPPED.found(
            strategy_id,
            f"{position.side} {abs(position.signed_qty):,f} {position.instrument_id}, stored as "
            f"{position.position_id}.",
            remedy=_claim(f"{_BRING}, or close it with 1.x", strategy_id, [position.instrument_id]),
        )
    if resting:
        instruments = sorted({order.instrument_id for order in resting})
        yield UPGRADE_ORDER_DROPPED.found(
            strategy_id,
            f"{_orders(resting)}.",
            remedy=_claim(
                "Bring them over with `nautilus-recovery migrate`, or cancel them with 1.x",
                strategy_id,
                instruments,
            ),
        )


def _claim(first: str, strategy_id: str, instruments: Sequence[str]) -> str:
    if strategy_id in UNCLAIMED_STRATEGIES:
        return f"{first}: no strategy has claimed it so far, and one may."
    named = ", ".join(instruments)
    return (
        f"{first}; or claim {named} for {strategy_id}, in its "
        f"StrategyConfig(external_order_instrument_ids=[...])."
    )


def _legs(inventory: Inventory) -> Iterator[Finding]:
    held = Counter((one.account_id, one.instrument_id) for one in inventory.positions)
    for (account_id, instrument_id), number in sorted(held.items()):
        if number > 1:
            yield UPGRADE_LEGS_LOST.found(
                instrument_id, f"{number} open positions in it are stored, of account {account_id}."
            )


def _history(where: str, entries: Sequence[Written]) -> Iterator[Finding]:
    kinds = Counter(entry.kind.decode() for entry in entries if not entry.stops_two)
    if kinds:
        named = ", ".join(counted(kinds[kind], _noun(kind)) for kind in sorted(kinds))
        yield UPGRADE_HISTORY_DROPPED.found(where, f"NautilusTrader 1.x wrote {named}.")


def _noun(kind: str) -> str:
    return {"strategies": "state of a strategy", "actors": "state of an actor"}.get(kind, kind[:-1])


def _orders(orders: Sequence[RestoredOrder]) -> str:
    named = "; ".join(
        f"{order.side} {order.quantity:,f} {order.instrument_id} {order.order_type} "
        f"{order.client_order_id} ({order.status})"
        for order in orders[:_NAMED]
    )
    more = len(orders) - _NAMED
    return f"{named}{f'; and {more:,} more' if more > 0 else ''}"


def _named(entries: Sequence[Written]) -> str:
    named = ", ".join(name(entry.key) for entry in entries[:_NAMED])
    more = len(entries) - _NAMED
    return f"{named}{f' and {more:,} more' if more > 0 else ''}"
