"""
What makes a Redis server unsafe for a node: facts of one in, findings out.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.enums import Severity
from nautilus_recovery_actor.findings import Finding
from nautilus_recovery_actor.findings import Rule
from nautilus_recovery_actor.server_facts import ServerFacts
from nautilus_recovery_actor.server_facts import Trouble


HEARTBEAT_SECS = 5.0  # The default of `RecoveryMonitorConfig.heartbeat_secs`

_BEATS = 3  # Without so many signs of life a node counts as gone
_SLOW_SECS = 0.02
_MEMORY_SHARE = 0.8
_LAG_SECS = 10
_LAG_BYTES = 1_000_000
_OLDEST = (6, 2)  # `DatabaseConfig` of NautilusTrader

_NO_STATE = "The node cannot restore its state nor store it."
_LOST = "Orders and positions can be missing at the next start, and their strategies with them."


def _rule(code: str, severity: Severity, consequence: str, remedy: str) -> Rule:
    return Rule(code=code, severity=severity, consequence=consequence, remedy=remedy)


URL_INVALID = _rule(
    "REDIS_URL_INVALID",
    Severity.BLOCK,
    _NO_STATE,
    "Set host and port of the DatabaseConfig; a user needs a password, and what is special in a "
    "URL must be percent-encoded in both.",
)
UNREACHABLE = _rule(
    "REDIS_UNREACHABLE",
    Severity.BLOCK,
    _NO_STATE,
    "Start the server, or correct host, port and ssl of the DatabaseConfig.",
)
TLS_FAILED = _rule(
    "REDIS_TLS_FAILED",
    Severity.BLOCK,
    _NO_STATE,
    "Give the server a valid certificate of a public authority for this host name, or correct host "
    "and ssl of the DatabaseConfig.",
)
TLS_PRIVATE_CA = _rule(
    "REDIS_TLS_PRIVATE_CA",
    Severity.BLOCK,
    "The node cannot connect: NautilusTrader takes the certificates of public authorities only, "
    "whatever the system or SSL_CERT_FILE trusts.",
    "Use a certificate of a public authority, or a local TLS tunnel (such as stunnel) that the "
    "node reaches without ssl.",
)
NOT_AUTHENTICATED = _rule(
    "REDIS_NOT_AUTHENTICATED",
    Severity.BLOCK,
    _NO_STATE,
    "Set username and password of the DatabaseConfig to those of the server, percent-encoded.",
)
LOADING = _rule(
    "REDIS_LOADING",
    Severity.BLOCK,
    "The node would start before its state is there.",
    "Wait until the server has loaded its data.",
)
BAD_ANSWER = _rule(
    "REDIS_BAD_ANSWER",
    Severity.BLOCK,
    _NO_STATE,
    "Check that a Redis or Valkey server is at this address.",
)
NOT_PERMITTED = _rule(
    "REDIS_NOT_PERMITTED",
    Severity.BLOCK,
    "The node cannot start, or what it stores is lost with no more than a line in its log.",
    "Allow the user these commands on the keys of this trader (ACL SETUSER).",
)
REPLICA = _rule(
    "REDIS_REPLICA",
    Severity.BLOCK,
    "What the node writes is refused, or lost at the next synchronisation.",
    "Point the DatabaseConfig at the primary.",
)
CLUSTER = _rule(
    "REDIS_CLUSTER",
    Severity.BLOCK,
    "This NautilusTrader does not follow a cluster: it finds and stores only a part of its keys.",
    "Use a server that is not part of a cluster.",
)
REFUSES_WRITES = _rule(
    "REDIS_REFUSES_WRITES",
    Severity.BLOCK,
    "Nothing that the node does is stored.",
    "Mend what the server names; its log says more.",
)
MEMORY_FULL = _rule(
    "REDIS_MEMORY_FULL",
    Severity.BLOCK,
    "Nothing that the node does is stored.",
    "Raise maxmemory, or move other data elsewhere.",
)
EVICTING = _rule(
    "REDIS_EVICTING",
    Severity.BLOCK,
    _LOST,
    "CONFIG SET maxmemory-policy noeviction, and in the server's configuration file.",
)
KEYS_EVICTED = _rule(
    "REDIS_KEYS_EVICTED",
    Severity.BLOCK,
    _LOST,
    "Set maxmemory-policy to noeviction, see with `nautilus-recovery inspect` what is left, then "
    "CONFIG RESETSTAT.",
)
LIVE_NODE = _rule(
    "ANOTHER_LIVE_NODE",
    Severity.BLOCK,
    "Two nodes of one trader overwrite each other's state and send each other's orders again.",
    "Stop the other node first. If it has just crashed, wait until its heartbeat is old.",
)
SLOW = _rule(
    "REDIS_SLOW",
    Severity.WARN,
    "The start takes long, and more is lost in a crash, as it is written later.",
    "Run the server nearer to the node, and see its slow log.",
)
NOT_ENCRYPTED = _rule(
    "REDIS_NOT_ENCRYPTED",
    Severity.WARN,
    "Whoever is on the way can read the password, and read and change orders and positions.",
    "Set ssl=True, or use a private network or a tunnel that is encrypted.",
)
EVICTION_POLICY = _rule(
    "REDIS_EVICTION_POLICY",
    Severity.WARN,
    "Nothing of the node is evicted as it is; one more setting, and it is.",
    "CONFIG SET maxmemory-policy noeviction, and in the server's configuration file.",
)
MEMORY_SHORT = _rule(
    "REDIS_MEMORY_SHORT",
    Severity.WARN,
    "Once it is full, nothing that the node does is stored.",
    "Raise maxmemory, or move other data elsewhere.",
)
NOT_PERSISTENT = _rule(
    "REDIS_NOT_PERSISTENT",
    Severity.WARN,
    "All is lost when the server stops.",
    "Set appendonly yes (appendfsync everysec or always).",
)
SNAPSHOTS_ONLY = _rule(
    "REDIS_SNAPSHOTS_ONLY",
    Severity.WARN,
    "All since the last snapshot is lost when the server crashes.",
    "Set appendonly yes (appendfsync everysec or always).",
)
SAVE_FAILED = _rule(
    "REDIS_SAVE_FAILED",
    Severity.WARN,
    "All since the last good snapshot is lost when the server stops.",
    "See the server's log: the disk may be full, or its directory not writable.",
)
REPLICA_LAG = _rule(
    "REDIS_REPLICA_LAG",
    Severity.WARN,
    "What the replica has not got is lost if it takes over.",
    "See the network and the load of the replica.",
)
VERSION = _rule(
    "REDIS_VERSION",
    Severity.WARN,
    "NautilusTrader wants Redis 6.2 or higher: its streams may fail.",
    "Update the server.",
)
HEARTBEAT_DAMAGED = _rule(
    "HEARTBEAT_DAMAGED",
    Severity.WARN,
    "Whether another node of this trader is running cannot be told.",
    "Make sure that no other node of this trader runs: the next start overwrites the entry.",
)
KEYS_ELSEWHERE = _rule(
    "TRADER_KEYS_ELSEWHERE",
    Severity.WARN,
    "The node starts empty and does not find what it stored.",
    "Check use_trader_prefix and use_instance_id of the CacheConfig.",
)
KEYS_ABSENT = _rule(
    "TRADER_KEYS_ABSENT",
    Severity.INFO,
    "The node starts empty: right for a first start, else it is the wrong server or trader.",
    "If this trader has run before, check its trader_id, and host and port of the DatabaseConfig.",
)
LOSS_WINDOW = _rule(
    "REDIS_LOSS_WINDOW",
    Severity.INFO,
    "What was written last is lost when the machine of the server crashes.",
    "Set appendfsync always if that is too much.",
)
NOT_TOLD = _rule(
    "REDIS_NOT_TOLD",
    Severity.INFO,
    "Faults of that kind would not be found here.",
    "Let the user run INFO, CONFIG GET, TIME, SCAN and MULTI, or look there yourself.",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))

_TROUBLES = {
    Trouble.URL: URL_INVALID,
    Trouble.UNREACHABLE: UNREACHABLE,
    Trouble.TLS: TLS_FAILED,
    Trouble.LOGIN: NOT_AUTHENTICATED,
    Trouble.LOADING: LOADING,
    Trouble.ANSWER: BAD_ANSWER,
}


def server_findings(
    facts: ServerFacts,
    *,
    is_live_ok: bool = False,
    heartbeat_secs: float = HEARTBEAT_SECS,
) -> tuple[Finding, ...]:
    """
    Return what is found in the facts of a server. What could not be told is never a fault.

    Parameters
    ----------
    facts : ServerFacts
        What was seen of the server.
    is_live_ok : bool, default False
        If a node of this trader may be running.
    heartbeat_secs : float, default 5.0
        `RecoveryMonitorConfig.heartbeat_secs` of the node.

    Returns
    -------
    tuple[Finding, ...]

    """
    found = [
        *_connection(facts),
        *_place(facts),
        *_writing(facts),
        *_memory(facts),
        *_persistence(facts),
        *_replication(facts),
        *_trader(facts),
    ]
    if not is_live_ok:
        found += _live(facts, heartbeat_secs)
    if facts.untold and facts.trouble is None:
        found.append((NOT_TOLD, f"not told: {', '.join(facts.untold)}"))
    return tuple(rule.found(f"Redis at {facts.address}", message) for rule, message in found)


_Found = Iterator[tuple[Rule, str]]


def _connection(facts: ServerFacts) -> _Found:
    if facts.trouble is not None:
        yield _TROUBLES[facts.trouble], facts.detail or facts.trouble.lower()
    if facts.is_publicly_trusted is False:
        yield TLS_PRIVATE_CA, "its certificate is of no public authority"
    if not (facts.is_local or facts.is_encrypted):
        yield NOT_ENCRYPTED, "it is on another machine and the connection is not encrypted"
    if facts.ping_secs is not None and facts.ping_secs > _SLOW_SECS:
        yield SLOW, f"it takes {facts.ping_secs * 1000:.0f} ms to answer (median)"


def _place(facts: ServerFacts) -> _Found:
    if facts.role is not None and facts.role != "master":
        yield REPLICA, f"its role is {facts.role}, not master"
    if facts.is_cluster:
        yield CLUSTER, "it is a node of a cluster"
    if facts.version is not None and _parsed(facts.version) < _OLDEST:
        yield VERSION, f"it speaks Redis {facts.version}"


def _parsed(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    if not all(part.isdecimal() and len(part) < len("10000") for part in parts):
        return _OLDEST  # Nothing can be said of it
    return tuple(map(int, parts))


def _writing(facts: ServerFacts) -> _Found:
    if facts.denied:
        yield NOT_PERMITTED, f"this user may not use {', '.join(facts.denied)}"
    word = (facts.refusal or "").partition(" ")[0]
    if word == "OOM" or (not word and _is_full(facts)):
        yield MEMORY_FULL, f"{_share(facts)}, and it refuses to write"
    elif word == "READONLY":
        if facts.role in (None, "master"):
            yield REPLICA, f"it refuses to write: {facts.refusal}"
    elif facts.refusal is not None:
        yield REFUSES_WRITES, f"it refuses to write: {facts.refusal}"
    elif facts.is_aof_failed and facts.is_aof:
        yield REFUSES_WRITES, "its last write to the append-only file failed"
    elif facts.is_save_failed and facts.is_refusing_after_failed_save and facts.save_points:
        yield REFUSES_WRITES, "its last snapshot failed, and stop-writes-on-bgsave-error is set"


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
        yield EVICTING, f"its maxmemory-policy is {policy}, and maxmemory is set"
    elif policy is not None and policy != "noeviction":
        why = "maxmemory is 0" if not facts.maxmemory else "the keys of a node never expire"
        yield EVICTION_POLICY, f"its maxmemory-policy is {policy}; {why}"
    if facts.evicted_keys and not (policy or "").startswith("volatile"):
        yield KEYS_EVICTED, f"it has evicted {facts.evicted_keys:,} keys since it started"
    is_full = (facts.refusal or "").startswith("OOM") or _is_full(facts)
    if facts.maxmemory and facts.used_memory is not None and not is_full:
        if facts.used_memory > _MEMORY_SHARE * facts.maxmemory and not _is_evicting(facts):
            yield MEMORY_SHORT, _share(facts)


def _persistence(facts: ServerFacts) -> _Found:
    if facts.is_save_failed and facts.save_points != "":
        yield SAVE_FAILED, "its last snapshot failed"
    if facts.is_aof:
        if facts.appendfsync == "everysec":
            yield LOSS_WINDOW, "appendfsync is everysec: about a second can be lost"
        elif facts.appendfsync == "no":
            yield LOSS_WINDOW, "appendfsync is no: about half a minute can be lost"
    elif facts.is_aof is False and facts.save_points == "":
        yield NOT_PERSISTENT, "it writes neither an append-only file nor snapshots"
    elif facts.is_aof is False and facts.save_points:
        changes, secs = facts.unsaved_changes, facts.saved_secs_ago
        yield (
            SNAPSHOTS_ONLY,
            "it writes snapshots only"
            if changes is None or secs is None
            else f"it writes snapshots only: {changes:,} changes of {_time(secs)} are not saved",
        )


def _time(secs: float) -> str:
    return f"{secs:,.0f} s" if secs < 120 else f"{secs / 60:,.0f} min"  # noqa: PLR2004


def _replication(facts: ServerFacts) -> _Found:
    for replica in facts.replicas:
        lag, behind = replica.lag_secs or 0, replica.behind_bytes or 0
        if replica.state != "online":
            yield REPLICA_LAG, f"a replica is in the state {replica.state or 'unknown'}"
        elif lag > _LAG_SECS or behind > _LAG_BYTES:
            yield REPLICA_LAG, f"a replica is {lag} s and {behind:,} bytes behind"


def _trader(facts: ServerFacts) -> _Found:
    if facts.is_heartbeat_damaged:
        yield HEARTBEAT_DAMAGED, "the heartbeat of this trader cannot be read"
    if facts.has_keys is not False:
        return
    if facts.elsewhere:
        yield (
            KEYS_ELSEWHERE,
            f"nothing of this trader as configured, but of it under {', '.join(facts.elsewhere)}",
        )
    else:
        held = "" if facts.key_count is None else f" (it holds {facts.key_count:,} keys in all)"
        yield KEYS_ABSENT, f"nothing of this trader is stored{held}"


def _live(facts: ServerFacts, heartbeat_secs: float) -> _Found:
    beat = facts.heartbeat
    if beat is None or beat.is_stopped or not facts.clocks:
        return
    ages = [(now - beat.ts) / 1_000_000_000 for now in facts.clocks]
    age = min(ages)
    if age > _BEATS * heartbeat_secs:
        return  # Old by each clock
    if max(ages) < -_BEATS * heartbeat_secs:
        yield LIVE_NODE, f"a heartbeat lies {_time(-max(ages))} ahead: the clocks differ"
    else:
        yield LIVE_NODE, f"its heartbeat is {_time(max(0.0, age))} old"
