"""
What an index names and is not stored: a node starts without it, and the inspector says so.
"""

import msgspec
import pytest
import redis

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.inspect.world import load


@pytest.fixture
def trader(valkey: EmbeddedValkey, trader_id: str) -> str:
    """
    Return a trader with orders and positions, of which none is missing.
    """
    world = World(4, trader_id, adapter(valkey, trader_id))
    world.live(orders=30)
    world.close(valkey)
    return trader_id


def lost(client: redis.Redis, trader: str) -> str | None:
    inventory = reader.read(client, Namespace(trader_id=trader))
    assert inventory is not None
    return inventory.lost


def test_what_was_evicted_is_missed_in_each_index_that_names_it(
    valkey: EmbeddedValkey,
    client: redis.Redis,
    trader: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    One line for each index, and an exit code of its own; NautilusTrader loads what is left.
    """
    monkeypatch.setenv("COLUMNS", "80")
    assert lost(client, trader) is None
    database = adapter(valkey, trader)
    before = len(load(database).orders())
    (order, *_) = sorted(client.sscan_iter(f"trader-{trader}:index:orders_closed"))
    client.delete(f"trader-{trader}:orders:{order.decode()}")
    assert len(load(database).orders()) == before - 1

    assert lost(client, trader) == "1 order"
    assert main(["inspect", "--trader", trader, "--redis", valkey.url]) == 1
    out = capsys.readouterr().out
    assert "without 1 order that the index names" in " ".join(out.split())
    lines = out.splitlines()
    assert lines[lines.index("index:orders_closed: 1 order") + 1] == f"- {order.decode()}"
    assert max(map(len, lines)) <= 80
    assert "NautilusTrader says nothing of it" in out

    assert main(["inspect", "--trader", trader, "--redis", valkey.url, "--json"]) == 1
    missing = msgspec.json.decode(capsys.readouterr().out)["missing"]
    indexes = {entry["index"].removeprefix(f"trader-{trader}:index:") for entry in missing}
    assert {"orders", "orders_closed"} <= indexes
    assert all(entry["named"] == [order.decode()] and entry["count"] == 1 for entry in missing)


def test_fills_in_an_index_name_nothing(client: redis.Redis, trader: str) -> None:
    """
    1.221 puts the fills of positions where their IDs belong, and takes none out.
    """
    fill = msgspec.msgpack.encode({"type": "OrderFilled", "position_id": "P-GONE"})
    client.sadd(f"trader-{trader}:index:positions_open", fill, b'{"type":"OrderFilled"}')
    assert lost(client, trader) is None


def test_an_index_of_another_type_names_nothing(client: redis.Redis, trader: str) -> None:
    """
    No node reads a set, so that it keeps none from starting.
    """
    client.set(f"trader-{trader}:index:positions_closed", b"x")
    assert lost(client, trader) is None


def test_names_in_an_index_do_not_steer_the_terminal(
    valkey: EmbeddedValkey, client: redis.Redis, trader: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Of many only the first are named, and all are counted.
    """
    names = [f"O-{number:05}\x1b[31m[red]" for number in range(2_500)]
    client.sadd(f"trader-{trader}:index:orders", *names)
    assert lost(client, trader) == "2,500 orders"
    assert main(["inspect", "--trader", trader, "--redis", valkey.url]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "and 2,497 more" in out
