"""
The configuration of a monitor: what it is on each host, and that of one without an event loop.
"""

# ruff: noqa: D102  What each field of `Settings` is says the configuration that has it

import math
from collections.abc import Mapping
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from typing import Literal
from typing import Protocol

import msgspec

from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.host.severities import parse_severities


class Settings(Protocol):
    """What is configured on each host."""

    # Read-only: a configuration is frozen
    @property
    def startup_timeout_secs(self) -> float: ...
    @property
    def settle_ms(self) -> int: ...
    @property
    def verify_timeout_secs(self) -> float: ...
    @property
    def accounts(self) -> Sequence[str] | None: ...
    @property
    def severities(self) -> Mapping[str, str]: ...
    @property
    def on_failure(self) -> Literal["hold", "shutdown"]: ...
    @property
    def max_report_fills(self) -> int: ...
    @property
    def reopen_on_mass_status(self) -> bool: ...
    @property
    def allow_unreconciled(self) -> bool: ...
    @property
    def shadow(self) -> bool: ...
    @property
    def avg_px_tolerance(self) -> float: ...
    @property
    def storm_epochs(self) -> int: ...
    @property
    def storm_mins(self) -> float: ...


def check(settings: Settings) -> None:
    """Raise `ValueError` for a value out of its range."""
    for name, unit in (
        ("startup_timeout_secs", "seconds"),
        ("verify_timeout_secs", "seconds"),
        ("heartbeat_secs", "seconds"),
        ("storm_mins", "minutes"),
    ):
        check_positive(settings, name, unit)
    if not 0 <= settings.avg_px_tolerance < math.inf:
        raise ValueError(
            "`avg_px_tolerance` must be a fraction of the price such as 0.001, "
            f"was {settings.avg_px_tolerance}"
        )
    for name in ("settle_ms", "max_report_fills", "history_size", "storm_epochs"):
        check_not_negative(settings, name)
    if settings.accounts is not None and not settings.accounts:
        raise ValueError("`accounts` must name an account, or be None for those in the cache")
    if settings.on_failure not in ("hold", "shutdown"):
        raise ValueError(f"`on_failure` must be 'hold' or 'shutdown', was '{settings.on_failure}'")
    parse_severities(settings.severities)


def check_positive(settings: object, name: str, unit: str) -> None:
    """Raise `ValueError` if a value is not a positive number."""
    value = getattr(settings, name)
    if not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number of {unit}, was {value}")


def check_not_negative(settings: object, name: str) -> None:
    """Raise `ValueError` if a value is negative."""
    value = getattr(settings, name)
    if value < 0:
        raise ValueError(f"`{name}` must not be negative, was {value}")


def rules(settings: Settings) -> Rules:
    """Return what the core has to know of a configuration, if no venue can be asked."""
    return Rules(
        timing=Timing(
            startup=int(settings.startup_timeout_secs * 1e9),
            settle=settings.settle_ms * 1_000_000,
            verify=int(settings.verify_timeout_secs * 1e9),
            storm_epochs=settings.storm_epochs,
            storm_window=int(settings.storm_mins * 60e9),
        ),
        policy=Policy(
            severities=parse_severities(settings.severities),
            allow_unreconciled=settings.allow_unreconciled,
            max_report_fills=settings.max_report_fills,
            shadow=settings.shadow,
            avg_px_tolerance=Decimal(str(settings.avg_px_tolerance)),
        ),
        accounts=None if settings.accounts is None else frozenset(settings.accounts),
        reopens_on_mass_status=settings.reopen_on_mass_status,
        shuts_down=settings.on_failure == "shutdown" and not settings.shadow,
    )


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
        check(self)
        if not hasattr(self.database, "host"):
            raise ValueError(
                "`database` must be the RedisCacheConfig that `with_recovery` gets, "
                f"was a {type(self.database).__name__}"  # Not its text: a URL holds a password
            )
