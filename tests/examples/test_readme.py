"""
The README says what is so.
"""

import ast
import re
from pathlib import Path

import pytest

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome


README = (Path(__file__).parents[2] / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
INHERITED = {"component_id", "log_events", "log_commands"}


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_each_python_snippet_is_python(snippet: str) -> None:
    """A snippet that is copied into a module runs as far as it goes."""
    assert ast.parse(snippet).body


def test_the_snippet_that_adds_the_monitor_makes_a_configuration() -> None:
    """The lines for a user's node are complete: imports, and no name left open."""
    names: dict[str, object] = {}
    exec(SNIPPETS[0], names)
    config = names["config"]
    (actor,) = config.actors  # type: ignore[attr-defined]
    assert actor.actor_path == "nautilus_recovery_actor:RecoveryMonitorActor"


def test_every_field_of_the_configuration_is_told_with_its_default() -> None:
    """The table of the configuration has no field too few and none too many."""
    told = dict(re.findall(r"^\| `([a-z_]+)` \| `(.+?)` \|", README, re.MULTILINE))
    defaults = RecoveryMonitorConfig()
    assert told == {
        name: str(getattr(defaults, name)).replace("hold", '"hold"')
        for name in RecoveryMonitorConfig.__struct_fields__
        if name not in INHERITED
    }


def test_every_result_and_every_difference_is_told() -> None:
    """Each outcome, each failure and each kind has a word in the README."""
    words = set(re.findall(r"`([A-Z_]+)`", README))
    assert {*RecoveryOutcome, *FailureReason, *DiscrepancyKind} <= words
    for kind in DiscrepancyKind:
        row = re.search(rf"^\| `{kind}` \| ([A-Z]+) \|", README, re.MULTILINE)
        assert row is None or row[1] == kind.default_severity
