"""
What OKX answers when it is asked, without anything changed.
"""

from collections.abc import Callable
from decimal import Decimal

from tests.venues.okx.book import Book
from tests.venues.okx.book import RefusedError
from tests.venues.okx.records import LIVE
from tests.venues.okx.records import Json
from tests.venues.okx.records import inst_type
from tests.venues.okx.wire import account_json
from tests.venues.okx.wire import instrument_json


Query = dict[str, str]

_PAGE = 100
_FEES: Json = {
    "category": "1", "delivery": "", "exercise": "", "instType": "SWAP", "level": "Lv1",
    "maker": "-0.0002", "makerU": "-0.0005", "makerUSDC": "", "taker": "-0.0005",
    "takerU": "-0.0005", "takerUSDC": "", "ts": "1700000000000", "uly": "",
}  # fmt: skip


def _instruments(book: Book, query: Query) -> list[Json]:
    names = [name for name in book.codes if inst_type(name) == query["instType"]]
    return [instrument_json(name, book.codes[name]) for name in names]


def _positions(book: Book, query: Query) -> list[Json]:
    # By instrument it also answers for one that was held before
    is_named = "instId" in query
    rows = [each.json() for each in book.positions.values() if each.qty or is_named]
    return _matching(rows, query)


def _pending(book: Book, query: Query) -> list[Json]:
    return _orders(book, query, is_open=True)


def _history(book: Book, query: Query) -> list[Json]:
    return _orders(book, query, is_open=False)


def _orders(book: Book, query: Query, *, is_open: bool) -> list[Json]:
    # Without the algo orders, which have endpoints of their own
    orders = sorted(book.orders.values(), key=lambda each: each.ord_id, reverse=True)
    rows = [order.json(order.last_fill) for order in orders if (order.state in LIVE) is is_open]
    return _page(_matching(rows, query), query, "ordId")


def _fills(book: Book, query: Query) -> list[Json]:
    rows = [fill.json() for fill in reversed(book.fills)]
    return _page(_matching(rows, query), query, "billId")


def _algo(book: Book, query: Query) -> list[Json]:
    rows = [algo.json() for algo in book.algos.values()]
    keys = {"algoId", "algoClOrdId"} & query.keys()
    found = [row for row in rows if all(row[key] == query[key] for key in keys)]
    if not found:
        raise RefusedError("51603", "Order does not exist")
    return found


ENDPOINTS: dict[str, Callable[[Book, Query], list[Json]]] = {
    "public/time": lambda book, _: [{"ts": str(book.now())}],
    "public/instruments": _instruments,
    "account/trade-fee": lambda _, __: [_FEES],
    "account/balance": lambda book, _: [account_json(book.balances, book.now())],
    "account/positions": _positions,
    "trade/orders-pending": _pending,
    "trade/orders-history": _history,
    "trade/fills": _fills,
    "trade/order-algo": _algo,
}


def _matching(rows: list[Json], query: Query) -> list[Json]:
    keys = {"instType", "instId"} & query.keys()
    return [row for row in rows if all(row[key] == query[key] for key in keys)]


def _page(rows: list[Json], query: Query, key: str) -> list[Json]:
    after = query.get("after")
    rows = [row for row in rows if after is None or Decimal(str(row[key])) < Decimal(after)]
    return rows[: int(query.get("limit", _PAGE))]
