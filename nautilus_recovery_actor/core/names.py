"""
The names by which processes and components find each other, each in this one place.
"""

# -- CACHE KEYS: in Redis below `general_key` --

EPOCH_KEY = "recovery:epoch"
HEARTBEAT_KEY = "recovery:heartbeat"
LOST_KEY = "recovery:lost"
REPORTING_KEY = "recovery:reporting"
HISTORY_KEY = "recovery:history:{slot}"
CHECKPOINT_KEY = "recovery:checkpoint:{strategy_id}:{slot}"
DAMAGED_CHECKPOINT_KEY = "recovery:checkpoint:{strategy_id}:{slot}:damaged"
# Which checkpoint is held for it may be older than what its strategy wrote last
STALE_CHECKPOINT_KEY = "recovery:checkpoint:{strategy_id}:stale"
# Written by nobody: with what rights it could be is what a check asks the server
PREFLIGHT_KEY = "recovery:preflight"


# -- KEPT ASIDE: in Redis below the prefix of the trader, where no node looks --

# What `forget` took from the cache at one time, and below it each entry, as it was
FORGOTTEN = "forgotten:{id}"
FORGOTTEN_ENTRY = "forgotten:{id}:{slot}"

# -- BESIDE THE CACHE: in Redis below the prefix of the trader, whatever the instance --

# Who runs the trader (a hash that runs out), and how often that changed, with the newest epoch and
# the count of heartbeats (one that does not)
LEASE = "recovery:lease"
FENCE = "recovery:fence"
# Which connection wrote last what must be stored, and how often it had by then (a hash)
WRITTEN = "recovery:written"
# Operators' commands to the node that holds the lease, by its token, what wakes it up for them, and
# what takes the place of the token for a node that runs without a lease
COMMANDS = "recovery:commands:{token}"
COMMANDS_BELL = "recovery:commands:{token}:bell"
UNLEASED = "unleased"
# Which process listens that runs without a lease (it runs out)
LISTENER = "recovery:listener"
# The answer to one command
ANSWER = "recovery:answers:{command_id}"

# -- SHARED BY SEVERAL `serve`: in the Redis that is given to them for that, and nowhere else --

# What one incident is, and to which targets it was told (a hash), and all that are ongoing (a set)
SERVE_INCIDENT = "nautilus-recovery:serve:incident:{kind}:{server}:{trader_id}"
SERVE_ONGOING = "nautilus-recovery:serve:ongoing"

# NautilusTrader's own: what stands before the trader ID in each key, if so configured
TRADER_PREFIX = "trader-"


def general_key(key: str) -> str:
    """Return where NautilusTrader keeps the cache's `key`, below the prefix of the trader."""
    return f"general:{key}"


# -- MESSAGE BUS ENDPOINTS --

# Who sends a callable here is called at once with the newest message of the monitor, and then with
# the newest `RecoveryOverridden` of its epoch if there is one
ASK_ENDPOINT = "RecoveryMonitor.ask"
# Gates join with their handler, and leave with it. The guard of a node is served before the others
JOIN_ENDPOINT = "RecoveryMonitor.join"
JOIN_FIRST_ENDPOINT = "RecoveryMonitor.join_first"
LEAVE_ENDPOINT = "RecoveryMonitor.leave"
# Who sends a callable here is called at once with the newest evidence of what the accounts hold
EVIDENCE_ENDPOINT = "RecoveryMonitor.evidence"
# Who sends a callable here is called at once with what returns whether the lease is over
LEASE_ENDPOINT = "RecoveryMonitor.lease"
# Who sends a callable here is called at once with what writes to the server, and says when it has
WRITES_ENDPOINT = "RecoveryMonitor.writes"
# Lost orders are sent here by the strategy that has taken them
TAKEN_ENDPOINT = "RecoveryMonitor.taken"
# The gates of a recoverable strategy and of `halt_until_recovered`, which marks a node that has it.
# A monitor that is registered later calls there, and they join
GATE_ENDPOINT = "RecoveryGate.{strategy_id}"
GUARD_ENDPOINT = "RecoveryHalt.guard"
# An `OperatorCommand` sent here, from inside the node, is obeyed at once
COMMAND_ENDPOINT = "RecoveryMonitor.command"
# NautilusTrader's own
DATA_ENGINE_REQUEST = "DataEngine.request"
EXEC_ENGINE_EXECUTE = "ExecEngine.execute"
EXEC_ENGINE_PROCESS = "ExecEngine.process"
ACCOUNT_EVENTS = "events.account."
EXEC_ENGINE_RECONCILE = "ExecEngine.reconcile_execution_mass_status"
EXEC_ENGINE_RECONCILE_ONE = "ExecEngine.reconcile_execution_report"
EMULATOR_EXECUTE = "OrderEmulator.execute"
RISK_ENGINE_EXECUTE = "RiskEngine.execute"

# How each reason begins that a gate gives for an answer
DENIED = "RECOVERY_"

# -- TOPICS AND STREAMS --

HISTORICAL_BARS = "historical.data.bars."
HISTORICAL = "historical."
ORDER_EVENTS = "events.order."
POSITION_EVENTS = "events.position."
EXECUTION_REPORTS = "reports.execution."
RISK_EVENTS = "events.risk"
SHUTDOWN = "commands.system.shutdown"


def data_topic(type_name: str) -> str:
    """Return the topic of custom data without metadata, whose end is a literal asterisk."""
    return f"data.{type_name}*"


def is_gate(endpoint: str) -> bool:
    """Return whether a gate can be called there."""
    return endpoint == GUARD_ENDPOINT or endpoint.startswith(GATE_ENDPOINT.format(strategy_id=""))


def streamed_topic(type_name: str) -> str:
    """Return the topic of a message that the bus would not stream by itself."""
    return f"recovery.{type_name}"
