"""
What happens in a crash test: a pure function of its seed.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from itertools import count
from itertools import islice
from random import Random
from typing import NamedTuple


MAX_DELAY_MS = 20


class Moment(StrEnum):
    """
    When the node is killed.
    """

    BEFORE_SUBMIT = "before submit"
    BEFORE_ACCEPT = "before accept"
    PARTIAL_FILL = "partial fill"
    BEFORE_STOP = "before stop"
    WARM_UP = "warm-up"
    CHECKPOINT = "checkpoint"


class Meanwhile(StrEnum):
    """
    What the venue does while no node lives.
    """

    NOTHING = "nothing"
    FILLS_ENTRIES = "fills entries"
    FILLS_PARTS = "fills parts"
    CANCELS_ENTRIES = "cancels entries"
    CANCELS_STOPS = "cancels stops"
    TRIGGERS_STOPS = "triggers stops"


class Stop(StrEnum):
    """
    When a node that ends flat is asked to stop, between a kill and the restart after it.
    """

    NEVER = ""
    IN_RECOVERY = "in recovery"
    WHEN_ENABLED = "when enabled"


class Kill(NamedTuple):
    """
    One kill.

    Parameters
    ----------
    number : int
        Its number, from one.
    moment : Moment
        When.
    delay_ms : int
        How long after the fact that marks the moment.
    qty : Decimal
        The quantity of the entry before it.
    part : Decimal
        The part of it that is filled, if it is killed in a partial fill.
    checkpoints : int
        The checkpoints that are stored before it, if it is killed in one.
    meanwhile : Meanwhile
        What the venue does then.
    is_answer_late : bool
        If the venue answers what it was sent only when a node is back.
    replaces_exits : bool
        If the strategy before it takes over a position by replacing its exits, not by adding to
        them.
    stop : Stop
        If a node is stopped before the one that is checked, and when.

    """

    number: int
    moment: Moment
    delay_ms: int
    qty: Decimal
    part: Decimal
    checkpoints: int
    meanwhile: Meanwhile
    is_answer_late: bool
    replaces_exits: bool
    stop: Stop


def plan(seed: int, kills: int) -> list[Kill]:
    """
    Return the kills of a seed. Of any six from the first on, each has another moment.

    Parameters
    ----------
    seed : int
        The seed.
    kills : int
        How many.

    Returns
    -------
    list[Kill]

    """
    random, exits = Random(seed), Random(f"{seed} exits")
    moments = islice(zip(count(1), _moments(random)), kills)
    return [_kill(random, exits, *drawn) for drawn in moments]


def _moments(random: Random) -> Iterator[Moment]:
    while True:
        yield from random.sample(list(Moment), len(Moment))


def _kill(random: Random, exits: Random, number: int, moment: Moment) -> Kill:
    thousandths = random.randint(2, 2_000)
    is_late = random.random() < 0.5 and moment is Moment.BEFORE_ACCEPT
    replaces_exits = exits.random() < 0.5
    # What is not answered yet cannot be canceled: a stop would leave it
    stop = Stop.NEVER if exits.random() < 0.8 or is_late else exits.choice(list(Stop)[1:])
    return Kill(
        number=number,
        moment=moment,
        delay_ms=random.randint(0, MAX_DELAY_MS),
        qty=Decimal(thousandths) / 1_000,
        part=Decimal(random.randint(1, thousandths - 1)) / 1_000,
        checkpoints=random.randint(1, 30),
        meanwhile=random.choice(list(Meanwhile)),
        is_answer_late=is_late,
        replaces_exits=replaces_exits,
        stop=stop,
    )
