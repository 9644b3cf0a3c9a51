"""
Which version of NautilusTrader wrote a store: said by `inspect` and `check`, in place of what is
wrong with each entry.
"""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor import preflight
from nautilus_recovery_actor.outside.store.majors import Major
from nautilus_recovery_actor.outside.store.majors import major_of
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.inspect.world import load
from tests.over.conftest import Run
from tests.over.support import store_of_two
from tests.preflight.nodes import good


TRADER = "CHECKED-001"
ACCOUNT = "accounts:BINANCE-USDT_FUTURES-master"


def store_of_one(valkey: EmbeddedValkey, encoding: str = "msgpack") -> None:
    world = World(3, TRADER, adapter(valkey, TRADER, encoding))
    world.instruments = world.instruments[:5]
    world.live(orders=15)
    world.close(valkey)


def inspected(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(run("inspect", "--trader", TRADER, "--json")[1])
    return found


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_what_2_0_wrote_is_shown_as_2_0_restores_it(
    valkey: EmbeddedValkey, run: Run, encoding: str
) -> None:
    """The same tables, and the same fields, as of a store of 1.x; and whose it is."""
    with valkey.client() as client:
        store_of_two(client, TRADER, encoding)

    code, out, _ = run("inspect", "--trader", TRADER, columns=200)
    found = inspected(run)

    assert code == 0
    assert out.startswith(
        "CHECKED-001 would restore 1 open position, 0 open orders, 1 order held by the node, "
        "1 account; last written "
    )
    table = " ".join(out.split())
    assert "ETHUSDT-PERP.BINANCE-Leaver-001 LONG 1.000 1900 -0.95 USDT" in table
    assert (
        "O-20261129-234837-001-001-3 SELL 2.000 ETHUSDT-PERP.BINANCE STOP_MARKET trigger 1,700.00 "
        "EMULATED held by the node"
    ) in table
    assert "Also stored: 2 closed orders, 0 closed positions, 1 instrument." in table
    assert (
        "NautilusTrader 2.0 wrote this, and restores it as shown (seen with 2.0.0rc7); 1.x cannot "
        "load it."
    ) in table
    assert (found["written_by"], found["restored_by"]) == (["2.0"], "2.0")
    assert (found["broken"], found["missing"]) == ([], [])
    assert [one["strategy_id"] for one in found["positions"]] == ["Leaver-001"]


def test_what_is_shown_of_2_0_can_be_narrowed(valkey: EmbeddedValkey, run: Run) -> None:
    """By strategy and by instrument, also where nothing of it is left open."""
    with valkey.client() as client:
        store_of_two(client, TRADER)

    def narrowed(*arguments: str) -> tuple[int, str, str]:
        return run("inspect", "--trader", TRADER, *arguments, columns=200)

    assert "1 open position" in narrowed("--strategy", "Leaver-001")[1]
    assert "1 open position" in narrowed("--instrument", "ETHUSDT-PERP.BINANCE")[1]
    code, _, err = narrowed("--instrument", "ETHUSD-PERP.BINANCE")
    assert code == 2
    assert "did you mean ETHUSDT-PERP.BINANCE?" in err


def test_what_2_0_wrote_is_shown_without_nautilus_trader(valkey: EmbeddedValkey, run: Run) -> None:
    """It takes none to know what 2.0 restores."""
    with valkey.client() as client:
        store_of_two(client, TRADER)
    code = (
        "import sys; sys.modules['nautilus_trader'] = None\n"
        "from nautilus_recovery_cli import main; sys.exit(main())"
    )
    arguments = ("inspect", "--trader", TRADER, "--json", "--redis", valkey.url)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, b"")
    found, here = msgspec.json.decode(done.stdout), inspected(run)
    assert {**found, "ts": 0} == {**here, "ts": 0}


def test_1_x_cannot_load_what_2_0_wrote(valkey: EmbeddedValkey) -> None:
    """The fact behind it: NautilusTrader raises an error."""
    with valkey.client() as client:
        store_of_two(client, TRADER)
    database = adapter(valkey, TRADER)
    with pytest.raises(TypeError, match="Cannot convert dict to"):
        load(database)
    database.close()


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_what_1_x_wrote_is_of_1_x(valkey: EmbeddedValkey, run: Run, encoding: str) -> None:
    """Orders, positions, accounts and instruments of all kinds."""
    store_of_one(valkey, encoding)

    assert inspected(run)["written_by"] == ["1.x"]
    assert "2.0" not in run("inspect", "--trader", TRADER)[1].splitlines()[0]


def test_a_start_of_2_0_on_the_store_of_1_x_is_seen(valkey: EmbeddedValkey, run: Run) -> None:
    """2.0 appends its first account state to those of 1.x, and neither loads the list then."""
    store_of_one(valkey)
    with valkey.client() as client:
        states: Any = client.lrange(f"trader-{TRADER}:accounts:SIM-001", 0, -1)
        store_of_two(client, "OTHER-001")
        of_two: Any = client.lindex(f"trader-OTHER-001:{ACCOUNT}", 0)
        client.rpush(f"trader-{TRADER}:accounts:SIM-001", of_two)

    found = inspected(run)

    assert states
    assert found["written_by"] == ["1.x", "2.0"]
    [entry] = [one for one in found["broken"] if one["is_of_two"]]
    assert entry["key"] == f"trader-{TRADER}:accounts:SIM-001"
    assert entry["why"] == "NautilusTrader 1.x wrote it, then 2.0"
    assert entry["stops_start"]


def test_check_blocks_a_start_of_1_x_on_what_2_0_wrote(valkey: EmbeddedValkey) -> None:
    """One finding that names the version, in place of what each entry lacks."""
    with valkey.client() as client:
        store_of_two(client, TRADER)

    report = preflight(good(valkey.database_config()))

    found = {finding.code: finding for finding in report.findings}
    assert report.is_blocked
    assert found["OTHER_MAJOR"].message == (
        "NautilusTrader 2.0 has written here: 1.x cannot load 6 entries, "
        f"trader-{TRADER}:{ACCOUNT}, trader-{TRADER}:instruments:ETHUSDT-PERP.BINANCE, "
        f"trader-{TRADER}:orders:O-20261129-234837-001-001-1 and 3 more."
    )
    assert not {"ENTRY_STOPS_START", "ENTRY_LEFT_OUT"} & found.keys()


def test_check_has_nothing_against_what_1_x_wrote(valkey: EmbeddedValkey) -> None:
    """No finding without a reason."""
    store_of_one(valkey)

    assert "OTHER_MAJOR" not in preflight(good(valkey.database_config())).codes


@pytest.mark.parametrize(
    ("kind", "value", "major"),
    [
        (b"currencies", {"precision": 8, "name": "Tether"}, Major.ONE),
        (b"currencies", {"code": "USDT", "precision": 8}, Major.TWO),
        (b"currencies", "USDT", Major.TWO),
        (b"instruments", {"type": "CurrencyPair", "id": "X.Y"}, Major.ONE),
        (b"instruments", {"CurrencyPair": {"id": "X.Y"}}, Major.TWO),
        (b"orders", {"type": "OrderFilled"}, Major.ONE),
        (b"orders", {"Filled": {"type": "OrderFilled"}}, Major.TWO),
        (b"accounts", {"type": "AccountState"}, Major.ONE),
        (b"accounts", {"is_reported": True}, Major.TWO),
        (
            b"positions",
            {"type": "OrderFilled", "position_id": "P", "info": {}, "reconciliation": False},
            Major.ONE,
        ),
        (
            b"positions",
            {"type": "OrderFilled", "reconciliation": False, "position_id": "P", "info": None},
            Major.TWO,
        ),
        (b"positions", {"type": "OrderFilled"}, None),
        (b"strategies", {"n": [1, 2]}, Major.TWO),
        (b"strategies", {"n": "AQI="}, Major.ONE),
        (b"strategies", {}, None),
        (b"orders", {"Filled": "else"}, None),
        (b"orders", {}, None),
        (b"orders", 5, None),
        (b"general", {"type": "x"}, None),
    ],
)
def test_a_value_tells_who_wrote_it(kind: bytes, value: object, major: Major | None) -> None:
    """In msgpack as in JSON; what tells nothing is not guessed at."""
    assert major_of(kind, msgspec.msgpack.encode(value)) is major
    assert major_of(kind, msgspec.json.encode(value)) is major


def test_rubbish_was_written_by_nobody() -> None:
    """No error, whatever is stored."""
    assert major_of(b"orders", b"\x93\xff{") is None
    assert major_of(b"orders", b"") is None
