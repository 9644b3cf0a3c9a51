"""
Real starts of both versions on one store: 1.x trades on Binance's stand-in and stops, 2.0 starts
with what is left of it, and 1.x comes back.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeProcessError
from tests.over.conftest import Run
from tests.over.one import INSTRUMENT_ID
from tests.over.one import STRATEGY_ID
from tests.over.one import SYMBOL
from tests.over.support import PYTHON_OF_TWO
from tests.over.support import Two
from tests.venues.binance.control import FakeBinance


TRADER = "OVER-001"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not PYTHON_OF_TWO.exists(), reason=f"no environment of 2.0 at {PYTHON_OF_TWO}"
    ),
]


class Scene:
    """One venue and one server, on which nodes of both versions come and go."""

    def __init__(self, venue: FakeBinance, valkey: EmbeddedValkey) -> None:
        self.venue = venue
        self.valkey = valkey

    def one(self, *, trades: bool) -> dict[str, Any]:
        """Run 1.x until it has traded, or come back, and return what it holds then."""
        arguments = {
            "trades": trades,
            "venue_port": self.venue.port,
            "database": msgspec.to_builtins(self.valkey.database_config()),
            "trader_id": TRADER,
        }
        with NodeProcess("tests.over.one:node", **arguments) as node:
            state = node.wait_for("state", 60.0)
            node.stop()
        assert "failure" not in state, (state, node.log)
        return state

    def two(self, **arguments: Any) -> Two:
        """Run 2.0 until it has started, and return what it said."""
        return Two(
            redis_port=self.valkey.port, venue_port=self.venue.port, trader_id=TRADER, **arguments
        )

    def dump(self) -> dict[bytes, Any]:
        """Return all that is stored but what is kept of what was forgotten."""
        with self.valkey.client() as client:
            return {
                key: _value(client, key)
                for key in client.scan_iter(f"trader-{TRADER}:*")
                if b"forgotten" not in key
            }


def _value(client: Any, key: bytes) -> Any:
    match client.type(key):
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"hash":
            return client.hgetall(key)
    return client.get(key)


@pytest.fixture
def scene(valkey: EmbeddedValkey) -> Iterator[Scene]:
    with FakeBinance() as venue:
        venue.reset(SYMBOL)
        yield Scene(venue, valkey)


def forget(run: Run, *arguments: str) -> None:
    assert run("forget", *arguments, "--trader", TRADER, "--apply")[0] == 0


def without_currencies(scene: Scene) -> None:
    with scene.valkey.client() as client:
        keys: Any = client.keys(f"trader-{TRADER}:currencies:*")
        assert keys
        client.delete(*keys)


def resting(before: dict[str, Any]) -> set[str]:
    """Return what the venue has and 2.0 asks for: stops only where they are algo orders."""
    names = ("stop", "bid") if FakeBinance.is_algo else ("bid",)
    return {before["client_ids"][name] for name in names}


def test_2_0_does_not_start_on_what_1_x_left(scene: Scene, run: Run) -> None:
    """It says nothing of a currency, which is what it fails on; `check --upgrade` does."""
    scene.one(trades=True)

    two = scene.two()
    code, out, _ = run("check", "--upgrade", "--trader", TRADER, columns=100)

    assert two.facts["raised"]["why"] == "Failed to load persistent cache"
    assert "urrenc" not in two.log
    assert code == 2
    assert "UPGRADE_START_FAILS" in out
    assert "currencies:ETH, currencies:USDT without `code`" in out


def test_2_0_drops_everything_then_loads_the_position_beside_the_one_from_the_venue(
    scene: Scene, run: Run
) -> None:
    """
    Without the currencies it starts, with all of it as EXTERNAL, and writes over the orders. At its
    second start it loads the old position: its fills are the one thing that both write alike.
    """
    before = scene.one(trades=True)
    without_currencies(scene)

    first = scene.two()
    second = scene.two()

    assert first.facts["loaded"] == {"orders": {}, "positions": {}, "instruments": []}
    started = first.facts["started"]
    assert started["positions"] == {
        f"{INSTRUMENT_ID}-EXTERNAL": {"strategy_id": "EXTERNAL", "qty": 2.0, "is_open": True}
    }
    assert {order["strategy_id"] for order in started["orders"].values()} == {"EXTERNAL"}
    assert resting(before) < started["orders"].keys()
    [old] = before["positions"]
    assert second.facts["loaded"]["positions"].keys() == {old["id"], f"{INSTRUMENT_ID}-EXTERNAL"}

    code, out, _ = run("check", "--upgrade", "--trader", TRADER, columns=100)
    assert code == 2
    assert "UPGRADE_STARTED_BEFORE" in out
    assert "accounts:BINANCE-USDT_FUTURES-master by both" in out
    with pytest.raises(NodeProcessError, match="Cannot convert dict to"):
        scene.one(trades=False)


def test_prepared_it_starts_with_the_position_for_whoever_claims_it(scene: Scene, run: Run) -> None:
    """`forget --for-upgrade`, and the claim that `check --upgrade` names: the way over."""
    before = scene.one(trades=True)
    _, out, _ = run("check", "--upgrade", "--trader", TRADER, "--json")
    assert f"claim {INSTRUMENT_ID} for {STRATEGY_ID}" in out
    forget(run, "--for-upgrade")

    two = scene.two(claimed=[INSTRUMENT_ID])
    again = scene.two(claimed=[INSTRUMENT_ID])

    assert "Failed to load" not in two.log
    held = {
        f"{INSTRUMENT_ID}-{STRATEGY_ID}": {"strategy_id": STRATEGY_ID, "qty": 2.0, "is_open": True}
    }
    assert two.facts["started"]["positions"] == held
    orders = two.facts["started"]["orders"]
    assert {order["strategy_id"] for order in orders.values()} == {STRATEGY_ID}
    assert resting(before) < orders.keys()
    assert again.facts["loaded"]["positions"] == held
    assert again.facts["started"]["positions"] == held


def test_the_way_back(scene: Scene, run: Run) -> None:
    """What 2.0 wrote is taken out, what 1.x wrote put back, byte for byte, and 1.x comes back."""
    before = scene.one(trades=True)
    stored = scene.dump()
    forget(run, "--for-upgrade")
    _, out, _ = run("forget", "--list", "--trader", TRADER, "--json")
    [taken] = msgspec.json.decode(out)["kept"]
    assert "started" in scene.two().facts

    forget(run, "--for-downgrade")
    forget(run, "--undo", taken["id"])

    assert {
        key: value for key, value in scene.dump().items() if b":position_oms:" not in key
    } == stored
    back = scene.one(trades=False)
    # Without the monitor, 1.x may add a made-up one to it: see docs/restarts.md
    assert before["positions"][0] in back["positions"]
    assert {order["client_id"] for order in before["orders"]} <= {
        order["client_id"] for order in back["orders"]
    }


def test_migrated_it_starts_with_what_is_its_own(scene: Scene, run: Run) -> None:
    """Nothing comes back as EXTERNAL, without a claim: the orders and the position are known."""
    before = scene.one(trades=True)
    assert run("migrate", "--trader", TRADER, "--apply")[0] == 0

    two = scene.two()
    again = scene.two()

    [position] = before["positions"]
    own = {"strategy_id": STRATEGY_ID, "qty": 2.0, "is_open": True}
    for facts in (two.facts["loaded"], two.facts["started"], again.facts["started"]):
        assert facts["positions"] == {position["id"]: own}
        assert {
            (name, order["strategy_id"], order["status"]) for name, order in facts["orders"].items()
        } == {(one["client_id"], STRATEGY_ID, one["status"]) for one in before["orders"]}
    assert "ERROR" not in two.log
    assert run("check", "--upgrade", "--trader", TRADER)[0] == 0


def test_the_way_back_from_what_was_migrated(scene: Scene, run: Run) -> None:
    """What 2.0 made of it is taken out; what 1.x wrote comes back, with what refers to it."""
    scene.one(trades=True)
    stored = scene.dump()
    assert run("migrate", "--trader", TRADER, "--apply")[0] == 0
    assert "started" in scene.two().facts

    forget(run, "--for-downgrade")
    assert run("migrate", "--undo", "--trader", TRADER, "--apply")[0] == 0

    assert {
        key: value for key, value in scene.dump().items() if b":position_oms:" not in key
    } == stored
