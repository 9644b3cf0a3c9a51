"""
A probe answers without NautilusTrader, which takes longer to import than a probe may take.
"""

import os
import subprocess
import sys
from typing import Any

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey


def ran(program: str, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("status",), 3),
        (("watch", "--timeout", "0.01"), 3),
        (("history",), 2),
        (("history", "--epoch", "1"), 2),
        (("release", "ETHUSDT-PERP.PAPER", "--reason", "because"), 2),
        (("resume", "--reason", "because"), 2),
        (("verify",), 2),
        (("repair",), 2),
    ],
)
def test_what_needs_only_redis_imports_no_nautilus_trader(
    valkey: EmbeddedValkey, command: tuple[str, ...], code: int
) -> None:
    """Nor what it brings along."""
    program = """
import sys
from nautilus_recovery_cli import main
code = main()
heavy = {"nautilus_trader", "pyarrow", "pandas", "numpy"} & set(sys.modules)
assert not heavy, heavy
sys.exit(code)
"""
    told = ran(program, *command, "--trader", "PROBED-001", "--redis", valkey.url)
    assert told[0] == code, told[1]
    assert "PROBED-001" in told[1]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 64, "usage: nautilus-recovery "),
        (("--help",), 0, "usage: nautilus-recovery "),
        (("--version",), 0, "nautilus-recovery "),
        (("statsu",), 64, "there is no command 'statsu': did you mean status?"),
        (("xyzzy",), 64, "there is no command 'xyzzy': see nautilus-recovery --help"),
        (("--bogus",), 64, "usage: nautilus-recovery "),
        (("check",), 64, "usage: nautilus-recovery check "),
        (("demo", "--bogus"), 64, "usage: nautilus-recovery demo "),
        *(
            ((name, "--help"), 0, f"usage: nautilus-recovery {name} ")
            for name in (
                *("demo", "paper", "init", "check", "inspect", "traders", "status", "history"),
                *("watch", "serve", "lease", "release", "resume", "verify", "repair", "forget"),
            )
        ),
    ],
)
def test_a_small_question_imports_nothing_that_takes_its_time(
    arguments: tuple[str, ...], code: int, told: str
) -> None:
    """Nobody who asks for help or mistypes waits, and each command has the same code for that."""
    program = """
import sys
from nautilus_recovery_cli import main
try:
    code = main()
except SystemExit as e:
    code = e.code
slow = {
    "nautilus_trader", "pyarrow", "pandas", "numpy", "rich", "redis", "asyncio", "hypothesis",
    "nautilus_recovery_actor.node", "nautilus_recovery_actor.demo",
}
assert not slow & set(sys.modules), slow & set(sys.modules)
sys.exit(code)
"""
    said = ran(program, *arguments)
    assert said[0] == code, said[1]
    assert told in said[1]


@pytest.mark.parametrize(
    ("arguments", "missing", "code", "told"),
    [
        (("status", "--trader", "T-1"), "rich", 3, "no heartbeat on record"),
        (("traders",), "rich", 2, "No trader is on record there"),
        (("history", "--trader", "T-1"), "rich", 2, "No recovery of T-1 on record"),
        (("lease", "--trader", "T-1"), "rich", 1, "nobody has it"),
        (("inspect", "--trader", "T-1"), "rich", 69, "pip install '/path/to/the/clone[cli]'"),
        (
            ("forget", "--list", "--trader", "T-1"),
            "rich",
            69,
            "Dependencies are missing (rich): pip install",
        ),
        (("check", "nowhere:config"), "rich", 69, "Dependencies are missing (rich): pip install"),
        (("check", "nowhere:config", "--json"), "rich", 2, "nowhere cannot be imported"),
        (("demo",), "rich", 69, "pip install '/path/to/the/clone[demo]'"),
        (
            ("status", "--trader", "T-1"),
            "redis",
            69,
            "Dependencies are missing (redis): pip install",
        ),
    ],
)
def test_what_is_not_installed_is_named_with_a_code_of_its_own(
    valkey: EmbeddedValkey, arguments: tuple[str, ...], missing: str, code: int, told: str
) -> None:
    """A probe that has no extra answers, and none that is missing looks like a failed recovery."""
    program = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "{missing}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "{missing}" else found(name, *more)
sys.meta_path.insert(0, Missing())
from nautilus_recovery_cli import main
sys.exit(main())
"""
    client: Any = valkey.client()
    client.flushall()
    where = () if arguments[0] in ("check", "demo") else ("--redis", valkey.url)
    said = ran(program, *arguments, *where)
    assert said[0] == code, said[1]
    assert told in said[1]
    assert "Traceback" not in said[1]


def test_the_public_names_are_there_as_soon_as_they_are_asked_for() -> None:
    """They are those of the package, and of no second copy of it."""
    program = """
import sys
from nautilus_recovery_cli import _put_in_place
_put_in_place()
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core import enums
assert "nautilus_trader" not in sys.modules
import nautilus_recovery_actor
assert nautilus_recovery_actor.RecoveryReport is RecoveryReport
from nautilus_recovery_actor import RecoveryMonitorActor, RecoveryPhase, signals
assert RecoveryPhase is enums.RecoveryPhase
assert RecoveryMonitorActor.__module__ == "nautilus_recovery_actor.node.monitor.actor"
from importlib import import_module
for name in nautilus_recovery_actor.__all__:
    getattr(nautilus_recovery_actor, name)
try:
    nautilus_recovery_actor.Nothing
except AttributeError as e:
    print(e)
"""
    assert ran(program) == (0, "module 'nautilus_recovery_actor' has no attribute 'Nothing'\n")


def test_a_command_that_needs_nautilus_trader_has_it(valkey: EmbeddedValkey) -> None:
    """What stops a start is told from what NautilusTrader reads."""
    program = "import sys; from nautilus_recovery_cli import main; sys.exit(main())"
    code, told = ran(program, "inspect", "--trader", "PROBED-001", "--redis", valkey.url)
    assert "PROBED-001" in told
    assert code in (0, 2)
    assert ran(program, "--version")[1].startswith("nautilus-recovery ")
