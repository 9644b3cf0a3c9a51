"""
Of which trader a command is to speak: `RECOVERY_TRADER`, unless it is told.
"""

import json
import time
from typing import Any

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.support import Recording


COMMANDS: dict[str, tuple[str, ...]] = {
    "inspect": (),
    "status": (),
    "history": (),
    "watch": ("--timeout", "0.2"),
    "release": ("ETHUSDT-PERP.PAPER", "--reason", "so it is", "--timeout", "0.2"),
    "resume": ("--reason", "so it is", "--timeout", "0.2"),
    "forget": ("--list",),
    "lease": (),
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
    client: Any = valkey.client()
    client.flushall()
    assert main([name, *COMMANDS[name], "--redis", valkey.url]) == 64
    asked = "Give --trader, or set RECOVERY_TRADER. "
    assert capsys.readouterr() == ("", f"{asked}No trader is on record there\n")
    for trader_id in ("A-001", "B-001"):
        Recording(valkey, trader_id).journal.beat(Heartbeat(1, 1, RecoveryPhase.COMPLETE))
    assert main([name, *COMMANDS[name], "--redis", valkey.url]) == 64
    assert capsys.readouterr() == ("", f"{asked}Traders on record: A-001, B-001\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_only_trader_on_record_is_taken_for_a_look_and_not_to_act(
    valkey: EmbeddedValkey,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """Whoever looks is told whose it is, and whoever acts has to say whom they mean."""
    monkeypatch.delenv("RECOVERY_TRADER", raising=False)
    client: Any = valkey.client()
    client.flushall()
    only = Recording(valkey, "ONLY-001", use_trader_prefix=False, instance_id="I-1")
    only.journal.beat(Heartbeat(1, 1, RecoveryPhase.COMPLETE))
    code = main([name, *COMMANDS[name], "--redis", valkey.url])
    err = capsys.readouterr().err
    if name in ("release", "resume"):
        assert code == 64
        assert "Trader on record: ONLY-001 --no-prefix --instance-id I-1\n" in err
    else:
        assert code != 64
        assert err.startswith(
            "No --trader was given: this is ONLY-001 --no-prefix --instance-id I-1, the only one"
        )


@pytest.mark.parametrize("name", ["status", "history", "watch", "release", "resume", "lease"])
def test_an_unknown_trader_is_told_with_those_on_record(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A wrong name is the most frequent mistake."""
    client: Any = valkey.client()
    client.flushall()
    for number in range(12):
        trader_id = f"KNOWN-{number:03}"
        Recording(valkey, trader_id).journal.beat(Heartbeat(1, 1, RecoveryPhase.COMPLETE))
    told = said(capsys, valkey, name, "--trader", "KNOWM-001")
    assert "Traders on record: KNOWN-000, KNOWN-001, " in told
    assert "KNOWN-009 and 2 more" in told


@pytest.mark.parametrize("name", ["repair", "forget", "inspect"])
def test_what_would_act_on_an_unknown_trader_names_those_on_record(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """And does not say that there is nothing to do."""
    client: Any = valkey.client()
    client.flushall()
    Recording(valkey, "KNOWN-001").journal.beat(Heartbeat(1, 1, RecoveryPhase.COMPLETE))
    more = ("--all-that-stop",) if name == "forget" else ()
    code = main([name, *more, "--trader", "KNOWM-001", "--redis", valkey.url])
    assert code == 2
    assert "KNOWN-001" in capsys.readouterr().err


def test_the_traders_on_record_are_listed_with_where_they_stand(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in one line, also those with options of their own."""
    client: Any = valkey.client()
    client.flushall()
    assert main(["traders", "--redis", valkey.url]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("No trader is on record there")
    now = time.time_ns()
    live, old = Recording(valkey, "LIVE-001"), Recording(valkey, "OLD-1", instance_id="I-1")
    live.journal.beat(Heartbeat(now, 7, RecoveryPhase.VERIFYING))
    old.journal.beat(Heartbeat(now - 7_200_000_000_000, 12, RecoveryPhase.FAILED))
    client.set("trader-BROKEN-1:general:recovery:heartbeat", b"\x1b[31m{")
    assert main(["traders", "--redis", valkey.url]) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "Trader                   State         Epoch  Heartbeat  Result",
        "BROKEN-1                 NO_HEARTBEAT  -      -          -",
        "LIVE-001                 CLOSED        7      now        VERIFYING",
        "OLD-1 --instance-id I-1  NO_HEARTBEAT  12     2 h ago    FAILED",
    ]
    assert main(["traders", "--redis", valkey.url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["options"] for one in told] == [
        "--trader BROKEN-1",
        "--trader LIVE-001",
        "--trader OLD-1 --instance-id I-1",
    ]
    assert (told[1]["state"], told[1]["epoch"]) == ("CLOSED", 7)


def test_a_trader_of_the_environment_that_is_not_text_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is given."""
    monkeypatch.setenv("RECOVERY_TRADER", "X-\udcff")
    with pytest.raises(SystemExit):
        main(["inspect"])
    assert "it must be UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--trader", "X-1", "--instance-id"),
        ("history", "--trader", "X-1", "--redis"),
        ("check", "--upgrade", "--trader"),
        ("serve", "--port", "0", "--redis"),
        ("traders", "--redis"),
    ],
)
def test_what_is_not_text_is_refused_before_it_is_sent(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """A shell passes on any bytes."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "X-\udcff"])
    assert ended.value.code == 64
    assert "it must be UTF-8" in capsys.readouterr().err


def test_who_is_not_found_among_so_many_keys_may_be_there(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Whoever lists the traders is told that not all keys were looked at.
    """
    monkeypatch.delenv("RECOVERY_TRADER", raising=False)
    monkeypatch.setattr("nautilus_recovery_actor.outside.record.traders._LOOK", 10)
    monkeypatch.setattr("nautilus_recovery_actor.outside.record.traders._SLICE", 10)
    with valkey.client() as client:
        client.flushall()
        client.mset({f"foreign:{number}": "" for number in range(500)})
    assert main(["traders", "--redis", valkey.url]) == 2
    assert "There may be more traders on 127.0.0.1:" in capsys.readouterr().err
    assert main(["status", "--redis", valkey.url]) == 64
    assert "No trader is on record there (only the first 10 keys" in capsys.readouterr().err
    Recording(valkey, "A-001").journal.beat(Heartbeat(1, 1, RecoveryPhase.COMPLETE))
    assert main(["status", "--redis", valkey.url]) == 64  # Who knows whether it is the only one
    assert "(only the first 10 keys" in capsys.readouterr().err
