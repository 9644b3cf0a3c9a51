"""
The page of the restarts: what became of each cell, natively and with the monitor.
"""

from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass

import nautilus_trader

from tests.restart.cells import CELLS
from tests.restart.judge import Result
from tests.restart.ways import WAYS
from tests.restart.ways import Way


_HEAD = """\
<!-- Written by `make restarts` from what it ran: run it again, do not change this file. -->

# Restarts

What is left of a position and its orders when a node goes away and comes back, natively and with
this package: NautilusTrader's own Binance futures adapter, live on a stand-in for the venue that
answers as Binance does. Each row is a symbol with a strategy of its own: what it held and had
working, and what happened at the venue while it was away. All rows are in one node. Each column is
a way to go and to come back; ways in which every row came to the same share one. `make restarts`
runs all of it and writes this page.

Every position and every order is compared with the venue's by itself, not as a net. Left of the
arrow is the native outcome, right of it ours:

| natively | |
|---|---|
| `right` | Positions and orders are as at the venue, and of the strategy that they belong to. |
| `phantom` | Positions that the venue does not have, beside or against the one that it has. |
| `quantity` | One position, of another quantity. |
| `price` | The right quantity, with another open price. |
| `owner` | Of `EXTERNAL`, although the strategy had it, or claims it. |
| `order` | An order is open, closed, filled or missing where it is not so at the venue. |
| `no start` | The node did not start its trader. |

| with the monitor | |
|---|---|
| `CLEAN` | Right, nothing was changed, and the gate is open. |
| `ADJUSTED` | Right, reconciliation changed something, and the gate is open. |
| `DEGRADED` | A difference remains, and the gate is closed. |
| in bold | As natively, with what differs: **it must not be**. |

Where Redis is lost and nothing is claimed, the strategies cannot own what was theirs: `EXTERNAL` is
right there. On 1.221, whose adapter knows no algo orders, the venue takes stops as it did until
December 2025: as orders that keep their ID when they trigger.
"""
_TITLE = "## NautilusTrader "
_MORE = ("outcomes of these", "gates open on a difference")


@dataclass(frozen=True)
class Pair:
    """One cell, both ways."""

    native: Result
    ours: Result

    @property
    def text(self) -> str:
        return f"{self.native.text} → {_our_text(self.ours)}"


Pairs = Mapping[Way, tuple[Pair, ...]]


def page(old: str, pairs: Pairs) -> str:
    """Return the page with this version's part anew, and those of other versions as they are."""
    _, *parts = old.split(f"\n{_TITLE}")
    sections = {part.partition("\n")[0]: f"{_TITLE}{part.rstrip()}\n" for part in parts}
    sections[nautilus_trader.__version__] = _section(pairs)
    return "\n".join([_HEAD, *(sections[name] for name in sorted(sections, reverse=True))])


def section(text: str) -> str | None:
    """Return what a page says of this version, `None` if nothing."""
    _, _, rest = text.partition(f"\n{_TITLE}{nautilus_trader.__version__}\n")
    return rest.split(f"\n{_TITLE}")[0] or None


def _section(pairs: Pairs) -> str:
    columns = _columns(pairs)
    lines = [
        f"{_TITLE}{nautilus_trader.__version__}",
        "",
        _row(f"of {len(CELLS)} each", "right natively", "right with the monitor", *_MORE),
        _row(*["---"] * (3 + len(_MORE))),
        *(counts(way, pairs[way]) for way in WAYS),
        "",
        _row("", *map(_name, columns)),
        _row(*["---"] * (1 + len(columns))),
        *(
            _row(cell.name, *(texts[number] for texts in columns.values()))
            for number, cell in enumerate(CELLS)
        ),
        "",
    ]
    return "\n".join(lines)


def _columns(pairs: Pairs) -> dict[tuple[Way, ...], list[str]]:
    """Return what each cell came to, once for all ways in which all cells came to the same."""
    columns: dict[tuple[Way, ...], list[str]] = {}
    for way in WAYS:
        texts = [pair.text for pair in pairs[way]]
        same = next((ways for ways, others in columns.items() if others == texts), ())
        columns.pop(same, None)
        columns[*same, way] = texts
    return columns


def _name(ways: tuple[Way, ...]) -> str:
    """Return what these ways have in common, if that is what makes them these ways."""
    common = [word for word in ways[0].words if all(word in way.words for way in ways)]
    if sum(set(common) <= set(way.words) for way in WAYS) == len(ways):
        return ", ".join(common) or "in every way"
    return "; ".join(way.name for way in ways)


def counts(way: Way, pairs: tuple[Pair, ...]) -> str:
    """Return the row of a way in the table of counts."""
    outcomes = Counter(pair.ours.outcome for pair in pairs if pair.ours.is_right)
    return _row(
        way.name,
        sum(pair.native.is_right for pair in pairs),
        sum(pair.ours.is_right for pair in pairs),
        ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())),
        f"{sum(pair.native.is_open_on_a_difference for pair in pairs)} natively, "
        f"{sum(pair.ours.is_open_on_a_difference for pair in pairs)} with the monitor",
    )


def _row(*fields: object) -> str:
    return f"| {' | '.join(map(str, fields))} |"


def _our_text(result: Result) -> str:
    text = result.outcome or result.text
    if result.is_open_on_a_difference:
        return f"**{text}, {result.text}**"
    return text


def lines(way: Way, pairs: tuple[Pair, ...]) -> Iterator[str]:
    """Yield what is worth seeing of one way, for a terminal."""
    native = sum(pair.native.is_right for pair in pairs)
    ours = sum(pair.ours.is_right for pair in pairs)
    yield f"{way.name}, of {len(pairs)}: {native} right natively, {ours} with the monitor"
    for pair in pairs:
        if not (pair.native.is_right and pair.ours.is_right):
            yield f"  {pair.ours.cell.name}: {pair.text}"
        if not pair.ours.is_right:
            yield f"    {pair.ours}"
