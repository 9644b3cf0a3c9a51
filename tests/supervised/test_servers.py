"""
A server that no node can use is told in one line within seconds, before the node is made.
"""

import os
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trustme

from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.server.faults import config
from tests.server.faults import follow
from tests.server.faults import run
from tests.server.stand_ins import closes_at_once
from tests.server.stand_ins import drips
from tests.server.stand_ins import listening
from tests.server.stand_ins import never_answers
from tests.server.stand_ins import passes_to
from tests.server.stand_ins import says
from tests.supervised.support import Supervised
from tests.supervised.support import pid_of
from tests.supervised.support import place


AGAIN, SOMEBODY = 75, 78
SECS = 5.0


@contextmanager
def wrong_password() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        config(server, requirepass="secret")
        yield place(server, password="hunter2")


@contextmanager
def without_password() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        config(server, requirepass="secret")
        yield place(server)


@contextmanager
def unparsable() -> Iterator[dict[str, Any]]:
    yield {"host": "127.0.0.1", "port": 6379, "password": "a/b"}


@contextmanager
def nobody() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        where = place(server)
    yield where


@contextmanager
def stopped() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        pid = pid_of(server)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield place(server)
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def stalled() -> Iterator[dict[str, Any]]:
    with listening(never_answers) as port:
        yield {"host": "127.0.0.1", "port": port}


@contextmanager
def dripping() -> Iterator[dict[str, Any]]:
    with listening(drips) as port:
        yield {"host": "127.0.0.1", "port": port}


@contextmanager
def closing() -> Iterator[dict[str, Any]]:
    with listening(closes_at_once) as port:
        yield {"host": "127.0.0.1", "port": port}


@contextmanager
def web() -> Iterator[dict[str, Any]]:
    with listening(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        yield {"host": "127.0.0.1", "port": port}


@contextmanager
def plain_for_tls() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        yield place(server, ssl=True)


@contextmanager
def private_authority() -> Iterator[dict[str, Any]]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(tls)
    with EmbeddedValkey() as server, listening(passes_to(server.port, tls=tls)) as port:
        yield {"host": "localhost", "port": port, "ssl": True}


@contextmanager
def no_rights() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        run(server, "ACL", "SETUSER", "node", "on", ">secret", "~*", "+@all", "-@write")
        yield place(server, username="node", password="secret")


@contextmanager
def replica() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as primary, EmbeddedValkey() as server:
        follow(server, primary)
        yield place(server)


@contextmanager
def full() -> Iterator[dict[str, Any]]:
    with EmbeddedValkey() as server:
        config(server, maxmemory=1)
        yield place(server)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        (wrong_password, SOMEBODY, "It rejects the username or the password"),
        (without_password, SOMEBODY, "It rejects the username or the password, or requires one"),
        (unparsable, SOMEBODY, "percent-encode it in the DatabaseConfig"),
        (plain_for_tls, AGAIN, "does this port speak TLS?"),
        (private_authority, SOMEBODY, "not accepted"),
        (no_rights, SOMEBODY, "This user may not use SET"),
        (web, SOMEBODY, "It does not answer like Redis"),
        (nobody, AGAIN, "No connection: Connection refused"),
        (stopped, AGAIN, "It does not answer in time"),
        (stalled, AGAIN, "It does not answer in time"),
        (dripping, AGAIN, "It does not answer"),
        (closing, AGAIN, "No connection"),
        (replica, AGAIN, "Its role is slave, not master"),
        (full, AGAIN, "it refuses writes"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.long
def test_a_server_that_cannot_be_used_is_told_within_five_seconds(
    fault: Any, code: int, words: str
) -> None:
    """The exit code says whether it can pass by itself, and the line what is wrong."""
    with fault() as where, Supervised("alone", redis=where) as run:
        run.until("BUILD")
        start = time.monotonic()
        assert run.code() == code, run.log
        assert time.monotonic() - start < 4 * SECS  # The machine may be busy
        (line,) = run.said
        assert line.startswith(f"Redis at {where['host']}:{where['port']}: ")
        assert words in line
        assert line.endswith(f"(exit code {code})")
        assert "secret" not in line
        assert "hunter2" not in line


def test_the_server_of_the_message_bus_is_looked_at_too(valkey: EmbeddedValkey) -> None:
    """A node hangs on either."""
    with stalled() as bus, Supervised("alone", redis=place(valkey), bus=bus) as run:
        assert run.code() == AGAIN
        assert run.said[0].startswith(f"Redis at 127.0.0.1:{bus['port']}: It does not answer")


def test_a_server_that_stalls_after_it_was_looked_at_ends_at_the_deadline(
    valkey: EmbeddedValkey,
) -> None:
    """`TradingNode(...)` hangs then, deaf and without the GIL: its process is killed."""
    connections = []

    def answers_one_client(connection: Any) -> None:
        connections.append(connection)
        (passes_to(valkey.port) if len(connections) == 1 else never_answers)(connection)

    with (
        listening(answers_one_client) as port,
        Supervised(
            "alone", options={"build_timeout_secs": 3.0}, redis={"host": "127.0.0.1", "port": port}
        ) as run,
    ):
        assert run.code() == AGAIN
        assert len(connections) >= 2
        (line,) = run.said
        assert line == (
            "the node was not built within 3 s, and was killed. Redis at "
            f"127.0.0.1:{port}: It does not answer in time. Start the server, or fix host, port "
            "and ssl of the DatabaseConfig. (exit code 75)"
        )
