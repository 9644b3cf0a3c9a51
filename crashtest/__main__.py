"""
Kill a node with ``kill -9`` at seeded random moments, and check what is true after each restart.
"""

import argparse
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

from crashtest import durable
from crashtest.claims import Claims
from crashtest.plan import plan
from crashtest.run import Result
from crashtest.run import run


_ROW = "{:>3} {:<14} {:>5}  {:<46} {:<18} {:<6} {:<9} {:<6} {:<6} {:<8} {:>5}"
_DURABLE_ROW = "{:>3} {:>6} {:>10} {:>17}"
_KILLS, _DURABLE_KILLS = 50, 24
_HEAD = ("", "killed", "after", "the venue meanwhile", "recovery")


def main() -> int:
    """
    Print one row for each kill, and at the end how many ended as they should.

    Returns
    -------
    int
        One if a claim is not true, else zero.

    """
    parser = argparse.ArgumentParser(prog="python -m crashtest", description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, default=1, help="the same seed makes the same plan")
    which.add_argument("--seeds", type=_seeds, metavar="1-10", help="one after the other")
    parser.add_argument("--kills", type=int, help="how many a seed (default: 50)")
    parser.add_argument(
        "--native-stops",
        action="store_true",
        help="to compare: nodes that are stopped have no monitor, and a plain strategy",
    )
    parser.add_argument(
        "--durable",
        action="store_true",
        help="kill right after `checkpoint()` and `submit_order()` instead (24 times by default)",
    )
    args = parser.parse_args()
    if args.durable:
        return _durable(args.seed, args.kills or _DURABLE_KILLS)
    args.kills = args.kills or _KILLS

    results, wrong = [], []
    start = time.monotonic()
    for seed in args.seeds or [args.seed]:
        found = _run(seed, args.kills, args.native_stops)
        results += found
        if not all(result.is_good for result in found):
            wrong.append(seed)
    print(*_summary(results, time.monotonic() - start), sep="\n")
    for seed in wrong:
        print(f"again with: python -m crashtest --seed {seed} --kills {args.kills}")
    return int(bool(wrong))


def _durable(seed: int, kills: int) -> int:
    print(f"Python {platform.python_version()}, NautilusTrader {version('nautilus_trader')}")
    print(_DURABLE_ROW.format("", "after", "order sent", "checkpoint stored"))
    wrong = 0
    for number, ended in enumerate(durable.run(seed, kills), 1):
        print(_DURABLE_ROW.format(*map(str, (number, f"{ended.delay_ms} ms", *ended[1:3]))))
        if ended.error:
            wrong += 1
            print(f"    {ended.error}", flush=True)
    print(f"{kills - wrong} of {kills} kills ended as they should")
    return int(bool(wrong))


def _seeds(text: str) -> Sequence[int]:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _run(seed: int, kills: int, stops_natively: bool) -> list[Result]:
    nautilus = version("nautilus_trader")
    print(f"Python {platform.python_version()}, NautilusTrader {nautilus}, seed {seed}")
    print(_ROW.format(*_HEAD, *Claims._fields, "secs"))
    results = []
    for result in run(plan(seed, kills), stops_natively=stops_natively):
        results.append(result)
        print(_ROW.format(*_cells(result)), flush=True)
        for name, wrong in [*result.claims._asdict().items(), ("error", result.error)]:
            if wrong:
                print(f"    {name}: {wrong}", flush=True)
        if result.fault:
            print(f"    known fault: {result.fault}", flush=True)
    return results


def _summary(results: Sequence[Result], secs: float) -> list[str]:
    good = sum(result.is_good and not result.fault for result in results)
    lines = [f"{good} of {len(results)} kills ended as they should, {secs:.0f} s"]
    known = [result for result in results if result.is_good and result.fault]
    for fault in sorted({result.fault for result in known}):
        met = sum(result.fault == fault for result in known)
        lines.append(f"{met} met a known fault of the engine, and were blocked: {fault}")
    if failed := sum(not result.is_good for result in results):
        lines.append(f"{failed} FAILED")
    return lines


def _cells(result: Result) -> tuple[str, ...]:
    kill = result.kill
    unknown = "-" if result.error else "ok"
    meanwhile: list[str] = [kill.meanwhile]
    if kill.is_answer_late:
        meanwhile.append("answers late")
    if kill.stop:
        meanwhile.append(f"stopped {kill.stop}")
    return (
        str(kill.number),
        kill.moment,
        f"{kill.delay_ms} ms",
        ", ".join(meanwhile),
        result.outcome,
        *("FAILED" if wrong else unknown for wrong in result.claims),
        f"{result.secs:.1f}",
    )


if __name__ == "__main__":
    sys.exit(main())
