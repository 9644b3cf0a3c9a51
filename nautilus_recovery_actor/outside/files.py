"""
Files with what is secret in them.
"""

import stat
from pathlib import Path


def exposure(path: Path) -> str:
    """Return what is wrong with who may read a file, in one line, empty if nothing is."""
    others = stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH
    if not path.stat().st_mode & others:
        return ""
    return f"{path} has secrets, and others may read or write it: chmod 600 {path}"
