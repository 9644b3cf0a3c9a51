"""
Of which trader a command is to speak: `RECOVERY_TRADER`, unless it is told.
"""

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey


COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": (),
    "status": (),
    "history": (),
    "watch": ("--timeout", "0.2"),
    "release": ("ETHUSDT-PERP.PAPER", "--reason", "so it is", "--timeout", "0.2"),
    "resume": ("--reason", "so it is", "--timeout", "0.2"),
    "forget": ("--list",),
}


def said(capsys: pytest.CaptureFixture[str], valkey: EmbeddedValkey, name: str, *more: str) -> str:
    main([name, *COMMANDS[name], *more, "--redis", valkey.url])
    captured = capsys.readouterr()
    return captured.out + captured.err


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_the_trader_of_the_environment_unless_it_is_named(
    valkey: EmbeddedValkey,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """The argument wins."""
    monkeypatch.setenv("RECOVERY_TRADER", "FROM-ENV")
    assert "FROM-ENV" in said(capsys, valkey, name)
    named = said(capsys, valkey, name, "--trader", "FROM-ARG")
    assert "FROM-ARG" in named
    assert "FROM-ENV" not in named


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("value", [None, ""])
def test_a_trader_is_asked_for_where_neither_says_one(
    valkey: EmbeddedValkey,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str | None,
) -> None:
    """An empty variable says nothing."""
    monkeypatch.delenv("RECOVERY_TRADER", raising=False)
    if value is not None:
        monkeypatch.setenv("RECOVERY_TRADER", value)
    with pytest.raises(SystemExit):
        main([name, *COMMANDS[name], "--redis", valkey.url])
    assert "required: --trader" in capsys.readouterr().err


def test_a_trader_of_the_environment_that_is_not_text_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is given."""
    monkeypatch.setenv("RECOVERY_TRADER", "X-\udcff")
    with pytest.raises(SystemExit):
        main(["inspect"])
    assert "it must be UTF-8" in capsys.readouterr().err
