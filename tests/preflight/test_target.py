"""
A node for a target: all of it is seen, and it reaches nothing and does not run.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.preflight.nodes import CODES
from tests.preflight.nodes import actor
from tests.preflight.nodes import good
from tests.preflight.test_check import HERE
from tests.preflight.test_check import process


NOT_HELD_BACK = {"STRATEGY_NOT_HELD_BACK": "WARN", "CLIENT_ORDER_IDS_CAN_REPEAT": "WARN"}


def own(out: str) -> dict[str, str]:
    found: list[dict[str, Any]] = json.loads(out)["findings"]
    return {f["code"]: f["severity"] for f in found if f["code"] in CODES}


# NautilusTrader refuses to make a node without a loop in a process in which tests run
def looked_at(name: str, url: str = "") -> dict[str, str]:
    arguments = (f"{HERE}:{name}", "--json", "--timeout", "0.5")
    code, out, err = process(*arguments, REDIS_URL=url)
    assert code in (0, 2), err
    assert "it runs" not in out
    return own(out)


@pytest.mark.parametrize("name", ["runs", "runs_in_a_loop"])
def test_what_a_program_adds_to_its_node_is_seen_and_it_is_not_run(name: str) -> None:
    """
    Its server does not answer, and its monitor has one too: a node itself would try for minutes.
    """
    assert looked_at(name) == NOT_HELD_BACK


def test_a_node_that_waits_for_its_recovery_is_seen_to() -> None:
    """
    The call of `halt_until_recovered` shows in a node, and needs no option.
    """
    assert looked_at("halted") == {"CLIENT_ORDER_IDS_CAN_REPEAT": "WARN"}


def test_no_lease_is_taken_of_a_node_that_is_looked_at(valkey: EmbeddedValkey) -> None:
    """
    Nothing is written to the server of the node, which another may run on.
    """
    assert looked_at("at_redis", valkey.url) == NOT_HELD_BACK
    with valkey.client() as client:
        assert client.keys("*") == []


def test_what_a_configuration_cannot_show_is_no_error(
    tmp_path: Path, valkey: EmbeddedValkey, capfd: pytest.CaptureFixture[str]
) -> None:
    """
    A program may add its monitor and its strategies later; one with other actors would have it.
    """
    path = tmp_path / "node.json"

    def found(**fields: Any) -> tuple[int, str]:
        path.write_bytes(good(valkey.database_config(), strategies=[], **fields).json())
        code = main(["check", str(path), "--json"])
        return code, capfd.readouterr().out

    code, out = found(actors=[])
    assert (code, own(out)) == (0, {"MONITOR_NOT_SEEN": "WARN", "STRATEGIES_NOT_SEEN": "INFO"})
    assert out.count("give a function that returns the TradingNode, or runs it") == 2
    code, out = found(actors=[actor(path="tests.preflight.nodes:Other")])
    assert (code, own(out)) == (2, {"MONITOR_MISSING": "BLOCK", "STRATEGIES_NOT_SEEN": "INFO"})


def test_a_node_is_itself_again_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    """
    What is replaced while a target is looked at is put back, whatever the target does.
    """
    names = ("__init__", "run", "run_async", "stop", "dispose")
    kept = {name: getattr(TradingNode, name) for name in names}
    assert main(["check", f"{HERE}:leaks"]) == 2
    assert {name: getattr(TradingNode, name) for name in names} == kept


def test_a_module_that_runs_its_node_when_it_is_imported_is_refused(tmp_path: Path) -> None:
    """
    The line says where that belongs.
    """
    (tmp_path / "imported_bot.py").write_text(
        "from tests.preflight.targets import node\nnode().run()\n"
    )
    code, _, err = process("imported_bot:anything", cwd=tmp_path)
    assert code == 2
    line = err.splitlines()[-1]
    assert line.startswith("imported_bot runs its node when it is imported: put that under")
