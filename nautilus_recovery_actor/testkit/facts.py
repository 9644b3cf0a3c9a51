"""
What a node in a process of its own tells the process that started it.
"""

import sys
from typing import IO
from typing import Any

import msgspec


_parents: list[IO[bytes]] = []


def emit(fact: str, **fields: Any) -> None:
    """
    Tell a fact: one JSON line to the `NodeProcess` that runs this, or else to standard output.

    Parameters
    ----------
    fact : str
        What the fact is, such as ``"recovered"``.
    **fields
        More about it. What JSON does not know becomes a string.

    """
    line = msgspec.json.encode({"fact": fact, **fields}, enc_hook=str) + b"\n"
    if _parents:
        _parents[-1].write(line)
        _parents[-1].flush()
    else:
        sys.stdout.write(line.decode())
        sys.stdout.flush()


def emit_to(stream: IO[bytes]) -> None:
    """Send all further facts to the given stream."""
    _parents.append(stream)
