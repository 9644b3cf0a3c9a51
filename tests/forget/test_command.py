"""
``nautilus-recovery forget``, as a person calls it.
"""

from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.forget.support import PREFIX
from tests.forget.support import TRADER
from tests.forget.support import Run
from tests.forget.support import stored
from tests.inspect.test_broken import STOPS
from tests.inspect.test_broken import Store
from tests.inspect.world import INSTRUMENTS
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.inspect.world import load


HOSTILE = "O-\x1b[31m[red]\n*?^[a]{x}%s\\'\" ünï"


def world(valkey: EmbeddedValkey, trader_id: str = TRADER, **config: Any) -> None:
    """
    Let a trader have a history.
    """
    made = World(4, trader_id, adapter(valkey, trader_id, **config))
    made.instruments = [i for i in INSTRUMENTS if ":" not in i.id.value]
    made.live(orders=15)
    made.close(valkey)


@pytest.mark.parametrize("name", STOPS)
def test_whatever_stops_the_start_goes_and_comes_back(
    valkey: EmbeddedValkey, run: Run, name: str
) -> None:
    """NautilusTrader loads what is left, and raises again once that is put back."""
    world(valkey)
    world(valkey, "OTHER-1")
    with valkey.client() as client:
        STOPS[name][0](Store(client, TRADER))
    before = stored(valkey)
    assert run("--all-that-stop", "--apply")[0] == 0
    database = adapter(valkey, TRADER)
    load(database)
    database.close()
    other = stored(valkey, "trader-OTHER-1:")
    assert other == {key: before[key] for key in before if key.startswith(b"trader-OTHER-1:")}
    code, out, _ = run("--all-that-stop", "--apply")
    assert (code, out) == (0, f"Nothing to take: no stored entry keeps {TRADER} from starting\n")
    assert run("--undo", "--apply")[0] == 0
    assert stored(valkey) == before


@pytest.mark.parametrize("columns", [80, 120])
def test_it_shows_what_goes_and_asks(
    valkey: EmbeddedValkey, run: Run, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """No line is wider than the terminal, and only a yes changes anything."""
    world(valkey)
    with valkey.client() as client:
        store = Store(client, TRADER)
        store.again(store.order)
        client.rpush(store.account, b"\0x")
    before = stored(valkey)
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return "n"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    code, out, err = run("--all-that-stop", columns=columns)
    assert (code, err) == (1, "Nothing was changed: give --apply to do it without being asked\n")
    assert out.startswith(f"To be taken out of the cache of {TRADER}: ")
    assert max(map(len, out.splitlines())) <= columns
    assert "1 of its" in out
    assert asked == ["Take this out? [y/N] "]
    assert stored(valkey) == before

    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert run("--all-that-stop", columns=columns)[0] == 0
    code, out, _ = run("--list", columns=columns)
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns
    assert run("--undo", columns=columns)[0] == 0
    assert stored(valkey) == before
    assert run("--list")[1].startswith(f"Nothing is kept of {TRADER}")


def test_nobody_is_asked_who_cannot_answer(
    valkey: EmbeddedValkey, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a script it shows what would go, and changes nothing without --apply."""
    world(valkey)
    before = stored(valkey)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    code, out, err = run("accounts:CASH-002")
    assert code == 1
    assert "accounts:CASH-002" in out
    assert err.startswith("Nothing was changed: give --apply")
    assert stored(valkey) == before


def test_json_tells_all_of_it(valkey: EmbeddedValkey, run: Run) -> None:
    """One object each, also of what would be done."""
    world(valkey)
    with valkey.client() as client:
        key = Store(client, TRADER).order.removeprefix(PREFIX)
    code, out, err = run(key, "--json")
    planned = msgspec.json.decode(out)
    assert (code, err) == (1, "")
    assert (planned["trader_id"], planned["id"], planned["is_applied"]) == (TRADER, None, False)
    assert [entry["key"] for entry in planned["entries"]] == [key]
    assert planned["notes"][0].startswith("The order was filled in part.")
    indexes = {one["index"] for one in planned["references"]}
    assert {"index:orders", "index:order_ids"} <= indexes
    code, out, _ = run(key, "--json", "--apply")
    done = msgspec.json.decode(out)
    assert (code, done["is_applied"], done["entries"]) == (0, True, planned["entries"])
    (kept,) = msgspec.json.decode(run("--list", "--json")[1])["kept"]
    assert (kept["id"], kept["entries"]) == (done["id"], done["entries"])
    assert "@" in kept["operator"]
    code, out, _ = run("--undo", done["id"], "--apply", "--json")
    assert (code, msgspec.json.decode(out)["is_applied"]) == (0, True)
    assert msgspec.json.decode(run("--list", "--json")[1])["kept"] == []


@pytest.mark.parametrize("form", ["as inspect names it", "full", "alone"])
def test_an_entry_is_named_in_three_ways(valkey: EmbeddedValkey, run: Run, form: str) -> None:
    """All that refers to it goes with it, whatever it is called."""
    world(valkey)
    with valkey.client() as client:
        full = Store(client, TRADER).order
    short = full.removeprefix(PREFIX)
    id_ = short.partition(":")[2]
    given = {"full": full, "alone": id_}.get(form, short)
    assert run(given, "--apply")[0] == 0
    kept = {key: value for key, value in stored(valkey).items() if b":forgotten:" not in key}
    assert full.encode() not in kept
    indexes = [value for key, (_, value, _) in kept.items() if b":index:" in key]
    assert indexes
    assert not any(id_.encode() in members for members in indexes)
    # Once more: it is gone already, which is what was wanted
    before = stored(valkey)
    code, _, err = run(short, "--apply")
    assert (code, err.count("\n")) == (0, 1)
    assert f"{short} was taken out before, and is kept as " in err
    assert stored(valkey) == before


def test_what_names_nothing_or_several_is_refused_in_one_line(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """Nothing is changed, and the line has the names to choose from."""
    with valkey.client() as client:
        client.rpush(f"{PREFIX}orders:X-1", b"x")
        client.rpush(f"{PREFIX}positions:X-1", b"x")
        client.sadd(f"{PREFIX}index:orders", "X-1")
        client.set("trader-OTHER-1:general:theirs", b"x")
    before = stored(valkey)
    code, out, err = run("X-1", "--apply")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "'X-1' names 2 entries, give one of them: " in err
    assert "orders:X-1" in err
    assert "positions:X-1" in err
    for nothing in (
        *("O-none", "orders:O-none", "index:orders", f"{PREFIX}index:orders", "orders:", "orders"),
        *("theirs", "trader-OTHER-1:general:theirs", "*", "orders:*", ""),
    ):
        code, out, err = run(nothing, "--apply")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(f"Nothing is stored of {TRADER} that is named '{nothing}'")
    code, _, err = run("orders:X-1", "O-none", "--apply")
    assert code == 2
    code, _, err = run("--undo", "20260101-000000", "--apply")
    assert (code, err.count("\n")) == (1, 1)
    assert err.startswith(f"Nothing is kept of {TRADER}")
    assert stored(valkey) == before


def test_an_order_of_which_only_the_indexes_know_is_forgotten_there(
    valkey: EmbeddedValkey, run: Run
) -> None:
    """What a torn write left: the engine could not add the order that the venue reports."""
    with valkey.client() as client:
        client.hset(f"{PREFIX}index:order_position", "O-1", "P-1")
        client.hset(f"{PREFIX}index:order_position", "O-2", "P-1")
        client.sadd(f"{PREFIX}index:orders", "O-1", "O-2")
        before = stored(valkey)
        assert run("O-1", "--apply")[0] == 0
        assert client.hgetall(f"{PREFIX}index:order_position") == {b"O-2": b"P-1"}
        assert client.smembers(f"{PREFIX}index:orders") == {b"O-2"}
        assert run("--undo", "--apply")[0] == 0
        assert stored(valkey) == before
        assert run("positions:P-1", "--apply")[0] == 0
        assert not client.exists(f"{PREFIX}index:order_position")
        client.hset(f"{PREFIX}index:order_position", "O-1", "P-2")
        code, _, err = run("--undo", "--apply")
        assert (code, "index:order_position refers to something else now" in err) == (1, True)


@pytest.mark.parametrize("id_", [HOSTILE, "A:B:C", "[bold]x[/bold]", "P 1", "-", "x" * 5_000])
def test_hostile_names_neither_steer_the_terminal_nor_reach_other_entries(
    valkey: EmbeddedValkey, run: Run, id_: str
) -> None:
    """Newlines, colors, markup, patterns and colons are parts of a name, and nothing else."""
    with valkey.client() as client:
        for kind in ("orders", "positions"):
            client.rpush(f"{PREFIX}{kind}:{id_}", b"\xff", b"\0")
            client.rpush(f"{PREFIX}{kind}:O-2", b"x")
            client.sadd(f"{PREFIX}index:{kind}", id_, "O-2")
        client.hset(f"{PREFIX}index:order_position", id_, id_)
        client.hset(f"{PREFIX}index:order_position", "O-2", "O-2")
        before = stored(valkey)
        code, out, _ = run(f"orders:{id_}", "--apply", columns=100)
        assert code == 0
        assert "\x1b" not in out
        # What cannot be broken is told in one piece
        assert all(len(line) <= 100 or " " not in line.strip() for line in out.splitlines()[:-1])
        assert not client.exists(f"{PREFIX}orders:{id_}")
        assert client.smembers(f"{PREFIX}index:orders") == {b"O-2"}
        assert client.hgetall(f"{PREFIX}index:order_position") == {b"O-2": b"O-2"}
        assert client.exists(f"{PREFIX}positions:{id_}", f"{PREFIX}orders:O-2") == 2
        assert "\x1b" not in run("--list")[1]
        assert run("--undo", "--apply")[0] == 0
    assert stored(valkey) == before


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"use_trader_prefix": False}, ("--no-prefix",)),
        ({"use_instance_id": True}, ("--instance-id",)),
    ],
)
def test_it_reaches_the_cache_wherever_that_is_configured_to_be(
    valkey: EmbeddedValkey, run: Run, config: dict[str, Any], options: tuple[str, ...]
) -> None:
    """The same options as for the other commands, and the line that undoes it names them."""
    world(valkey, **config)
    before = stored(valkey)
    if "--instance-id" in options:
        options = (*options, next(iter(before)).decode().split(":")[1])
    code, out, _ = run("accounts:CASH-002", "--apply", *options)
    assert code == 0
    assert out.splitlines()[-1].endswith(f"--trader {TRADER} {' '.join(options)}")
    assert any(b":forgotten:" in key for key in stored(valkey))
    assert run("accounts:CASH-002", "--apply")[0] == 2  # It is not where the others look
    assert run("--undo", "--apply", *options)[0] == 0
    assert stored(valkey) == before


def test_several_undos_are_each_exact(valkey: EmbeddedValkey, run: Run) -> None:
    """In any order, also those of one second."""
    world(valkey)
    states = [stored(valkey)]
    for key in ("accounts:CASH-002", "accounts:SIM-001", "accounts:WALLET-X"):
        assert run(key, "--apply")[0] == 0
        states.append(stored(valkey))
    ids = [one["id"] for one in msgspec.json.decode(run("--list", "--json")[1])["kept"]]
    assert len(set(ids)) == 3
    assert run("--undo", ids[0], "--apply")[0] == 0
    for _ in range(2):
        assert run("--undo", "--apply")[0] == 0
    assert stored(valkey) == states[0]
    assert run("--undo", "--apply")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--list", "--undo"),
        ("orders:O-1", "--undo", "x"),
        ("orders:O-1", "--list"),
        ("--list", "--apply"),
        ("--with-orders", "--all-that-stop"),
    ],
)
def test_wrong_usage_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    """With a code of its own, and what to give."""
    code, out, err = run(*arguments)
    assert (code, out) == (64, "")
    assert "error: " in err


def test_a_user_without_permissions_is_told_which(valkey: EmbeddedValkey, run: Run) -> None:
    """One line, without the password, and nothing is changed."""
    with valkey.client() as client:
        client.set(f"{PREFIX}general:mine", b"x")
        client.acl_setuser(
            "reads",
            enabled=True,
            passwords=["+hush"],
            keys=["*"],
            commands=["+@read", "+watch", "+unwatch", "+client|setinfo", "+multi", "+exec"],
        )
    url = f"redis://reads:hush@127.0.0.1:{valkey.port}"
    before = stored(valkey)
    code, _, err = run("mine", "--apply", "--redis", url)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("This Redis user lacks permissions: it needs the commands SCAN, ")
    assert "hush" not in err
    assert stored(valkey) == before
