"""
``nautilus-recovery check``: find what makes a restart unsafe.
"""

import argparse
from typing import TYPE_CHECKING

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import UNUSABLE
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import add_timeout
from nautilus_recovery_actor.console.common import loading
from nautilus_recovery_actor.console.common import require
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.upgrade import add_upgrade
from nautilus_recovery_actor.console.upgrade import check_usage
from nautilus_recovery_actor.console.upgrade import upgrade_report
from nautilus_recovery_actor.core.enums import Severity


if TYPE_CHECKING:
    from nautilus_recovery_actor.outside.checks.findings import PreflightReport


_EPILOG = """
A node that is given is made without its servers, and not run. To see what to change, run
`nautilus-recovery init` on the same target.

exit codes:
  0  nothing blocks the start (with --strict: no warnings either)
  1  with --strict: there are warnings
  2  the node must not start like this, or it cannot be checked
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "find what makes a node's restart unsafe, before it starts"
    check = add_command(
        commands,
        "check",
        text,
        _check,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="package.module:name of a TradingNodeConfig or a TradingNode, or of a function that "
        "returns one (a configuration alone, or with a list of strategies) or runs one, which is "
        "not run then; or the path of a JSON file",
    )
    check.add_argument("--halted", action="store_true", help="the node calls halt_until_recovered")
    check.add_argument(
        "--running", action="store_true", help="a node with this trader ID may be running"
    )
    check.add_argument("--strict", action="store_true", help="exit with 1 if there are warnings")
    add_timeout(check, "an answer from Redis", 5.0)
    add_upgrade(check)
    check.set_defaults(parser=check)
    how = check.add_mutually_exclusive_group()
    how.add_argument("--format", choices=("table", "json", "github"), default="table")
    how.add_argument("--json", dest="format", action="store_const", const="json")


def _check(arguments: argparse.Namespace) -> int:
    check_usage(arguments.parser, arguments)
    if arguments.format == "table":
        require("cli", "rich")
    if arguments.target is None:  # A cache alone is looked at without NautilusTrader
        return _ended(arguments, upgrade_report(arguments, None))
    with loading():  # The package first: the target may be a node, whose bus has to know messages
        from nautilus_recovery_actor import preflight  # noqa: PLC0415
        from nautilus_recovery_actor.console.target import load_target  # noqa: PLC0415
        from nautilus_recovery_actor.console.target import stdout_to_stderr  # noqa: PLC0415

    with stdout_to_stderr():
        target = load_target(arguments.target)
        if arguments.upgrade:
            report = upgrade_report(arguments, target.config)
        else:
            report = preflight(
                target.config,
                target.strategies,
                is_halted=arguments.halted,
                is_live_ok=arguments.running,
                is_partial=target.is_partial,
                timeout_secs=arguments.timeout,
            )
    return _ended(arguments, report)


def _ended(arguments: argparse.Namespace, report: "PreflightReport") -> int:
    _show(report, arguments.format)
    if report.is_blocked:
        return UNUSABLE
    has_warnings = any(finding.severity == Severity.WARN for finding in report.findings)
    return REFUSED if arguments.strict and has_warnings else DONE


def _show(report: "PreflightReport", how: str) -> None:
    from nautilus_recovery_actor.console import findings  # noqa: PLC0415

    if how == "json":
        say(report.to_json().decode())
    elif how == "github":
        for line in findings.annotations(report):
            say(line)
    else:
        findings.show(report)
