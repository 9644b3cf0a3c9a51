"""
The venue in a process of its own: REST, WebSocket, and controls for tests.

`python -m tests.venues.okx.server` prints its port and ends with its standard input.
"""

import asyncio
import copy
import inspect
import json
import sys
from collections import Counter
from typing import Any

from aiohttp import WSMsgType
from aiohttp import web

from tests.venues.okx.book import Book
from tests.venues.okx.book import RefusedError
from tests.venues.okx.records import Json
from tests.venues.okx.rest import ENDPOINTS
from tests.venues.okx.wire import account_json


_CONTROLS = ("reset", "fault", "counted", "drop_streams", "is_heard", "save", "restore")
_CONTROLS_OF_BOOK = ("set_price", "set_slices", "trade", "cancel", "state")


class Server:
    """
    One account at the venue, its streams, and what is meant to go wrong.
    """

    def __init__(self) -> None:
        self.book = Book()
        self._saved: dict[str, Book] = {}
        self._faults: dict[str, list[Any]] = {}  # Endpoint: how, how often, after how many
        self.requests: Counter[str] = Counter()
        self._sessions: dict[web.WebSocketResponse, set[str]] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/control/{name}", self._control)
        app.router.add_route("*", "/api/v5/{path:.+}", self._rest)
        app.router.add_get("/ws/v5/{kind}", self._stream)
        return app

    # -- CONTROL --

    async def _control(self, request: web.Request) -> web.Response:
        name, arguments = request.match_info["name"], await request.json()
        owner = self.book if name in _CONTROLS_OF_BOOK else self
        if owner is self and name not in _CONTROLS:
            raise web.HTTPNotFound
        answer = getattr(owner, name)(**arguments)
        if inspect.isawaitable(answer):
            answer = await answer
        await self._flush()
        return web.json_response(answer)

    def reset(self, prices: dict[str, str]) -> None:
        self.book, self._faults = Book(), {}
        for inst_id, px in prices.items():
            self.book.add(inst_id, px)

    def fault(self, endpoint: str, how: str | None, times: int, after: int) -> None:
        self._faults[endpoint] = [how, times, after]

    def counted(self) -> Counter[str]:
        counted, self.requests = self.requests, Counter()
        return counted

    async def drop_streams(self) -> None:
        for session in list(self._sessions):
            await session.close()

    def is_heard(self) -> bool:
        sessions = self._sessions.items()
        return any("orders" in channels for session, channels in sessions if not session.closed)

    def save(self, name: str) -> None:
        self._saved[name] = copy.deepcopy(self.book)

    def restore(self, name: str) -> None:
        self.book, self._faults = copy.deepcopy(self._saved[name]), {}

    # -- REST --

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self.requests[path] += 1
        match self._fault(path):
            case "hang":
                await asyncio.Event().wait()
            case "500":
                return web.Response(status=503, text="Service Unavailable")
            case "error":
                return _answer([], "50026", "System error. Try again later")
            case "empty":
                return _answer([])
        body = await request.json() if request.method == "POST" else None
        if body is None and path not in ENDPOINTS:
            raise web.HTTPNotFound
        try:
            rows = (
                self._post(path, body) if body else ENDPOINTS[path](self.book, dict(request.query))
            )
        except RefusedError as e:
            code, message = e.args
            rows = [{"sCode": code, "sMsg": message}]
            response = _answer([], code, message) if body is None else _answer(rows, "1", "")
        else:
            response = _answer(rows)
        await response.prepare(request)
        await response.write_eof()
        await self._flush()
        return response

    def _fault(self, path: str) -> str | None:
        fault = self._faults.get(path)
        if fault is None or fault[1] == 0:
            return None
        if fault[2] > 0:
            fault[2] -= 1
            return None
        fault[1] -= 1
        how: str | None = fault[0]
        return how

    def _post(self, path: str, body: Any) -> list[Json]:
        match path:
            case "trade/order":
                return [_placed(self._place(body))]
            case "trade/order-algo":
                algo = self.book.place_algo(
                    body["instId"], body["side"], body["ordType"], body["sz"], body["triggerPx"],
                    body["orderPx"], algo_cl_ord_id=body.get("algoClOrdId", ""),
                    reduce_only=_flag(body.get("reduceOnly")),
                )  # fmt: skip
                return [_done(algoId=algo.algo_id, algoClOrdId=algo.algo_cl_ord_id)]
            case "trade/cancel-algos":
                canceled = [self.book.cancel_algo(each["algoId"]) for each in body]
                return [_done(algoId=algo.algo_id) for algo in canceled]
        raise RefusedError("404", f"no endpoint {path}")

    # -- STREAMS --

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        session = web.WebSocketResponse()
        await session.prepare(request)
        self._sessions[session] = set()
        try:
            async for message in session:
                if message.type is not WSMsgType.TEXT:
                    continue
                if message.data == "ping":
                    await session.send_str("pong")
                else:
                    await self._handle(session, json.loads(message.data))
                    await self._flush()
        finally:
            del self._sessions[session]
        return session

    async def _handle(self, session: web.WebSocketResponse, message: Any) -> None:
        operation, arguments = message["op"], message["args"]
        if operation == "login":
            answer = {"event": "login", "code": "0", "msg": "", "connId": "loopback"}
            await session.send_json(answer)
        elif operation == "subscribe":
            for argument in arguments:
                self._sessions[session].add(argument["channel"])
                answer = {"event": "subscribe", "arg": argument, "connId": "loopback"}
                await session.send_json(answer)
                if argument["channel"] == "account":
                    account = account_json(self.book.balances, self.book.now())
                    self.book.outbox.append(("account", account))
        else:
            rows = [self._operate(operation, argument) for argument in arguments]
            code = next((str(row["sCode"]) for row in rows if row["sCode"] != "0"), "0")
            reply: Json = {"op": operation, "code": "1" if code != "0" else "0", "msg": ""}
            await session.send_json({"id": message.get("id"), **reply, "data": rows})

    def _operate(self, operation: str, argument: Any) -> Json:
        self.requests[f"ws/{operation}"] += 1
        client_id = argument.get("clOrdId", "")
        try:
            if operation in ("order", "batch-orders"):
                return _placed(self._place(argument))
            if operation in ("cancel-order", "batch-cancel-orders"):
                order = self.book.cancel_order(argument.get("ordId", ""), client_id)
                return _placed(order)
        except RefusedError as e:
            code, text = e.args
            return {"clOrdId": client_id, "ordId": "", "sCode": code, "sMsg": text, "tag": ""}
        raise NotImplementedError(operation)

    def _place(self, order: Any) -> Any:
        codes = {code: inst_id for inst_id, code in self.book.codes.items()}
        return self.book.place(
            order.get("instId") or codes[order["instIdCode"]], order["side"], order["ordType"],
            order["sz"], order.get("px") or "", cl_ord_id=order.get("clOrdId", ""),
            reduce_only=_flag(order.get("reduceOnly")),
        )  # fmt: skip

    async def _flush(self) -> None:
        outbox, self.book.outbox = self.book.outbox, []
        for channel, row in outbox:
            argument = {"channel": channel, "instType": row.get("instType", "ANY")}
            message = {"arg": argument, "data": [row]}
            for session, channels in list(self._sessions.items()):
                if channel in channels and not session.closed:
                    await session.send_json(message)


def _answer(rows: list[Json], code: str = "0", message: str = "") -> web.Response:
    return web.json_response({"code": code, "msg": message, "data": rows})


def _done(**ids: str) -> Json:
    return {**ids, "sCode": "0", "sMsg": "", "tag": ""}


def _placed(order: Any) -> Json:
    return _done(ordId=order.ord_id, clOrdId=order.cl_ord_id)


def _flag(value: object) -> bool:
    return value in (True, "true")


async def serve() -> None:
    """
    Serve on a free port until standard input is closed.
    """
    runner = web.AppRunner(Server().app(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
