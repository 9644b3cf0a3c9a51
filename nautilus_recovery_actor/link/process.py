"""
Which process this is, and whether another one of this machine still runs.
"""

import os
import socket
import time
from pathlib import Path

from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.core.lease import is_alive


_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
# Fields of /proc/<pid>/stat after the name, which may contain anything
_STARTED = 19

# Linux only: elsewhere a lease may run out unnoticed while the machine sleeps
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def this_process() -> Process:
    """Return this process."""
    pid = os.getpid()
    return Process(socket.gethostname(), pid, _machine(), _started(pid) or "")


def does_run(process: Process) -> bool | None:
    """Return whether a process runs, ``None`` if it ran elsewhere."""
    return is_alive(process, this_process(), _started(process.pid))


def steady_ns() -> int:
    """Return the time of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime_ns(_CLOCK)


def _machine() -> str:
    # A container has numbers of its own for its processes
    try:
        return f"{_BOOT_ID.read_text().strip()}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # One that nobody has waited for yet does nothing any more
    return None if fields[0] == "Z" else fields[_STARTED]
