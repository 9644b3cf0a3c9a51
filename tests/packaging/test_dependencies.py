"""
What is imported is declared where it is needed.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable

import pytest

from tests.packaging.conftest import ROOT


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGE = ROOT / "nautilus_recovery_actor"
OWN = {"nautilus_recovery_actor", "nautilus_recovery_cli"}


def modules(requirements: Iterable[str]) -> set[str]:
    """
    Return the modules that requirements bring, which are named as they are but for the dash.
    """
    names = {re.split(r"[^\w-]", one)[0].replace("-", "_") for one in requirements}
    return names - OWN


ALWAYS = modules(PROJECT["dependencies"])
EXTRAS = {
    name: modules(PROJECT["optional-dependencies"][name]) for name in ("cli", "demo", "serve")
}


def imported(room: str) -> set[str]:
    place = PACKAGE / room
    found: set[str] = set()
    for path in [place] if place.suffix else place.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - OWN


@pytest.mark.parametrize("room", ["core", "node", "supervised", "signals.py", "__init__.py"])
def test_a_node_needs_no_extra(room: str) -> None:
    """What runs in a node is installed with the package, by its own declaration."""
    assert imported(room) <= ALWAYS


@pytest.mark.parametrize(
    ("room", "extras"),
    [
        ("outside", ("cli",)),
        ("console", ("cli",)),
        ("testkit", ("demo",)),
        ("demo", ("cli", "demo")),
        ("serve", ("cli", "serve")),
    ],
)
def test_the_rest_needs_its_extra_and_no_other(room: str, extras: tuple[str, ...]) -> None:
    """Whoever installs the extra that a page names has all that is imported."""
    assert imported(room) <= ALWAYS.union(*(EXTRAS[extra] for extra in extras))


def test_pandas_and_pyarrow_are_declared() -> None:
    """A node imports both by itself, whatever NautilusTrader brings."""
    assert {"pandas", "pyarrow"} <= imported("node") & ALWAYS
