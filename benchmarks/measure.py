"""
Figures, and how to get them on a noisy machine: small chunks, side by side, told by the median.
"""

import gc
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from statistics import quantiles
from time import perf_counter_ns
from time import thread_time_ns

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """
    One line of the table.

    Parameters
    ----------
    name : str
        What was measured.
    values : list[float]
        One value for each chunk.
    unit : str
        The unit of the values, empty for a ratio.
    target : float, optional
        What the median must not exceed, ``None`` for a figure that is only told.

    """

    name: str
    values: list[float]
    unit: str
    target: float | None = None

    @property
    def median(self) -> float:
        """
        The median of the chunks.

        Returns
        -------
        float

        """
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """
        The quartiles of the chunks.

        Returns
        -------
        tuple[float, float]

        """
        if len(self.values) < 2:
            return self.values[0], self.values[0]
        low, _, high = quantiles(self.values, n=4)
        return low, high

    @property
    def is_over(self) -> bool:
        """
        Whether the median exceeds the target.

        Returns
        -------
        bool

        """
        return self.target is not None and self.median > self.target


@contextmanager
def quiet_gc() -> Iterator[None]:
    """
    Keep the garbage collector, whose turn comes at any time, out of what is timed.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def elapsed(call: Callable[[], object]) -> int:
    """
    Return the processor time of `call` on this thread, in nanoseconds.

    Unlike the time on the clock it leaves out what other processes take.

    Parameters
    ----------
    call : Callable[[], object]
        What to time.

    Returns
    -------
    int

    """
    start = thread_time_ns()
    call()
    return thread_time_ns() - start


class Stopwatch:
    """
    The time on the clock less what this thread has waited for a processor.

    Unlike the processor time it counts what the thread sleeps.
    """

    def __init__(self) -> None:
        self.elapsed_ns = 0
        self._started = self._waited = 0

    def start(self) -> None:
        """
        Start anew.
        """
        self._waited = _waited_ns()
        self._started = perf_counter_ns()

    def stop(self) -> None:
        """
        Set `elapsed_ns`.
        """
        elapsed_ns = perf_counter_ns() - self._started
        self.elapsed_ns = elapsed_ns - (_waited_ns() - self._waited)


def _waited_ns() -> int:
    try:
        with Path("/proc/thread-self/schedstat").open("rb") as file:
            return int(file.read().split()[1])
    except OSError:  # Not Linux
        return 0
