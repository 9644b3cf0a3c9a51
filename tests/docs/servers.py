"""
Servers that run with the configuration of the pages, and can be killed.
"""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from nautilus_recovery_actor.testkit.valkey import server_binary


CONFIG = Path(__file__).parents[2] / "examples" / "deploy" / "redis.conf"
USERS = {
    "admin": "change-me-as-well",
    "live-001": "change-me-too",
    "operator-live-001": "change-me",
}


class Server:
    """
    A server on one port and one directory, whatever happens to its process.
    """

    def __init__(self, directory: Path, *options: str, config: Path | None = CONFIG) -> None:
        self.port = _free_port()
        self._given = []
        if config:  # A server changes to the directory while it reads the line
            text = re.sub(r"^dir .*$", f"dir {directory}", config.read_text(), flags=re.MULTILINE)
            copy = directory / config.name
            copy.write_text(text)
            self._given = [str(copy)]
        self._given += ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        self._given += ["--logfile", str(directory / "server.log"), *options]
        self._user = "admin" if config else None
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, user: str | None = None) -> str:
        login = f"{user}:{USERS[user]}@" if user else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def database(self, user: str) -> dict[str, Any]:
        """
        Return what a `DatabaseConfig` takes.
        """
        parts = urlsplit(self.url(user))
        return {
            "host": parts.hostname,
            "port": parts.port,
            "username": parts.username,
            "password": parts.password,
        }

    def client(self, user: str | None = None) -> redis.Redis:
        retry = Retry(NoBackoff(), 0)
        return redis.Redis.from_url(self.url(user or self._user), retry=retry)

    def start(self) -> None:
        self._process = subprocess.Popen([server_binary(), *self._given])
        deadline = time.monotonic() + 60
        with self.client() as client:
            while not _answers(client):
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)

    def kill(self) -> None:
        """
        End the process as a crash does.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def serving(directory: Path, *options: str, config: Path | None = CONFIG) -> Iterator[Server]:
    """
    Run a server.
    """
    server = Server(directory, *options, config=config)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
