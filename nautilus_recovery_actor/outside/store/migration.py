"""
From what NautilusTrader 1.x stores to what 2.0 stores: one value at a time (the encodings of 1.231
and 2.0.0rc7, whose sources say which field is which).

What 2.0 has no field for is left out, such as an instrument's fees, which its clients load anew.
"""

from typing import Any

from nautilus_recovery_actor.outside.store import decoding


class CannotMigrateError(Exception):
    """Raised when 2.0 cannot have what 1.x stored. The text is one line that says why."""


_VARIANTS = {
    "BettingInstrument": "Betting",
    **{
        name: name
        for name in (
            *("BinaryOption", "Cfd", "Commodity", "CryptoFuture", "CryptoFuturesSpread"),
            *("CryptoOption", "CryptoOptionSpread", "CryptoPerpetual", "CurrencyPair", "Equity"),
            *("FuturesContract", "FuturesSpread", "IndexInstrument", "OptionContract"),
            *("OptionSpread", "PerpetualContract", "TokenizedAsset"),
        )
    },
}
_FEES = ("maker_fee", "taker_fee")
# What all orders of 2.0 have, and those of 1.x only where their type needs it
_OPTIONS: dict[str, Any] = {
    "price": None,
    "activation_price": None,
    "trigger_price": None,
    "trigger_type": "NO_TRIGGER",
    "limit_offset": None,
    "trailing_offset": None,
    "trailing_offset_type": "NO_TRAILING_OFFSET",
    "display_qty": None,
}


def currency(code: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a currency, which 2.0 wants to name itself."""
    return {"code": code, **fields}


def instrument(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an instrument, without the fees, which 2.0 does not store."""
    kind = fields.get("type")
    variant = _VARIANTS.get(str(kind))
    if variant is None:
        raise CannotMigrateError(f"2.0 has no instrument of type {str(kind)[:40]!r}")
    found = {name: value for name, value in fields.items() if name not in ("type", *_FEES)}
    found["tick_scheme"] = found.pop("tick_scheme_name", None)
    return {variant: _timed(found)}


def account_state(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an account: each amount names its currency."""
    return _timed(
        {
            "account_id": fields["account_id"],
            "account_type": fields["account_type"],
            "base_currency": fields["base_currency"],
            "balances": [
                {
                    "currency": one["currency"],
                    **{
                        name: f"{one[name]} {one['currency']}"
                        for name in ("total", "locked", "free")
                    },
                }
                for one in fields["balances"]
            ],
            "margins": [
                {
                    "initial": f"{one['initial']} {one['currency']}",
                    "maintenance": f"{one['maintenance']} {one['currency']}",
                    "currency": one["currency"],
                    "instrument_id": one["instrument_id"],
                }
                for one in fields["margins"]
            ],
            "is_reported": fields["reported"],
            "event_id": fields["event_id"],
            "ts_event": fields["ts_event"],
            "ts_init": fields["ts_init"],
            "info": fields.get("info") or {},
        }
    )


def order_event(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an event of an order, under the name of its kind."""
    kind = str(fields["type"])
    match kind:
        case "OrderInitialized":
            found = _initialized(fields)
        case "OrderUpdated":
            found = {"protection_price": None, "is_quote_quantity": False, **fields}
        case "OrderFilled":
            return {"Filled": fill(fields)}
        case _:
            found = dict(fields)
    return {kind.removeprefix("Order"): _timed(found)}


def fill(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a fill, in the order of the fields of 2.0."""
    info = fields.get("info") or None
    if info is not None:
        info = {str(name): str(value) for name, value in info.items()}
    found = {name: value for name, value in fields.items() if name not in _LATE}
    return _timed({**found, **{name: fields[name] for name in _LATE}, "info": info})


_LATE = ("reconciliation", "position_id", "commission", "info")


def _initialized(fields: dict[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in fields.items() if name != "options"}
    options = dict(fields["options"])
    expires = options.pop("expire_time_ns", 0)
    found.update({**_OPTIONS, **options})
    found["expire_time"] = expires or None
    return found


def _timed(fields: dict[str, Any]) -> dict[str, Any]:
    # A timestamp is a number here, as 2.0 reads it as well as the ISO 8601 that it writes
    return {
        name: decoding.nanoseconds(value) if name in ("ts_event", "ts_init") else value
        for name, value in fields.items()
    }
