"""
The page of the findings: every rule of the check before a start.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from collections.abc import Iterator

from docs._generate import schema
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside import checks
from nautilus_recovery_actor.outside.checks.findings import Rule


_HEAD = """
# Finding codes

What `nautilus-recovery check` and `preflight` find before a node starts: in its configuration, in
what Redis holds of it, and in the Redis server. A code is stable: a script may rely on it.
`live_node:config` is where your `TradingNodeConfig` is, or a function that returns it.

```
nautilus-recovery check live_node:config
```

The exit code is 0 if the node may start, 1 if `--strict` is given and something warns, and 2 if
something blocks.
"""

_SEVERITIES = {
    Severity.BLOCK: "The node must not start like this.",
    Severity.WARN: "A restart can go wrong.",
    Severity.INFO: "Worth to know.",
}


def all_rules() -> set[Rule]:
    """
    Return every rule that a module of the package defines.

    Returns
    -------
    set[Rule]

    """
    names = (module.name for module in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}."))
    modules = map(importlib.import_module, names)
    values = (value for module in modules for value in vars(module).values())
    return {value for value in values if isinstance(value, Rule)}


def findings_page(rules: Iterable[Rule]) -> str:
    """
    Return the page.

    Parameters
    ----------
    rules : Iterable[Rule]
        What can be found.

    Returns
    -------
    str

    Raises
    ------
    schema.UndescribedError
        If a rule says nothing, or a code is there twice.

    """
    ordered = sorted(rules, key=lambda rule: (list(_SEVERITIES).index(rule.severity), rule.code))
    codes = [rule.code for rule in ordered]
    for rule in ordered:
        if not (rule.consequence.strip() and rule.remedy.strip()):
            raise schema.UndescribedError(f"{rule.code} has no consequence or no remedy")
        if codes.count(rule.code) > 1:
            raise schema.UndescribedError(f"{rule.code} is the code of two rules")
    return schema.page(_parts(ordered))


def _parts(rules: list[Rule]) -> Iterator[str]:
    yield _HEAD
    rows = (f"| [`{rule.code}`](#{rule.code.lower()}) | {rule.severity} |" for rule in rules)
    yield "\n".join(["| code | severity |", "|---|---|", *rows])
    for severity, meaning in _SEVERITIES.items():
        found = [rule for rule in rules if rule.severity is severity]
        if found:
            yield f"## {severity}"
            yield meaning
        for rule in found:
            yield f"### {rule.code}"
            yield f"**What can happen:** {_escaped(rule.consequence)}"
            yield f"**What to do:** {_escaped(rule.remedy)}"


def _escaped(text: str) -> str:
    # What is to be read as it is, and not as an HTML tag of the page
    return text.replace("<", "&lt;").replace(">", "&gt;")
