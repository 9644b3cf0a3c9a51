"""
The entry point of ``nautilus-recovery``: a readiness probe must not wait for NautilusTrader.

``import nautilus_recovery_actor`` imports NautilusTrader, and has to: a message bus only streams
messages that are known when it is made. That takes longer than a probe, or an operator, may take.
So for a command that needs nothing but Redis the package is put in place without running it, and
the command imports the modules that it needs. The package runs as soon as one of its public names
is used.
"""

import sys
from importlib.util import find_spec
from importlib.util import module_from_spec
from typing import Any


__all__ = ["main"]

_PACKAGE = "nautilus_recovery_actor"
_WITHOUT_NAUTILUS = {
    *("history", "paper", "release", "repair", "resume", "serve", "status", "verify", "watch")
}


def main() -> int:
    """Run a command, and return its exit code."""
    if _PACKAGE not in sys.modules and _WITHOUT_NAUTILUS.intersection(sys.argv[1:2]):
        _put_in_place()
    from nautilus_recovery_actor.console.common import end_answer  # noqa: PLC0415
    from nautilus_recovery_actor.console.main import main as run  # noqa: PLC0415

    code = run()
    end_answer()
    return code


def _put_in_place() -> None:
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.loader is not None
    package, execute = module_from_spec(spec), spec.loader.exec_module

    def public(name: str) -> Any:
        if name.startswith("__") or find_spec(f"{_PACKAGE}.{name}") is not None:
            raise AttributeError(name)  # A module is imported by whoever asks for it
        del package.__dict__["__getattr__"]
        execute(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = public
    sys.modules[_PACKAGE] = package
