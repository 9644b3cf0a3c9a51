"""
The front page, and what its pages say of configurations, hooks and results, is so.
"""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.config import ActorConfig
from nautilus_trader.config import StrategyConfig

from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorConfig
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor.node.adapters import ADAPTERS


ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
RESULTS = (ROOT / "docs" / "results.md").read_text()
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
SCREENS = 200


def snippets(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def test_the_front_page_is_one() -> None:
    """It is short, begins with the two commands, and shows what they lead to."""
    assert len(README.splitlines()) <= SCREENS
    first = README.partition("\n## ")[0]
    assert re.findall(r"^make (\w+)", first, re.MULTILINE) == ["demo", "test"]
    assert "](docs/assets/verdict.svg)" in first


def test_every_adapter_is_in_the_short_table_too() -> None:
    """Whoever trades one finds it on the front page."""
    table = README.partition("\n## Adapters\n")[2].partition("\n## ")[0]
    for adapter in ADAPTERS:
        assert adapter.name.split()[0] in table


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(snippet, id=f"{page.name}-{index}")
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
        for index, snippet in enumerate(snippets(page.read_text()))
    ],
)
def test_each_python_snippet_is_python(snippet: str) -> None:
    """A snippet that is copied into a module runs as far as it goes."""
    assert ast.parse(snippet).body


def test_the_snippet_that_adds_the_monitor_makes_a_configuration() -> None:
    """The lines for a user's node are complete: imports, and no name left open."""
    names: dict[str, object] = {}
    (snippet,) = snippets(README)
    exec(snippet, names)
    config = names["config"]
    (actor,) = config.actors  # type: ignore[attr-defined]
    assert actor.actor_path == "nautilus_recovery_actor:RecoveryMonitorActor"


def test_the_snippet_that_starts_a_venue_starts_one() -> None:
    """What the page of the testkit prints runs as it is."""
    (snippet,) = snippets((ROOT / "docs" / "testing.md").read_text())
    exec(snippet, {})


@pytest.mark.parametrize(
    ("config", "inherited"),
    [(RecoveryMonitorConfig, ActorConfig), (RecoverableStrategyConfig, StrategyConfig)],
)
def test_every_field_of_a_configuration_is_told_with_its_default(
    config: Any, inherited: Any
) -> None:
    """The table of a configuration has no field too few and none too many."""
    after = CONFIGURATION.partition(f"\n`{config.__name__}`")[2]
    table = after.partition("\n|---|---|---|\n")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `([a-z_]+)` \| `(.+?)` \|", table, re.MULTILINE)
    assert {name: ast.literal_eval(default) for name, default in told} == {
        name: getattr(config(), name)
        for name in config.__struct_fields__
        if name not in inherited.__struct_fields__
    }


def test_every_hook_is_told() -> None:
    """The table has the hooks that the package adds, and they can be overridden by that name."""
    told = re.findall(r"^\| `([a-z_]+)\((.*?)\)` \|", TUTORIAL, re.MULTILINE)
    added = {
        name
        for kind in RecoverableStrategy.__mro__
        if kind.__module__.startswith("nautilus_recovery_actor")
        for name in vars(kind)
        if name.startswith("on_") or name == "warmup_needs"
    }
    assert {name for name, _ in told} == {*added, "on_load"}
    for name, parameters in told:
        if name in added:
            _, *given = inspect.signature(getattr(RecoverableStrategy, name)).parameters
            assert ", ".join(given) == parameters


def test_every_result_and_every_difference_is_told() -> None:
    """Each outcome, each failure and each kind has a word on the page of the results."""
    words = set(re.findall(r"`([A-Z_]+)`", RESULTS))
    assert {*RecoveryOutcome, *FailureReason, *DiscrepancyKind} <= words
    for kind in DiscrepancyKind:
        row = re.search(rf"^\| `{kind}` \| ([A-Z]+) \|", RESULTS, re.MULTILINE)
        assert row is None or row[1] == kind.default_severity
