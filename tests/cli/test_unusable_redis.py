"""
A server that cannot be used: one line names the cause and what to do, and no secret.
"""

import re
import ssl
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.server.stand_ins import listening
from tests.server.stand_ins import passes_to


SECRET = "hunter2secret"
LIKE = "Not the URL of a Redis server: "


@pytest.fixture(scope="module")
def guarded() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        client: Any = server.client()
        client.execute_command(
            "ACL", "SETUSER", "reader", "on", f">{SECRET}", "~other:*", "+ping", "+client"
        )
        client.config_set("requirepass", SECRET)
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def encrypted(guarded: EmbeddedValkey, authority: trustme.CA) -> Iterator[int]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with listening(passes_to(guarded.port, tls=tls)) as port:
        yield port


def told(url: str, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command says of a server, in its only line."""
    name, *more = command or ("history",)
    code = main([name, "--trader", "T-1", "--redis", url, *more])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert SECRET not in err
    assert "Error" not in err
    return err


@pytest.mark.parametrize("command", [("history",), ("lease",), ("verify",), ("inspect",)])
@pytest.mark.parametrize(
    ("login", "cause"),
    [
        ("", "(it requires a password): give it in the URL, like redis://USER:PASSWORD@HOST:PORT"),
        (f":{SECRET}x@", "(it rejects the user or the password): check both"),
        (f"joe:{SECRET}@", "(it rejects the user or the password): check both"),
        (f"reader:{SECRET}@", "(its user lacks a permission: User reader has no permissions to "),
    ],
)
def test_a_login_that_is_refused(
    guarded: EmbeddedValkey,
    capsys: pytest.CaptureFixture[str],
    login: str,
    cause: str,
    command: tuple[str, ...],
) -> None:
    """None is required, it is wrong, or its user may not do that."""
    url = f"redis://{login}127.0.0.1:{guarded.port}"
    if login.startswith("reader") and command != ("history",):  # Which name what they need
        assert re.search("lacks permissions|no permissions", told(url, capsys, *command))
    else:
        assert f"Redis at 127.0.0.1:{guarded.port} cannot be used {cause}" in told(
            url, capsys, *command
        )


@pytest.mark.parametrize("password", ["pa/ss", "12/34", "pa#ss", "pa?ss", "/", "1#2@3"])
def test_a_password_that_breaks_the_url(capsys: pytest.CaptureFixture[str], password: str) -> None:
    """It is not taken for a port, nor for a database."""
    assert told(f"redis://:{password}{SECRET}@127.0.0.1:1", capsys) == (
        f"{LIKE}its password contains / ? or #, which must be percent-encoded: %2F, %3F, %23\n"
    )


@pytest.mark.parametrize("password", ["p@ss", "p:ss", "p%2Fss", "p%ss"])
def test_a_password_that_a_url_can_have(
    guarded: EmbeddedValkey, capsys: pytest.CaptureFixture[str], password: str
) -> None:
    """It reaches the server, which alone can say whether it is right."""
    url = f"redis://:{password}@127.0.0.1:{guarded.port}"
    assert "must be percent-encoded, like %25 for %" in told(url, capsys)


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("127.0.0.1:6379", f"{LIKE}give one like redis://127.0.0.1:6379"),
        ("http://127.0.0.1", f"{LIKE}give one like redis://127.0.0.1:6379"),
        ("redis://127.0.0.1:99999", f"{LIKE}give one like "),
        ("redis://127.0.0.1:1/abc", f"{LIKE}what follows its port must be a number, or nothing"),
        ("redis://127.0.0.1:1", "(nothing listens there): is it running, and is this the server"),
        ("redis://no-such.invalid", "(its host name is not known): check the name in the URL"),
        ("unix:///nowhere.sock", "(the socket: No such file or directory): check the path"),
    ],
)
def test_an_address_that_leads_nowhere(
    capsys: pytest.CaptureFixture[str], url: str, cause: str
) -> None:
    """Its parts are wrong, or nothing is there."""
    assert cause in told(url, capsys)


def test_a_database_that_is_not_there(
    guarded: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """No node uses another than the first."""
    url = f"redis://:{SECRET}@127.0.0.1:{guarded.port}/99"
    assert "(it has no such database): leave the number out: NautilusTrader uses 0" in told(
        url, capsys
    )


def test_a_certificate_that_is_not_accepted(
    encrypted: int, authority: trustme.CA, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its authority is unknown, is another, is not in the file, or the name is another."""
    url = f"rediss://:{SECRET}@127.0.0.1:{encrypted}"
    unknown = "(its certificate is not accepted: unable to get local issuer certificate): give the "
    unknown += "file of the authority that signed it, with ?ssl_ca_certs=FILE in the URL"
    assert unknown in told(url, capsys)
    with trustme.CA().cert_pem.tempfile() as path:
        assert unknown in told(f"{url}?ssl_ca_certs={path}", capsys)
    assert "(the file in ssl_ca_certs: No such file or directory)" in told(
        f"{url}?ssl_ca_certs=/nowhere.pem", capsys
    )
    with tempfile.NamedTemporaryFile() as empty:
        assert "holds no certificate): give one in PEM format" in told(
            f"{url}?ssl_ca_certs={empty.name}", capsys
        )
    with authority.cert_pem.tempfile() as path:
        assert "No recovery of T-1 on record" in told(f"{url}?ssl_ca_certs={path}", capsys)
        named = url.replace("127.0.0.1", "localhost")
        assert "give the name that is in its certificate" in told(
            f"{named}?ssl_ca_certs={path}", capsys
        )


def test_tls_at_a_plain_port_and_the_reverse(
    guarded: EmbeddedValkey, encrypted: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says which of the two to give."""
    plain = told(f"redis://:{SECRET}@127.0.0.1:{encrypted}", capsys)
    assert "If it speaks TLS, give rediss:// in place of redis://" in plain
    tls = told(f"rediss://:{SECRET}@127.0.0.1:{guarded.port}", capsys, "lease", "--timeout", "0.5")
    assert "If it does not, give redis:// in place of rediss://" in tls


def test_a_port_of_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    """It answers in its own language, or never."""

    def speaks_http(connection: Any) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with listening(speaks_http) as port:
        assert "does not answer like Redis): check the port in the URL" in told(
            f"redis://127.0.0.1:{port}", capsys
        )

    def hangs_up(connection: Any) -> None:
        connection.recv(4096)

    with listening(hangs_up) as port:
        assert "(it closed the connection): is this the port of a Redis server?" in told(
            f"redis://127.0.0.1:{port}", capsys
        )
