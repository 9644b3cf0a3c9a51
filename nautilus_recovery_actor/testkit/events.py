"""
Turn what a paper venue pushes into the events of an execution client.
"""

from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.enums import OrderType
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.identifiers import TradeId
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.objects import AccountBalance
from nautilus_trader.model.objects import Currency
from nautilus_trader.model.objects import Money
from nautilus_trader.model.orders import Order as NautilusOrder

from nautilus_recovery_actor.testkit.records import Balance
from nautilus_recovery_actor.testkit.records import CommandRejected
from nautilus_recovery_actor.testkit.records import EventKind
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.reports import Translation


def ids_of(order: NautilusOrder) -> tuple[StrategyId, InstrumentId, ClientOrderId]:
    """Return the IDs that every event of an order begins with."""
    return order.strategy_id, order.instrument_id, order.client_order_id


def generate_event(
    client: LiveExecutionClient, translation: Translation, order: NautilusOrder, event: OrderEvent
) -> None:
    """Make the client send the event of an order that its node knows."""
    now = event.order
    ids = ids_of(order)
    venue_order_id = VenueOrderId(now.venue_order_id)
    match event.kind:
        case EventKind.ACCEPTED:
            client.generate_order_accepted(*ids, venue_order_id, event.ts)
        case EventKind.REJECTED:
            client.generate_order_rejected(*ids, now.reason, event.ts)
        case EventKind.CANCELED:
            client.generate_order_canceled(*ids, venue_order_id, event.ts)
        case EventKind.EXPIRED:
            client.generate_order_expired(*ids, venue_order_id, event.ts)
        case EventKind.TRIGGERED:
            client.generate_order_triggered(*ids, venue_order_id, event.ts)
        case EventKind.MODIFIED:
            client.generate_order_updated(
                *ids,
                venue_order_id,
                translation.quantity(now.qty),
                None if now.px is None else translation.price(now.px),
                None if now.trigger_px is None else translation.price(now.trigger_px),
                event.ts,
            )
        case EventKind.FILLED:
            assert event.fill is not None
            fill = event.fill
            client.generate_order_filled(
                *ids,
                venue_order_id,
                translation.position_id(fill.symbol, fill.leg),
                TradeId(fill.trade_id),
                OrderSide[fill.side.value],
                OrderType[now.kind.value],
                translation.quantity(fill.qty),
                translation.price(fill.px),
                Currency.from_str(fill.currency),
                translation.commission(fill),
                translation.liquidity_side(fill),
                event.ts,
            )


def generate_rejection(
    client: LiveExecutionClient, order: NautilusOrder, rejected: CommandRejected
) -> None:
    """Make the client send that a change or a cancel was rejected."""
    generate = {
        "CANCEL": client.generate_order_cancel_rejected,
        "MODIFY": client.generate_order_modify_rejected,
    }[rejected.command]
    generate(*ids_of(order), order.venue_order_id, rejected.reason, rejected.ts)


def account_balance(balance: Balance) -> AccountBalance:
    """Return a balance in NautilusTrader's terms."""
    currency = Currency.from_str(balance.currency)
    return AccountBalance(
        total=Money(balance.total, currency),
        locked=Money(balance.locked, currency),
        free=Money(balance.total - balance.locked, currency),
    )
