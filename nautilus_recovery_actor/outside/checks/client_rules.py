"""
What is found in the execution clients of a node: where an adapter, or what it is set to, needs
settings of its own. `docs/adapters.md` has the reasons.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.node_facts import ClientFacts
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import StrategyFacts


SPOT_POSITIONS_MADE_UP = Rule(
    code="SPOT_POSITIONS_MADE_UP",
    severity=Severity.WARN,
    consequence="At a start the engine makes up fills that close, or open, what is held of spot.",
    remedy="Set generate_missing_orders=False; trade spot and derivatives from separate nodes.",
)
SPOT_CLAIMED = Rule(
    code="SPOT_CLAIMED",
    severity=Severity.INFO,
    consequence="What others trade with this wallet is booked under the strategy.",
    remedy="Leave external_order_claims empty, unless the wallet is the strategy's alone.",
)
POSITION_CHECK_MAKES_UP_FILLS = Rule(
    code="POSITION_CHECK_MAKES_UP_FILLS",
    severity=Severity.WARN,
    consequence="At run time the engine makes up fills that close what is held.",
    remedy="Set position_check_interval_secs=None, which is the default.",
)
POSITION_CHECK_OFF = Rule(
    code="POSITION_CHECK_OFF",
    severity=Severity.INFO,
    consequence="A position whose fill is lost at run time is corrected at the next restart only.",
    remedy="Set position_check_interval_secs=60: every adapter of this node reports positions.",
)
MADE_UP_ORDERS_CHECKED = Rule(
    code="MADE_UP_ORDERS_CHECKED",
    severity=Severity.WARN,
    consequence="Each check reports the orders again that the adapter makes up from positions.",
    remedy="Set open_check_open_only=True, which is the default.",
)
OPEN_CHECK_MISSES_ENDED_ORDERS = Rule(
    code="OPEN_CHECK_MISSES_ENDED_ORDERS",
    severity=Severity.WARN,
    consequence="An order that ended unheard at the venue stays open in the cache.",
    remedy="Set open_check_open_only=False, or use recovery_exec_engine_config().",
)
LEGS_NETTED = Rule(
    code="LEGS_NETTED",
    severity=Severity.WARN,
    consequence="The engine adds to the position at every restart: 0.1 becomes 0.2, then 0.3.",
    remedy='Set oms_type="HEDGING" in the strategy\'s configuration.',
)
CLIENT_ORDER_IDS_CUT = Rule(
    code="CLIENT_ORDER_IDS_CUT",
    severity=Severity.WARN,
    consequence="Orders come back under other IDs, and are booked a second time under EXTERNAL.",
    remedy="Set use_uuid_client_order_ids=True in the strategy's configuration.",
)
CLIENT_ORDER_IDS_REPLACED = Rule(
    code="CLIENT_ORDER_IDS_REPLACED",
    severity=Severity.INFO,
    consequence="Without its cache, the node does not recognize its own orders.",
    remedy="Keep the cache in Redis: orders are then recognized by their venue order ID.",
)
UNLOADED_INSTRUMENTS_DROPPED = Rule(
    code="UNLOADED_INSTRUMENTS_DROPPED",
    severity=Severity.WARN,
    consequence="Positions and orders on instruments that are not loaded are never noticed.",
    remedy="Set InstrumentProviderConfig(load_all=True), or load_ids with all of the account's.",
)
SANDBOX_WITH_DATABASE = Rule(
    code="SANDBOX_WITH_DATABASE",
    severity=Severity.WARN,
    consequence="After a restart positions and orders are restored that the sandbox has forgotten.",
    remedy="Set CacheConfig(database=None), so that each start is empty on both sides.",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))


def client_findings(node: NodeFacts) -> Iterator[Finding]:
    """Return what is found in the execution clients of a node."""
    for client in node.clients:
        yield from _spot(client, node)
        yield from _reports(client, node)
        for strategy in node.strategies:
            if _may_trade(strategy, client, node):
                yield from _strategy(strategy, client)
    yield from _checks(node)


def _spot(client: ClientFacts, node: NodeFacts) -> Iterator[Finding]:
    if node.generate_missing_orders and (client.answers_flat or client.reports_balances):
        answer = "every balance as a position" if client.reports_balances else '"flat" when asked'
        owners = [strategy.name for strategy in node.strategies if _claimed(strategy, client)]
        claimed = f"; the made-up fills are {', '.join(owners)}'s" if owners else ""
        yield SPOT_POSITIONS_MADE_UP.found(
            client.label, f"{_name(client)} reports {answer} for spot{claimed}."
        )
    if client.is_wallet:
        for strategy in node.strategies:
            if names := _claimed(strategy, client):
                yield SPOT_CLAIMED.found(
                    strategy.name, f"It claims {', '.join(names)} of a cash account."
                )


def _reports(client: ClientFacts, node: NodeFacts) -> Iterator[Finding]:
    adapter = client.adapter
    if adapter is None:
        return
    if adapter.replaces_client_order_id:
        yield CLIENT_ORDER_IDS_REPLACED.found(
            client.label, f"{adapter.name} returns orders with another client order ID, or none."
        )
    if adapter.drops_unloaded_instruments and not client.loads_instruments:
        yield UNLOADED_INSTRUMENTS_DROPPED.found(
            client.label,
            f"{adapter.name} leaves out what is on an instrument that is not loaded, and its "
            f"configuration names none to load.",
        )
    if adapter.forgets_at_restart and node.database_type is not None:
        others = any(other.adapter is not adapter for other in node.clients)
        yield SANDBOX_WITH_DATABASE.found(
            client.label,
            "The sandbox begins anew at every start, and the cache does not.",
            remedy="Run it in a node of its own, without a database." if others else None,
        )


def _strategy(strategy: StrategyFacts, client: ClientFacts) -> Iterator[Finding]:
    oms_type = strategy.oms_type or client.oms_type
    if (client.has_legs or client.may_have_legs) and oms_type != "HEDGING":
        sure = "holds" if client.has_legs or client.oms_type != "HEDGING" else "seems to hold"
        yield LEGS_NETTED.found(
            strategy.name,
            f"The account of {client.name} {sure} legs, and the strategy's oms_type is "
            f"{strategy.oms_type or 'not set'}.",
        )
    length = None if client.adapter is None else client.adapter.cuts_client_order_id_to
    if length is not None and not strategy.has_uuid_order_ids and len(strategy.order_id) > length:
        yield CLIENT_ORDER_IDS_CUT.found(
            strategy.name,
            f"{_name(client)} cuts IDs such as {strategy.order_id} to {length} characters, and "
            f"leaves UUIDs as they are.",
        )


def _checks(node: NodeFacts) -> Iterator[Finding]:
    unreported = [client for client in node.clients if not client.reports_positions]
    subject = "exec_engine.position_check_interval_secs"
    if node.position_check_interval_secs and node.generate_missing_orders and unreported:
        names = ", ".join(map(_name, unreported))
        yield POSITION_CHECK_MAKES_UP_FILLS.found(
            subject, f"{names}: some or all positions are never reported."
        )
    is_known = bool(node.clients) and all(client.adapter for client in node.clients)
    is_on = node.position_check_interval_secs or not node.has_position_check
    if not is_on and is_known and not unreported:
        yield POSITION_CHECK_OFF.found(subject, "Positions are not checked at run time.")
    if not node.open_check_interval_secs:
        return
    subject = "exec_engine.open_check_open_only"
    made_up = [
        client for client in node.clients if client.adapter and client.adapter.makes_up_orders
    ]
    if made_up and not node.open_check_open_only:
        names = ", ".join(map(_name, made_up))
        yield MADE_UP_ORDERS_CHECKED.found(subject, f"It is off, with {names}.")
    if node.open_check_open_only and not made_up:
        yield OPEN_CHECK_MISSES_ENDED_ORDERS.found(subject, "Only open orders are asked for.")


def _may_trade(strategy: StrategyFacts, client: ClientFacts, node: NodeFacts) -> bool:
    # Without a name in its configuration, a strategy can only trade with the only client
    names = strategy.trades | strategy.claims
    return any(map(client.trades, names)) if names else len(node.clients) == 1


def _claimed(strategy: StrategyFacts, client: ClientFacts) -> list[str]:
    return sorted(filter(client.trades, strategy.claims))


def _name(client: ClientFacts) -> str:
    return client.name if client.adapter is None else client.adapter.name
