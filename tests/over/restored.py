"""
What NautilusTrader 1.x restores from a store, in the form in which `two.py` says what 2.0 restores.
"""

from collections.abc import Callable
from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.enums import contingency_type_to_str
from nautilus_trader.model.enums import trailing_offset_type_to_str
from nautilus_trader.model.enums import trigger_type_to_str
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position


def whole(cache: Cache) -> dict[str, Any]:
    """Return all that was restored, in comparable form."""
    return {
        "orders": {o.client_order_id.value: _order(cache, o) for o in cache.orders()},
        "positions": {p.id.value: _position(p) for p in cache.positions()},
        "accounts": {a.id.value: _account(a) for a in cache.accounts()},
        "instruments": {i.id.value: _instrument(i) for i in cache.instruments()},
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _enum(o: Order, name: str, to_str: Callable[[Any], str]) -> str | None:
    value = getattr(o, name, None)
    return None if value is None or to_str(value).startswith("NO_") else to_str(value)


def _order(cache: Cache, o: Order) -> dict[str, Any]:
    trigger = o.emulation_trigger
    return {
        # Its `to_dict` fails on commissions in two currencies
        "strategy_id": o.strategy_id.value,
        "instrument_id": o.instrument_id.value,
        "side": o.side_string(),
        "type": o.type_string(),
        "quantity": str(o.quantity),
        "status": o.status_string(),
        "time_in_force": o.tif_string(),
        "is_post_only": o.is_post_only,
        "is_reduce_only": o.is_reduce_only,
        "filled_qty": str(o.filled_qty),
        "init_id": o.init_id.value,
        "ts_init": o.ts_init,
        "ts_last": o.ts_last,
        "venue_order_id": _text(o.venue_order_id),
        "account_id": _text(o.account_id),
        "order_list_id": _text(o.order_list_id),
        "linked_order_ids": o.linked_order_ids and [one.value for one in o.linked_order_ids],
        "tags": o.tags,
        "parent_order_id": _text(o.parent_order_id),
        "last_trade_id": _text(o.last_trade_id),
        "display_qty": _text(getattr(o, "display_qty", None)),
        "expire_time_ns": getattr(o, "expire_time_ns", None) or None,
        "is_quote_quantity": o.is_quote_quantity,
        "exec_algorithm_id": _text(o.exec_algorithm_id),
        "exec_algorithm_params": o.exec_algorithm_params,
        "exec_spawn_id": _text(o.exec_spawn_id),
        "contingency_type": _enum(o, "contingency_type", contingency_type_to_str),
        "trigger_type": _enum(o, "trigger_type", trigger_type_to_str),
        "trailing_offset": _text(getattr(o, "trailing_offset", None)),
        "trailing_offset_type": _enum(o, "trailing_offset_type", trailing_offset_type_to_str),
        "limit_offset": _text(getattr(o, "limit_offset", None)),
        "price": _text(getattr(o, "price", None)),
        "trigger_price": _text(getattr(o, "trigger_price", None)),
        "leaves_qty": str(o.leaves_qty),
        "emulation_trigger": None
        if trigger == TriggerType.NO_TRIGGER
        else TriggerType(trigger).name,
        "avg_px": o.avg_px if o.filled_qty else None,
        "events": [event.id.value for event in o.events],
        "indexed_position": _text(cache.position_id(o.client_order_id)),
        "indexed_client": _text(cache.client_id(o.client_order_id)),
        "is_open": cache.is_order_open(o.client_order_id),
        "is_closed": cache.is_order_closed(o.client_order_id),
        "is_inflight": cache.is_order_inflight(o.client_order_id),
        "is_emulated": cache.is_order_emulated(o.client_order_id),
    }


def _position(p: Position) -> dict[str, Any]:
    fields = p.to_dict()
    names = (
        *("strategy_id", "instrument_id", "account_id", "opening_order_id", "closing_order_id"),
        *("entry", "side", "quantity", "peak_qty", "ts_init", "ts_opened", "ts_last", "ts_closed"),
        *("realized_pnl",),
    )
    return {
        **{name: fields[name] for name in names},
        "multiplier": str(p.multiplier),
        "is_inverse": p.is_inverse,
        "avg_px_open": p.avg_px_open,
        "avg_px_close": p.avg_px_close,
        "commissions": sorted(map(str, p.commissions())),
        "trade_ids": sorted(map(str, p.trade_ids)),
        "events": [event.id.value for event in p.events],
    }


def _account(account: Any) -> dict[str, Any]:
    return {
        "type": account.type.name,
        "base_currency": _text(account.base_currency),
        "events": account.event_count,
        "balances": {
            currency.code: [str(b.total), str(b.locked), str(b.free)]
            for currency, b in account.balances().items()
        },
    }


def _instrument(instrument: Any) -> dict[str, Any]:
    fields: dict[str, Any] = type(instrument).to_dict(instrument)
    return fields
