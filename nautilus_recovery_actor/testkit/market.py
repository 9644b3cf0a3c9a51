"""
The price of a symbol as a function of time: a seeded walk, from each price that was set.
"""

import math
import zlib
from decimal import Decimal

import msgspec


# Octaves of noise, each four times as slow and twice as far as the one before: a random walk
_OCTAVES = 8
_FASTEST_SECS = 10.0
_FASTEST_MOVE = 0.0002
_PLACES = Decimal("0.01")
_ODD = 0x9E3779B97F4A7C15  # The constants are those of splitmix64
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_MASK = (1 << 64) - 1


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """
    How the price of a symbol moves.

    Parameters
    ----------
    symbol : str
        The symbol.
    seed : int
        The seed. The same seed makes the same moves, counted from the start.
    ts_start : int
        When the walk began (UNIX nanoseconds).
    anchors : tuple[tuple[int, Decimal], ...]
        The prices that were set and when (UNIX nanoseconds), oldest first: the walk goes on from
        each. The first one holds for all that was before.
    is_still : bool, default False
        If the price only changes when it is set.

    """

    symbol: str
    seed: int
    ts_start: int
    anchors: tuple[tuple[int, Decimal], ...]
    is_still: bool = False

    def at(self, ts: int) -> Decimal:
        """Return the price at a time (UNIX nanoseconds), also one before the start."""
        since, px = next((a for a in reversed(self.anchors) if a[0] <= ts), self.anchors[0])
        if self.is_still or ts == since:
            return px
        moved = Decimal(math.exp(self._walked(ts) - self._walked(since)))
        return max((px * moved).quantize(_PLACES), _PLACES)

    def _walked(self, ts: int) -> float:
        seed = self.seed ^ zlib.crc32(self.symbol.encode())
        secs = (ts - self.ts_start) / 1e9 / _FASTEST_SECS
        return sum(
            _FASTEST_MOVE * 2.0**octave * _noise(seed + octave * _ODD, secs / 4**octave)
            for octave in range(_OCTAVES)
        )


def _noise(seed: int, x: float) -> float:
    whole = math.floor(x)
    part = x - whole
    before, after = _random(seed, whole), _random(seed, whole + 1)
    return before + (after - before) * part * part * (3.0 - 2.0 * part)


def _random(seed: int, n: int) -> float:
    # From -1 to 1, the same for the same two numbers
    z = (seed + n * _ODD) & _MASK
    z = ((z ^ (z >> 30)) * _MIX[0]) & _MASK
    z = ((z ^ (z >> 27)) * _MIX[1]) & _MASK
    return (z ^ (z >> 31)) / 2**63 - 1.0
