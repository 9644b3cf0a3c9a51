"""
What the cache keeps in Redis, and what a node finds of it after a restart.
"""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenueControl
from tests.facts.support import VERSION
from tests.facts.support import Trader
from tests.facts.support import eventually
from tests.facts.support import leave_behind
from tests.facts.support import node_at
from tests.facts.support import trading


def test_what_is_added_to_the_cache_survives_a_kill_and_is_readable_at_registration(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    `cache.add` writes to `trader-<id>:general:<key>`, and `cache.get` reads it in `register_base`.
    """
    key = f"trader-{trader_id}:general:facts.starts"
    node: dict[str, Any] = {
        "client": {"port": venue.port, "account_id": venue.account_id},
        "database": {"host": valkey.host, "port": valkey.port},
        "trader_id": trader_id,
    }
    with valkey.client() as client:
        for starts in (1, 2):
            with NodeProcess("tests.facts.nodes:counter", **node) as process:
                found = process.wait_for("restored")["starts"]
                assert found == (None if starts == 1 else str(starts - 1))
                process.wait_for("started")
                eventually(lambda: client.get(key) == str(starts).encode())  # noqa: B023
                process.kill()


def test_a_buffered_write_is_made_after_the_interval_and_on_1_221_only_with_the_next_write(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    On 1.221 what is written last may stay in the buffer, so there buffer nothing that matters.
    """

    async def scenario() -> None:
        async with trading(
            venue, valkey=valkey, trader_id=trader_id, buffer_interval_ms=200
        ) as run:
            cache, clock = run.node.cache, run.node.kernel.clock
            with valkey.client() as client:

                def is_written(key: str) -> bool:
                    return bool(client.exists(f"trader-{trader_id}:general:facts.{key}"))

                cache.add("facts.first", b"1")
                cache.add("facts.second", b"2")
                if VERSION < (1, 222):
                    passed = asyncio.Event()
                    loop = asyncio.get_running_loop()
                    clock.set_time_alert(
                        "PASSED",
                        clock.utc_now() + timedelta(milliseconds=400),
                        lambda _: loop.call_soon_threadsafe(passed.set),
                    )
                    await passed.wait()
                    assert not is_written("second")
                    cache.add("facts.third", b"3")
                await run.until(lambda: is_written("second"))

    asyncio.run(scenario())


def test_a_node_restores_its_orders_positions_and_accounts_before_anything_is_registered(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    They are in the cache as soon as the node is made.
    """

    async def scenario() -> None:
        order_ids = await leave_behind(venue, valkey, trader_id, "LONG", "BID")
        node = node_at(venue, valkey=valkey, trader_id=trader_id)
        try:
            orders = {o.client_order_id.value: o for o in node.cache.orders()}
            assert [orders[i].status_string() for i in order_ids] == ["FILLED", "ACCEPTED"]
            (position,) = node.cache.positions_open()
            assert position.signed_decimal_qty() == 2
            assert [account.id.value for account in node.cache.accounts()] == [venue.account_id]
        finally:
            node.kernel.dispose()

    asyncio.run(scenario())


def test_redis_has_one_key_per_order_position_and_account_and_the_events_of_each_as_values(
    venue: PaperVenueControl, valkey: EmbeddedValkey, trader_id: str
) -> None:
    """
    Events are encoded with msgpack unless the cache is configured otherwise.
    """
    (order_id,) = asyncio.run(leave_behind(venue, valkey, trader_id, "LONG"))
    prefix = f"trader-{trader_id}:"
    position_id = "ETHUSDT-PERP.PAPER-TRADER-001"
    with valkey.client() as client:
        keys = {key.decode().removeprefix(prefix) for key in client.keys(f"{prefix}*")}
        assert {
            f"accounts:{venue.account_id}",
            "instruments:ETHUSDT-PERP.PAPER",
            f"orders:{order_id}",
            f"positions:{position_id}",
            "index:order_position",
        } <= keys

        def types(key: str) -> list[str]:
            events = client.lrange(f"{prefix}{key}", 0, -1)
            return [msgspec.msgpack.decode(event)["type"] for event in events]

        assert types(f"orders:{order_id}") == [
            "OrderInitialized",
            "OrderSubmitted",
            "OrderAccepted",
            "OrderFilled",
        ]
        assert types(f"positions:{position_id}") == ["OrderFilled"]
        assert set(types(f"accounts:{venue.account_id}")) == {"AccountState"}


def test_without_a_database_a_restart_restores_nothing(venue: PaperVenueControl) -> None:
    """
    A cache in memory is empty at registration.
    """

    async def scenario() -> None:
        node = node_at(venue, Trader())
        try:
            assert node.cache.orders() == []
            assert node.cache.get("facts.starts") is None
        finally:
            node.kernel.dispose()

    asyncio.run(scenario())
