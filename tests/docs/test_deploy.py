"""
The files of the deployment: they are what systemd and Kubernetes read, and never run a node twice.
"""

import configparser
import inspect
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from nautilus_trader.config import TradingNodeConfig

from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import run_supervised
from nautilus_recovery_actor.supervised.endings import Exit


DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
UNITS = sorted(path for path in DEPLOY.iterdir() if path.suffix in {".service", ".timer"})
NODE = "nautilus-live-001.service"


def unit(name: str) -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser()
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(DEPLOY / name)
    return parsed


def manifests() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {document["kind"]: document for document in documents}


def secs_to_stop() -> float:
    config = TradingNodeConfig()
    return config.timeout_disconnection + config.timeout_post_stop


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    """Only what it runs is not on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for one in UNITS:
        program = "/bin/true"
        lines = one.read_text().splitlines()
        words = ("ExecStart=", "ExecStartPre=")
        kept = [
            f"{line.partition('=')[0]}={program}" if line.startswith(words) else line
            for line in lines
        ]
        (tmp_path / one.name).write_text("\n".join(kept) + "\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_restart_can_fix_is_tried_again_and_nothing_else_is() -> None:
    """Each exit code of the page and of the module is in one of the two groups."""
    service = unit(NODE)["Service"]
    assert service["Restart"] == "on-failure"
    not_again = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert not_again == {2, *Exit} - {Exit.STOPPED, Exit.TRY_AGAIN}
    page = (DEPLOY.parents[1] / "docs" / "deploying.md").read_text()
    rows = re.findall(r"^\| (\d+) \|.*\| (yes|no)\b", page, re.MULTILINE)
    told = {int(code): again for code, again in rows}
    assert told == {0: "no", Exit.TRY_AGAIN: "yes", **dict.fromkeys(not_again, "no")}
    assert "SuccessExitStatus" not in service
    assert "WatchdogSec" not in service
    assert service["ExecStart"].endswith("supervised_node.py")


def test_a_restart_waits_until_the_heartbeat_of_a_killed_node_is_old() -> None:
    """Else the check takes it for another node that lives."""
    config = RecoveryMonitorConfig()
    assert float(unit(NODE)["Service"]["RestartSec"]) > 3 * config.heartbeat_secs


def test_a_node_whose_recovery_times_out_is_not_restarted_for_ever() -> None:
    """The limit counts starts within a time, and one start more than it allows has to fit in."""
    parsed = unit(NODE)
    limit, service = parsed["Unit"], parsed["Service"]
    start = RecoveryMonitorConfig().startup_timeout_secs + secs_to_stop()
    secs = float(limit["StartLimitBurst"]) * (start + float(service["RestartSec"]))
    assert secs * 1.5 < float(limit["StartLimitIntervalSec"])  # The check and the imports besides


def test_a_stop_has_more_time_than_the_node_takes() -> None:
    """Both supervisors wait longer than `run_supervised`, and that longer than NautilusTrader."""
    secs = inspect.signature(run_supervised).parameters["stop_timeout_secs"].default
    assert secs > secs_to_stop()
    assert float(unit(NODE)["Service"]["TimeoutStopSec"]) > 2 * secs
    assert float(unit(NODE)["Service"]["TimeoutStopSec"]) > 2 * secs_to_stop()
    pod = manifests()["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 2 * secs_to_stop()


def test_a_timer_looks_at_the_status() -> None:
    """The timer starts the service of its name, for which a recovery in progress is no failure."""
    assert unit("nautilus-live-001-status.timer")["Timer"]["OnUnitActiveSec"]
    service = unit("nautilus-live-001-status.service")["Service"]
    assert service["Type"] == "oneshot"
    assert service["SuccessExitStatus"].split() == ["1"]


def test_kubernetes_runs_one_node_at_a_time() -> None:
    """One replica of a stateful set, whose pod no probe kills."""
    spec = manifests()["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    (node,) = spec["template"]["spec"]["containers"]
    assert not {"livenessProbe", "startupProbe", "lifecycle"} & set(node)
    assert node["readinessProbe"]["exec"]["command"][:2] == ["nautilus-recovery", "status"]
    assert node["command"][0] == "python"  # No shell keeps a signal from it


def test_the_parts_of_the_manifest_belong_together() -> None:
    """Each selects the pod by its labels, and the check has the secrets of the node."""
    documents = manifests()
    spec = documents["StatefulSet"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    assert documents["Service"]["spec"]["selector"] == labels
    assert documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert spec["serviceName"] == documents["Service"]["metadata"]["name"]
    (node,), (check,) = (
        spec["template"]["spec"][kind] for kind in ("containers", "initContainers")
    )
    assert (check["image"], check["envFrom"]) == (node["image"], node["envFrom"])


def test_no_file_holds_a_secret() -> None:
    """Passwords come from the environment; those of the server are there to be changed."""
    for path in DEPLOY.iterdir():
        for line in path.read_text().splitlines():
            if "password" in line.lower() or re.search(r"(^|\s)>\S", line):
                assert "change-me" in line or line.lstrip().startswith("#"), line
