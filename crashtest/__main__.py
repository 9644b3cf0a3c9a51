"""
Kill a node with ``kill -9`` at seeded random moments, and check what is true after each restart.
"""

import argparse
import platform
import sys
import time
from importlib.metadata import version

from crashtest.claims import Claims
from crashtest.plan import plan
from crashtest.run import Result
from crashtest.run import run


_ROW = "{:>3} {:<14} {:>5}  {:<27} {:<18} {:<6} {:<9} {:<6} {:<8} {:>5}"
_HEAD = ("", "killed", "after", "the venue meanwhile", "recovery")


def main() -> int:
    """
    Print one row for each kill.

    Returns
    -------
    int
        One if a claim is not true, else zero.

    """
    parser = argparse.ArgumentParser(prog="python -m crashtest", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same plan")
    parser.add_argument("--kills", type=int, default=50, help="how many (default: 50)")
    args = parser.parse_args()

    nautilus = version("nautilus_trader")
    print(f"Python {platform.python_version()}, NautilusTrader {nautilus}, seed {args.seed}")
    print(_ROW.format(*_HEAD, *Claims._fields, "secs"))
    start, good = time.monotonic(), 0
    for result in run(plan(args.seed, args.kills)):
        good += result.is_good
        print(_ROW.format(*_cells(result)), flush=True)
        for name, wrong in [*result.claims._asdict().items(), ("error", result.error)]:
            if wrong:
                print(f"    {name}: {wrong}", flush=True)
    is_good = good == args.kills
    secs = f"{time.monotonic() - start:.0f} s"
    again = "" if is_good else f"; again with: python -m crashtest --seed {args.seed}"
    print(f"{good} of {args.kills} kills ended as they should, {secs}{again}")
    return int(not is_good)


def _cells(result: Result) -> tuple[str, ...]:
    kill = result.kill
    unknown = "-" if result.error else "ok"
    late = ", answers late" if kill.is_answer_late else ""
    return (
        str(kill.number),
        kill.moment,
        f"{kill.delay_ms} ms",
        f"{kill.meanwhile}{late}",
        result.outcome,
        *("FAILED" if wrong else unknown for wrong in result.claims),
        f"{result.secs:.1f}",
    )


if __name__ == "__main__":
    sys.exit(main())
