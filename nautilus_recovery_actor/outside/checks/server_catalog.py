"""
What can be found at a Redis server: each finding with its severity, its consequence and its remedy.
"""

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Rule


# NautilusTrader keeps retrying, and says nothing
_NO_STATE = "The node hangs on startup or exits: it cannot reach its state."
_LOST = "Orders and positions can be missing at the next start, and with them their owners."


def _rule(code: str, severity: Severity, consequence: str, remedy: str) -> Rule:
    return Rule(code=code, severity=severity, consequence=consequence, remedy=remedy)


URL_INVALID = _rule(
    "REDIS_URL_INVALID",
    Severity.BLOCK,
    _NO_STATE,
    "Set host and port of the DatabaseConfig; a username needs a password, and characters that "
    "are special in a URL must be percent-encoded in both.",
)
UNREACHABLE = _rule(
    "REDIS_UNREACHABLE",
    Severity.BLOCK,
    _NO_STATE,
    "Start the server, or fix host, port and ssl of the DatabaseConfig.",
)
TLS_FAILED = _rule(
    "REDIS_TLS_FAILED",
    Severity.BLOCK,
    _NO_STATE,
    "Give the server a valid certificate from a public authority for this host name, or fix host "
    "and ssl of the DatabaseConfig.",
)
TLS_PRIVATE_CA = _rule(
    "REDIS_TLS_PRIVATE_CA",
    Severity.BLOCK,
    "The node cannot connect: NautilusTrader only accepts certificates from public authorities, "
    "whatever the system or SSL_CERT_FILE trusts.",
    "Use a certificate from a public authority, or a local TLS tunnel (such as stunnel) that the "
    "node connects to without ssl.",
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
    "The node would start before its state is loaded.",
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
    "The node cannot start, or loses what it stores with only a line in its log.",
    "Allow the user these commands on the keys of this trader (ACL SETUSER).",
)
COMMANDS_NOT_PERMITTED = _rule(
    "COMMANDS_NOT_PERMITTED",
    Severity.WARN,
    "The monitor hears no command: release, resume, verify and repair do not reach the node.",
    "Allow the user these commands on the keys of this trader (ACL SETUSER).",
)
REPLICA = _rule(
    "REDIS_REPLICA",
    Severity.BLOCK,
    "What the node writes is refused, or lost at the next synchronization.",
    "Point the DatabaseConfig at the primary.",
)
CLUSTER = _rule(
    "REDIS_CLUSTER",
    Severity.BLOCK,
    "NautilusTrader does not support clusters: it finds and stores only some of its keys.",
    "Use a server that is not part of a cluster.",
)
REFUSES_WRITES = _rule(
    "REDIS_REFUSES_WRITES",
    Severity.BLOCK,
    "Nothing that the node does is stored.",
    "Fix what the server complains about; see its log.",
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
    "Set maxmemory-policy to noeviction, with CONFIG SET and in the configuration file.",
)
KEYS_EVICTED = _rule(
    "REDIS_KEYS_EVICTED",
    Severity.BLOCK,
    _LOST,
    "Set maxmemory-policy to noeviction, check with `nautilus-recovery inspect` what is left, then "
    "run CONFIG RESETSTAT.",
)
LIVE_NODE = _rule(
    "ANOTHER_LIVE_NODE",
    Severity.BLOCK,
    "Two nodes of one trader overwrite each other's state and resend each other's orders.",
    "Stop the other node first. If it has just crashed, wait until its heartbeat expires.",
)
SLOW = _rule(
    "REDIS_SLOW",
    Severity.WARN,
    "The start is slow, and a crash loses more, because writes are delayed.",
    "Run the server closer to the node, and check its slow log.",
)
NOT_ENCRYPTED = _rule(
    "REDIS_NOT_ENCRYPTED",
    Severity.WARN,
    "Anyone on the network path can read the password, and read and change stored state.",
    "Set ssl=True, or use an encrypted tunnel or a private network.",
)
EVICTION_POLICY = _rule(
    "REDIS_EVICTION_POLICY",
    Severity.WARN,
    "No keys of the node are evicted now, but one more setting would change that.",
    "Set maxmemory-policy to noeviction, with CONFIG SET and in the configuration file.",
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
    "Everything is lost when the server stops.",
    "Set appendonly to yes, with appendfsync everysec or always.",
)
SNAPSHOTS_ONLY = _rule(
    "REDIS_SNAPSHOTS_ONLY",
    Severity.WARN,
    "Everything since the last snapshot is lost when the server crashes.",
    "Set appendonly to yes, with appendfsync everysec or always.",
)
SAVE_FAILED = _rule(
    "REDIS_SAVE_FAILED",
    Severity.WARN,
    "Everything since the last good snapshot is lost when the server stops.",
    "Check the server's log: the disk may be full, or its directory not writable.",
)
REPLICA_LAG = _rule(
    "REDIS_REPLICA_LAG",
    Severity.WARN,
    "Whatever has not reached the replica is lost if it takes over.",
    "Check the network and the load of the replica.",
)
VERSION = _rule(
    "REDIS_VERSION",
    Severity.WARN,
    "NautilusTrader requires Redis 6.2 or later: its streams may fail.",
    "Upgrade the server.",
)
HEARTBEAT_DAMAGED = _rule(
    "HEARTBEAT_DAMAGED",
    Severity.WARN,
    "It is unknown whether another node of this trader is running.",
    "Make sure that no other node of this trader is running; the next start replaces the entry.",
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
    "The node starts empty: fine for a first start, otherwise the server or trader is wrong.",
    "If this trader has run before, check its trader_id, and host and port of the DatabaseConfig.",
)
LOSS_WINDOW = _rule(
    "REDIS_LOSS_WINDOW",
    Severity.INFO,
    "The last writes are lost when the server's machine crashes.",
    "Set appendfsync to always if that is too much.",
)
NOT_TOLD = _rule(
    "REDIS_NOT_TOLD",
    Severity.INFO,
    "Problems in these areas would go unnoticed.",
    "Let the user run INFO, CONFIG GET, TIME, SCAN and MULTI, or check them yourself.",
)

RULES = tuple(value for value in list(vars().values()) if isinstance(value, Rule))
