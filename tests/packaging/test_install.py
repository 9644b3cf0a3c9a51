"""
The environment of `make`: what keeps it from being made is one line that says what to do.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec
from importlib.util import spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.conftest import ROOT


SCRIPT = ROOT / ".ci" / "install"
NOBODY = 65534
# A port at which nothing listens: as far as pip can tell, there is no network
OFFLINE = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
}


def installed(
    venv: Path, python: str = sys.executable, env: Mapping[str, str] = {}, **options: Any
) -> str:
    """
    Return the line that the script ends with.
    """
    done = subprocess.run(
        [python, str(SCRIPT), str(venv), "dev"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
        **options,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = str(done.stderr).splitlines()
    return line


def script() -> Any:
    loader = SourceFileLoader("install", str(SCRIPT))
    spec = spec_from_loader("install", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.long
def test_without_a_network_the_line_names_it_and_what_could_not_be_fetched(tmp_path: Path) -> None:
    """Not the package that happened to be asked for last, nor after a minute."""
    line = installed(tmp_path / "venv", env=OFFLINE, timeout=60)
    assert "could not be fetched, because the package index does not answer" in line
    assert "'hatchling>=1.27'" in line
    assert "PIP_FIND_LINKS" in line
    log = tmp_path / "venv" / "install.log"
    assert line.endswith(str(log))
    # One retry of each question: five would be most of a minute
    assert log.read_text().count("Retrying (Retry(total=0") >= 1
    assert "Retrying (Retry(total=1" not in log.read_text()


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            """
            Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'
            ERROR: No matching distribution found for nautilus_trader==1.231.0
            """,
            "'nautilus_trader==1.231.0' could not be fetched, because the package index does not",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement ruff>=0.9 (from: none)",
            "'ruff>=0.9' is not in what pip may search for this Python",
        ),
        ("noise\nERROR: No space left on device", "pip failed: ERROR: No space left on device"),
        ("noise", "pip failed: it gave no reason"),
    ],
)
def test_the_line_tells_no_network_from_no_such_package(said: str, line: str) -> None:
    """Each has its own way out."""
    assert script().why(said).startswith(line)


def test_a_python_that_cannot_make_environments_is_named(tmp_path: Path) -> None:
    """As Debian's without python3-venv: the line names the package."""
    (tmp_path / "venv.py").write_text(
        "print('The environment was not created: ensurepip is not available'); raise SystemExit(1)"
    )
    line = installed(tmp_path / "made", env={"PYTHONPATH": str(tmp_path)})
    assert line.startswith(f"{sys.executable} cannot make an environment with pip (no ensurepip)")
    assert "apt install python3-venv" in line


def test_an_environment_without_pip_that_cannot_get_one_is_named(tmp_path: Path) -> None:
    """It was made without it, and there is no ensurepip to put it in."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "made"], check=True)
    (tmp_path / "ensurepip.py").write_text("raise SystemExit(1)")
    line = installed(tmp_path / "made", env={"PYTHONPATH": str(tmp_path)})
    assert line.startswith(f"{tmp_path / 'made'} has no pip")
    assert f"rm -r {tmp_path / 'made'}" in line


def test_a_tree_that_cannot_be_written_to_is_named() -> None:
    """The line names the way to work in it all the same."""
    system = shutil.which("python3", path="/usr/bin")
    is_root = os.geteuid() == 0
    if is_root and system is None:
        pytest.skip("root may write anywhere, and nobody may not run this Python")
    options: dict[str, Any] = {"user": NOBODY, "group": NOBODY} if is_root else {}
    with tempfile.TemporaryDirectory() as place:  # Nobody may look into those of pytest
        Path(place).chmod(0o755)
        tree = Path(place) / "tree"
        tree.mkdir(mode=0o555)
        script = shutil.copy(SCRIPT, Path(place) / "install")
        python = system if is_root and system else sys.executable
        done = subprocess.run(
            [python, script, tree / "venv", "dev"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **options,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tree} cannot be written to")
    assert "make VENV=" in done.stderr


def test_no_cache_of_make_lies_in_the_tree() -> None:
    """So a tree that is read-only can be tested with an environment elsewhere."""
    said = subprocess.run(
        ["make", "-n", "-p", "test", "VENV=/elsewhere/venv"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "/elsewhere/venv/bin/python -m pytest -o cache_dir=/elsewhere/venv/caches/pytest" in said
    for variable in ("HYPOTHESIS_STORAGE_DIRECTORY", "MYPY_CACHE_DIR", "RUFF_CACHE_DIR"):
        assert f"{variable} := /elsewhere/venv/caches/" in said
