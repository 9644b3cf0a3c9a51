"""
What is told of a store equals what NautilusTrader restores from it.
"""

import math
from typing import Any

import pytest
import redis
from nautilus_trader.cache.cache import Cache
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.enums import trigger_type_to_str

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.store import reader
from nautilus_recovery_actor.outside.store.inventory import Inventory
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.inspect.world import World
from tests.inspect.world import adapter
from tests.inspect.world import load


def told(inventory: Inventory) -> dict[str, Any]:
    """
    Return all that the inspector says, in comparable form.
    """
    return {
        "orders": {
            o.client_order_id: (
                *(o.status, o.order_type, o.side, o.quantity, o.filled_qty, o.leaves_qty),
                *(o.price, o.trigger_price, o.emulation_trigger, o.strategy_id, o.instrument_id),
                *(o.venue_order_id, o.account_id, o.position_id, o.ts_init, o.ts_last),
                *(o.is_open, o.is_inflight),
            )
            for o in inventory.orders
        },
        "closed orders": inventory.closed_orders,
        "positions": {
            p.position_id: (
                *(p.side, p.signed_qty, p.realized_pnl, p.currency, p.strategy_id),
                *(p.instrument_id, p.account_id, p.ts_opened, p.ts_last),
            )
            for p in inventory.positions
        },
        "closed positions": inventory.closed_positions,
        "accounts": {
            a.account_id: (
                a.account_type,
                {b.currency: (b.total, b.locked, b.free) for b in a.balances.values()},
            )
            for a in inventory.accounts
        },
    }


def restored(cache: Cache) -> dict[str, Any]:
    """
    Return the same of a cache.
    """

    def text(value: Any) -> str | None:
        return None if value is None else str(value)

    def number(order: Any, name: str) -> Any:
        value = getattr(order, name, None)
        return None if value is None else value.as_decimal()

    return {
        "orders": {
            o.client_order_id.value: (
                *(o.status_string(), o.type_string(), o.side_string(), o.quantity.as_decimal()),
                *(o.filled_qty.as_decimal(), o.leaves_qty.as_decimal()),
                *(number(o, "price"), number(o, "trigger_price")),
                None
                if o.emulation_trigger == TriggerType.NO_TRIGGER
                else trigger_type_to_str(o.emulation_trigger),
                *(o.strategy_id.value, o.instrument_id.value, text(o.venue_order_id)),
                *(text(o.account_id), text(o.position_id), o.ts_init, o.ts_last),
                *(o.is_open, o.is_inflight),
            )
            for o in cache.orders()
            if not o.is_closed
        },
        "closed orders": len(cache.orders_closed()),
        "positions": {
            p.id.value: (
                *(p.side.name, p.signed_decimal_qty(), p.realized_pnl.as_decimal()),
                *(p.realized_pnl.currency.code, p.strategy_id.value, p.instrument_id.value),
                *(p.account_id.value, p.ts_opened, p.ts_last),
            )
            for p in cache.positions_open()
        },
        "closed positions": len(cache.positions_closed()),
        "accounts": {
            a.id.value: (
                a.type.name,
                {
                    b.currency.code: tuple(m.as_decimal() for m in (b.total, b.locked, b.free))
                    for b in a.balances().values()
                },
            )
            for a in cache.accounts()
        },
    }


def same_prices(inventory: Inventory, cache: Cache) -> bool:
    """
    Return whether the mean prices agree but for the last bits of a float.
    """
    prices = {p.id.value: p.avg_px_open for p in cache.positions_open()}
    return all(
        math.isclose(p.avg_px_open, prices[p.position_id], rel_tol=1e-12)
        for p in inventory.positions
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_a_random_history_is_told_as_nautilus_trader_restores_it(
    valkey: EmbeddedValkey, client: redis.Redis, trader_id: str, encoding: str, seed: int
) -> None:
    """Orders of all types, positions, balances: equal, with either encoding and timestamp."""
    options: dict[str, Any] = {
        "encoding": encoding,
        "is_iso": seed % 2 == 0,
        "use_trader_prefix": seed % 3 > 0,
    }
    world = World(seed, trader_id, adapter(valkey, trader_id, **options))
    world.live(orders=40)
    world.close(valkey)
    namespace = Namespace(trader_id=trader_id, use_trader_prefix=seed % 3 > 0)
    inventory = reader.read(client, namespace)
    database = adapter(valkey, trader_id, **options)
    cache = load(database)
    database.close()

    assert inventory is not None
    # A futures spread has colons in its symbol: see test_broken.py
    assert all("colon" in entry.why and not entry.stops_start for entry in inventory.broken)
    assert told(inventory) == restored(cache)
    assert same_prices(inventory, cache)
    assert inventory.orders
    assert inventory.positions
    assert inventory.closed_orders
