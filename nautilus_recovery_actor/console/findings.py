"""
How findings look: for a person, and for the annotations of a GitHub workflow.
"""

import textwrap
from collections import Counter
from collections.abc import Iterator

from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.checks.findings import PreflightReport
from nautilus_recovery_actor.outside.checks.redact import without_secrets


_MAX_WIDTH = 120
_LEAST = 20
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
    from rich.text import Text  # noqa: PLC0415

    from nautilus_recovery_actor.console.paper import Paper  # noqa: PLC0415

    console = Paper()
    width = min(console.width, _MAX_WIDTH)
    style = _STYLES[report.findings[0].severity] if report.findings else "green"
    for line in _wrapped("", summary(report), width):
        console.print(Text(line, style), soft_wrap=True)
    for finding in report.findings:
        console.print()
        named = f"{without_secrets(finding.code)}  {without_secrets(finding.subject)}"
        for line in _wrapped(f"{finding.severity.value:<5} ", named, width):
            heading = Text(line)
            heading.highlight_words([finding.severity.value], _STYLES[finding.severity])
            heading.highlight_words([finding.code], "bold")
            console.print(heading, soft_wrap=True)
        for label, text in (
            ("found", finding.message),
            ("risk", finding.consequence),
            ("fix", finding.remedy),
        ):
            start = f"{'':6}{label:<5} "
            for line in _wrapped(start, without_secrets(text), width):
                console.print(Text(line), soft_wrap=True)


def _wrapped(start: str, text: str, width: int) -> Iterator[str]:
    lines = textwrap.wrap(
        text, max(width - len(start), _LEAST), break_long_words=False, break_on_hyphens=False
    )
    for line in lines or [""]:
        yield f"{start}{line}"
        start = " " * len(start)


def annotations(report: PreflightReport) -> Iterator[str]:
    """Return the workflow commands that make GitHub show the findings."""
    for finding in report.findings:
        level = _LEVELS[finding.severity]
        text = f"{finding.subject}: {finding.message} {finding.consequence} {finding.remedy}"
        yield f"::{level} title={_property(finding.code)}::{_data(without_secrets(text))}"
    yield without_secrets(summary(report))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
