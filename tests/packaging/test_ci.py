"""
What runs before a change lands: on each Python there is, with what the system can be given.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return the only directory on the path of a script: with a shell, and what a test puts there.
    """
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("bash", "env", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (directory / name).symlink_to(found)
    return directory


def put(path: Path, name: str, does: str) -> None:
    script = path / name
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)


def ran(script: str, path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    kept = {key: value for key, value in os.environ.items() if key not in {"REDIS_URL", "PATH"}}
    return subprocess.run(
        [str(ROOT / ".ci" / script)],
        env={**kept, "PATH": str(path), "PYENV_ROOT": str(path / "pyenv"), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_matrix_runs_all_on_both_ends_and_a_selection_between(path: Path) -> None:
    """A Python that is not there is left out, and the last lines say so."""
    put(path, "make", 'echo "made: $*"')
    for version in ("3.11.7", "3.12.1", "3.13.0"):
        put(path, f"pyenv/versions/{version}/bin/python", "exit 0")
    done = ran("matrix", path)
    assert (done.returncode, done.stderr) == (0, "")
    made = [line for line in done.stdout.splitlines() if line.startswith("made:")]
    whole = [line for line in made if line.endswith(" TESTS=")]
    assert ["NAUTILUS=nautilus_trader==1.221.0" in whole[0], "=1.231.0" in whole[1]] == [True, True]
    (some,) = (line for line in made if line not in whole)
    assert "VENV=.venv-3.12" in some
    for name in some.partition("-m ")[2].split()[2:]:
        assert (ROOT / name).is_dir(), name
    assert "== Python 3.14 was left out: no python3.14 on the PATH or in pyenv ==" in done.stdout


def test_the_matrix_leaves_out_a_python_without_a_server(path: Path) -> None:
    """There is no wheel of a server for 3.14: one on the PATH does."""
    put(path, "make", 'echo "made: $*"')
    for version in ("3.11.7", "3.13.0", "3.14.0"):
        put(path, f"pyenv/versions/{version}/bin/python", "exit 0")
    assert "Python 3.14 was left out: no wheel of a Valkey" in ran("matrix", path).stdout
    put(path, "valkey-server", "exit 0")
    done = ran("matrix", path).stdout
    assert "VENV=.venv-3.14" in done
    assert "Python 3.12 was left out" in done


def test_the_matrix_needs_its_two_ends(path: Path) -> None:
    """Without one of them nothing was proven, and the exit code says so."""
    put(path, "make", "exit 0")
    done = ran("matrix", path)
    assert done.returncode == 1
    assert "Python 3.11 was not found: install it" in done.stderr


def test_the_system_is_given_what_is_missing_by_root_alone(path: Path, tmp_path: Path) -> None:
    """Anybody else is told what is left out; what is there is not installed again."""
    log = tmp_path / "asked"
    put(path, "apt-get", f'echo "$*" >> {log}')
    put(path, "id", "echo 1000")
    done = ran("setup", path)
    assert done.returncode == 0
    assert "Not installed: chromium prometheus." in done.stderr
    assert not log.exists()
    put(path, "id", "echo 0")
    put(path, "promtool", "exit 0")
    assert ran("setup", path).returncode == 0
    (update, install) = log.read_text().splitlines()
    assert update.startswith("update")
    assert install.split()[0] == "install"
    assert install.endswith(" chromium")
