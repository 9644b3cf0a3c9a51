"""
Orders and positions as 2.0 could have stored them, and as no world of 1.x leaves them: any event
after any other, trades that appear twice or are taken back, positions that are turned around.
"""

from random import Random
from typing import Any
from uuid import uuid4

from nautilus_recovery_actor.outside.store.two.instruments import PRECISIONS


_START = 1_760_000_000_000_000_000
_TRAILING = {"trailing_offset": "1.5", "trailing_offset_type": "PRICE", "limit_offset": "0.5"}
_PRICED = {"LIMIT", "STOP_LIMIT", "LIMIT_IF_TOUCHED", "TRAILING_STOP_LIMIT"}
_TRIGGERED = {
    *("STOP_MARKET", "STOP_LIMIT", "MARKET_IF_TOUCHED", "LIMIT_IF_TOUCHED"),
    *("TRAILING_STOP_MARKET", "TRAILING_STOP_LIMIT"),
}
_TYPES = sorted(_PRICED | _TRIGGERED | {"MARKET", "MARKET_TO_LIMIT"})
# What may well follow, more often than what may not
_LIKELY = (
    *("Submitted", "Accepted", "Accepted", "Filled", "Filled", "Filled", "Updated", "Triggered"),
    *("PendingUpdate", "PendingCancel", "ModifyRejected", "CancelRejected", "Canceled"),
    *("Expired", "Rejected", "Denied", "Emulated", "Released", "FillVoided"),
)
_KINDS = tuple(dict.fromkeys(_LIKELY))
_INITIAL: dict[str, Any] = {
    "time_in_force": "GTC",
    "post_only": False,
    "reduce_only": False,
    "quote_quantity": False,
    "reconciliation": False,
    "price": None,
    "activation_price": None,
    "trigger_price": None,
    "trigger_type": "NO_TRIGGER",
    "limit_offset": None,
    "trailing_offset": None,
    "trailing_offset_type": "NO_TRAILING_OFFSET",
    "expire_time": None,
    "display_qty": None,
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
}


class MadeUp:
    """Makes up what is stored, in instruments of which each has its ID and its currencies."""

    def __init__(self, seed: int, instruments: list[tuple[str, list[str]]]) -> None:
        self._random = Random(seed)
        self._instruments = instruments
        self._ns = _START

    def _timed(self) -> dict[str, Any]:
        self._ns += self._random.randrange(1, 10**12)
        # In two encodings, both of which it reads
        return {"event_id": str(uuid4()), "ts_event": self._ns, "ts_init": self._ns + 7}

    def _qty(self) -> str:
        return f"{self._random.randrange(1, 9)}"

    def _px(self) -> str:
        return f"{self._random.randrange(80, 120)}.5"

    def order(self) -> list[dict[str, Any]]:
        """Return the events of an order."""
        random = self._random
        order_type = random.choice(_TYPES)
        self._trades: dict[str, dict[str, Any]] = {}
        self._voided: dict[str, int] = {}
        self._common = {
            "trader_id": "OVER-001",
            "strategy_id": random.choice(["S-001", "S-002"]),
            "instrument_id": random.choice(self._instruments)[0],
            "client_order_id": f"O-{uuid4()}",
        }
        self._side, self._type = random.choice(["BUY", "SELL"]), order_type
        px = self._px()
        init = {
            **_INITIAL,
            "order_side": self._side,
            "order_type": order_type,
            "quantity": self._qty() if random.random() > 0.02 else "0",
            "price": px if order_type in _PRICED and random.random() > 0.02 else None,
        }
        if order_type in _TRIGGERED:
            init["trigger_price"] = px
            init["trigger_type"] = "DEFAULT" if random.random() > 0.02 else "NO_TRIGGER"
        if order_type.startswith("TRAILING"):
            init.update(_TRAILING)
        if random.random() < 0.2:
            init["emulation_trigger"] = "LAST_PRICE"
        if random.random() < 0.1:
            init["display_qty"] = self._qty()
        if random.random() < 0.1:
            init.update(time_in_force="GTD", expire_time=random.choice([None, 0, _START * 2]))
        events = [self._event("Initialized", init)]
        if random.random() < 0.7:
            events.append(self._next("Submitted"))
            events.append(self._next("Accepted"))
        events += [self._next(random.choice(_LIKELY)) for _ in range(random.randrange(6))]
        return events

    def _event(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {kind: {"type": f"Order{kind}", **self._common, **fields, **self._timed()}}

    def _next(self, kind: str) -> dict[str, Any]:
        random = self._random
        answer: dict[str, Any] = {
            "account_id": "SIM-001",
            "venue_order_id": f"V-{random.randrange(3)}",
            "reconciliation": random.random() < 0.3,
        }
        match kind:
            case "Updated":
                return self._event(kind, {**answer, **self._update()})
            case "Filled":
                return self._event(kind, {**answer, **self._fill(answer["venue_order_id"])})
            case "FillVoided" if not self._voidable():
                return self._next("Accepted")
            case "FillVoided":
                return self._event(kind, self._void())
            case "Rejected" | "ModifyRejected" | "CancelRejected" | "Denied":
                answer["reason"] = "so it is"
            case "Released":
                answer["released_price"] = self._px()
        return self._event(kind, answer)

    def _update(self) -> dict[str, Any]:
        random = self._random
        is_odd = random.random() < 0.1
        has_price = self._type in _PRICED or self._type == "MARKET_TO_LIMIT" or is_odd
        has_trigger = self._type in _TRIGGERED or is_odd
        return {
            "quantity": self._qty(),
            "price": self._px() if has_price and random.random() < 0.6 else None,
            "trigger_price": self._px() if has_trigger and random.random() < 0.6 else None,
            "protection_price": None,
            "venue_order_id": random.choice([None, "V-0", "V-1"]),
        }

    def _fill(self, venue_order_id: str) -> dict[str, Any]:
        random = self._random
        trade_id = random.choice([*self._trades, *[f"T-{uuid4().hex[:8]}"] * 12])
        fill = {
            "trade_id": trade_id,
            "order_side": self._side,
            "order_type": self._type,
            "last_qty": f"{random.randrange(1, 4)}",
            "last_px": self._px(),
            "currency": "USDT",
            "commission": random.choice([None, "0.10000000 USDT"]),
            "liquidity_side": "MAKER",
            "position_id": random.choice([None, "P-1", "P-2"]),
            "info": None,
            "venue_order_id": venue_order_id,
        }
        self._trades.setdefault(trade_id, fill)
        return fill

    def _voidable(self) -> list[str]:
        return [
            trade_id
            for trade_id, fill in self._trades.items()
            if self._voided.get(trade_id, 0) < int(fill["last_qty"])
        ]

    def _void(self) -> dict[str, Any]:
        random = self._random
        trade_id = random.choice(self._voidable())
        fill = self._trades[trade_id]
        qty = random.randrange(self._voided.get(trade_id, 0), int(fill["last_qty"])) + 1
        self._voided[trade_id] = qty
        return {
            # What does not fit its fill is refused, which is not what is tried here
            **{name: fill[name] for name in fill if name not in ("last_qty", "commission")},
            "account_id": "SIM-001",
            "correction_id": "C-1",
            "voided_qty": str(qty),
            "commission_voided": None,
            "reason": None,
            "reconciliation": False,
            "is_reopened": random.random() < 0.5,
        }

    def position(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the ID of a position, and its fills."""
        random = self._random
        instrument_id, currencies = random.choice(self._instruments)
        position_id = f"P-{uuid4()}"
        common = {
            "trader_id": "OVER-001",
            "strategy_id": random.choice(["S-001", "S-002"]),
            "instrument_id": instrument_id,
            "account_id": "SIM-001",
            "position_id": position_id,
            "order_type": "MARKET",
            "currency": currencies[0],
            "liquidity_side": "TAKER",
            "reconciliation": False,
            "info": None,
        }
        trades: list[str] = []
        fills = []
        for _ in range(random.randrange(1, 9)):
            is_again = trades and random.random() < 0.03
            trade_id = random.choice(trades) if is_again else f"T-{uuid4().hex[:8]}"
            trades.append(trade_id)
            code = random.choice(currencies)
            paid = f"{random.randrange(-5, 30) / 1_000:.{PRECISIONS[code]}f} {code}"
            fill = {
                "type": "OrderFilled",
                **common,
                "client_order_id": f"O-{uuid4()}",
                "venue_order_id": f"V-{uuid4()}",
                "trade_id": trade_id,
                "order_side": random.choice(["BUY", "SELL"]),
                "last_qty": str(random.randrange(1, 4)),
                "last_px": self._px(),
                "commission": random.choice([None, paid, paid]),
                **self._timed(),
            }
            fills.append(fill)
        return position_id, fills
