"""
The extra that brings the client of Redis is not installed.
"""

import os
import subprocess
import sys
from pathlib import Path


# As if it were not there
PRELUDE = "import sys; sys.modules['redis'] = None; "


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)]),
        },
    )


def test_a_preflight_blocks_and_says_what_to_install() -> None:
    """
    The package works without it, and what could not be looked at is a finding.
    """
    done = python(
        "from tests.preflight.targets import config;"
        "from nautilus_recovery_actor import preflight;"
        "report = preflight(config);"
        "print(report.is_blocked, [(f.code, f.remedy) for f in report.findings])"
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == (
        "True [('REDIS_CLIENT_MISSING', "
        "\"Install it: pip install 'nautilus_recovery_actor[cli]'.\")]"
    )


def test_the_command_says_what_to_install() -> None:
    """
    In one line, with the exit code of what cannot be looked at.
    """
    done = python(
        "from nautilus_recovery_actor.console.main import main;"
        "sys.exit(main(['check', 'tests.preflight.targets:config']))"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Dependencies are missing: pip install 'nautilus_recovery_actor[cli]'\n"
