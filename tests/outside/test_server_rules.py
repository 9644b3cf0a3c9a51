"""
The rules on facts that no server is needed for, and on what no sound server says.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.outside.checks import server_catalog as rules
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.server_facts import Replica
from nautilus_recovery_actor.outside.checks.server_facts import ServerFacts
from nautilus_recovery_actor.outside.checks.server_facts import facts_in_config
from nautilus_recovery_actor.outside.checks.server_facts import facts_in_heartbeat
from nautilus_recovery_actor.outside.checks.server_facts import facts_in_info
from nautilus_recovery_actor.outside.checks.server_rules import RULES
from nautilus_recovery_actor.outside.checks.server_rules import server_findings


GIB = 2**30
SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND

NAMES = st.sampled_from(
    [
        "redis_version",
        "redis_mode",
        "role",
        "cluster_enabled",
        "used_memory",
        "mem_not_counted_for_evict",
        "maxmemory",
        "maxmemory_policy",
        "evicted_keys",
        "aof_enabled",
        "aof_last_write_status",
        "rdb_last_bgsave_status",
        "rdb_last_save_time",
        "rdb_changes_since_last_save",
        "master_repl_offset",
        "slave0",
        "slave1",
        "appendfsync",
        "save",
        "stop-writes-on-bgsave-error",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(),
    st.binary(),
    st.sampled_from(["1", "ok", "err", "master", "slave", "allkeys-lru", "7.2", "²", "9" * 5000]),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.sampled_from(["state", "lag", "offset", "ip"]), SCALARS),
)
ANSWERS = st.dictionaries(st.one_of(NAMES, st.text(), st.integers()), VALUES)


def codes(**facts: Any) -> set[str]:
    return {finding.code for finding in server_findings(ServerFacts(address="a:1", **facts))}


def beat(age_secs: float, interval_secs: float | None = None) -> Heartbeat:
    return Heartbeat(
        ts=NOW - int(age_secs * SECOND),
        epoch=1,
        phase=RecoveryPhase.COMPLETE,
        interval_secs=interval_secs,
    )


def test_of_a_server_that_tells_nothing_nothing_is_said() -> None:
    """What cannot be told is no fault."""
    assert server_findings(ServerFacts(address="a:1")) == ()


def test_what_blocks_a_start_and_what_does_not() -> None:
    """A severity is part of what a code means: others rely on it."""
    by_severity = {
        severity: {rule.code for rule in RULES if rule.severity == severity}
        for severity in Severity
    }
    assert by_severity[Severity.BLOCK] == {
        "ANOTHER_LIVE_NODE",
        "REDIS_BAD_ANSWER",
        "REDIS_CLUSTER",
        "REDIS_EVICTING",
        "REDIS_KEYS_EVICTED",
        "REDIS_LOADING",
        "REDIS_MEMORY_FULL",
        "REDIS_NOT_AUTHENTICATED",
        "REDIS_NOT_PERMITTED",
        "REDIS_REFUSES_WRITES",
        "REDIS_REPLICA",
        "REDIS_TLS_FAILED",
        "REDIS_TLS_PRIVATE_CA",
        "REDIS_UNREACHABLE",
        "REDIS_URL_INVALID",
    }
    assert by_severity[Severity.INFO] == {
        "REDIS_LOSS_WINDOW",
        "REDIS_NOT_TOLD",
        "TRADER_KEYS_ABSENT",
    }


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
def test_a_rule_is_told_in_whole_sentences_of_one_line(rule: Rule) -> None:
    """What can happen, and what to do."""
    for text in (rule.consequence, rule.remedy):
        assert text.endswith(".")
        assert text.isprintable()
    assert rule.code.isupper()


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"version": "6.0.20"}, "REDIS_VERSION"),
        ({"version": "5.9"}, "REDIS_VERSION"),
        ({"version": "6.2.0"}, None),
        ({"version": "10.0"}, None),
        ({"version": "unstable"}, None),
        ({"role": "sentinel"}, "REDIS_REPLICA"),
        ({"refusal": "READONLY You can't write"}, "REDIS_REPLICA"),
        ({"refusal": "NOREPLICAS Not enough"}, "REDIS_REFUSES_WRITES"),
        ({"refusal": "OOM command not allowed"}, "REDIS_MEMORY_FULL"),
        ({"maxmemory": GIB, "used_memory": GIB}, "REDIS_MEMORY_FULL"),
        ({"maxmemory": GIB, "used_memory": int(0.81 * GIB)}, "REDIS_MEMORY_SHORT"),
        ({"maxmemory": GIB, "used_memory": int(0.79 * GIB)}, None),
        ({"maxmemory": 0, "used_memory": GIB}, None),
        ({"evicted_keys": 1, "eviction_policy": "volatile-lru"}, "REDIS_EVICTION_POLICY"),
        ({"evicted_keys": 1}, "REDIS_KEYS_EVICTED"),
        ({"is_aof": True, "is_aof_failed": True}, "REDIS_REFUSES_WRITES"),
        ({"is_aof": False, "is_aof_failed": True}, None),
        ({"is_save_failed": True}, "REDIS_SAVE_FAILED"),
        ({"is_save_failed": True, "save_points": ""}, None),
        ({"is_aof": True, "appendfsync": "no"}, "REDIS_LOSS_WINDOW"),
        ({"is_aof": False, "save_points": "1 1"}, "REDIS_SNAPSHOTS_ONLY"),
        ({"ping_secs": 0.021}, "REDIS_SLOW"),
        ({"ping_secs": 0.019}, None),
        ({"is_local": False, "is_encrypted": False}, "REDIS_NOT_ENCRYPTED"),
        ({"is_local": False, "is_encrypted": True}, None),
        ({"replicas": (Replica(state="wait_bgsave"),)}, "REDIS_REPLICA_LAG"),
        ({"replicas": (Replica(state="online", lag_secs=11),)}, "REDIS_REPLICA_LAG"),
        ({"replicas": (Replica(state="online", lag_secs=9, behind_bytes=9),)}, None),
        ({"has_keys": None, "elsewhere": ("T-1:",)}, None),
    ],
)
def test_a_rule_is_kept_to_its_limit(facts: dict[str, Any], code: str | None) -> None:
    """One step before it, nothing is said."""
    assert codes(**facts) == ({code} if code else set())


def test_a_refusal_to_write_after_a_failed_snapshot_is_deduced() -> None:
    """Where the server could not be asked."""
    facts = {"is_save_failed": True, "save_points": "1 1", "is_refusing_after_failed_save": True}
    assert codes(**facts) == {"REDIS_SAVE_FAILED", "REDIS_REFUSES_WRITES"}
    assert codes(**facts | {"is_refusing_after_failed_save": False}) == {"REDIS_SAVE_FAILED"}


@pytest.mark.parametrize(
    ("clocks", "is_live"),
    [
        ((0, 0), True),
        ((15, 15), True),
        ((16, 16), False),
        ((16, 3600), False),
        ((14, 3600), True),  # One of the clocks is wrong: nobody knows which
        ((3600, -3600), True),
        ((-3600, -3600), True),
    ],
)
def test_a_node_is_gone_when_each_clock_says_so(clocks: tuple[int, ...], is_live: bool) -> None:
    """Two nodes on one trader are worse than a start that waits."""
    clocks = tuple(NOW + secs * SECOND for secs in clocks)
    assert ("ANOTHER_LIVE_NODE" in codes(clocks=clocks, heartbeat=beat(0))) == is_live


def test_how_long_a_heartbeat_counts_follows_its_interval() -> None:
    """A node that beats once a minute is not gone after a quarter of one."""
    facts = ServerFacts(address="a:1", clocks=(NOW,), heartbeat=beat(100))
    assert server_findings(facts) == ()
    slow = msgspec.structs.replace(facts, heartbeat=beat(100, interval_secs=60))
    (finding,) = server_findings(slow)
    assert finding.message == ("Its heartbeat is 100 s old, and a node counts as alive for 3 min.")
    assert server_findings(slow, is_live_ok=True) == ()


@pytest.mark.parametrize(
    ("interval_secs", "age", "is_live"),
    [
        (60.0, 100, True),
        (60.0, 181, False),
        (None, 16, False),
        (1.0, 3, True),
        (1.0, 4, False),
        (1e300, 15, True),
        (1e300, 16, False),
    ],
)
def test_the_interval_of_the_other_node_decides(
    interval_secs: float | None, age: int, is_live: bool
) -> None:
    """The interval in the heartbeat is that of the node which runs."""
    other = beat(age, interval_secs)
    assert ("ANOTHER_LIVE_NODE" in codes(clocks=(NOW,), heartbeat=other)) == is_live


def test_a_message_has_the_numbers() -> None:
    """What was seen, so that one can judge."""
    facts = ServerFacts(
        address="a:1",
        is_aof=False,
        save_points="3600 1",
        unsaved_changes=12345,
        saved_secs_ago=600,
        maxmemory=GIB,
        used_memory=GIB,
    )
    told = {finding.code: finding.message for finding in server_findings(facts)}
    assert told == {
        "REDIS_SNAPSHOTS_ONLY": (
            "It only writes snapshots: 12,345 changes of the last 10 min are not saved."
        ),
        "REDIS_MEMORY_FULL": "1,024.0 MiB of 1,024.0 MiB are used, and it refuses writes.",
    }


@example({"role": "\x1b[31m"}, {}, None)
@example({"redis_version": "1" * 1000, "maxmemory": 10**400}, {"save": "1"}, b"{}")
@given(ANSWERS, ANSWERS, st.one_of(SCALARS, st.lists(SCALARS)))
def test_no_answer_is_too_strange(
    info: dict[Any, Any], config: dict[Any, Any], heartbeat: object
) -> None:
    """Whatever a server says, there are findings in one line each, or none."""
    told = facts_in_info(info, 1.8e9) | facts_in_config(config) | facts_in_heartbeat(heartbeat)
    facts = ServerFacts(address="a:1", clocks=(NOW,), has_keys=False, **told)
    for finding in server_findings(facts):
        assert finding.code in {rule.code for rule in RULES}
        assert finding.message.isprintable()
        assert len(finding.message) < 400
    msgspec.json.encode(server_findings(facts))


@given(st.data())
def test_a_heartbeat_that_is_changed_anywhere_is_read_or_damaged(data: st.DataObject) -> None:
    """It never raises, and it never counts as absent."""
    value = bytearray(msgspec.json.encode(beat(0)))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    told = facts_in_heartbeat(bytes(value))
    assert told.keys() in ({"heartbeat"}, {"is_heartbeat_damaged"})


@pytest.mark.parametrize("ts", [-1, 2**63, 10**400])
def test_a_heartbeat_of_no_time_is_damaged(ts: int) -> None:
    """Its age could not be told."""
    value = b'{"ts":%d,"epoch":1,"phase":"COMPLETE"}' % ts
    assert facts_in_heartbeat(value) == {"is_heartbeat_damaged": True}


def test_what_a_sound_server_says_is_read() -> None:
    """With the kinds of redis-py."""
    info = {
        "redis_version": 7.2,
        "cluster_enabled": 0,
        "role": "master",
        "used_memory": 1000,
        "mem_not_counted_for_evict": 200,
        "rdb_last_save_time": 1_799_999_990,
        "aof_enabled": 1,
        "aof_last_write_status": "ok",
        "master_repl_offset": 500,
        "slave0": {"ip": "127.0.0.1", "state": "online", "offset": 480, "lag": 1},
        "slave_read_only": 1,
    }
    told = facts_in_info(info, 1.8e9)
    assert (told["version"], told["role"], told["is_cluster"]) == ("7.2", "master", False)
    assert (told["used_memory"], told["saved_secs_ago"]) == (800, 10)
    assert (told["is_aof"], told["is_aof_failed"]) == (True, False)
    assert told["replicas"] == (Replica(state="online", lag_secs=1, behind_bytes=20),)
    assert rules.REPLICA.code not in codes(**told)


def test_an_empty_server_hints_at_a_first_start_and_at_nothing_wrong() -> None:
    """Where others have keys, this trader may be meant to have some."""
    for count, is_first in ((0, True), (7, False), (None, False)):
        facts = ServerFacts(address="a:1", clocks=(NOW,), has_keys=False, key_count=count)
        (one,) = (f for f in server_findings(facts) if f.code == "TRADER_KEYS_ABSENT")
        assert ("the server is empty" in one.message.lower()) == is_first
        assert ("wrong" not in one.consequence) == is_first
