"""
What the venue writes: the answers of its REST interface, and the events of its user stream.
"""

from decimal import Decimal
from typing import Any

from tests.venues.binance.account import Account
from tests.venues.binance.account import Order
from tests.venues.binance.account import Position
from tests.venues.binance.account import Trade


Json = dict[str, Any]
INTERVALS_MS = {"1s": 1_000, "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}


def exchange_info(account: Account) -> Json:
    return {
        "timezone": "UTC",
        "serverTime": account.now(),
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "0"}],
        "symbols": [_symbol(symbol) for symbol in account.prices],
    }


def _symbol(symbol: str) -> Json:
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.01",
                "maxPrice": "1000000",
                "tickSize": "0.01",
            },
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def account_info(account: Account) -> Json:
    balance = str(account.balance.quantize(Decimal("0.00000001")))
    margins = {
        "initialMargin": "0",
        "maintMargin": "0",
        "openOrderInitialMargin": "0",
        "positionInitialMargin": "0",
        "unrealizedProfit": "0",
        "crossUnPnl": "0",
    }
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "totalWalletBalance": balance,
        "availableBalance": balance,
        "maxWithdrawAmount": balance,
        "assets": [
            {
                "asset": "USDT",
                "walletBalance": balance,
                "marginBalance": balance,
                "crossWalletBalance": balance,
                "availableBalance": balance,
                "maxWithdrawAmount": balance,
                "marginAvailable": True,
                "updateTime": account.now(),
                **margins,
            }
        ],
        "positions": [],
    }


def position_risk(symbol: str, position: Position, price: Decimal, leg: str) -> Json:
    return {
        "symbol": symbol,
        "positionSide": leg,
        "positionAmt": str(position.qty),
        "entryPrice": f"{position.entry:f}" if position.qty else "0.0",
        "breakEvenPrice": "0.0",
        "markPrice": str(price),
        "leverage": "20",  # Of version 2, which NautilusTrader 2.0 asks for
        "unRealizedProfit": str(position.qty * (price - position.entry)),
        "liquidationPrice": "0",
        "isolatedMargin": "0",
        "notional": str(position.qty * price),
        "marginAsset": "USDT",
        "isolatedWallet": "0",
        "initialMargin": "0",
        "maintMargin": "0",
        "positionInitialMargin": "0",
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated,
    }


def order(of: Order) -> Json:
    return {
        "orderId": of.id,
        "symbol": of.symbol,
        "status": of.status,
        "clientOrderId": of.client_id,
        "price": str(of.price),
        "avgPrice": str(of.avg_price.quantize(Decimal("0.00001"))),
        "origQty": str(of.qty),
        "executedQty": str(of.filled),
        "cumQuote": str(of.quote),
        "timeInForce": of.time_in_force,
        "type": of.kind,
        "reduceOnly": of.is_reduce_only,
        "closePosition": False,
        "side": of.side,
        "positionSide": of.leg,
        "stopPrice": str(of.trigger),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": of.original_kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "NONE",
        "goodTillDate": 0,
        "time": of.created,
        "updateTime": of.updated,
    }


def algo_order(of: Order) -> Json:
    return {
        "algoId": of.id,
        "clientAlgoId": of.client_id,
        "algoType": "CONDITIONAL",
        "orderType": of.original_kind,
        "symbol": of.symbol,
        "side": of.side,
        "positionSide": of.leg,
        "timeInForce": of.time_in_force,
        "quantity": str(of.qty),
        "algoStatus": of.status,
        "actualOrderId": str(of.placed.id) if of.placed else "",
        "triggerPrice": str(of.trigger),
        "price": str(of.price),
        "workingType": "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": False,
        "priceProtect": False,
        "reduceOnly": of.is_reduce_only,
        "createTime": of.created,
        "updateTime": of.updated,
        "triggerTime": of.triggered,
        "goodTillDate": 0,
    }


def user_trade(of: Trade) -> Json:
    return {
        "symbol": of.symbol,
        "id": of.id,
        "orderId": of.order_id,
        "side": of.side,
        "price": str(of.price),
        "qty": str(of.qty),
        "realizedPnl": str(of.pnl),
        "quoteQty": str(of.qty * of.price),
        "commission": str(of.commission.quantize(Decimal("0.00000001"))),
        "commissionAsset": "USDT",
        "time": of.time,
        "positionSide": of.leg,
        "buyer": of.side == "BUY",
        "maker": of.is_maker,
    }


def order_trade_update(of: Order, execution: str, trade: Trade | None) -> Json:
    data = {
        "s": of.symbol,
        "c": of.client_id,
        "S": of.side,
        "o": of.kind,
        "f": of.time_in_force,
        "q": str(of.qty),
        "p": str(of.price),
        "ap": str(of.avg_price.quantize(Decimal("0.00001"))),
        "sp": str(of.trigger),
        "x": execution,
        "X": of.status,
        "i": of.id,
        "l": str(trade.qty) if trade else "0",
        "z": str(of.filled),
        "L": str(trade.price) if trade else "0",
        "T": of.updated,
        "t": trade.id if trade else 0,
        "b": "0",
        "a": "0",
        "m": bool(trade and trade.is_maker),
        "R": of.is_reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": of.original_kind,
        "ps": of.leg,
        "cp": False,
        "pP": False,
        "si": 0,
        "ss": 0,
        "rp": str(trade.pnl) if trade else "0",
        "V": "NONE",
        "gtd": 0,
    }
    if trade:
        data |= {"N": "USDT", "n": str(trade.commission.quantize(Decimal("0.00000001")))}
    return {"e": "ORDER_TRADE_UPDATE", "E": of.updated, "T": of.updated, "o": data}


def account_update(account: Account, of: Order) -> Json:
    position = account.position(of.symbol, of.leg)
    balance = str(account.balance.quantize(Decimal("0.00000001")))
    held = {"s": of.symbol, "pa": str(position.qty), "ep": str(position.entry), "cr": "0"}
    return {
        "e": "ACCOUNT_UPDATE",
        "E": of.updated,
        "T": of.updated,
        "a": {
            "m": "ORDER",
            "B": [{"a": "USDT", "wb": balance, "cw": balance, "bc": "0"}],
            "P": [{**held, "up": "0", "mt": "cross", "iw": "0", "ps": of.leg}],
        },
    }


def algo_update(of: Order) -> Json:
    placed = of.placed
    data = {
        "caid": of.client_id,
        "aid": of.id,
        "at": "CONDITIONAL",
        "o": of.original_kind,
        "s": of.symbol,
        "S": of.side,
        "ps": of.leg,
        "f": of.time_in_force,
        "q": str(of.qty),
        "X": of.status,
        "ai": str(placed.id) if placed else "",
        "ap": str(placed.avg_price) if placed else "0",
        "aq": str(placed.filled) if placed else "0",
        "act": placed.kind if placed else "0",
        "tp": str(of.trigger),
        "p": str(of.price),
        "V": "NONE",
        "wt": "CONTRACT_PRICE",
        "pm": "NONE",
        "cp": False,
        "pP": False,
        "R": of.is_reduce_only,
        "tt": of.triggered,
        "gtd": 0,
    }
    return {"e": "ALGO_UPDATE", "E": of.updated, "T": of.updated, "o": data}


def kline(opened: int, interval: int) -> list[Any]:
    """Return a bar of history, whose price tells when it was (ms)."""
    px = bar_price(opened, interval)
    closed = opened + interval - 1
    return [opened, px, px, px, px, "1.000", closed, "100", 1, "1.000", "100", "0"]


def bar_price(opened: int, interval: int) -> str:
    return f"{100 + opened // interval % 100}.00"


def live_kline(symbol: str, interval: str, opened: int, px: str) -> Json:
    """Return a bar that is over, as it comes live."""
    closed = opened + INTERVALS_MS[interval] - 1
    prices = dict.fromkeys(("o", "c", "h", "l"), px)
    volumes = {"v": "1.000", "q": "100", "V": "1.000", "Q": "100", "B": "0"}
    made = {"t": opened, "T": closed, "s": symbol, "i": interval, "f": 1, "L": 1, "n": 1, "x": True}
    return {"e": "kline", "E": closed + 1, "s": symbol, "k": made | prices | volumes}
