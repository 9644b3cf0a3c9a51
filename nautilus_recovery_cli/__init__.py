"""
The entry point of ``nautilus-recovery``: nobody who asks a small question waits for NautilusTrader.

``import nautilus_recovery_actor`` imports NautilusTrader, and has to: a message bus only streams
messages that are known when it is made. That takes seconds, which a probe does not have, nor
somebody who mistyped. So the package is put in place without running it, and each command imports
the modules that it needs. The package runs as soon as one of its public names is used.

Until Ctrl-C is taken care of, it prints a traceback: so little is imported before, and not even
``signal``, which takes its time.
"""

import _signal as signal  # type: ignore[import-not-found] # The compiled part, at hand
import os
import sys


TYPE_CHECKING = False  # The module of that name takes its time
if TYPE_CHECKING:
    from types import FrameType

__all__ = ["main"]

_PACKAGE = "nautilus_recovery_actor"
_INTERRUPTED = 130
# Where the standard library has such callbacks
_UNRAISABLE = ("importlib._bootstrap>", "weakref.py", "_weakrefset.py")
# 2.0 does not have the modules that are imported for it
_NEEDS_1 = "This command requires NautilusTrader 1.x: pip install 'nautilus_trader<2'"


def main() -> int:
    """Run a command, and return its exit code."""
    signal.signal(signal.SIGINT, _interrupted)
    if _PACKAGE not in sys.modules:
        _put_in_place()
    from nautilus_recovery_actor.console.common import end_answer  # noqa: PLC0415
    from nautilus_recovery_actor.console.main import main as run  # noqa: PLC0415

    try:
        signal.signal(signal.SIGINT, _raise)
        code = run(on_interrupt=_hear_no_more)
    except ImportError as e:
        if (e.name or "").partition(".")[0] != "nautilus_trader":
            raise
        print(_NEEDS_1, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:  # Before anything was parsed, or after all was done
        _interrupted()
        raise
    if code != _INTERRUPTED:
        # While the interpreter takes itself apart, it would print a traceback
        signal.signal(signal.SIGINT, _ended)
    end_answer()
    return code


def _raise(_: int, frame: "FrameType | None") -> None:
    if frame is not None and frame.f_code.co_filename.endswith(_UNRAISABLE):
        # From a weak reference's callback the interpreter would print what is raised, and go on
        _interrupted()
    raise KeyboardInterrupt


def _hear_no_more() -> None:
    # One that is on its way first: the interpreter would complain of it, were it to be ignored
    signal.signal(signal.SIGINT, _unheard)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _interrupted(*_: object) -> None:
    _hear_no_more()
    os.write(2, b"Interrupted\n")
    os._exit(_INTERRUPTED)


def _unheard(*_: object) -> None:
    pass


def _ended(*_: object) -> None:
    os._exit(_INTERRUPTED)


def _put_in_place() -> None:
    from importlib.util import find_spec  # noqa: PLC0415
    from importlib.util import module_from_spec  # noqa: PLC0415

    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.loader is not None
    package, execute = module_from_spec(spec), spec.loader.exec_module

    def public(name: str) -> object:
        if name.startswith("__") or find_spec(f"{_PACKAGE}.{name}") is not None:
            raise AttributeError(name)  # A module is imported by whoever asks for it
        del package.__dict__["__getattr__"]
        execute(package)
        return getattr(package, name)

    package.__dict__["__getattr__"] = public
    sys.modules[_PACKAGE] = package
