"""
Who runs this process, for what is on record of an operator.
"""

import getpass
import socket


def user_at_host() -> str:
    """Return the user and the host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"  # A container may run under a number that has no name
    return f"{user}@{socket.gethostname()}"
