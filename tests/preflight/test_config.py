"""
Each finding in a configuration, and its nearest neighbour in which it is not.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import ExecEngineConfig
from nautilus_trader.config import LiveDataEngineConfig
from nautilus_trader.config import LiveRiskEngineConfig
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import Severity
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor import preflight
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.node.presets import ARE_BUFFERED_WRITES_ON_TIME
from nautilus_recovery_actor.outside.checks.component_facts import strategy_facts
from nautilus_recovery_actor.outside.checks.config_facts import LOADS_INSTANCE_KEYS
from nautilus_recovery_actor.outside.checks.config_rules import RULES as CONFIG_RULES
from nautilus_recovery_actor.outside.checks.link_rules import RULES as LINK_RULES
from nautilus_recovery_actor.outside.checks.strategy_rules import RULES as STRATEGY_RULES
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from tests.node.support import Recorder
from tests.preflight.nodes import BTC
from tests.preflight.nodes import CODES
from tests.preflight.nodes import ETH
from tests.preflight.nodes import Other
from tests.preflight.nodes import Plain
from tests.preflight.nodes import PlainConfig
from tests.preflight.nodes import Trades
from tests.preflight.nodes import TradesConfig
from tests.preflight.nodes import actor
from tests.preflight.nodes import found
from tests.preflight.nodes import good
from tests.preflight.nodes import strategy


HAS_LATE_BUFFER = not ARE_BUFFERED_WRITES_ON_TIME

Fields = dict[str, Any]


def engine(**fields: Any) -> Fields:
    return {"engine": fields}


def cache(**fields: Any) -> Fields:
    return {"cache": fields}


def client(**fields: Any) -> Any:
    return PaperVenueExecClientConfig(port=1, **fields)


def claims(*instruments: str, tag: str = "001", **config: Any) -> Any:
    return strategy(tag=tag, external_order_claims=list(instruments), **config)


TWO = [claims(ETH), claims(tag="002", instrument_id=ETH)]

# The code, what triggers it, the nearest that does not
PURGING: Fields = {
    "purge_from_database": True,
    "purge_closed_orders_interval_mins": 5,
    "purge_closed_orders_buffer_mins": 120,
}

PAIRS: list[tuple[str, Fields, Fields]] = [
    ("ACCOUNT_EVENTS_NOT_KEPT", cache(persist_account_events=False), {}),
    ("PURGED_FROM_DATABASE", engine(**PURGING), engine(**PURGING, reconciliation_lookback_mins=60)),
    (
        "PURGED_FROM_DATABASE",
        engine(**PURGING, reconciliation_lookback_mins=180),
        engine(**{**PURGING, "purge_from_database": False}),
    ),
    ("LEASE_OFF", {"actors": [actor(lease=False)]}, {"actors": [actor(lease=False, shadow=True)]}),
    ("RECONCILIATION_OFF", engine(reconciliation=False), engine(reconciliation=True)),
    ("CACHE_NOT_LOADED", engine(load_cache=False), engine(load_cache=True)),
    ("NO_DATABASE", {"without_cache": True}, {}),
    ("NO_DATABASE", cache(database=DatabaseConfig(type="postgres")), {}),
    ("FLUSH_ON_START", cache(flush_on_start=True), cache(flush_on_start=False)),
    (
        "INSTANCE_ID_IN_KEYS",
        cache(use_instance_id=True),
        {**cache(use_instance_id=LOADS_INSTANCE_KEYS), "instance_id": UUID4()},
    ),
    (
        "POSITION_REPORTS_FILTERED",
        engine(filter_position_reports=True),
        engine(filter_position_reports=False),
    ),
    (
        "MISSING_ORDERS_NOT_GENERATED",
        engine(generate_missing_orders=False),
        engine(generate_missing_orders=True),
    ),
    (
        "EXTERNAL_ORDERS_FILTERED",
        engine(filter_unclaimed_external_orders=True),
        engine(filter_unclaimed_external_orders=False),
    ),
    (
        "OPEN_CHECK_OFF",
        engine(open_check_interval_secs=None),
        engine(open_check_interval_secs=3600.0),
    ),
    (
        "PURGED_FROM_DATABASE",
        engine(purge_from_database=True, purge_closed_orders_interval_mins=10),
        engine(purge_from_database=True),
    ),
    (
        "DATA_SEQUENCE_VALIDATED",
        {"data_engine": LiveDataEngineConfig(validate_data_sequence=True)},
        {"data_engine": LiveDataEngineConfig(validate_data_sequence=False)},
    ),
    (
        "RISK_ENGINE_BYPASSED",
        {"risk_engine": LiveRiskEngineConfig(bypass=True)},
        {"risk_engine": LiveRiskEngineConfig(bypass=False)},
    ),
    (
        "CONFIG_UNREADABLE",
        engine(reconciliation_lookback_mins="60"),
        engine(reconciliation_lookback_mins=60),
    ),
    ("CONFIG_UNREADABLE", {"exec_engine": ExecEngineConfig()}, {}),
    ("CONFIG_UNREADABLE", cache(encoding="pickle"), cache(encoding="MSGPACK")),
    ("ACTOR_UNUSABLE", {"actors": [actor(), actor(path="nowhere:Actor")]}, {}),
    ("ACTOR_UNUSABLE", {"actors": [actor(settle=1)]}, {"actors": [actor(settle_ms=1)]}),
    (
        "ACTOR_UNUSABLE",
        {"actors": [actor(), actor(path="tests.preflight.nodes:Plai")]},
        {"actors": [actor(), actor(path="tests.preflight.nodes:Other")]},
    ),
    (
        "MONITOR_MISSING",
        {"actors": [actor(path="tests.preflight.nodes:Other")]},
        {"actors": [actor(path="tests.preflight.nodes:Monitor")]},
    ),
    (
        "MONITOR_TWICE",
        {"actors": [actor(), actor(path="tests.preflight.nodes:Monitor")]},
        {"actors": [actor(), actor(path="tests.preflight.nodes:Other")]},
    ),
    ("MONITOR_IN_SHADOW", {"actors": [actor(shadow=True)]}, {"actors": [actor(shadow=False)]}),
    (
        "STRATEGY_UNUSABLE",
        {"strategies": [strategy("Trade")]},
        {"strategies": [strategy("Trades")]},
    ),
    (
        "STRATEGY_UNUSABLE",
        {"strategies": [strategy(instrument=ETH)]},
        {"strategies": [strategy(instrument_id=ETH)]},
    ),
    (
        "STRATEGY_UNUSABLE",
        {"strategies": [strategy(bar_type=f"{ETH}-0-MINUTE-LAST-EXTERNAL")]},
        {"strategies": [strategy(bar_type=f"{ETH}-1-MINUTE-LAST-EXTERNAL")]},
    ),
    (
        "STRATEGY_NOT_HELD_BACK",
        {"strategies": [strategy("Plain")]},
        {"strategies": [strategy("Trades")]},
    ),
    (
        "CLIENT_ORDER_IDS_CAN_REPEAT",
        {"strategies": [strategy("Plain")]},
        {"strategies": [strategy("Plain", use_uuid_client_order_ids=True)]},
    ),
    (
        "CLIENT_ORDER_IDS_CAN_REPEAT",
        {"strategies": [strategy("Plain")]},
        {"strategies": [strategy("Trades")]},
    ),
    (
        "INSTRUMENT_CLAIMED_TWICE",
        {"strategies": [claims(ETH), claims(ETH, tag="002")]},
        {"strategies": [claims(ETH), claims(BTC, tag="002")]},
    ),
    (
        "INSTRUMENT_SHARED",
        {"strategies": TWO},
        {"strategies": [claims(ETH), claims(tag="002", instrument_id=BTC)]},
    ),
    (
        "INSTRUMENT_SHARED",
        {"strategies": TWO, "exec_clients": {"PAPER": client(oms_type="NETTING")}},
        {"strategies": TWO, "exec_clients": {"PAPER": client(oms_type="HEDGING")}},
    ),
    (
        "INSTRUMENT_NOT_CLAIMED",
        {"strategies": [strategy(instrument_id=ETH)]},
        {"strategies": [strategy(instrument_id=ETH, external_order_claims=[ETH])]},
    ),
    (
        "INSTRUMENT_NOT_RECONCILED",
        engine(reconciliation_instrument_ids=[InstrumentId.from_str(BTC)]),
        engine(reconciliation_instrument_ids=[InstrumentId.from_str(ETH)]),
    ),
    (
        "INSTRUMENT_NOT_RECONCILED",
        engine(reconciliation_instrument_ids=[InstrumentId.from_str(BTC)]),
        engine(reconciliation_instrument_ids=[]),
    ),
    (
        "STATE_NOT_KEPT",
        {"strategies": [strategy("Plain")], "save_state": False},
        {"strategies": [strategy("Plain")], "save_state": True},
    ),
    (
        "STATE_NOT_KEPT",
        {"strategies": [strategy("Plain")], "load_state": False},
        {"strategies": [strategy("Trades")], "load_state": False},
    ),
    ("STATE_KEPT_BY_CHECKPOINTS", {"load_state": False}, {"load_state": True}),
]
if HAS_LATE_BUFFER:
    PAIRS.append(
        ("BUFFERED_WRITES_WAIT", cache(buffer_interval_ms=100), cache(buffer_interval_ms=None))
    )

BLOCKS = {
    "RECONCILIATION_OFF",
    "FLUSH_ON_START",
    "NO_DATABASE",
    "INSTANCE_ID_IN_KEYS",
    "CACHE_NOT_LOADED",
    "MONITOR_MISSING",
    "MONITOR_TWICE",
    # What cannot be looked at
    "CONFIG_UNREADABLE",
    "ACTOR_UNUSABLE",
    "STRATEGY_UNUSABLE",
}


def made(valkey: EmbeddedValkey, fields: Fields) -> TradingNodeConfig:
    return good(valkey.database_config(), **fields)


@pytest.mark.parametrize(("code", "trigger", "neighbour"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_a_finding_is_made_and_is_not_in_the_nearest_neighbour(
    valkey: EmbeddedValkey, code: str, trigger: Fields, neighbour: Fields
) -> None:
    """
    Each code is triggered by one change to a configuration, with the severity that is promised.
    """
    findings = found(made(valkey, trigger))
    assert code in findings
    assert (findings[code].severity == Severity.BLOCK) == (code in BLOCKS)
    assert code not in found(made(valkey, neighbour))


def test_every_rule_of_configurations_has_such_a_pair() -> None:
    """
    No rule is left without a configuration that shows it, but for what a version cannot show.
    """
    shown = {code for code, _, _ in PAIRS}
    # What only the command can leave open is shown with its target
    impossible = {"MONITOR_NOT_SEEN", "STRATEGIES_NOT_SEEN"}
    if not HAS_LATE_BUFFER:
        impossible.add("BUFFERED_WRITES_WAIT")
    assert {rule.code for rule in (*CONFIG_RULES, *STRATEGY_RULES)} == shown - {
        rule.code for rule in LINK_RULES
    } | impossible


def test_nothing_is_found_in_a_configuration_made_with_the_presets(valkey: EmbeddedValkey) -> None:
    """
    What the presets give leaves nothing to say.
    """
    assert found(good(valkey.database_config())) == {}


def test_findings_come_the_worst_first() -> None:
    """
    Who reads one line reads the worst.
    """
    late_block: Fields = {"actors": [], "engine": {"open_check_interval_secs": None}}
    config = good(without_cache=True, strategies=[strategy("Plain")], **late_block)
    severities = [finding.severity for finding in preflight(config).findings]
    order = [Severity.BLOCK, Severity.WARN, Severity.INFO]
    assert severities == sorted(severities, key=order.index)
    assert severities[0] == Severity.BLOCK
    assert severities[-1] == Severity.WARN


def test_strategies_and_actors_that_are_added_besides_count(valkey: EmbeddedValkey) -> None:
    """
    A monitor and strategies may be instances or configurations, besides those of the configuration.
    """
    config = good(valkey.database_config(), actors=[], strategies=[])
    assert found(config).keys() == {"MONITOR_MISSING"}
    given: list[tuple[Any, Any]] = [
        (RecoveryMonitorConfig(), TradesConfig()),
        (actor(), Trades(TradesConfig())),
        (actor(), strategy()),
    ]
    for monitor, recoverable in given:
        assert found(config, [recoverable], actors=[monitor]) == {}
    for plain in (Plain(), Plain(PlainConfig()), PlainConfig(), strategy("Plain")):
        codes = found(config, [plain], actors=[actor(), Other()]).keys()
        assert codes == {"STRATEGY_NOT_HELD_BACK", "CLIENT_ORDER_IDS_CAN_REPEAT"}


def test_a_halt_holds_plain_strategies_back(valkey: EmbeddedValkey) -> None:
    """
    That `halt_until_recovered` is called can be said, because no configuration shows it.
    """
    config = good(valkey.database_config(), strategies=[strategy("Plain")])
    assert "STRATEGY_NOT_HELD_BACK" in found(config)
    assert "STRATEGY_NOT_HELD_BACK" not in found(config, is_halted=True)


@pytest.mark.parametrize(
    ("config", "traded"),
    [
        ({"instrument_id": ETH}, {ETH}),
        ({"bar_type": f"{ETH}-1-MINUTE-LAST-EXTERNAL"}, {ETH}),
        ({"instrument_ids": [ETH, BTC]}, {ETH, BTC}),
        ({"instrument_ids": ["BTC.ELSEWHERE"]}, {"BTC.ELSEWHERE"}),
        ({"note": "BTC.ELSEWHERE"}, set()),
        ({"legs": {"near": f"{ETH}-1-MINUTE-LAST-EXTERNAL"}}, {ETH}),
        ({"legs": {ETH: "near"}}, {ETH}),
        ({"hedge": {"instrument_id": BTC, "name": "v1.5"}}, {BTC}),
        ({"hedges": [{"instrument_id": ETH}, {"instrument_id": BTC}]}, {ETH, BTC}),
        ({"note": "v1.5"}, set()),
        ({"note": ""}, set()),
    ],
)
def test_what_a_strategy_trades_is_told_by_its_configuration(
    valkey: EmbeddedValkey, config: Fields, traded: set[str]
) -> None:
    """
    Instruments and bar types are found in every field, and other texts with a dot are none.
    """
    report = preflight(
        good(
            valkey.database_config(),
            strategies=[strategy(**config)],
            exec_clients={"PAPER": client()},
        )
    )
    unclaimed = {f.subject for f in report.findings if f.code == "INSTRUMENT_NOT_CLAIMED"}
    assert unclaimed == traded


def test_values_that_are_no_text_are_found_too(valkey: EmbeddedValkey) -> None:
    """
    A configuration made in Python holds identifiers themselves.
    """
    config = TradesConfig(
        instrument_id=InstrumentId.from_str(BTC),
        bar_type=BarType.from_str(f"{ETH}-1-MINUTE-LAST-EXTERNAL"),
    )
    report = preflight(good(valkey.database_config(), strategies=[]), [config])
    unclaimed = {f.subject for f in report.findings if f.code == "INSTRUMENT_NOT_CLAIMED"}
    assert unclaimed == {ETH, BTC}


class Hostile:
    """
    Raises whatever is asked of it.
    """

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no such thing")


WRONG: list[Callable[[], Any]] = [
    lambda: None,
    lambda: "config",
    lambda: {"trader_id": "X-001"},
    lambda: good(strategies=None),
    lambda: good(strategies=3),
    lambda: good(actors=None),
    lambda: good(actors=[None, Hostile(), 1.5]),
    lambda: good(strategies=[None, Hostile(), object]),
    lambda: msgspec.structs.replace(good(), cache="redis://me:hunter2@host"),
    lambda: msgspec.structs.replace(good(), exec_engine=None),
    lambda: msgspec.structs.replace(good(), risk_engine="none"),
    lambda: good(cache={"database": "redis"}),
    lambda: good(engine={"reconciliation_instrument_ids": [1]}),
]


@pytest.mark.parametrize("make", WRONG)
def test_nothing_raises_for_a_configuration_that_is_wrong(make: Callable[[], Any]) -> None:
    """
    What cannot be looked at blocks the start.
    """
    report = preflight(make(), timeout_secs=0.5)
    assert report.is_blocked
    assert any(f.code in CODES and f.severity == Severity.BLOCK for f in report.findings)
    assert b"hunter2" not in report.to_json()


@pytest.mark.parametrize("is_own", [True, False])
def test_an_error_that_quotes_a_secret_is_told_without_it(
    valkey: EmbeddedValkey, is_own: bool
) -> None:
    """
    What the configuration of a component calls a key is masked in whatever text it gets into.
    """
    keyed = strategy("Keyed", api_key="hunter2")
    config = good(valkey.database_config(), strategies=[keyed] if is_own else [])
    report = preflight(config, [] if is_own else [keyed])
    [finding] = [f for f in report.findings if f.code == "STRATEGY_UNUSABLE"]
    assert "the key *** is too short" in finding.message
    assert b"hunter2" not in report.to_json()


def test_a_node_that_does_not_run_is_looked_at_with_all_that_was_added(
    valkey: EmbeddedValkey,
) -> None:
    """
    Of a node the instances count, and whether it is halted.
    """

    async def scenario() -> None:
        config = paper_node_config(
            database=valkey.database_config(),
            exec_engine=recovery_exec_engine_config(),
            actors=[actor()],
            strategies=[strategy()],
            save_state=True,
            load_state=True,
        )
        node: TradingNode = paper_node(config)
        try:
            assert found(node) == {}
            node.trader.add_strategy(Plain(PlainConfig(order_id_tag="002")))
            assert "STRATEGY_NOT_HELD_BACK" in found(node)
            halt_until_recovered(node)
            assert found(node).keys() == {"CLIENT_ORDER_IDS_CAN_REPEAT"}
        finally:
            node.kernel.dispose()

    asyncio.run(scenario())


def test_a_node_whose_configuration_cannot_be_seen_is_not_taken_for_a_good_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    It is private, so a version may keep it elsewhere.
    """

    async def scenario() -> None:
        node: TradingNode = paper_node(paper_node_config())
        try:
            with monkeypatch.context() as patched:
                patched.delattr(node, "_config")
                finding = found(node)["CONFIG_UNREADABLE"]
            assert finding.severity == Severity.BLOCK
            assert (
                "does not have `TradingNode._config`: a node cannot be checked" in finding.message
            )
        finally:
            node.kernel.dispose()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"strategy_id": "My-Own", "order_id_tag": "007"}, "My-Own-007"),
        ({"strategy_id": "My-Own"}, "My-000"),
        ({"order_id_tag": "007"}, "Recorder-007"),
        ({}, "Recorder-000"),
    ],
)
def test_a_strategy_is_known_by_the_id_that_a_node_gives_it(config: Fields, name: str) -> None:
    """
    Without a tag NautilusTrader cuts the ID at its first hyphen.
    """

    async def scenario() -> None:
        node: TradingNode = paper_node(paper_node_config(trader_id="CHECKED-001"))
        node.trader.add_strategy(added := Recorder(RecoverableStrategyConfig(**config)))
        assert added.id.value == name
        for known in (Recorder(RecoverableStrategyConfig(**config)), added):
            assert strategy_facts(known, 0, set(), "CHECKED-001").name == name
        node.kernel.dispose()

    asyncio.run(scenario())


def test_a_server_of_the_monitors_own_is_looked_at(valkey: EmbeddedValkey) -> None:
    """
    Where it is not the one of the cache, commands have to name it.
    """

    def told(port: int) -> dict[str, str]:
        own = {"host": "127.0.0.1", "port": port}
        report = preflight(good(valkey.database_config(), actors=[actor(database=own)]))
        return {f.code: f.subject for f in report.findings}

    elsewhere = told(1)
    assert elsewhere["REDIS_UNREACHABLE"] == "Redis at 127.0.0.1:1"
    assert elsewhere["COMMANDS_ELSEWHERE"] == "actors: RecoveryMonitorActor"
    assert not told(valkey.port).keys() & {"REDIS_UNREACHABLE", "COMMANDS_ELSEWHERE"}
