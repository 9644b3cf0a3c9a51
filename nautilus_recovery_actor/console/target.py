"""
The target of a check: the configuration of a node, in Python or in a file.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.config import TradingNodeConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.dry_node import NodeRunsError
from nautilus_recovery_actor.console.dry_node import dry_nodes
from nautilus_recovery_actor.outside.checks.native_ids import check_trader_id
from nautilus_recovery_actor.outside.checks.redact import error_text
from nautilus_recovery_actor.outside.checks.redact import secrets_in
from nautilus_recovery_actor.outside.checks.redact import without_secrets


_FORMS = "give package.module:name or the path of a JSON file"
_MAX_FILE_BYTES = 16_000_000


class TargetError(CommandError):
    """Raised when a target cannot be used. The text is one line without secrets."""


class Target(msgspec.Struct, frozen=True):
    """A node to check."""

    # Its configuration, or itself
    config: Any
    # The strategies that are added to it besides
    strategies: tuple[Any, ...] = ()
    # If the program may add more, which only the node itself shows
    is_partial: bool = False


def load_target(name: str) -> Target:
    """Return the target that is named."""
    path = Path(name)
    _search_current_directory()  # A file names classes, too
    module, _, attribute = name.partition(":")
    if module.endswith(".py"):
        named = f"{Path(module).stem}:{attribute or 'config'}"
        raise TargetError(
            f"'{without_secrets(name)}' is a Python file: give package.module:name, for "
            f"example {without_secrets(named)} in its directory"
        )
    if path.suffix == ".json" or path.is_file():
        return Target(_file(path), is_partial=True)
    if not (module and attribute):
        raise TargetError(f"'{without_secrets(name)}' is not a target: {_FORMS}")
    with dry_nodes():
        return _target(_called(_imported(module, attribute), name), name)


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Send what is printed meanwhile to stderr, also what compiled code prints."""
    sys.stdout.flush()
    kept = os.dup(1)
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout = stdout
        os.dup2(kept, 1)
        os.close(kept)


def _file(path: Path) -> TradingNodeConfig:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ValueError("it is too large")  # noqa: TRY301 (reported like the others)
        data = path.read_bytes()
        _refuse_unknown(data)
        config: TradingNodeConfig = TradingNodeConfig.parse(data)
    except OSError as e:
        raise TargetError(f"{without_secrets(str(path))} cannot be read: {e.strerror}") from None
    except Exception as e:
        raise TargetError(
            f"{without_secrets(str(path))} is not a TradingNodeConfig that NautilusTrader can read"
            f": {_error(e)}"
        ) from None
    return config


def _refuse_unknown(data: bytes) -> None:
    # What NautilusTrader does not do: 1.221 ignores a field that is misspelt
    fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    unknown = sorted(fields.keys() - set(TradingNodeConfig.__struct_fields__))
    if unknown:
        raise ValueError(f"it has the unknown field `{unknown[0]}`")
    if "trader_id" in fields:
        check_trader_id(msgspec.json.decode(fields["trader_id"], type=str))


def _search_current_directory() -> None:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _imported(module: str, attribute: str) -> Any:
    try:
        found = importlib.import_module(module)
    except NodeRunsError:
        raise TargetError(
            f"{without_secrets(module)} runs its node when it is imported: put that under "
            f'`if __name__ == "__main__":`'
        ) from None
    except (Exception, SystemExit) as e:  # What is imported may do anything
        where = ""
        if isinstance(e, ModuleNotFoundError) and e.name and f"{module}.".startswith(f"{e.name}."):
            where = f": run this in the directory of {module.partition('.')[0]}, or set PYTHONPATH"
        raise TargetError(
            f"{without_secrets(module)} cannot be imported: {_error(e)}{without_secrets(where)}"
        ) from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except Exception:
            raise TargetError(
                f"{without_secrets(module)} has no '{without_secrets(attribute)}': {_FORMS}"
            ) from None
    return found


def _called(found: Any, name: str) -> Any:
    if isinstance(found, TradingNodeConfig | TradingNode | tuple) or not callable(found):
        return found
    try:
        inspect.signature(found).bind()
    except TypeError:
        raise TargetError(
            f"{without_secrets(name)} needs arguments: give a function without required ones"
        ) from None
    except ValueError:
        pass  # It has no signature to look at
    try:
        answer = found()
    except NodeRunsError as e:
        return e.node  # It goes no further
    except (Exception, SystemExit) as e:
        raise TargetError(f"{without_secrets(name)} raised {_error(e)}") from None
    if inspect.iscoroutine(answer):
        answer.close()
        raise TargetError(f"{without_secrets(name)} is asynchronous: give a function that is not")
    return answer


def _target(found: Any, name: str) -> Target:
    if isinstance(found, TradingNodeConfig | TradingNode):
        return Target(found, is_partial=isinstance(found, TradingNodeConfig))
    match found:
        case (TradingNodeConfig() as config, list() | tuple() as strategies):
            return Target(config, tuple(strategies), is_partial=not strategies)
    raise TargetError(
        f"{without_secrets(name)} is of type {type(found).__name__}: it must be a "
        f"TradingNodeConfig or a TradingNode, or a function that returns one, a configuration "
        f"alone or with a list of strategies"
    )


def _error(e: BaseException) -> str:
    return without_secrets(error_text(e), secrets_in(dict(os.environ)))
