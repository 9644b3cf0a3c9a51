"""
What a paper venue takes and what it refuses: `tests.testkit.test_offer` holds it to each line.
"""

from nautilus_recovery_actor.testkit.records import Oms
from nautilus_recovery_actor.testkit.records import OrderKind
from nautilus_recovery_actor.testkit.records import TimeInForce


# What, and how
TAKES: dict[str, str] = {
    "order types": ", ".join(OrderKind),
    "time in force": f"{', '.join(TimeInForce)}; DAY rests like GTC, for there are no sessions",
    "post-only": "refused where it would take liquidity",
    "reduce-only": "fills no more than is open; what is left of the order is canceled",
    "amend": "quantity, price and trigger price of an open order",
    "cancel": "one order, several, or all of an instrument or of a side",
    "OCO, OUO": "once an order is filled, those linked to it are canceled",
    "OTO": "all orders of a bracket rest at once: no exit waits for its entry",
    "positions": f"{', '.join(Oms)}; on a hedging account, a long and a short leg per instrument",
    "fills": "whole, at the one price there is; in part by hand only",
    "trigger": "the one price there is, whatever trigger type is asked for",
    "iceberg": "the displayed quantity is ignored: there is no book to see it in",
    "money": "no margin is checked, no fee is charged: no order is refused for want of money",
    "data": "instruments, quotes, trades and bars of time, and the history of each; no order book",
    "instruments": "linear perpetuals in USDT; prices have 2 decimals, quantities 3",
}

# When, and the reason that is given; what stands in braces differs
REFUSES: dict[str, str] = {
    "another order type or time in force": "a paper venue does not accept {type} orders with {tif}",
    "a quote quantity": "a paper venue does not accept a quantity of quote currency",
    "a client order ID that was used before": "duplicate client order ID {id}",
    "a market order in a symbol without a price": "no price for {symbol}",
    "post-only that would fill at once": "post-only order would take liquidity at {price}",
    "IOC or FOK that does not fill at once": "{tif} not filled",
    "reduce-only with nothing to reduce": "nothing left to reduce",
    "a change or cancel of an unknown order": "no such order",
    "a change or cancel of a closed order": "order is {state}",
    "a change to less than is filled": "{quantity} is already filled",
}
