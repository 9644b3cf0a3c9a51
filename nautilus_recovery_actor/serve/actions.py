"""
What an operator may do from the board: what `release`, `resume`, `verify` and `repair` do.

Nobody may who has not given the token, and no page of another site can make a browser do it.
"""

import logging
import math
from collections.abc import Callable
from collections.abc import Mapping
from typing import get_args
from urllib.parse import urlsplit

import msgspec
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.responses import JSONResponse
from starlette.responses import RedirectResponse
from starlette.responses import Response
from starlette.routing import Route

from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.command import Action
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.outside import remote
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.forms import fields
from nautilus_recovery_actor.serve.forms import is_same_site
from nautilus_recovery_actor.serve.probes import named
from nautilus_recovery_actor.serve.rendering import link
from nautilus_recovery_actor.serve.rendering import page
from nautilus_recovery_actor.serve.sessions import Session
from nautilus_recovery_actor.serve.sessions import Sessions
from nautilus_recovery_actor.serve.sessions import is_of
from nautilus_recovery_actor.serve.sessions import operator_name
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.threads import Threads


_LOG = logging.getLogger(__name__)
# How many commands are on their way at once, and how long one may take (seconds)
_MOST = 8
_ANSWER_SECS = 10.0
_VERIFY_SECS = 60.0
_WAIT_SECS = 75.0
_MAX_REASON = 300
_MAX_ID = 200

Send = Callable[[OperatorCommand, str, Namespace], CommandAnswer]


class Actions:
    """The routes of what may be done, and its part of the page of a trader."""

    def __init__(
        self,
        watch: Watch,
        url_of: Callable[[str], str | None],
        sessions: Sessions,
        *,
        public_url: str = "",
        send: Send = remote.send,
    ) -> None:
        self._watch = watch
        self._url_of = url_of
        self._sessions = sessions
        self._public = public_url
        self._is_secure = urlsplit(public_url).scheme == "https"
        self._cookie = "__Host-recovery" if self._is_secure else "recovery"
        self._send = send
        self._senders = Threads(_MOST, _WAIT_SECS)

    def routes(self) -> list[Route]:
        """Return what is answered: nothing is done by a GET."""
        return [
            Route("/login", self._login_form, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/action", self._act, methods=["POST"]),
        ]

    def panel(self, request: Request, seen: Seen) -> Markup:
        """Return what may be done with a trader, or where to log in for that."""
        status = seen.status
        steps = planned(status.repairs)
        blocked = [one for one in status.blocked_instruments if one not in status.released_until]
        return Markup(  # noqa: S704 (made by a template)
            page(
                "actions.html",
                session=self._sessions.find(request.cookies.get(self._cookie)),
                seen=seen,
                blocked=blocked,
                released=[one for one in status.blocked_instruments if one not in blocked],
                steps=steps,
                plan=plan_id(steps) if steps else "",
                back=link("/trader", trader=seen.trader_id, server=seen.server),
            )
        )

    # -- WHO --

    async def _login_form(self, request: Request) -> Response:
        return self._login_page(request.query_params.get("next", ""))

    async def _log_in(self, request: Request) -> Response:
        if not is_same_site(request, self._public):
            return self._login_page("", "Log in on this page", 403)
        given = await fields(request)
        client, name = _client(request), operator_name(given.get("operator", ""))
        back = given.get("next", "")
        self._may_try(client)
        if name is None:
            return self._login_page(back, "Give your name, in one line", 400)
        if not self._sessions.is_right(given.get("token", ""), client):
            _LOG.warning(f"Login of {one_line(name)} from {client} refused: wrong token")
            return self._login_page(back, "That is not the token", 401)
        self._sessions.close(request.cookies.get(self._cookie))
        key, _ = self._sessions.open(name)
        _LOG.info(f"Login of {one_line(name)} from {client}")
        response = RedirectResponse(_local(back), 303)
        response.set_cookie(
            self._cookie, key, path="/", httponly=True, samesite="strict", secure=self._is_secure
        )
        return response

    async def _log_out(self, request: Request) -> Response:
        session, given = await self._session(request)
        self._sessions.close(request.cookies.get(self._cookie))
        _LOG.info(f"Logout of {one_line(session.operator)} from {_client(request)}")
        response = RedirectResponse(_local(given.get("next", "")), 303)
        response.delete_cookie(
            self._cookie, path="/", httponly=True, samesite="strict", secure=self._is_secure
        )
        return response

    async def _session(self, request: Request) -> tuple[Session, Mapping[str, str]]:
        session = self._sessions.find(request.cookies.get(self._cookie))
        if session is None:
            raise HTTPException(401, "Log in first")
        if not is_same_site(request, self._public):
            raise HTTPException(403, "Asked for by another site: use the forms of this one")
        given = await fields(request)
        if not is_of(session, given.get("csrf", "")):
            raise HTTPException(403, "Not a form of this session: load the page again")
        return session, given

    async def _who(self, request: Request) -> tuple[str, Mapping[str, str]]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            session, given = await self._session(request)
            return session.operator, given
        client = _client(request)
        self._may_try(client)
        if scheme.lower() != "bearer" or not self._sessions.is_right(token.strip(), client):
            raise HTTPException(401, "Wrong token", {"WWW-Authenticate": "Bearer"})
        given = await fields(request)
        name = operator_name(given.get("operator", ""))
        if name is None:
            raise HTTPException(400, "Say who decided: give `operator`, in one line")
        return name, given

    def _may_try(self, client: str) -> None:
        if wait_secs := math.ceil(self._sessions.wait_secs(client)):
            headers = {"Retry-After": str(wait_secs)}
            raise HTTPException(429, f"Too many wrong tokens: wait {wait_secs} s", headers)

    # -- WHAT --

    async def _act(self, request: Request) -> Response:
        client, who = _client(request), "somebody"
        given: Mapping[str, str] = {}
        try:
            who, given = await self._who(request)
            answer = await self._answered(given, f"{who} (board, {client})")
        except HTTPException as e:
            _LOG.warning(
                f"Action: {_said(who, client, given)}: refused with {e.status_code}: {e.detail}"
            )
            raise
        what = "accepted" if answer.is_accepted else "refused by the node"
        _LOG.info(f"Action: {_said(who, client, given)}: {what}: {one_line(answer.text)}")
        code = 200 if answer.is_accepted else 409
        if "authorization" in request.headers:
            return JSONResponse(msgspec.to_builtins(answer), code)
        back = link("/trader", trader=given["trader"], server=given.get("server", ""))
        text = page(
            "answer.html",
            version="",
            title=f"{given['action']} of {given['trader']}",
            is_accepted=answer.is_accepted,
            text=answer.text,
            back=back,
        )
        return HTMLResponse(text, code)

    async def _answered(self, given: Mapping[str, str], operator: str) -> CommandAnswer:
        command, url, namespace = self._command(given, operator)
        try:
            return await self._senders.run(lambda: self._send(command, url, namespace))
        except TimeoutError as e:
            raise HTTPException(503, "Too many commands are on their way: try again") from e
        except (remote.RemoteError, RedisUnusableError) as e:
            raise HTTPException(503, one_line(str(e))) from e

    def _command(
        self, given: Mapping[str, str], operator: str
    ) -> tuple[OperatorCommand, str, Namespace]:
        action = given.get("action", "")
        if action not in get_args(Action):
            raise HTTPException(400, f"Unknown action: give {', '.join(get_args(Action))}")
        found = named(self._watch.board(), given.get("trader", ""), given.get("server"))
        if not found:
            raise HTTPException(404, "No such trader is on record")
        if len(found) > 1:
            raise HTTPException(400, "On several servers: give `server`")
        (seen,) = found
        url = self._url_of(seen.server)
        if url is None:
            raise HTTPException(503, "Its server is not read here")
        reason = given.get("reason", "").strip()
        instrument_id = given.get("instrument", "")
        if len(reason) > _MAX_REASON or len(instrument_id) > _MAX_ID:
            raise HTTPException(400, f"Too long: give a reason of at most {_MAX_REASON} characters")
        try:
            command = OperatorCommand.new(
                seen.trader_id,
                action,  # type: ignore[arg-type]
                reason,
                instrument_id=instrument_id,
                secs=_minutes(given) * 60 if action == "release" else 0.0,
                operator=operator,
                valid_secs=_VERIFY_SECS if action == "verify" else _ANSWER_SECS,
                plan_id=given.get("plan", "")[:_MAX_ID] if action == "repair" else "",
            )
        except ValueError as e:
            raise HTTPException(400, one_line(str(e))) from e
        return command, url, seen.namespace or Namespace(trader_id=seen.trader_id)

    def _login_page(self, back: str, error: str = "", code: int = 200) -> Response:
        text = page("login.html", version="", next=_local(back), error=error)
        return HTMLResponse(text, code)


def _minutes(given: Mapping[str, str]) -> float:
    try:
        return float(given.get("minutes") or 15)
    except ValueError:
        raise HTTPException(400, "Give `minutes` as a number") from None


def _local(path: str) -> str:
    # Where a login leads back to is never another site
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours else "/"


def _client(request: Request) -> str:
    return request.client.host if request.client else "nowhere"


def _said(who: str, client: str, given: Mapping[str, str]) -> str:
    names = ("action", "instrument", "trader", "server", "minutes", "plan", "reason")
    said = (f"{name}={one_line(given[name])[:_MAX_REASON]!r}" for name in names if given.get(name))
    return f"{one_line(who)} from {client}: {', '.join(said) or 'nothing'}"
