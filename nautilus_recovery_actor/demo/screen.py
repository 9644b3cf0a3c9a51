"""
How the demo looks. The words are ASCII: on a bad night the terminal may show no more.
"""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Group
from rich.console import RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.demo import scene
from nautilus_recovery_actor.demo import words
from nautilus_recovery_actor.demo.expect import Check
from nautilus_recovery_actor.demo.record import ActRecord
from nautilus_recovery_actor.demo.record import Answer
from nautilus_recovery_actor.demo.record import Belief
from nautilus_recovery_actor.demo.record import Moment
from nautilus_recovery_actor.demo.record import Mood
from nautilus_recovery_actor.demo.scene import Act


MAX_WIDTH = 120

_STYLES = {Mood.PLAIN: "", Mood.GOOD: "green", Mood.WARN: "yellow", Mood.BAD: "bold red"}


# -- BEFORE AND AFTER --


def opening(versions: str) -> RenderableType:
    """Return what the demo is."""
    return Group(
        Text("A trading node is killed with kill -9 and restarted. Is it safe to trade?", "bold"),
        Text(f"A paper venue, {versions}", "dim"),
    )


def next_steps() -> RenderableType:
    """Return what to do after the demo."""
    return Group(
        "",
        Text(
            "Next: add a RecoveryMonitorActor to your node, and derive your strategies from "
            "RecoverableStrategy. docs/tutorial.md shows how."
        ),
    )


def logs(directory: Path) -> RenderableType:
    """Return where the logs of the nodes are."""
    return Group("", Text(f"Logs of the nodes: {directory}", overflow="fold"))


def failure(why: str) -> RenderableType:
    """Return why the demo could not go on."""
    return Text.assemble(("FAILED", _STYLES[Mood.BAD]), f"  {why}")


# -- AN ACT --


def heading(act: Act) -> RenderableType:
    """Return the title of an act."""
    title = Text(f"Act {act.number}: {act.title}", style="bold")
    return Group("", Rule(title, align="left", style="dim"))


def moment(of: Moment, ts_zero: int) -> RenderableType:
    """Return a line of the timeline, its time relative to `ts_zero` (UNIX ns)."""
    seconds = (of.ts - ts_zero) / 1e9
    line = Table.grid(padding=(0, 2))
    line.add_column(width=7, justify="right", style="dim", no_wrap=True)
    line.add_column(width=8, style="bold", no_wrap=True)
    line.add_column(style=_STYLES[of.mood])
    line.add_row(f"{seconds:.2f} s", of.who, Text(of.what))
    return line


def result(record: ActRecord) -> RenderableType:
    """Return the result of an act: the verdict, and the facts behind it."""
    parts = [Text(), _verdict(record.report)]
    if record.act.loses_fills and record.belief is not None:
        parts.append(_side_by_side(record, record.belief))
    else:
        parts.append(_positions(record))
        if record.report.fills:
            parts.append(_fills(record.report))
    return Group(*parts)


def checks(of: Sequence[Check], is_verbose: bool) -> RenderableType:
    """Return how many checks there are, with each that failed, or with all of them."""
    met = sum(check.is_met for check in of)
    style = _STYLES[Mood.GOOD if met == len(of) else Mood.BAD]
    grid = Table.grid(padding=(0, 2))
    for check in of:
        if not check.is_met:
            line = f"{check.about}: expected {check.expected}, got {check.actual}"
            grid.add_row(Text("FAILED", _STYLES[Mood.BAD]), Text(line))
        elif is_verbose:
            line = f"{check.about}: {check.actual}"
            grid.add_row(Text("ok", _STYLES[Mood.GOOD]), Text(line))
    count = Text(f"{met} of {len(of)} checks passed", style)
    return _indented(Group(count, grid) if grid.row_count else count)


def _verdict(report: RecoveryReport) -> RenderableType:
    style = _STYLES[words.mood(report)]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    grid.add_row("Safe to trade?", Text(words.is_safe(report), f"bold {style}"))
    grid.add_row("What changed", _listed(words.what_changed(report)))
    grid.add_row("Proof", _listed(words.what_is_proven(report)))
    grid.add_row("What is wrong", _listed(words.what_is_wrong(report)))
    grid.add_row("What to do", _listed(words.what_to_do(report)))
    title = Text(f" {wording.result(report)} ", f"bold {style}")
    return Panel(grid, title=title, title_align="left", border_style=style, padding=(0, 1))


def _positions(record: ActRecord) -> RenderableType:
    table = _table("Position", "Restored", "After recovery", "At the venue")
    for change in record.report.positions:
        after, venue = words.position(change.qty_after), words.position(record.venue.position)
        table.add_row(
            words.symbol(change.instrument_id),
            words.position(change.qty_before),
            Text(after, _STYLES[Mood.GOOD if after == venue else Mood.BAD]),
            venue,
        )
    return _indented(table)


def _fills(report: RecoveryReport) -> RenderableType:
    # Never broken, so that who copies an ID has all of it: what can be read broken gives way
    table = _table("Origin", "Fill", "Order", "Trade")
    table.padding = (0, 1, 0, 0)
    for column in table.columns[2:]:
        column.no_wrap = True
    for fill in report.fills:
        table.add_row(fill.origin, words.fill(fill), fill.client_order_id, fill.trade_id)
    return _indented(table)


def _side_by_side(record: ActRecord, belief: Belief) -> RenderableType:
    report, venue = record.report, record.venue
    table = _table("", "NautilusTrader", "The venue", "The monitor")
    table.columns[-1].no_wrap = True
    table.add_row(
        "Result",
        f'"{belief.log_line}"',
        "",
        Text(wording.result(report), _STYLES[words.mood(report)]),
    )
    table.add_row(
        scene.SYMBOL,
        words.position(belief.net_position),
        words.position(venue.position),
        _found(report, order_id=None),
    )
    table.add_row(
        "Stop-loss",
        "open" if record.stop_id in belief.orders_open else "not open",
        venue.stop_state.lower(),
        _found(report, order_id=record.stop_id),
    )
    blocked = ", ".join(map(words.symbol, report.blocked_instruments))
    table.add_row(
        "Trading",
        f"{belief.trading_state} (risk engine)",
        "",
        Text(f"not {blocked}" if blocked else "all", _STYLES[words.mood(report)]),
    )
    for bid in record.bids:
        table.add_row(
            f"Bid {words.symbol(bid.instrument_id)}",
            "",
            venue.orders.get(bid.order_id, "never arrived").lower(),
            _passed(bid),
        )
    return _indented(table)


def _found(report: RecoveryReport, order_id: str | None) -> Text:
    kinds = [str(d.kind) for d in report.discrepancies if d.client_order_id == order_id]
    return Text("\n".join(kinds), _STYLES[Mood.WARN]) if kinds else Text("no difference")


def _passed(bid: Answer) -> Text:
    if bid.event == "OrderAccepted":
        return Text("passes", _STYLES[Mood.GOOD])
    return Text(f"{words.verb(bid)}: {bid.reason.partition(':')[0]}", _STYLES[Mood.WARN])


# -- PIECES --


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _indented(renderable: RenderableType) -> RenderableType:
    return Group("", Padding(renderable, (0, 0, 0, 2), expand=False))


def _listed(lines: Sequence[str]) -> RenderableType:
    if len(lines) == 1:
        return Text(lines[0])
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("-", Text(line))
    return grid
