"""
What it takes to bring a store of 1.x over to 2.0, and to look into it before and after: the time
and the memory of a process of its own.

Run it alone: ``python -m benchmarks.over``.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec

from benchmarks.inspector import INITIAL
from nautilus_recovery_actor.testkit import EmbeddedValkey


_ORDERS = 10_000
_OPEN = 1_000
_INSTRUMENTS = 49
_STRATEGIES = 5
_RUNS = 3
_TRADER_ID = "BENCH-001"
_KEY = f"trader-{_TRADER_ID}"
_MAX_SECS = 10.0
# Looking into the same store in the encoding of 2.0, by the time on a processor
_MAX_RATIO = 1.25


def main() -> int:
    """
    Print the figures.

    Returns
    -------
    int
        One if a figure is over its target, else zero.

    """
    print(f"{_ORDERS:,} orders, {_OPEN:,} of them open, {_INSTRUMENTS * _STRATEGIES} positions")
    best: dict[str, float] = {}
    busy: dict[str, float] = {}
    for _ in range(_RUNS):
        with EmbeddedValkey() as valkey:
            _fill(valkey)
            for what, command in (
                ("inspect, of 1.x", ("inspect", "--json")),
                ("migrate, dry run", ("migrate", "--json")),
                ("migrate --apply", ("migrate", "--json", "--apply")),
                ("inspect, of 2.0", ("inspect", "--json")),
            ):
                secs, busy_secs, mebibytes, told = _run(valkey, *command)
                _check(what, told)
                best[what] = min(secs, best.get(what, secs))
                busy[what] = min(busy_secs, busy.get(what, busy_secs))
                print(
                    f"{what:18}{secs:7.2f} s, {busy_secs:.2f} s of them on a processor, "
                    f"{mebibytes:,.0f} MiB",
                    flush=True,
                )
    ratio = busy["inspect, of 2.0"] / busy["inspect, of 1.x"]
    print(f"migrate {best['migrate --apply']:.2f} s at best (target {_MAX_SECS:g})")
    print(f"inspect of 2.0 takes {ratio:.2f} of that of 1.x (target {_MAX_RATIO:g})")
    return int(best["migrate --apply"] > _MAX_SECS or ratio > _MAX_RATIO)


def _run(valkey: EmbeddedValkey, *command: str) -> tuple[float, float, float, dict[str, Any]]:
    run = [sys.executable, "-m", "nautilus_recovery_actor", *command]
    run += ["--trader", _TRADER_ID, "--redis", valkey.url]
    began = time.monotonic()
    with subprocess.Popen(run, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = msgspec.json.decode(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, told
    busy_secs = usage.ru_utime + usage.ru_stime
    return time.monotonic() - began, busy_secs, usage.ru_maxrss / 1024, told


def _check(what: str, told: dict[str, Any]) -> None:
    if what.startswith("migrate"):
        assert not told["refused"]
        assert len(told["migrated"]) == _ORDERS + _INSTRUMENTS * (_STRATEGIES + 1) + 1
    else:
        assert told["restored_by"] == what[-3:]
        assert (len(told["orders"]), told["closed_orders"]) == (_OPEN, _ORDERS - _OPEN)
        assert len(told["positions"]) == _INSTRUMENTS * _STRATEGIES
        assert not told["broken"]


def _fill(valkey: EmbeddedValkey) -> None:
    with valkey.client() as client:
        pipeline = client.pipeline(transaction=False)
        pipeline.set(f"{_KEY}:currencies:USDT", _encode(_CURRENCY))
        for number in range(_INSTRUMENTS):
            instrument_id = _instrument_id(number)
            pipeline.set(
                f"{_KEY}:instruments:{instrument_id}", _encode({"id": instrument_id, **_TERMS})
            )
        for index in range(_ORDERS):
            client_order_id = f"O-{index}"
            events = list(_events(index, client_order_id))
            is_open = index % (_ORDERS // _OPEN) == 0
            pipeline.rpush(f"{_KEY}:orders:{client_order_id}", *map(_encode, events))
            state = "open" if is_open else "closed"
            for name in ("orders", f"orders_{state}", "order_ids"):
                pipeline.sadd(f"{_KEY}:index:{name}", client_order_id)
            pipeline.hset(f"{_KEY}:index:order_client", client_order_id, "BENCH")
            for fill in events[3:]:
                position_id = fill["position_id"]
                pipeline.rpush(f"{_KEY}:positions:{position_id}", _encode(fill))
                pipeline.sadd(f"{_KEY}:index:positions_open", str(position_id))
                pipeline.hset(f"{_KEY}:index:order_position", client_order_id, str(position_id))
            if index % 1_000 == 0:
                pipeline.execute()
        pipeline.execute()


def _instrument_id(index: int) -> str:
    return f"SYM{index % _INSTRUMENTS}USDT-PERP.BENCH"


def _events(index: int, client_order_id: str) -> Iterator[dict[str, object]]:
    # As NautilusTrader writes them: an order filled in two parts, or one that rests
    strategy = index // _INSTRUMENTS % _STRATEGIES
    order: dict[str, object] = {
        "trader_id": _TRADER_ID,
        "strategy_id": f"S-{strategy:03}",
        "instrument_id": _instrument_id(index),
        "client_order_id": client_order_id,
    }
    answer = {"venue_order_id": f"V-{index}", "account_id": "BENCH-001", "reconciliation": False}
    fill = {
        **_FILL,
        "position_id": f"{_instrument_id(index)}-S-{strategy:03}",
        "last_px": f"{1_900 + index % 997}.25",
    }
    events: list[dict[str, object]] = [
        {"type": "OrderInitialized", **order, **INITIAL},
        {"type": "OrderSubmitted", **order, "account_id": "BENCH-001"},
        {"type": "OrderAccepted", **order, **answer},
        {"type": "OrderFilled", **order, **fill, **answer, "trade_id": f"T-{index}-1"},
        {"type": "OrderFilled", **order, **fill, **answer, "trade_id": f"T-{index}-2"},
    ]
    for event in events[: 3 if index % (_ORDERS // _OPEN) == 0 else None]:
        ts = f"2026-11-{1 + index % 28:02}T05:42:{index % 60:02}.{index % 10**9:09}Z"
        yield {**event, "event_id": str(uuid4()), "ts_event": ts, "ts_init": ts}


_encode = msgspec.msgpack.encode
_CURRENCY = {"precision": 8, "iso4217": 0, "name": "Tether", "currency_type": "CRYPTO"}
_TERMS: dict[str, object] = {
    "type": "CryptoPerpetual",
    "raw_symbol": "SYM",
    "base_currency": "BTC",
    "quote_currency": "USDT",
    "settlement_currency": "USDT",
    "is_inverse": False,
    "price_precision": 2,
    "price_increment": "0.01",
    "size_precision": 3,
    "size_increment": "0.001",
    "multiplier": "1",
    "lot_size": "1",
    "max_quantity": "1000",
    "min_quantity": "0.001",
    "max_notional": None,
    "min_notional": None,
    "max_price": "100000",
    "min_price": "0.01",
    "margin_init": "0.1",
    "margin_maint": "0.1",
    "maker_fee": "0.0002",
    "taker_fee": "0.0004",
    "tick_scheme_name": None,
    "ts_event": 0,
    "ts_init": 0,
    "info": {},
}
_FILL: dict[str, object] = {
    "order_side": "BUY",
    "order_type": "LIMIT",
    "last_qty": "1.000",
    "currency": "USDT",
    "commission": "0.19000000 USDT",
    "liquidity_side": "MAKER",
    "info": {},
}


if __name__ == "__main__":
    sys.exit(main())
