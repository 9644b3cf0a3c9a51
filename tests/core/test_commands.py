import getpass
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.link.command import OperatorCommand
from tests.core.builders import ETH


TS = 1_700_000_000_123_456_789
UUID = "0d0e6f0c-8c2e-4ef1-9c40-8b1d0a2f6c11"

FIELDS: dict[str, Any] = {
    "trader_id": "TRADER-001",
    "command_id": UUID,
    "action": "release",
    "instrument_id": ETH,
    "reason": "the venue confirms it",
    "secs": 900.0,
    "operator": "ada@desk",
    "ts_event": TS,
    "ts_init": TS + 1,
}
OTHERS: dict[str, dict[str, Any]] = {
    "release": {},
    "withdraw": {"action": "withdraw", "secs": 0.0},
    "resume": {"action": "resume", "secs": 0.0, "instrument_id": ""},
    "repair": {"action": "repair", "secs": 0.0, "plan_id": "0123456789ab"},
    "repair all": {"action": "repair", "secs": 0.0, "instrument_id": "", "plan_id": "0123"},
}


def command(**fields: Any) -> OperatorCommand:
    return OperatorCommand(**{**FIELDS, **fields})


def test_command_has_the_fields_it_was_made_of() -> None:
    """
    It gives back what it was given.
    """
    one = command()
    assert {name: getattr(one, name) for name in FIELDS} == FIELDS


@pytest.mark.parametrize("action", OTHERS)
def test_command_reads_back_equal_from_a_dictionary_and_from_bytes(action: str) -> None:
    """
    Nothing is lost either way, and the dictionary tells its type.
    """
    one = command(**OTHERS[action], ts_expires=TS + 7)
    values = one.to_dict()
    assert list(values) == ["type", *FIELDS, "ts_expires", "plan_id"]
    assert values["type"] == "OperatorCommand"
    assert OperatorCommand.from_dict(values) == one
    assert OperatorCommand.from_bytes(one.to_bytes()) == one


def test_commands_are_equal_only_to_their_like() -> None:
    """
    Every field counts, and equal commands have one hash.
    """
    assert command() == command()
    assert hash(command()) == hash(command())
    assert command() != command(secs=901.0)
    assert command() != command(ts_event=TS - 1)
    assert command() != "OperatorCommand"


def test_command_names_itself_in_a_log() -> None:
    """
    The text of a command says who wants what for how long, and why.
    """
    assert repr(command()) == (
        f"OperatorCommand(trader_id=TRADER-001, action=release, instrument_id={ETH}, secs=900, "
        "operator=ada@desk, reason='the venue confirms it')"
    )


def test_what_a_newer_version_adds_is_passed_over() -> None:
    """
    A command line that is newer than the node can still release.
    """
    assert OperatorCommand.from_dict(command().to_dict() | {"added_later": [1]}) == command()


def test_a_command_expires_ten_seconds_after_it_was_made_unless_it_says_when() -> None:
    """
    What a node hears late can be told from what its sender still waits for.
    """
    default = command()
    assert default.ts_expires == TS + 1 + 10_000_000_000
    assert not default.is_expired(default.ts_expires - 1)
    assert default.is_expired(default.ts_expires)
    assert command(ts_expires=TS + 5).is_expired(TS + 5)
    values = default.to_dict()
    del values["ts_expires"]
    assert OperatorCommand.from_dict(values) == default


@pytest.mark.parametrize(
    "text", [ETH, "BRK.B.XNAS", "A B.C", "ETHUSDT", ".PAPER", "ETH.", " .PAPER", "ETH. ", "."]
)
def test_an_instrument_is_named_as_in_nautilus_trader(text: str) -> None:
    """
    What cannot be one of its IDs cannot be released, and whatever is one can.
    """
    try:
        InstrumentId.from_str(text)
    except ValueError:
        with pytest.raises(ValueError, match="is not an instrument ID"):
            command(instrument_id=text)
    else:
        assert command(instrument_id=text).instrument_id == text


def test_a_new_command_has_an_id_of_its_own_and_says_who_and_when() -> None:
    """
    What an operator need not give is filled in.
    """
    one = OperatorCommand.new("TRADER-001", "release", "because", ETH, 60, valid_secs=2.5)
    two = OperatorCommand.new("TRADER-001", "resume", "because", operator="ada")
    assert one.command_id != two.command_id
    assert one.ts_event == one.ts_init <= two.ts_init
    assert one.ts_expires - one.ts_init == 2_500_000_000
    user, at, host = one.operator.partition("@")
    assert user
    assert at
    assert host
    assert two.operator == "ada"
    assert (two.instrument_id, two.secs) == ("", 0)


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_unknown(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A container may run under a number, and its operator can release all the same.
    """

    def getuser() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", getuser)
    assert OperatorCommand.new("T-1", "resume", "because").operator.startswith("unknown@")


SENSELESS: dict[str, tuple[dict[str, Any], str]] = {
    "action": ({"action": "open"}, "Unknown action 'open': use release, withdraw, resume"),
    "no trader": ({"trader_id": ""}, "No trader: give the trader ID of the node"),
    "no reason": ({"reason": " "}, "No reason: say in one line"),
    "lines": ({"reason": "a\nb"}, "Unprintable reason: say in one line"),
    "escape": ({"reason": "\x1b[31mred"}, "Unprintable reason: say in one line"),
    "no operator": ({"operator": ""}, "No operator: say in one line"),
    "no instrument": ({"instrument_id": ""}, "No instrument: name one"),
    "withdraw what": (OTHERS["withdraw"] | {"instrument_id": ""}, "No instrument: name one"),
    "no venue": ({"instrument_id": "ETHUSDT"}, "'ETHUSDT' is not an instrument ID: give symbol"),
    "resume what": (OTHERS["resume"] | {"instrument_id": ETH}, "A resume concerns the whole"),
    "no uuid": ({"command_id": "7"}, "The command ID '7' is not a UUID"),
    "no time": ({"secs": 0}, "A release cannot last 0 s: give more than 0 and at most 24 hours"),
    "negative": ({"secs": -1}, "A release cannot last -1 s: give more than 0"),
    "nan": ({"secs": math.nan}, "A release cannot last nan s: give more than 0"),
    "inf": ({"secs": math.inf}, "A release cannot last inf s: give more than 0"),
    "too long": ({"secs": 86_400.1}, "A release cannot last 86400.1 s: give more than 0"),
    "withdraw time": (
        {"action": "withdraw"},
        "Only a release has a duration: give withdraw a time of 0 s",
    ),
    "resume time": (
        OTHERS["resume"] | {"secs": math.nan},
        "Only a release has a duration: give resume a time of 0 s",
    ),
}


@pytest.mark.parametrize("name", SENSELESS)
def test_a_senseless_command_cannot_be_made_and_one_line_says_what_to_do(name: str) -> None:
    """
    Neither from fields nor from what was sent, so a monitor never sees one.
    """
    fields, told = SENSELESS[name]
    with pytest.raises(ValueError) as made:  # noqa: PT011
        command(**fields)
    assert str(made.value).startswith(told)
    assert str(made.value).isprintable()
    with pytest.raises(ValueError):  # noqa: PT011
        OperatorCommand.from_dict({"type": "OperatorCommand", **FIELDS, **fields})


@pytest.mark.parametrize("secs", [1, 0.001, 86_400])
def test_a_release_lasts_up_to_a_day(secs: float) -> None:
    """
    Any time above zero and up to 24 hours will do.
    """
    assert command(secs=secs).secs == secs


@pytest.mark.parametrize("name", FIELDS)
def test_a_command_that_lacks_a_field_or_has_it_of_another_type_is_damaged(name: str) -> None:
    """
    The text names the field.
    """
    lacking = {key: value for key, value in FIELDS.items() if key != name}
    for values in (lacking, FIELDS | {name: [1]}):
        with pytest.raises(ValueError, match=f"Damaged OperatorCommand: .*{name}"):
            OperatorCommand.from_dict(values)


@given(
    st.binary(max_size=60)
    | st.just(b"[1]")
    | st.just(b"null")
    | st.just(b'{"secs":"x"}')
    | st.just(b"[" * 100_000)
    | st.just(b'{"reason":"\xff"}')
)
def test_no_bytes_make_a_command_or_raise_anything_but_a_value_error(data: bytes) -> None:
    """
    Damage is one kind of error, which the node logs.
    """
    with pytest.raises(ValueError):  # noqa: PT011
        OperatorCommand.from_bytes(data)


@pytest.mark.parametrize("secs", [0.0, -1.0, float("inf"), float("nan"), 3_600.1, 1e300])
def test_an_answer_is_not_awaited_for_ever(secs: float) -> None:
    """
    A command that can be heard much later could be heard by another run of the node.
    """
    with pytest.raises(ValueError, match="at most 3600 s"):
        OperatorCommand.new("T-001", "resume", "stable", valid_secs=secs)


def test_a_command_that_expires_much_later_is_refused() -> None:
    """
    Whoever makes one by hand cannot make one that is good for ever.
    """
    made = OperatorCommand.new("T-001", "resume", "stable", valid_secs=3_600.0)
    values = made.to_dict()
    assert OperatorCommand.from_dict(values) == made
    values["ts_expires"] = int(values["ts_expires"]) + 1
    with pytest.raises(ValueError, match="at most 3600 s"):
        OperatorCommand.from_dict(values)
