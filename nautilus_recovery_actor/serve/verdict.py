"""
All traders in one sentence.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.view import Row


# How many traders are named
_NAMED = 3

_VERDICTS = {
    Light.RED: ("needs you", "need you"),
    Light.GRAY: ("cannot be seen", "cannot be seen"),
    Light.AMBER: ("trades in part", "trade in part"),
    Light.BLUE: ("is recovering", "are recovering"),
    Light.WHITE: ("is stopped", "are stopped"),
}


class Verdict(msgspec.Struct, frozen=True):
    """All traders in one sentence."""

    light: Light
    text: str
    # What is the matter with the first one, if somebody has to act
    detail: str
    # How many there are of each light, the most urgent first
    counts: tuple[tuple[Light, int], ...]


def verdict(rows: Sequence[Row], board: Board) -> Verdict:
    """Return all traders in one sentence."""
    counted = Counter(one.light for one in rows)
    counts = tuple((one, counted[one]) for one in Light if counted[one])
    if not rows:
        return _verdict_of_none(board)
    worst, count = counts[0]
    unseen = [one.name for one in board.servers if one.trouble and not one.traders]
    if unseen and worst not in (Light.RED, Light.GRAY):
        text = f"{', '.join(unseen)} cannot be read: nobody sees who trades there"
        return Verdict(Light.GRAY, one_line(text), "", counts)
    if worst not in (Light.RED, Light.GRAY) and (some := _unseen(board)):
        return Verdict(Light.GRAY, some, "", counts)
    if worst is Light.GREEN:
        text = f"All {count} may trade" if count > 1 else f"{rows[0].trader_id} may trade"
        return Verdict(worst, text, "", counts)
    one, several = _VERDICTS[worst]
    text = f"{count} of {len(rows)} {one if count == 1 else several}"
    first = [row for row in rows if row.light is worst]
    if len(rows) == 1:
        text = f"{rows[0].trader_id} {one}"
    elif worst is not Light.WHITE:
        named = ", ".join(row.trader_id for row in first[:_NAMED])
        text += f": {named}{f' and {count - _NAMED} more' if count > _NAMED else ''}"
    detail = ""
    if worst is Light.RED and count == 1:
        detail = next((line.text for line in first[0].lines), "")
    return Verdict(worst, one_line(text), detail, counts)


def _unseen(board: Board) -> str:
    some = (f"{one.name}: {one.unseen}" for one in board.servers if one.unseen)
    return one_line("; ".join(some))


def _verdict_of_none(board: Board) -> Verdict:
    if any(server.trouble for server in board.servers):
        return Verdict(Light.GRAY, "No trader can be seen", "", ())
    if some := _unseen(board):
        return Verdict(Light.GRAY, some, "", ())
    if not board.servers:
        return Verdict(Light.GRAY, "Nothing has been read yet", "", ())
    detail = "A node is seen here once its RecoveryMonitorActor has written to one of the servers"
    return Verdict(Light.WHITE, "No trader on record yet", detail, ())
