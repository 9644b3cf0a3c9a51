"""
``nautilus-recovery inspect``, as a person calls it.
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Protocol

import msgspec
import pytest
import redis

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.world import INSTRUMENTS
from tests.inspect.world import World
from tests.inspect.world import adapter


READ_COMMANDS = {
    *("SCAN", "MEMORY", "TYPE", "GET", "LLEN", "LRANGE", "SSCAN", "HSCAN"),
    *("CLIENT", "HELLO"),  # How a connection begins
}


@pytest.fixture
def trader(valkey: EmbeddedValkey, trader_id: str) -> str:
    """
    Return a trader with something stored.
    """
    world = World(4, trader_id, adapter(valkey, trader_id))
    world.instruments = [i for i in INSTRUMENTS if ":" not in i.id.value]
    world.live(orders=30)
    world.close(valkey)
    return trader_id


class Run(Protocol):
    def __call__(self, *arguments: str, columns: int = 80) -> tuple[int, str, str]: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """
    Return what runs the command, and returns its exit code and what it said.
    """

    def call(*arguments: str, columns: int = 80) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        try:
            code = main(["inspect", *arguments])
        except SystemExit as e:  # From argparse
            code = int(e.code or 0)
        return code, *capsys.readouterr()

    return call


@contextmanager
def watched(client: redis.Redis) -> Iterator[list[str]]:
    """
    Keep the name of each command that the server is sent.
    """
    seen: list[str] = []
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def watch() -> None:
            for command in monitor.listen():
                words = command["command"].split()
                if words[:2] == ["ECHO", "watched"]:
                    return
                seen.append(words[0].upper())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield seen
        finally:
            client.echo("watched")
            thread.join(timeout=10)


def test_nothing_but_reads_reaches_the_server(
    run: Run, valkey: EmbeddedValkey, client: redis.Redis, trader: str
) -> None:
    """The server itself tells which commands it got."""
    client.rpush(f"trader-{trader}:accounts:BIG-1", *[b"x" * 50_000] * 40)  # Read in parts
    client.set(f"trader-{trader}:orders:O-1", b"x")
    with watched(client) as commands:
        assert run("--trader", trader, "--redis", valkey.url)[0] == 1
        assert run("--trader", "NOBODY-1", "--redis", valkey.url)[0] == 2
    assert {"SCAN", "MEMORY", "GET", "LRANGE", "LLEN", "TYPE"} <= set(commands)
    assert set(commands) <= READ_COMMANDS


@pytest.mark.parametrize("columns", [80, 120])
def test_it_fits_the_terminal(run: Run, valkey: EmbeddedValkey, trader: str, columns: int) -> None:
    """No line is wider, the first one has the essence, and there is no colour in a pipe."""
    code, out, err = run("--trader", trader, "--redis", valkey.url, columns=columns)
    assert (code, err) == (0, "")
    assert out.startswith(f"{trader} would restore ")
    assert max(map(len, out.splitlines())) <= columns
    assert "\x1b" not in out
    for strategy in ("EXTERNAL", "S-001", "S-002"):
        assert f"\n{strategy}\n" in out
    assert re.search(r"\d d( \d+ h)?$", out, re.MULTILINE)
    assert "Last written at 2025-06-" in out


def test_a_pipe_gets_each_entry_in_one_line(
    valkey: EmbeddedValkey,
    client: redis.Redis,
    trader: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An identifier that is broken in two cannot be searched for, nor copied."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["inspect", "--all", "--trader", trader, "--redis", valkey.url]) == 0
    lines = capsys.readouterr().out.splitlines()
    inventory = reader.read(client, Namespace(trader_id=trader))
    assert inventory is not None
    for order in inventory.orders:
        (line,) = (line for line in lines if line.startswith(order.client_order_id))
        assert order.instrument_id in line
        assert order.status in line


def test_json_tells_all_of_it(run: Run, valkey: EmbeddedValkey, trader: str) -> None:
    """One object, and the filters leave the rest of it."""

    def told(*filters: str) -> Any:
        code, out, err = run("--trader", trader, "--redis", valkey.url, "--json", *filters)
        assert (code, err) == (0, "")
        return msgspec.json.decode(out)

    whole = told()
    assert whole["trader_id"] == trader
    assert len(whole["accounts"]) == 3
    strategies = {order["strategy_id"] for order in whole["orders"]}
    assert len(strategies) > 1
    for strategy in strategies:
        part = told("--strategy", strategy)
        assert part["orders"] == [o for o in whole["orders"] if o["strategy_id"] == strategy]
        assert part["accounts"] == whole["accounts"]
    instrument = whole["positions"][0]["instrument_id"]
    positions = told("--instrument", instrument)["positions"]
    assert {position["instrument_id"] for position in positions} == {instrument}
    assert whole["hidden_orders"] == 0
    hidden = len(whole["orders"]) - len(part["orders"])
    assert (part["hidden_orders"], part["shown"]) == (hidden, f"of {strategy}")


def test_a_filter_that_matches_nothing_says_what_it_hides_and_what_is_known(
    run: Run, valkey: EmbeddedValkey, client: redis.Redis, trader: str
) -> None:
    """Who mistypes must not read that nothing would be restored."""
    inventory = reader.read(client, Namespace(trader_id=trader))
    assert inventory is not None
    hides = f"{len(inventory.positions)} open positions and {len(inventory.orders)} orders: "
    where = ("--trader", trader, "--redis", valkey.url)
    for option, what, known in (
        ("--strategy", "strategy", inventory.known_strategies),
        ("--instrument", "instrument", inventory.known_instruments),
    ):
        for more in ((), ("--json",)):
            code, out, err = run(*where, option, "NONE-9", *more)
            assert (code, out, err.count("\n")) == (2, "", 1)
            assert f"is of the {what} NONE-9, which hides {hides}" in err
            assert known[0] in err
    strategy = inventory.positions[0].strategy_id
    assert f"did you mean {strategy}?" in run(*where, "--strategy", strategy.lower())[2] or (
        strategy in run(*where, "--strategy", strategy.lower())[2]
    )
    code, out, err = run(*where, "--strategy", strategy)
    assert (code, err) == (0, "")
    shown = [one for one in inventory.positions if one.strategy_id == strategy]
    hidden = len(inventory.positions) - len(shown)
    assert f" of {strategy} (not shown: {hidden} open position" in " ".join(out.split())


def test_broken_entries_are_listed_and_change_the_exit_code(
    run: Run, valkey: EmbeddedValkey, client: redis.Redis, trader: str
) -> None:
    """What a stranger wrote into a key cannot steer the terminal."""
    client.set(f"trader-{trader}:orders:O-\x1b[31m[red]\n\xff", b"x")
    code, out, err = run("--trader", trader, "--redis", valkey.url, columns=120)
    assert (code, err) == (1, "")
    assert f"{trader} would not start: NautilusTrader fails on 1 broken entry." in out
    assert "O- [31m[red]" in out
    assert "\x1b" not in out


def test_it_is_told_where_the_entries_are_when_there_are_none(run: Run) -> None:
    """A wrong name, prefix or instance ends in one line that has the right options."""
    with EmbeddedValkey() as own, own.client() as client:
        to_own = ("--redis", own.url)
        nothing = (
            f"Redis at 127.0.0.1:{own.port} has no entries for WRONG-1 or any other trader: "
            "is this the server of the node's cache?\n"
        )
        assert run("--trader", "WRONG-1", *to_own) == (2, "", nothing)
        instance = "6e504a1b-000f-47ed-9b0e-7169fb0077dd"
        client.rpush(f"trader-RIGHT-1:{instance}:orders:O-1", b"x")
        client.rpush("PLAIN-1:orders:O-1", b"x")
        client.rpush("trader-USUAL-1:orders:O-1", b"x")
        code, out, err = run("--trader", "WRONG-1", *to_own)
        assert (code, out) == (2, "")
        options = (
            "--trader PLAIN-1 --no-prefix",
            f"--trader RIGHT-1 --instance-id {instance}",
            "--trader USUAL-1",
        )
        assert err.endswith(f"It has entries for: {', '.join(options)}\n")
        for option in options:
            code, out, err = run(*option.split(), *to_own)
            assert (code, err) == (1, "")
            assert "O-1" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--redis", "redis://127.0.0.1:1"), "Redis at 127.0.0.1:1 cannot be used"),
        (("--redis", "http://x"), "Not the URL of a Redis server"),
    ],
)
def test_bad_input_is_told_in_one_line(run: Run, arguments: tuple[str, ...], why: str) -> None:
    """Exit code 2, nothing on the standard output."""
    code, out, err = run("--trader", "ANY-1", *arguments)
    assert (code, out) == (2, "")
    assert why in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize("value", ["0", "x"])
def test_wrong_usage_has_a_code_of_its_own(run: Run, value: str) -> None:
    """And says what to give."""
    code, out, err = run("--trader", "ANY-1", "--max-value", value)
    assert (code, out) == (64, "")
    assert "give a whole number of MiB" in err.splitlines()[-1]


def test_a_server_that_never_answers_is_given_up(run: Run) -> None:
    """The time for an answer is limited."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        code, out, err = run("--trader", "ANY-1", "--redis", f"redis://127.0.0.1:{port}")
    assert (code, out) == (2, "")
    assert err.startswith(f"Redis at 127.0.0.1:{port} cannot be used (it does not answer in time)")
    assert err.count("\n") == 1


def test_a_password_is_not_told_and_a_user_who_may_not_read_is_told_what_it_takes(run: Run) -> None:
    """Wrong passwords and narrow permissions end in one line."""
    with EmbeddedValkey() as own, own.client() as client:
        client.set("trader-ANY-1:general:x", b"x")
        client.execute_command("ACL SETUSER narrow on >hush ~* +scan +type")
        client.rpush("trader-ANY-1:orders:O-1", b"x")
        url = f"redis://narrow:{{}}@127.0.0.1:{own.port}"
        code, out, err = run("--trader", "ANY-1", "--redis", url.format("hush"))
        assert (code, out) == (2, "")
        assert err.startswith("This Redis user lacks permissions: it needs the commands SCAN, ")
        code, out, err = run("--trader", "ANY-1", "--redis", url.format("loud"))
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert "loud" not in err
