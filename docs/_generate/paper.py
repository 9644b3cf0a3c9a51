"""
The page of the paper venue: how to try a bot on it, and what it takes and refuses.
"""

from collections.abc import Iterator
from decimal import Decimal

from docs._generate import schema
from nautilus_recovery_actor.console.venue_actions import FAULTS
from nautilus_recovery_actor.console.venue_text import Setting
from nautilus_recovery_actor.console.venue_text import block
from nautilus_recovery_actor.testkit.offer import REFUSES
from nautilus_recovery_actor.testkit.offer import TAKES


_HEAD = """
# A paper venue for your own bot

`nautilus-recovery paper` runs a venue that your own node can trade at, be killed at and be
restarted at, before any of that happens with money. It holds its orders, fills, positions and
balances until Ctrl-C, whatever happens to the node. It needs the extra `demo` and no account.
"""

_TRY = """
[`examples/own_bot.py`](../examples/own_bot.py) is a bot that runs at it as it is. To see a restart
that may not trade:

1. `nautilus-recovery paper --valkey` in one terminal, `python own_bot.py` in another. It buys one
   ETH and rests a stop-loss.
2. Kill it with `kill -9`.
3. Sell what it holds by hand, as from a phone, and let the venue lose its record of that:
   `nautilus-recovery paper trade ETHUSDT-PERP SELL 1 --unreported`.
4. Start it again. Its cache holds LONG 1, the venue holds nothing and reports no trade:
   `nautilus-recovery status --trader OWN-001` says what is blocked.
5. `nautilus-recovery repair --trader OWN-001` shows the plan, and carries it out when you say yes.

Without `--unreported` the venue reports the trade, and the recovery books it by itself.

Prices make a random walk, from `--symbol SYMBOL=PRICE` or from whatever `paper price` sets; the
same `--seed` makes the same moves. Bars and history show the same walk, also before it began. With
`--still` prices hold until they are set. `--hedging` holds a long and a short leg of each symbol.
`--help` lists the rest: after `paper` the options and the actions, after an action what it takes.
"""

_FAULTS = """
The action `fault` makes the venue fail or lie to your node until you say `none`.
`drop` drops the connections, for as many seconds as you give. In tests,
`nautilus_recovery_actor.testkit.PaperVenue` has all of this and more.
"""


def paper_page() -> str:
    """Return the page."""
    return schema.page(_parts())


def _parts() -> Iterator[str]:
    setting = Setting(
        port=7777,
        prices={"ETHUSDT-PERP": Decimal(2000)},
        oms="NETTING",
        seed=42,
        interval_secs=1.0,
        redis_port=7778,
    )
    yield _HEAD
    command = "$ nautilus-recovery paper --valkey --seed 42"
    yield "\n".join(["```", command, *block(setting), "```"])
    yield _TRY
    yield "## How to make it fail"
    yield _FAULTS
    yield _table(("fault", "what happens"), {f"`{name}`": text for name, text in FAULTS.items()})
    yield "## What it takes"
    yield _table(("what", "how"), TAKES)
    yield "## What it refuses"
    yield _table(("what", "the reason it gives"), {k: f"`{v}`" for k, v in REFUSES.items()})


def _table(headings: tuple[str, str], rows: dict[str, str]) -> str:
    lines = [f"| {' | '.join(headings)} |", "|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {how} |" for what, how in rows.items())])
