"""
The sdist is the repository: whoever has it can do all that `make` does.
"""

import re
import shutil
import subprocess
from email.parser import Parser
from pathlib import Path

import pytest
from trove_classifiers import classifiers

from tests.packaging.conftest import ROOT
from tests.packaging.conftest import built


BASE = re.search(r'^Repository = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def base() -> str:
    assert BASE is not None
    return BASE[1]


def tracked() -> set[str]:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no clone: nothing says which files belong to it")
    listed = subprocess.run(
        ["git", "ls-files", "--cached"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip(f"git lists no files of this clone: {listed.stderr.partition(chr(10))[0]}")
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def test_every_file_of_the_repository_is_in_the_sdist(sdist: Path) -> None:
    """And the one that describes it, as an index wants it."""
    packed = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}
    assert tracked() - packed == set()
    assert "PKG-INFO" in packed


@pytest.mark.parametrize(
    "target", re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
)
def test_make_finds_what_it_needs_in_the_sdist(sdist: Path, target: str) -> None:
    """Each target can be made there, up to running it."""
    done = subprocess.run(
        ["make", "-n", target], cwd=sdist, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for script in re.findall(r"^(?:\S+/python )?(\.ci/\w+)", done.stdout, re.MULTILINE):
        assert (sdist / script).exists()


def test_the_links_of_the_readme_lead_somewhere_from_an_index_too(sdist: Path) -> None:
    """There is nothing beside the text there: each is absolute, and names a file that exists."""
    text = Parser().parsestr((sdist / "PKG-INFO").read_text()).get_payload()
    assert isinstance(text, str)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    ours = 0
    for target in targets:
        assert target.startswith(("https://", "#")), target
        if target.startswith(base()):
            kind, _, path = target.removeprefix(f"{base()}/").partition("/main/")
            assert kind == ("raw" if path.endswith(".svg") else "blob")
            assert (sdist / path.partition("#")[0]).exists(), target
            ours += 1
    assert ours > 5


def test_the_address_of_the_repository_is_said_in_one_place() -> None:
    """It can move: `pyproject.toml` alone has to know."""
    for name in sorted(tracked() - {"pyproject.toml"}):
        assert base().encode() not in (ROOT / name).read_bytes(), name
    named = re.findall(r'https?://[^"\s)]+', (ROOT / "pyproject.toml").read_text())
    assert named
    assert all(url.startswith(base()) for url in named)


def test_what_an_index_lists_is_what_it_knows(sdist: Path) -> None:
    """Classifiers are those that exist, and each supported Python has its own."""
    metadata = Parser().parsestr((sdist / "PKG-INFO").read_text())
    listed = metadata.get_all("Classifier", [])
    assert set(listed) <= classifiers
    for minor in range(11, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in listed
    assert metadata["Author"] == "The nautilus_recovery_actor developers"
    assert metadata["Requires-Python"] == ">=3.11"
    labels = {entry.partition(",")[0] for entry in metadata.get_all("Project-URL", [])}
    assert labels == {"Repository", "Documentation", "Changelog", "Issues", "Security"}


def test_a_wheel_can_be_built_from_the_sdist(sdist: Path, tmp_path: Path) -> None:
    """It has both packages, and nothing of the tests."""
    import zipfile

    names = zipfile.ZipFile(built("wheel", sdist, tmp_path)).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {"nautilus_recovery_actor", "nautilus_recovery_cli"} < tops
    assert all(top.startswith("nautilus_recovery") for top in tops)
    assert "nautilus_recovery_actor/py.typed" in names
