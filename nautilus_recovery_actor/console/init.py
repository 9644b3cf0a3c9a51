"""
``nautilus-recovery init``: the configuration of a node as a restart needs it.
"""

import argparse
import difflib
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import sentence
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.core.text import one_line


if TYPE_CHECKING:
    from nautilus_recovery_actor.outside.checks.draft import Change
    from nautilus_recovery_actor.outside.checks.draft import Draft

_WIDTH = 90
_NOT_SEEN = frozenset({"STRATEGIES_NOT_SEEN"})
_EPILOG = """
The text is Python, ready to be pasted. It keeps the values that are there, and says above each
change what it was and why it is not; values that are secret become environment variables. Nothing
is started, and no server is asked: run `nautilus-recovery check` on the result.

exit codes:
  0  the configuration was printed, or there is nothing to change in it
  2  the target cannot be read
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "print a node's configuration as a restart needs it, with what to change and why"
    init = add_command(
        commands,
        "init",
        text,
        _init,
        description=f"{sentence(text)}.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument(
        "target",
        metavar="TARGET",
        help="what `nautilus-recovery check` takes: package.module:name, or a JSON file",
    )
    init.add_argument("--halted", action="store_true", help="the node calls halt_until_recovered")
    init.add_argument("--diff", action="store_true", help="print only what changes, as a diff")


def _init(arguments: argparse.Namespace) -> int:
    # NautilusTrader is slow to import
    from nautilus_trader.live.node import TradingNode  # noqa: PLC0415

    from nautilus_recovery_actor.console.target import TargetError  # noqa: PLC0415
    from nautilus_recovery_actor.console.target import load_target  # noqa: PLC0415
    from nautilus_recovery_actor.console.target import stdout_to_stderr  # noqa: PLC0415
    from nautilus_recovery_actor.node.internals import NODE_CONFIG  # noqa: PLC0415
    from nautilus_recovery_actor.node.internals import node_config  # noqa: PLC0415
    from nautilus_recovery_actor.outside.checks.draft import drafted  # noqa: PLC0415
    from nautilus_recovery_actor.outside.checks.preflight import settings_findings  # noqa: PLC0415

    with stdout_to_stderr():
        target = load_target(arguments.target)
        config = target.config
        node = config if isinstance(config, TradingNode) else None
        if node is not None and (config := node_config(node)) is None:
            raise TargetError(NODE_CONFIG.line())
        draft = drafted(
            config,
            lambda one: settings_findings(
                one,
                target.strategies,
                node=node,
                is_halted=arguments.halted,
                is_partial=target.is_partial,
            ),
        )
    say(diff_text(config, draft) if arguments.diff else python_text(draft))
    return DONE


def python_text(draft: "Draft") -> str:
    """Return a configuration as Python text, with what was changed and why."""
    body, imports, unwritten = _written(draft.config, draft.changes)
    trader = str(draft.config.trader_id)
    count = len(draft.changes)
    what = "nothing to change" if not count else f"{count} change{'s' if count > 1 else ''}"
    head = [f"# {trader}: {what}"]
    by_hand = [
        f"{finding.code} {finding.subject}: {finding.message} {finding.remedy}"
        for finding in draft.left
        if finding.severity is not Severity.INFO or finding.code in _NOT_SEEN
    ]
    by_hand += [f"{what} has no text: put in what is in your code" for what in unwritten]
    if by_hand:
        head += ["#", "# To be done by hand, since a configuration alone cannot:"]
        for text in map(one_line, by_hand):
            first, *others = textwrap.wrap(text, _WIDTH)
            head += [f"# - {first}", *(f"#   {other}" for other in others)]
    return "\n".join([*head, "", *imports, "", "", body] if count else head)


def diff_text(given: Any, draft: "Draft") -> str:
    """Return what was changed of a configuration, as the difference of two texts."""
    before, after = (
        _written(config, changes)[0].splitlines()
        for config, changes in ((given, ()), (draft.config, draft.changes))
    )
    lines = difflib.unified_diff(before, after, "as it is", "as a restart needs it", lineterm="")
    return "\n".join(lines) or f"# {draft.config.trader_id}: nothing to change"


def _written(config: Any, changes: Sequence["Change"]) -> tuple[str, list[str], list[str]]:
    # The text, its imports, and what has none
    from nautilus_trader.config import CacheConfig  # noqa: PLC0415
    from nautilus_trader.config import LiveExecEngineConfig  # noqa: PLC0415

    from nautilus_recovery_actor.console.python_text import PythonText  # noqa: PLC0415
    from nautilus_recovery_actor.node.presets import recovery_cache_config  # noqa: PLC0415
    from nautilus_recovery_actor.node.presets import recovery_exec_engine_config  # noqa: PLC0415

    changed = {(*change.path, change.field)[0] for change in changes}
    presets: dict[tuple[str | int, ...], Any] = {}
    if "cache" in changed and type(config.cache) is CacheConfig and config.cache.database:
        presets["cache",] = ("recovery_cache_config", recovery_cache_config())
    if "exec_engine" in changed and type(config.exec_engine) is LiveExecEngineConfig:
        presets["exec_engine",] = ("recovery_exec_engine_config", recovery_exec_engine_config())
    notes: dict[tuple[str | int, ...], list[str]] = {}
    for change in changes:
        notes.setdefault(change.path or (change.field,), []).extend(_note(change))
    writer = PythonText(notes, presets)
    body = f"config = {writer.value(config, (), 0)}"
    return body, writer.imports(), writer.unwritten


def _note(change: "Change") -> list[str]:
    if change.field and change.path:
        what = f"CHANGED {change.field}, which was {_shown(change.was)}: {change.why}"
    elif change.was is None:
        what = f"ADDED: {change.why}"
    else:
        what = f"CHANGED, was {_shown(change.was)}: {change.why}"
    return textwrap.wrap(one_line(what), _WIDTH)


def _shown(value: Any) -> str:
    # Never a part that may hold what is secret
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(str, value))}]"
    is_plain = value is None or isinstance(value, bool | int | float)
    return repr(value) if is_plain else type(value).__name__
