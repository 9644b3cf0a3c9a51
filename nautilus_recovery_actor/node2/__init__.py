"""
The host on NautilusTrader 2.0: looks, and carries out what the core decides.
"""

from nautilus_recovery_actor.host.config import RecoveryMonitorConfig
from nautilus_recovery_actor.host.messages import RecoveryComplete
from nautilus_recovery_actor.host.messages import RecoveryFailed
from nautilus_recovery_actor.host.messages import RecoveryOverridden
from nautilus_recovery_actor.host.messages import RecoveryStarted
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.node2.preset import with_recovery
from nautilus_recovery_actor.node2.runner import add_recovery_monitor
from nautilus_recovery_actor.node2.runner import run_node
from nautilus_recovery_actor.node2.strategy import RecoverableStrategy


__all__ = [
    "OperatorCommand",
    "RecoverableStrategy",
    "RecoveryComplete",
    "RecoveryFailed",
    "RecoveryMonitorConfig",
    "RecoveryOverridden",
    "RecoveryStarted",
    "add_recovery_monitor",
    "run_node",
    "with_recovery",
]
