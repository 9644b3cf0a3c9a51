"""
Print what the package costs; with ``--check``, fail if a figure is over its target; with
``--ratios``, measure those ratios alone that a busy machine does not blur, and fail likewise.
"""

import argparse
import platform
import sys
from importlib.metadata import version
from itertools import chain

from nautilus_trader.common.component import init_logging
from nautilus_trader.common.enums import LogLevel

from benchmarks import comparison
from benchmarks import delivery
from benchmarks import durable
from benchmarks import fills
from benchmarks import lease
from benchmarks import orders
from benchmarks import proofs
from benchmarks import ratios
from benchmarks import startup
from benchmarks import warm
from benchmarks.measure import Figure


_ROW = "{:<41} {:>9} {:>16} {:>6} {:<4}"


MODULES = (startup, warm, comparison, proofs, fills, orders, durable, delivery, lease)


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
    parser.add_argument("--ratios", action="store_true", help="check the guarded ratios alone")
    arguments = parser.parse_args()
    # Without logs, which cost the engine far more than what is measured here
    _guard = init_logging(level_stdout=LogLevel.OFF, bypass=True)

    print(f"Python {platform.python_version()}, NautilusTrader {version('nautilus_trader')}")
    print(_ROW.format("figure (median of chunks)", "measured", "middle half", "target", ""))
    figures = (
        ratios.checked(ratios.guarded())
        if arguments.ratios
        else chain.from_iterable(
            module.figures()
            for module in (
                startup,
                warm,
                comparison,
                proofs,
                fills,
                orders,
                durable,
                delivery,
                lease,
            )
        )
    )
    over = []
    for figure in figures:
        print(_ROW.format(*_cells(figure)), flush=True)
        over += [figure.name.strip()] if figure.is_over else []
    if over:
        print(f"Slower than it may be: {'; '.join(over)}", file=sys.stderr)
    return int(bool(over) and (arguments.check or arguments.ratios))


def _cells(figure: Figure) -> tuple[str, ...]:
    low, high = (_number(value, figure) for value in figure.spread)
    target = "" if figure.target is None else f"{figure.target:,g}"
    verdict = "" if figure.target is None else "OVER" if figure.is_over else "ok"
    measured = f"{_number(figure.median, figure)} {figure.unit}".strip()
    return figure.name, measured, f"{low}..{high}", target, verdict


def _number(value: float, figure: Figure) -> str:
    if figure.target is not None and abs(figure.target - 1) < 0.1 and not figure.unit:
        return f"{value:.4f}"  # A ratio near one
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"


if __name__ == "__main__":
    sys.exit(main())
