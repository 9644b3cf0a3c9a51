"""
The strategy on 2.0: what passes a closed gate, what does not, and what survives a kill.
"""

from typing import Any

import pytest
from nautilus_trader.infrastructure import RedisCacheConfig
from nautilus_trader.model import StrategyId
from nautilus_trader.trading import StrategyConfig

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoveryMonitorConfig
from tests.node2.support import TRADER
from tests.node2.support import Bench


@pytest.mark.parametrize("way", ["Closing", "ClosingAll", "Exiting", "Reducing", "Selling"])
def test_an_exit_passes_a_block(bench: Bench, way: str) -> None:
    """
    The resting order is gone, so the instrument is blocked, and the position can be left.
    """
    with bench.after_a_kill() as ids:
        bench.venue.cancel(ids[1])
    with bench.node(way=way) as node:
        assert node.wait_for("complete")["outcome"] == "DEGRADED"
        assert node.wait_for("exit")["reduce_only"] is (way != "Selling")
        node.wait_for("closed")
    assert bench.venue.state()["positions"]["C00USDT"]["qty"] == "0.000"


def test_a_position_that_was_kept_is_closed_as_it_is_now(bench: Bench) -> None:
    """
    A strategy has a copy, which stays as it was: what is gone of it by now is not closed again.
    """
    with bench.after_a_kill() as ids:
        bench.venue.cancel(ids[1])
    with bench.node(way="Keeping") as node:
        assert node.wait_for("complete")["outcome"] == "DEGRADED"
        node.wait_for("closed")
    assert bench.venue.state()["positions"]["C00USDT"]["qty"] == "0.000"


def test_what_could_do_more_than_reduce_does_not_pass(bench: Bench) -> None:
    """
    Neither by its size nor by its flag.
    """
    with bench.after_a_kill() as ids:
        bench.venue.cancel(ids[1])
    with bench.node(way="Overselling") as node:
        node.wait_for("left")
        blocked = [one for one in node.all("denied") if "BLOCKED" in one["reason"]]
        assert len(blocked) == 2
        assert not node.all("exit")
    assert bench.venue.state()["positions"]["C00USDT"]["qty"] == "1.000"


def test_a_stop_that_sends_orders_past_the_gate_is_refused() -> None:
    """
    With a line that says what to do in its place.
    """
    config = StrategyConfig(strategy_id=StrategyId("S-001"), manage_stop=True)
    with pytest.raises(ValueError, match="`manage_stop=True` sends orders past every gate"):
        RecoverableStrategy(config)


def test_a_halt_of_the_node_is_refused_in_one_line() -> None:
    """
    It says what to do in its place, wherever it is asked for.
    """
    fields: Any = {"database": RedisCacheConfig(), "halt_until_recovered": True}
    with pytest.raises(ValueError, match="Derive each strategy") as refused:
        RecoveryMonitorConfig(**fields)
    assert "\n" not in str(refused.value)
    with pytest.raises(ImportError, match=r"halt_until_recovered requires NautilusTrader 1\.x"):
        from nautilus_recovery_actor import halt_until_recovered  # noqa: F401


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"database": None}, "must be the RedisCacheConfig that `with_recovery` gets, was a None"),
        ({"database": "redis://:hidden@host"}, "must be the RedisCacheConfig"),
        ({"on_failure": "shutdwon"}, "must be 'hold' or 'shutdown', was 'shutdwon'"),
        ({"accounts": []}, "must name an account"),
    ],
)
def test_a_wrong_value_of_the_configuration_is_refused_in_one_line(
    fields: dict[str, Any], said: str
) -> None:
    """
    It names the field and what is allowed, and quotes no address.
    """
    with pytest.raises(ValueError, match=next(iter(fields))) as refused:
        RecoveryMonitorConfig(**{"database": RedisCacheConfig(), **fields})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_checkpoint_is_stored_before_what_follows_is_sent(bench: Bench) -> None:
    """
    After a kill as soon as the venue has the order the strategy gets what it had saved before.
    """
    with bench.node(way="Saving") as node:
        node.wait_for("accepted")
        node.kill()
    with bench.valkey.client() as client:
        assert client.keys(f"trader-{TRADER}:general:recovery:checkpoint:Trial-001:*")
    with bench.node() as node:
        assert int(node.wait_for("loaded")["filled"]) >= 41


def test_a_strategy_without_a_monitor_may_not_trade(bench: Bench) -> None:
    """
    It fails closed, and the reason says what is missing.
    """
    with bench.node(target="tests.node2.node:unmonitored") as node:
        assert node.wait_for("denied")["reason"].startswith("RECOVERY_NO_MONITOR")


def test_a_node_without_its_bus_in_redis_may_not_trade(bench: Bench) -> None:
    """
    Not a word of a venue reaches the monitor, also where the cache holds nothing to be compared.
    """
    settings = {"verify_timeout_secs": 0.5, "startup_timeout_secs": 5.0}
    with bench.node(is_bare=True, settings=settings) as node:
        assert node.wait_for("failed")["reason"] == "TIMEOUT"
        assert not node.all("enabled")
        assert "what `with_recovery(builder, database)` returns" in node.log
