"""
The command ``init``: what it prints can be pasted, and then nothing stops the start.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import Severity
from nautilus_recovery_actor import preflight
from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.console.python_text import PythonText
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.preflight import unready
from tests.preflight.nodes import CODES
from tests.preflight.nodes import good


HERE = "tests.preflight.unready"
Init = Callable[..., str]


@pytest.fixture
def init(
    valkey: EmbeddedValkey, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Init:
    """
    Run the command, and return what it prints.
    """
    monkeypatch.setenv("REDIS_URL", valkey.url)

    def run(*arguments: str) -> str:
        assert main(["init", *arguments]) == 0
        out, err = capfd.readouterr()
        assert unready.SECRET not in out + err
        return str(out)

    return run


def pasted(text: str, monkeypatch: pytest.MonkeyPatch) -> TradingNodeConfig:
    for name in re.findall(r'os\.environ\["(\w+)"\]', text):
        monkeypatch.setenv(name, "given")
    names: dict[str, Any] = {}
    exec(compile(text, "pasted", "exec"), names)
    config = names["config"]
    assert isinstance(config, TradingNodeConfig)
    return config


def errors(config: TradingNodeConfig) -> set[str]:
    findings = preflight(config).findings
    return {f.code for f in findings if f.severity is Severity.BLOCK and f.code in CODES}


@pytest.mark.parametrize("name", ["futures", "spot", "okx", "sandbox"])
def test_what_is_printed_has_no_errors_left(
    init: Init, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """
    Each has errors before. What still warns is named as to be done by hand.
    """
    given = getattr(unready, name)()
    assert errors(given)
    text = init(f"{HERE}:{name}")
    config = pasted(text, monkeypatch)
    assert errors(config) == set()
    for finding in preflight(config).findings:
        if finding.severity is Severity.WARN and finding.code in CODES:
            assert f"# - {finding.code} {finding.subject}" in text
    assert config.trader_id == given.trader_id
    assert config.exec_clients.keys() == given.exec_clients.keys()


def test_values_that_are_there_are_kept_and_a_change_says_why(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is secret is read from the environment.
    """
    text = init(f"{HERE}:futures")
    config = pasted(text, monkeypatch)
    assert config.cache is not None
    assert config.cache.encoding == "json"
    assert config.cache.database == unready.database()
    assert config.exec_engine.reconciliation_lookback_mins == 1440
    client: Any = config.exec_clients["BINANCE"]
    assert (client.api_key, client.api_secret) == ("given", "given")
    assert (
        client.instrument_provider == unready.futures().exec_clients["BINANCE"].instrument_provider
    )
    assert config.strategies[0].config["external_order_claims"] == [unready.FUTURE]
    told = " ".join(line.strip().removeprefix("#").strip() for line in text.splitlines())
    assert (
        "CHANGED reconciliation, which was False: Nothing is compared with the venue: the node "
        "trades on what it last knew. (RECONCILIATION_OFF)"
    ) in told
    assert 'os.environ["BINANCE_API_SECRET"]' in text


def test_what_an_adapter_demands_is_set(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    As the table of adapters has it, for each another thing.
    """
    spot = pasted(init(f"{HERE}:spot"), monkeypatch)
    assert spot.exec_engine.generate_missing_orders is False
    assert "external_order_claims" not in spot.strategies[0].config
    okx = pasted(init(f"{HERE}:okx"), monkeypatch)
    assert okx.exec_clients["OKX"].instrument_provider.load_all
    assert okx.actors[0].config == {"lease": True, "startup_timeout_secs": 60.0}
    sandbox = pasted(init(f"{HERE}:sandbox"), monkeypatch)
    assert sandbox.cache is not None
    assert sandbox.cache.database is None


def test_what_a_configuration_cannot_do_is_left_to_the_user(init: Init) -> None:
    """
    It says what, and how.
    """
    text = init(f"{HERE}:spot")
    told = " ".join(line.removeprefix("#").strip() for line in text.splitlines())
    assert "To be done by hand" in told
    assert "- STRATEGY_NOT_HELD_BACK Plain-001: It is not a RecoverableStrategy" in told
    assert "Derive it from RecoverableStrategy, or call halt_until_recovered(node)" in told
    assert "STRATEGY_NOT_HELD_BACK" not in init(f"{HERE}:spot", "--halted")


def test_what_would_only_make_place_for_another_warning_is_left_to_the_user(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Spot wants no made-up orders and futures do: no setting of one node suits both.
    """
    text = init(f"{HERE}:spot_and_futures")
    assert pasted(text, monkeypatch).exec_engine.generate_missing_orders
    assert "# - SPOT_POSITIONS_MADE_UP exec_clients: BINANCE" in text
    assert "CHANGED generate_missing_orders" not in text


def test_a_node_without_anything_gets_a_server_to_be_named(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    And the monitor, and is told where its strategies are to be looked at.
    """
    text = init(f"{HERE}:without_a_server")
    assert "Name your server. (NO_DATABASE)" in " ".join(text.split()).replace(" # ", " ")
    assert "STRATEGIES_NOT_SEEN" in text
    config = pasted(text, monkeypatch)
    assert config.cache is not None
    assert config.cache.database is not None
    assert config.actors[0].actor_path == "nautilus_recovery_actor:RecoveryMonitorActor"


def test_a_file_is_answered_in_python(
    init: Init, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, valkey: EmbeddedValkey
) -> None:
    """
    And so is what was pasted, written to a file: there is nothing to change then.
    """
    path = tmp_path / "node.json"
    path.write_bytes(unready.as_a_file().json())
    config = pasted(init(str(path)), monkeypatch)
    assert errors(config) == set()
    path.write_bytes(config.json())
    assert init(str(path)).splitlines()[0] == "# FILE-001: nothing to change"
    path.write_bytes(good(valkey.database_config()).json())
    assert init(str(path)) == "# CHECKED-001: nothing to change\n"


@pytest.mark.parametrize("name", ["futures", "spot", "okx", "sandbox"])
def test_what_was_pasted_is_not_changed_again(
    init: Init, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """
    One time is enough.
    """
    text = init(f"{HERE}:{name}")
    pasted(text, monkeypatch)
    (tmp_path / f"pasted_{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    again = init(f"pasted_{name}:config")
    assert again.splitlines()[0].endswith("-001: nothing to change")


def test_what_has_no_text_is_named_and_the_rest_stays_python() -> None:
    """
    Of times, paths, classes and identifiers the text is what makes them.
    """
    values = {
        "span": timedelta(minutes=5),
        "directory": Path("/var/lib/bot"),
        "kind": Strategy,
        "account": AccountId("X-001"),
        "bar_type": BarType.from_str("ETHUSDT.X-1-MINUTE-LAST-EXTERNAL"),
        "share": Decimal("0.1"),
        "proxy": f"http://me:{unready.SECRET}@proxy:1",
        "names": {"a", "b"},
        "nothing": set(),
        "one": ("x",),
        "made": object(),
    }
    writer = PythonText({}, {})
    text = writer.value(values, ("client",), 0)
    assert unready.SECRET not in text
    os.environ["CLIENT_PROXY"] = "given"
    names: dict[str, Any] = {}
    exec("\n".join([*writer.imports(), f"value = {text}"]), names)
    del os.environ["CLIENT_PROXY"]
    assert names["value"] == {**values, "proxy": "given", "made": ...}
    assert writer.unwritten == ["client.made (a object)"]


def test_the_difference_alone(init: Init) -> None:
    """
    As `diff` prints it; without any there is nothing to print.
    """
    lines = init(f"{HERE}:futures", "--diff").splitlines()
    assert lines[:2] == ["--- as it is", "+++ as a restart needs it"]
    assert "-        reconciliation=False," in lines
    assert any(line.startswith("+    # CHANGED reconciliation") for line in lines)
    assert init(f"{HERE}:ready", "--diff") == "# CHECKED-001: nothing to change\n"
    assert init(f"{HERE}:ready") == "# CHECKED-001: nothing to change\n"


def test_what_a_node_has_beside_its_configuration_counts(valkey: EmbeddedValkey) -> None:
    """
    A strategy that its program adds is to be changed in the program.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "nautilus_recovery_actor", "init", f"{HERE}:node"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**inherited, "REDIS_URL": valkey.url},
    )
    assert done.returncode == 0, done.stderr
    assert "# - STRATEGY_NOT_HELD_BACK Plain-001" in done.stdout
    assert "STRATEGIES_NOT_SEEN" not in done.stdout
    assert "RecoveryMonitorActor" in done.stdout
    with valkey.client() as client:
        assert client.keys("*") == []
