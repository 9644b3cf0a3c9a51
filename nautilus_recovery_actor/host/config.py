"""
The configuration of the monitor on a host without an event loop.
"""

from decimal import Decimal
from typing import Any
from typing import Literal

import msgspec

from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.host.severities import parse_severities


class RecoveryMonitorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Configuration for `add_recovery_monitor` on NautilusTrader 2.0.

    Parameters
    ----------
    database : RedisCacheConfig
        The server of the node's cache and of its message bus, as `with_recovery` sets them.

    The others are those of `RecoveryMonitorConfig` on NautilusTrader 1.x. What needs a question to
    a venue is not there: 2.0 lets nobody ask one.

    Raises
    ------
    ValueError
        If a value is out of range, or for `halt_until_recovered`: nothing in Python can halt a node
        of 2.0, whose trading state cannot be set, nor see the orders of other strategies.

    """

    database: Any
    startup_timeout_secs: float = 120.0
    settle_ms: int = 250
    verify_timeout_secs: float = 10.0
    accounts: list[str] | None = None
    severities: dict[str, str] = {}
    on_failure: Literal["hold", "shutdown"] = "hold"
    max_report_fills: int = 1000
    reopen_on_mass_status: bool = True
    allow_unreconciled: bool = False
    shadow: bool = False
    heartbeat_secs: float = 5.0
    history_size: int = 100
    lease: bool = True
    avg_px_tolerance: float = 0.001
    storm_epochs: int = 6
    storm_mins: float = 5.0
    # Refused: it is here so that who asks for it reads why
    halt_until_recovered: bool = False

    def __post_init__(self) -> None:
        if self.halt_until_recovered:
            raise ValueError(
                "`halt_until_recovered=True` cannot be kept on NautilusTrader 2.0: nothing in "
                "Python can halt a node, or see what others send. Derive each strategy from "
                "RecoverableStrategy"
            )
        numbers = ("startup_timeout_secs", "verify_timeout_secs", "heartbeat_secs", "storm_mins")
        for name in (*numbers, "history_size"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive, was {getattr(self, name)}")
        parse_severities(self.severities)

    def rules(self) -> Rules:
        """
        Return what the core has to know of this configuration.
        """
        return Rules(
            timing=Timing(
                startup=int(self.startup_timeout_secs * 1e9),
                settle=self.settle_ms * 1_000_000,
                verify=int(self.verify_timeout_secs * 1e9),
                storm_epochs=self.storm_epochs,
                storm_window=int(self.storm_mins * 60e9),
            ),
            policy=Policy(
                severities=parse_severities(self.severities),
                allow_unreconciled=self.allow_unreconciled,
                max_report_fills=self.max_report_fills,
                shadow=self.shadow,
                avg_px_tolerance=Decimal(str(self.avg_px_tolerance)),
            ),
            accounts=None if self.accounts is None else frozenset(self.accounts),
            reopens_on_mass_status=self.reopen_on_mass_status,
            shuts_down=self.on_failure == "shutdown" and not self.shadow,
        )
