"""
What a node in a process of its own reports to the process that started it.
"""

import sys
from typing import IO
from typing import Any

import msgspec


_parents: list[IO[bytes]] = []


def emit(fact: str, **fields: Any) -> None:
    """
    Emit a fact: one JSON line to the `NodeProcess` that runs this, or else to standard output.

    Parameters
    ----------
    fact : str
        The name of the fact, such as ``"recovered"``.
    **fields
        Its details. Values that JSON cannot represent become strings.

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
