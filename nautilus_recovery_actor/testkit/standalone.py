"""
Run a module of the test kit without importing the package around it.

The package imports NautilusTrader, which takes about a second; a paper venue needs none of it and
starts in a tenth of that. Usage: ``python -P standalone.py venue --port 0``.
"""

import runpy
import sys
import types
from pathlib import Path


def main() -> None:
    """Run the module that the first argument names, with the remaining arguments."""
    testkit = Path(__file__).resolve().parent
    for name, directory in (
        ("nautilus_recovery_actor", testkit.parent),
        ("nautilus_recovery_actor.testkit", testkit),
    ):
        package = types.ModuleType(name)
        package.__path__ = [str(directory)]
        sys.modules[name] = package
    module = f"nautilus_recovery_actor.testkit.{sys.argv.pop(1)}"
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
