"""
The configuration of the monitor and of the strategies (long: public docstrings).
"""

import math
from typing import Literal

from msgspec.structs import replace
from nautilus_trader.config import ActorConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig

from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.proving import Pace
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.host.config import check
from nautilus_recovery_actor.host.config import check_not_negative
from nautilus_recovery_actor.host.config import check_positive
from nautilus_recovery_actor.host.config import rules
from nautilus_recovery_actor.node.evidence.questions import Limits


class RecoveryMonitorConfig(ActorConfig, frozen=True, forbid_unknown_fields=True):
    """
    Configuration for `RecoveryMonitorActor` instances.

    Parameters
    ----------
    startup_timeout_secs : float, default 120.0
        The seconds from the kernel's start to the failure of a trader that has not started.
        NautilusTrader's own `timeout_reconciliation` is not enforced. Reconciliation blocks the
        event loop, so allow for what it takes: about a minute for 10,000 orders that the cache does
        not have yet. The questions to the venues at the start count too (`query_timeout_secs`).
    settle_ms : int, default 250
        The milliseconds without any reconciliation event that must pass before the judgment.
    verify_timeout_secs : float, default 10.0
        The seconds from the trader's start, `settle_ms` aside, in which the events must settle, and
        for which a difference that blocks is checked again before it is reported. An epoch does not
        end while a venue is being asked.
    accounts : list[str], optional
        The accounts that must report. If ``None`` then those in the cache: list them if the cache
        still holds an account that this node no longer trades.
    severities : dict[str, str], default {}
        Overrides of the severity (``INFO``, ``WARN`` or ``BLOCK``) by `DiscrepancyKind`. A
        ``STALE_CACHE`` blocks nothing: it is of no instrument.
    on_failure : {"hold", "shutdown"}, default "hold"
        What happens on a `RecoveryFailed`: the node stays up with every gate closed, or it stops.
    max_report_fills : int, default 1000
        The maximum number of fills in a report, the newest. All fills are counted.
    reopen_on_mass_status : bool, default True
        If a mass status at run time (after a reconnect) opens a new epoch, from the moment the
        client asks for it, and so does an execution client that disconnects.
    reopen_on_synthetic_fill : bool, default True
        If a fill at run time that the engine made up opens a new epoch, and so does one that
        arrives late where the engine had guessed.
    allow_unreconciled : bool, default False
        If accounts that sent no mass status may trade. Nothing is proven about them then.
    shadow : bool, default False
        If everything is observed, published and logged, and nothing is blocked, corrected or moved.
    heartbeat_secs : float, default 5.0
        The seconds between two heartbeats in the cache.
    history_size : int, default 100
        The number of reports kept in the cache.
    corrections : "all", "none" or tuple[str, ...], default "all"
        Which corrections of what venues report are made before the engine sees it: all, none, or
        those named (see `Correction`). With ``none`` or `shadow`, nothing is moved between
        positions without a word either.
    repair : {"off", "ask", "auto"}, default "ask"
        What is done where cache and venue still differ and two agreeing answers of the venue say
        how it is: a plan that waits for `nautilus-recovery repair` (``ask``), one that is carried
        out at once (``auto``), or nothing (``off``). Nothing is repaired in `shadow`.
    query_timeout_secs : float, default 20.0
        The seconds that one question to a venue may take.
    query_retries : int, default 3
        How often a question is asked again that raises, is not answered in time, or whose answer
        leaves out what was just held; and how often the venues are asked again in an epoch if their
        answers do not agree.
    lease : bool, default True
        If the trader may only be run by one node at a time, which holds a lease in Redis. Without a
        database there is none.
    database : DatabaseConfig, optional
        The server of the monitor's own connection: for the lease, for checkpoints and for the
        commands of operators. If ``None`` then that of the node's cache, where it has one.
    prove_interval_secs : float, optional
        The seconds between two proofs while the trader runs: the venues are asked whether they hold
        what the cache holds. If ``None`` then they are asked by no interval. Default 60.0.
    avg_px_tolerance : float, default 0.001
        By how much average open prices may differ, as a fraction of the venue's.
    storm_epochs : int, default 6
        How many epochs may open at run time within `storm_mins`. One more ends in a
        `RecoveryFailed`, and trading stays disabled until an operator resumes it: with 0 the first
        does. Epochs that an operator opens are not counted.
    storm_mins : float, default 5.0
        The minutes in which those epochs are counted.

    Raises
    ------
    ValueError
        If a value is out of its range, or a severity is for an unknown kind.

    """

    startup_timeout_secs: float = 120.0
    settle_ms: int = 250
    verify_timeout_secs: float = 10.0
    accounts: list[str] | None = None
    severities: dict[str, str] = {}
    on_failure: Literal["hold", "shutdown"] = "hold"
    max_report_fills: int = 1000
    reopen_on_mass_status: bool = True
    reopen_on_synthetic_fill: bool = True
    allow_unreconciled: bool = False
    shadow: bool = False
    heartbeat_secs: float = 5.0
    history_size: int = 100
    corrections: Literal["all", "none"] | tuple[str, ...] = "all"
    repair: Literal["off", "ask", "auto"] = "ask"
    query_timeout_secs: float = 20.0
    query_retries: int = 3
    prove_interval_secs: float | None = 60.0
    lease: bool = True
    database: DatabaseConfig | None = None
    avg_px_tolerance: float = 0.001
    storm_epochs: int = 6
    storm_mins: float = 5.0

    def __post_init__(self) -> None:
        check(self)
        check_positive(self, "query_timeout_secs", "seconds")
        check_not_negative(self, "query_retries")
        if self.prove_interval_secs is not None and not 0 < self.prove_interval_secs < math.inf:
            raise ValueError(
                "`prove_interval_secs` must be a positive number of seconds or None, "
                f"was {self.prove_interval_secs}"
            )
        if self.repair not in ("off", "ask", "auto"):
            raise ValueError(f"`repair` must be 'off', 'ask' or 'auto', was '{self.repair}'")
        self.corrected()

    def corrected(self) -> frozenset[Correction]:
        """
        Return the corrections that are made.
        """
        if self.shadow or self.corrections == "none":
            return frozenset()
        if self.corrections == "all":
            return frozenset(Correction)
        if isinstance(self.corrections, str) or not set(self.corrections) <= set(Correction):
            raise ValueError(
                f"`corrections` must be 'all', 'none' or names of {', '.join(Correction)}, "
                f"was {self.corrections!r}"
            )
        return frozenset(map(Correction, self.corrections))

    def limits(self) -> Limits:
        """
        Return how long a question to a venue may take, and how often it is asked again.
        """
        return Limits(self.query_timeout_secs, self.query_retries)

    def rules(self) -> Rules:
        """
        Return what the core has to know of this configuration.
        """
        common = rules(self)
        once = int(self.query_timeout_secs * 1e9)
        patience = once * 10 * (self.query_retries + 1)
        return replace(
            common,
            timing=replace(
                common.timing,
                asks=max(self.query_retries + 1, 2),  # One answer alone proves nothing
                # For a client that never comes back to its answers: each question ends before
                answer=patience,
            ),
            policy=replace(
                common.policy,
                plans=self.repair != "off" and not self.shadow,
                repairs=bool(self.corrected()) and self.repair != "off",
            ),
            reopens_on_synthetic_fill=self.reopen_on_synthetic_fill,
            is_repairing=self.repair == "auto" and not self.shadow,
            pace=Pace(
                interval=None
                if self.prove_interval_secs is None
                else int(self.prove_interval_secs * 1e9),
                limit=once * (self.query_retries + 1),
                patience=patience,
            ),
        )


class RecoverableStrategyConfig(
    StrategyConfig,
    kw_only=True,  # Those of a subclass may be required
    frozen=True,
    forbid_unknown_fields=True,
):
    """
    Configuration for `RecoverableStrategy` instances: a `StrategyConfig` that refuses unknown
    fields. A plain `StrategyConfig` works too, with the defaults of these fields.

    Parameters
    ----------
    checkpoint_secs : float, optional
        The seconds between two checkpoints of what `on_save` returns. If ``None`` then they are
        made at a clean stop and when the strategy calls `checkpoint()`. Default 5.0.
    checkpoint_timeout_secs : float, default 1.0
        How long what is submitted after `checkpoint()` may wait until that is stored. Then what can
        only reduce a position is sent all the same, and the rest is denied until one is stored.
    max_checkpoint_bytes : int, default 1_000_000
        The maximum size of a checkpoint. A larger one is logged as an error, and the last one is
        kept.
    on_bad_checkpoint : {"start", "hold"}, default "hold"
        What happens if a checkpoint cannot be read: the strategy starts without it (with the one
        before, if that can be read), or its gate stays closed. And if one may be old, because Redis
        lost writes: the strategy starts with it, or its gate stays closed.
    warmup_timeout_secs : float, default 30.0
        How long an answer to a request for warm-up data may take until the gate reports it. One
        that comes later still counts.
    warmup_retry_secs : float, default 10.0
        How long after an unusable answer, or none, the data is requested again.

    Raises
    ------
    ValueError
        If a value is out of its range.

    """

    checkpoint_secs: float | None = 5.0
    checkpoint_timeout_secs: float = 1.0
    max_checkpoint_bytes: int = 1_000_000
    on_bad_checkpoint: Literal["start", "hold"] = "hold"
    warmup_timeout_secs: float = 30.0
    warmup_retry_secs: float = 10.0

    def __post_init__(self) -> None:
        for name in (
            "checkpoint_secs",
            "checkpoint_timeout_secs",
            "warmup_timeout_secs",
            "warmup_retry_secs",
        ):
            value = getattr(self, name)
            is_unset = value is None and name == "checkpoint_secs"
            if not is_unset and not 0 < value < math.inf:
                or_none = " or None" if name == "checkpoint_secs" else ""
                raise ValueError(
                    f"`{name}` must be a positive number of seconds{or_none}, was {value}"
                )
        if self.max_checkpoint_bytes <= 0:
            raise ValueError(
                f"`max_checkpoint_bytes` must be positive, was {self.max_checkpoint_bytes}"
            )
        if self.on_bad_checkpoint not in ("start", "hold"):
            raise ValueError(
                f"`on_bad_checkpoint` must be 'start' or 'hold', was '{self.on_bad_checkpoint}'"
            )


def strategy_settings(config: StrategyConfig) -> RecoverableStrategyConfig:
    """Return a strategy's own settings, the defaults for a plain configuration."""
    return config if isinstance(config, RecoverableStrategyConfig) else RecoverableStrategyConfig()
