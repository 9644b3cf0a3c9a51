"""
``nautilus-recovery history --html``.
"""

import re
import sys
from pathlib import Path

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.serve.test_web import HOSTILE
from tests.serve.test_web import SHOWN
from tests.serve.world import STOP
from tests.serve.world import Desk


class History:
    def __init__(self, valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = valkey.url
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str]:
        command = ["history", "--trader", "LIVE-001", "--redis", self._url]
        code = main([*command, *map(str, arguments)])
        said = self._capsys.readouterr()
        return code, said.out + said.err


@pytest.fixture
def history(valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]) -> History:
    return History(valkey, capsys)


def test_one_epoch_is_a_page_that_needs_nothing_else(
    desk: Desk, history: History, tmp_path: Path
) -> None:
    """
    No server, no script, nothing that is loaded.
    """
    desk.plans("LIVE-001")
    path = tmp_path / "epoch.html"
    assert history("--epoch", 7, "--html", path) == (0, f"Written to {path}: epoch 7 of LIVE-001\n")
    page = path.read_text()
    assert "look there, then release it" in page
    assert STOP in page
    assert "Repair planned" in page
    assert not re.search(r"<script|<link|src=|href=|url\(|@import", page)
    assert [one.name for one in tmp_path.iterdir()] == ["epoch.html"]


def test_the_last_ones_are_one_page(desk: Desk, history: History, tmp_path: Path) -> None:
    """
    With a list of them first, which leads to each.
    """
    for epoch in range(1, 8):
        desk.ended("LIVE-001", epoch)
    path = tmp_path / "last.html"
    assert history("--limit", 3, "--html", path)[0] == 0
    page = path.read_text()
    assert re.findall(r'href="(#epoch-\d)"', page) == ["#epoch-7", "#epoch-6", "#epoch-5"]
    assert re.findall(r'id="(epoch-\d)"', page) == ["epoch-7", "epoch-6", "epoch-5"]


def test_a_file_that_is_there_stays_as_it_is(desk: Desk, history: History, tmp_path: Path) -> None:
    """
    Unless it may be written over.
    """
    desk.ended("LIVE-001")
    path = tmp_path / "epoch.html"
    path.write_text("evidence")
    code, said = history("--html", path)
    assert code == 2
    assert said == f"{path} is there already: give another name, or --force\n"
    assert path.read_text() == "evidence"
    assert history("--html", path, "--force")[0] == 0
    assert "Epoch 7" in path.read_text()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written(desk: Desk, history: History, tmp_path: Path) -> None:
    """
    One line says why.
    """
    desk.ended("LIVE-001")
    path = tmp_path / "nowhere" / "epoch.html"
    assert history("--html", path) == (2, f"{path} cannot be written: No such file or directory\n")


def test_what_is_stored_never_becomes_markup_there_either(
    desk: Desk, history: History, tmp_path: Path
) -> None:
    """
    A file has no server that could forbid scripts.
    """
    desk.ended("LIVE-001", message=HOSTILE, blocked_instruments=(HOSTILE,))
    path = tmp_path / "epoch.html"
    history("--html", path)
    page = path.read_text()
    assert SHOWN in page
    assert "<script>" not in page
    assert "\u202e" not in page


def test_without_the_extra_one_line_says_what_to_install(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Before anything is asked.
    """

    def missing(name: str) -> object:
        return None if name == "jinja2" else sys

    monkeypatch.setattr("importlib.util.find_spec", missing)
    assert history("--html", tmp_path / "x.html") == (
        69,
        "Dependencies are missing (jinja2): pip install '/path/to/the/clone[serve]'\n",
    )
