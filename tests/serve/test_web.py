"""
The pages and the probes, asked of a real process.
"""

import json
import re
from itertools import count
from urllib.parse import urlencode

import msgspec

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.core.builders import full_report
from tests.serve.support import Serving
from tests.serve.world import BTC
from tests.serve.world import STOP
from tests.serve.world import Desk
from tests.serve.world import ended


HOSTILE = '<script>alert("x")</script>\u202e\x1b[31m\n-1'
SHOWN = "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; [31m -1"


def path(name: str, **query: object) -> str:
    return f"{name}?{urlencode(query)}"


def test_the_board_says_first_who_needs_somebody(serving: Serving, desk: Desk) -> None:
    """
    In one sentence, and in the title of the tab.
    """
    for number in range(20):
        desk.ended(f"LIVE-{number:03}")
    serving.wait_for("<h1>All 20 may trade</h1>")
    desk.fails("LIVE-007")
    text = serving.wait_for("<h1>1 of 20 needs you: LIVE-007</h1>")
    assert "<title>1 of 20 needs you: LIVE-007</title>" in text
    assert "No result within 60 s: BINANCE-001 did not report" in text
    assert re.findall(r'data-light="(\w+)"', text)[:3] == ["RED", "RED", "GREEN"]


def test_a_server_that_was_never_read_makes_nothing_green(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    """
    Nobody sees who trades there.
    """
    desk.ended("LIVE-001")
    with Serving.of(valkey.url, "redis://127.0.0.1:1") as serving:
        text = serving.wait_for("LIVE-001")
    assert "<h1>127.0.0.1:1 cannot be read: nobody sees who trades there</h1>" in text
    assert "Connection refused" in text


def test_the_page_of_a_trader(serving: Serving, desk: Desk) -> None:
    """
    What is the matter, what to do, and what was before that.
    """
    for epoch in range(1, 7):
        desk.ended("LIVE-001", epoch)
    desk.plans("LIVE-001")
    text = serving.wait_for("Repair planned", path=path("/trader", trader="LIVE-001"))
    assert STOP in text
    assert "<code>nautilus-recovery repair --trader LIVE-001</code>" in text
    advice = serving.text(path("/epoch", trader="LIVE-001", epoch=7))
    assert "look there, then release it" in advice
    assert [int(one) for one in re.findall(r"epoch=(\d+)\"", text)] == [7, 7, 6, 5, 4, 3, 2, 1]


def test_the_history_goes_on_page_by_page(serving: Serving, desk: Desk) -> None:
    """
    As far as reports are kept.
    """
    for epoch in range(1, 31):
        desk.ended("LIVE-001", epoch)
    text = serving.wait_for("All of epoch 30", path=path("/trader", trader="LIVE-001"))
    assert "before=10" in text
    text = serving.text(path("/trader", trader="LIVE-001", before=10))
    assert [int(one) for one in re.findall(r"epoch=(\d+)\"", text)] == list(range(10, 0, -1))
    assert "before=" not in text


def test_an_epoch_in_full(serving: Serving, desk: Desk) -> None:
    """
    Every part of a report is on its page.
    """
    desk.ended("LIVE-001", 8)
    report = msgspec.structs.replace(full_report(), trader_id="LIVE-001")
    desk.trader("LIVE-001").journal.record(report)
    text = serving.wait_for("Timeline", path=path("/epoch", trader="LIVE-001", epoch=7))
    for part in (
        "DEGRADED",
        "PAPER-001 reported its mass status",
        "BTCUSDT.PAPER released by desk@host",
        "Differences: 1 BLOCK, 1 resolved",
        "Look at the venue",
        "Repaired and proven",
        "2 trades reported twice, counted once",
        "Lost order O-20260101-120000-001-001-1",
        "+0.30000000000000000001",
        "INFERRED",
        "SELL 0.3",
        "Balance PAPER-001 USDT: 5.10 -&gt; 4.9 (-0.20)",
        "made up: 1 fill, -0.5, realized PnL unknown",
        "In shadow mode",
        "open orders: 1, fills: 2, positions: 3",
    ):
        assert part in text, part


def test_what_is_not_there(serving: Serving, desk: Desk) -> None:
    """
    It is said, and nothing else is served.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    for where, status in (
        ("/trader?trader=NOBODY-1", 404),
        ("/epoch?trader=LIVE-001&epoch=99", 404),
        ("/epoch?trader=LIVE-001&epoch=x", 400),
        ("/static/other.css", 404),
        ("/static/../board.py", 404),
        ("/static/%2e%2e/board.py", 404),
        ("/nothing", 404),
    ):
        serving.text(where, status)


def test_what_is_stored_never_becomes_markup(serving: Serving, desk: Desk) -> None:
    """
    Nor does it turn the text around, or move a cursor.
    """
    report = full_report()
    values = msgspec.to_builtins(report, str_keys=True)
    numbers = count()

    def poisoned(value: object) -> object:
        match value:
            case dict():
                return {key: poisoned(one) for key, one in value.items()}
            case list() | tuple():
                return [poisoned(one) for one in value]
            case str() if not re.fullmatch(r"[A-Z_]+|-?[\d.E+]+|proven|mass_status", value):
                return f"{HOSTILE}{next(numbers)}"
        return value

    hostile = msgspec.convert(poisoned(values), type(report))
    assert next(numbers) > 40
    desk.ended(HOSTILE)
    desk.trader(HOSTILE).journal.record(hostile)
    desk.ended(HOSTILE, 8, message=HOSTILE, blocked_instruments=(HOSTILE,))
    board = serving.wait_for(SHOWN)
    query = {"trader": HOSTILE}
    pages = [
        board,
        serving.text(path("/trader", **query)),
        serving.text(path("/epoch", epoch=7, **query)),
        serving.text(path("/trader", trader=HOSTILE + "?"), 404),
        serving.text(path("/readyz", **query), 503),
        serving.text("/healthz"),
    ]
    assert pages[-1] == "ok: 1 trader on 1 server\n"
    for page in pages[:4]:
        assert "<script>" not in page
        assert SHOWN in page or "No such trader" in page
    for page in pages:
        assert not {"\u202e", "\x1b"}.intersection(page)


def test_each_answer_is_guarded(serving: Serving) -> None:
    """
    Nothing but this server's own files runs, and no other page may frame it.
    """
    for where in ("/", "/healthz", "/nothing", "/static/board.js"):
        headers = serving.http.get(where).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self';"
        )
        assert "'unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_it_answers_by_its_own_name_alone(serving: Serving) -> None:
    """
    A page of another site cannot make its own name mean this machine.
    """
    for host, status in (
        ("127.0.0.1:8733", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8733", 200),
        ("evil.example", 421),
        ("evil.example:8733", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ):
        answer = serving.http.get("/static/board.css", headers={"Host": host})
        assert answer.status_code == status, host


def test_a_name_that_is_allowed(valkey: EmbeddedValkey) -> None:
    """
    Of a proxy, for example.
    """
    with Serving("--redis", valkey.url, "--allow-host", "board.example") as serving:
        for host, status in (("board.example", 200), ("evil.example", 421)):
            answer = serving.http.get("/static/board.css", headers={"Host": host})
            assert answer.status_code == status


def test_no_page_takes_more_than_it_gives(serving: Serving) -> None:
    """
    Nothing can be posted, and no other site may read it.
    """
    for where in ("/", "/trader", "/events", "/readyz"):
        assert serving.http.post(where, content=b"x").status_code == 405


def test_a_probe_that_asks_whether_a_trader_may_trade(serving: Serving, desk: Desk) -> None:
    """
    By the rule of `status --strict`: blocked, recovering, dead and unknown ones may not.
    """
    desk.ended("GREEN-1")
    desk.blocks("AMBER-1")
    desk.recovers("BLUE-1")
    desk.stops("WHITE-1")
    desk.dies("RED-1")
    serving.wait_for("GREEN-1")
    assert serving.text("/readyz?trader=GREEN-1").startswith("GREEN-1: Recovery epoch 7 ADJUSTED")
    for trader_id, why in (
        ("AMBER-1", f"blocked: {BTC}"),
        ("BLUE-1", "CLOSED"),
        ("WHITE-1", "stopped"),
        ("RED-1", "the last heartbeat is"),
        ("NOBODY-1", "nobody has seen it"),
    ):
        assert why in serving.text(f"/readyz?trader={trader_id}", 503)
    serving.text("/readyz", 400)


def test_a_trader_of_several_servers_is_named_with_its_server(
    desk: Desk, valkey: EmbeddedValkey
) -> None:
    """
    Else a probe might ask the wrong one.
    """
    desk.ended("LIVE-001")
    with EmbeddedValkey(arguments=("--databases", "1")) as other, Desk(other) as there:
        there.fails("LIVE-001")
        with Serving.of(valkey.url, other.url) as serving:
            serving.wait(lambda text: text.count("LIVE-001</a>") == 2)
            assert "add &server=" in serving.text("/readyz?trader=LIVE-001", 400)
            serving.text("/trader?trader=LIVE-001", 400)
            for valkey_of, status in ((valkey, 200), (other, 503)):
                server = valkey_of.url.removeprefix("redis://")
                serving.text(path("/readyz", trader="LIVE-001", server=server), status)


def test_the_health_of_the_process_is_not_that_of_a_server(valkey: EmbeddedValkey) -> None:
    """
    What restarts it because Redis is down would change nothing.
    """
    with Serving.of(valkey.url, "redis://127.0.0.1:1") as serving:
        text = serving.wait_for("ok: 0 traders on 2 servers", path="/healthz")
    assert "127.0.0.1:1 cannot be read" in text


def test_what_changes_is_sent_once(serving: Serving, desk: Desk) -> None:
    """
    A page that has a version gets what is newer, and one that has none gets all.
    """
    desk.ended("LIVE-001")
    desk.ended("LIVE-002")
    serving.wait_for("LIVE-002")

    def first(version: str) -> dict[str, object]:
        with serving.http.stream("GET", "/events", params={"v": version}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    change: dict[str, object] = json.loads(line.removeprefix("data: "))
                    return change
        raise AssertionError

    everything = first("")
    assert len(everything["parts"]) == 5  # type: ignore[arg-type]
    assert len(everything["order"]) == 3  # type: ignore[arg-type]
    nothing = first(str(everything["v"]))
    assert (nothing["parts"], "order" in nothing) == ({}, False)
    desk.fails("LIVE-002")
    serving.wait_for("needs you")
    some = first(str(everything["v"]))
    assert {"group RED", "group GREEN", "head", "counts"} < set(some["parts"])  # type: ignore[call-overload]
    assert not any("LIVE-001" in one for one in some["parts"])  # type: ignore[attr-defined]


def test_a_report_of_another_trader_is_not_taken_for_this_ones(
    serving: Serving, desk: Desk
) -> None:
    """
    The page of an epoch shows what is in its slot only if that is its epoch.
    """
    desk.ended("LIVE-001", 107)
    desk.trader("LIVE-001").journal.record(ended("LIVE-001", 7))
    serving.wait_for("LIVE-001")
    serving.text("/epoch?trader=LIVE-001&epoch=107", 404)
