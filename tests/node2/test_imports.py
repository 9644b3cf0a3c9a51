import subprocess
import sys
from pathlib import Path

import pytest

import nautilus_recovery_actor


PACKAGE = Path(nautilus_recovery_actor.__file__).parent
# The rooms that look at Redis alone, or at plain values
ROOMS = ("core", "link", "outside/record")
NOWHERE = ("--redis", "redis://127.0.0.1:1")


def run(code: str, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = [str(PACKAGE.parent), *([] if home is None else [str(home)])]
    begin = f"import sys; sys.path[:0] = {path!r}; "
    return subprocess.run(
        [sys.executable, "-c", begin + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_what_looks_at_redis_alone_never_imports_nautilus_trader() -> None:
    """
    The core, the link and the record are the same on each host.
    """
    modules = [
        ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts))
        for room in ROOMS
        for path in sorted((PACKAGE / room).rglob("*.py"))
    ]
    assert len(modules) > 60
    code = (
        "import importlib\n"
        "from nautilus_recovery_cli import _put_in_place as put; put()\n"
        f"for name in {modules!r}: importlib.import_module(name.removesuffix('.__init__'))\n"
        "assert 'nautilus_trader' not in sys.modules\n"
    )
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_of_the_other_host_says_what_to_install() -> None:
    """
    One line, from whatever way the name was asked for.
    """
    done = run("from nautilus_recovery_actor import RecoveryMonitorActor")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: nautilus_recovery_actor.RecoveryMonitorActor requires NautilusTrader 1.x: "
        "pip install 'nautilus_trader<2'"
    )
    assert run("import nautilus_recovery_actor as n; n.nothing").stderr.endswith(
        "AttributeError: module 'nautilus_recovery_actor' has no attribute 'nothing'\n"
    )


def test_the_names_of_this_host_alone_are_known_to_the_other() -> None:
    """
    What cannot be had on 1.x says there what to install.
    """
    of_two = frozenset(nautilus_recovery_actor.__all__) - nautilus_recovery_actor._names_of_1
    assert of_two == nautilus_recovery_actor._NAMES_OF_2


@pytest.mark.parametrize("command", ["status", "history", "watch", "traders"])
def test_a_command_that_looks_at_redis_runs(installed: Path, command: str) -> None:
    """
    Here it finds no server, and says so.
    """
    code = "from nautilus_recovery_cli import main; sys.exit(main())"
    trader = () if command == "traders" else ("--trader", "X-1")
    done = run(code, command, *trader, *NOWHERE, home=installed)
    assert done.stderr.startswith("Redis at 127.0.0.1:1 cannot be used")
    assert "Traceback" not in done.stderr


def test_a_command_that_needs_1_says_so(installed: Path) -> None:
    """
    One line, before anything is started.
    """
    code = "from nautilus_recovery_cli import main; sys.exit(main())"
    done = run(code, "demo", home=installed)
    expected = "This command requires NautilusTrader 1.x: pip install 'nautilus_trader<2'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)
