"""
Actions from the board, and who attacks them: everything that is no right of somebody is refused.
"""

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.outside.remote import NoNodeError
from nautilus_recovery_actor.serve import forms
from nautilus_recovery_actor.serve.actions import Actions
from nautilus_recovery_actor.serve.sessions import Sessions
from nautilus_recovery_actor.serve.sessions import TokenError
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.web import app
from tests.serve.boards import DEGRADED
from tests.serve.boards import ETH
from tests.serve.boards import SERVER
from tests.serve.boards import STEP
from tests.serve.boards import now


pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef-token"
HERE = {"origin": "http://board"}
BEARER = {"authorization": f"Bearer {TOKEN}"}
RELEASE = {"trader": "T-1", "action": "release", "instrument": ETH, "reason": "I looked"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Node:
    """
    Answers commands as the way to a node does.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[OperatorCommand, str, Namespace]] = []
        self.answer: Callable[[OperatorCommand], Any] = lambda _: True

    def send(self, command: OperatorCommand, url: str, namespace: Namespace) -> CommandAnswer:
        self.heard.append((command, url, namespace))
        answer = self.answer(command)
        if isinstance(answer, Exception):
            raise answer
        text = f"{command.action} done" if answer else f"{ETH} is not <b>blocked</b>"
        return CommandAnswer(command.command_id, bool(answer), text, 1)


@pytest.fixture
def node() -> Node:
    return Node()


@asynccontextmanager
async def board(node: Node, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """
    Show one trader that is blocked, with actions.
    """
    watch = Watch()
    watch.put(now({"report": DEGRADED}))
    sessions = options.pop("sessions", None) or Sessions(TOKEN)
    actions = Actions(
        watch, {SERVER: "redis://127.0.0.1:1"}.get, sessions, send=node.send, **options
    )
    site = app(watch, routes=actions.routes(), panels=[actions.panel])
    transport = httpx.ASGITransport(app=site)
    async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
        yield client


async def logged_in(client: httpx.AsyncClient, name: str = "ada") -> dict[str, str]:
    """
    Log in, and return the fields of the form that releases.
    """
    given = {"operator": name, "token": TOKEN, "next": f"/trader?trader=T-1&server={SERVER}"}
    answer = await client.post("/login", data=given, headers=HERE)
    assert answer.status_code == 303
    text = (await client.get(answer.headers["location"])).text
    forms = re.findall(r'<form method="post" action="/action">(.*?)</form>', text, re.DOTALL)
    found = [
        dict(re.findall(r'<input[^>]*? ?name="(\w+)"[^>]*? value="([^"]*)"', one)) for one in forms
    ]
    release = next(one for one in found if one["action"] == "release")
    return {**release, "reason": "I looked"}


async def test_a_form_of_the_page_releases(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    """The node hears who and why, and so does the log."""
    with caplog.at_level(logging.INFO):
        async with board(node) as client:
            form = await logged_in(client)
            answer = await client.post("/action", data=form, headers=HERE)
    assert (answer.status_code, "release done" in answer.text) == (200, True)
    ((command, url, namespace),) = node.heard
    assert (command.trader_id, command.action, command.instrument_id) == ("T-1", "release", ETH)
    assert (command.secs, command.reason) == (900.0, "I looked")
    assert command.operator == "ada (board, 127.0.0.1)"
    assert (url, namespace.trader_id) == ("redis://127.0.0.1:1", "T-1")
    (line,) = [one for one in caplog.messages if one.startswith("Action: ")]
    assert line.startswith("Action: ada from 127.0.0.1: action='release', instrument='ETHUSDT")
    assert line.endswith("accepted: release done")
    assert TOKEN not in caplog.text


async def test_a_script_acts_with_the_token(node: Node) -> None:
    """Without a cookie there is nothing that another site could use."""
    async with board(node) as client:
        for given in (
            {"data": {**RELEASE, "operator": "bot"}},
            {"json": {**RELEASE, "operator": "bot", "minutes": 5}},
        ):
            answer = await client.post("/action", headers=BEARER, **given)
            assert (answer.status_code, answer.json()["is_accepted"]) == (200, True)
    assert [one.secs for one, _, _ in node.heard] == [900.0, 300.0]
    assert node.heard[0][0].operator == "bot (board, 127.0.0.1)"


async def test_each_action_is_sent(node: Node) -> None:
    plan = plan_id([STEP])
    given = [
        {"action": "withdraw", "instrument": ETH},
        {"action": "resume"},
        {"action": "verify"},
        {"action": "repair", "plan": plan},
    ]
    async with board(node) as client:
        form = await logged_in(client)
        for one in given:
            fields = {"csrf": form["csrf"], "trader": "T-1", "reason": "because", **one}
            assert (await client.post("/action", data=fields, headers=HERE)).status_code == 200
        page = (await client.get("/trader?trader=T-1")).text
    assert [one.action for one, _, _ in node.heard] == ["withdraw", "resume", "verify", "repair"]
    assert node.heard[-1][0].plan_id == plan
    assert f'name="plan" value="{plan}"' in page


async def test_what_the_node_refuses_is_shown(node: Node) -> None:
    """With what it says, as text."""
    node.answer = lambda _: False
    async with board(node) as client:
        answer = await client.post("/action", data=await logged_in(client), headers=HERE)
        assert (answer.status_code, "Refused" in answer.text) == (409, True)
        assert "is not &lt;b&gt;blocked&lt;/b&gt;" in answer.text
        node.answer = lambda _: NoNodeError("No node of T-1 runs")
        answer = await client.post("/action", headers=BEARER, data={**RELEASE, "operator": "bot"})
        assert (answer.status_code, answer.text) == (503, "No node of T-1 runs\n")


async def test_without_actions_there_are_no_routes() -> None:
    site = app(Watch())
    transport = httpx.ASGITransport(app=site)
    async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
        for path in ("/login", "/logout", "/action"):
            assert (await client.post(path, headers=BEARER)).status_code == 404
            assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("token", ["", "short", "x" * 19, "  x  " * 3, "token\nwith a line" * 3])
def test_a_token_that_protects_nothing_is_refused(token: str) -> None:
    with pytest.raises(TokenError, match="at least 20 plain characters") as raised:
        Sessions(token)
    assert len(str(raised.value).splitlines()) == 1
    assert not token.strip() or token.strip() not in str(raised.value)


# -- ATTACKS --


async def test_nobody_acts_without_the_token(node: Node) -> None:
    async with board(node) as client:
        answers = [
            await client.post("/action", data=RELEASE, headers=HERE),
            await client.post("/action", data=RELEASE),
            await client.post("/action", data={**RELEASE, "token": TOKEN}, headers=HERE),
            await client.post(f"/action?token={TOKEN}", data=RELEASE, headers=HERE),
            await client.post(
                "/action", data=RELEASE, headers={**HERE, "cookie": f"recovery={TOKEN}"}
            ),
            await client.post("/action", data=RELEASE, headers={"authorization": "Bearer"}),
            await client.post("/action", data=RELEASE, headers={"authorization": "Bearer wrong"}),
            await client.post("/action", data=RELEASE, headers={"authorization": f"Basic {TOKEN}"}),
            await client.post("/logout", headers=HERE),
        ]
        page = (await client.get("/trader?trader=T-1")).text
    assert {one.status_code for one in answers} == {401}
    assert "csrf" not in page
    assert "Log in" in page
    assert node.heard == []


async def test_a_script_has_to_say_who_decided(node: Node) -> None:
    async with board(node) as client:
        for name in ("", " ", "a\nb", "x" * 61):
            answer = await client.post(
                "/action", headers=BEARER, data={**RELEASE, "operator": name}
            )
            assert answer.status_code == 400
    assert node.heard == []


async def test_nothing_is_done_by_a_get(node: Node) -> None:
    async with board(node) as client:
        form = await logged_in(client)
        answer = await client.get("/action", params=form)
        assert answer.status_code == 405
        assert (await client.get("/logout")).status_code == 405
        assert (await client.post("/action", data=form, headers=HERE)).status_code == 200
    assert len(node.heard) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil"},
        {"origin": "null"},
        {"origin": "http://board.evil"},
        {"origin": "http://evil/http://board"},
        {"origin": ""},
        {},
        {"origin": "http://board", "sec-fetch-site": "cross-site"},
        {"origin": "http://board", "sec-fetch-site": "same-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://evil", "sec-fetch-site": "same-origin"},
        {"referer": "http://board/"},
    ],
)
async def test_another_site_cannot_use_a_session(node: Node, headers: dict[str, str]) -> None:
    """Even if it knew what a form of the page holds."""
    async with board(node) as client:
        form = await logged_in(client)
        assert (await client.post("/action", data=form, headers=headers)).status_code == 403
        assert (await client.post("/logout", data=form, headers=headers)).status_code == 403
        given = {"operator": "eve", "token": TOKEN}
        assert (await client.post("/login", data=given, headers=headers)).status_code == 403
    assert node.heard == []


async def test_a_browser_that_tells_no_origin_is_believed_where_it_comes_from(node: Node) -> None:
    """As it is on a page whose referrer policy is `no-referrer`."""
    async with board(node) as client:
        headers = {"origin": "null", "sec-fetch-site": "same-origin"}
        form = await logged_in(client)
        assert (await client.post("/action", data=form, headers=headers)).status_code == 200


@pytest.mark.parametrize("csrf", ["", "x", None])
async def test_a_form_of_no_session_is_refused(node: Node, csrf: str | None) -> None:
    async with board(node) as client:
        form = await logged_in(client)
        fields = {k: v for k, v in {**form, "csrf": csrf}.items() if v is not None}
        answer = await client.post("/action", data=fields, headers=HERE)
    assert answer.status_code == 403
    assert node.heard == []


async def test_a_form_of_another_session_is_refused(node: Node) -> None:
    sessions = Sessions(TOKEN)
    async with board(node, sessions=sessions) as one, board(node, sessions=sessions) as other:
        theirs = await logged_in(one, "eve")
        await logged_in(other)
        assert (await other.post("/action", data=theirs, headers=HERE)).status_code == 403
    assert node.heard == []


async def test_after_a_logout_nothing_of_it_works(node: Node) -> None:
    """Also for who has kept the cookie and the form."""
    async with board(node) as client:
        form = await logged_in(client)
        cookie = client.cookies["recovery"]
        answer = await client.post("/logout", data={**form, "next": "//evil"}, headers=HERE)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        client.cookies.set("recovery", cookie)
        assert (await client.post("/action", data=form, headers=HERE)).status_code == 401
    assert node.heard == []


async def test_a_session_ends(node: Node) -> None:
    clock = [0.0]
    async with board(node, sessions=Sessions(TOKEN, lambda: clock[0])) as client:
        form = await logged_in(client)
        clock[0] = 8 * 3_600 + 1
        assert (await client.post("/action", data=form, headers=HERE)).status_code == 401


@pytest.mark.parametrize("public_url", ["", "https://board.example"])
async def test_the_cookie_is_for_this_site_alone(node: Node, public_url: str) -> None:
    """No script reads it, no other site sends it, and behind TLS it goes nowhere else."""
    async with board(node, public_url=public_url) as client:
        given = {"operator": "ada", "token": TOKEN}
        headers = {"origin": public_url} if public_url else HERE
        answer = await client.post("/login", data=given, headers=headers)
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= set(cookie.split("; "))
    assert ("secure" in cookie.split("; ")) is bool(public_url)
    assert cookie.startswith("__host-recovery=" if public_url else "recovery=")
    assert TOKEN not in cookie


async def test_who_guesses_is_slowed_down(node: Node) -> None:
    """Also with the right token at last, in a login and as a script; others are not."""
    clock = [100.0]
    async with board(node, sessions=Sessions(TOKEN, lambda: clock[0])) as client:
        form = await logged_in(client)
        for number in range(5):
            given = {"operator": "eve", "token": f"guess {number}"}
            assert (await client.post("/login", data=given, headers=HERE)).status_code == 401
        given = {"operator": "eve", "token": TOKEN}
        answer = await client.post("/login", data=given, headers=HERE)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        fields = {**RELEASE, "operator": "eve"}
        assert (await client.post("/action", data=fields, headers=BEARER)).status_code == 429
        assert (await client.post("/action", data=form, headers=HERE)).status_code == 200
        clock[0] += 61
        assert (await client.post("/action", data=fields, headers=BEARER)).status_code == 200


def test_many_clients_that_guess_together_are_slowed_down() -> None:
    sessions = Sessions(TOKEN, lambda: 0.0)
    for number in range(60):
        assert sessions.wait_secs(f"10.0.0.{number}") == 0
        assert not sessions.is_right("guess", f"10.0.0.{number}")
    assert sessions.wait_secs("10.0.1.1") == 60


HOSTILE = [
    "ETH\nUSDT.PAPER",
    "ETH\x1b[2J.PAPER",
    "\u202eETH.PAPER",
    "no-venue",
    "",
    ".",
    "x" * 201 + ".PAPER",
]


@pytest.mark.parametrize("instrument", HOSTILE)
async def test_an_instrument_that_is_none_is_refused(
    node: Node, instrument: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In a line, and the log has one too."""
    async with board(node) as client:
        fields = {**RELEASE, "operator": "bot", "instrument": instrument}
        answer = await client.post("/action", data=fields, headers=BEARER)
    assert answer.status_code == 400
    assert len(answer.text.splitlines()) == 1
    assert all(one.isprintable() for one in caplog.messages)
    assert node.heard == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"trader": "T-2"}, 404),
        ({"trader": ""}, 404),
        ({"trader": "T-1", "server": "elsewhere"}, 404),
        ({"action": "forget"}, 400),
        ({"action": "repair"}, 400),
        ({"reason": ""}, 400),
        ({"reason": "x" * 301}, 400),
        ({"reason": "two\nlines"}, 400),
        ({"minutes": "nan"}, 400),
        ({"minutes": "inf"}, 400),
        ({"minutes": "-1"}, 400),
        ({"minutes": "1441"}, 400),
        ({"minutes": "soon"}, 400),
        ({"action": "resume"}, 400),
    ],
)
async def test_what_cannot_be_is_refused(node: Node, fields: dict[str, str], code: int) -> None:
    async with board(node) as client:
        given = {**RELEASE, "operator": "bot", **fields}
        answer = await client.post("/action", data=given, headers=BEARER)
    assert answer.status_code == code
    assert node.heard == []


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"x" * 9_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a=1" for _ in range(100)), "application/x-www-form-urlencoded", 400),
        (b"\xff=1", "application/x-www-form-urlencoded", 400),
        (b"[" * 5_000, "application/json", 400),
        (b'{"a": {}}', "application/json", 400),
        (b"", "application/json", 400),
        (b"a=1", "multipart/form-data", 415),
        (b"a=1", "text/plain", 415),
    ],
)
async def test_a_body_that_is_none_is_refused(
    node: Node, content: bytes, kind: str, code: int
) -> None:
    async with board(node) as client:
        headers = {**BEARER, "content-type": kind}
        answer = await client.post("/action", content=content, headers=headers)
    assert answer.status_code == code
    assert node.heard == []


async def test_a_body_that_never_ends_is_not_waited_for(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "_READ_SECS", 0.1)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"action="
        await asyncio.sleep(30)

    async with board(node) as client:
        headers = {**BEARER, "content-type": "application/x-www-form-urlencoded"}
        answer = await client.post("/action", content=slowly(), headers=headers)
    assert answer.status_code == 408


async def test_a_login_leads_to_no_other_site(node: Node) -> None:
    async with board(node) as client:
        for where in ("//evil", "https://evil", "/\\evil", "javascript:x", "/a\nb"):
            given = {"operator": "ada", "token": TOKEN, "next": where}
            answer = await client.post("/login", data=given, headers=HERE)
            assert answer.headers["location"] == "/"


async def test_commands_that_hang_hold_up_nobody_else(node: Node) -> None:
    """There is a limit to them, and the pages go on."""
    is_over = threading.Event()
    node.answer = lambda _: is_over.wait(60)
    async with board(node) as client:
        fields = {**RELEASE, "operator": "bot"}
        hanging = [
            asyncio.ensure_future(client.post("/action", data=fields, headers=BEARER, timeout=60))
            for _ in range(12)
        ]
        while len(node.heard) < 8:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.01)
        assert (await client.get("/")).status_code == 200
        assert len(node.heard) == 8
        assert not any(one.done() for one in hanging)
        is_over.set()
        assert {one.status_code for one in await asyncio.gather(*hanging)} == {200}


def test_the_routes_are_post_alone() -> None:
    actions = Actions(Watch(), lambda _: None, Sessions(TOKEN))
    paths = {
        (one.path, *sorted(one.methods or ())) for one in actions.routes() if isinstance(one, Route)
    }
    assert paths == {
        ("/login", "GET", "HEAD"),
        ("/login", "POST"),
        ("/logout", "POST"),
        ("/action", "POST"),
    }
