"""
What is secret stays so, whatever text it gets into.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.outside.checks.native_ids import check_bar_types
from nautilus_recovery_actor.outside.checks.native_ids import check_trader_id
from nautilus_recovery_actor.outside.checks.redact import error_text
from nautilus_recovery_actor.outside.checks.redact import is_secret
from nautilus_recovery_actor.outside.checks.redact import secrets_in
from nautilus_recovery_actor.outside.checks.redact import without_secrets


class Database(msgspec.Struct):
    host: str
    password: str | None


class Node(msgspec.Struct):
    cache: Database
    clients: dict[str, Any]
    strategies: list[Any]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True),
        ("REDIS_PASS", True),
        ("api_secret", True),
        ("api_key", True),
        ("APIKEY", True),
        ("access_token", True),
        ("private_key", True),
        ("passphrase", True),
        ("host", False),
        ("trader_id", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    """
    A field or a variable is told by its name.
    """
    assert is_secret(name) == secret


def test_secrets_are_found_however_deep() -> None:
    """
    In structs, mappings and sequences.
    """
    node = Node(
        cache=Database("db", "one"),
        clients={"X": {"api_key": "two", "base_url": "wss://x", "retries": 3}},
        strategies=[({"token": "three"},), Database("db", None)],
    )
    assert sorted(secrets_in(node)) == ["one", "three", "two"]


def test_what_contains_itself_ends() -> None:
    """
    Nothing is looked for beyond a dozen levels.
    """
    value: dict[str, Any] = {"password": "x"}
    value["more"] = value
    assert set(secrets_in(value)) == {"x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redis://me:pw@db:6379/0 refused", "redis://***@db:6379/0 refused"),
        ("rediss://:p@ss/w@db", "rediss://***@db"),
        ("(redis://u:p@h)", "(redis://***@h)"),
        ("redis://db:6379", "redis://db:6379"),
        ("me@desk", "me@desk"),
        ("one\ntwo\x1b[31m\tthree\x00", "one two [31m three"),
        ("  ", ""),
    ],
)
def test_a_text_in_one_line(text: str, said: str) -> None:
    """
    URLs lose their user and password, and terminals are not moved.
    """
    assert without_secrets(text) == said


def test_the_longer_secret_goes_first() -> None:
    """
    One that is a part of another leaves nothing of it.
    """
    assert without_secrets("abcdef abc", ["abc", "abcdef", ""]) == "*** ***"


@given(st.text(), st.text(), st.text(min_size=4).filter(lambda text: text.strip("* ")))
def test_no_secret_is_left(before: str, after: str, secret: str) -> None:
    """
    Whatever it is, and wherever it is.
    """
    left = without_secrets(f"{before}{secret}{after}", [secret])
    assert secret not in left.replace("***", "\n") or secret in f"{before}{after}"


@pytest.mark.parametrize("trader_id", ["", "X", "-1", "X-", "é-1", "-"])
def test_a_text_that_is_no_trader_id(trader_id: str) -> None:
    """
    NautilusTrader would end the process.
    """
    with pytest.raises(ValueError, match="an ASCII name and a tag"):
        check_trader_id(trader_id)
    check_trader_id("TRADER-001")
    check_trader_id("MY-TRADER-001")


def test_a_bar_type_without_a_step() -> None:
    """
    NautilusTrader 1.221 would end the process.
    """
    for value in (
        "X.Y-0-MINUTE-LAST-EXTERNAL",
        {"X.Y-00-TICK-LAST-INTERNAL": 1},
        [{"a": ("X.Y-5-MINUTE-LAST-INTERNAL@0-MINUTE-LAST-EXTERNAL", "X.Y-0-DAY-BID-EXTERNAL")}],
    ):
        with pytest.raises(ValueError, match="has a step of zero"):
            check_bar_types(value)
    check_bar_types(["X.Y-10-MINUTE-LAST-EXTERNAL", "O-0-X", 0, None])


class UntoldError(Exception):
    """Cannot be told."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such thing"), "ValueError: no such thing"),
        (ValueError(), "ValueError"),
        (UntoldError(), "UntoldError"),
    ],
)
def test_what_an_exception_says(error: Exception, said: str) -> None:
    """One that cannot even say that is told by its type."""
    assert error_text(error) == said
