"""
Walk the way of a new user, for real: ``python -m tests.walk`` (or ``make walk``).
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.walk.steps import Walk
from tests.walk.terminal import WalkError


def main() -> int:
    """Walk, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.walk",
        description="From a fresh clone to a proven recovery, as a new user would go.",
    )
    parser.add_argument(
        "--no-clone", action="store_true", help="use this checkout and this interpreter"
    )
    parser.add_argument("--no-demo", action="store_true", help="leave out the demo")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the pictures go")
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="nautilus-recovery-walk-"))
    out.mkdir(parents=True, exist_ok=True)
    try:
        with Walk(out, is_clone=not arguments.no_clone, is_demo=not arguments.no_demo) as walk:
            walk.go()
    except WalkError as e:
        sys.stderr.write(f"\nNot as expected in step {walk.step}: {e}\n")
        return 1
    sys.stdout.write(f"\nAll {walk.step} steps are as expected. Pictures and logs: {out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
