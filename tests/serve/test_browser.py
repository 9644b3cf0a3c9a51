"""
The board in a real browser.
"""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import Page
from playwright.sync_api import expect
from playwright.sync_api import sync_playwright

from tests.serve.support import Serving
from tests.serve.test_web import HOSTILE
from tests.serve.world import Desk


CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
expect.set_options(timeout=60_000)
GRAY = "rgb(91, 101, 112)"
GREEN = "getComputedStyle(document.querySelector('.row.GREEN .state')).color"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def said() -> list[str]:
    """
    What a page complains of.
    """
    return []


@pytest.fixture
def page(browser: Browser, serving: Serving, said: list[str]) -> Iterator[Page]:
    context = browser.new_context(base_url=serving.url)
    opened = context.new_page()

    def hear(message: ConsoleMessage) -> None:
        if "ERR_" not in message.text:  # A server that is gone
            said.append(message.text)

    opened.on("console", hear)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    yield opened
    context.close()
    assert said == []


def fits(page: Page, width: int) -> bool:
    # Not `innerWidth`: on a phone that grows with what is shown
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


def test_the_one_of_a_hundred_is_seen_without_a_click(
    page: Page, serving: Serving, desk: Desk, tmp_path: Path
) -> None:
    """
    It stands in the sentence at the top, with what is the matter; then a click leads to all of it.
    """
    for number in range(100):
        desk.ended(f"LIVE-{number:03}")
    desk.fails("LIVE-057")
    serving.wait_for("1 of 100 needs you")
    page.goto("/")
    expect(page.locator("h1")).to_have_text("1 of 100 needs you: LIVE-057")
    first = page.locator(".row").first
    for width in (1280, 950):
        page.set_viewport_size({"width": width, "height": 720})
        assert fits(page, width), width
    for sick in (page.locator("h1"), first.get_by_text("did not report")):
        box = sick.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 720 / 2
    page.screenshot(path=tmp_path / "board.png")
    first.get_by_role("link").click()
    expect(page.locator("h1")).to_contain_text("LIVE-057")
    page.get_by_role("link", name="All of epoch 8").click()
    expect(page.locator("h2")).to_contain_text("TIMEOUT")
    page.screenshot(path=tmp_path / "epoch.png")


def test_a_change_is_seen_without_loading_the_page_again(
    page: Page, serving: Serving, desk: Desk
) -> None:
    """
    On the board, with its order, and on the page of the trader; and what is typed stays.
    """
    desk.ended("LIVE-001")
    desk.ended("LIVE-002")
    serving.wait_for("LIVE-002")
    page.goto("/")
    expect(page.locator("h1")).to_have_text("All 2 may trade")
    page.evaluate("window.same = true")
    page.get_by_placeholder("Find").fill("live-00")
    desk.fails("LIVE-002")
    expect(page.locator("h1")).to_have_text("1 of 2 needs you: LIVE-002")
    expect(page).to_have_title("1 of 2 needs you: LIVE-002")
    assert page.locator(".row th").all_text_contents() == ["LIVE-002", "LIVE-001"]
    desk.ended("LIVE-003")
    expect(page.locator(".row")).to_have_count(3)
    page.get_by_placeholder("Find").fill("live-003")
    expect(page.locator(".row:visible")).to_have_count(1)
    assert page.evaluate("window.same")
    page.goto("/trader?trader=LIVE-002")
    page.evaluate("window.same = true")
    desk.ended("LIVE-002", 9)
    expect(page.locator("h1")).to_contain_text("May trade")
    expect(page.locator(".history tbody tr")).to_have_count(3)
    assert page.evaluate("window.same")


def test_ages_count_on(page: Page, serving: Serving, desk: Desk) -> None:
    """
    By the server's clock, whatever the time is where the page is.
    """
    desk.ended("LIVE-001")
    desk.beat("LIVE-001", age_secs=3600 * 5, interval_secs=86_000)
    serving.wait_for("LIVE-001")
    page.clock.install(time=0)
    page.goto("/")
    beat = page.locator(".row time[data-is=beat]")
    expect(beat).to_have_text(re.compile("^5 h"))
    before = beat.text_content()
    expect(beat).not_to_have_text(str(before))
    desk.beat("LIVE-001", age_secs=60, interval_secs=86_000)
    expect(beat).to_have_text(re.compile("^1 min"))


def test_a_page_that_hears_nothing_loses_its_green(
    page: Page, serving: Serving, desk: Desk, tmp_path: Path
) -> None:
    """
    It says so loudly: what it shows is old. And at once if its stream has ended.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    page.add_init_script("performance.now = () => 0")
    page.goto("/")
    expect(page.locator("body:not(.waiting)")).to_be_attached()
    lit = page.evaluate(GREEN)
    expect(page.locator("#cut")).to_be_hidden()
    serving.end()
    expect(page.locator("#cut")).to_be_visible()
    expect(page.locator("#cut")).to_contain_text("Not connected")
    assert page.evaluate(GREEN) != lit
    expect(page.locator(".row .may")).to_have_css("color", "rgba(0, 0, 0, 0)")
    assert page.title().startswith("Not connected")
    assert page.locator("link[rel=icon]").get_attribute("href") == "/static/GRAY.svg"
    page.screenshot(path=tmp_path / "cut.png")


@pytest.mark.long
def test_a_stream_that_is_open_and_silent_is_cut_too(
    page: Page, serving: Serving, desk: Desk
) -> None:
    """
    A process that stands still closes no connection; a page that hears it again is live again.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    page.goto("/")
    expect(page.locator("body:not(.waiting)")).to_be_attached()
    lit = page.evaluate(GREEN)
    os.kill(serving.process.pid, signal.SIGSTOP)
    try:
        expect(page.locator("#cut")).to_be_visible()
        assert page.evaluate(GREEN) != lit
    finally:
        os.kill(serving.process.pid, signal.SIGCONT)
    expect(page.locator("#cut")).to_be_hidden()
    assert page.evaluate(GREEN) == lit


def test_a_tab_that_nobody_sees_leaves_its_connection_to_others(
    page: Page, serving: Serving, desk: Desk
) -> None:
    """
    Of a trader's page; when it is seen again it hears again, and is not green before.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    page.goto("/trader?trader=LIVE-001")
    live = page.locator("body:not(.waiting):not(.cut)")
    expect(live).to_be_attached()
    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s})"
    told = "document.dispatchEvent(new Event('visibilitychange'))"
    with page.expect_event("requestfailed", lambda one: "/events" in one.url):
        page.evaluate(f"{hide % 'true'}; {told}; null")
    desk.fails("LIVE-001")
    serving.wait_for("needs you")
    assert "cut" in page.evaluate(f"{hide % 'false'}; {told}; document.body.className")
    expect(page.locator("h1")).to_contain_text("Needs you")
    expect(live).to_be_attached()


def test_without_a_script_nothing_is_green(browser: Browser, serving: Serving, desk: Desk) -> None:
    """
    A page that cannot hear cannot know.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    context = browser.new_context(base_url=serving.url, java_script_enabled=False)
    opened = context.new_page()
    opened.goto("/")
    expect(opened.get_by_text("Not live.")).to_be_visible()
    expect(opened.locator(".row.GREEN .may")).to_have_css("color", GRAY)
    context.close()


def test_what_is_stored_is_text_in_a_browser_too(
    page: Page, serving: Serving, desk: Desk, said: list[str]
) -> None:
    """
    Also when it comes later, by a script; and no script of another page may run.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    page.goto("/")
    image = "<img src=x onerror=alert(1)>-1"
    desk.fails(image)
    desk.ended(HOSTILE, message=HOSTILE, blocked_instruments=(HOSTILE, image))
    expect(page.locator(".row")).to_have_count(3)
    expect(page.locator("h1")).to_have_text(f"1 of 3 needs you: {image}")
    assert page.locator(".row img, .row script").count() == 0
    page.get_by_role("link", name="alert(1)").click()
    expect(page.locator("h1")).to_contain_text(image)
    assert page.locator("main img, main script").count() == 0
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(
    browser: Browser, serving: Serving, desk: Desk, tmp_path: Path, scheme: str
) -> None:
    """
    Nothing is beside the screen, by day and by night.
    """
    desk.exposes(f"{'NAME' * 20}-001")
    desk.plans("LIVE-002")
    desk.fails("LIVE-003")
    desk.ended("LIVE-004")
    serving.wait_for("LIVE-004")
    context = browser.new_context(
        base_url=serving.url,
        viewport={"width": 375, "height": 812},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2,
        is_mobile=True,
    )
    opened = context.new_page()
    for name, path in (
        ("board", "/"),
        ("trader", "/trader?trader=LIVE-002"),
        ("epoch", "/epoch?trader=LIVE-002&epoch=7"),
        ("none", "/nothing"),
    ):
        opened.goto(path)
        if name != "none":
            expect(opened.locator("body:not(.waiting)")).to_be_attached()
        assert fits(opened, 375), name
        opened.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    opened.goto("/trader?trader=LIVE-002")
    story = opened.locator(".history td").last.bounding_box()
    row = opened.locator(".history tbody tr").last.bounding_box()
    assert story is not None
    assert row is not None
    assert 0 <= story["x"] <= story["x"] + story["width"] <= 375  # What happened is seen
    assert row["height"] < 200  # And nothing else takes room
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in ground.strip("rgb()").split(","))
    assert (brightness < 200) is (scheme == "dark")
    context.close()
