import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import ActorConfig
from nautilus_trader.config import StrategyConfig

from nautilus_recovery_actor.core.enums import Correction
from nautilus_recovery_actor.core.enums import DiscrepancyKind
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.epoch import Timing
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.host.severities import parse_severities
from nautilus_recovery_actor.node.config import RecoverableStrategyConfig
from nautilus_recovery_actor.node.config import RecoveryMonitorConfig


def refusal(**values: Any) -> str:
    with pytest.raises(ValueError, match=r"^`") as raised:
        RecoveryMonitorConfig(**values)
    (line,) = str(raised.value).splitlines()
    return line


def test_defaults_are_the_documented_ones() -> None:
    """
    A monitor needs no configuration, and what it does then is fixed.
    """
    config = RecoveryMonitorConfig()
    assert isinstance(config, ActorConfig)
    own = {
        name: getattr(config, name)
        for name in RecoveryMonitorConfig.__struct_fields__
        if name not in ActorConfig.__struct_fields__
    }
    assert own == {
        "startup_timeout_secs": 120.0,
        "settle_ms": 250,
        "verify_timeout_secs": 10.0,
        "accounts": None,
        "severities": {},
        "on_failure": "hold",
        "max_report_fills": 1000,
        "reopen_on_mass_status": True,
        "reopen_on_synthetic_fill": True,
        "allow_unreconciled": False,
        "shadow": False,
        "heartbeat_secs": 5.0,
        "history_size": 100,
        "corrections": "all",
        "repair": "ask",
        "query_timeout_secs": 20.0,
        "query_retries": 3,
        "prove_interval_secs": 60.0,
        "lease": True,
        "database": None,
        "avg_px_tolerance": 0.001,
        "storm_epochs": 6,
        "storm_mins": 5.0,
    }


DURATIONS = {
    "startup_timeout_secs": "seconds",
    "verify_timeout_secs": "seconds",
    "heartbeat_secs": "seconds",
    "query_timeout_secs": "seconds",
    "storm_mins": "minutes",
}


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.inf, -math.inf, math.nan])
def test_duration_must_be_positive_and_finite(name: str, value: float) -> None:
    """
    Zero, negative, endless and undefined durations are refused by name.
    """
    assert refusal(**{name: value}) == (
        f"`{name}` must be a positive number of {DURATIONS[name]}, was {value}"
    )


@pytest.mark.parametrize("name", DURATIONS)
def test_small_duration_is_accepted(name: str) -> None:
    """
    Any positive duration goes.
    """
    values: dict[str, Any] = {name: 0.001}
    assert getattr(RecoveryMonitorConfig(**values), name) == 0.001


@pytest.mark.parametrize(
    "name", ["settle_ms", "max_report_fills", "history_size", "storm_epochs", "query_retries"]
)
def test_number_must_not_be_negative(name: str) -> None:
    """
    Zero is a choice, minus one is a mistake.
    """
    values: dict[str, Any] = {name: 0}
    assert getattr(RecoveryMonitorConfig(**values), name) == 0
    assert refusal(**{name: -1}) == f"`{name}` must not be negative, was -1"


@pytest.mark.parametrize("value", [-0.001, math.inf, -math.inf, math.nan])
def test_price_tolerance_is_a_part_of_the_price(value: float) -> None:
    """
    A negative, endless or undefined tolerance is refused.
    """
    assert refusal(avg_px_tolerance=value) == (
        f"`avg_px_tolerance` must be a fraction of the price such as 0.001, was {value}"
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 2.0])
def test_price_tolerance_may_be_zero_and_is_exact(value: float) -> None:
    """
    Zero asks for equal prices, and 0.1 is a tenth, not the binary number next to it.
    """
    policy = RecoveryMonitorConfig(avg_px_tolerance=value).rules().policy
    assert policy.avg_px_tolerance == Decimal(str(value))


def test_corrections_are_all_none_or_named() -> None:
    """
    A shadow corrects nothing, and a misspelt name is refused with those that exist.
    """
    assert RecoveryMonitorConfig().corrected() == set(Correction)
    assert RecoveryMonitorConfig(corrections="none").corrected() == set()
    assert RecoveryMonitorConfig(corrections=("DUPLICATE_FILL",)).corrected() == {
        Correction.DUPLICATE_FILL
    }
    assert RecoveryMonitorConfig(shadow=True).corrected() == set()
    for value in ("some", ("DUPLICATE_FILLS",)):
        assert refusal(corrections=value) == (
            "`corrections` must be 'all', 'none' or names of DUPLICATE_FILL, "
            "VENUE_ORDER_ID_CHANGED, CLIENT_ORDER_ID_CUT, CASH_POSITION_FLAT, PRICE_IS_AVERAGE, "
            f"ALREADY_APPLIED, ORDER_ASKED, was {value!r}"
        )


def test_accounts_that_must_report_are_named_or_none() -> None:
    """
    An empty list would let a node trade that nothing has been proven of.
    """
    assert RecoveryMonitorConfig(accounts=["PAPER-001"]).accounts == ["PAPER-001"]
    assert refusal(accounts=[]) == (
        "`accounts` must name an account, or be None for those in the cache"
    )


def test_what_follows_a_failure_is_one_of_two() -> None:
    """
    Both documented answers to a failure are accepted and any other is refused.
    """
    assert RecoveryMonitorConfig(on_failure="shutdown").on_failure == "shutdown"
    assert refusal(on_failure="panic") == "`on_failure` must be 'hold' or 'shutdown', was 'panic'"


def test_a_stale_cache_blocks_no_instrument() -> None:
    """
    It is of an account: a BLOCK that blocks nothing is refused.
    """
    assert refusal(severities={"STALE_CACHE": "BLOCK"}) == (
        "`severities` has 'BLOCK' for STALE_CACHE, which is of no instrument: use INFO or WARN"
    )
    assert RecoveryMonitorConfig(severities={"STALE_CACHE": "INFO"}).severities


def test_unknown_kind_is_refused_with_those_that_exist() -> None:
    """
    A misspelt kind would silently leave the default in place, so it is refused.
    """
    assert refusal(severities={"POSITION_MISMATCH": "WARN"}) == (
        "`severities` has the unknown kind 'POSITION_MISMATCH': use one of POSITION_QTY_MISMATCH, "
        "HEDGE_LEG_MISMATCH, POSITION_NOT_AT_VENUE, INSTRUMENT_NOT_LOADED, UNCLAIMED_POSITION, "
        "SPLIT_OWNERSHIP, ORDER_NOT_IN_CACHE, ORDER_NOT_AT_VENUE, ORDER_MISMATCH, INFLIGHT_ORDER, "
        "NO_MASS_STATUS, UNPROVEN_REPORT, AVG_PX_MISMATCH, "
        "UNPROTECTED_POSITION, ORPHAN_EXIT, ABSENT_STRATEGY, STALE_CACHE"
    )


@pytest.mark.parametrize("severity", ["ERROR", "block", ""])
def test_unknown_severity_is_refused_with_those_that_exist(severity: str) -> None:
    """
    A severity is one of three words, in capitals.
    """
    assert refusal(severities={"UNCLAIMED_POSITION": severity}) == (
        f"`severities` has '{severity}' for UNCLAIMED_POSITION: use one of INFO, WARN, BLOCK"
    )


def test_unknown_field_is_refused_by_name() -> None:
    """
    A misspelt field is an error in Python and in a stored configuration alike.
    """
    with pytest.raises(TypeError, match="settle_secs"):
        RecoveryMonitorConfig(settle_secs=1)  # type: ignore[call-arg]
    with pytest.raises(msgspec.ValidationError, match="unknown field `settle_secs`"):
        RecoveryMonitorConfig.parse(b'{"settle_secs": 1}')
    with pytest.raises(TypeError, match="claims"):
        RecoverableStrategyConfig(claims=[])  # type: ignore[call-arg]
    with pytest.raises(msgspec.ValidationError, match="unknown field `claims`"):
        RecoverableStrategyConfig.parse(b'{"claims": []}')


@pytest.mark.parametrize(
    "stored",
    [b'{"settle_ms": "soon"}', b'{"on_failure": "panic"}', b'{"severities": {"A": "WARN"}}'],
)
def test_stored_configuration_is_checked_too(stored: bytes) -> None:
    """
    A configuration read from JSON passes the same checks.
    """
    with pytest.raises(msgspec.ValidationError):
        RecoveryMonitorConfig.parse(stored)


def test_stored_configuration_reads_back_equal() -> None:
    """
    A configuration survives the way through JSON, as an importable one takes it.
    """
    config = RecoveryMonitorConfig(
        startup_timeout_secs=30.5,
        accounts=["PAPER-001"],
        severities={"NO_MASS_STATUS": "WARN"},
        on_failure="shutdown",
        shadow=True,
    )
    assert RecoveryMonitorConfig.parse(config.json()) == config


def test_configuration_is_frozen() -> None:
    """
    A configuration cannot be changed after it was checked.
    """
    with pytest.raises(AttributeError):
        RecoveryMonitorConfig().settle_ms = -1  # type: ignore[misc]


def test_timing_is_in_nanoseconds() -> None:
    """
    Seconds and milliseconds become nanoseconds.
    """
    config = RecoveryMonitorConfig(
        startup_timeout_secs=1.5,
        settle_ms=20,
        verify_timeout_secs=0.25,
        storm_epochs=2,
        storm_mins=0.5,
    )
    assert config.rules().timing == Timing(
        startup=1_500_000_000,
        settle=20_000_000,
        verify=250_000_000,
        recheck=500_000_000,
        storm_epochs=2,
        storm_window=30_000_000_000,
        asks=4,
        answer=800_000_000_000,
    )
    assert RecoveryMonitorConfig().rules().timing == Timing(
        startup=120_000_000_000,
        settle=250_000_000,
        verify=10_000_000_000,
        recheck=500_000_000,
        storm_epochs=6,
        storm_window=300_000_000_000,
        asks=4,
        answer=800_000_000_000,
    )


def test_policy_is_that_of_the_configuration() -> None:
    """
    What the judgement needs is handed on, the severities as enums.
    """
    assert RecoveryMonitorConfig().rules().policy == Policy(plans=True, repairs=True)
    config = RecoveryMonitorConfig(
        severities={"NO_MASS_STATUS": "WARN", "AVG_PX_MISMATCH": "BLOCK"},
        allow_unreconciled=True,
        max_report_fills=5,
        shadow=True,
        avg_px_tolerance=0.05,
    )
    assert config.rules().policy == Policy(
        severities={
            DiscrepancyKind.NO_MASS_STATUS: Severity.WARN,
            DiscrepancyKind.AVG_PX_MISMATCH: Severity.BLOCK,
        },
        allow_unreconciled=True,
        max_report_fills=5,
        shadow=True,
        avg_px_tolerance=Decimal("0.05"),
    )


def test_severities_may_be_given_as_enums() -> None:
    """
    Enums are strings, so they serve as well as names.
    """
    parsed = parse_severities({DiscrepancyKind.UNCLAIMED_POSITION: Severity.BLOCK})
    assert parsed == {DiscrepancyKind.UNCLAIMED_POSITION: Severity.BLOCK}
    assert all(type(kind) is DiscrepancyKind for kind in parsed)
    assert parse_severities({}) == {}


def test_strategy_configuration_is_that_of_a_strategy_and_how_its_state_is_kept() -> None:
    """
    It has the fields of a strategy's, those of its checkpoints and its warm-up, and no others.
    """
    config = RecoverableStrategyConfig(order_id_tag="007")
    assert isinstance(config, StrategyConfig)
    assert config.order_id_tag == "007"
    own = {
        "checkpoint_secs": 5.0,
        "checkpoint_timeout_secs": 1.0,
        "max_checkpoint_bytes": 1_000_000,
        "on_bad_checkpoint": "hold",
        "warmup_timeout_secs": 30.0,
        "warmup_retry_secs": 10.0,
    }
    assert {name: getattr(config, name) for name in own} == own
    fields = set(RecoverableStrategyConfig.__struct_fields__)
    assert fields == {*StrategyConfig.__struct_fields__, *own}


def test_a_strategy_configuration_may_have_fields_that_are_required() -> None:
    """
    Those of its base have defaults, and it adds one without.
    """

    class TrendConfig(RecoverableStrategyConfig, frozen=True):
        instrument: str

    assert TrendConfig(instrument="ETH", checkpoint_secs=None).instrument == "ETH"
    with pytest.raises(TypeError, match="instrument"):
        TrendConfig()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint_secs", 0.0),
        ("checkpoint_secs", -1.0),
        ("checkpoint_secs", float("inf")),
        ("checkpoint_secs", float("nan")),
        ("checkpoint_timeout_secs", 0.0),
        ("checkpoint_timeout_secs", float("inf")),
        ("max_checkpoint_bytes", 0),
        ("on_bad_checkpoint", "ignore"),
        ("warmup_timeout_secs", 0.0),
        ("warmup_retry_secs", float("nan")),
    ],
)
def test_a_strategy_configuration_refuses_what_makes_no_sense(field: str, value: object) -> None:
    """
    The error names the field and the value.
    """
    values: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=f"`{field}` must be .* was '?{value}'?"):
        RecoverableStrategyConfig(**values)


@pytest.mark.parametrize("value", [0, -1.0, math.inf, math.nan])
def test_the_interval_of_proofs_is_positive_or_none(value: float) -> None:
    """
    None switches them off.
    """
    assert refusal(prove_interval_secs=value) == (
        f"`prove_interval_secs` must be a positive number of seconds or None, was {value}"
    )
    assert RecoveryMonitorConfig(prove_interval_secs=None).rules().pace.interval is None


def test_a_venue_may_fail_as_long_as_one_question_may_take() -> None:
    """
    Each of its attempts.
    """
    pace = RecoveryMonitorConfig(query_timeout_secs=2.0, query_retries=4).rules().pace
    assert (pace.interval, pace.limit) == (60_000_000_000, 10_000_000_000)
