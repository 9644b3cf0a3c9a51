"""
The process of a board: how it starts and ends, and what it withstands.
"""

import signal
import socket
from pathlib import Path

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.serve.support import Serving
from tests.serve.world import Desk


def mapped(serving: Serving) -> str:
    return Path(f"/proc/{serving.process.pid}/maps").read_text()


def test_it_needs_no_nautilus_trader(serving: Serving, desk: Desk) -> None:
    """
    It stands beside many nodes, and is not another one of them.
    """
    desk.blocks("LIVE-001")
    serving.wait_for("LIVE-001")
    serving.text("/trader?trader=LIVE-001")
    serving.text("/epoch?trader=LIVE-001&epoch=7")
    assert "msgspec" in mapped(serving)
    assert "nautilus_trader" not in mapped(serving)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_also_while_pages_are_open(
    serving: Serving, desk: Desk, number: int
) -> None:
    """
    Cleanly, and without a word.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    with serving.http.stream("GET", "/events") as answer:
        lines = answer.iter_lines()
        while not next(lines).startswith("data: "):
            pass
        assert serving.end(number) == (0, "", "")


def test_a_server_that_hangs_holds_up_no_end(desk: Desk, valkey: EmbeddedValkey) -> None:
    """
    Nor a start.
    """
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with Serving.of(f"redis://127.0.0.1:{silent.getsockname()[1]}") as serving:
            serving.wait_for("Nothing has been read yet")
            assert serving.end() == (0, "", "")


def test_many_connections_take_nothing_from_what_is_read(serving: Serving, desk: Desk) -> None:
    """
    Those who open connections and ask nothing are cut, and a page is answered again.
    """
    host, port = serving.url.removeprefix("http://").split(":")
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    opened = [socket.create_connection((host, int(port)), timeout=60) for _ in range(400)]
    try:
        told = opened[-1].recv(1000)
        assert told.startswith(b"HTTP/1.1 503 ")
        with socket.create_connection((host, int(port)), timeout=60) as one_more:
            one_more.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 503 " in one_more.recv(1000)
    finally:
        for one in opened:
            one.close()
    desk.fails("LIVE-001")
    serving.wait_for("LIVE-001 needs you")


@pytest.mark.long
def test_a_connection_without_a_request_is_ended(serving: Serving) -> None:
    """
    Also one that began a request.
    """
    host, port = serving.url.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=60) as one,
        socket.create_connection((host, int(port)), timeout=60) as other,
    ):
        other.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert one.recv(1) == b""
        assert other.recv(1) == b""


def test_only_so_many_pages_are_open(serving: Serving, desk: Desk) -> None:
    """
    The next one is told to come back.
    """
    desk.ended("LIVE-001")
    serving.wait_for("LIVE-001")
    host, port = serving.url.removeprefix("http://").split(":")
    opened = []
    try:
        for _ in range(64):
            one = socket.create_connection((host, int(port)), timeout=60)
            opened.append(one)
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in one.recv(100)
        answer = serving.http.get("/events")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        serving.text("/healthz")
    finally:
        for one in opened:
            one.close()
    serving.wait(lambda text: "LIVE-001" in text)


def test_a_file_of_servers(desk: Desk, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """
    What it has besides is a comment.
    """
    desk.ended("LIVE-001")
    file = tmp_path / "servers"
    file.write_text(f"# The desk in Frankfurt\n\n  {valkey.url}\n")
    with Serving("--servers", str(file)) as serving:
        serving.wait_for("LIVE-001")


def test_a_file_of_servers_with_passwords_is_not_for_others(
    valkey: EmbeddedValkey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    As one of alerts, or of the token. Without a password nothing is said.
    """
    where = valkey.url.removeprefix("redis://")
    file = tmp_path / "servers"
    warning = f"{file} has secrets, and others may read or write it: chmod 600 {file}"
    for mode, login, is_told in ((0o640, "who:s3cret@", True), (0o600, "who:s3cret@", False)):
        file.write_text(f"redis://{login}{where}\n")
        file.chmod(mode)
        main(["traders", "--servers", str(file)])
        assert (warning in capsys.readouterr().err) is is_told
    file.chmod(0o644)
    file.write_text(f"{valkey.url}\n")
    main(["traders", "--servers", str(file)])
    assert warning not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("redis://ok:6379\nhttp://user:s3cret@x\n", "line 2: Not the URL of a Redis server"),
        ("# nothing\n", "has no server"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_list_of_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, told: str
) -> None:
    """
    One line says where, and repeats no password.
    """
    file = tmp_path / "servers"
    if content is not None:
        file.write_text(content)
    assert main(["serve", "--servers", str(file)]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1
    assert "s3cret" not in said


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """
    One line says what to do.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert f"Cannot listen at 127.0.0.1:{port} (Address already in use): give another" in said
    assert len(said.splitlines()) == 1


def test_it_warns_where_others_reach_it(valkey: EmbeddedValkey) -> None:
    """
    It has no password of its own.
    """
    with Serving("--redis", valkey.url, "--host", "0.0.0.0") as serving:
        _, _, err = serving.end()
    assert "let a proxy ask for a password" in err
