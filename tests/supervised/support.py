import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from typing import Self

import msgspec

from nautilus_recovery_actor.testkit import EmbeddedValkey


SAYS = "run_supervised: "


class Supervised:
    """
    A program that runs a node by `run_supervised`, from its start to its exit code.
    """

    _program = "tests.supervised.node"

    def __init__(self, scene: str, *flags: str, options: Any = None, **where: Any) -> None:
        arguments = [scene, json.dumps(options or {}), json.dumps(where), *flags]
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",  # A killed node may have written half a character
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.is_open = True
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join(10)

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    @property
    def said(self) -> list[str]:
        """
        What `run_supervised` itself has said.
        """
        # Whatever a killed node had begun to write is before it in the line
        return [said for line in self.lines for _, is_it, said in [line.partition(SAYS)] if is_it]

    @property
    def node_pid(self) -> int:
        """
        The newest process of the node.
        """
        return int(
            next(line for line in reversed(self.lines) if line.startswith("BUILD")).split()[1]
        )

    def until(self, is_so: str | Callable[[Self], bool], timeout_secs: float = 60.0) -> None:
        """
        Wait for words in the log, or for anything else that a line of it or its end brings.
        """
        deadline = time.monotonic() + timeout_secs
        with self._changed:
            while not (is_so(self) if callable(is_so) else is_so in self.log):
                left = deadline - time.monotonic()
                assert self._changed.wait(left), f"not in time: {is_so}\n{self.log}"
                assert self.is_open or callable(is_so) or is_so in self.log, self.log

    def signal(self, number: signal.Signals, *, to_all: bool = False) -> None:
        if to_all:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def code(self, timeout_secs: float = 60.0) -> int:
        """
        Return the exit code, once all that it started has ended too.
        """
        self.until(lambda run: not run.is_open, timeout_secs)
        return self._process.wait(60)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self.is_open = False
            self._changed.notify_all()


def place(valkey: EmbeddedValkey, **other: Any) -> dict[str, Any]:
    """
    Return the configuration of a server as JSON takes it.
    """
    database: dict[str, Any] = msgspec.to_builtins(valkey.database_config())
    return {**database, **other}


def pid_of(valkey: EmbeddedValkey) -> int:
    with valkey.client() as client:
        return int(client.info("server")["process_id"])
