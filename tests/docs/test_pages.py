"""
The pages say what is so: what is generated is what the code says, every link leads somewhere, every
command line is one that the command line takes.
"""

import argparse
import configparser
import dataclasses
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from docs._generate import adapters
from docs._generate import findings
from docs._generate import messages
from docs._generate import schema
from nautilus_recovery_actor import DiscrepancyKind
from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import Severity
from nautilus_recovery_actor.console import main
from nautilus_recovery_actor.node.adapters import ADAPTERS
from nautilus_recovery_actor.outside.checks.findings import Rule


ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TOP = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES = sorted([*TOP, *DOCS.glob("*.md")])
DEPLOY = ROOT / "examples" / "deploy"
NAME = "nautilus-recovery"

_PLACE = re.compile(
    r"`((?:nautilus_recovery_actor|nautilus_recovery_cli|tests|docs|examples|benchmarks|fuzzing|"
    r"crashtest|core|node2?|host|link|outside|serve|supervised|console|testkit)/[\w/.*-]+)(?::\w+)?`"
)
_FENCE = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def text(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_path_that_a_page_names_is_there(page: Path) -> None:
    """Whoever follows a path into the repository finds something."""
    for place in _PLACE.findall(page.read_text()):
        roots = (ROOT, ROOT / "nautilus_recovery_actor")
        assert any(next(root.glob(place), None) for root in roots), place


# -- WHAT IS GENERATED --


def test_the_generated_pages_are_what_the_code_says() -> None:
    """`make pages` would write nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "docs._generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_of_the_messages_is_complete() -> None:
    """Every message, struct, enum and key of the modules has its place."""
    page = text("messages.md")
    assert page == messages.messages_page()
    for word in ("### RecoveryOverridden", "### BalanceChange", "### Heartbeat", "`DEGRADED`"):
        assert word in page
    assert "`recovery:history:{slot}`" in page


def test_a_field_without_a_description_cannot_be_left_out() -> None:
    """It has to be described where it is defined."""

    class Told(msgspec.Struct):
        """
        A struct.

        Parameters
        ----------
        first, second : str, default "a"
            Both ``a``
            and b.

        """

        first: str
        second: str = "a"

    table = schema.struct_table(Told).splitlines()
    assert table[2:] == [
        "| `first` | string |  | Both `a` and b. |",
        '| `second` | string | `"a"` | Both `a` and b. |',
    ]

    class Untold(Told):
        third: int = 0

    Untold.__doc__ = Told.__doc__
    with pytest.raises(schema.UndescribedError, match=r"Untold\.third"):
        schema.struct_table(Untold)


def test_the_findings_are_in_the_order_of_their_severity_and_code() -> None:
    """Each has a heading, and so an anchor, of its own."""
    rules = [
        Rule(code=code, severity=severity, consequence="It breaks.", remedy="Set <this>.")
        for code, severity in (
            ("C_TOLD", Severity.INFO),
            ("B_WARNED", Severity.WARN),
            ("B_BLOCKED", Severity.BLOCK),
            ("A_WARNED", Severity.WARN),
        )
    ]
    page = findings.findings_page(rules)
    headings = re.findall(r"^##+ (\w+)$", page, re.MULTILINE)
    assert headings == ["BLOCK", "B_BLOCKED", "WARN", "A_WARNED", "B_WARNED", "INFO", "C_TOLD"]
    assert "Set &lt;this&gt;." in page
    assert findings.findings_page(findings.all_rules()) == text("findings.md")
    with pytest.raises(schema.UndescribedError, match="two rules"):
        findings.findings_page([*rules, msgspec.structs.replace(rules[0], remedy="Or that.")])
    with pytest.raises(schema.UndescribedError, match="C_TOLD"):
        findings.findings_page([msgspec.structs.replace(rules[0], remedy=" ")])


def test_every_adapter_has_a_line_and_a_section() -> None:
    """What one of them leaves unsaid stops the page."""
    page = adapters.adapters_page(ADAPTERS)
    assert page == text("adapters.md")
    names = [row.name for row in ADAPTERS]
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == names
    assert re.findall(r"^\| \[([^]]+)\]", page, re.MULTILINE) == names
    with pytest.raises(schema.UndescribedError, match="Sandbox has no text for 'Set'"):
        adapters.adapters_page([dataclasses.replace(ADAPTERS[-1], settings=" ")])


# -- WHAT IS WRITTEN --


def test_the_operator_finds_every_result_difference_and_reason() -> None:
    """Whatever the log says, there is a row for it."""
    page = text("operating.md")
    for reason in FailureReason:
        assert re.search(rf"^\| `{reason}`", page, re.MULTILINE)
    for outcome in RecoveryOutcome:
        assert f"| `status` 0, `{outcome}`" in page
    for kind in DiscrepancyKind:
        severity = kind.default_severity
        told = "" if severity is Severity.BLOCK else rf" \(`{severity}`\)"
        assert re.search(rf"^\| `{kind}`{told} \|", page, re.MULTILINE)
    package = ROOT / "nautilus_recovery_actor"
    used = {
        reason
        for path in package.rglob("*.py")
        for reason in re.findall(r'["`](RECOVERY_[A-Z_]+):', path.read_text())
    }
    assert used
    for reason in used:
        assert re.search(rf"^\| `{reason}` \|", page, re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """
    Return the anchors of the headings of a page, as GitHub makes them.
    """
    found: set[str] = set()
    for title in re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")
        found.add(next(s for n in range(99) if (s := f"{slug}-{n}" if n else slug) not in found))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """The file is there, and it has a heading of that name."""
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


# -- THE COMMAND LINES --


def in_markdown(page: Path) -> Iterator[str]:
    """
    Return what is marked as code: the lines of the blocks, and each span.
    """
    whole = page.read_text()
    for block in _FENCE.findall(whole):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", _FENCE.sub("", whole))


def in_unit(path: Path) -> Iterator[str]:
    """
    Return what a unit of systemd runs.
    """
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    for section in unit.sections():
        yield from (value for key, value in unit[section].items() if key.startswith("Exec"))


def in_yaml(value: Any) -> Iterator[str]:
    """
    Return the commands of a manifest.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            is_command = key in {"command", "test"} and inner
            yield from [shlex.join(inner)] if is_command else in_yaml(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from in_yaml(inner)


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """
    Return the arguments of each command line of ours, with the name of its file.
    """
    code = [(page.name, line) for page in PAGES for line in in_markdown(page)]
    for path in DEPLOY.iterdir():
        if path.suffix == ".service":
            code += [(path.name, line) for line in in_unit(path)]
        elif path.suffix == ".yaml":
            manifests = yaml.safe_load_all(path.read_text())
            code += [(path.name, line) for one in manifests for line in in_yaml(one)]
    for name, line in code:
        found = re.search(rf"(?:^|[\s/\"]){NAME}((?: .*)?)$", line)
        if found:
            yield name, shlex.split(found[1].partition(" && ")[0], comments=True)


def commands() -> set[str]:
    """
    Return the commands that there are.
    """
    (found,) = (
        action
        for action in main._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return set(found.choices)


COMMAND_LINES = [
    pytest.param(arguments, id=f"{name}-{index}")
    for index, (name, arguments) in enumerate(command_lines())
    if arguments
]


@pytest.mark.parametrize("arguments", COMMAND_LINES)
def test_every_command_line_is_one(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser of the command line takes it as it is; a command by itself is only mentioned."""
    if len(arguments) == 1 and arguments[0] in commands():
        return
    try:
        main._parser().parse_args(arguments)
    except SystemExit:
        pytest.fail(f"{shlex.join(arguments)}: {capsys.readouterr().err}")


def test_every_file_of_the_deployment_has_a_command_line() -> None:
    """So none is passed over above."""
    told = {name for name, arguments in command_lines() if len(arguments) > 1}
    assert told >= {
        "nautilus-live-001.service",
        "nautilus-live-001-status.service",
        "kubernetes.yaml",
        "operating.md",
        "deploying.md",
        "redis.md",
        "findings.md",
        "README.md",
        "commands.md",
        "compose.yaml",
    }


def test_every_command_is_told_to_the_operator() -> None:
    """But for what only shows and tries."""
    told = {arguments[0] for name, arguments in command_lines() if name == "operating.md"}
    assert told == commands() - {"demo", "paper"}
