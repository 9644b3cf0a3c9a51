"""
What a strategy can say that it needs, and what follows from it.
"""

from datetime import timedelta
from typing import Any

import pytest
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor import BarsNeeded
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import TicksNeeded


ETH = InstrumentId.from_str("ETHUSDT-PERP.PAPER")
MINUTE = 60_000_000_000


def bars(spec: str = "1-MINUTE-LAST-EXTERNAL", **fields: Any) -> BarsNeeded:
    return BarsNeeded(bar_type=BarType.from_str(f"{ETH}-{spec}"), **fields)


def ticks(**fields: Any) -> TicksNeeded:
    defaults: dict[str, Any] = {
        "instrument_id": ETH,
        "kind": "quotes",
        "span": timedelta(minutes=5),
    }
    return TicksNeeded(**{**defaults, **fields})


def test_time_bars_by_count_are_requested_for_one_more_interval() -> None:
    """The newest may not be there yet: so the count still comes."""
    need = bars(count=20)
    assert need.start(100 * MINUTE) == 79 * MINUTE
    rule = need.rule(79 * MINUTE)
    assert (rule.count, rule.since, rule.max_gap, rule.max_age) == (20, None, MINUTE, 2 * MINUTE)


def test_time_bars_by_span_have_to_cover_it() -> None:
    """The span is what is requested and what has to come."""
    need = bars(span=timedelta(minutes=30))
    assert need.start(100 * MINUTE) == 70 * MINUTE
    assert need.rule(70 * MINUTE).since == 70 * MINUTE
    assert need.rule(70 * MINUTE).count == 1


def test_short_bars_may_be_ten_seconds_old() -> None:
    """An answer takes its time: two intervals of a second would be too strict."""
    assert bars("1-SECOND-LAST-EXTERNAL", count=5).max_age_ns == 10_000_000_000


def test_bars_that_are_not_of_time_and_ticks_may_be_a_minute_old() -> None:
    """They have no interval, so gaps are checked only where the limit is given."""
    need = bars("100-TICK-LAST-EXTERNAL", span=timedelta(hours=1))
    assert (need.max_age_ns, need.max_gap_ns) == (MINUTE, None)
    assert (ticks().max_age_ns, ticks().max_gap_ns) == (MINUTE, None)
    assert ticks(max_gap=timedelta(seconds=1)).max_gap_ns == 1_000_000_000


def test_what_is_stated_outweighs_the_defaults() -> None:
    """For a market that closes, or a venue that leaves out bars without a trade."""
    need = bars(count=5, max_gap=timedelta(days=3), max_age=timedelta(days=4))
    assert need.max_gap_ns == 3 * 24 * 60 * MINUTE
    assert need.max_age_ns == 4 * 24 * 60 * MINUTE


def test_live_bars_may_be_others_than_those_of_history() -> None:
    """Bars that the node aggregates continue those of the venue."""
    live = BarType.from_str(f"{ETH}-1-MINUTE-LAST-INTERNAL")
    assert bars(count=5).topic == f"data.bars.{ETH}-1-MINUTE-LAST-EXTERNAL"
    assert bars(count=5, live_bar_type=live).topic == f"data.bars.{live}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "how far back"),
        ({"spec": "100-TICK-LAST-EXTERNAL", "count": 5}, "how far back"),
        ({"spec": "1-MINUTE-LAST-INTERNAL", "count": 5}, "is aggregated by the node"),
        ({"spec": "5-MINUTE-LAST-INTERNAL@1-MINUTE-EXTERNAL", "count": 5}, "is aggregated by"),
        ({"count": 0}, "`count` must be positive"),
        ({"span": timedelta(0)}, "`span` must be positive"),
        ({"count": 5, "max_gap": timedelta(-1)}, "`max_gap` must be positive"),
        ({"count": 5, "max_age": timedelta(0)}, "`max_age` must be positive"),
    ],
)
def test_bars_that_cannot_be_requested_are_refused(fields: dict[str, Any], message: str) -> None:
    """The error says what to state instead."""
    with pytest.raises(ValueError, match=message):
        bars(**fields)


def test_ticks_that_cannot_be_requested_are_refused() -> None:
    """Quotes or trades, over a positive span."""
    with pytest.raises(ValueError, match="`kind` must be 'quotes' or 'trades'"):
        ticks(kind="deltas")
    with pytest.raises(ValueError, match="`span` must be positive"):
        ticks(span=timedelta(0))


@pytest.mark.parametrize("field", ["warmup_timeout_secs", "warmup_retry_secs"])
def test_durations_of_a_warm_up_have_to_be_positive(field: str) -> None:
    """A strategy's own configuration may have required fields besides."""
    fields: dict[str, Any] = {field: 0.0}
    with pytest.raises(ValueError, match=field):
        RecoverableStrategyConfig(**fields)

    class Config(RecoverableStrategyConfig, frozen=True):
        instrument_id: InstrumentId

    assert Config(instrument_id=ETH).warmup_timeout_secs == 30.0
    assert Config(instrument_id=ETH).warmup_retry_secs == 10.0
