import ast
import re
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
STOPS = re.findall(r"`([\w/]+\.py):(\w+)`((?:\s+and\s+`\w+`)*)", PAGE)
PLACES = re.findall(
    r"`((?:core|node2?|host|link|outside|serve|supervised|console|tests|docs|testkit|benchmarks)/[\w/.]*?)`",
    PAGE,
)


def names(path: Path) -> set[str]:
    """
    Return the functions, methods and classes that a module defines.
    """
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


@pytest.mark.parametrize(("module", "function", "more"), STOPS)
def test_each_stop_of_a_trip_is_there(module: str, function: str, more: str) -> None:
    """
    Who follows a trip finds each function where the page says.
    """
    found = names(ROOT / "nautilus_recovery_actor" / module)
    assert {function, *re.findall(r"`(\w+)`", more)} <= found


@pytest.mark.parametrize("place", PLACES)
def test_each_place_is_there(place: str) -> None:
    """
    Whatever the page sends a reader to exists.
    """
    assert any((root / place).exists() for root in (ROOT, ROOT / "nautilus_recovery_actor")), place


def test_the_trips_are_walked() -> None:
    """
    The page has all thirteen, each of several stops.
    """
    assert len(re.findall(r"^\*\*.*\*\* ", PAGE, re.MULTILINE)) == 13
    assert len(STOPS) > 25


@pytest.mark.parametrize(
    "room", ["core", "node", "node2", "host", "link", "outside", "serve", "supervised"]
)
def test_each_module_at_the_top_of_a_room_is_drawn(room: str) -> None:
    """
    A new module has its place in the drawing.
    """
    drawing = PAGE.split("```")[1]
    for path in (ROOT / "nautilus_recovery_actor" / room).glob("*.py"):
        if path.stem != "__init__":
            assert re.search(rf"\b{path.stem}\b", drawing), path.stem
