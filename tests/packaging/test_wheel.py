"""
The wheel, in an environment of its own.
"""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import nautilus_recovery_actor
from tests.packaging.conftest import built


def out(*command: object) -> str:
    # Elsewhere, and without what a developer has on the path: only what is installed counts
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_the_wheel_of_the_sdist_installs_imports_and_has_the_command(
    sdist: Path, tmp_path: Path
) -> None:
    """A fresh environment has it all; what it depends on is lent, so that this is fast."""
    wheel = built("wheel", sdist, tmp_path / "wheel")
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    out(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = Path(out(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    code = "import nautilus_recovery_actor as n; print(n.__file__, n.__version__, len(n.__all__))"
    place, version, names = out(python, "-c", code).split()
    assert Path(place).is_relative_to(site)
    assert version == nautilus_recovery_actor.__version__
    assert int(names) == len(nautilus_recovery_actor.__all__)
    command = python.parent / "nautilus-recovery"
    assert out(command, "--version") == f"nautilus-recovery {version}\n"
    assert "usage: nautilus-recovery check" in out(command, "check", "--help")
