"""
Texts on pages.
"""

import pytest

from nautilus_recovery_actor.serve.rendering import code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no command", "no command"),
        ("ask with `a b`, then `c`", "ask with <code>a b</code>, then <code>c</code>"),
        ("one ` alone", "one ` alone"),
        ("`a` and ` alone", "<code>a</code> and ` alone"),
        ("<b>`<i>`", "&lt;b&gt;<code>&lt;i&gt;</code>"),
        ("`<script>", "`&lt;script&gt;"),
        ("", ""),
    ],
)
def test_what_stands_between_backticks_is_code_and_never_markup(text: str, expected: str) -> None:
    assert str(code(text)) == expected
