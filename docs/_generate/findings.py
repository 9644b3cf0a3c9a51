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

```
nautilus-recovery check my_bot:main
```

The exit code is 0 if the node may start, 1 if `--strict` is given and something warns, and 2 if
something blocks.

## What to give it

| target | what is seen |
|---|---|
| `my_bot:node` | a `TradingNode`, or a function that returns one: with what is added to it |
| `my_bot:main` | a function that runs its node: the same, up to where it would run |
| `my_bot:config` | a `TradingNodeConfig`, or a function that returns one (or with strategies) |
| `node.json` | a `TradingNodeConfig` in a file |

`my_bot` is your module, in the current directory or installed. A node is made as your program makes
it, but without its servers: it connects to nothing, takes no lease and does not run, so that it can
be checked while another node of the trader runs (`--running`). A configuration cannot show what the
program adds later, with `node.trader.add_actor(...)` and `add_strategy(...)`: what is missing in it
is [`MONITOR_NOT_SEEN`](#monitor_not_seen) and [`STRATEGIES_NOT_SEEN`](#strategies_not_seen), and
what is stored of strategies is not compared with those of the node. So give the node where you can.

## What to change

```
nautilus-recovery init my_bot:main
```

prints the configuration of the same target as a restart needs it, as Python to paste: with the
presets, the monitor, claims, and what the adapter demands. It keeps the values that are there, says
above each change what it was and why, reads what is secret from the environment, and names what is
to be done by hand. `--diff` prints only what changes.
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
