"""
Proof that a NautilusTrader node has recovered, before any of its strategies trades.
"""

from importlib.util import find_spec as _find_spec
from typing import Any as _Any

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core import wording as narrate
from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import FillOrigin
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.gate import RecoveryGate
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.core.report import BalanceChange
from nautilus_recovery_actor.core.report import CorrectionMade
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import EndedOrder
from nautilus_recovery_actor.core.report import FillEffect
from nautilus_recovery_actor.core.report import LostOrder
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.core.report import PositionChange
from nautilus_recovery_actor.core.report import PositionRecovery
from nautilus_recovery_actor.core.report import ReconciledFill
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.report import RepairStep
from nautilus_recovery_actor.core.report import StrategyRecovery
from nautilus_recovery_actor.host.needs import BarsNeeded
from nautilus_recovery_actor.host.needs import TicksNeeded
from nautilus_recovery_actor.outside.store.two.proven import VERSIONS as _VERSIONS_OF_2


__version__ = "0.1.0"


def _has(module: str) -> bool:
    try:
        return _find_spec(module) is not None
    except ModuleNotFoundError:  # What it would be in is not there either
        return False


# Imported eagerly: a message bus streams the message types that were registered when it was made.
# Without a NautilusTrader that has these modules the names of the core are all there is.
if _has("nautilus_trader.common.actor"):
    from nautilus_recovery_actor.link.command import OperatorCommand
    from nautilus_recovery_actor.node.config import RecoverableStrategyConfig
    from nautilus_recovery_actor.node.config import RecoveryMonitorConfig
    from nautilus_recovery_actor.node.halt import halt_until_recovered
    from nautilus_recovery_actor.node.messages import RecoveryComplete
    from nautilus_recovery_actor.node.messages import RecoveryFailed
    from nautilus_recovery_actor.node.messages import RecoveryOverridden
    from nautilus_recovery_actor.node.messages import RecoveryStarted
    from nautilus_recovery_actor.node.monitor.actor import RecoveryMonitorActor
    from nautilus_recovery_actor.node.presets import recovery_cache_config
    from nautilus_recovery_actor.node.presets import recovery_exec_engine_config
    from nautilus_recovery_actor.node.strategy.exits import ClosingOrder
    from nautilus_recovery_actor.node.strategy.strategy import RecoverableStrategy
    from nautilus_recovery_actor.outside.checks.findings import Finding
    from nautilus_recovery_actor.outside.checks.findings import PreflightReport
    from nautilus_recovery_actor.outside.checks.preflight import preflight
    from nautilus_recovery_actor.supervised.run import run_supervised
elif _has("nautilus_trader.live"):
    from nautilus_recovery_actor import node2 as _node2

    globals().update({name: getattr(_node2, name) for name in _node2.__all__})
    from nautilus_recovery_actor.supervised.run import run_supervised


def __getattr__(name: str) -> _Any:
    if name in _names_of_1:
        version = " 1.x" if _has("nautilus_trader") else ""
        pin = "'nautilus_trader<2'" if version else "nautilus_trader"
    elif name in _NAMES_OF_2:
        version, pin = " 2.0", f"'nautilus_trader=={_VERSIONS_OF_2[-1]}'"
    else:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    raise ImportError(
        f"{__name__}.{name} requires NautilusTrader{version}: pip install {pin}",
        name="nautilus_trader",
    )


__all__ = [
    "AccountRecovery",
    "BalanceChange",
    "BarsNeeded",
    "ClosingOrder",
    "Correction",
    "CorrectionMade",
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
    "RepairStep",
    "Severity",
    "StrategyRecovery",
    "TicksNeeded",
    "halt_until_recovered",
    "narrate",
    "preflight",
    "recovery_cache_config",
    "recovery_exec_engine_config",
    "run_supervised",
    "signals",
]
_names_of_1 = frozenset(__all__)
_NAMES_OF_2 = frozenset({"add_recovery_monitor", "run_node", "with_recovery"})
if "RecoveryMonitorActor" not in globals():  # Those of the host that is there, and of the core
    __all__[:] = sorted(name for name in globals() if name in _names_of_1)
    if "_node2" in globals():
        __all__[:] = sorted({*__all__, *_node2.__all__})
