"""
A trading node in a process of its own, which can be killed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Self


Fact = dict[str, Any]


class NodeProcessError(Exception):
    """Raised when a node process ends early, or does not emit a fact in time."""


class NodeProcess:
    """
    Run a node in a process of its own, which ends with this object or with this process.

    Parameters
    ----------
    target : str
        The factory of the node, ``"module:function"``, importable in both processes. It is
        called on the event loop of the new process and returns a built `TradingNode`; it may be a
        coroutine.
    log_path : Path, optional
        Where standard output and error go, by default a temporary file.
    **kwargs
        The arguments of the factory. They must be serializable to JSON.

    Examples
    --------
    >>> with NodeProcess("tests.nodes:trading_node", port=venue.port) as node:
    ...     node.wait_for("started")
    ...     node.kill()

    """

    _child = "nautilus_recovery_actor.testkit.child"

    def __init__(self, target: str, *, log_path: Path | None = None, **kwargs: Any) -> None:
        self.facts: list[Fact] = []
        self._changed = threading.Condition()
        self._has_ended = False
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        if log_path is None:
            self._directory = tempfile.TemporaryDirectory(prefix="paper-node-")
            log_path = Path(self._directory.name) / "node.log"
        self.log_path = log_path

        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._child, target, json.dumps(kwargs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read_facts, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._directory is not None:
            self._directory.cleanup()

    @property
    def pid(self) -> int:
        """Return the process ID."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Return whether the process is alive."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """Return what the process has written to standard output and error."""
        return self.log_path.read_text(errors="replace")

    def wait_for(self, fact: str | Callable[[Fact], object], timeout_secs: float = 60.0) -> Fact:
        """
        Wait for a fact, and return the first that matches, also if it was emitted before.

        Parameters
        ----------
        fact : str or Callable[[Fact], object]
            The name of the fact, or a condition on it.
        timeout_secs : float, default 60.0
            The time (seconds) to wait.

        Raises
        ------
        NodeProcessError
            If the process ends first, or does not emit the fact in time.

        """
        deadline = time.monotonic() + timeout_secs
        seen = 0
        with self._changed:
            while True:
                for candidate in self.facts[seen:]:
                    if fact(candidate) if callable(fact) else candidate["fact"] == fact:
                        return candidate
                seen = len(self.facts)
                if self._has_ended:
                    raise NodeProcessError(self._failure(f"ended without emitting {fact}"))
                if not self._changed.wait(deadline - time.monotonic()):
                    late = f"did not emit {fact} within {timeout_secs} s"
                    raise NodeProcessError(self._failure(late))

    def kill(self) -> None:
        """End the process as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL, timeout_secs=60.0)

    def stop(self, timeout_secs: float = 60.0) -> int:
        """
        Ask the node to stop (SIGTERM), and return the exit code of its process.

        Raises
        ------
        NodeProcessError
            If the process does not end in time.

        """
        return self._end(signal.SIGTERM, timeout_secs)

    def _end(self, sig: signal.Signals, timeout_secs: float) -> int:
        if self._process.poll() is None:
            self._process.send_signal(sig)
        try:
            code = self._process.wait(timeout_secs)
        except subprocess.TimeoutExpired:
            late = f"did not end within {timeout_secs} s of {sig.name}"
            raise NodeProcessError(self._failure(late)) from None
        self._reader.join()
        assert self._process.stdin is not None
        self._process.stdin.close()
        return code

    def _read_facts(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.facts.append(json.loads(line))
                    self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _failure(self, what: str) -> str:
        return f"node process {self.pid} {what}; facts: {self.facts}; log: {self.log[-2000:]}"
