import json
import subprocess
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

import nautilus_recovery_actor


PACKAGE = Path(nautilus_recovery_actor.__file__).parent


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The interpreter of an environment that has the package, msgspec and blinker, and nothing else.
    """
    folder = tmp_path_factory.mktemp("without-nautilus")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in (PACKAGE.name, "msgspec", "blinker"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        (packages / name).symlink_to(Path(spec.origin).parent)
    return folder / "bin" / "python"


def run(python: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_each_module_of_the_core_imports_without_nautilus_trader(python: Path) -> None:
    """
    What decides runs wherever plain values are to be had.
    """
    core = PACKAGE / "core"
    names = sorted(
        ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in core.rglob("*.py")
    )
    assert len(names) > 20
    code = (
        "import importlib, json, sys\n"
        f"[importlib.import_module(name.removesuffix('.__init__')) for name in {names!r}]\n"
        "print(json.dumps('nautilus_trader' in sys.modules))\n"
    )
    done = run(python, code)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) is False
    assert run(python, "import nautilus_trader").returncode == 1


def test_a_name_of_the_node_says_what_is_missing(python: Path) -> None:
    """
    What runs in a node cannot be had, and the error says what to install.
    """
    code = (
        "from nautilus_recovery_actor import RecoveryGate, RecoveryReport\n"
        "print(RecoveryGate().reason())\n"
        "from nautilus_recovery_actor import RecoveryMonitorActor\n"
    )
    done = run(python, code)
    assert done.returncode == 1
    assert done.stdout == "RECOVERY_PENDING: no recovery has completed yet\n"
    assert done.stderr.splitlines()[-1] == (
        "ImportError: nautilus_recovery_actor.RecoveryMonitorActor requires NautilusTrader: "
        "pip install nautilus_trader"
    )
