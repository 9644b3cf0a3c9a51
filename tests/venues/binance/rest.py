"""
The endpoints of the REST interface, each a function of the account and the parameters.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.venues.binance import wire
from tests.venues.binance.account import Account
from tests.venues.binance.account import Order
from tests.venues.binance.account import VenueError


Parameters = dict[str, Any]


def new_order(account: Account, parameters: Parameters) -> wire.Json:
    order = _order(account, parameters, parameters.get("newClientOrderId", ""))
    order.trigger = Decimal(parameters.get("stopPrice", 0))
    answer = account.place(order)
    return wire.order(answer)


def _order(account: Account, parameters: Parameters, client_id: str) -> Order:
    symbol = parameters["symbol"]
    if symbol not in account.prices:
        raise VenueError(-1121, "Invalid symbol.")
    leg = parameters.get("positionSide", "BOTH")
    if (leg != "BOTH") is not account.is_hedged:
        raise VenueError(-4061, "Order's position side does not match user's setting.")
    return Order(
        id=account.next_id(),
        client_id=client_id,
        symbol=symbol,
        side=parameters["side"],
        kind=parameters["type"],
        qty=Decimal(parameters["quantity"]),
        price=Decimal(parameters.get("price", 0)),
        time_in_force=parameters.get("timeInForce", "GTC"),
        is_reduce_only=str(parameters.get("reduceOnly", "")).lower() == "true",
        leg=leg,
    )


def _new_algo_order(account: Account, parameters: Parameters) -> wire.Json:
    order = _order(account, parameters, parameters.get("clientAlgoId", ""))
    order.trigger = Decimal(parameters["triggerPrice"])
    return wire.algo_order(account.place_algo(order))


def _by_ids(account: Account, parameters: Parameters) -> Order:
    return account.find(
        account.orders, parameters.get("orderId"), parameters.get("origClientOrderId")
    )


def _algo_by_ids(account: Account, parameters: Parameters) -> Order:
    return account.find(
        account.algo_orders, parameters.get("algoId"), parameters.get("clientAlgoId")
    )


def _cancel_algo(account: Account, parameters: Parameters) -> wire.Json:
    order = account.cancel(_algo_by_ids(account, parameters))
    return {"algoId": order.id, "clientAlgoId": order.client_id, "code": "200", "msg": "success"}


def _cancel_all(account: Account, orders: list[Order], symbol: str) -> wire.Json:
    for order in _of(orders, symbol, is_open=True):
        account.cancel(order)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _of(orders: list[Order], symbol: str | None, *, is_open: bool = False) -> list[Order]:
    return [
        order
        for order in orders
        if symbol in (None, order.symbol) and (order.is_open or not is_open)
    ]


def _position_risk(account: Account, parameters: Parameters) -> list[wire.Json]:
    """As version 3: what is flat and has no open order is left out."""
    symbol = parameters.get("symbol")
    busy = {order.symbol for order in _of(account.orders, symbol, is_open=True)}
    return [
        wire.position_risk(name, account.position(name, leg), price, leg)
        for name, price in account.prices.items()
        for leg in (("LONG", "SHORT") if account.is_hedged else ("BOTH",))
        if symbol in (None, name) and (account.position(name, leg).qty or name in busy)
    ]


def _trades(account: Account, parameters: Parameters) -> list[wire.Json]:
    since = account.history_from.get(parameters["symbol"], 0)
    start = max(int(parameters.get("startTime", 0)), since)
    return [
        wire.user_trade(trade)
        for trade in account.trades
        if trade.symbol == parameters["symbol"] and trade.time >= start
    ]


def _klines(account: Account, parameters: Parameters) -> list[list[Any]]:
    """As the venue: from the start on, no more than the limit, the one that is being made too."""
    interval = wire.INTERVALS_MS[parameters["interval"]]
    now, limit = account.now(), int(parameters.get("limit", 500))
    until = min(int(parameters.get("endTime", now)), now)
    since = int(parameters.get("startTime", until - limit * interval))
    first = -(-since // interval) * interval
    opened = range(first, until + 1, interval)[:limit]
    return [wire.kline(one, interval) for one in opened if one not in account.gaps]


def _symbol_config(account: Account, _: Parameters) -> list[wire.Json]:
    fields = {"marginType": "CROSSED", "isAutoAddMargin": False, "maxNotionalValue": "1000000"}
    return [{"symbol": symbol, "leverage": 20, **fields} for symbol in account.prices]


ENDPOINTS: dict[str, Callable[[Account, Parameters], Any]] = {
    "GET ping": lambda *_: {},
    "GET time": lambda account, _: {"serverTime": account.now()},
    "GET exchangeInfo": lambda account, _: wire.exchange_info(account),
    "GET account": lambda account, _: wire.account_info(account),
    "GET symbolConfig": _symbol_config,
    "GET klines": _klines,
    "GET positionSide/dual": lambda account, _: {"dualSidePosition": account.is_hedged},
    "GET positionRisk": _position_risk,
    "GET userTrades": _trades,
    "GET openOrders": lambda account, given: [
        wire.order(order) for order in _of(account.orders, given.get("symbol"), is_open=True)
    ],
    "GET allOrders": lambda account, given: [
        wire.order(order)
        for order in _of(account.orders, given["symbol"])
        if account.remembers(order)
    ],
    "GET openAlgoOrders": lambda account, given: [
        wire.algo_order(order)
        for order in _of(account.algo_orders, given.get("symbol"), is_open=True)
    ],
    "GET allAlgoOrders": lambda account, given: [
        wire.algo_order(order)
        for order in _of(account.algo_orders, given["symbol"])
        if account.remembers(order)
    ],
    "GET order": lambda account, given: wire.order(_by_ids(account, given)),
    "POST order": new_order,
    "DELETE order": lambda account, given: wire.order(account.cancel(_by_ids(account, given))),
    "DELETE allOpenOrders": lambda account, given: _cancel_all(
        account, account.orders, given["symbol"]
    ),
    "GET algoOrder": lambda account, given: wire.algo_order(_algo_by_ids(account, given)),
    "POST algoOrder": _new_algo_order,
    "DELETE algoOrder": _cancel_algo,
    "DELETE algoOpenOrders": lambda account, given: _cancel_all(
        account, account.algo_orders, given["symbol"]
    ),
}
