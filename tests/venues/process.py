"""
A stand-in for a venue, in a process of its own, and how a test calls it.
"""

import json
import os
import subprocess
import sys
import urllib.request
from typing import Any
from typing import Self


class VenueProcess:
    """
    The process of a `module`, which ends with this object or this process.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.port: int = json.loads(self._process.stdout.readline())["port"]

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _call(self, name: str, /, **fields: object) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/control/{name}",
            data=json.dumps(fields).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)
