"""
Print what the package costs; with ``--check``, fail if a figure is over its target.
"""

import argparse
import platform
import sys
from importlib.metadata import version

from nautilus_trader.common.component import init_logging
from nautilus_trader.common.enums import LogLevel

from benchmarks import delivery
from benchmarks import fills
from benchmarks import orders
from benchmarks import startup
from benchmarks.measure import Figure


_ROW = "{:<41} {:>9} {:>16} {:>6} {:<4}"


def main() -> int:
    """
    Print one table.

    Returns
    -------
    int
        One if a figure is over its target and that was asked for, else zero.

    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 if a figure is over")
    is_checked = parser.parse_args().check
    # Without logs, which cost the engine far more than what is measured here
    _guard = init_logging(level_stdout=LogLevel.OFF, bypass=True)

    print(f"Python {platform.python_version()}, NautilusTrader {version('nautilus_trader')}")
    print(_ROW.format("figure (median of chunks)", "measured", "middle half", "target", ""))
    is_over = False
    for module in (startup, fills, orders, delivery):
        for figure in module.figures():
            print(_ROW.format(*_cells(figure)), flush=True)
            is_over |= figure.is_over
    return int(is_checked and is_over)


def _cells(figure: Figure) -> tuple[str, ...]:
    low, high = (_number(value, figure) for value in figure.spread)
    target = "" if figure.target is None else f"{figure.target:,g}"
    verdict = "" if figure.target is None else "OVER" if figure.is_over else "ok"
    measured = f"{_number(figure.median, figure)} {figure.unit}".strip()
    return figure.name, measured, f"{low}..{high}", target, verdict


def _number(value: float, figure: Figure) -> str:
    if figure.target is not None and abs(figure.target - 1) < 0.1 and not figure.unit:
        return f"{value:.4f}"  # A ratio near one
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
