"""
The presets: what they hold, what can be overridden, and that a real node recovers with them.
"""

import time
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import LiveExecEngineConfig

from nautilus_recovery_actor import recovery_cache_config
from nautilus_recovery_actor import recovery_exec_engine_config
from nautilus_recovery_actor.node.presets import ARE_BUFFERED_WRITES_ON_TIME
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue


def test_the_cache_is_one_that_survives() -> None:
    """
    The defaults are those that are promised.
    """
    config = recovery_cache_config()
    assert config == CacheConfig(
        database=DatabaseConfig(),
        encoding="msgpack",
        timestamps_as_iso8601=True,
        buffer_interval_ms=100 if ARE_BUFFERED_WRITES_ON_TIME else None,
        flush_on_start=False,
    )


def test_the_server_can_be_given_by_its_parts_or_as_a_whole() -> None:
    """
    Host, port, user, password and TLS need no `DatabaseConfig`.
    """
    database = DatabaseConfig(host="db", port=6380, username="me", password="hunter2", ssl=True)
    assert recovery_cache_config("db", 6380, "me", "hunter2", True).database == database
    assert recovery_cache_config(database=database).database == database
    with pytest.raises(TypeError, match="got both a `database` and `port`"):
        recovery_cache_config(port=6380, database=database)


def test_the_engine_is_one_that_reconciles() -> None:
    """
    The defaults are those that are promised, as far as this version has them.
    """
    config = recovery_exec_engine_config()
    assert config.reconciliation
    assert config.load_cache
    assert config.reconciliation_lookback_mins is None
    assert config.reconciliation_startup_delay_secs == 10.0
    assert config.generate_missing_orders
    assert not config.filter_unclaimed_external_orders
    assert not config.filter_position_reports
    assert config.open_check_interval_secs == 10.0
    assert not config.open_check_open_only
    assert config.open_check_missing_retries == 1_000_000
    # 1.221 has none
    assert getattr(config, "position_check_interval_secs", None) is None


@pytest.mark.parametrize(
    ("preset", "kind"),
    [(recovery_cache_config, CacheConfig), (recovery_exec_engine_config, LiveExecEngineConfig)],
)
def test_every_argument_can_be_overridden_and_an_unknown_one_is_refused(
    preset: Any, kind: Any
) -> None:
    """
    Whatever the class takes reaches it, and a mistake is named.
    """
    for field in msgspec.structs.fields(kind):
        marker = DatabaseConfig(host="other") if field.name == "database" else object()
        assert getattr(preset(**{field.name: marker}), field.name) is marker
    with pytest.raises(TypeError, match=f"got `buffer_ms`, which this version of {kind.__name__}"):
        preset(buffer_ms=1)


def process(venue: PaperVenue, valkey: EmbeddedValkey, **cache: Any) -> NodeProcess:
    return NodeProcess(
        "tests.preflight.nodes:recovering",
        port=venue.port,
        database=msgspec.structs.asdict(valkey.database_config()),
        **cache,
    )


def test_a_node_with_the_presets_recovers_from_a_kill(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    The position that it had is there again after kill -9. On 1.221 the next heartbeat takes with it
    what is buffered.
    """
    with process(venue, valkey, heartbeat_secs=0.2) as node:
        node.wait_for("filled")
        venue.wait_for_position("ETHUSDT-PERP", 2)
        # The order is written before the position
        index = "trader-PRESET-001:index"
        both = (f"{index}:orders_closed", f"{index}:positions_open")
        valkey.wait_for(lambda client: client.exists(*both) == len(both))
        node.kill()
    with process(venue, valkey, heartbeat_secs=0.2) as node:
        assert node.wait_for("recovered")["qty"] == "2.0"


@pytest.mark.parametrize("cache", [{}, {"buffer_interval_ms": 100}, {"buffer_interval_ms": None}])
def test_what_was_written_last_is_stored_before_a_kill_except_for_the_buffer_of_1_221(
    venue: PaperVenue, valkey: EmbeddedValkey, cache: dict[str, Any]
) -> None:
    """
    A second after the last event of a quiet node, all of it has left the process, by the preset on
    both versions.
    """
    is_sent_late = bool(cache.get("buffer_interval_ms")) and not ARE_BUFFERED_WRITES_ON_TIME
    with process(venue, valkey, heartbeat_secs=60.0, **cache) as node:
        client_order_id = node.wait_for("filled")["client_order_id"]
        deadline = time.monotonic() + 1.0
        with valkey.client() as client:

            def is_closed() -> bool:
                closed: Any = client.sismember(
                    "trader-PRESET-001:index:orders_closed", client_order_id
                )
                return bool(closed)

            while time.monotonic() < deadline and not is_closed():
                pass
            node.kill()
            assert is_closed() is not is_sent_late
