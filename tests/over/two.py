# mypy: ignore-errors
"""
A node of NautilusTrader 2.0, run by that version's own interpreter: what it loads from Redis, and
what it holds once it has started. With a venue it is the real Binance adapter at the stand-in for
that; without one nothing is reconciled.

Each fact is a line of JSON in a file that is given; all else is the log of the node.
"""

import json
import sys
from pathlib import Path
from typing import Any

from nautilus_trader.adapters.binance import BinanceDataClientConfig
from nautilus_trader.adapters.binance import BinanceDataClientFactory
from nautilus_trader.adapters.binance import BinanceExecutionClientConfig
from nautilus_trader.adapters.binance import BinanceExecutionClientFactory
from nautilus_trader.adapters.binance import BinanceProductType
from nautilus_trader.common import CacheConfig
from nautilus_trader.common import DataActor
from nautilus_trader.common import DataActorConfig
from nautilus_trader.common import Environment
from nautilus_trader.common import SerializationEncoding
from nautilus_trader.infrastructure import RedisCacheConfig
from nautilus_trader.live import LiveNode
from nautilus_trader.model import AccountId
from nautilus_trader.model import InstrumentId
from nautilus_trader.model import OrderSide
from nautilus_trader.model import Price
from nautilus_trader.model import Quantity
from nautilus_trader.model import StrategyId
from nautilus_trader.model import TraderId
from nautilus_trader.model import TriggerType
from nautilus_trader.trading import Strategy
from nautilus_trader.trading import StrategyConfig


_ENCODINGS = {"msgpack": SerializationEncoding.MSG_PACK, "json": SerializationEncoding.JSON}
_BID = "120.00"  # Above the price of the stand-in: it fills
_handles: list[Any] = []
_arguments: dict[str, Any] = json.loads(sys.argv[1])


def emit(fact: str, **fields: Any) -> None:
    with Path(_arguments["facts"]).open("a", encoding="utf-8") as facts:
        facts.write(json.dumps({"fact": fact, **fields}) + "\n")


def held(cache: Any) -> dict[str, Any]:
    return {
        "orders": {str(o.client_order_id): order(o) for o in cache.orders()},
        "positions": {str(p.id): position(p) for p in cache.positions()},
        "instruments": sorted(str(i) for i in cache.instrument_ids()),
    }


def order(o: Any) -> dict[str, Any]:
    return {
        "status": o.status.name,
        "strategy_id": str(o.strategy_id),
        "filled_qty": str(o.filled_qty),
        "events": len(o.events()),
    }


def position(p: Any) -> dict[str, Any]:
    return {"strategy_id": str(p.strategy_id), "qty": p.signed_qty, "is_open": p.is_open}


def whole(cache: Any) -> dict[str, Any]:
    """Return all that was restored, in comparable form."""
    return {
        "orders": {str(o.client_order_id): whole_order(cache, o) for o in cache.orders()},
        "positions": {str(p.id): whole_position(p) for p in cache.positions()},
        "accounts": {
            name: whole_account(account)
            for name in ("SIM-001", "CASH-002", "WALLET-X", "BINANCE-USDT_FUTURES-master")
            if (account := cache.account(AccountId(name))) is not None
        },
        "instruments": {str(i.id): whole_instrument(i) for i in cache.instruments()},
    }


def text(value: Any) -> str | None:
    return None if value is None else str(value)


def whole_order(cache: Any, o: Any) -> dict[str, Any]:
    fields = o.to_dict()
    names = (
        *("strategy_id", "instrument_id", "side", "type", "quantity", "status", "time_in_force"),
        *("is_post_only", "is_reduce_only", "filled_qty", "init_id", "ts_init", "ts_last"),
        *("venue_order_id", "account_id", "order_list_id", "linked_order_ids", "tags"),
        *("parent_order_id", "last_trade_id", "display_qty", "expire_time_ns", "is_quote_quantity"),
        *("exec_algorithm_id", "exec_algorithm_params", "exec_spawn_id", "contingency_type"),
        *("trigger_type", "trailing_offset", "trailing_offset_type", "limit_offset"),
    )
    return {
        **{name: fields.get(name) for name in names},
        "price": fields.get("price"),
        "trigger_price": fields.get("trigger_price"),
        "leaves_qty": str(o.leaves_qty),
        "emulation_trigger": fields.get("emulation_trigger"),
        "position_id": fields.get("position_id"),
        "avg_px": None if o.avg_px is None else float(o.avg_px),
        "events": [str(event.event_id) for event in o.events()],
        "indexed_position": text(cache.position_id(o.client_order_id)),
        "indexed_client": text(cache.client_id(o.client_order_id)),
        "is_open": cache.is_order_open(o.client_order_id),
        "is_closed": cache.is_order_closed(o.client_order_id),
        "is_inflight": cache.is_order_inflight(o.client_order_id),
        "is_emulated": cache.is_order_emulated(o.client_order_id),
    }


def whole_position(p: Any) -> dict[str, Any]:
    fields = p.to_dict()
    names = (
        *("strategy_id", "instrument_id", "account_id", "opening_order_id", "closing_order_id"),
        *("entry", "side", "quantity", "peak_qty", "ts_init", "ts_opened", "ts_last", "ts_closed"),
        *("realized_pnl", "multiplier", "is_inverse"),
    )
    return {
        **{name: fields.get(name) for name in names},
        "avg_px_open": fields["avg_px_open"],
        "avg_px_close": fields["avg_px_close"],
        "commissions": sorted(fields["commissions"] or []),
        "trade_ids": sorted(fields["trade_ids"]),
        "events": [event["event_id"] for event in fields["events"]],
    }


def whole_account(account: Any) -> dict[str, Any]:
    return {
        "type": account.account_type.name,
        "base_currency": text(account.base_currency and account.base_currency.code),
        "events": account.event_count,
        "balances": {
            currency.code: [str(b.total), str(b.locked), str(b.free)]
            for currency, b in account.balances().items()
        },
    }


def whole_instrument(instrument: Any) -> dict[str, Any]:
    return instrument.to_dict()


class Watcher(DataActor):
    """Says what the cache has loaded: its alert rings before the node connects."""

    def on_time_event(self, _: Any) -> None:
        emit("loaded", **(whole if _arguments.get("is_whole") else held)(self.cache))


class Leaver(Strategy):
    """Says what it starts with. It may trade: a bid that fills, one that rests, one held here."""

    def trade(self, instrument_id: InstrumentId, *, is_trading: bool) -> None:
        self._instrument_id = instrument_id
        self._is_trading = is_trading

    def on_start(self) -> None:
        emit("started", **held(self.cache))
        if not self._is_trading:
            _handles[0].stop()
            return
        one, two = Quantity.from_str("1.000"), Quantity.from_str("2.000")
        buy, sell = OrderSide.BUY, OrderSide.SELL
        make, px = self.order_factory, Price.from_str
        self.submit_order(make.limit(self._instrument_id, buy, two, px(_BID)))
        self.submit_order(make.limit(self._instrument_id, buy, one, px("80.00")))
        self.submit_order(
            make.stop_market(
                self._instrument_id,
                sell,
                two,
                px("90.00"),
                emulation_trigger=TriggerType.LAST_PRICE,
            )
        )

    def on_load(self, state: dict[str, Any]) -> None:
        emit("state", **{name: [*value] for name, value in state.items()})

    def on_order_accepted(self, _: Any) -> None:
        self._look()

    def on_order_filled(self, _: Any) -> None:
        self._look()

    def _look(self) -> None:
        if self.cache.positions_open() and self.cache.orders_open():
            emit("traded", **held(self.cache))
            _handles[0].stop()


def main(arguments: dict[str, Any]) -> None:
    database = RedisCacheConfig(host="127.0.0.1", port=arguments["redis_port"], number_of_retries=2)
    builder = (
        LiveNode.builder("TWO", TraderId(arguments["trader_id"]), Environment.LIVE)
        .with_cache_config(CacheConfig(encoding=_ENCODINGS[arguments.get("encoding", "msgpack")]))
        .with_cache_database_factory(database)
        .with_delay_post_stop_secs(0)
        .with_load_state(arguments.get("load_state", False))
        .with_timeout_disconnection_secs(2)
        .with_reconciliation("venue_port" in arguments)
    )
    if "venue_port" in arguments:
        address = f"127.0.0.1:{arguments['venue_port']}"
        venue = {
            "product_type": BinanceProductType.USD_M,
            "base_url_http": f"http://{address}",
            "base_url_ws": f"ws://{address}",
            "api_key": "key",
            "api_secret": "secret",
        }
        # Without a data client no instrument would come into the cache
        data = BinanceDataClientConfig(**{**venue, "base_url_ws": f"ws://{address}/ws"})
        builder = builder.add_data_client("BINANCE", BinanceDataClientFactory(), data)
        config = BinanceExecutionClientConfig(
            **venue, account_id=AccountId("BINANCE-USDT_FUTURES-master"), use_ws_trading=False
        )
        builder = builder.add_exec_client("BINANCE", BinanceExecutionClientFactory(), config)
    node = builder.build()
    _handles.append(node.handle())
    watcher = Watcher(DataActorConfig())
    node.add_actor(watcher)
    watcher.clock.set_time_alert_ns("loaded", watcher.clock.timestamp_ns(), None)
    claimed = [InstrumentId.from_str(one) for one in arguments.get("claimed", ())]
    config = StrategyConfig(
        strategy_id=StrategyId("Leaver-001"),
        order_id_tag="001",
        external_order_instrument_ids=claimed or None,
    )
    leaver = Leaver(config)
    leaver.trade(
        InstrumentId.from_str("ETHUSDT-PERP.BINANCE"), is_trading=arguments.get("is_trading", False)
    )
    node.add_strategy(leaver)
    try:
        node.run()
    except Exception as e:
        emit("raised", why=str(e))


main(_arguments)
