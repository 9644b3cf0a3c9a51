"""
Ctrl-C at any moment ends a command with one line.
"""

import os
import signal
import subprocess
import sys
import time

import pytest


# The first letter says that the command hears Ctrl-C: before that nobody can help
PROGRAM = """
import _signal, os, sys

hear = _signal.signal

def tell(*how):
    _signal.signal = hear
    hear(*how)
    os.write(1, b"x")

_signal.signal = tell
from nautilus_recovery_cli import main
sys.exit(main())
"""
# Where each is when it has begun: waiting for a server that does not answer, or a node
WAITING = ["--trader", "T-1", "--timeout", "60"]
COMMANDS: dict[str, list[str]] = {
    "status": WAITING,
    "watch": WAITING[:2],
    "release": ["X.Y", "--reason", "so it is", *WAITING],
    "lease": WAITING,
    "traders": WAITING[2:],
    "inspect": WAITING[:2],
    "forget": ["--all-that-stop", *WAITING[:2]],
    "check": ["tests.cli.test_interrupted:never"],
}


def never() -> None:
    """A target that takes its time."""
    time.sleep(60)


def interrupted(name: str, after_secs: float, *, times: int = 1) -> tuple[int, str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        where = [] if name == "check" else ["--redis", url]
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, name, *COMMANDS[name], *where],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.read(1) == b"x"
            time.sleep(after_secs)  # The moment is what is tested
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                time.sleep(0.01)
            out, err = process.communicate(timeout=60)
    assert out == b""
    return process.returncode, err.decode()


@pytest.mark.parametrize("name", ["status", "check"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("after_secs", [0.02, 0.1, 0.3, 0.8])
def test_whoever_interrupts_a_command_reads_one_line(
    name: str, after_secs: float, times: int
) -> None:
    """Also while it imports what it needs, and whoever does so twice as well."""
    code, err = interrupted(name, after_secs, times=times)
    assert (code, err.count("\n")) == (130, 1), err
    assert "nterrupted" in err


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("times", [1, 2])
def test_no_command_prints_a_traceback_at_any_moment(name: str, times: int) -> None:
    """Many moments for each of them."""
    for after_secs in (0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.8, 1.1, 1.5):
        code, err = interrupted(name, after_secs, times=times)
        assert (code, err.count("\n")) == (130, 1), (after_secs, err)


def test_an_interruption_in_a_callback_of_the_interpreter_is_not_lost() -> None:
    """What is raised there would be printed, and the command would go on."""
    program = """
import signal, weakref
import nautilus_recovery_cli

class Referred: pass

names = {"signal": signal}
text = "def callback(_): signal.raise_signal(signal.SIGINT)"
exec(compile(text, "weakref.py", "exec"), names)
referred = Referred()
reference = weakref.ref(referred, names["callback"])
signal.signal(signal.SIGINT, nautilus_recovery_cli._raise)
del referred
print("it went on")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "Interrupted\n")


@pytest.mark.parametrize("after_secs", [0.2, 0.7])
def test_an_interrupted_demo_leaves_nothing_behind(after_secs: float) -> None:
    """What it has started says nothing either."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        time.sleep(after_secs)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)  # Until nobody has the pipe any more
    assert (process.returncode, err.count(b"\n")) == (130, 1), err
