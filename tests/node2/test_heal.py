"""
`run_supervised(..., heal=True)` on NautilusTrader 2.0: what stops a start is taken out and kept,
and so is what is repeated in an order or a position, which 2.0 would leave out.
"""

import json
import signal
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import redis

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store.keeping import Keeper
from nautilus_recovery_actor.outside.store.stopping_two import Stopping
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.node2.support import TRADER
from tests.node2.support import Bench
from tests.node2.test_supervised import command
from tests.node2.test_supervised import supervised


PREFIX = f"trader-{TRADER}:"
USDT = f"{PREFIX}currencies:USDT"
POSITION = f"{PREFIX}positions:C00USDT-PERP.BINANCE-Trial-001"
Change = Callable[[redis.Redis], object]


def currency(**fields: Any) -> Change:
    written = {"code": "USDT", "precision": 8, "iso4217": 0, "name": "T", "currency_type": "CRYPTO"}
    stored = {name: one for name, one in {**written, **fields}.items() if one is not None}
    return lambda client: client.set(USDT, json.dumps(stored))


def order_of(client: redis.Redis, events: int) -> str:
    """
    Return the key of the order with so many events.
    """
    keys: list[Any] = client.keys(f"{PREFIX}orders:O-*")
    return next(key.decode() for key in keys if client.llen(key) == events)


# What does not start, and how the key is named
STOPPING: dict[str, tuple[Change, str]] = {
    "a torn currency": (
        lambda client: client.set(USDT, b'{"code":"USDT","prec'),
        "currencies:USDT",
    ),
    "an empty currency": (lambda client: client.set(USDT, b""), "currencies:USDT"),
    "no name": (currency(name=None), "currencies:USDT"),
    "a wrong precision": (currency(precision=99), "currencies:USDT"),
    "another kind": (currency(currency_type="FOO"), "currencies:USDT"),
    "another code": (currency(code="BTC"), "currencies:USDT"),
    "a torn end of an instrument": (
        lambda client: client.set(f"{PREFIX}instrument_closes:C00USDT-PERP.BINANCE", b"{"),
        "instrument_closes:C00USDT-PERP.BINANCE",
    ),
    "a key of other bytes": (
        lambda client: client.rpush(PREFIX.encode() + b"orders:\xff", b"{}"),
        "orders:\\xff",
    ),
    "a map that is none": (
        lambda client: client.set(f"{PREFIX}index:order_position", b"x"),
        "index:order_position",
    ),
}
# What ends the process without a chance to say why
ENDING: dict[str, tuple[Change, str]] = {
    "an order without an ID": (lambda client: client.rpush(f"{PREFIX}orders:", b"{}"), "orders:"),
    "an account without its venue": (
        lambda client: client.rpush(f"{PREFIX}accounts:foo", b"{}"),
        "accounts:foo",
    ),
}


def all_of(bench: Bench) -> dict[bytes, bytes | None]:
    with bench.valkey.client() as client:
        keys = [key for key in client.keys(f"{PREFIX}*") if b":recovery:" not in key]
        return {key: client.dump(key) for key in keys if not key.endswith(b":stream")}


@pytest.mark.parametrize("name", STOPPING)
def test_an_entry_that_stops_a_start_is_named(bench: Bench, name: str) -> None:
    """No restart helps: 65, and the line says what does."""
    change, key = STOPPING[name]
    with bench.valkey.client() as client:
        change(client)
    with supervised(bench) as run:
        assert run.code() == 65, run.log
        (line,) = run.said
        assert line.startswith(f"Stored entries stop the start of {TRADER}: {key} (")
        assert "run_supervised(..., heal=True)" in line


@pytest.mark.parametrize("name", [*STOPPING, *ENDING])
def test_what_stops_a_start_is_taken_out_and_kept(bench: Bench, name: str) -> None:
    """The node starts then, and `forget --undo` puts all of it back."""
    change, key = {**STOPPING, **ENDING}[name]
    with bench.valkey.client() as client:
        change(client)
    before = all_of(bench)
    with supervised(bench, options={"heal": True}) as run:
        run.until("RECOVERED")
        first, last = run.said
    assert first.startswith(f"healed {key} of {TRADER}: taken out, because ")
    assert "`nautilus-recovery forget --undo " in last
    with bench.valkey.client() as client:
        taken = Keeper(client, Namespace(trader_id=TRADER)).find(None).entries
        assert len(taken) == 1
        slot = next(key for key in client.keys(f"{PREFIX}forgotten:*:0"))
        assert client.dump(slot) == before[PREFIX.encode() + taken[0].key]


def test_a_position_whose_first_fill_names_none_is_taken_out(bench: Bench) -> None:
    """Such a one ends the process, and the venue reports the position anew."""
    with bench.after_a_kill(), bench.valkey.client() as client:
        fill = {**json.loads(client.lindex(POSITION, 0)), "position_id": None}
        client.lset(POSITION, 0, json.dumps(fill))
    with supervised(bench) as run:
        assert run.code() == 75, run.log
    with bench.valkey.client() as client:
        client.delete(f"{PREFIX}general:recovery:heartbeat")
    with supervised(bench, options={"heal": True}) as run:
        run.until("RECOVERED")
        first, _ = run.said
    key = POSITION.removeprefix(PREFIX)
    assert first.startswith(f"healed {key} of {TRADER}: taken out, because its first fill has no ")


def test_what_was_taken_out_is_put_back(bench: Bench) -> None:
    """By the command in the line, beside NautilusTrader 2.0 too."""
    with bench.valkey.client() as client:
        STOPPING["a key of other bytes"][0](client)
    before = all_of(bench)
    with supervised(bench, options={"heal": True}) as run:
        run.until("RECOVERED")
        run.signal(signal.SIGTERM)
        assert run.code() == 0
        undo = run.said[-1].partition("`nautilus-recovery ")[2].partition(" --trader")[0]
    assert "orders" in command(bench, *undo.split(), "--apply")
    assert before.items() <= all_of(bench).items()


def two_nodes(client: redis.Redis, key: str, name: str = "") -> object:
    """
    Append the newest event of a list once more, as a second node has it from the same message.
    """
    (event,) = client.lrange(key, -1, -1)
    stored = json.loads(event)
    made = stored[name] if name else stored
    made["event_id"] = "00000000-0000-4000-8000-000000000001"
    made["ts_init"] = "2026-01-01T00:00:00.000000001Z"
    return client.rpush(key, json.dumps(stored))


REPEATED: dict[str, tuple[Change, int]] = {
    "a fill of an order": (lambda client: two_nodes(client, order_of(client, 4), "Filled"), 1),
    "an order": (lambda client: two_nodes(client, order_of(client, 3), "Accepted"), 1),
    "a fill of a position": (lambda client: two_nodes(client, POSITION), 1),
    "both": (
        lambda client: [
            two_nodes(client, order_of(client, 4), "Filled"),
            two_nodes(client, POSITION),
        ],
        2,
    ),
}


@pytest.mark.parametrize("name", REPEATED)
def test_what_is_repeated_goes_so_that_it_is_loaded(bench: Bench, name: str) -> None:
    """2.0 starts without an order or a position in which an event is repeated."""
    change, count = REPEATED[name]
    with bench.after_a_kill(), bench.valkey.client() as client:
        change(client)
        client.delete(f"{PREFIX}general:recovery:heartbeat")
    with supervised(bench, options={"heal": True}) as run:
        run.until('"complete"')
        assert '"outcome":"CLEAN"' in run.log
        assert "Failed to load" not in run.log
        assert len(run.said) == count + 1
        assert all(": 1 of its " in line for line in run.said[:-1])


@pytest.mark.parametrize("name", [name for name in REPEATED if name != "both"])
def test_natively_what_is_repeated_is_not_loaded(bench: Bench, name: str) -> None:
    """The start succeeds all the same."""
    with bench.after_a_kill(), bench.valkey.client() as client:
        REPEATED[name][0](client)
    with supervised(bench) as run:
        run.until("RECOVERED")
        assert "Failed to load " in run.log
        assert run.said == []


def test_nothing_is_healed_while_a_node_runs(bench: Bench) -> None:
    """It would go on writing: to be tried again when it is gone."""
    with bench.valkey.client() as client:
        client.set(USDT, b"")
        beat = Heartbeat(ts=time.time_ns(), epoch=1, phase=RecoveryPhase.COMPLETE)
        client.set(f"{PREFIX}general:recovery:heartbeat", msgspec.json.encode(beat))
    before = all_of(bench)
    with supervised(bench, options={"heal": True}) as run:
        assert run.code() == 75
        (line,) = run.said
        assert line.startswith(
            f"Stored entries stop the start of {TRADER}, and were not healed: A node of {TRADER} "
            f"runs"
        )
    assert all_of(bench) == before


@pytest.mark.parametrize("heal", [False, True])
def test_what_1_has_written_is_to_be_brought_over(bench: Bench, heal: bool) -> None:
    """Taking out the currencies would let 2.0 start, and lose all orders and positions."""
    with bench.valkey.client() as client:
        currency(code=None)(client)
        client.set(f"{PREFIX}currencies:BTC", b"")
    before = all_of(bench)
    with supervised(bench, options={"heal": heal}) as run:
        assert run.code() == 65, run.log
        (line,) = run.said
        assert line.startswith(f"NautilusTrader 1.x wrote what is stored of {TRADER}")
        assert f"`nautilus-recovery migrate --trader {TRADER}`" in line
    assert before.items() <= all_of(bench).items()


def test_another_encoding_than_that_of_the_node_is_named(bench: Bench) -> None:
    """So it is after a migration, where 1.x had stored msgpack: no restart helps."""
    with bench.valkey.client() as client:
        currency()(client)
        stored = json.loads(client.get(USDT) or b"")
        client.set(USDT, msgspec.msgpack.encode(stored))
    with supervised(bench) as run:
        assert run.code() == 65, run.log
        (line,) = run.said
        assert "has the encoding MSG_PACK, and the node has JSON" in line
        assert "encoding=SerializationEncoding.MSG_PACK)`" in line


# -- WHAT IS FOUND --


def found(valkey: EmbeddedValkey, **lists: list[Any]) -> tuple[list[str], list[str]]:
    """
    Return the keys that stop a start, and those in which something is repeated.
    """
    with valkey.client() as client:
        for name, events in lists.items():
            client.rpush(PREFIX + name.replace("_", ":"), *map(json.dumps, events))
        stopping = Stopping(client, Namespace(trader_id=TRADER))
        return (
            [one.key.decode() for one in stopping.entries()],
            [one.key.decode() for one in stopping.repeats()],
        )


def fill(trade: str, qty: str, event: str, **fields: Any) -> dict[str, Any]:
    return {
        "client_order_id": "A",
        "trade_id": trade,
        "order_side": "SELL",
        "last_px": "1",
        "last_qty": qty,
        "event_id": event,
        **fields,
    }


def test_a_reversed_position_has_no_repeated_fill(valkey: EmbeddedValkey) -> None:
    """One fill of its order is two of the position, which may be equal."""
    orders = [{"Initialized": {}}, {"Filled": fill("T", "2", "1")}]
    halves = [fill("T", "1", "2"), fill("T", "1", "3")]
    assert found(valkey, orders_A=orders, positions_P=halves) == ([], [])


def test_a_fill_whose_order_is_gone_is_left(valkey: EmbeddedValkey) -> None:
    """Nothing says then that it is whole."""
    assert found(valkey, positions_P=[fill("T", "1", "2"), fill("T", "1", "3")]) == ([], [])


def test_an_event_that_happens_again_is_left(valkey: EmbeddedValkey) -> None:
    """The venue has told it at another time."""
    events = [{"PendingUpdate": {"event_id": str(n), "ts_event": n}} for n in range(3)]
    assert found(valkey, orders_A=[{"Initialized": {}}, *events]) == ([], [])


def test_a_list_that_cannot_be_read_is_left(valkey: EmbeddedValkey) -> None:
    """2.0 leaves it out, and the venue reports the order anew."""
    events: list[Any] = [{"Accepted": {"ts_event": 1}}, {"Accepted": {"ts_event": 1}}, 1]
    assert found(valkey, orders_A=events) == ([], [])
    assert found(valkey, orders_B=events[:2]) == ([], ["orders:B"])


def test_a_currency_that_2_takes_is_left(valkey: EmbeddedValkey) -> None:
    """Earlier candidates wrote its code alone."""
    with valkey.client() as client:
        client.set(USDT, b'"USDT"')
    assert found(valkey) == ([], [])
