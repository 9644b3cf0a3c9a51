"""
Whose order a client order id names, and the count from which no run repeats one.
"""

import re
from datetime import UTC
from datetime import datetime

import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.order_ids import OrderIdForms
from nautilus_recovery_actor.core.order_ids import first_count
from nautilus_recovery_actor.core.order_ids import tag


NOW = 1_780_000_000_123_456_789
TAGS = st.text("0123456789AB", min_size=1, max_size=8)


def client_order_id(
    ts: int, count: int, trader: str = "001", strategy: str = "000", use_hyphens: bool = True
) -> str:
    """
    Return the id as NautilusTrader makes it.
    """
    time = datetime.fromtimestamp(ts // 1_000_000_000, UTC)
    hyphen = "-" if use_hyphens else ""
    parts = ["O", f"{time:%Y%m%d}", f"{time:%H%M%S}", trader, strategy, str(count)]
    return hyphen.join(parts)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [("TRADER-001", "001"), ("A-B-7", "7"), ("EXTERNAL", "EXTERNAL"), ("X-", "")],
)
def test_a_tag_is_what_follows_the_last_hyphen(identifier: str, expected: str) -> None:
    """
    As NautilusTrader has it.
    """
    assert tag(identifier) == expected


@pytest.mark.parametrize(
    ("value", "owners"),
    [
        ("O-20260101-120000-001-000-1", ("Trend-000",)),
        ("O-20260101-120000-001-000-123456789", ("Trend-000",)),
        ("O-20260101-120000-001-000-1-E2", ("Trend-000",)),
        ("O20260101120000001000987", ("Trend-000",)),
        ("O20260101120000001000987-E12", ("Trend-000",)),
        ("O-20260101-120000-001-A7-5", ("Carry-A7",)),
        ("O-20260101-120000-002-000-1", ()),  # Another trader
        ("O-20260101-120000-001-001-1", ()),  # Another strategy
        ("O-20260101-120000-001-000-01", ()),
        ("O-20260101-120000-001-000-", ()),
        ("O-20260101-120000-001-000", ()),
        ("O-2026011-120000-001-000-1", ()),
        ("O-20260101-120000-001-000-1-X", ()),
        ("OL-20260101-120000-001-000-1", ()),
        ("X-20260101-120000-001-000-1", ()),
        ("xO-20260101-120000-001-000-1", ()),
        ("O-20260101-120000-0010001", ()),
        ("2d89666b-1a1e-4a75-b193-4eb3b454c757", ()),
        ("", ()),
    ],
)
def test_an_order_is_of_the_strategy_whose_tags_are_in_its_id(
    value: str, owners: tuple[str, ...]
) -> None:
    """
    With hyphens or without, also if an execution algorithm has made it of another.
    """
    forms = OrderIdForms("TRADER-001", ["Trend-000", "Carry-A7"])
    assert forms.owners(value) == owners


def test_without_hyphens_an_id_can_be_of_more_than_one_strategy() -> None:
    """
    Where the tag ends and the count begins cannot be told, so all of them are named.
    """
    forms = OrderIdForms("T-001", ["B-11", "A-1"])
    assert forms.owners("O20260101120000001115") == ("A-1", "B-11")
    assert forms.owners("O20260101120000001125") == ("A-1",)
    assert forms.owners("O-20260101-120000-001-11-5") == ("B-11",)


def test_a_tag_is_no_pattern_and_an_empty_one_is_nobodys() -> None:
    """
    Any text can be a tag.
    """
    forms = OrderIdForms("T-0.1", ["A-.", "B-"])
    assert forms.owners("O-20260101-120000-0.1-.-1") == ("A-.",)
    assert forms.owners("O-20260101-120000-001-.-1") == ()
    assert forms.owners("O-20260101-120000-0.1-7-1") == ()
    assert forms.owners("O-20260101-120000-0.1--1") == ()


@given(TAGS, TAGS, st.integers(1, 10**9), st.booleans())
def test_every_id_of_a_strategy_is_known_as_its_own(
    trader: str, strategy: str, count: int, use_hyphens: bool
) -> None:
    """
    Whatever its tags.
    """
    forms = OrderIdForms(f"T-{trader}", [f"S-{strategy}"])
    made = client_order_id(NOW, count, trader, strategy, use_hyphens)
    assert forms.owners(made) == (f"S-{strategy}",)


# What tags and counts are made of, and what a pattern could take for something else
TEXT = st.text("019AE.\n\N{ARABIC-INDIC DIGIT ONE}", max_size=3)
FORM = r"(?:O-\d{{8}}-\d{{6}}-{trader}-{own}-[1-9]\d*|O\d{{14}}{trader}{own}[1-9]\d*)(?:-E\d+)?"


@given(
    trader=TEXT,
    strategies=st.lists(st.builds("{}-{}".format, st.sampled_from("AB"), TEXT), max_size=5),
    hyphen=st.sampled_from(["", "-"]),
    parts=st.tuples(TEXT, TEXT),
    ending=st.sampled_from(["", "-E1", "-E", "-1"]),
    data=st.data(),
)
def test_an_id_is_of_each_strategy_whose_own_form_it_has(
    trader: str,
    strategies: list[str],
    hyphen: str,
    parts: tuple[str, str],
    ending: str,
    data: st.DataObject,
) -> None:
    """
    All of them are looked up at once, and the answers are those of one look for each.
    """
    own = data.draw(st.sampled_from([parts[0], *map(tag, strategies)]))
    value = hyphen.join(["O", "20260101", "120000", trader, own, parts[1]]) + ending
    expected = [
        strategy
        for strategy in sorted(strategies)
        if tag(strategy)
        and re.fullmatch(FORM.format(trader=re.escape(trader), own=re.escape(tag(strategy))), value)
    ]
    assert OrderIdForms(f"T-{trader}", strategies).owners(value) == tuple(expected)


@pytest.mark.parametrize(
    ("ts", "count"), [(0, 0), (1_999_999, 1), (999_999_999, 999), (1_234_567_891_234_567_891, 234)]
)
def test_the_first_count_is_the_milliseconds_of_the_second(ts: int, count: int) -> None:
    """
    Three digits: an execution algorithm puts more behind the id, and venues take 36 characters.
    """
    assert first_count(ts) == count
    assert len(client_order_id(NOW, 9_999)) + len("-E99") <= 36


@given(
    began_ms=st.integers(0, 998),
    later_ms=st.integers(1, 999),
    orders=st.integers(0, 999),
    more=st.integers(1, 2_000),
)
def test_no_run_repeats_an_id_of_one_that_began_in_the_same_second(
    began_ms: int, later_ms: int, orders: int, more: int
) -> None:
    """
    Unless that made more than a thousand orders a second.
    """
    assume(began_ms + later_ms < 1_000 and orders <= later_ms)
    second = NOW // 1_000_000_000 * 1_000_000_000
    one = first_count(second + began_ms * 1_000_000)
    two = first_count(second + (began_ms + later_ms) * 1_000_000)
    ids = {client_order_id(second, count) for count in range(one + 1, one + orders + 1)}
    assert ids.isdisjoint(client_order_id(second, two + number + 1) for number in range(more))
