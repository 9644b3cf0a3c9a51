"""
What is found in the strategies of a node, and between them.
"""

from collections.abc import Callable
from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import StrategyFacts


STRATEGY_UNUSABLE = Rule(
    code="STRATEGY_UNUSABLE",
    severity=Severity.BLOCK,
    consequence="The node does not start, and this strategy may not be held back.",
    remedy="Fix its path or its configuration, and check where the node's code is installed.",
)
STRATEGY_NOT_HELD_BACK = Rule(
    code="STRATEGY_NOT_HELD_BACK",
    severity=Severity.WARN,
    consequence="It trades as soon as it starts, whatever the recovery finds.",
    remedy="Derive it from RecoverableStrategy, or call halt_until_recovered(node) (--halted).",
)
CLIENT_ORDER_IDS_CAN_REPEAT = Rule(
    code="CLIENT_ORDER_IDS_CAN_REPEAT",
    severity=Severity.WARN,
    consequence="If the cache is lost, the count restarts, and an ID can repeat within a second.",
    remedy="Derive it from RecoverableStrategy, or set use_uuid_client_order_ids=True.",
)
INSTRUMENT_CLAIMED_TWICE = Rule(
    code="INSTRUMENT_CLAIMED_TWICE",
    severity=Severity.WARN,
    consequence="NautilusTrader rejects the second claim, and the node does not start.",
    remedy="Keep the instrument in the external_order_claims of one strategy only.",
)
INSTRUMENT_SHARED = Rule(
    code="INSTRUMENT_SHARED",
    severity=Severity.WARN,
    consequence="On a netting account a restart cannot attribute the position to either strategy.",
    remedy="Let one strategy trade the instrument, or give each strategy its own account.",
)
INSTRUMENT_NOT_CLAIMED = Rule(
    code="INSTRUMENT_NOT_CLAIMED",
    severity=Severity.WARN,
    consequence="Orders that the cache lost are booked under EXTERNAL, not under a strategy.",
    remedy="Add the instrument to the external_order_claims of the strategy that trades it.",
)
INSTRUMENT_NOT_RECONCILED = Rule(
    code="INSTRUMENT_NOT_RECONCILED",
    severity=Severity.WARN,
    consequence="Its orders and positions are never compared with the venue's.",
    remedy="Add the instrument to reconciliation_instrument_ids, or leave that empty for all.",
)
STATE_NOT_KEPT = Rule(
    code="STATE_NOT_KEPT",
    severity=Severity.WARN,
    consequence="What on_save() returns is lost: the strategy starts with its variables unset.",
    remedy="Set save_state=True and load_state=True, or derive it from RecoverableStrategy.",
)
STATE_KEPT_BY_CHECKPOINTS = Rule(
    code="STATE_KEPT_BY_CHECKPOINTS",
    severity=Severity.INFO,
    consequence="Recoverable strategies keep their state in checkpoints; actors lose theirs.",
    remedy="Set save_state=True and load_state=True if one of your actors has an on_save().",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))


def strategy_findings(node: NodeFacts) -> Iterator[Finding]:
    """Return what is found in the strategies of a node."""
    for unusable in node.unusable_strategies:
        yield STRATEGY_UNUSABLE.found(unusable.subject, unusable.why)
    for strategy in node.strategies:
        yield from _alone(strategy, node)
    yield from _together(node)
    yield from _state(node)


def _alone(strategy: StrategyFacts, node: NodeFacts) -> Iterator[Finding]:
    if not strategy.is_recoverable:
        if not node.is_halted:
            yield STRATEGY_NOT_HELD_BACK.found(
                strategy.name,
                "It is not a RecoverableStrategy, and the node is not halted until recovered.",
            )
        if not strategy.has_uuid_order_ids:
            yield CLIENT_ORDER_IDS_CAN_REPEAT.found(
                strategy.name,
                "Its client order IDs consist of the second and a count that restarts.",
            )
    if node.reconciled_instruments:
        for instrument in sorted(_touched(strategy) - node.reconciled_instruments):
            yield INSTRUMENT_NOT_RECONCILED.found(
                strategy.name, f"reconciliation_instrument_ids leaves out {instrument}."
            )


def _together(node: NodeFacts) -> Iterator[Finding]:
    claimed = _by_instrument(node, lambda strategy: strategy.claims)
    touched = _by_instrument(node, _touched)
    for instrument, owners in claimed.items():
        if len(owners) > 1:
            yield INSTRUMENT_CLAIMED_TWICE.found(
                instrument, f"It is claimed by {', '.join(owners)}."
            )
    for instrument, owners in touched.items():
        # The symbol may have dots, the venue has none
        is_hedged = instrument.rpartition(".")[2] in node.hedged_venues
        if len(owners) > 1 and not is_hedged:
            yield INSTRUMENT_SHARED.found(
                instrument, f"It is traded or claimed by {', '.join(owners)}."
            )
        if instrument not in claimed and not _is_in_wallet(instrument, node):
            yield INSTRUMENT_NOT_CLAIMED.found(
                instrument, f"It is traded by {', '.join(owners)}, but no strategy claims it."
            )


def _state(node: NodeFacts) -> Iterator[Finding]:
    switches = {"save_state": node.save_state, "load_state": node.load_state}
    off = [name for name, is_on in switches.items() if not is_on]
    if not off:
        return
    plain = [strategy.name for strategy in node.strategies if not strategy.is_recoverable]
    what = f"{' and '.join(off)} {'are' if len(off) > 1 else 'is'} off"
    if plain:
        yield STATE_NOT_KEPT.found(", ".join(off), f"{what}, for {', '.join(plain)}.")
    else:
        yield STATE_KEPT_BY_CHECKPOINTS.found(", ".join(off), f"{what}.")


def _is_in_wallet(instrument: str, node: NodeFacts) -> bool:
    # Of a wallet that others may use too
    return any(client.is_wallet and client.trades(instrument) for client in node.clients)


def _touched(strategy: StrategyFacts) -> frozenset[str]:
    return strategy.trades | strategy.claims


def _by_instrument(
    node: NodeFacts, instruments: Callable[[StrategyFacts], frozenset[str]]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for strategy in node.strategies:
        for instrument in instruments(strategy):
            found.setdefault(instrument, []).append(strategy.name)
    return dict(sorted(found.items()))
