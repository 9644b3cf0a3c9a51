"""
Write the generated pages and pictures, or with ``--check`` fail if they are not what the code says.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from docs._generate.adapters import adapters_page
from docs._generate.findings import all_rules
from docs._generate.findings import findings_page
from docs._generate.life import life
from docs._generate.messages import messages_page
from docs._generate.paper import paper_page
from docs._generate.pictures import record
from docs._generate.pictures import verdict
from nautilus_recovery_actor.node.adapters import ADAPTERS


PAGES: dict[str, Callable[[], str]] = {
    "adapters.md": lambda: adapters_page(ADAPTERS),
    "findings.md": lambda: findings_page(all_rules()),
    "messages.md": messages_page,
    "paper.md": paper_page,
    "assets/epoch.svg": life,
    "assets/verdict.svg": lambda: verdict(1, _ADJUSTED),
    "assets/verdict-degraded.svg": lambda: verdict(2, _DEGRADED),
}
_ADJUSTED = "The demo: a recovery that is proven. Safe to trade? Yes."
_DEGRADED = "The demo: a recovery that is not. Safe to trade? Only in part."


def main() -> int:
    """
    Write or check the pages, and return the exit code.

    Returns
    -------
    int

    """
    arguments = ArgumentParser(
        prog="python -m docs._generate", description="Write the generated pages"
    )
    arguments.add_argument("--check", action="store_true", help="write nothing, fail if one is old")
    arguments.add_argument(
        "--record", action="store_true", help="play the demo first, for the pictures of it"
    )
    given = arguments.parse_args()
    is_check = given.check
    if given.record:
        record()
    old = []
    for name, page in PAGES.items():
        path, text = Path(__file__).parents[1] / name, page()
        if not path.exists() or path.read_text() != text:
            old.append(name)
            if not is_check:
                path.write_text(text)
    if old and is_check:
        print(f"Not what the code says: {', '.join(old)}; run `make pages`", file=sys.stderr)
        return 1
    print(f"{'Written' if old else 'Nothing to write'}: {', '.join(old or PAGES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
