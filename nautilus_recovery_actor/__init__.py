"""
Proof that a NautilusTrader node has recovered, before any of its strategies trades.
"""

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.actor import RecoveryMonitorActor
from nautilus_recovery_actor.closing import ClosingOrder
from nautilus_recovery_actor.commands import OperatorCommand
from nautilus_recovery_actor.config import RecoverableStrategyConfig
from nautilus_recovery_actor.config import RecoveryMonitorConfig
from nautilus_recovery_actor.enums import DiscrepancyKind
from nautilus_recovery_actor.enums import FailureReason
from nautilus_recovery_actor.enums import FillOrigin
from nautilus_recovery_actor.enums import RecoveryOutcome
from nautilus_recovery_actor.enums import RecoveryPhase
from nautilus_recovery_actor.enums import Severity
from nautilus_recovery_actor.findings import Finding
from nautilus_recovery_actor.findings import PreflightReport
from nautilus_recovery_actor.gate import RecoveryGate
from nautilus_recovery_actor.halt import halt_until_recovered
from nautilus_recovery_actor.messages import RecoveryComplete
from nautilus_recovery_actor.messages import RecoveryFailed
from nautilus_recovery_actor.messages import RecoveryOverridden
from nautilus_recovery_actor.messages import RecoveryStarted
from nautilus_recovery_actor.needs import BarsNeeded
from nautilus_recovery_actor.needs import TicksNeeded
from nautilus_recovery_actor.preflight import preflight
from nautilus_recovery_actor.presets import recovery_cache_config
from nautilus_recovery_actor.presets import recovery_exec_engine_config
from nautilus_recovery_actor.report import AccountRecovery
from nautilus_recovery_actor.report import BalanceChange
from nautilus_recovery_actor.report import Discrepancy
from nautilus_recovery_actor.report import EndedOrder
from nautilus_recovery_actor.report import FillEffect
from nautilus_recovery_actor.report import LostOrder
from nautilus_recovery_actor.report import Override
from nautilus_recovery_actor.report import PositionChange
from nautilus_recovery_actor.report import PositionRecovery
from nautilus_recovery_actor.report import ReconciledFill
from nautilus_recovery_actor.report import RecoveryReport
from nautilus_recovery_actor.report import StrategyRecovery
from nautilus_recovery_actor.strategy import RecoverableStrategy


__all__ = [
    "AccountRecovery",
    "BalanceChange",
    "BarsNeeded",
    "ClosingOrder",
    "Discrepancy",
    "DiscrepancyKind",
    "EndedOrder",
    "FailureReason",
    "FillEffect",
    "FillOrigin",
    "Finding",
    "LostOrder",
    "OperatorCommand",
    "Override",
    "PositionChange",
    "PositionRecovery",
    "PreflightReport",
    "ReconciledFill",
    "RecoverableStrategy",
    "RecoverableStrategyConfig",
    "RecoveryComplete",
    "RecoveryFailed",
    "RecoveryGate",
    "RecoveryMonitorActor",
    "RecoveryMonitorConfig",
    "RecoveryOutcome",
    "RecoveryOverridden",
    "RecoveryPhase",
    "RecoveryReport",
    "RecoveryStarted",
    "Severity",
    "StrategyRecovery",
    "TicksNeeded",
    "halt_until_recovered",
    "preflight",
    "recovery_cache_config",
    "recovery_exec_engine_config",
    "signals",
]
