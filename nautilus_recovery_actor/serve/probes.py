"""
What a machine asks: does this process read, and may a trader trade?
"""

import time

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.responses import Response

from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import keeping_line
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.sources import Watch


# How old a board may be (seconds): there is a new one each second, whatever the servers do
_MAX_AGE_SECS = 5.0


def healthz(watch: Watch) -> Response:
    """Return whether this process reads its servers, whatever they answer."""
    board = watch.board()
    if _is_old(watch):
        return PlainTextResponse("no new board for more than 5 s\n", 503)
    traders = counted(len(board.traders), "trader")
    lines = [f"ok: {traders} on {counted(len(board.servers), 'server')}"]
    lines += [f"{one.name} cannot be read: {one.trouble}" for one in board.servers if one.trouble]
    lines += [f"{one.name}: {one.unseen}" for one in board.servers if one.unseen]
    return PlainTextResponse("".join(f"{one_line(line)}\n" for line in lines))


def readyz(watch: Watch, request: Request) -> Response:
    """Return whether a trader may trade all that it holds, by the rule of `status --strict`."""
    trader_id, server = (request.query_params.get(name) for name in ("trader", "server"))
    if not trader_id:
        return PlainTextResponse("which trader? /readyz?trader=ID\n", 400)
    board = watch.board()
    found = named(board, trader_id, server)
    if len(found) > 1:
        servers = ", ".join(one.server for one in found)
        return _said(400, f"{trader_id} is on several servers, add &server=: {servers}")
    why = "nobody has seen it" if not found else _why_not(found[0], watch)
    if why is None:
        return _said(200, f"{trader_id}: {found[0].status.reason}")
    return _said(503, f"{trader_id}: {why}")


def named(board: Board, trader_id: str, server: str | None) -> list[Seen]:
    """Return the traders of a name, on one server or on any."""
    return [
        seen
        for seen in board.traders
        if seen.trader_id == trader_id and server in (None, "", seen.server)
    ]


def _why_not(seen: Seen, watch: Watch) -> str | None:
    status, lease = seen.status, seen.lease
    if _is_old(watch):
        return "no new board for more than 5 s"
    if seen.trouble:
        return seen.trouble
    if status.state is not State.OPEN:
        return f"{status.state}: {status.reason}"
    if seen.twins:
        return "; ".join(seen.twins)
    if lease is not None and lease.state in (Keeping.RESERVED, Keeping.RAN_OUT):
        return keeping_line(lease)
    now = time.time_ns()
    released = status.released_until
    held = [one for one in status.blocked_instruments if released.get(one, 0) <= now]
    return f"blocked: {', '.join(held)}" if held else None


def _is_old(watch: Watch) -> bool:
    return watch.age_secs() > _MAX_AGE_SECS


def _said(status: int, text: str) -> Response:
    return PlainTextResponse(f"{one_line(text)}\n", status)
