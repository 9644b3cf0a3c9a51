"""
A file that is there as a whole, or not at all.
"""

import os
import tempfile
from pathlib import Path

from nautilus_recovery_actor.console.common import CommandError


def write_new(path: Path, text: str, *, may_replace: bool) -> None:
    """Write a file, over one that is there only if that may be."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as e:
        raise CommandError(f"{path} cannot be written: {e.strerror}") from None
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        if may_replace:
            made.replace(path)
        else:
            path.hardlink_to(made)  # Fails if there is one, whoever made it meanwhile
    except FileExistsError:
        raise CommandError(f"{path} is there already: give another name, or --force") from None
    except OSError as e:
        raise CommandError(f"{path} cannot be written: {e.strerror}") from None
    finally:
        made.unlink(missing_ok=True)
