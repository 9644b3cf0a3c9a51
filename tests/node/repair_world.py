"""
A venue and a cache that differ, made of NautilusTrader's own objects (long: both, and their books).

The venue has a true history. The cache got a part of it, and fills that nobody traded, in the forms
in which engines make them up. What asks, reads and repairs is what runs in a node.
"""

import asyncio
from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any

import msgspec
from nautilus_trader.accounting.accounts.margin import MarginAccount
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import Logger
from nautilus_trader.common.component import MessageBus
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.engine import ExecutionEngine
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.enums import LiquiditySide
from nautilus_trader.model.enums import OmsType
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderStatus
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.enums import PositionSide
from nautilus_trader.model.enums import TimeInForce
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.events import OrderAccepted
from nautilus_trader.model.events import OrderCanceled
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.events import OrderSubmitted
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import PositionId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import TraderId
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.objects import AccountBalance
from nautilus_trader.model.objects import Money
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.model.orders import Order
from nautilus_trader.portfolio.portfolio import Portfolio
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor.core import verdict
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.epoch import RecoveryState
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.repair.steps import Operation
from nautilus_recovery_actor.core.repair.steps import Step
from nautilus_recovery_actor.core.verdict import Judgment
from nautilus_recovery_actor.node.evidence.answers import Answers
from nautilus_recovery_actor.node.evidence.past import Past
from nautilus_recovery_actor.node.evidence.reporters import Reporters
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.monitor.repair_events import RepairEvents
from nautilus_recovery_actor.node.monitor.repairs import Repairs
from nautilus_recovery_actor.node.monitor.repairs import StoppedError
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Observer
from nautilus_recovery_actor.testkit import paper_instrument


TRADER = TraderId("TRADER-001")
ACCOUNT = AccountId("PAPER-001")
INSTRUMENT = paper_instrument("ETHUSDT-PERP")
STRATEGIES = ("Trend-001", "Other-002")
EXTERNAL = "EXTERNAL"
KILLED = "killed"
# A tenth of what is traded: what the venue takes for a trade
FEE = Decimal("0.0005")
ZERO = Decimal(0)


class Way(Enum):
    """
    How positions are named: by the engine, one for a strategy or one for each order, by the venue
    as one, or by the venue in two legs.
    """

    NETTING = "netting"
    ENGINE = "engine"
    BOTH = "both"
    LEGS = "legs"


class Deal(msgspec.Struct, frozen=True):
    """
    An order at the venue, and what the cache got of it.
    """

    owner: str
    is_buy: bool
    # Of each trade, in whole contracts
    trades: tuple[tuple[int, int], ...]
    leg: str = "LONG"
    # What is not traded, and whether that still rests
    rest: int = 0
    is_open: bool = False
    # What the cache got: "whole", "order", "part", "inferred", "sent" or "nothing"
    known: str = "whole"
    # Whether it got the end
    knows_end: bool = True
    # What the venue still tells: "all", "order" or "nothing"
    told: str = "all"
    # Whether the cache has another venue order id
    is_renamed: bool = False
    # Whether it has another price
    is_amended: bool = False

    @property
    def sign(self) -> int:
        return 1 if self.is_buy else -1

    @property
    def filled(self) -> int:
        return sum(qty for qty, _ in self.trades)


class MadeUp(msgspec.Struct, frozen=True):
    """
    A fill that nobody traded; of as much as would align the cache if `qty` is zero.
    """

    owner: str
    qty: int
    px: int | Decimal
    is_synthetic: bool = False
    is_apart: bool = False
    leg: str = "LONG"


class World(msgspec.Struct, frozen=True):
    """
    What is drawn.
    """

    way: Way
    deals: tuple[Deal, ...]
    made_up: tuple[MadeUp, ...] = ()
    claimant: str | None = None
    is_reporting: bool = True
    # How many of the deals came before what is made up
    at: int = 99
    # Whose position gets what aligns the cache, if the node is killed in the middle of a move;
    # "nobody" if nothing does
    killed: str | None = None


class Trade(msgspec.Struct, frozen=True):
    trade_id: str
    qty: Decimal  # Signed
    px: Decimal
    ts: int
    leg: str

    @property
    def fee(self) -> Decimal:
        return round(abs(self.qty) * self.px * FEE, 8)


class VenueOrder(msgspec.Struct):
    number: int
    deal: Deal
    client_order_id: str | None
    venue_order_id: str
    trades: list[Trade]

    @property
    def side(self) -> OrderSide:
        return OrderSide.BUY if self.deal.is_buy else OrderSide.SELL

    @property
    def status(self) -> OrderStatus:
        deal = self.deal
        if not deal.rest:
            return OrderStatus.FILLED
        if not deal.is_open:
            return OrderStatus.CANCELED
        return OrderStatus.PARTIALLY_FILLED if deal.filled else OrderStatus.ACCEPTED


def price(px: Decimal | int) -> Any:
    return INSTRUMENT.make_price(px)


class VenueClient(LiveExecutionClient):
    """
    Answers as the venue does.
    """

    def __init__(self, world: World, *args: Any) -> None:
        loop, msgbus, cache, clock = args
        oms_type = OmsType.NETTING if world.way is Way.NETTING else OmsType.HEDGING
        super().__init__(
            loop=loop,
            client_id=ClientId("PAPER"),
            venue=Venue("PAPER"),
            oms_type=oms_type,
            account_type=AccountType.MARGIN,
            base_currency=None,
            instrument_provider=InstrumentProvider(),
            msgbus=msgbus,
            cache=cache,
            clock=clock,
        )
        self._set_account_id(ACCOUNT)
        self._set_connected(True)
        self.way = world.way
        self.orders: list[VenueOrder] = []

    def held(self) -> dict[str, tuple[Decimal, Decimal]]:
        """
        Return what the venue holds, by leg, with the average open price.
        """
        found: dict[str, tuple[Decimal, Decimal]] = {}
        trades = [one for order in self.orders for one in order.trades]
        for trade in sorted(trades, key=lambda one: one.ts):
            leg = trade.leg if self.way is Way.LEGS else ""
            found[leg] = taken(*found.get(leg, (ZERO, ZERO)), trade.qty, trade.px)[:2]
        return found

    def position_id(self, leg: str) -> PositionId | None:
        return position_id_of(self.way, leg)

    async def generate_position_status_reports(self, command: Any) -> list[PositionStatusReport]:
        del command
        now = self._clock.timestamp_ns()
        return [
            PositionStatusReport(
                account_id=ACCOUNT,
                instrument_id=INSTRUMENT.id,
                venue_position_id=self.position_id(leg) if self.way is Way.LEGS else None,
                position_side=PositionSide.LONG if qty > 0 else PositionSide.SHORT,
                quantity=INSTRUMENT.make_qty(abs(qty)),
                avg_px_open=px,
                report_id=UUID4(),
                ts_last=now,
                ts_init=now,
            )
            for leg, (qty, px) in self.held().items()
            if qty
        ]

    async def generate_order_status_reports(self, command: Any) -> list[OrderStatusReport]:
        return [
            self._report(order)
            for order in self.orders
            if order.deal.is_open or (not command.open_only and order.deal.told != "nothing")
        ]

    async def generate_order_status_report(self, command: Any) -> OrderStatusReport | None:
        wanted = command.client_order_id
        return next(
            (
                self._report(order)
                for order in self.orders
                if wanted is not None
                and order.client_order_id == wanted.value
                and (order.deal.is_open or order.deal.told != "nothing")
            ),
            None,
        )

    async def generate_fill_reports(self, command: Any) -> list[FillReport]:
        del command
        return [
            self._fill(order, trade)
            for order in self.orders
            for trade in order.trades
            if order.deal.told == "all"
        ]

    def _report(self, order: VenueOrder) -> OrderStatusReport:
        deal, ts = order.deal, stamp(order.number)
        filled = sum((abs(one.qty) for one in order.trades), ZERO)
        worth = sum((abs(one.qty) * one.px for one in order.trades), ZERO)
        known = order.client_order_id
        return OrderStatusReport(
            account_id=ACCOUNT,
            instrument_id=INSTRUMENT.id,
            venue_order_id=VenueOrderId(order.venue_order_id),
            client_order_id=None if known is None else ClientOrderId(known),
            order_side=order.side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            order_status=order.status,
            price=limit_of(deal),
            quantity=INSTRUMENT.make_qty(deal.filled + deal.rest),
            filled_qty=INSTRUMENT.make_qty(filled),
            avg_px=worth / filled if filled else None,
            report_id=UUID4(),
            ts_accepted=ts,
            ts_last=ts,
            ts_init=self._clock.timestamp_ns(),
        )

    def _fill(self, order: VenueOrder, trade: Trade) -> FillReport:
        known = order.client_order_id
        return FillReport(
            account_id=ACCOUNT,
            instrument_id=INSTRUMENT.id,
            venue_order_id=VenueOrderId(order.venue_order_id),
            client_order_id=None if known is None else ClientOrderId(known),
            venue_position_id=self.position_id(trade.leg),
            trade_id=TradeId(trade.trade_id),
            order_side=order.side,
            last_qty=INSTRUMENT.make_qty(abs(trade.qty)),
            last_px=price(trade.px),
            commission=Money(trade.fee, USDT),
            liquidity_side=LiquiditySide.TAKER,
            report_id=UUID4(),
            ts_event=trade.ts,
            ts_init=self._clock.timestamp_ns(),
        )


def stamp(number: int) -> int:
    """
    Return when the order of that number was made: long ago.
    """
    return 1_700_000_000_000_000_000 + number * 1_000_000_000


def limit_of(deal: Deal) -> Any:
    return price(1000 if deal.is_buy else 1)


def position_id_of(way: Way, leg: str) -> PositionId | None:
    if way in (Way.NETTING, Way.ENGINE):
        return None
    return PositionId(f"{INSTRUMENT.id}-{leg if way is Way.LEGS else 'BOTH'}")


def taken(
    qty: Decimal, avg_px: Decimal, traded: Decimal, px: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """
    Return quantity and average price after a trade, and what it realizes.
    """
    if qty == 0 or (qty > 0) == (traded > 0):
        total = qty + traded
        return total, (abs(qty) * avg_px + abs(traded) * px) / abs(total), ZERO
    closed = min(abs(qty), abs(traded))
    realized = closed * (px - avg_px) * (1 if qty > 0 else -1)
    total = qty + traded
    return total, avg_px if total == 0 or (total > 0) == (qty > 0) else px, realized


class Bench:
    """
    The parts of a node that plan and make repairs, around one cache.
    """

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self.clock = LiveClock()
        self.msgbus = MessageBus(trader_id=TRADER, clock=self.clock)
        self.cache = Cache()
        self.portfolio = Portfolio(self.msgbus, self.cache, self.clock)
        self.engine = LiveExecutionEngine(
            loop, self.msgbus, self.cache, self.clock, LiveExecEngineConfig(reconciliation=True)
        )
        self.client = VenueClient(world, loop, self.msgbus, self.cache, self.clock)
        self.engine.register_client(self.client)
        self.cache.add_instrument(INSTRUMENT)
        self.cache.add_account(MarginAccount(account_state(self.clock.timestamp_ns())))
        if world.claimant is not None:
            name, _, tag = world.claimant.partition("-")
            config = StrategyConfig(
                strategy_id=name, order_id_tag=tag, external_order_claims=[INSTRUMENT.id]
            )
            self.engine.register_external_order_claims(Strategy(config))
        self.events: list[OrderEvent] = []
        self.intake: Intake | None = None
        # 1.221 finds nobody who subscribes to what it has published before
        self.msgbus.subscribe("events.order.*", self._on_event)
        self._numbers = Counter[str]()
        self._tried: dict[Step, str] = {}
        self._fill_cache()
        self._connect_monitor()

    # -- WHAT THE CACHE GOT --

    def _fill_cache(self) -> None:
        for number, deal in enumerate(self.world.deals):
            if number == self.world.at:
                self._make_up(self.world.made_up)
            order = self._traded(number, deal)
            self.client.orders.append(order)
            if deal.known != "nothing":
                self._learn(order)
        if self.world.at >= len(self.world.deals):
            self._make_up(self.world.made_up)

    def _traded(self, number: int, deal: Deal) -> VenueOrder:
        is_own = deal.owner != EXTERNAL
        trades = [
            Trade(
                f"T-{number}-{index}",
                Decimal(deal.sign * qty),
                Decimal(px),
                stamp(number) + index,
                deal.leg,
            )
            for index, (qty, px) in enumerate(deal.trades)
        ]
        client_order_id = f"O-{number}" if is_own else (f"web-{number}" if number % 2 else None)
        return VenueOrder(number, deal, client_order_id, f"V-{number}", trades)

    def _learn(self, order: VenueOrder) -> None:
        deal, ts = order.deal, stamp(order.number)
        is_own = deal.owner != EXTERNAL
        strategy_id = deal.owner if is_own else self.world.claimant or EXTERNAL
        cached = self._order(
            strategy_id,
            order.client_order_id or UUID4().value,
            order.side,
            deal.filled + deal.rest,
            price(50) if deal.is_amended else limit_of(deal),
            ts,
            None if strategy_id != EXTERNAL else ["VENUE"],
        )
        known = "old-" if deal.is_renamed else ""
        venue_order_id = VenueOrderId(f"{known}{order.venue_order_id}")
        if is_own:
            self._apply(self._submitted(cached, ts))
            if deal.known == "sent":
                return
        self._apply(self._accepted(cached, venue_order_id, ts, flag=not is_own))
        trades = order.trades if deal.known == "whole" else []
        if deal.known == "part":
            trades = order.trades[:-1]
        if deal.known == "inferred" and order.trades:
            qty = sum((one.qty for one in order.trades), ZERO)
            worth = sum((one.qty * one.px for one in order.trades), ZERO)
            trades = [Trade(UUID4().value, qty, round(worth / qty, 2), ts, deal.leg)]
        for trade in trades:
            position_id = position_id_of(self.world.way, trade.leg)
            if deal.known == "inferred" and self.world.way is Way.BOTH:
                position_id = PositionId(f"{INSTRUMENT.id}-EXTERNAL")
            flag = not is_own or deal.known == "inferred"
            fee = ZERO if deal.known == "inferred" else trade.fee
            self._apply(self._filled(cached, venue_order_id, trade, position_id, fee, flag=flag))
        is_over = deal.rest and not deal.is_open
        if is_over and deal.knows_end and deal.known != "part" and not cached.is_closed:
            self._apply(self._canceled(cached, venue_order_id, ts))

    def align(self, owner: str, leg: str) -> None:
        """
        Make up what an engine does at a start: a fill that aligns the cache, at no cost.
        """
        position_id = position_id_of(self.world.way, leg) or f"{INSTRUMENT.id}-{owner}"
        position = self.cache.position(PositionId(str(position_id)))
        px = position.avg_px_open if position is not None and position.is_open else 100
        made_up = MadeUp(owner, 0, Decimal(str(px)), leg=leg)
        self._make_up([made_up], self.clock.timestamp_ns())

    def _make_up(self, fills: Iterable[MadeUp], ts: int | None = None) -> None:
        for one in fills:
            qty = Decimal(one.qty) or self._missing(one.leg)
            if not qty:
                continue
            owner = self.world.claimant or EXTERNAL if one.owner == EXTERNAL else one.owner
            number = 50 + self._numbers["made up"]
            self._numbers["made up"] += 1
            name = f"S-18ec92cd589387ff-{number:08x}" if one.is_synthetic else UUID4().value
            order = self._order(
                owner,
                UUID4().value,
                OrderSide.BUY if qty > 0 else OrderSide.SELL,
                abs(qty),
                price(one.px),
                ts or stamp(number),
                ["RECONCILIATION"] if owner == EXTERNAL else None,
            )
            position_id = None
            if self.world.way is Way.LEGS:
                position_id = position_id_of(self.world.way, one.leg)
            elif self.world.way is Way.BOTH and one.is_apart:
                position_id = PositionId(f"{INSTRUMENT.id}-EXTERNAL")
            venue_order_id = VenueOrderId(name)
            trade = Trade(
                f"S-18ec92cd589387ff-{number + 99:08x}" if one.is_synthetic else UUID4().value,
                qty,
                Decimal(one.px),
                ts or stamp(number),
                one.leg,
            )
            self._apply(self._accepted(order, venue_order_id, trade.ts, flag=True))
            self._apply(self._filled(order, venue_order_id, trade, position_id, ZERO, flag=True))

    def _missing(self, leg: str) -> Decimal:
        held = self.held()
        at_venue = self.client.held()
        if self.world.way is not Way.LEGS:
            return at_venue.get("", (ZERO, ZERO))[0] - sum(held.values(), ZERO)
        name = str(position_id_of(Way.LEGS, leg))
        return at_venue.get(leg, (ZERO, ZERO))[0] - held.get(name, ZERO)

    # -- NATIVE EVENTS --

    def _apply(self, event: OrderEvent) -> None:
        # At once, and not by the queue of the live engine
        ExecutionEngine.process(self.engine, event)

    def _order(
        self,
        strategy_id: str,
        client_order_id: str,
        side: OrderSide,
        qty: Decimal | int,
        px: Any,
        ts: int,
        tags: list[str] | None,
    ) -> Order:
        order = LimitOrder(
            trader_id=TRADER,
            strategy_id=StrategyId(strategy_id),
            instrument_id=INSTRUMENT.id,
            client_order_id=ClientOrderId(client_order_id),
            order_side=side,
            quantity=INSTRUMENT.make_qty(qty),
            price=px,
            init_id=UUID4(),
            ts_init=ts,
            tags=tags,
        )
        self.cache.add_order(order, None)
        return order

    def _common(self, order: Order, ts: int) -> dict[str, Any]:
        return {
            "trader_id": TRADER,
            "strategy_id": order.strategy_id,
            "instrument_id": INSTRUMENT.id,
            "client_order_id": order.client_order_id,
            "account_id": ACCOUNT,
            "event_id": UUID4(),
            "ts_event": ts,
            "ts_init": ts,
        }

    def _submitted(self, order: Order, ts: int) -> OrderSubmitted:
        return OrderSubmitted(**self._common(order, ts))

    def _accepted(
        self, order: Order, venue_order_id: VenueOrderId, ts: int, *, flag: bool
    ) -> OrderAccepted:
        return OrderAccepted(
            **self._common(order, ts), venue_order_id=venue_order_id, reconciliation=flag
        )

    def _canceled(self, order: Order, venue_order_id: VenueOrderId, ts: int) -> OrderCanceled:
        return OrderCanceled(**self._common(order, ts), venue_order_id=venue_order_id)

    def _filled(
        self,
        order: Order,
        venue_order_id: VenueOrderId,
        trade: Trade,
        position_id: PositionId | None,
        fee: Decimal,
        *,
        flag: bool,
    ) -> OrderFilled:
        return OrderFilled(
            **self._common(order, trade.ts),
            venue_order_id=venue_order_id,
            trade_id=TradeId(trade.trade_id),
            position_id=position_id,
            order_side=order.side,
            order_type=order.order_type,
            last_qty=INSTRUMENT.make_qty(abs(trade.qty)),
            last_px=price(trade.px),
            currency=USDT,
            commission=Money(fee, USDT),
            liquidity_side=LiquiditySide.TAKER,
            reconciliation=flag,
        )

    # -- WHAT IS IN THE CACHE --

    def held(self) -> dict[str, Decimal]:
        """
        Return what is held, by position.
        """
        return {one.id.value: one.signed_decimal_qty() for one in self.cache.positions_open()}

    def realized(self) -> dict[str, Decimal]:
        """
        Return what each strategy has realized, also in positions that were opened again.
        """
        found: dict[str, Decimal] = defaultdict(Decimal)
        for position in (*self.cache.positions(), *self.cache.position_snapshots()):
            if position.realized_pnl is not None:
                found[position.strategy_id.value] += position.realized_pnl.as_decimal()
        return dict(found)

    def trades(self) -> list[str]:
        """
        Return the trades of the venue that orders of the cache have.
        """
        return [
            each.value
            for order in self.cache.orders()
            for each in order.trade_ids
            if each.value.startswith("T-")
        ]

    def open_orders(self) -> dict[str, Decimal]:
        """
        Return how much of each open order is filled, by its id at the venue.
        """
        return {
            str(order.venue_order_id): order.filled_qty.as_decimal()
            for order in (*self.cache.orders_open(), *self.cache.orders_inflight())
        }

    # -- WHAT PLANS AND REPAIRS --

    def _connect_monitor(self) -> None:
        config = RecoveryMonitorConfig(repair="auto")
        log = Logger("machine")
        journal = RecoveryJournal(self.cache, 10, log.warning)
        self.intake = intake = Intake(ts_registered=self.clock.timestamp_ns())
        intake.take_restored(self.cache)
        reporters = Reporters(self.cache, journal)
        self.past = Past(self.cache)
        self.seam = Seam(
            self.cache,
            self.msgbus,
            self.clock,
            log,
            config.limits(),
            config.corrected(),
            reporters,
            lambda _: None,
            lambda: None,
            self._break_off,
        )
        self.seam.open(self.engine)
        if self.world.is_reporting:
            now = self.clock.timestamp_ns()
            reporters.note(
                [
                    PositionStatusReport(
                        ACCOUNT, INSTRUMENT.id, PositionSide.LONG, INSTRUMENT.make_qty(1), UUID4(),
                        now, now,
                    )
                ]
            )  # fmt: skip
        start = SimpleNamespace(
            exec_engine=self.engine,
            claims={INSTRUMENT.id.value: self.world.claimant} if self.world.claimant else {},
            strategies=frozenset(STRATEGIES),
            hedging=frozenset(STRATEGIES),
        )
        lost = SimpleNamespace(steps=lambda _: iter(()), find=lambda _: (), stale=lambda _: {})
        self.rules = config.rules()
        self._observer = Observer(
            TRADER.value,
            intake,
            start,  # type: ignore[arg-type]
            self.cache,
            lost,
            reporters.sources,
            lambda: (),
            self.rules,
        )
        self._answers = Answers(
            self.seam, reporters, self.cache, self.msgbus, self.clock, self.intake.counts, self.past
        )
        events = RepairEvents(TRADER, self.cache, self.clock, intake.moves)
        self.repairs = Repairs(self.cache, self.msgbus, events, self.past, self.seam)

    def _break_off(self, doing: str, error: Exception) -> None:
        raise AssertionError(f"raised while {doing}") from error

    def _on_event(self, event: OrderEvent) -> None:
        if self.intake is None:
            return
        self.events.append(event)
        if event.reconciliation:
            self.intake.flagged.append(event)
        elif type(event) is OrderFilled:
            self.intake.live_fills.append(event)

    async def judge(self) -> Judgment:
        """
        Ask the venue until its answers are alike and its past is known, and judge the cache.
        """
        now = self.clock.timestamp_ns()
        state = RecoveryState(RecoveryPhase.VERIFYING, deadline=now, settle_at=now, asked=2)
        recovery = Recovery(2, now, "proof", state, is_trader_running=True, required=frozenset())
        explored: frozenset[tuple[str, str]] = frozenset()
        for _ in range(3):
            answers = await self._answers.ask(None, (), explored)
            recovery = msgspec.structs.replace(
                recovery,
                answers=(*recovery.answers, *answers),
                explored=explored,
                tried=self._tried,
            )
            if len(recovery.answers) == 1:
                continue
            observation = self._observer.observation(recovery)
            judgment = verdict.judge(observation, self.rules.policy)
            assert verdict.judge(observation, self.rules.policy) == judgment
            explored |= judgment.plan.unexplored
        return judgment

    async def make(self, *steps: Step) -> tuple[int, str | None]:
        """
        Make steps.
        """
        made, problem = await self.repairs.carry_out(steps)
        self._tried |= dict.fromkeys(steps[: made + 1], problem or "")
        return made, problem

    async def begin(self, step: Step) -> tuple[int, str]:
        """
        Make all of a step but its last operation.
        """
        do = self.repairs._do

        async def do_or_die(of: Step, operation: Operation) -> None:
            if operation is step.operations[-1]:
                raise StoppedError(KILLED)
            await do(of, operation)

        self.repairs._do = do_or_die  # type: ignore[method-assign, assignment]
        try:
            made, problem = await self.make(step)
        finally:
            del self.repairs._do
        assert problem is not None
        return made, problem

    def close(self) -> None:
        """
        Leave the loop without a task.
        """
        self.seam.close()
        self.engine.stop()
        self.engine.dispose()


def account_state(now: int) -> AccountState:
    return AccountState(
        account_id=ACCOUNT,
        account_type=AccountType.MARGIN,
        base_currency=None,
        reported=True,
        balances=[AccountBalance(Money(100_000, USDT), Money(0, USDT), Money(100_000, USDT))],
        margins=[],
        info={},
        event_id=UUID4(),
        ts_event=now,
        ts_init=now,
    )


def positions_of(bench: Bench) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    """
    Return the open positions: id, strategy, quantity and average price.
    """
    for one in bench.cache.positions_open():
        yield (
            one.id.value,
            one.strategy_id.value,
            one.signed_decimal_qty(),
            Decimal(str(one.avg_px_open)),
        )
