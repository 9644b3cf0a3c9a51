"""
``migrate``: what 1.x restores from a store is what 2.0 restores from the migrated one.
"""

import json
import math
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
import redis
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import ExecAlgorithmId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import versions
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.written_by import written_by
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.inspect.world import load
from tests.over.conftest import Run
from tests.over.restored import whole
from tests.over.support import PYTHON_OF_TWO
from tests.over.support import Two
from tests.over.test_upgrade import dump


ROOT = Path(__file__).parents[2]
TRADER = "OVER-001"
KEY = f"trader-{TRADER}"
with_two = pytest.mark.skipif(
    not PYTHON_OF_TWO.exists(), reason=f"no environment of 2.0 at {PYTHON_OF_TWO}"
)


def left(valkey: EmbeddedValkey, seed: int, encoding: str = "msgpack", orders: int = 40) -> None:
    """Store a random history of 1.x."""
    world = World(seed, TRADER, adapter(valkey, TRADER, encoding))
    world.instruments = [one for one in world.instruments if ":" not in one.id.value]
    world.live(orders=orders)
    for order in special(world):
        world.database.add_order(order)
    for instrument in world.instruments:
        world.database.add_currency(instrument.quote_currency)
    world.close(valkey)


def special(world: World) -> list[Order]:
    """Return orders with what a random one does not have."""
    instrument = world.instruments[0]
    factory = OrderFactory(
        trader_id=world.trader_id,
        strategy_id=StrategyId("S-001"),
        clock=world.clock,
        use_uuid_client_order_ids=True,
    )
    qty, px = instrument.make_qty(4), instrument.make_price(100)
    until = pd.Timestamp("2030-01-02 03:04:05.678", tz="UTC")
    common = {"instrument_id": instrument.id, "order_side": OrderSide.BUY, "quantity": qty}
    return [
        factory.limit(**common, price=px, time_in_force=TimeInForce.GTD, expire_time=until),
        factory.limit(**common, price=px, display_qty=instrument.make_qty(1), post_only=True),
        factory.market(**common, quote_quantity=True, reduce_only=True, tags=["mine", "yours"]),
        factory.market(
            **common,
            exec_algorithm_id=ExecAlgorithmId("TWAP"),
            exec_algorithm_params={"horizon_secs": "20", "interval_secs": "2.5"},
            time_in_force=TimeInForce.IOC,
        ),
        factory.stop_limit(
            **common,
            price=px,
            trigger_price=px,
            trigger_type=TriggerType.MARK_PRICE,
            time_in_force=TimeInForce.GTD,
            expire_time=until,
            emulation_trigger=TriggerType.BID_ASK,
            trigger_instrument_id=world.instruments[1].id,
        ),
    ]


def migrate(run: Run, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run("migrate", "--trader", TRADER, "--json", *arguments)
    assert out, err
    told: dict[str, Any] = json.loads(out)
    return code, told


def without_refused(run: Run) -> dict[str, Any]:
    """Take out what cannot be migrated, as its closing and purging would, and return the rest."""
    refused = migrate(run)[1]["refused"]
    if refused:
        assert run("forget", *refused, "--trader", TRADER, "--apply")[0] == 0
    code, told = migrate(run)
    assert code == 0
    return told


def restored_by_one(valkey: EmbeddedValkey, encoding: str) -> dict[str, Any]:
    database = adapter(valkey, TRADER, encoding)
    try:
        return whole(load(database))
    finally:
        database.close()


def differences(one: dict[str, Any], two: dict[str, Any]) -> list[tuple[str, str, Any, Any]]:
    return [
        (entry, field, value, two[entry].get(field))
        for entry, fields in one.items()
        for field, value in fields.items()
        if not is_equal(field, value, two[entry].get(field), fields)
    ]


def is_equal(field: str, one: Any, two: Any, fields: dict[str, Any]) -> bool:
    """Return whether both restore the same; what one does not have at all counts as none."""
    if field == "account_id" and one is None:
        return True  # 1.x does not take it from an acceptance, 2.0 does
    if field == "indexed_position" and two is None and fields["parent_order_id"]:
        return True  # 1.x derives it from the parent when it loads
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=1e-12)
    return one == two or (one in _NOTHING and two in _NOTHING)


_NOTHING: tuple[Any, ...] = (None, "None", False, 0.0, {})
# What 2.0 has no field for, or under another name
_NOT_IN_TWO = {"maker_fee", "taker_fee", "tick_scheme_name", "venue_name"}


def assert_equal_on_both(valkey: EmbeddedValkey, run: Run, seed: int, encoding: str) -> None:
    left(valkey, seed, encoding)
    told = without_refused(run)
    one = restored_by_one(valkey, encoding)

    assert run("migrate", "--trader", TRADER, "--apply")[0] == 0
    two = Two(redis_port=valkey.port, trader_id=TRADER, encoding=encoding, is_whole=True)

    assert "Failed to load" not in two.log
    loaded = two.facts["loaded"]
    gone = {key.partition(":")[2] for key in told["left_out"]}
    orders = {name: order for name, order in one["orders"].items() if name not in gone}
    assert len(orders) > 15
    assert orders.keys() == loaded["orders"].keys()
    assert len(loaded["positions"]) > 5
    assert one["positions"].keys() == loaded["positions"].keys()
    assert one["accounts"].keys() == loaded["accounts"].keys()
    assert one["instruments"].keys() == loaded["instruments"].keys()
    assert differences(orders, loaded["orders"]) == []
    assert differences(one["positions"], loaded["positions"]) == []
    assert differences(one["accounts"], loaded["accounts"]) == []
    instruments = {
        name: {field: value for field, value in fields.items() if field not in _NOT_IN_TWO}
        for name, fields in one["instruments"].items()
    }
    assert differences(instruments, loaded["instruments"]) == []


@with_two
def test_2_0_restores_what_1_x_did(valkey: EmbeddedValkey, run: Run) -> None:
    """Orders with all events, positions, accounts, instruments, and what the indexes say."""
    assert_equal_on_both(valkey, run, 1, "msgpack")


@with_two
@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 14))
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_2_0_restores_any_random_history_as_1_x_did(
    valkey: EmbeddedValkey, run: Run, seed: int, encoding: str
) -> None:
    """The same, for histories of all types of orders and instruments."""
    assert_equal_on_both(valkey, run, seed, encoding)


@with_two
def test_a_saved_state_is_loaded(valkey: EmbeddedValkey, run: Run) -> None:
    """2.0 raises an error on the bytes of 1.x; as numbers it takes them."""
    with valkey.client() as client:
        client.set(f"{KEY}:strategies:Leaver-001:state", msgspec.msgpack.encode({"n": b"\x01hi"}))
    assert "raised" in Two(redis_port=valkey.port, trader_id=TRADER, load_state=True).facts

    assert migrate(run, "--apply")[0] == 0
    two = Two(redis_port=valkey.port, trader_id=TRADER, load_state=True)

    assert two.facts["state"] == {"n": [*b"\x01hi"]}
    assert "started" in two.facts


def test_without_apply_nothing_changes(valkey: EmbeddedValkey, run: Run) -> None:
    """A dry run counts what there is, and says how to go on."""
    left(valkey, 1)
    without_refused(run)
    with valkey.client() as client:
        before = dump(client)
        code, out, _ = run("migrate", "--trader", TRADER)
        assert dump(client) == before

    assert code == 0
    assert re.search(
        r"3 accounts, \d+ currencies, 14 instruments, \d+ orders, \d+ positions can", out
    )
    assert "Nothing was changed: give --apply to do it" in out


@pytest.mark.parametrize(("encoding", "named"), [("msgpack", "MSG_PACK"), ("json", "JSON")])
def test_what_the_node_has_to_be_configured_with_is_said(
    valkey: EmbeddedValkey, run: Run, encoding: str, named: str
) -> None:
    """With another encoding it does not start, with other accounts it holds all positions twice."""
    left(valkey, 1, encoding)
    without_refused(run)

    lines = run("migrate", "--trader", TRADER)[1].splitlines()

    [line] = [line for line in lines if line.startswith("On 2.0: ")]
    assert line.startswith(f"On 2.0: encoding=SerializationEncoding.{named} in `with_recovery`, ")
    assert 'account_id=AccountId("SIM-001") in' in line


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_what_is_replaced_is_put_back_exactly(
    valkey: EmbeddedValkey, run: Run, encoding: str
) -> None:
    """Byte for byte, in the same transaction that takes the migrated entries away."""
    left(valkey, 1, encoding)
    told = without_refused(run)
    with valkey.client() as client:
        before = dump(client)

        code, done = migrate(run, "--apply")

        assert code == 0
        assert done["is_applied"]
        assert done["migrated"] == told["migrated"]
        assert written_by(Major.ONE, client, Namespace(trader_id=TRADER)) == []
        encodings = {_first(client, key)[:1] == b"{" for key in client.keys(f"{KEY}:orders:*")}
        assert encodings == {encoding == "json"}

        assert run("migrate", "--undo", "--trader", TRADER, "--apply")[0] == 0
        assert dump(client) == before


def _first(client: redis.Redis, key: bytes) -> bytes:
    found: Any = client.lindex(key, 0)
    return bytes(found)


def test_what_cannot_be_equal_is_refused(valkey: EmbeddedValkey, run: Run) -> None:
    """With something of that kind that is not over, nothing at all is changed."""
    left(valkey, 1)
    with valkey.client() as client:
        before = dump(client)

        code, told = migrate(run, "--apply")

        assert code == 1
        assert told["refused"]
        assert not told["is_applied"]
        assert dump(client) == before
    _, _, err = run("migrate", "--trader", TRADER)
    assert "cannot be migrated: 2.0 does not load it: it was released as an order of" in err
    assert "close and cancel with 1.x what cannot be migrated" in err


def test_nothing_is_migrated_while_a_node_runs(valkey: EmbeddedValkey, run: Run) -> None:
    """Its next event would be of another encoding than the last."""
    left(valkey, 1)
    heartbeat = Heartbeat(time.time_ns(), 1, RecoveryPhase.COMPLETE, is_stopped=False)
    with valkey.client() as client:
        client.set(f"{KEY}:general:recovery:heartbeat", msgspec.json.encode(heartbeat))
        before = dump(client)
        code, _, err = run("migrate", "--trader", TRADER, "--apply")
        assert dump(client) == before

    assert code == 1
    assert "runs" in err


def test_it_is_done_once(valkey: EmbeddedValkey, run: Run) -> None:
    """What is of 2.0 already stays as it is."""
    left(valkey, 1)
    without_refused(run)
    assert migrate(run, "--apply")[0] == 0

    code, out, _ = run("migrate", "--trader", TRADER, "--apply")

    assert code == 0
    assert out == f"Nothing to migrate: NautilusTrader 1.x has written nothing of {TRADER}\n"


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Let another version of NautilusTrader look installed."""
    place = tmp_path / f"nautilus_trader-{version}.dist-info"
    place.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: nautilus_trader\nVersion: {version}\n"
    (place / "METADATA").write_text(metadata)
    monkeypatch.syspath_prepend(tmp_path)


def test_what_was_proven_is_said_and_assumed_where_no_2_0_is_installed(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """The converter knows the encoding of one release candidate, and says of which."""
    left(valkey, 1)
    without_refused(run)

    _, told = migrate(run)
    out = run("migrate", "--trader", TRADER)[1]

    assert (told["proven_for"], told["installed"]) == (["2.0.0rc7"], None)
    assert "can be had equal on 2.0.0rc7\n" in out
    assert "Assumed: the node will run 2.0.0rc7, for which alone this was proven\n" in out


def test_nothing_is_assumed_where_the_proven_one_is_installed(
    valkey: EmbeddedValkey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the one that will load it."""
    left(valkey, 1)
    without_refused(run)
    install(tmp_path, monkeypatch, "2.0.0rc7")

    assert migrate(run)[1]["installed"] == "2.0.0rc7"
    assert "Assumed" not in run("migrate", "--trader", TRADER)[1]


@pytest.mark.parametrize("version", ["2.0.0rc8", "2.0.0", "2.1.0"])
def test_another_2_0_is_refused(
    valkey: EmbeddedValkey, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Its encoding may be another; going back needs no proof."""
    left(valkey, 1)
    without_refused(run)
    with valkey.client() as client:
        before = dump(client)
        assert migrate(run, "--apply")[0] == 0
        migrated = dump(client)
        install(tmp_path, monkeypatch, version)

        code, out, err = run("migrate", "--trader", TRADER, "--apply")

        assert (code, out) == (1, "")
        assert err == (
            f"NautilusTrader {version} is installed here: that it loads what is migrated was "
            "proven for 2.0.0rc7 alone. Do it where that one is installed, or 1.x\n"
        )
        assert dump(client) == migrated
        assert run("migrate", "--undo", "--trader", TRADER, "--apply")[0] == 0
        assert dump(client) == before


def test_what_names_an_unknown_currency_is_refused(valkey: EmbeddedValkey, run: Run) -> None:
    """1.x gives it eight decimals, 2.0 leaves out whatever names it."""
    left(valkey, 1)
    without_refused(run)
    with valkey.client() as client:
        key = next(client.scan_iter(f"{KEY}:accounts:SIM-001"))
        state: dict[str, Any] = msgspec.msgpack.decode(_first(client, key))
        state["balances"].append({**state["balances"][0], "currency": "ZZZ"})
        client.rpush(key, msgspec.msgpack.encode(state))

        assert migrate(run)[1]["refused"] == {
            "accounts:SIM-001": "2.0 does not load it: its currency 'ZZZ' is not known"
        }

        client.set(f"{KEY}:currencies:ZZZ", msgspec.msgpack.encode({"precision": 8}))
        assert migrate(run)[1]["refused"] == {}


def in_the_environment_of_two(valkey: EmbeddedValkey, *arguments: str) -> dict[str, Any]:
    """Run a command where NautilusTrader 2.0 is installed, and 1.x is not."""
    done = subprocess.run(
        [PYTHON_OF_TWO, "-m", "nautilus_recovery_cli", *arguments, "--json", "--trader", TRADER],
        env={"PYTHONPATH": str(ROOT), "REDIS_URL": valkey.url},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@with_two
def test_it_does_the_same_where_2_0_is_installed(valkey: EmbeddedValkey, run: Run) -> None:
    """But for positions of which the version of 1.x decides how large they are."""
    left(valkey, 1)
    code, told = migrate(run)

    there = in_the_environment_of_two(valkey, "migrate")

    assert code == 1
    assert there["installed"] in there["proven_for"]
    unknown = {key: why for key, why in there["refused"].items() if "where the 1.x" in why}
    assert all("BTCUSDT.BINANCE" in key for key in unknown)
    refused = {key: why for key, why in there["refused"].items() if key not in unknown}
    assert refused == {key: why for key, why in told["refused"].items() if key not in unknown}
    assert there["left_out"] == told["left_out"]
    assert {*there["migrated"], *unknown} >= {*told["migrated"]}

    def said(inspected: dict[str, Any]) -> dict[str, Any]:
        return {name: one for name, one in inspected.items() if name != "ts"}

    # What it restores differs between 1.221 and 1.231, of which the newer is assumed
    if versions.TAKES_COMMISSION:
        here = json.loads(run("inspect", "--trader", TRADER, "--json")[1])
        assert said(in_the_environment_of_two(valkey, "inspect")) == said(here)
