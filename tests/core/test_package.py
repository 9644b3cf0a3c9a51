import ast
from pathlib import Path
from types import ModuleType

import pytest

import nautilus_recovery_actor


PACKAGE = Path(nautilus_recovery_actor.__file__).parent
NAME = "nautilus_recovery_actor"
CORE = [
    "away",
    "checkpoint",
    "checks.config_rules",
    "checks.native_ids",
    "checks.node_facts",
    "checks.redact",
    "checks.server_catalogue",
    "checks.server_facts",
    "checks.server_rules",
    "checks.start_cost",
    "checks.stored_rules",
    "checks.strategy_rules",
    "client_order_ids",
    "compare",
    "differences",
    "enums",
    "exits",
    "findings",
    "gate",
    "inspection.inventory",
    "inspection.order_statuses",
    "inspection.restored_accounts",
    "inspection.restored_orders",
    "inspection.restored_positions",
    "inspection.stored",
    "inspection.stored_events",
    "journal",
    "machine",
    "narrate",
    "observe",
    "orders",
    "override",
    "positions",
    "record.following",
    "record.overview",
    "record.present",
    "record.recorded",
    "report",
    "series",
    "signals",
    "text",
    "verify",
]
FOREIGN = {"nautilus_trader", "redis", "valkey", "pyarrow", "pandas"}


def imported(path: Path) -> set[str]:
    """
    Return every dotted name that a module imports, anywhere in it.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_modules(names: set[str]) -> set[str]:
    own = [name.split(".")[1:] for name in names if name.startswith(f"{NAME}.")]
    parts = [name[:length] for name in own for length in (1, 2)]
    return {".".join(part) for part in parts if PACKAGE.joinpath(*part).with_suffix(".py").exists()}


def test_all_is_sorted_and_without_repetition() -> None:
    """
    The public names are in the order a reader looks for them.
    """
    assert nautilus_recovery_actor.__all__ == sorted(set(nautilus_recovery_actor.__all__))


def test_all_is_exactly_what_can_be_imported() -> None:
    """
    Each public name exists, and no other one is to be had at the top besides modules.
    """
    public = {
        name
        for name, value in vars(nautilus_recovery_actor).items()
        if not name.startswith("_")
        and (not isinstance(value, ModuleType) or name in nautilus_recovery_actor.__all__)
    }
    assert public == set(nautilus_recovery_actor.__all__)


@pytest.mark.parametrize("module", CORE)
def test_core_module_reaches_neither_nautilus_trader_nor_redis(module: str) -> None:
    """
    What decides imports, however far one follows, nothing of the host and no client.
    """
    seen: set[str] = set()
    todo = {module}
    while todo:
        name = todo.pop()
        seen.add(name)
        names = imported(PACKAGE.joinpath(*name.split(".")).with_suffix(".py"))
        assert not {n.split(".")[0] for n in names} & FOREIGN, f"by way of {name}"
        assert NAME not in names
        todo |= own_modules(names) - seen
    assert seen <= set(CORE)


def test_report_depends_on_the_enums_alone() -> None:
    """
    Dependencies point downwards to the report.
    """
    assert own_modules(imported(PACKAGE / "report.py")) == {"enums"}
    assert own_modules(imported(PACKAGE / "enums.py")) == set()
    assert own_modules(imported(PACKAGE / "observe.py")) == {"enums", "report"}
    assert own_modules(imported(PACKAGE / "machine.py")) == {"enums"}
    assert own_modules(imported(PACKAGE / "gate.py")) == {"enums"}
    assert own_modules(imported(PACKAGE / "override.py")) == {"enums", "report"}
