"""
The image and its compose file: they are what Docker reads, and what they run, runs.
"""

import inspect
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from nautilus_recovery_actor import run_supervised
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit.valkey import server_binary


ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
# What a service of compose may have; a word that is misspelt is passed over by nobody
KEYS = {
    *("build", "cap_drop", "command", "depends_on", "env_file", "healthcheck", "image", "ports"),
    *("read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user", "volumes"),
}


def steps() -> list[tuple[str, str]]:
    """
    Return the instructions of the Dockerfile, each with what follows it.
    """
    text = (DEPLOY / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = [line.partition(" ") for line in "\n".join(lines).replace("\\\n", " ").splitlines()]
    return [(word, rest.strip()) for word, _, rest in found]


def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return read


def secs(text: str) -> float:
    return float(text.removesuffix("s"))


def test_the_image_copies_what_is_there_and_lets_it_in() -> None:
    """Each file of the tree exists, and is not kept from Docker by the list of what is ignored."""
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = [
        name
        for word, rest in steps()
        if word == "COPY" and not rest.startswith("--from")
        for name in rest.split()[:-1]
    ]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert name.partition("/")[0] in let_in, name


def test_the_image_runs_the_node_as_nobody_special_and_without_a_shell() -> None:
    """SIGTERM reaches it, and nothing kills it because it is silent."""
    words = [word for word, _ in steps()]
    assert words[-1] == "CMD"
    assert "HEALTHCHECK" not in words
    (user,) = (rest for word, rest in steps() if word == "USER")
    assert any(word == "RUN" and f" {user}" in rest for word, rest in steps())
    assert dict(steps())["CMD"] == '["python", "supervised_node.py"]'
    assert re.search(r"ARG NAUTILUS=1\.231\.0$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_the_compose_file_holds_together() -> None:
    """Every word is one of compose's, and what is named is there."""
    read = compose()
    assert set(read) == {"name", "x-ours", "services", "volumes"}
    services = read["services"]
    for name, service in services.items():
        assert set(service) <= KEYS, name
        assert service["image"]
        for other, how in service.get("depends_on", {}).items():
            wanted = services[other]
            is_healthy = how["condition"] == "service_healthy"
            assert is_healthy == ("healthcheck" in wanted), other
            assert is_healthy or how["condition"] == "service_completed_successfully"
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in read["volumes"]
    build = services["node"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    named = [name for service in services.values() for name in service["env_file"]]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for name in named:
        assert (DEPLOY / f"{name}.example").exists()
        assert f"examples/deploy/{name}" in ignored
    assert "@valkey:6379" in (DEPLOY / "live-001.env.example").read_text()


def test_docker_takes_the_compose_file(tmp_path: Path) -> None:
    """Where its plugin is installed, it says so itself."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("docker compose is not installed")
    (tmp_path / "compose.yaml").write_text((DEPLOY / "compose.yaml").read_text())
    for name in ("live-001.env", "valkey.env"):
        (tmp_path / name).write_text((DEPLOY / f"{name}.example").read_text())
    command = [docker, "compose", "--file", str(tmp_path / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_lost_and_nothing_is_killed_too_early() -> None:
    """The server writes to disk, and a stop has the time that it takes."""
    services = compose()["services"]
    run = " ".join(services["valkey"]["command"])
    assert "--appendonly yes" in run
    assert "--maxmemory-policy noeviction" in run
    stop = inspect.signature(run_supervised).parameters["stop_timeout_secs"].default
    assert secs(services["node"]["stop_grace_period"]) > 2 * stop
    assert services["node"]["restart"].startswith("on-failure:")
    assert services["check"]["command"][:2] == ["nautilus-recovery", "check"]
    (port,) = services["serve"]["ports"]
    assert port.startswith("127.0.0.1:")
    for name in ("check", "node", "serve"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]


def test_the_server_of_the_compose_file_starts_and_asks_for_its_word(tmp_path: Path) -> None:
    """Its command is one that a server takes, and writes what it is told to disk."""
    service = compose()["services"]["valkey"]
    shell, flag, line = service["command"]
    port = free_port()
    line = line.replace("$$", "$").replace("/tmp/", f"{tmp_path}/").replace("/data", str(tmp_path))
    line = line.replace("valkey-server", server_binary()) + f" --port {port}"
    env = {**os.environ, "VALKEY_AUTH": "sesame"}
    with subprocess.Popen(
        [shell, flag, line], env=env, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert any("Ready to accept connections" in said for said in server.stdout)
        try:
            with redis.Redis(port=port, password="sesame") as client:
                assert client.config_get("appendonly") == {"appendonly": "yes"}
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            with pytest.raises(redis.AuthenticationError), redis.Redis(port=port) as stranger:
                stranger.ping()
        finally:
            server.terminate()
    assert (tmp_path / "auth.conf").stat().st_mode & 0o077 == 0


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


@pytest.mark.long
def test_what_the_image_is_built_of_and_runs_works_here(tmp_path: Path) -> None:
    """Its steps in a directory and an environment of their own, with what is lent for speed."""
    source, wheels, home = (tmp_path / name for name in ("src", "wheels", "trading"))
    source.mkdir()
    home.mkdir()
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for word, rest in steps():
        if word == "COPY" and not rest.startswith("--from"):
            *names, _ = rest.split()
            for name in names:
                into = home if name.startswith("examples/") else source
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, into / Path(name).name)
        elif word == "RUN" and " pip " in rest:
            # Nothing is fetched: it is built and installed with what is here
            line = rest.replace("/wheels", str(wheels)).replace(' "nautilus_trader==$NAUTILUS"', "")
            line = line.replace("python -m pip wheel", f"{sys.executable} -m pip wheel --no-index")
            line = line.replace("pip wheel", "pip wheel --no-build-isolation")
            with_pip = f"{sys.executable} -m pip --python {python} install --no-deps --no-index"
            line = line.replace("python -m pip install", with_pip)
            subprocess.run(line, shell=True, cwd=source, env=env, check=True, capture_output=True)
    tag = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = tmp_path / "venv" / "lib" / tag / "site-packages"
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    services = compose()["services"]
    path = f"{python.parent}{os.pathsep}{env['PATH']}"
    with EmbeddedValkey(appendonly=True) as valkey:
        env |= {"PATH": path, "REDIS_URL": valkey.url, "PYTHONUNBUFFERED": "1"}

        def run(command: list[str]) -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                command, cwd=home, env=env, capture_output=True, text=True, check=False
            )

        _, *status = services["node"]["healthcheck"]["test"]
        checked = run(services["check"]["command"])
        assert checked.returncode == 0, checked.stdout + checked.stderr
        with subprocess.Popen(
            services["node"]["command"],
            cwd=home,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            log: list[str] = []
            for line in process.stdout:
                log.append(line)
                if "Recovery epoch" in line and "CLEAN" in line:
                    # The heartbeat that says so is written within `heartbeat_secs`
                    valkey.wait_for(lambda _: run(status).returncode == 0, timeout_secs=60.0)
                    process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0, "".join(log)
        assert run(status).returncode == 3  # It has stopped
        assert f"nautilus_trader: {version('nautilus_trader')}" in "".join(log)
