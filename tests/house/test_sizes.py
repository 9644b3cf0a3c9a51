import ast
from pathlib import Path

import nautilus_recovery_actor


PACKAGE = Path(nautilus_recovery_actor.__file__).parent
LONG = 300


def code_lines(path: Path) -> int:
    """
    Return how many lines are code: not blank, no comment, no docstring, no import.
    """
    text = path.read_text()
    lines = text.splitlines()
    passed: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
            is_call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
            passed.update(() if is_call else range(node.lineno, (node.end_lineno or 0) + 1))
    return sum(
        1
        for number, line in enumerate(lines, 1)
        if number not in passed and line.strip() and not line.lstrip().startswith("#")
    )


def test_a_long_file_says_why_in_its_first_line() -> None:
    """
    What is over 300 lines is a question, and the file answers it.
    """
    for path in PACKAGE.rglob("*.py"):
        lines = path.read_text().splitlines()
        if len(lines) > LONG:
            assert "long: " in lines[1], f"{path} has {len(lines)} lines"


def test_the_core_can_be_read_in_an_afternoon() -> None:
    """
    What decides stays small: it is what every host, and every reader, has to trust.
    """
    assert sum(code_lines(path) for path in (PACKAGE / "core").rglob("*.py")) <= 6_450


def test_the_host_on_the_next_nautilus_trader_stays_thin() -> None:
    """
    What imports no NautilusTrader is in `host/`, and so the same on each.
    """
    assert sum(code_lines(path) for path in (PACKAGE / "node2").rglob("*.py")) <= 600
