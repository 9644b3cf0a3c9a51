"""
The command ``check``, in a process of its own.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import ImportableStrategyConfig

from nautilus_recovery_actor.console import findings
from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import PreflightReport
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.preflight.nodes import CODES
from tests.preflight.nodes import good
from tests.preflight.targets import SECRET


HERE = "tests.preflight.targets"


Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Check:
    """
    Run the command, and return its exit code and what it said.
    """

    def run(*arguments: str, **env: str) -> tuple[int, str, str]:
        for name, value in {"COLUMNS": "80", **env}.items():
            monkeypatch.setenv(name, value)
        code = main(["check", *arguments])
        return (code, *_safe(*capfd.readouterr()))

    return run


def process(*arguments: str, cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
    """
    Run the command in a process of its own.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nautilus_recovery_actor", "check", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        check=False,
        env={
            **inherited,
            **env,
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)]),
            "PYTHONUNBUFFERED": "",  # As a user has it
        },
    )
    return (done.returncode, *_safe(done.stdout, done.stderr))


def _safe(out: str, err: str) -> tuple[str, str]:
    assert "Traceback" not in out + err
    assert SECRET not in out + err
    return out, err


def written(directory: Path, valkey: EmbeddedValkey, **fields: Any) -> str:
    path = directory / "node.json"
    path.write_bytes(good(valkey.database_config(), **fields).json())
    return str(path)


def own(out: str) -> dict[str, str]:
    return {f["code"]: f["severity"] for f in json.loads(out)["findings"] if f["code"] in CODES}


def test_a_file_in_which_nothing_is_found(
    check: Check, tmp_path: Path, valkey: EmbeddedValkey
) -> None:
    """
    The configuration of a node as JSON is read as NautilusTrader reads it.
    """
    code, out, _ = check(written(tmp_path, valkey), "--json")
    assert code == 0
    assert own(out) == {}
    assert json.loads(out)["trader_id"] == "CHECKED-001"


def test_the_exit_code_tells_the_worst(
    check: Check, tmp_path: Path, valkey: EmbeddedValkey
) -> None:
    """
    Warnings count with ``--strict`` only, and a block always.
    """
    warns = written(tmp_path, valkey, engine={"open_check_interval_secs": None})
    assert check(warns)[0] == 0
    assert check(warns, "--strict")[0] == 1
    blocks = written(tmp_path, valkey, engine={"reconciliation": False})
    assert check(blocks)[0] == 2
    assert check(blocks, "--strict")[0] == 2


@pytest.mark.parametrize("name", ["config", "factory", "prints_at_its_end"])
def test_a_configuration_or_a_function_that_returns_one(check: Check, name: str) -> None:
    """
    What the target prints does not get into the answer, nor does the password of its server.
    """
    code, out, err = process(f"{HERE}:{name}", "--json", "--timeout", "1")
    assert code == 2
    assert own(out) == {}
    assert "127.0.0.1:1" in out
    assert "noise of the target" in err
    assert ("noise of the end" in err) == (name == "prints_at_its_end")


def test_a_function_that_returns_strategies_too(check: Check) -> None:
    """
    They count as those of the configuration do, and a halt can be told.
    """
    _, out, _ = check(f"{HERE}:pair", "--json", "--timeout", "1")
    assert own(out) == {"STRATEGY_NOT_HELD_BACK": "WARN", "CLIENT_ORDER_IDS_CAN_REPEAT": "WARN"}
    _, out, _ = check(f"{HERE}:pair", "--json", "--halted", "--timeout", "1")
    assert own(out) == {"CLIENT_ORDER_IDS_CAN_REPEAT": "WARN"}


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere.at_all:config", "nowhere.at_all cannot be imported: ModuleNotFoundError"),
        (
            "nowhere.at_all:config",
            (
                "nowhere.at_all cannot be imported: ModuleNotFoundError: "
                "No module named 'nowhere': run this in the directory of nowhere, or set PYTHONPATH"
            ),
        ),
        (f"{HERE}:nothing", f"{HERE} has no 'nothing': give package.module:name"),
        (HERE, f"'{HERE}' is not a target: give package.module:name or the path of a JSON file"),
        (":config", "':config' is not a target"),
        ("", "'' is not a target"),
        (f"{HERE}:text", f"{HERE}:text is of type str: it must be a TradingNodeConfig"),
        (f"{HERE}:number_of_things", f"{HERE}:number_of_things is of type int"),
        (f"{HERE}:needs", f"{HERE}:needs needs arguments: give a function without required ones"),
        (f"{HERE}:waits", f"{HERE}:waits is asynchronous"),
        (f"{HERE}:exits", f"{HERE}:exits raised SystemExit: 3"),
        (f"{HERE}:leaks_in_its_text", f"{HERE}:leaks_in_its_text raised UntoldError"),
        (
            "live_node.py",
            "'live_node.py' is a Python file: give package.module:name, for example live_",
        ),
        ("src/live_node.py:node", "'src/live_node.py:node' is a Python file: give package.module:"),
        (f"{HERE}:leaks_env", f"{HERE}:leaks_env raised ConnectionError: refused ***"),
        ("nowhere.json", "nowhere.json cannot be read: No such file or directory"),
        ("nowhere\x1b[31m.json", "nowhere [31m.json cannot be read"),
    ],
)
def test_a_wrong_target_is_told_in_one_line(check: Check, target: str, said: str) -> None:
    """
    Whatever is wrong with it, one line says what, and the exit code is 2.
    """
    code, out, err = check(target, DEPLOY_TOKEN="sesame-open")
    lines = [line for line in err.splitlines() if "noise" not in line]
    assert code == 2
    assert out == ""
    assert len(lines) == 1
    assert lines[0].startswith(said)


def test_an_exception_of_the_target_tells_no_url_with_a_password(check: Check) -> None:
    """
    The user and the password in a URL are masked, and what follows stays in the line.
    """
    _, _, err = check(f"{HERE}:leaks", MY_PASSWORD=SECRET)
    assert err.splitlines()[-1] == (
        f"{HERE}:leaks raised ConnectionError: redis://***@db:6379/0 refused ****** and more"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff\xfe", "JSON is malformed"),
        (b'{"trader_id": "X-001", "cash": {}}', "it has the unknown field `cash`"),
        (b'{"cache": {"database": {"port": "hunter2"}}}', "Expected `int | null`, got `str`"),
        (b'{"actors": [{"config": ' + b'{"a":' * 100_000, "RecursionError"),
        (b'{"trader_id": "X"}', "must be an ASCII name and a tag"),
        (b'{"trader_id": "X-\xc3\xa9"}', "must be an ASCII name and a tag"),
    ],
)
def test_a_file_that_is_no_configuration_is_told_in_one_line(
    check: Check, tmp_path: Path, text: bytes, said: str
) -> None:
    """
    NautilusTrader's own decoder says what is wrong.
    """
    path = tmp_path / "node.json"
    path.write_bytes(text)
    code, out, err = check(str(path))
    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"{path} is not a TradingNodeConfig that NautilusTrader can read: ")
    assert said in err


def test_a_directory_is_no_file(check: Check, tmp_path: Path) -> None:
    """
    Nor is anything else that cannot be read.
    """
    (tmp_path / "node.json").mkdir()
    code, _, err = check(str(tmp_path / "node.json"))
    assert code == 2
    assert err.splitlines() == [f"{tmp_path / 'node.json'} cannot be read: Is a directory"]


def test_modules_of_the_current_directory_are_found(check: Check, tmp_path: Path) -> None:
    """
    A new user has the node's script where the command is called.
    """
    (tmp_path / "mynode.py").write_text(
        "from nautilus_trader.config import TradingNodeConfig\n"
        "config = TradingNodeConfig(trader_id='MINE-001')\n"
    )
    code, out, _ = process("mynode:config", "--json", cwd=tmp_path)
    assert code == 2
    assert json.loads(out)["trader_id"] == "MINE-001"
    assert own(out)["NO_DATABASE"] == "BLOCK"


def test_a_file_names_classes_of_the_current_directory(
    tmp_path: Path, valkey: EmbeddedValkey
) -> None:
    """
    They are found by the console script too, which Python gives no directory.
    """
    (tmp_path / "mine.py").write_text("from tests.preflight.nodes import Trades, TradesConfig\n")
    own_strategy = ImportableStrategyConfig(
        strategy_path="mine:Trades", config_path="mine:TradesConfig", config={}
    )
    path = written(tmp_path, valkey, strategies=[own_strategy])
    code, out, _ = process(path, "--json", cwd=tmp_path)
    assert code == 0
    assert own(out) == {}


@pytest.mark.parametrize("how", ["table", "json", "github"])
def test_an_answer_that_nobody_reads_is_no_warning(how: str) -> None:
    """
    As in ``check ... | head``, after which a shell with pipefail looks at the exit code.
    """
    options = ("--format", how, "--timeout", "1")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nautilus_recovery_actor", "check", f"{HERE}:config", *options],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    _safe("", done.stderr)
    assert done.returncode == 141


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_table_fits_and_tells_everything(check: Check, columns: int) -> None:
    """
    The summary comes first, and no line is wider than the terminal, unless its one word is.
    """
    code, out, _ = check(f"{HERE}:pair", "--timeout", "1", COLUMNS=str(columns), NO_COLOR="1")
    lines = out.splitlines()
    assert code == 2
    assert lines[0].startswith("CHECKED-001: 1 finding blocks the start,")
    assert all(len(line) <= columns or len(line.split()) <= 2 for line in lines)
    assert "\x1b" not in out
    told = re.sub(r"\s+", " ", out)
    assert "STRATEGY_NOT_HELD_BACK" in told
    assert "Derive it from RecoverableStrategy, or call" in told


def test_the_annotations_are_those_of_github(
    check: Check, tmp_path: Path, valkey: EmbeddedValkey
) -> None:
    """
    A finding is an error, a warning or a notice with its code for a title.
    """
    path = written(tmp_path, valkey, engine={"reconciliation": False}, load_state=False)
    code, out, _ = check(path, "--format", "github")
    assert code == 2
    lines = out.splitlines()
    assert any(line.startswith("::error title=RECONCILIATION_OFF::exec_engine.") for line in lines)
    assert any(line.startswith("::notice title=STATE_KEPT_BY_CHECKPOINTS::") for line in lines)
    assert "block" in lines[-1]


def test_annotations_are_escaped() -> None:
    """
    No text can end its command and begin another.
    """
    finding = Finding(
        code="A:B,C",
        severity=Severity.WARN,
        subject="100%",
        message="one\n::error::two",
        consequence="\x1b[31mthree.",
        remedy="four.",
    )
    report = PreflightReport(trader_id="X-001", findings=(finding,), ts=1)
    assert list(findings.annotations(report)) == [
        "::warning title=A%3AB%2CC::100%25: one ::error::two [31mthree. four.",
        "X-001: nothing blocks the start, 1 warning",
    ]


@pytest.mark.parametrize(
    ("severities", "said"),
    [
        ("", "no findings"),
        ("I", "nothing blocks the start, 1 note"),
        ("BBW", "2 findings block the start, 1 warning"),
        ("BWWI", "1 finding blocks the start, 2 warnings, 1 note"),
    ],
)
def test_the_summary_counts(severities: str, said: str) -> None:
    """
    One line tells how bad it is.
    """
    kinds = {"B": Severity.BLOCK, "W": Severity.WARN, "I": Severity.INFO}
    found = tuple(
        Finding(code="A", severity=kinds[s], subject="", message="", consequence="", remedy="")
        for s in severities
    )
    report = PreflightReport(trader_id="X-001", findings=found, ts=1)
    assert findings.summary(report) == f"X-001: {said}"


def test_the_json_is_the_report(check: Check, tmp_path: Path, valkey: EmbeddedValkey) -> None:
    """
    A machine can read it back.
    """
    _, out, _ = check(written(tmp_path, valkey, engine={"reconciliation": False}), "--json")
    report = msgspec.json.decode(out, type=PreflightReport)
    assert report.is_blocked
    assert "RECONCILIATION_OFF" in report.codes
