"""
How findings look: for a person, and for the annotations of a GitHub workflow.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.findings import PreflightReport
from nautilus_recovery_actor.outside.checks.redact import without_secrets


if TYPE_CHECKING:
    from rich.console import RenderableType

_MAX_WIDTH = 120
_STYLES = {Severity.BLOCK: "bold red", Severity.WARN: "yellow", Severity.INFO: "cyan"}
_LEVELS = {Severity.BLOCK: "error", Severity.WARN: "warning", Severity.INFO: "notice"}


def summary(report: PreflightReport) -> str:
    """Return the result in one line."""
    counts = Counter(finding.severity for finding in report.findings)
    if not counts:
        return f"{without_secrets(report.trader_id)}: no findings"
    blocks, warns, infos = (counts[severity] for severity in _STYLES)
    parts = []
    if blocks:
        parts.append(f"{blocks} {'finding blocks' if blocks == 1 else 'findings block'} the start")
    if warns:
        parts.append(f"{warns} {'warning' if warns == 1 else 'warnings'}")
    if infos:
        parts.append(f"{infos} {'note' if infos == 1 else 'notes'}")
    ready = "" if blocks else "nothing blocks the start, "
    return f"{without_secrets(report.trader_id) or 'unknown trader'}: {ready}{', '.join(parts)}"


def show(report: PreflightReport) -> None:
    """Print a report as a table, as wide as the terminal."""
    # What needs the extra is imported when it is there
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from nautilus_recovery_actor.console.paper import Paper  # noqa: PLC0415

    console = Paper()
    console.width = min(console.width, _MAX_WIDTH)
    style = _STYLES[report.findings[0].severity] if report.findings else "green"
    console.print(Text(summary(report), style))
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for finding in report.findings:
        table.add_row()
        table.add_row(Text(finding.severity.value, _STYLES[finding.severity]), _finding(finding))
    console.print(table)


def annotations(report: PreflightReport) -> Iterator[str]:
    """Return the workflow commands that make GitHub show the findings."""
    for finding in report.findings:
        level = _LEVELS[finding.severity]
        text = f"{finding.subject}: {finding.message} {finding.consequence} {finding.remedy}"
        yield f"::{level} title={_property(finding.code)}::{_data(without_secrets(text))}"
    yield without_secrets(summary(report))


def _finding(finding: Finding) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    lines = Table.grid(padding=(0, 1))
    lines.add_column(no_wrap=True, style="dim")
    lines.add_column(ratio=1, overflow="fold")
    for label, text in (
        ("found", finding.message),
        ("risk", finding.consequence),
        ("fix", finding.remedy),
    ):
        lines.add_row(label, Text(without_secrets(text), overflow="fold"))
    heading = Text.assemble(
        (without_secrets(finding.code), "bold"), f"  {without_secrets(finding.subject)}"
    )
    return Group(heading, lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
