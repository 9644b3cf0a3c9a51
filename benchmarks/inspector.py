"""
What it takes to look into a large store: the time and the memory of a process of its own.

Run it alone: ``python -m benchmarks.inspector``.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import msgspec

from nautilus_recovery_actor.testkit import EmbeddedValkey


_ORDERS = 100_000
_OPEN = 1_000
_RUNS = 3
_TRADER_ID = "BENCH-001"
_MAX_SECS = 10
_MAX_MIB = 500


def main() -> int:
    """
    Print the figures.

    Returns
    -------
    int
        One if a figure is over its target, else zero.

    """
    is_over = False
    with EmbeddedValkey() as valkey:
        _fill(valkey)
        with valkey.client() as client:
            stored = client.info("memory")["used_memory"] / 2**20
        print(f"{_ORDERS:,} orders, {_OPEN:,} of them open, {stored:,.0f} MiB in Redis")
        for _ in range(_RUNS):
            secs, busy_secs, mebibytes = _inspect(valkey)
            is_over |= secs > _MAX_SECS or mebibytes > _MAX_MIB
            print(
                f"{secs:.1f} s (target {_MAX_SECS}), {busy_secs:.1f} s of them on a processor, "
                f"{mebibytes:,.0f} MiB (target {_MAX_MIB})"
            )
    return int(is_over)


def _inspect(valkey: EmbeddedValkey) -> tuple[float, float, float]:
    command = [sys.executable, "-m", "nautilus_recovery_actor", "inspect", "--json"]
    command += ["--trader", _TRADER_ID, "--redis", valkey.url]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        inventory = msgspec.json.decode(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert len(inventory["orders"]) == _OPEN
    assert inventory["closed_orders"] == _ORDERS - _OPEN
    busy_secs = usage.ru_utime + usage.ru_stime
    return time.monotonic() - began, busy_secs, usage.ru_maxrss / 1024


def _fill(valkey: EmbeddedValkey) -> None:
    with valkey.client() as client:
        for start in range(0, _ORDERS, 1_000):
            pipeline = client.pipeline(transaction=False)
            for index in range(start, start + 1_000):
                client_order_id = str(uuid4())
                key = f"trader-{_TRADER_ID}:orders:{client_order_id}"
                pipeline.rpush(key, *_events(index, client_order_id))
            pipeline.execute()


def _events(index: int, client_order_id: str) -> Iterator[bytes]:
    # As NautilusTrader writes them: an order filled in two parts, or one that rests
    order: dict[str, object] = {
        "trader_id": _TRADER_ID,
        "strategy_id": f"S-{index % 5:03}",
        "instrument_id": f"SYM{index % 50}USDT-PERP.BENCH",
        "client_order_id": client_order_id,
    }
    answer: dict[str, object] = {
        "venue_order_id": f"V-{index}",
        "account_id": "BENCH-001",
        "reconciliation": False,
    }
    fill: dict[str, object] = {
        "position_id": f"SYM{index % 50}USDT-PERP.BENCH-S-{index % 5:03}",
        "order_side": "BUY",
        "order_type": "LIMIT",
        "last_qty": "1.000",
        "last_px": f"{1_900 + index % 997}.25",
        "currency": "USDT",
        "commission": "0.19000000 USDT",
        "liquidity_side": "MAKER",
        "info": {},
    }
    events: list[dict[str, object]] = [
        {"type": "OrderInitialized", **order, **INITIAL},
        {"type": "OrderSubmitted", **order, "account_id": "BENCH-001"},
        {"type": "OrderAccepted", **order, **answer},
        {"type": "OrderFilled", **order, **answer, **fill, "trade_id": f"T-{index}-1"},
        {"type": "OrderFilled", **order, **answer, **fill, "trade_id": f"T-{index}-2"},
    ]
    for event in events[: 3 if index % (_ORDERS // _OPEN) == 0 else None]:
        ts = f"2026-11-{1 + index % 28:02}T05:42:{index % 60:02}.{index % 10**9:09}Z"
        stamp = {"event_id": str(uuid4()), "ts_event": ts, "ts_init": ts}
        yield msgspec.msgpack.encode({**event, **stamp})


# The fields of a limit order, as 1.x stores it
INITIAL: dict[str, object] = {
    "order_side": "BUY",
    "order_type": "LIMIT",
    "quantity": "2.000",
    "time_in_force": "GTC",
    "post_only": False,
    "reduce_only": False,
    "quote_quantity": False,
    "options": {"price": "1900.00", "display_qty": None, "expire_time_ns": 0},
    "emulation_trigger": "NO_TRIGGER",
    "trigger_instrument_id": None,
    "contingency_type": "NO_CONTINGENCY",
    "order_list_id": None,
    "linked_order_ids": None,
    "parent_order_id": None,
    "exec_algorithm_id": None,
    "exec_algorithm_params": None,
    "exec_spawn_id": None,
    "tags": None,
    "reconciliation": False,
}


if __name__ == "__main__":
    sys.exit(main())
