"""
The board in a real browser, at a desk and on a phone.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error
from playwright.sync_api import Page
from playwright.sync_api import sync_playwright

from tests.walk.terminal import WalkError


WIDTHS = {"desk": (1280, 800), "phone": (375, 667)}
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_LONG_MS = 60_000


def look(url: str, light: str, trader_id: str, out: Path, name: str) -> str:
    """
    Look at the board until a trader has a color, take pictures of it and of its own page, and
    return what stands there at the desk.
    """
    texts = []
    with _browser() as pages:
        for device, page in pages:
            try:
                page.goto(url)
                row = page.locator(f'.row[data-light="{light}"]', has_text=trader_id)
                row.first.wait_for(timeout=_LONG_MS)
                _picture(page, out / f"{name}-board-{device}.png")
                texts.append(row.first.inner_text())
                row.first.locator("a").first.click()
                page.locator("h1", has_text=trader_id).wait_for(timeout=_LONG_MS)
                _picture(page, out / f"{name}-trader-{device}.png")
            except Error as e:
                reason = str(e).splitlines()[0]
                page.screenshot(path=out / f"{name}-failed-{device}.png")
                raise WalkError(
                    f"the board does not show {trader_id} as {light}: {reason}"
                ) from None
    return texts[0]


def _picture(page: Page, path: Path) -> None:
    # Until it is connected, a page says nothing of now
    page.locator("body:not(.waiting):not(.cut)").wait_for(timeout=_LONG_MS)
    page.screenshot(path=path, full_page=True)
    if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        raise WalkError(f"{path.stem} has to be scrolled sideways")


@contextmanager
def _browser() -> Iterator[list[tuple[str, Page]]]:
    chromium = shutil.which("chromium")
    if chromium is None:
        raise WalkError("there is no chromium on the PATH: apt install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        try:
            yield [
                (device, found.new_page(viewport={"width": width, "height": height}))
                for device, (width, height) in WIDTHS.items()
            ]
        finally:
            found.close()
