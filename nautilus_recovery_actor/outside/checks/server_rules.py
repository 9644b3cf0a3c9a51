"""
What makes a Redis server unsafe for a node: facts of one in, findings out.
"""

import math
from collections.abc import Iterator

import msgspec

from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.outside.checks import server_catalog as found
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.outside.checks.server_catalog import RULES
from nautilus_recovery_actor.outside.checks.server_facts import ServerFacts
from nautilus_recovery_actor.outside.checks.server_facts import Trouble
from nautilus_recovery_actor.outside.text import roughly


__all__ = ["RULES", "ServerFacts", "server_findings"]

_SLOW_SECS = 0.02
_MEMORY_SHARE = 0.8
_LAG_SECS = 10
_LAG_BYTES = 1_000_000
_OLDEST = (6, 2)  # `DatabaseConfig` of NautilusTrader

_TROUBLES = {
    Trouble.URL: found.URL_INVALID,
    Trouble.UNREACHABLE: found.UNREACHABLE,
    Trouble.TLS: found.TLS_FAILED,
    Trouble.LOGIN: found.NOT_AUTHENTICATED,
    Trouble.LOADING: found.LOADING,
    Trouble.ANSWER: found.BAD_ANSWER,
}


def server_findings(facts: ServerFacts, *, is_live_ok: bool = False) -> tuple[Finding, ...]:
    """Return what is found in the facts of a server. What could not be read is never a fault."""
    findings = [
        *_connection(facts),
        *_place(facts),
        *_writing(facts),
        *_memory(facts),
        *_persistence(facts),
        *_replication(facts),
        *_trader(facts),
    ]
    if not is_live_ok:
        findings += _live(facts)
    if facts.unread and facts.trouble is None:
        findings.append((found.NOT_TOLD, f"could not be determined: {', '.join(facts.unread)}"))
    return tuple(
        rule.found(f"Redis at {facts.address}", _sentence(message)) for rule, message in findings
    )


_Found = Iterator[tuple[Rule, str]]


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}{'' if message.endswith('?') else '.'}"


def _connection(facts: ServerFacts) -> _Found:
    if facts.trouble is not None:
        yield _TROUBLES[facts.trouble], facts.detail or facts.trouble.lower()
    if facts.is_publicly_trusted is False:
        yield found.TLS_PRIVATE_CA, "its certificate is not from a public authority"
    if not (facts.is_local or facts.is_encrypted):
        yield found.NOT_ENCRYPTED, "it is on another machine, and the connection is not encrypted"
    if facts.ping_secs is not None and facts.ping_secs > _SLOW_SECS:
        yield found.SLOW, f"it takes {facts.ping_secs * 1000:.0f} ms to answer (median)"


def _place(facts: ServerFacts) -> _Found:
    if facts.role is not None and facts.role != "master":
        yield found.REPLICA, f"its role is {facts.role}, not master"
    if facts.is_cluster:
        yield found.CLUSTER, "it is a node of a cluster"
    if facts.version is not None and _parsed(facts.version) < _OLDEST:
        yield found.VERSION, f"it speaks Redis {facts.version}"


def _parsed(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    if not all(part.isdecimal() and len(part) < len("10000") for part in parts):
        return _OLDEST  # Nothing can be said of it
    return tuple(map(int, parts))


def _writing(facts: ServerFacts) -> _Found:
    if facts.denied:
        yield found.NOT_PERMITTED, f"this user may not use {', '.join(facts.denied)}"
    if facts.denied_hearing:
        yield (
            found.COMMANDS_NOT_PERMITTED,
            f"this user may not use {', '.join(facts.denied_hearing)}",
        )
    word = (facts.refusal or "").partition(" ")[0]
    if word == "OOM" or (not word and _is_full(facts)):
        yield found.MEMORY_FULL, f"{_share(facts)}, and it refuses writes"
    elif word == "READONLY":
        if facts.role in (None, "master"):
            yield found.REPLICA, f"it refuses writes: {facts.refusal}"
    elif facts.refusal is not None:
        yield found.REFUSES_WRITES, f"it refuses writes: {facts.refusal}"
    elif facts.is_aof_failed and facts.is_aof:
        yield found.REFUSES_WRITES, "its last write to the append-only file failed"
    elif facts.is_save_failed and facts.is_refusing_after_failed_save and facts.save_points:
        yield (
            found.REFUSES_WRITES,
            "its last snapshot failed, and stop-writes-on-bgsave-error is set",
        )


def _is_evicting(facts: ServerFacts) -> bool:
    # NautilusTrader sets no expiry, so that the volatile policies never take a key of it
    return bool(facts.maxmemory) and (facts.eviction_policy or "").startswith("allkeys")


def _is_full(facts: ServerFacts) -> bool:
    is_at_limit = bool(facts.maxmemory) and (facts.used_memory or 0) >= (facts.maxmemory or 0)
    return is_at_limit and not facts.is_writing_tried and not _is_evicting(facts)


def _share(facts: ServerFacts) -> str:
    if not facts.maxmemory or facts.used_memory is None:
        return "its memory is full"
    used, limit = facts.used_memory / 2**20, facts.maxmemory / 2**20
    return f"{used:,.1f} MiB of {limit:,.1f} MiB are used"


def _memory(facts: ServerFacts) -> _Found:
    policy = facts.eviction_policy
    if _is_evicting(facts):
        yield found.EVICTING, f"its maxmemory-policy is {policy}, and maxmemory is set"
    elif policy is not None and policy != "noeviction":
        why = "maxmemory is 0" if not facts.maxmemory else "the keys of a node never expire"
        yield found.EVICTION_POLICY, f"its maxmemory-policy is {policy}, but {why}"
    if facts.evicted_keys and not (policy or "").startswith("volatile"):
        yield found.KEYS_EVICTED, f"it has evicted {facts.evicted_keys:,} keys since it started"
    is_full = (facts.refusal or "").startswith("OOM") or _is_full(facts)
    is_near = (facts.used_memory or 0) > _MEMORY_SHARE * (facts.maxmemory or math.inf)
    if is_near and not is_full and not _is_evicting(facts):
        yield found.MEMORY_SHORT, _share(facts)


def _persistence(facts: ServerFacts) -> _Found:
    if facts.is_save_failed and facts.save_points != "":
        yield found.SAVE_FAILED, "its last snapshot failed"
    if facts.is_aof:
        if facts.appendfsync == "everysec":
            yield found.LOSS_WINDOW, "appendfsync is everysec: about a second can be lost"
        elif facts.appendfsync == "no":
            yield found.LOSS_WINDOW, "appendfsync is no: about half a minute can be lost"
    elif facts.is_aof is False and facts.save_points == "":
        yield found.NOT_PERSISTENT, "it writes neither an append-only file nor snapshots"
    elif facts.is_aof is False and facts.save_points:
        unsaved = ""
        if facts.unsaved_changes is not None and facts.saved_secs_ago is not None:
            since = roughly(facts.saved_secs_ago)
            unsaved = f": {facts.unsaved_changes:,} changes of the last {since} are not saved"
        yield found.SNAPSHOTS_ONLY, f"it only writes snapshots{unsaved}"


def _replication(facts: ServerFacts) -> _Found:
    for replica in facts.replicas:
        lag, behind = replica.lag_secs or 0, replica.behind_bytes or 0
        if replica.state != "online":
            yield found.REPLICA_LAG, f"a replica is in state {replica.state or 'unknown'}"
        elif lag > _LAG_SECS or behind > _LAG_BYTES:
            yield found.REPLICA_LAG, f"a replica is {lag} s and {behind:,} bytes behind"


def _trader(facts: ServerFacts) -> _Found:
    if facts.is_heartbeat_damaged:
        yield found.HEARTBEAT_DAMAGED, "the heartbeat of this trader cannot be read"
    if facts.has_keys is not False:
        return
    if facts.elsewhere:
        elsewhere = ", ".join(facts.elsewhere)
        yield (
            found.KEYS_ELSEWHERE,
            f"this trader has no entries as configured, but some under {elsewhere}",
        )
    elif facts.key_count == 0:
        yield _first_start(), "the server is empty (0 keys)"
    else:
        held = "" if facts.key_count is None else f" (the server holds {facts.key_count:,} keys)"
        yield found.KEYS_ABSENT, f"this trader has no entries{held}"


def _first_start() -> Rule:
    # As after the installation: nothing hints at another server or trader
    return msgspec.structs.replace(
        found.KEYS_ABSENT,
        consequence="The node starts empty, as it does at its first start.",
        remedy="Nothing, at a first start. Otherwise the server lost everything, or is another "
        "one.",
    )


def _live(facts: ServerFacts) -> _Found:
    if facts.heartbeat is None or not facts.clocks:
        return
    node = liveness(facts.heartbeat, *facts.clocks)
    if node.life is Life.AHEAD:
        ahead = roughly(-node.age_secs)
        yield found.LIVE_NODE, f"its heartbeat is {ahead} ahead of the clocks here: they differ"
    elif node.life is Life.ALIVE:
        age, limit = roughly(max(0.0, node.age_secs)), roughly(node.max_age_secs)
        yield found.LIVE_NODE, f"its heartbeat is {age} old, and a node counts as alive for {limit}"
