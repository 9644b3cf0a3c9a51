"""
What can be found at a Redis server: each finding with its severity, its consequence and its remedy.
"""

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Rule


# NautilusTrader tries again and again, and says nothing
_NO_STATE = "The node hangs in its start or ends: it cannot reach its state."
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
