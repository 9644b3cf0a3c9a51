"""
What NautilusTrader's own client of Redis does with a configuration.
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import pytest
import trustme


CONNECT = """
import sys
import msgspec
from nautilus_trader.config import CacheConfig, DatabaseConfig
from nautilus_trader.core import nautilus_pyo3
from nautilus_trader.core.uuid import UUID4
database = msgspec.json.decode(sys.argv[1], type=DatabaseConfig)
config = msgspec.json.encode(CacheConfig(database=database), enc_hook=str)
identity = nautilus_pyo3.UUID4.from_str(UUID4().value)
try:
    nautilus_pyo3.RedisCacheDatabase(nautilus_pyo3.TraderId("T-1"), identity, config)
except BaseException as e:
    sys.exit(f"{type(e).__name__}: {e}")
"""


HANGS = """
import signal, sys, threading
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
def beat():
    while True:
        print("alive", flush=True)
threading.Thread(target=beat, daemon=True).start()
"""


@contextmanager
def node(**database: object) -> Iterator[subprocess.Popen[str]]:
    """
    Open the cache of a node in a process of its own: it may try for hours.
    """
    command = [sys.executable, "-c", CONNECT, json.dumps(database)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def first_words(tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, "Queue[bytes | str]"]]:
    """
    Yield a port, and what the first client there says, or why there is no TLS.
    """
    said: Queue[bytes | str] = Queue()

    def serve() -> None:
        try:
            plain, _ = listener.accept()
            with tls.wrap_socket(plain, server_side=True) if tls else plain as connection:
                said.put(connection.recv(4096))
        except OSError as e:
            said.put(getattr(e, "reason", None) or str(e))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], said


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "NOTHING"])
def test_a_certificate_of_a_private_authority_is_never_accepted(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The roots are built in: whom the system trusts does not count."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with authority.cert_pem.tempfile() as path, first_words(tls) as (port, said):
        monkeypatch.setenv(variable, path)
        with node(host="localhost", port=port, ssl=True):
            assert said.get(timeout=60) == "TLSV1_ALERT_UNKNOWN_CA"


@pytest.mark.parametrize(
    ("password", "sent"),
    [("a%2Fb", b"a/b"), ("p@s:s", b"p@s:s"), ("100%", b"100%"), ("a b", b"a b")],
)
def test_a_password_goes_through_a_url(password: str, sent: bytes) -> None:
    """What is percent-encoded in it is decoded, and database 0 is used: nothing is selected."""
    with first_words() as (port, said), node(host="127.0.0.1", port=port, password=password):
        words = said.get(timeout=60)
    assert isinstance(words, bytes)
    assert words.startswith(b"*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n" % (len(sent), sent))
    assert b"SELECT" not in words


@pytest.mark.parametrize(
    ("database", "told"),
    [
        ({"password": "a/b"}, "Redis URL did not parse"),
        ({"password": "a?b"}, "Redis URL did not parse"),
        ({"password": "a#b"}, "Redis URL did not parse"),
        ({"host": "::1"}, "Redis URL did not parse"),
        ({"username": "node"}, "username supplied without password"),
    ],
)
def test_a_login_that_breaks_the_url_ends_the_start(database: dict[str, str], told: str) -> None:
    """Before anything is sent."""
    with node(**database) as process:
        _, err = process.communicate(timeout=60)
        assert process.returncode != 0
    assert told in err


def test_no_thread_and_no_signal_handler_runs_while_a_node_waits_for_redis() -> None:
    """
    Its cache is opened without releasing the GIL: only another process can end that. What it says
    when it connects is the last thing that it does.
    """
    with first_words() as (port, said):
        command = [sys.executable, "-c", HANGS + CONNECT]
        command.append(json.dumps({"host": "127.0.0.1", "port": port, "password": "secret"}))
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines: list[str] = []
            reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
            try:
                assert process.stdout.readline() == "alive\n"
                said.get(timeout=60)
                reader.start()
                process.terminate()
                beats = []
                for _ in range(2):
                    with pytest.raises(subprocess.TimeoutExpired):
                        process.wait(1.5)
                    beats.append(len(lines))
                assert beats[0] == beats[1]
            finally:
                process.kill()
                process.wait()
                reader.join()
