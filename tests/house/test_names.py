import ast
import re
from pathlib import Path

import pytest

import nautilus_recovery_actor


PACKAGE = Path(nautilus_recovery_actor.__file__).parent
NAMES = PACKAGE / "core" / "names.py"
# How a text begins by which NautilusTrader and the monitor find each other
NAME = re.compile(
    r"\W?(recovery:\w|general:|trader-|Recovery(Monitor|Halt)\.\w|ExecEngine\.process"
    r"|nautilus-recovery:|events\.(order\b|risk)|reports\.execution|data\.Recovery|recovery\.$)"
)
MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != NAMES and "testkit" not in path.relative_to(PACKAGE).parts
]


def texts(path: Path) -> list[str]:
    """
    Return the texts in the code of a module, its docstrings aside.
    """
    tree = ast.parse(path.read_text())
    alone = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in alone:
            value = node.value
            if isinstance(value, bytes):
                value = value.decode(errors="replace")
            if isinstance(value, str):
                found.append(value)
    return found


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_a_name_that_others_look_for_stands_in_one_place(path: Path) -> None:
    """
    Keys, endpoints, topics and streams are in `core.names`.
    """
    assert [text for text in texts(path) if NAME.match(text)] == []
