"""
The site that is made of the pages: complete, and by itself.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

import nautilus_recovery_actor
from docs._generate import life
from docs._generate import site
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryPhase
from nautilus_recovery_actor import testkit


ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PHONE, DESK = 375, 1280
PAGES = ["", "tutorial/", "api/", "epoch/", "operating/", "adapters/", "restarts/", "findings/"]


def listed(nav: Any) -> Iterator[str]:
    """
    Yield the pages of a navigation, whatever they are under.
    """
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for inner in nav.values():
            yield from listed(inner)
    else:
        for inner in nav:
            yield from listed(inner)


def test_every_page_has_its_place_and_every_place_its_page() -> None:
    """A page that is added is found, and one that is taken away is missed."""
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2].partition("\nvalidation:")[0]
    pages = list(listed(yaml.safe_load(nav)))
    assert len(pages) == len(set(pages))
    assert set(pages) == {*site.TOP.values(), *(path.name for path in DOCS.glob("*.md"))}


@pytest.mark.parametrize(
    ("page", "module"), [("api.md", nautilus_recovery_actor), ("api-testkit.md", testkit)]
)
def test_every_public_name_is_in_the_reference(page: str, module: Any) -> None:
    """Once each, and nothing else."""
    named = re.findall(rf"^::: {module.__name__}\.(\w+)$", (DOCS / page).read_text(), re.MULTILINE)
    assert sorted(named) == sorted(module.__all__)


def test_a_link_leads_to_a_page_or_to_the_repository() -> None:
    """What is in code stays as it is, and what is not there is refused."""
    text = "[a](docs/faq.md#b) [c](CONTRIBUTING.md) [d](examples/ema_cross.py) [e](https://x.y)"
    assert site.linked(text, ROOT) == (
        f"[a](faq.md#b) [c](contributing.md) [d]({site.REPOSITORY}/blob/main/examples/ema_cross.py)"
        " [e](https://x.y)"
    )
    assert site.linked("[a](../examples)", DOCS) == f"[a]({site.REPOSITORY}/tree/main/examples)"
    assert site.linked("```\n[a](nowhere)\n```", DOCS) == "```\n[a](nowhere)\n```"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        site.linked("[a](nowhere)", DOCS)


def test_the_picture_of_an_epoch_has_every_phase_and_end() -> None:
    """One that is added is drawn, and none is drawn that there is not."""
    words = set(re.findall(r">([A-Z_]{4,})<", life.life()))
    assert words == {*RecoveryPhase, *RecoveryOutcome, *FailureReason}


def test_every_target_of_a_page_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written as `module:name` can be imported, in `examples` or from the package."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    places = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "examples").rglob("*")]
    found = {
        target
        for path in places
        if path.is_file()
        for target in re.findall(
            r"\b((?:live_node|supervised_node|gated_strategy|ema_cross|nautilus_recovery_actor"
            r"(?:\.\w+)*):[A-Za-z]\w+)",
            path.read_text(),
        )
    }
    assert {"live_node:config", "supervised_node:config", "live_node:node"} <= found
    for target in found:
        module, _, name = target.partition(":")
        assert hasattr(__import__(module, fromlist=["_"]), name), target


# -- BUILT --


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return the site, built as `make docs` does.
    """
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(directory)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return directory


@pytest.mark.long
def test_it_is_built_strictly_and_has_the_reference(built: Path) -> None:
    """Every link and anchor leads somewhere, and every name has its docstring there."""
    page = (built / "api" / "index.html").read_text()
    for name in nautilus_recovery_actor.__all__:
        assert f'id="nautilus_recovery_actor.{name}"' in page


@pytest.mark.long
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_loads_nothing_from_elsewhere_and_fits_the_screen(
    built: Path, width: int, scheme: Any
) -> None:
    """On a desk and on a phone, by day and by night: no request leaves, every picture is there."""
    api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: see .ci/setup")
    handler = functools.partial(Quiet, directory=str(built))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, api.sync_playwright() as play:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/"
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        screen = {"width": width, "height": 900}
        page = browser.new_context(viewport=screen, color_scheme=scheme).new_page()
        asked: list[str] = []
        faults: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: faults.extend([said.text] if said.type == "error" else []))
        grounds = set()
        for name in PAGES:
            page.goto(base + name, wait_until="networkidle")
            root = "document.documentElement"
            assert page.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), name
            broken = "[...document.images].filter(i => !i.naturalWidth).map(i => i.src)"
            assert page.evaluate(broken) == []
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        browser.close()
        server.shutdown()
    assert [url for url in asked if not url.startswith((base, "data:"))] == []
    assert faults == []
    (ground,) = grounds
    shades = [int(shade) for shade in re.findall(r"\d+", ground)[:3]]
    assert (sum(shades) < 3 * 128) == (scheme == "dark")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass
