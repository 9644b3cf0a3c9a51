"""
What is found where a configuration meets what the server holds: on a real server, and for what a
node writes, after a real node.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import preflight
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.observation import UNCLAIMED_STRATEGIES
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.checks.config_facts import LOADS_INSTANCE_KEYS
from nautilus_recovery_actor.outside.checks.stored_facts import read_stored
from nautilus_recovery_actor.outside.checks.stored_rules import RULES
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import Recorder
from tests.node.support import monitor_config
from tests.preflight.nodes import ETH
from tests.preflight.nodes import actor
from tests.preflight.nodes import found
from tests.preflight.nodes import good
from tests.preflight.nodes import strategy


KEY = "trader-CHECKED-001"
MIN_NS = 60_000_000_000
# As the configuration names its strategy
LEAVER: dict[str, Any] = {"strategy_id": "Trades", "order_id_tag": "001"}


def beat(valkey: EmbeddedValkey, mins_ago: float, key: str = KEY) -> None:
    ts = time.time_ns() - int(mins_ago * MIN_NS)
    heartbeat = Heartbeat(ts, 1, RecoveryPhase.COMPLETE, is_stopped=True)
    with valkey.client() as client:
        client.set(f"{key}:general:recovery:heartbeat", msgspec.json.encode(heartbeat))


def order_ids(count: int, mins_ago: float = 0, form: str = "O-%Y%m%d-%H%M%S-001-001") -> list[str]:
    made = time.strftime(form, time.gmtime(time.time() - mins_ago * 60))
    return [f"{made}-{i}" for i in range(count)]


def store_orders(valkey: EmbeddedValkey, ids: list[str]) -> None:
    with valkey.client() as client:
        for index in ("orders", "orders_closed"):
            client.sadd(f"{KEY}:index:{index}", *ids)


def leave_an_order(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    instance_id: UUID4 | None = None,
    at_the_end: Callable[[TradingNode], None] = lambda _: None,
    **cache: Any,
) -> int:
    """
    Run a node that buys, and return how many orders it had before.
    """

    async def scenario() -> int:
        node = paper_node(
            paper_node_config(
                [venue.exec_config(symbols=("ETHUSDT-PERP",))],
                trader_id="CHECKED-001",
                cache=CacheConfig(database=valkey.database_config(), **cache),
                instance_id=instance_id,
            )
        )
        restored = len(node.cache.orders())
        node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
        node.trader.add_strategy(leaver := Recorder(StrategyConfig(**LEAVER)))
        async with running(node) as run:
            await run.until(lambda: leaver.gate.is_open)
            leaver.submit_order(order := leaver.market())
            await run.until(lambda: order.is_closed)
            at_the_end(node)
        return restored

    return asyncio.run(scenario())


def looking_back(
    valkey: EmbeddedValkey, mins: int | None, *, is_left: bool = False, **fields: Any
) -> dict[str, Any]:
    config = good(valkey.database_config(), engine={"reconciliation_lookback_mins": mins}, **fields)
    findings = dict(found(config))
    if not is_left:
        findings.pop("ENTRIES_LOST", None)  # Some tests write an index alone
    return findings


def test_a_look_back_shorter_than_the_time_away_is_told(valkey: EmbeddedValkey) -> None:
    """
    The time away is counted from the last heartbeat, and a look-back without an end suffices.
    """
    beat(valkey, mins_ago=61)
    finding = looking_back(valkey, 60)["LOOKBACK_TOO_SHORT"]
    assert finding.message == "It is 60 min, and the node was last alive 61 min ago."
    for enough in (63, 0, None):
        assert looking_back(valkey, enough) == {}


def test_the_heartbeat_is_looked_for_where_the_cache_keeps_it(valkey: EmbeddedValkey) -> None:
    """
    The keys may be without a prefix, and have an instance ID.
    """
    instance_id = UUID4()
    for key, fields in (
        ("CHECKED-001", {"cache": {"use_trader_prefix": False}}),
        (f"{KEY}:{instance_id}", {"cache": {"use_instance_id": True}, "instance_id": instance_id}),
    ):
        assert "LOOKBACK_TOO_SHORT" not in looking_back(valkey, 60, **fields)
        beat(valkey, mins_ago=61, key=key)
        assert "LOOKBACK_TOO_SHORT" in looking_back(valkey, 60, **fields)


def test_a_time_away_that_is_not_known_is_told(valkey: EmbeddedValkey) -> None:
    """
    Orders without a heartbeat were left by a node without a monitor, who knows when.
    """
    assert looking_back(valkey, 60) == {}
    store_orders(valkey, order_ids(1))
    assert looking_back(valkey, 60).keys() == {"LAST_ALIVE_UNKNOWN"}
    assert looking_back(valkey, None) == {}
    beat(valkey, mins_ago=1)
    assert looking_back(valkey, 60) == {}


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff",
        b"[" * 5_000,
        b'{"ts":-1,"epoch":1,"phase":"COMPLETE"}',
        b"x" * 9_000,
        b'{"ts":',
    ],
)
def test_a_heartbeat_that_cannot_be_read_is_none(valkey: EmbeddedValkey, damaged: bytes) -> None:
    """
    Then the time away is not known, which is told.
    """
    store_orders(valkey, order_ids(1))
    with valkey.client() as client:
        client.set(f"{KEY}:general:recovery:heartbeat", damaged)
    assert looking_back(valkey, 60).keys() == {"LAST_ALIVE_UNKNOWN"}


def test_so_many_orders_that_the_start_takes_long_are_told(valkey: EmbeddedValkey) -> None:
    """
    What the start takes is estimated, and compared with how long the monitor waits.
    """
    ids = order_ids(7_000)
    store_orders(valkey, ids[:6_000])
    assert looking_back(valkey, None) == {}
    store_orders(valkey, ids)
    findings = looking_back(valkey, None)
    assert findings.keys() == {"SLOW_START"}
    assert findings["SLOW_START"].message == (
        "7,000 closed orders are on record, and up to 7,000 orders are within the lookback: "
        "the start takes about 23 s."
    )
    short = looking_back(valkey, None, actors=[actor(startup_timeout_secs=20.0)])
    assert short.keys() == {"SLOW_START", "STARTUP_TIMEOUT_TOO_SHORT"}


def test_orders_from_before_the_look_back_cost_nothing(valkey: EmbeddedValkey) -> None:
    """
    A short look-back makes a start short, as far as the IDs of the orders tell their time.
    """
    beat(valkey, mins_ago=1)
    for form in ("O-%Y%m%d-%H%M%S-001-001", "O%Y%m%d%H%M%S001001"):
        store_orders(valkey, order_ids(4_000, mins_ago=120, form=form))
    assert "SLOW_START" in looking_back(valkey, None)
    assert "SLOW_START" in looking_back(valkey, 180)
    assert looking_back(valkey, 60) == {}
    store_orders(valkey, [f"7c9e6679-{i}" for i in range(7_000)])
    assert "SLOW_START" in looking_back(valkey, 60)


def test_keys_of_another_type_are_told(valkey: EmbeddedValkey) -> None:
    """
    What the server refuses to tell is a finding, and nothing raises.
    """
    assert looking_back(valkey, None) == {}
    with valkey.client() as client:
        client.set(f"{KEY}:index:orders", "x")
    assert looking_back(valkey, None).keys() == {"STORED_DATA_UNREADABLE"}


def test_a_server_that_cannot_be_reached_is_told_once(valkey: EmbeddedValkey) -> None:
    """
    What needs the stored data is not guessed at then.
    """
    nobody = good(
        DatabaseConfig(host="127.0.0.1", port=1, password="hunter2"),
        engine={"reconciliation_lookback_mins": 1},
    )
    report = preflight(nobody, timeout_secs=1.0)
    assert report.is_blocked
    assert found(nobody) == {}
    assert b"hunter2" not in report.to_json()


def test_a_server_that_never_answers_holds_nobody_up() -> None:
    """
    It is left when the time is over, also by what reads the stored data.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begun = time.monotonic()
        report = preflight(good(DatabaseConfig(host="127.0.0.1", port=port)), timeout_secs=0.5)
        assert report.is_blocked
        with pytest.raises((TimeoutError, redis.TimeoutError)):
            read_stored(f"redis://127.0.0.1:{port}", Namespace(trader_id="X-001"), None, 0.5)
        assert time.monotonic() - begun < 5.0


def test_a_server_that_answers_without_an_end_is_left_too() -> None:
    """
    Each byte comes in time, and the answer never does.
    """
    is_over = threading.Event()

    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, contextlib.suppress(OSError):
            while not is_over.wait(0.05):
                connection.sendall(b"+")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match=r"not read within 0\.5 s"):
            read_stored(f"redis://127.0.0.1:{port}", Namespace(trader_id="X-001"), None, 0.5)
        assert time.monotonic() - begun < 5.0
        is_over.set()
        thread.join()


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_a_changed_encoding_is_told_after_a_real_node(
    venue: PaperVenue, valkey: EmbeddedValkey, encoding: str
) -> None:
    """
    What a node left in one encoding is not read in the other; its heartbeat is read all the same.
    """

    leave_an_order(venue, valkey, encoding=encoding)
    other = {"msgpack": "json", "json": "msgpack"}[encoding]
    assert looking_back(valkey, 60, cache={"encoding": encoding}) == {}
    changed = looking_back(valkey, 60, cache={"encoding": other})
    assert changed.keys() == {"ENCODING_CHANGED"}
    assert changed["ENCODING_CHANGED"].message == (
        f"It is {other}, but some entries are stored as {encoding}."
    )
    with pytest.raises(msgspec.DecodeError):
        leave_an_order(venue, valkey, encoding=other)


def test_keys_with_an_instance_id_are_lost_or_cannot_be_loaded(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    A real node finds them again only if its ID is fixed, and on 1.221 it cannot be made.
    """
    fixed = UUID4()
    if not LOADS_INSTANCE_KEYS:
        with pytest.raises(RuntimeError, match="Index unknown"):
            leave_an_order(venue, valkey, fixed, use_instance_id=True)
        return
    for instance_id, restored in ((fixed, 0), (UUID4(), 0), (fixed, 1)):
        assert leave_an_order(venue, valkey, instance_id, use_instance_id=True) == restored


def test_an_encoding_is_told_without_orders(valkey: EmbeddedValkey) -> None:
    """
    Accounts and instruments tell it too, and a trader with a like name does not.
    """
    with valkey.client() as client:
        client.set(f"{KEY}0:instruments:{'X' * 9}", b"{}")
        assert looking_back(valkey, None) == {}
        client.rpush(f"{KEY}:accounts:PAPER-001", b"{}")
    # It is no account, either
    assert looking_back(valkey, None).keys() == {"ENCODING_CHANGED", "ENTRY_STOPS_START"}


def test_an_entry_with_which_no_node_starts_blocks(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    What a node has left is sound; of what is not, the first are named.
    """
    leave_an_order(venue, valkey)
    assert "ENTRY_STOPS_START" not in looking_back(valkey, None)
    with valkey.client() as client:
        for number in range(5):
            client.rpush(f"{KEY}:orders:O-{number}", b"junk")
    finding = looking_back(valkey, None)["ENTRY_STOPS_START"]
    assert finding.message.count(f"{KEY}:orders:O-") == 3
    assert finding.message.endswith("; and 2 more.")
    with pytest.raises((ValueError, TypeError, msgspec.DecodeError, RuntimeError)):
        leave_an_order(venue, valkey)


def test_an_entry_that_a_node_leaves_out_is_told(valkey: EmbeddedValkey) -> None:
    """
    It starts, and something is missing.
    """
    with valkey.client() as client:
        client.set(f"{KEY}:instruments:ETHUSDT-PERP.PAPER", b"junk")
    told = looking_back(valkey, None)
    assert told.keys() == {"ENTRY_LEFT_OUT"}
    assert told["ENTRY_LEFT_OUT"].message.startswith(f"{KEY}:instruments:ETHUSDT-PERP.PAPER: ")


def test_entries_that_may_not_be_read_are_told(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """
    A user may have all that a node needs, and not what the inspector does.
    """
    leave_an_order(venue, valkey)
    with valkey.client() as client:
        client.acl_setuser(
            "looker",
            enabled=True,
            passwords=["+pw"],
            keys=["*"],
            categories=["+@all"],
            commands=["-memory|usage"],
        )
        try:
            database = DatabaseConfig(
                host=valkey.host, port=valkey.port, username="looker", password="pw"
            )
            told = found(good(database))
        finally:
            client.acl_deluser("looker")
    assert told.keys() == {"ENTRIES_NOT_READ"}
    assert "MEMORY USAGE" in told["ENTRIES_NOT_READ"].message


def test_what_is_stored_of_a_strategy_that_is_not_configured_is_told(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    It was renamed, or has another tag. Without any strategy in it a configuration does not say.
    """
    leave_an_order(venue, valkey)
    database = valkey.database_config()
    assert found(good(database)) == {}
    other = strategy(tag="002", instrument_id=ETH, external_order_claims=[ETH])
    finding = found(good(database, strategies=[other]))["STRATEGY_ABSENT"]
    assert (finding.subject, finding.message) == (
        "Trades-001",
        "It is not in the configuration, and 1 open position of it is stored: ETHUSDT-PERP.PAPER.",
    )
    assert "STRATEGY_ABSENT" not in found(good(database, strategies=[]))
    broken = strategy(kind="Nothing")
    assert "STRATEGY_ABSENT" not in found(good(database, strategies=[other, broken]))


def test_what_is_stored_of_nobody_is_told(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """
    What was found at the venue and nobody claimed is stored under EXTERNAL, which no node has.
    """
    venue.set_position("ETHUSDT-PERP", 3, 1900)
    leave_an_order(venue, valkey)
    finding = found(good(valkey.database_config()))["UNCLAIMED_STORED"]
    assert finding.subject in UNCLAIMED_STRATEGIES
    assert finding.message == (
        "1 open position is stored that no strategy has claimed: ETHUSDT-PERP.PAPER."
    )


def test_an_order_of_a_strategy_that_is_not_configured_is_told(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    An open order is somebody's concern as a position is.
    """

    def rest(node: TradingNode) -> None:
        (leaver,) = node.trader.strategies()
        leaver.submit_order(leaver.limit("1000.00", "1.000"))

    leave_an_order(venue, valkey, at_the_end=rest)
    other = strategy(tag="002", instrument_id=ETH, external_order_claims=[ETH])
    finding = found(good(valkey.database_config(), strategies=[other]))["STRATEGY_ABSENT"]
    assert "1 open position and 1 order of it are stored" in finding.message


def test_a_stored_account_that_no_client_has_is_reported(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    By who issues its ID, unless the monitor is told which accounts must report.
    """
    leave_an_order(venue, valkey)
    database = valkey.database_config()

    def told(client: str, account_id: str, **monitor: Any) -> dict[str, Any]:
        clients = {client: venue.exec_config(account_id=account_id)}
        return dict(found(good(database, exec_clients=clients, actors=[actor(**monitor)])))

    assert told("PAPER", "PAPER-001") == {}
    finding = told("OTHER", "OTHER-001")["ACCOUNT_ABSENT"]
    assert (finding.subject, finding.message) == (
        "PAPER-001",
        "It is stored, and the clients are OTHER.",
    )
    finding = told("PAPER", "PAPER-002")["ACCOUNT_ABSENT"]
    assert finding.message == "It is stored, and PAPER now has PAPER-002."
    assert told("OTHER", "OTHER-001", accounts=["OTHER-001"]) == {}
    assert "ACCOUNT_ABSENT" not in found(good(database))


def test_an_index_without_its_entries_is_reported(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    A node starts with neither, and does not notice it: after an eviction it is one of many.
    """
    leave_an_order(venue, valkey)
    database = valkey.database_config()
    with valkey.client() as client:
        client.delete(*client.scan_iter(f"{KEY}:positions:*"))
        finding = found(good(database))["ENTRIES_LOST"]
        assert finding.message.startswith("Its index names 1 position not stored: ")
        assert f"{KEY}:index:positions ETHUSDT-PERP.PAPER-Trades-001" in finding.message
        client.delete(*client.scan_iter(f"{KEY}:orders:*"))
        finding = found(good(database))["ENTRIES_LOST"]
    assert finding.message.startswith("Its index names 1 order and 1 position not stored: ")
    assert f"{KEY}:index:orders_closed O-" in finding.message


INDEXES = {
    "orders": "order",
    "order_ids": "order",
    "orders_open": "order",
    "orders_closed": "order",
    "orders_emulated": "order",
    "orders_inflight": "order",
    "order_position": "order",
    "order_client": "order",
    "positions": "position",
    "positions_open": "position",
    "positions_closed": "position",
}
MAPS = {"order_position", "order_client"}


def name_one(client: redis.Redis, key: str) -> None:
    if key.rpartition(":")[2] in MAPS:
        client.hset(key, "GONE", "GONE")
    else:
        client.sadd(key, "GONE")


def test_a_node_starts_without_what_any_index_names(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """
    Each index is looked at, and what it misses keeps no node from starting, on any version.
    """
    leave_an_order(venue, valkey)
    assert looking_back(valkey, None, is_left=True) == {}
    for index, what in INDEXES.items():
        key = f"{KEY}:index:{index}"
        with valkey.client() as client:
            name_one(client, key)
            told = looking_back(valkey, None, is_left=True)
            assert told["ENTRIES_LOST"].message == (
                f"Its index names 1 {what} not stored: {key} GONE."
            )
            if index in MAPS:
                client.hdel(key, "GONE")
            else:
                client.srem(key, "GONE")
    with valkey.client() as client:
        for index in INDEXES:
            name_one(client, f"{KEY}:index:{index}")
    assert leave_an_order(venue, valkey) == 1


def test_what_a_node_has_purged_is_not_lost(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """
    A node takes what it deletes out of its indexes too.
    """

    def purge(node: TradingNode) -> None:
        now = node.kernel.clock.timestamp_ns() + 10**15
        node.cache.purge_closed_orders(now, 0, True)
        node.cache.purge_closed_positions(now, 0, True)

    leave_an_order(venue, valkey, at_the_end=purge)
    with valkey.client() as client:
        assert list(client.scan_iter(f"{KEY}:orders:*")) == []
    assert "ENTRIES_LOST" not in looking_back(valkey, None, is_left=True)


def test_every_rule_of_stored_data_is_shown_here() -> None:
    """
    No rule is left without stored data that show it.
    """
    assert {rule.code for rule in RULES} == {
        "ACCOUNT_ABSENT",
        "ENCODING_CHANGED",
        "ENTRIES_LOST",
        "ENTRIES_NOT_READ",
        "ENTRY_LEFT_OUT",
        "ENTRY_STOPS_START",
        "LAST_ALIVE_UNKNOWN",
        "LOOKBACK_TOO_SHORT",
        "SLOW_START",
        "STARTUP_TIMEOUT_TOO_SHORT",
        "STRATEGY_ABSENT",
        "STORED_DATA_UNREADABLE",
        "UNCLAIMED_STORED",
    }
