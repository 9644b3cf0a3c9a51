"""
The venue in a process of its own: REST, the user stream, and controls for tests.

`python -m tests.venues.binance.server` prints its port and ends with its standard input.
"""

import asyncio
import copy
import json
import sys
import uuid
from collections import Counter
from collections.abc import Awaitable
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType
from aiohttp import web

from tests.venues.binance import rest
from tests.venues.binance import wire
from tests.venues.binance.account import Account
from tests.venues.binance.account import Order
from tests.venues.binance.account import Trade
from tests.venues.binance.account import VenueError


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """One account at the venue, its user streams, and what is meant to go wrong."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        # Endpoint → how, how often it still happens, how many requests are answered before
        self._faults: dict[str, list[Any]] = {}
        self._streams: dict[web.WebSocketResponse, str | None] = {}
        self._is_refusing = False
        self._is_losing = False
        # Endpoint and symbol → as a fault, but what concerns the symbol is left out of the answer
        self._gaps: dict[tuple[str, str], list[int]] = {}
        self._muted: set[str] = set()
        self._saved: dict[str, Account] = {}
        self._events: asyncio.Queue[wire.Json] = asyncio.Queue()
        self.account = Account()
        self._listen()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._intercept])
        app.router.add_get("/ws", self._stream)
        app.router.add_get("/stream", self._stream)
        app.router.add_post("/control/{name}", self._control)
        app.router.add_route("*", "/fapi/{version}/{endpoint:.+}", self._rest)
        app.on_startup.append(self._start)
        return app

    # -- THE VENUE --

    async def _rest(self, request: web.Request) -> web.Response:
        name = f"{request.method} {request.match_info['endpoint']}"
        parameters = {**request.query, **await request.post()}
        if name.endswith("listenKey"):
            return web.json_response({"listenKey": "key-of-the-account"})
        answer = rest.ENDPOINTS.get(name)
        if answer is None:
            return web.json_response({"code": -5000, "msg": f"Path {name} is invalid"}, status=404)
        try:
            found = answer(self.account, parameters)
            return web.json_response(self._without_gaps(name, parameters.get("symbol"), found))
        except VenueError as error:
            return web.json_response({"code": error.code, "msg": str(error)}, status=400)

    def _without_gaps(self, name: str, asked: Any, answer: Any) -> Any:
        left_out = set()
        for (endpoint, symbol), gap in self._gaps.items():
            if endpoint == name and asked in (None, symbol):
                if gap[1]:
                    gap[1] -= 1
                elif gap[0]:
                    gap[0] -= 1
                    left_out.add(symbol)
        return [one for one in answer if one["symbol"] not in left_out] if left_out else answer

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        if self._is_refusing:
            raise web.HTTPServiceUnavailable
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        self._streams[stream] = request.query.get("streams")  # These are wrapped
        try:
            async for message in stream:
                if message.type is WSMsgType.TEXT:  # A subscription to what is sent anyway
                    await stream.send_json({"result": None, "id": message.json()["id"]})
        finally:
            self._streams.pop(stream, None)
        return stream

    @web.middleware
    async def _intercept(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = request.match_info.get("endpoint")
        if endpoint is None:
            return await handler(request)
        name = f"{request.method} {endpoint}"
        self.requests[name] += 1
        how, times, after = fault = self._faults.get(name, [None, 0, 0])
        if after:
            fault[2] -= 1
        if how is None or times == 0 or after:
            return await handler(request)
        fault[1] -= 1
        match how:
            case "hang":
                await asyncio.sleep(3600)
            case "empty":
                return web.json_response([])
            case "400":
                body = {"code": -1001, "msg": "Internal error; unable to process your request."}
                return web.json_response(body, status=400)
        return web.json_response({"code": -1000, "msg": "Service unavailable"}, status=503)

    # -- THE USER STREAM --

    async def _start(self, app: web.Application) -> None:
        app["sender"] = asyncio.create_task(self._send_events())

    async def _send_events(self) -> None:
        while True:
            event = await self._events.get()
            for stream, name in list(self._streams.items()):
                data = {"stream": name, "data": event} if name else event
                try:
                    await stream.send_json(data)
                except ConnectionError:
                    self._streams.pop(stream, None)

    def _listen(self) -> None:
        self.account.tell = self._tell

    def _tell(self, execution: str, order: Order, trade: Trade | None) -> None:
        if self._is_losing or order.symbol in self._muted:
            return
        if execution == "ALGO":
            self._events.put_nowait(wire.algo_update(order))
            return
        if trade:
            self._events.put_nowait(wire.account_update(self.account, order))
        self._events.put_nowait(wire.order_trade_update(order, execution, trade))

    # -- CONTROLS --

    async def _control(self, request: web.Request) -> web.Response:
        answer = getattr(self, f"control_{request.match_info['name']}")(**await request.json())
        return web.json_response(await answer if asyncio.iscoroutine(answer) else answer)

    def control_reset(self, symbols: dict[str, str], is_algo: bool, is_hedged: bool) -> None:
        self.account = Account(is_algo=is_algo, is_hedged=is_hedged, prices=_decimals(symbols))
        self._muted.clear()
        self._is_losing = False
        self.control_heal()
        self._listen()

    def control_save(self, name: str) -> None:
        kept = copy.copy(self.account)
        del kept.tell  # Which is of this server
        self._saved[name] = copy.deepcopy(kept)

    def control_restore(self, name: str) -> None:
        self.account = copy.deepcopy(self._saved[name])
        self._muted.clear()
        self._is_losing = False
        self.control_heal()
        self._listen()

    def control_slices(self, symbol: str, parts: int) -> None:
        self.account.slices[symbol] = parts

    def control_price(self, symbol: str, price: str) -> None:
        self.account.set_price(symbol, Decimal(price))

    def control_place(self, **fields: str) -> wire.Json:
        """Place an order from elsewhere: `fields` as `POST /fapi/v1/order` takes them."""
        return rest.new_order(self.account, {"newClientOrderId": f"web_{uuid.uuid4()}"} | fields)

    def control_fill(self, client_id: str, qty: str) -> None:
        order = self.account.find(self.account.orders, None, client_id)
        self.account.fill(order, Decimal(qty), order.price)

    def control_cancel(self, client_id: str) -> None:
        orders = [*self.account.orders, *self.account.algo_orders]
        self.account.cancel(self.account.find(orders, None, client_id))

    def control_fault(self, endpoint: str, how: str | None, times: int, after: int) -> None:
        self._faults[endpoint] = [how, times, after]

    def control_leave_out(self, endpoint: str, symbol: str, times: int, after: int) -> None:
        self._gaps[endpoint, symbol] = [times, after]

    def control_mute(self, symbol: str) -> None:
        self._muted.add(symbol)

    def control_heal(self) -> None:
        self.account.gaps.clear()
        self._faults.clear()
        self._gaps.clear()

    def control_forget_history(self, symbol: str | None) -> None:
        self.account.forget_history(symbol)

    def control_forget_order(self, client_id: str) -> None:
        self.account.forget_order(client_id)

    def control_skew(self, milliseconds: int) -> None:
        self.account.skew_ms = milliseconds

    def control_requests(self) -> dict[str, int]:
        counted, self.requests = self.requests, Counter()
        return dict(counted)

    def control_bar(self, symbol: str, interval: str, opened: int, px: str) -> None:
        self._events.put_nowait(wire.live_kline(symbol, interval, opened, px))

    def control_gap(self, opened: int) -> None:
        self.account.gaps.add(opened)

    async def control_drop_streams(self) -> None:
        self._is_refusing = True
        for stream in list(self._streams):
            await stream.close()

    def control_accept_streams(self) -> None:
        self._is_refusing = False

    def control_lose_events(self, lose: bool) -> None:
        self._is_losing = lose

    def control_expire_listen_key(self) -> None:
        self._events.put_nowait({"e": "listenKeyExpired", "E": self.account.now()})

    def control_state(self) -> wire.Json:
        account = self.account
        return {
            "prices": {symbol: str(price) for symbol, price in account.prices.items()},
            "positions": {
                symbol: {"qty": str(position.qty), "entry": str(position.entry)}
                for symbol, position in account.positions.items()
            },
            "orders": [wire.order(order) for order in account.orders],
            "algo_orders": [wire.algo_order(order) for order in account.algo_orders],
            "trades": [wire.user_trade(trade) for trade in account.trades],
            "history_from": account.history_from,
        }


def _decimals(texts: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in texts.items()}


async def main() -> None:
    """Serve until standard input is closed."""
    runner = web.AppRunner(Server().app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
