"""
Alerts as they arrive at a real webhook, from the boards that a `Watch` has.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.serve.alerts import Alerts
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.incidents import Incident
from nautilus_recovery_actor.serve.incidents import Key
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.incidents import Notice
from nautilus_recovery_actor.serve.outbox import Pace
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.targets import AlertError
from nautilus_recovery_actor.serve.targets import Target
from nautilus_recovery_actor.serve.targets import read_urls
from nautilus_recovery_actor.serve.targets import targets
from nautilus_recovery_actor.serve.wording import message
from nautilus_recovery_actor.serve.wording import no_link
from nautilus_recovery_actor.serve.wording import page_link
from tests.serve.boards import CLEAN
from tests.serve.boards import DEGRADED
from tests.serve.boards import FAILED
from tests.serve.boards import STEP
from tests.serve.boards import now
from tests.serve.webhook import Webhook


HEALED = msgspec.structs.replace(
    CLEAN,
    outcome=RecoveryOutcome.ADJUSTED,
    repairs=(msgspec.structs.replace(STEP, state="proven"),),
)
pytestmark = pytest.mark.anyio

FAST = Pace(gather_secs=0.05, retry_secs=0.05, most_retry_secs=0.2, pause_secs=0.2, look_secs=0.05)
AT_ONCE = dict.fromkeys(Kind, 0.0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with Webhook() as webhook:
        yield webhook


@asynccontextmanager
async def alerting(*senders: Target, **options: Any) -> AsyncIterator[tuple[Watch, Alerts]]:
    options = {"pace": FAST, "ends_after_secs": 0.0, "after_secs": AT_ONCE, **options}
    watch, alerts = Watch(), Alerts(senders, **options)
    task = asyncio.ensure_future(alerts.run(watch))
    try:
        yield watch, alerts
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def shown(watch: Watch, board: Board) -> None:
    """
    Show a board, and give who waits for it its turn.
    """
    watch.put(board)
    await asyncio.sleep(0.01)


async def until(is_so: Callable[[], object]) -> None:
    while not is_so():  # noqa: ASYNC110 (what counts has no event)
        await asyncio.sleep(0.01)


async def arrived(hook: Webhook, count: int) -> None:
    await asyncio.to_thread(hook.wait_for, lambda one: len(one.received) >= count)


async def test_a_failure_arrives_without_a_wait_and_once(hook: Webhook) -> None:
    """At the pace and with the waits that are the default: no later board is needed."""
    options = {"pace": Pace(), "after_secs": None, "link": page_link("https://board.example/")}
    async with alerting(Target(hook.url, 1), **options) as (watch, _):
        for _ in range(10):
            await shown(watch, now({"trader_id": "LIVE-001", "report": FAILED}))
        await arrived(hook, 1)
        for _ in range(10):
            await shown(watch, now({"trader_id": "LIVE-001", "report": FAILED}))
    assert hook.titles == ["LIVE-001 FAILED: recovery epoch 7: TIMEOUT"]
    text = hook.received[0]["message"]
    assert "the venue never answered" in text
    assert "nautilus-recovery resume --trader LIVE-001" in text
    assert "https://board.example/" in text


async def test_its_end_arrives_too(hook: Webhook) -> None:
    async with alerting(Target(hook.url, 1)) as (watch, _):
        await shown(watch, now({"report": FAILED}))
        await arrived(hook, 1)
        await shown(watch, now({}))
        await arrived(hook, 2)
    assert hook.titles == ["T-1 FAILED: recovery epoch 7: TIMEOUT", "T-1: FAILED is over"]


@pytest.mark.parametrize(
    ("begun", "ended", "told"),
    [
        (
            {"age_secs": 100},
            {"epoch": 8, "phase": "RECONCILING", "report": None},
            "CLOSED: recovery epoch 8 RECONCILING",
        ),
        (
            {"report": FAILED},
            {"report": DEGRADED},
            "OPEN: recovery epoch 7 DEGRADED, blocked: ETHUSDT-PERP.PAPER",
        ),
        (
            {"report": DEGRADED},
            {"report": HEALED},
            "OPEN: recovery epoch 7 ADJUSTED, repaired and proven",
        ),
        ({"age_secs": 100}, {"is_stopped": True}, "the node was stopped"),
    ],
)
async def test_an_end_says_how_things_stand_since(
    hook: Webhook, begun: dict[str, Any], ended: dict[str, Any], told: str
) -> None:
    """And not that a heartbeat which is there is old."""
    async with alerting(Target(hook.url, 1)) as (watch, _):
        await shown(watch, now(begun))
        await arrived(hook, 1)
        await shown(watch, now(ended))
        await until(lambda: f"Now {told}" in "".join(one["message"] for one in hook.received))
    over = [one["message"] for one in hook.received if f"Now {told}" in one["message"]]
    assert not any("heartbeat" in text for text in over)


async def test_a_storm_is_one_message(hook: Webhook) -> None:
    """A thousand traders that fail at once are one message that names the first of them."""
    async with alerting(Target(hook.url, 1), pace=Pace()) as (watch, alerts):
        board = now(*({"trader_id": f"T-{n:04}", "report": FAILED} for n in range(1_000)))
        await shown(watch, board)
        await arrived(hook, 1)
        await until(lambda: not len(alerts.outboxes[0]))
    assert hook.titles == ["1,000 alerts: 1,000 FAILED"]
    text = hook.received[0]["message"]
    assert "T-0000 FAILED: recovery epoch 7: TIMEOUT" in text
    assert "and 980 more" in text


async def test_what_is_refused_is_sent_again(
    hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    """And never lost without a line in the log, nor with what is secret in it."""
    hook.answers = [500, 503, 404]
    with caplog.at_level(logging.INFO):
        async with alerting(Target(hook.url, 1)) as (watch, alerts):
            await shown(watch, now({"report": FAILED}))
            await arrived(hook, 1)
            await until(lambda: alerts.outboxes[0].counts.sent)
    assert len(hook.titles) == 1
    assert (alerts.outboxes[0].counts.failed, hook.attempts) == (3, 4)
    lines = [one for one in caplog.messages if one.startswith("Not sent to alert 1 (JSON) (")]
    assert len(lines) == 3
    assert "error=500" in lines[0]
    assert "s3cr3tpath" not in caplog.text


async def test_what_cannot_be_sent_for_long_is_given_up_with_a_line(
    hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [500] * 1_000
    pace = Pace(gather_secs=0.01, retry_secs=0.01, most_retry_secs=0.05, give_up_secs=0.3)
    async with alerting(Target(hook.url, 1), pace=pace) as (watch, alerts):
        await shown(watch, now({"report": FAILED}))
        await until(lambda: alerts.outboxes[0].counts.dropped)
    assert "Given up after 0.3 s, alert 1 (JSON): T-1 FAILED" in caplog.text


async def test_what_is_not_sent_when_it_ends_is_in_the_log(
    hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.answers = [500] * 1_000
    async with alerting(Target(hook.url, 1)) as (watch, _):
        await shown(watch, now({"report": FAILED}))
        await asyncio.to_thread(hook.wait_for, lambda one: one.attempts)
    assert "Not sent to alert 1 (JSON) before the end: T-1 FAILED" in caplog.text


async def test_a_service_that_hangs_holds_up_no_other(hook: Webhook) -> None:
    with Webhook() as hanging:
        hanging.gate.clear()
        async with alerting(Target(hanging.url, 1), Target(hook.url, 2)) as (watch, _):
            await shown(watch, now({"report": FAILED}))
            await arrived(hook, 1)
            await shown(watch, now({}))
            await arrived(hook, 2)
            assert hanging.received == []


async def test_what_hangs_is_given_up_in_time_and_tried_again(hook: Webhook) -> None:
    hook.gate.clear()
    target = Target(hook.url, 1)
    assert await target.send("title", "body", secs=0.2) == "no answer within 0.2 s"
    hook.gate.set()
    assert await target.send("title", "body") == ""


@pytest.mark.parametrize("code", [302, 307])
async def test_who_is_sent_elsewhere_has_delivered_nothing(hook: Webhook, code: int) -> None:
    """The page for a login that answers there takes no alerts."""
    hook.answers = [code]
    target = Target(hook.url, 1)
    assert await target.send("title", "body") != ""
    assert await target.send("title", "body") == ""
    assert hook.attempts == 2


async def test_what_is_over_before_it_could_be_delivered_is_one_message(hook: Webhook) -> None:
    """Nobody hears of an end without a beginning."""
    hook.answers = [500] * 5
    async with alerting(Target(hook.url, 1)) as (watch, _):
        await shown(watch, now({"report": FAILED}))
        await asyncio.to_thread(hook.wait_for, lambda one: one.attempts)
        await shown(watch, now({}))
        await arrived(hook, 1)
    assert hook.titles == ["T-1: FAILED is over"]
    assert "Its beginning could not be delivered." in hook.received[0]["message"]


@pytest.mark.parametrize("is_taken", [True, False])
async def test_what_is_over_while_its_beginning_is_on_its_way(
    hook: Webhook, *, is_taken: bool
) -> None:
    """The end is told by itself if the beginning arrives, else with it."""
    hook.gate.clear()
    hook.answers = [200 if is_taken else 500]
    async with alerting(Target(hook.url, 1)) as (watch, alerts):
        await shown(watch, now({"report": FAILED}))
        await asyncio.to_thread(hook.wait_for, lambda one: one.attempts)
        await shown(watch, now({}))
        await until(lambda: alerts.incidents.ongoing == {})
        hook.gate.set()
        await until(lambda: not len(alerts.outboxes[0]))
    ended = [one["message"] for one in hook.received if one["title"] == "T-1: FAILED is over"]
    assert ["could not be delivered" in one for one in ended] == [not is_taken]
    assert len(hook.received) == 1 + is_taken


async def test_what_cannot_be_put_into_words_is_told_all_the_same(hook: Webhook) -> None:
    """And holds up no other: a message that is never made would be tried for ever."""
    key = Key(Kind.FAILED, "127.0.0.1:6379", "T-1")
    absurd = Notice(Incident(key=key, ts=10**30, text="TIMEOUT"), False, 1)
    title, body = message(absurd, no_link)
    assert title == "T-1 FAILED"
    assert body == "What is known of it cannot be put into words (OverflowError)"
    async with alerting(Target(hook.url, 1)) as (_, alerts):
        alerts.outboxes[0].put([absurd])
        await arrived(hook, 1)
        alerts.outboxes[0].put([Notice(Incident(key=key, ts=1, text="TIMEOUT"), False, 1)])
        await arrived(hook, 2)


async def test_there_is_a_limit_to_a_minute(hook: Webhook) -> None:
    """More than that waits, and goes into one message."""
    pace = Pace(gather_secs=0.01, per_minute=3, look_secs=0.01)
    async with alerting(Target(hook.url, 1), pace=pace) as (watch, alerts):
        failed = [{"trader_id": f"T-{number}", "report": FAILED} for number in range(4)]
        for count in (1, 2, 3):
            await shown(watch, now(*failed[:count]))
            await arrived(hook, count)
        await shown(watch, now(*failed))
        await until(lambda: len(alerts.outboxes[0]) == 1)
        await asyncio.sleep(0.2)
        assert (len(hook.titles), len(alerts.outboxes[0])) == (3, 1)


async def test_a_board_from_before_a_pause_says_nothing(
    hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped for a minute must not tell what was a minute ago."""
    async with alerting(Target(hook.url, 1)) as (_, alerts):
        alerts.look(now({}))
        assert alerts._looked_at is not None
        alerts._looked_at -= 60
        alerts.look(now({"report": FAILED}))
        assert alerts.incidents.ongoing == {}
        alerts.look(now({"report": FAILED}))
        assert len(alerts.incidents.ongoing) == 1


async def test_a_clock_that_is_set_back_holds_up_nothing(hook: Webhook) -> None:
    """A board keeps the time that it had then, until the clock has caught up."""
    options = {"after_secs": dict.fromkeys(Kind, 0.2)}
    async with alerting(Target(hook.url, 1), **options) as (watch, _):
        watch.put(Board(ts=time.time_ns() + 3_600_000_000_000))
        while not hook.received:
            await shown(watch, now({"report": FAILED}))


async def test_each_target_gets_its_own(hook: Webhook) -> None:
    with Webhook() as other:
        async with alerting(*targets([hook.url, other.url, hook.url])) as (watch, _):
            await shown(watch, now({"report": DEGRADED}))
            await arrived(hook, 2)
            await arrived(other, 2)
    assert len(hook.titles) == len(other.titles) == 2


HOSTILE = "<!channel> @everyone \x1b[31m\nFAILED [x](http://evil)" + "x" * 10_000


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        ("tgram://123456789:abcdefghijklmnop/12315544/", 4096),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", 35_000),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", 2_000),
        ("pover://user0user0user0user0user0user0@token0token0token0token0token0", 1_024),
        ("json://127.0.0.1:1", 32_768),
    ],
)
async def test_texts_are_as_short_as_the_service_takes(
    url: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a report says: and it calls nobody, and stays in its line."""
    from nautilus_recovery_actor.serve import wording
    from nautilus_recovery_actor.serve.incidents import Incident
    from nautilus_recovery_actor.serve.incidents import Key
    from nautilus_recovery_actor.serve.incidents import Notice

    incident = Incident(
        key=Key(Kind.FAILED, "s", HOSTILE), ts=1, text=HOSTILE, details=(HOSTILE,) * 20
    )
    title, body = wording.message(Notice(incident, False, 1), wording.no_link)
    assert "\x1b" not in title + body
    assert "<!channel>" not in title + body
    assert "@everyone" not in title + body
    target = Target(url, 1)
    sent: list[dict[str, str]] = []

    def notify(**given: str) -> bool:
        sent.append(given)
        return True

    monkeypatch.setattr(target._apprise, "notify", notify)
    assert await target.send(title, body) == ""
    assert len(sent[0]["title"]) <= 120
    assert len(sent[0]["title"]) + len(sent[0]["body"]) <= limit


def test_a_url_that_is_none_is_named_without_what_is_secret() -> None:
    for url in ("nonsense://user:s3cr3t@host/t0k3n", "tgram://s3cr3t", "", "s3cr3t"):
        with pytest.raises(AlertError, match="not the URL of a service") as raised:
            Target(url, 3)
        assert "Alert 3" in str(raised.value)
        assert "s3cr3t" not in str(raised.value)
        assert "t0k3n" not in str(raised.value)


async def test_what_apprise_says_of_a_failure_has_no_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it logs goes into the reason alone, with a mask."""
    target = Target("json://user:passw0rd@127.0.0.1/s3cr3tpath?key=qu3ryvalue", 1)

    def notify(**_: str) -> bool:
        said = "No 127.0.0.1 for %s:%s at %s, %s"
        logging.getLogger("apprise").warning(said, "user", "passw0rd", "s3cr3tpath", "qu3ryvalue")
        return False

    monkeypatch.setattr(target._apprise, "notify", notify)
    with caplog.at_level(logging.DEBUG):
        assert await target.send("title", "body") == "No 127.0.0.1 for ***:*** at ***, ***"
    assert caplog.text == ""


def test_what_is_stored_makes_no_link_that_hides_where_it_leads() -> None:
    """Services that take Markdown would show the text alone."""
    evil = "[log in](https://evil.example)"
    key = Key(Kind.FAILED, "127.0.0.1:6379", "T-1")
    incident = Incident(key=key, ts=1, text=evil, details=(evil,))
    title, body = message(Notice(incident, False, 1), no_link)
    assert "](" not in title + body
    assert body.count("https://evil.example") == 2


def test_a_file_of_urls(tmp_path: Path) -> None:
    """One a line, with comments; whose permissions are too wide says so."""
    path = tmp_path / "alerts"
    path.write_text("# ours\njson://a\n\n  json://b\n")
    path.chmod(0o600)
    assert read_urls(path) == (["json://a", "json://b"], "")
    path.chmod(0o644)
    assert read_urls(path)[1].endswith(f"chmod 600 {path}")
    path.write_text("# none\n")
    with pytest.raises(AlertError, match="has no URL"):
        read_urls(path)
    with pytest.raises(AlertError, match="cannot be read"):
        read_urls(tmp_path / "none")
