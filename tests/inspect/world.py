"""
A trader's random history, made of NautilusTrader's own objects and written by its own adapter.
"""

from decimal import Decimal
from random import Random
from typing import Any
from uuid import uuid4

import msgspec
from nautilus_trader.accounting.factory import AccountFactory
from nautilus_trader.cache.cache import Cache
from nautilus_trader.cache.database import CacheDatabaseAdapter
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.config import CacheConfig
from nautilus_trader.core.fsm import InvalidStateTrigger
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model import events
from nautilus_trader.model.currencies import BTC
from nautilus_trader.model.currencies import ETH
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.enums import TrailingOffsetType
from nautilus_trader.model.enums import TriggerType
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import AccountBalance
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.objects import Money
from nautilus_trader.model.objects import Price
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.model.orders import MarketOrder
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position
from nautilus_trader.serialization.serializer import MsgSpecSerializer
from nautilus_trader.test_kit.providers import TestInstrumentProvider

from nautilus_recovery_actor.testkit import EmbeddedValkey


INSTRUMENTS: list[Instrument] = [
    TestInstrumentProvider.ethusdt_perp_binance(),
    TestInstrumentProvider.xbtusd_bitmex(),  # Inverse
    TestInstrumentProvider.btcusdt_binance(),  # Spot: commissions in what was bought
    TestInstrumentProvider.default_fx_ccy("USD/JPY"),
    TestInstrumentProvider.equity("AAPL", "XNAS"),
    TestInstrumentProvider.es_future(2026, 12),  # A multiplier
    TestInstrumentProvider.btcusdt_future_binance(),
    TestInstrumentProvider.crypto_option(),  # Inverse, with an underlying
    TestInstrumentProvider.binary_option(),
    TestInstrumentProvider.betting_instrument(),
    TestInstrumentProvider.audusd_cfd(),
    TestInstrumentProvider.commodity(),
    TestInstrumentProvider.futures_spread(),
    TestInstrumentProvider.crypto_futures_spread_inverse()
    if hasattr(TestInstrumentProvider, "crypto_futures_spread_inverse")
    else TestInstrumentProvider.option_spread(),
]
_START = 1_750_000_000_123_456_789
_TRIGGERABLE = {"STOP_LIMIT", "LIMIT_IF_TOUCHED", "TRAILING_STOP_LIMIT"}


def adapter(
    valkey: EmbeddedValkey,
    trader_id: str,
    encoding: str = "msgpack",
    *,
    is_iso: bool = False,
    **config: Any,
) -> CacheDatabaseAdapter:
    """
    Return NautilusTrader's own way to Redis, as its kernel makes it.
    """
    return CacheDatabaseAdapter(
        trader_id=TraderId(trader_id),
        instance_id=UUID4(),
        serializer=MsgSpecSerializer(
            encoding=getattr(msgspec, encoding),
            timestamps_as_str=True,
            timestamps_as_iso8601=is_iso,
        ),
        config=CacheConfig(
            database=valkey.database_config(),
            encoding=encoding,
            timestamps_as_iso8601=is_iso,
            **config,
        ),
    )


def load(database: CacheDatabaseAdapter) -> Cache:
    """
    Return a cache that has loaded all that a starting node loads.
    """
    cache = Cache(database=database)
    cache.cache_general()
    cache.cache_currencies()
    cache.cache_instruments()
    cache.cache_accounts()
    cache.cache_orders()
    cache.cache_order_lists()
    cache.cache_positions()
    cache.build_index()
    return cache


class World:
    """
    Makes up orders, fills and balances, and writes each as it happens.
    """

    def __init__(self, seed: int, trader_id: str, database: CacheDatabaseAdapter) -> None:
        self.random = Random(seed)
        self.trader_id = TraderId(trader_id)
        self.database = database
        self.ns = _START
        self.clock = TestClock()
        self.account_id = AccountId("SIM-001")
        self.orders: list[Order] = []
        self.positions: dict[PositionId, Position] = {}
        self.instruments = INSTRUMENTS
        for instrument in INSTRUMENTS:
            database.add_instrument(instrument)

    def live(self, orders: int = 12) -> None:
        """
        Let it all happen.
        """
        self.report_accounts()
        for _ in range(orders):
            self.place()
        for _ in range(orders * 6):
            self.step(self.random.choice(self.orders))

    def close(self, valkey: EmbeddedValkey) -> None:
        """
        Wait until all is written.
        """
        self.database.add("written", b"1")
        key = f"*{self.trader_id.value}*:general:written"
        valkey.wait_for(lambda client: client.keys(key))
        self.database.close()

    def now(self) -> int:
        self.ns += self.random.randrange(1, 10**12)
        self.clock.set_time(self.ns)
        return self.ns

    # -- ACCOUNTS --

    def report_accounts(self) -> None:
        kinds: list[tuple[str, AccountType, Currency | None, list[Currency]]] = [
            ("SIM-001", AccountType.MARGIN, None, [USDT, BTC, USD]),
            ("CASH-002", AccountType.CASH, USD, [USD]),
            ("WALLET-X", AccountType.CASH, None, [BTC, ETH, USDT]),
        ]
        for account_id, kind, base, currencies in kinds:
            account = None
            for _ in range(self.random.randrange(1, 4)):
                count = 1 if base else self.random.randrange(1, len(currencies) + 1)
                some = self.random.sample(currencies, count)
                state = events.AccountState(
                    account_id=AccountId(account_id),
                    account_type=kind,
                    base_currency=base,
                    reported=True,
                    balances=[self.balance(currency) for currency in some],
                    margins=[],
                    info={},
                    event_id=UUID4(),
                    ts_event=self.now(),
                    ts_init=self.ns,
                )
                if account is None:
                    account = AccountFactory.create(state)
                    self.database.add_account(account)
                else:
                    account.apply(state)
                    self.database.update_account(account)

    def balance(self, currency: Currency) -> AccountBalance:
        total = Money(self.random.randrange(10**9) / 10**3, currency)
        locked = Money(total.as_decimal() * self.random.randrange(4) / 8, currency)
        free = Money(total.as_decimal() - locked.as_decimal(), currency)
        return AccountBalance(total=total, locked=locked, free=free)

    # -- ORDERS --

    def place(self) -> Order:
        random = self.random
        strategy_id = StrategyId(random.choice(["S-001", "S-002", "EXTERNAL"]))
        self.now()
        factory = OrderFactory(
            trader_id=self.trader_id,
            strategy_id=strategy_id,
            clock=self.clock,
            use_uuid_client_order_ids=True,
        )
        instrument = random.choice(self.instruments)
        if random.random() < 0.1:  # Its stop and its target follow the fill of its entry
            bracket = factory.bracket(
                instrument.id,
                random.choice([OrderSide.BUY, OrderSide.SELL]),
                self.qty(instrument),
                sl_trigger_price=self.px(instrument),
                tp_price=self.px(instrument),
            )
            made = bracket.orders
        else:
            made = [self.order_of(factory, instrument)]
        self.orders += made
        for order in made:
            self.database.add_order(order)
        return made[0]

    def order_of(self, factory: OrderFactory, instrument: Instrument) -> Order:
        random = self.random
        common = {
            "instrument_id": instrument.id,
            "order_side": random.choice([OrderSide.BUY, OrderSide.SELL]),
            "quantity": self.qty(instrument),
        }
        price, trigger = self.px(instrument), self.px(instrument)
        emulation = random.choice(
            [TriggerType.NO_TRIGGER, TriggerType.NO_TRIGGER, TriggerType.LAST_PRICE]
        )
        held = {"emulation_trigger": emulation}
        trailing = {
            "trailing_offset": Decimal("1.5"),
            "trailing_offset_type": TrailingOffsetType.PRICE,
            "trigger_price": random.choice([None, trigger]),
            **held,
        }
        makers = [
            lambda: factory.market(**common),
            lambda: factory.limit(**common, price=price, **held),
            lambda: factory.stop_market(**common, trigger_price=trigger, **held),
            lambda: factory.stop_limit(**common, price=price, trigger_price=trigger, **held),
            lambda: factory.market_to_limit(**common),
            lambda: factory.market_if_touched(**common, trigger_price=trigger, **held),
            lambda: factory.limit_if_touched(**common, price=price, trigger_price=trigger, **held),
            lambda: factory.trailing_stop_market(**common, **trailing),
            lambda: factory.trailing_stop_limit(
                **common,
                price=random.choice([None, price]),
                limit_offset=Decimal("0.5"),
                **trailing,
            ),
        ]
        return random.choice(makers)()

    def qty(self, instrument: Instrument) -> Quantity:
        units = self.random.randrange(1, 400)
        step = instrument.size_increment.as_decimal()
        return instrument.make_qty(max(units * step * 10, step))

    def px(self, instrument: Instrument) -> Price:
        units = self.random.randrange(5, 95_000)
        return Price(units * 10 ** -Decimal(instrument.price_precision), instrument.price_precision)

    # -- WHAT HAPPENS TO AN ORDER --

    def step(self, order: Order) -> None:
        place = self.orders.index(order)
        order = self.orders[place]
        kind = self.random.choice(self.next_of(order) or [None])
        if kind is None:
            return
        if kind == "TRANSFORM":
            self.orders[place] = self.transform(order)
            return
        for event in self.happening(kind, order):
            try:
                order.apply(event)
            except InvalidStateTrigger:
                return  # The engine logs that and goes on
            self.database.update_order(order)
            if isinstance(event, events.OrderFilled):
                self.change_position(event)

    def next_of(self, order: Order) -> list[Any]:
        kinds: dict[OrderStatus, list[Any]] = {
            OrderStatus.INITIALIZED: ["Submitted", "Submitted", "Denied", "Accepted"],
            OrderStatus.EMULATED: ["TRANSFORM", "Released", "Canceled", "Updated"],
            OrderStatus.RELEASED: ["Submitted", "Submitted", "Denied"],
            OrderStatus.SUBMITTED: ["Accepted"] * 4 + ["Rejected", "Filled", "PendingCancel"],
            OrderStatus.ACCEPTED: ["Filled"] * 3
            + ["PendingUpdate", "PendingCancel", "Canceled", "Expired", "Updated", "Triggered"],
            OrderStatus.TRIGGERED: ["Filled", "Canceled", "PendingUpdate"],
            OrderStatus.PENDING_UPDATE: ["Updated", "ModifyRejected", "Filled", "PendingCancel"],
            OrderStatus.PENDING_CANCEL: ["CancelRejected", "Canceled", "Filled"],
            OrderStatus.PARTIALLY_FILLED: ["Filled"] * 3
            + ["PendingUpdate", "PendingCancel", "Canceled", "Updated"],
            OrderStatus.CANCELED: ["Filled", None, None, None],
        }
        if order.status == OrderStatus.INITIALIZED and order.emulation_trigger:
            return ["Emulated"]
        found = kinds.get(order.status, [])
        if order.type_string() not in _TRIGGERABLE:
            found = [kind for kind in found if kind != "Triggered"]
        if hasattr(order, "price") and order.price is None:
            # NautilusTrader cannot apply a fill to it
            found = [kind for kind in found if kind != "Filled"]
        return found

    def transform(self, order: Order) -> Order:
        price = getattr(order, "price", None)
        if price is not None and self.random.random() < 0.7:
            transformed = LimitOrder.transform_py(order, self.now(), None)
        else:
            transformed = MarketOrder.transform_py(order, self.now())
        self.database.add_order(transformed)
        if self.random.random() < 0.8:
            for event in self.happening("Released", transformed):
                transformed.apply(event)
                self.database.update_order(transformed)
        return transformed

    def happening(self, kind: str, order: Order) -> list[Any]:
        common = {
            "trader_id": order.trader_id,
            "strategy_id": order.strategy_id,
            "instrument_id": order.instrument_id,
            "client_order_id": order.client_order_id,
            "event_id": UUID4(),
            "ts_init": self.now(),
        }
        timed = {**common, "ts_event": self.ns}
        venue_order_id = order.venue_order_id or VenueOrderId(f"V-{uuid4().hex[:8]}")
        answer = {**timed, "venue_order_id": venue_order_id, "account_id": self.account_id}
        instrument = next(i for i in INSTRUMENTS if i.id == order.instrument_id)
        match kind:
            case "Emulated":
                return [events.OrderEmulated(**common)]
            case "Released":
                return [events.OrderReleased(**common, released_price=self.px(instrument))]
            case "Denied":
                return [events.OrderDenied(**common, reason="so it is")]
            case "Submitted":
                return [events.OrderSubmitted(**timed, account_id=self.account_id)]
            case "Rejected":
                return [events.OrderRejected(**timed, account_id=self.account_id, reason="no")]
            case "ModifyRejected" | "CancelRejected":
                return [getattr(events, f"Order{kind}")(**answer, reason="no")]
            case "Updated":
                answer["venue_order_id"] = self.random.choice(
                    [venue_order_id, venue_order_id, VenueOrderId(f"V-{uuid4().hex[:8]}")]
                )
                return [self.updated(order, instrument, answer)]
            case "Filled":
                return [self.filled(order, instrument, answer)]
            case _:
                return [getattr(events, f"Order{kind}")(**answer)]

    def updated(self, order: Order, instrument: Instrument, answer: dict[str, Any]) -> Any:
        more = order.filled_qty.as_decimal() + self.qty(instrument).as_decimal()
        return events.OrderUpdated(
            **answer,
            quantity=self.random.choice([order.quantity, instrument.make_qty(more)]),
            price=self.px(instrument) if self.random.random() < 0.6 else None,
            trigger_price=self.px(instrument) if self.random.random() < 0.6 else None,
        )

    def filled(self, order: Order, instrument: Instrument, answer: dict[str, Any]) -> Any:
        step = instrument.size_increment.as_decimal()
        leaves = order.leaves_qty.as_decimal() or step
        part = (leaves * self.random.choice([1, 1, 3]) / 4 // step * step) or leaves
        qty = leaves if self.random.random() < 0.4 else part
        if order.status == OrderStatus.CANCELED:
            qty = step
        commissions: list[Currency] = [instrument.quote_currency, instrument.get_cost_currency()]
        if instrument.get_base_currency() is not None:
            commissions.append(instrument.get_base_currency())
        return events.OrderFilled(
            **answer,
            trade_id=TradeId(f"T-{uuid4().hex[:10]}"),
            position_id=self.position_id(order),
            order_side=order.side,
            order_type=order.order_type,
            last_qty=instrument.make_qty(qty),
            last_px=self.px(instrument),
            currency=instrument.quote_currency,
            commission=Money(
                self.random.randrange(-5, 40) / 10_000, self.random.choice(commissions)
            ),
            liquidity_side=LiquiditySide.TAKER,
        )

    # -- POSITIONS --

    def position_id(self, order: Order) -> PositionId:
        if order.position_id is not None:
            return order.position_id
        netting = f"{order.instrument_id}-{order.strategy_id}"
        if self.random.random() < 0.7:
            return PositionId(netting)
        hedging = [p.id for p in self.positions.values() if p.strategy_id == order.strategy_id]
        hedging = [i for i in hedging if str(i).startswith(f"{order.instrument_id}-H")]
        return self.random.choice([*hedging, PositionId(f"{order.instrument_id}-H{len(hedging)}")])

    def change_position(self, fill: Any) -> None:
        position = self.positions.get(fill.position_id)
        instrument = next(i for i in INSTRUMENTS if i.id == fill.instrument_id)
        if position is None or position.side == PositionSide.FLAT:
            # As the engine reopens a netting position: a new one under the old ID
            position = self.positions[fill.position_id] = Position(instrument, fill)
            self.database.add_position(position)
        else:
            position.apply(fill)
            self.database.update_position(position)
