"""
Actions in a real browser: the forms work in it, and those of other sites do not.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect
from playwright.sync_api import sync_playwright

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.serve.support import Serving
from tests.serve.world import Desk


CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here"),
    pytest.mark.long,
]
TOKEN = "0123456789abcdef-token"


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 390, "height": 844})
        browser.close()


@pytest.fixture
def acting(desk: Desk, valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[Serving]:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o600)
    desk.plans("LIVE-001")
    with Serving("--redis", valkey.url, "--allow-actions", "--token-file", str(path)) as serving:
        serving.wait_for("LIVE-001")
        yield serving


def log_in(page: Page, serving: Serving) -> None:
    page.goto(f"{serving.url}/trader?trader=LIVE-001")
    page.get_by_role("link", name="Log in").click()
    page.fill("[name=operator]", "ada")
    page.fill("[name=token]", TOKEN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("You act as ada.")).to_be_visible()


def test_an_operator_acts_on_a_phone(page: Page, acting: Serving) -> None:
    """Log in, act, read the answer, log out; all of it fits the screen."""
    log_in(page, acting)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    release = page.locator("form", has=page.locator("[value=release]"))
    release.locator("[name=reason]").fill("I looked")
    release.get_by_role("button").click()
    expect(page.get_by_text("No node of LIVE-001 runs")).to_be_visible()
    page.goto(f"{acting.url}/trader?trader=LIVE-001")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("link", name="Log in")).to_be_visible()
    _, _, err = acting.end()
    assert "Action: ada from 127.0.0.1: action='release'" in err


@pytest.mark.parametrize("site", ["http://evil.test", "http://127.0.0.1:1", "http://localhost:1"])
def test_a_form_of_another_site_does_nothing(page: Page, acting: Serving, site: str) -> None:
    """Although the browser has a session, and the form all that one of the board has."""
    log_in(page, acting)
    csrf = page.locator("form [name=csrf]").first.get_attribute("value")
    form = (
        f'<form method="post" action="{acting.url}/action"><input name="csrf" value="{csrf}">'
        '<input name="trader" value="LIVE-001"><input name="action" value="resume">'
        '<input name="reason" value="x"><button>Win</button></form>'
    )
    page.route(f"{site}/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto(f"{site}/")
    with page.expect_response(re.compile("/action$")) as answered:
        page.get_by_role("button", name="Win").click()
    assert answered.value.status in (401, 403)
    _, _, err = acting.end()
    assert "accepted" not in err
    assert "No node" not in err
