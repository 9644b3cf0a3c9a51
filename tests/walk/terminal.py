"""
A terminal of 80 columns: what a user types, and what is seen then.
"""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar


T = TypeVar("T")

COLUMNS = 80
_ROWS = 50
_POLL_SECS = 0.2
_QUESTION = b"[y/N] "
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


class WalkError(Exception):
    """Raised where a step is not as expected. The text is one line."""


class Terminal:
    """Runs commands, and prints what the user sees."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = dict(environment)
        self.wide: list[str] = []

    def say(self, text: str = "") -> None:
        """Print a line of the walk itself."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def run(
        self, command: str, code: int | None = 0, secs: float = 60.0, answers: Sequence[str] = ()
    ) -> str:
        """
        Type a command, and an answer to each question, and return what it printed, or raise if its
        exit code is another.
        """
        self.say(f"$ {command}")
        started = time.monotonic()
        printed, ended = self._seen(command, secs, list(answers))
        took = time.monotonic() - started
        for line in printed.splitlines():
            self.say(f"| {line}")
            if len(line) > COLUMNS:
                self.wide.append(line)
        self.say(f"  ({took:.1f} s, exit code {ended})")
        if code is not None and ended != code:
            raise WalkError(f"`{command}` ended with {ended} instead of {code}: {_last(printed)}")
        return printed

    def start(self, command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start what goes on running."""
        self.say(f"$ {command} &")
        with log.open("wb") as file:
            return subprocess.Popen(
                shlex.split(command),
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def show(self, text: str) -> None:
        """Print what something else has shown."""
        for line in text.splitlines():
            self.say(f"| {line}")

    def wait(self, what: str, found: Callable[[], T | None], secs: float) -> T:
        """Wait until something is so, and return it."""
        started = time.monotonic()
        while (value := found()) is None:
            if time.monotonic() - started > secs:
                raise WalkError(f"{what}: not within {secs:g} s")
            time.sleep(_POLL_SECS)
        self.say(f"  (waited {time.monotonic() - started:.1f} s: {what})")
        return value

    def _seen(self, command: str, secs: float, answers: list[str]) -> tuple[str, int]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, COLUMNS, 0, 0))
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self.directory,
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        printed = b""
        try:
            while chunk := _read(ours):
                printed += chunk
                if answers and printed.endswith(_QUESTION):
                    os.write(ours, f"{answers.pop(0)}\n".encode())
            return _visible(printed.decode(errors="replace")), process.wait(secs)
        except subprocess.TimeoutExpired:
            process.kill()
            raise WalkError(f"`{command}` did not end within {secs:g} s") from None
        finally:
            os.close(ours)


def quiet(command: str, terminal: Terminal) -> str:
    """Return what a command prints, for a condition: nothing of it is shown."""
    done = subprocess.run(
        shlex.split(command),
        cwd=terminal.directory,
        env=terminal.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def _visible(printed: str) -> str:
    # What is written over, as a spinner is, is not seen in the end
    lines = _ESCAPES.sub("", printed).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65_536)
    except OSError:  # Linux says so when the other side has been closed
        return b""


def _last(printed: str) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"
