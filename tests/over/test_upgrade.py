"""
``check --upgrade`` and ``forget --for-upgrade``: what 2.0 would refuse or drop, and without it.
"""

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from nautilus_trader.model.position import Position

from nautilus_recovery_actor.console.common import MISUSED
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.written_by import written_by
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.over.conftest import Run
from tests.over.support import store_of_two


TRADER = "OVER-001"
KEY = f"trader-{TRADER}"


def left(valkey: EmbeddedValkey, seed: int = 3, encoding: str = "msgpack") -> World:
    """Store a random history of 1.x, without what has colons in its name."""
    world = World(seed, TRADER, adapter(valkey, TRADER, encoding))
    world.instruments = world.instruments[:5]
    world.live(orders=20)
    world.database.add_currency(world.instruments[0].quote_currency)
    world.close(valkey)
    return world


def dump(client: redis.Redis) -> dict[bytes, Any]:
    """Return what is stored, but for what is kept."""
    keys = [key for key in client.scan_iter(f"{KEY}:*") if b"forgotten" not in key]
    return {
        key: client.dump(key) if client.type(key) != b"set" else members(client, key)
        for key in keys
    }


def members(client: redis.Redis, key: bytes) -> Any:
    return client.smembers(key)


def check(run: Run, *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Return the exit code, and the findings by their code."""
    code, out, err = run("check", "--upgrade", "--trader", TRADER, "--json", *arguments)
    assert out, err
    found: dict[str, list[dict[str, str]]] = {}
    for finding in msgspec.json.decode(out)["findings"]:
        found.setdefault(finding["code"], []).append(finding)
    return code, found


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_each_position_and_order_is_named_with_what_to_do(
    valkey: EmbeddedValkey, run: Run, encoding: str
) -> None:
    """What a strategy holds is to be closed or claimed, and whose that is is said."""
    world = left(valkey, encoding=encoding)

    code, found = check(run)

    assert code == 2
    positions = [one for one in world.positions.values() if one.is_open]
    assert positions
    assert len(found["UPGRADE_POSITION_DROPPED"]) == len(positions)
    said = {(one["subject"], one["message"]) for one in found["UPGRADE_POSITION_DROPPED"]}
    assert said == {(one.strategy_id.value, _said(one)) for one in positions}
    for one in found["UPGRADE_POSITION_DROPPED"]:
        instrument_id = one["message"].split()[2].rstrip(",")
        wanted = f"claim {instrument_id} for {one['subject']}, in its StrategyConfig(external"
        assert (wanted in one["remedy"]) is (one["subject"] != "EXTERNAL")
    assert found["UPGRADE_START_FAILS"][0]["message"] == (
        "NautilusTrader 1.x wrote currencies:USDT without `code`."
    )
    [history] = found["UPGRADE_HISTORY_DROPPED"]
    assert history["message"].startswith(
        f"NautilusTrader 1.x wrote 3 accounts, 14 instruments, {len(world.orders)} orders, "
    )


def _said(position: Position) -> str:
    qty = Decimal(str(position.quantity))
    instrument_id = position.instrument_id
    return f"{position.side.name} {qty:,f} {instrument_id}, stored as {position.id}."


def test_orders_that_only_the_node_knows_are_to_be_canceled(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """Held, in flight and resting orders are told apart: only the last can come back."""
    world = left(valkey)
    database = adapter(valkey, TRADER)
    world.database = database
    statuses = {order.status_string() for order in world.orders}
    while not {"EMULATED", "SUBMITTED", "ACCEPTED"} <= statuses:
        order = world.place()
        for _ in range(2):
            world.step(order)
        statuses = {order.status_string() for order in world.orders}
    world.close(valkey)

    _, found = check(run)

    for code, status in (
        ("UPGRADE_ORDER_HELD", "EMULATED"),
        ("UPGRADE_ORDER_IN_FLIGHT", "SUBMITTED"),
        ("UPGRADE_ORDER_DROPPED", "ACCEPTED"),
    ):
        text = " ".join(one["message"] for one in found[code])
        assert f"({status})" in text
    assert "ACCEPTED" not in " ".join(one["message"] for one in found["UPGRADE_ORDER_HELD"])


def test_two_positions_in_one_instrument_cannot_be_claimed_apart(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """The venue reports one sum: what each strategy holds of it is lost."""
    world = World(1, TRADER, adapter(valkey, TRADER))
    world.instruments = world.instruments[:1]
    world.live(orders=40)
    world.close(valkey)
    several = [one for one in world.positions.values() if one.is_open]
    assert len(several) > 1

    [finding] = check(run)[1]["UPGRADE_LEGS_LOST"]

    assert finding["subject"] == several[0].instrument_id.value
    assert finding["message"].startswith(f"{len(several)} open positions in it are stored")


def test_a_saved_state_is_found(valkey: EmbeddedValkey, run: Run) -> None:
    """2.0 fails on the bytes in it, after it has connected."""
    left(valkey)
    with valkey.client() as client:
        client.set(f"{KEY}:strategies:S-001:state", msgspec.msgpack.encode({"n": b"1"}))

    [finding] = check(run)[1]["UPGRADE_STATE_DROPPED"]

    assert finding["message"] == "1.x has saved the state of S-001."


def test_a_node_that_runs_is_found(valkey: EmbeddedValkey, run: Run) -> None:
    """What it writes meanwhile would not be checked."""
    left(valkey)
    beat(valkey)

    code, found = check(run)

    assert code == 2
    assert found["UPGRADE_NODE_RUNS"][0]["message"].startswith(f"A node of {TRADER} runs")


def beat(valkey: EmbeddedValkey) -> None:
    heartbeat = Heartbeat(time.time_ns(), 1, RecoveryPhase.COMPLETE, is_stopped=False)
    with valkey.client() as client:
        client.set(f"{KEY}:general:recovery:heartbeat", msgspec.json.encode(heartbeat))


def test_what_2_0_wrote_needs_nothing(valkey: EmbeddedValkey, run: Run) -> None:
    """No finding on a store of 2.0: it is where it should be."""
    with valkey.client() as client:
        store_of_two(client, TRADER)

    assert check(run) == (0, {})


def test_a_trader_that_is_not_there_is_refused(valkey: EmbeddedValkey, run: Run) -> None:
    """Silence would read as ready."""
    code, _, err = run("check", "--upgrade", "--trader", "NOBODY-001")

    assert code == 2
    assert "has no entries for NOBODY-001" in err


def test_what_to_check_must_be_given(
    run: Run, monkeypatch: pytest.MonkeyPatch, valkey: EmbeddedValkey
) -> None:
    """A target, or with --upgrade a trader."""
    monkeypatch.delenv("RECOVERY_TRADER", raising=False)
    assert "required: TARGET" in run("check")[2]
    assert "give a TARGET, or the --trader whose cache it is" in run("check", "--upgrade")[2]


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_a_cache_is_prepared_and_put_back_exactly(
    valkey: EmbeddedValkey, run: Run, encoding: str
) -> None:
    """All that 1.x wrote goes, with what refers to it; --undo restores every byte."""
    left(valkey, encoding=encoding)
    namespace = Namespace(trader_id=TRADER)
    with valkey.client() as client:
        client.set(f"{KEY}:general:mine", b"kept")
        client.rpush(f"{KEY}:snapshots:orders:{_an_order(client)}", b"x")
        before = dump(client)

        assert run("forget", "--for-upgrade", "--trader", TRADER, "--apply")[0] == 0

        after = dump(client)
        assert written_by(Major.ONE, client, namespace) == []
        assert set(after) == {f"{KEY}:general:mine".encode(), f"{KEY}:general:written".encode()}
        assert check(run) == (0, {})

        assert run("forget", "--undo", "--trader", TRADER, "--apply")[0] == 0
        assert dump(client) == before


def _an_order(client: redis.Redis) -> str:
    key = next(client.scan_iter(f"{KEY}:orders:*"))
    return str(key.decode().rpartition(":")[2])


def test_a_cache_is_not_prepared_while_its_node_runs(valkey: EmbeddedValkey, run: Run) -> None:
    """Nothing is changed under a node."""
    left(valkey)
    beat(valkey)
    with valkey.client() as client:
        before = dump(client)
        code, _, err = run("forget", "--for-upgrade", "--trader", TRADER, "--apply")
        assert dump(client) == before

    assert code == 1
    assert "runs" in err


def test_what_2_0_wrote_is_taken_out_for_1_x(valkey: EmbeddedValkey, run: Run) -> None:
    """And nothing of 1.x."""
    with valkey.client() as client:
        store_of_two(client, TRADER)
        assert run("forget", "--for-downgrade", "--trader", TRADER, "--apply")[0] == 0
        assert all(b":general:" in key for key in dump(client))
        code, out, _ = run("forget", "--for-downgrade", "--trader", TRADER)

    assert code == 0
    assert out == f"Nothing to take: NautilusTrader 2.0 has written nothing of {TRADER}\n"


def test_only_one_way_at_a_time(run: Run, valkey: EmbeddedValkey) -> None:
    """To prepare for one version and for the other would leave nothing."""
    code, _, err = run("forget", "--for-upgrade", "--for-downgrade", "--trader", TRADER)

    assert code == MISUSED
    assert "give one of" in err


def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """Write a module of a node, and return how its configuration is named."""
    name = f"upgraded_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "from nautilus_trader.config import CacheConfig\n"
        "from nautilus_trader.config import DatabaseConfig\n"
        "from nautilus_trader.config import TradingNodeConfig\n"
        "from nautilus_trader.live.node import TradingNode\n\n"
        f"{text}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def config_at(valkey: EmbeddedValkey, trader: str = TRADER, more: str = "", cache: str = "") -> str:
    database = f"DatabaseConfig(host='127.0.0.1', port={valkey.port})"
    return (
        f"TradingNodeConfig(trader_id={trader!r}, {more}"
        f"cache=CacheConfig(database={database}, {cache}))"
    )


TARGETS = {
    "a configuration": ("config = {}", "config"),
    "with strategies": ("def node():\n    return {}, []", "node"),
    "a node that is made": ("def node():\n    return TradingNode({})", "node"),
    "a node that is run": ("def main():\n    TradingNode({}).run()", "main"),
}


@pytest.fixture
def loop() -> Iterator[None]:
    """
    Let there be an event loop, as in a fresh process. NautilusTrader makes none beside pytest.
    """
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("kind", TARGETS)
def test_a_target_is_checked_as_its_trader_is(
    valkey: EmbeddedValkey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The configuration says where the cache is, and whose: nothing else has to be given."""
    left(valkey)
    code, found = check(run)
    text, name = TARGETS[kind]
    module = target(tmp_path, monkeypatch, text.format(config_at(valkey)))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("RECOVERY_TRADER", "ANOTHER-001")

    told, out, err = run("check", "--upgrade", f"{module}:{name}", "--json")

    assert out, err
    report = msgspec.json.decode(out)
    assert (told, code) == (2, 2)
    assert report["trader_id"] == TRADER
    assert found
    assert sorted(one["code"] for one in report["findings"]) == sorted(
        one["code"] for some in found.values() for one in some
    )


def test_a_target_says_how_its_keys_are_named(
    valkey: EmbeddedValkey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the prefix of traders, and under an instance of its own."""
    instance = "3f1d5a0c-9d3c-4b7e-8a0b-2f6d0c1e4a5b"
    value = msgspec.msgpack.encode({"precision": 8, "name": "Tether"})
    with valkey.client() as client:
        client.set(f"{TRADER}:{instance}:currencies:USDT", value)
    config = config_at(
        valkey,
        more=f"instance_id=UUID4.from_str({instance!r}), ",
        cache="use_trader_prefix=False, use_instance_id=True",
    )
    text = f"from nautilus_trader.core.uuid import UUID4\nconfig = {config}"
    module = target(tmp_path, monkeypatch, text)

    code, out, err = run("check", "--upgrade", f"{module}:config", columns=200)

    assert code == 2, err
    assert "NautilusTrader 1.x wrote currencies:USDT without `code`" in out


def test_a_target_whose_cache_nobody_can_find_is_refused(
    valkey: EmbeddedValkey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence would read as ready."""
    config = config_at(valkey, cache="use_instance_id=True")
    text = f"alone = TradingNodeConfig(trader_id={TRADER!r})\neach = {config}\n"
    text += f"empty = {config_at(valkey, 'NOBODY-001')}"
    module = target(tmp_path, monkeypatch, text)

    def refused(name: str) -> str:
        code, out, err = run("check", "--upgrade", f"{module}:{name}")
        assert (code, out) == (2, "")
        return err

    assert refused("alone") == (
        "The configuration has no cache in Redis: nothing is to be upgraded\n"
    )
    assert "has no entries for NOBODY-001: nothing is to be upgraded" in refused("empty")
    assert refused("each") == (
        "The configuration has use_instance_id=True and no instance_id: give the --instance-id "
        "whose cache is to be upgraded\n"
    )
    assert (
        "upgraded_nothing cannot be imported"
        in run("check", "--upgrade", "upgraded_nothing:config")[2]
    )
