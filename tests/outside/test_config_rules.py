"""
The rules of a configuration, each on plain facts: what triggers it, and the nearest that does not.
"""

from typing import Any

import pytest

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.node.adapters import SANDBOX
from nautilus_recovery_actor.outside.checks.client_rules import RULES as CLIENT_RULES
from nautilus_recovery_actor.outside.checks.config_rules import RULES
from nautilus_recovery_actor.outside.checks.config_rules import config_findings
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.link_rules import RULES as LINK_RULES
from nautilus_recovery_actor.outside.checks.link_rules import link_findings
from nautilus_recovery_actor.outside.checks.node_facts import ClientFacts
from nautilus_recovery_actor.outside.checks.node_facts import MonitorFacts
from nautilus_recovery_actor.outside.checks.node_facts import NodeFacts
from nautilus_recovery_actor.outside.checks.node_facts import Seen
from nautilus_recovery_actor.outside.checks.node_facts import StrategyFacts
from nautilus_recovery_actor.outside.checks.node_facts import UnusableFacts
from nautilus_recovery_actor.outside.checks.stored_rules import RULES as STORED_RULES
from nautilus_recovery_actor.outside.checks.strategy_rules import RULES as STRATEGY_RULES
from nautilus_recovery_actor.outside.checks.strategy_rules import strategy_findings


ALL_RULES = (*RULES, *CLIENT_RULES, *STRATEGY_RULES, *STORED_RULES, *LINK_RULES)
MONITOR = MonitorFacts(name="RecoveryMonitorActor")
SANDBOX_CLIENT = ClientFacts(name="SIM", adapter=SANDBOX)
BROKEN = UnusableFacts(subject="part[0]", why="no such module")
A = StrategyFacts(name="A-001", is_recoverable=True)
PLAIN = StrategyFacts(name="P-002", is_recoverable=False, has_uuid_order_ids=True)
LATER = (
    "the program may add some, with node.trader.add_actor or add_strategy, which a configuration "
    "does not show."
)
ETH, BTC = "ETHUSDT-PERP.X", "BTC.USDT.X"


def node(**fields: Any) -> NodeFacts:
    return NodeFacts(**{"monitors": (MONITOR,), **fields})


def findings(**fields: Any) -> list[Finding]:
    facts = node(**fields)
    return [*config_findings(facts), *strategy_findings(facts), *link_findings(facts)]


def holder(name: str, *, trades: str = "", claims: str = "", **fields: Any) -> StrategyFacts:
    return StrategyFacts(
        name=name,
        is_recoverable=True,
        trades=frozenset(filter(None, [trades])),
        claims=frozenset(filter(None, [claims])),
        **fields,
    )


# What triggers, the nearest that does not, and then the subject and the message
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "CONFIG_UNREADABLE": ({"unusable_settings": (BROKEN,)}, {}, "part[0]", "no such module"),
    "RECONCILIATION_OFF": (
        {"reconciliation": False},
        {"reconciliation": True},
        "exec_engine.reconciliation",
        "Reconciliation is off.",
    ),
    "CACHE_NOT_LOADED": (
        {"load_cache": False},
        {"load_cache": True},
        "exec_engine.load_cache",
        "The cache is not loaded.",
    ),
    "NO_DATABASE": (
        {"database_type": None},
        {"database_type": "redis"},
        "cache.database",
        "The cache has no database.",
    ),
    "FLUSH_ON_START": (
        {"flush_on_start": True},
        {"flush_on_start": True, "database_type": None},
        "cache.flush_on_start",
        "The database is flushed on start.",
    ),
    "INSTANCE_ID_IN_KEYS": (
        {"has_new_instance_id": True},
        {"has_new_instance_id": False},
        "cache.use_instance_id",
        "The keys contain the instance ID, and each start has a new one.",
    ),
    "BUFFERED_WRITES_WAIT": (
        {"buffer_interval_ms": 100, "are_buffered_writes_on_time": False},
        {"buffer_interval_ms": 100, "are_buffered_writes_on_time": True},
        "cache.buffer_interval_ms",
        "Writes are buffered for 100 ms, the last of them for up to 5 s here.",
    ),
    "POSITION_REPORTS_FILTERED": (
        {"filter_position_reports": True},
        {},
        "exec_engine.filter_position_reports",
        "The venue's position reports are dropped.",
    ),
    "MISSING_ORDERS_NOT_GENERATED": (
        {"generate_missing_orders": False},
        {},
        "exec_engine.generate_missing_orders",
        "Positions are not aligned with those at the venue.",
    ),
    "EXTERNAL_ORDERS_FILTERED": (
        {"filter_unclaimed_external_orders": True},
        {},
        "exec_engine.filter_unclaimed_external_orders",
        "Orders that no strategy claims are dropped.",
    ),
    "OPEN_CHECK_OFF": (
        {"open_check_interval_secs": None},
        {"open_check_interval_secs": 0.1},
        "exec_engine.open_check_interval_secs",
        "Open orders are not checked at run time.",
    ),
    "PURGED_FROM_DATABASE": (
        {"is_database_purged": True},
        {},
        "exec_engine.purge_from_database",
        "What is closed is deleted from the database while the lookback still covers it.",
    ),
    "ACCOUNT_EVENTS_NOT_KEPT": (
        {"has_account_events": False},
        {"has_account_events": False, "database_type": None},
        "cache.persist_account_events",
        "The states of accounts are not stored.",
    ),
    "MONITOR_NOT_SEEN": (
        {"monitors": (), "seen": Seen.PART},
        {"monitors": (), "seen": Seen.PART, "has_actors": True},
        "actors",
        f"The configuration has no actor; {LATER}",
    ),
    "STRATEGIES_NOT_SEEN": (
        {"seen": Seen.PART},
        {"seen": Seen.ALL},
        "strategies",
        f"The configuration has no strategy; {LATER}",
    ),
    "LEASE_OFF": (
        {"monitors": (MonitorFacts(name="M", has_lease=False),)},
        {"monitors": (MonitorFacts(name="M", has_lease=False, shadow=True),)},
        "actors: M",
        "Its lease is off.",
    ),
    "COMMANDS_UNHEARD": (
        {"database_type": None, "clients": (SANDBOX_CLIENT,)},
        {"database_type": None},
        "actors: RecoveryMonitorActor",
        "Neither the cache nor the monitor has a database, where commands wait.",
    ),
    "COMMANDS_ELSEWHERE": (
        {"server": "a:1", "monitors": (MonitorFacts(name="M", server="b:1"),)},
        {"server": "a:1", "monitors": (MonitorFacts(name="M", server="a:1"),)},
        "actors: M",
        "Its database is at b:1, that of the cache at a:1.",
    ),
    "DATA_SEQUENCE_VALIDATED": (
        {"validate_data_sequence": True},
        {},
        "data_engine.validate_data_sequence",
        "The sequence of data is validated.",
    ),
    "RISK_ENGINE_BYPASSED": (
        {"is_risk_bypassed": True},
        {"is_risk_bypassed": False},
        "risk_engine.bypass",
        "The risk engine is bypassed.",
    ),
    "ACTOR_UNUSABLE": ({"unusable_actors": (BROKEN,)}, {}, "part[0]", "no such module"),
    "MONITOR_MISSING": (
        {"monitors": ()},
        {"monitors": (MONITOR,)},
        "actors",
        "The node has no RecoveryMonitorActor.",
    ),
    "MONITOR_TWICE": (
        {"monitors": (MONITOR, MonitorFacts(name="Own"))},
        {"monitors": (MONITOR,)},
        "actors",
        "The node has 2 monitors: RecoveryMonitorActor, Own.",
    ),
    "MONITOR_IN_SHADOW": (
        {"monitors": (MonitorFacts(name="Own", shadow=True),)},
        {"monitors": (MonitorFacts(name="Own"),)},
        "actors: Own",
        "It is in shadow mode.",
    ),
    "STRATEGY_UNUSABLE": ({"unusable_strategies": (BROKEN,)}, {}, "part[0]", "no such module"),
    "STRATEGY_NOT_HELD_BACK": (
        {"strategies": (PLAIN,)},
        {"strategies": (PLAIN,), "is_halted": True},
        "P-002",
        "It is not a RecoverableStrategy, and the node is not halted until recovered.",
    ),
    "CLIENT_ORDER_IDS_CAN_REPEAT": (
        {"strategies": (StrategyFacts(name="P-002", is_recoverable=False),)},
        {"strategies": (PLAIN,)},
        "P-002",
        "Its client order IDs consist of the second and a count that restarts.",
    ),
    "INSTRUMENT_CLAIMED_TWICE": (
        {"strategies": (holder("A", claims=ETH), holder("B", claims=ETH))},
        {"strategies": (holder("A", claims=ETH), holder("B", trades=ETH))},
        ETH,
        "It is claimed by A, B.",
    ),
    "INSTRUMENT_SHARED": (
        {"strategies": (holder("A", claims=BTC), holder("B", trades=BTC))},
        {
            "strategies": (holder("A", claims=BTC), holder("B", trades=BTC)),
            "clients": (ClientFacts(name="X", venues=frozenset({"X"}), has_legs=True),),
        },
        BTC,
        "It is traded or claimed by A, B.",
    ),
    "INSTRUMENT_NOT_CLAIMED": (
        {"strategies": (holder("A", trades=ETH), holder("B", trades=ETH))},
        {"strategies": (holder("A", trades=ETH), holder("B", claims=ETH))},
        ETH,
        "It is traded by A, B, but no strategy claims it.",
    ),
    "INSTRUMENT_NOT_RECONCILED": (
        {"strategies": (holder("A", claims=ETH),), "reconciled_instruments": frozenset({BTC})},
        {"strategies": (holder("A", claims=ETH),), "reconciled_instruments": frozenset()},
        "A",
        "reconciliation_instrument_ids leaves out ETHUSDT-PERP.X.",
    ),
    "STATE_NOT_KEPT": (
        {"strategies": (A, PLAIN), "save_state": False},
        {"strategies": (A,), "save_state": False},
        "save_state",
        "save_state is off, for P-002.",
    ),
    "STATE_KEPT_BY_CHECKPOINTS": (
        {"strategies": (A,), "save_state": False, "load_state": False},
        {"strategies": (A, PLAIN), "save_state": False, "load_state": False},
        "save_state, load_state",
        "save_state and load_state are off.",
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_a_rule_is_triggered_and_is_not_by_the_nearest_neighbour(code: str) -> None:
    """
    Each rule tells what it saw, and of what.
    """
    trigger, neighbour, subject, message = CASES[code]
    [found] = [finding for finding in findings(**trigger) if finding.code == code]
    assert (found.subject, found.message) == (subject, message)
    assert code not in [finding.code for finding in findings(**neighbour)]


def test_every_rule_has_such_a_case() -> None:
    """
    No rule is left without one, and no code is used twice.
    """
    codes = [rule.code for rule in ALL_RULES]
    assert len(codes) == len(set(codes))
    assert {rule.code for rule in (*RULES, *STRATEGY_RULES, *LINK_RULES)} == CASES.keys()


def test_nothing_is_found_in_a_node_as_it_should_be() -> None:
    """
    The defaults of the facts are those of a node in which there is nothing to find.
    """
    assert findings() == []
    assert findings(strategies=(holder("A", trades=ETH, claims=ETH),)) == []


def test_without_a_database_nothing_is_said_of_its_settings() -> None:
    """
    One finding is enough.
    """
    found = findings(
        database_type=None,
        flush_on_start=True,
        has_new_instance_id=True,
        buffer_interval_ms=100,
        are_buffered_writes_on_time=False,
    )
    assert [finding.code for finding in found] == ["NO_DATABASE"]


def test_keys_that_cannot_be_loaded_are_told_once() -> None:
    """
    A new instance ID is the worse of both.
    """
    [found] = findings(has_unloadable_keys=True)
    assert found.code == "INSTANCE_ID_IN_KEYS"
    assert found.message.startswith("This version of NautilusTrader cannot load")
    [found] = findings(has_unloadable_keys=True, has_new_instance_id=True)
    assert found.message.endswith("each start has a new one.")


def test_a_database_of_another_kind_is_named() -> None:
    """
    NautilusTrader refuses it at the start.
    """
    [found] = findings(database_type="postgres")
    assert found.code == "NO_DATABASE"
    assert "'postgres'" in found.message


def test_without_a_monitor_a_buffered_write_waits_for_any_time() -> None:
    """
    With one it waits for the heartbeat.
    """
    late = {"buffer_interval_ms": 10, "are_buffered_writes_on_time": False}
    by_code = {finding.code: finding for finding in findings(monitors=(), **late)}
    assert by_code["BUFFERED_WRITES_WAIT"].message.endswith("the last of them indefinitely.")
    [found] = findings(monitors=(MonitorFacts(name="M", heartbeat_secs=0.5),), **late)
    assert found.message.endswith("the last of them for up to 0.5 s here.")


def test_each_strategy_and_each_instrument_is_told_of() -> None:
    """
    One that is found does not hide another.
    """
    other = StrategyFacts(name="P-003", is_recoverable=False)
    found = findings(strategies=(PLAIN, other))
    held = [finding.subject for finding in found if finding.code == "STRATEGY_NOT_HELD_BACK"]
    assert held == ["P-002", "P-003"]
    traded = StrategyFacts(name="A", is_recoverable=True, trades=frozenset({ETH, BTC}))
    found = findings(strategies=(traded,), reconciled_instruments=frozenset({"Z.X"}))
    assert [finding.subject for finding in found] == ["A", "A", BTC, ETH]


@pytest.mark.parametrize("rule", ALL_RULES)
def test_what_a_rule_says_is_said_in_sentences(rule: Any) -> None:
    """
    The code is a stable word, and each text one line.
    """
    assert rule.code == rule.code.upper()
    assert rule.code.replace("_", "").isalpha()
    for text in (rule.consequence, rule.remedy):
        assert text == " ".join(text.split())
        assert text.endswith(".")
        assert len(text) <= 100


def test_what_blocks_is_what_was_decided_to_block() -> None:
    """
    All others warn or inform.
    """
    rules = ALL_RULES
    assert {rule.code for rule in rules if rule.severity == Severity.BLOCK} == {
        "ACTOR_UNUSABLE",
        "CACHE_NOT_LOADED",
        "CONFIG_UNREADABLE",
        "ENTRY_STOPS_START",
        "FLUSH_ON_START",
        "INSTANCE_ID_IN_KEYS",
        "MONITOR_MISSING",
        "MONITOR_TWICE",
        "NO_DATABASE",
        "RECONCILIATION_OFF",
        "STRATEGY_UNUSABLE",
    }
    assert [rule.code for rule in rules if rule.severity == Severity.INFO] == [
        "DATA_SEQUENCE_VALIDATED",
        "STRATEGIES_NOT_SEEN",
        "SPOT_CLAIMED",
        "POSITION_CHECK_OFF",
        "CLIENT_ORDER_IDS_REPLACED",
        "STATE_KEPT_BY_CHECKPOINTS",
        "ENTRIES_NOT_READ",
        "COMMANDS_UNHEARD",
        "COMMANDS_ELSEWHERE",
    ]
