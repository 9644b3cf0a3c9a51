"""
A board in a process of its own, and what asks it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Self

import httpx


ENTRY = "import sys; from nautilus_recovery_cli import main; sys.exit(main())"
_POLL_SECS = 0.02


class Serving:
    """
    Runs ``nautilus-recovery serve`` until the end of the block.
    """

    def __init__(self, *arguments: str) -> None:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ENTRY, "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.start_secs = time.monotonic() - began
        self.url = next(iter(word for word in line.split() if word.startswith("http")), "")
        # No connection is kept: the server would close it just as it is used again
        self.http = httpx.Client(
            base_url=self.url,
            timeout=30.0,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.end(signal.SIGKILL)

    @classmethod
    def of(cls, *urls: str) -> Self:
        return cls(*(word for url in urls for word in ("--redis", url)))

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """
        End the process, and return its exit code and what it said besides.
        """
        if self.process.poll() is None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def text(self, path: str = "/", status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def wait(
        self, is_there: Callable[[str], object], path: str = "/", timeout_secs: float = 60.0
    ) -> str:
        """
        Wait until an answer is as it is to be, and return it.
        """
        deadline = time.monotonic() + timeout_secs
        while True:
            text = self.http.get(path).text
            if is_there(text):
                return text
            assert time.monotonic() < deadline, f"not there within {timeout_secs} s: {text[:3000]}"
            time.sleep(_POLL_SECS)

    def wait_for(self, *parts: str, path: str = "/", timeout_secs: float = 60.0) -> str:
        return self.wait(lambda text: all(part in text for part in parts), path, timeout_secs)
