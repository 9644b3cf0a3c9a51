"""
The picture of an epoch's life.
"""

from html import escape
from itertools import pairwise

from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase


WIDTH, HEIGHT = 560, 826
_LEFT, _BOX = 24, 440
_LINE = 19
# Its own ground: it is read on a dark page and on a light one
_STYLE = """
text { font: 14px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #e6e9ef; }
.name { font-weight: 700; }
.note { fill: #b4bccb; font-size: 13px; }
.phase { fill: #8fb8ff; font-size: 12px; text-anchor: end; }
.box { fill: #262b36; stroke: #5b6577; }
.good { fill: #1d3a2a; stroke: #4caf7a; }
.bad { fill: #45242a; stroke: #e0707c; }
.way { fill: none; stroke: #b4bccb; stroke-width: 1.6; marker-end: url(#tip); }
"""
_STEPS = (
    (
        MessageKind.STARTED,
        RecoveryPhase.PENDING,
        ("An epoch opens: every gate closes.", "What can only reduce a position still passes."),
    ),
    (
        "Evidence and correction",
        RecoveryPhase.RECONCILING,
        ("Each venue's report is taken before the engine sees it,", "and corrected where wrong."),
    ),
    (
        "Reconciliation",
        RecoveryPhase.RECONCILING,
        ("NautilusTrader's own. Its events are watched.",),
    ),
    (
        "Proof",
        RecoveryPhase.VERIFYING,
        (
            "The venue is asked again. Two answers in a row",
            "have to agree, and the cache with them.",
        ),
    ),
    (
        "Repair",
        RecoveryPhase.VERIFYING,
        (
            "What still differs, by a plan: at once, or when",
            "an operator says so. Then proof again.",
        ),
    ),
)


def life() -> str:
    """
    Return the picture as SVG.
    """
    parts = []
    y = 24
    tops = []
    for name, phase, notes in _STEPS:
        height = 44 + _LINE * len(notes)
        tops.append((y, height))
        parts.append(_box(_LEFT, y, _BOX, height, "box", str(name), notes, str(phase)))
        y += height + 26
    for (top, height), (following, _) in pairwise(tops):
        parts.append(_way(f"M {_LEFT + 60} {top + height} V {following - 3}"))
    right = _LEFT + _BOX
    proof, repair = tops[3], tops[4]
    parts += [
        # Proven again after a repair, asked again while answers differ
        _way(f"M {right} {repair[0] + 40} h 26 V {proof[0] + 58} h -23"),
        _way(f"M {right} {proof[0] + 22} h 26 v 18 h -23"),
        _text(right + 32, proof[0] + 22, "again", "note"),
    ]
    half = 214
    bottom = repair[0] + repair[1]
    outcomes = tuple(RecoveryOutcome)
    reasons = tuple(FailureReason)
    good = ("Gates open, except those of", "blocked instruments.", "", *outcomes)
    bad = ("Gates stay closed, until an", "operator or a restart.", "", *reasons)
    height = 44 + _LINE * len(bad)
    other = right - half
    parts += [
        _way(f"M {_LEFT + 60} {bottom} V {y - 3}"),
        _way(f"M {other + 60} {bottom} V {y - 3}"),
        _box(_LEFT, y, half, height, "good", MessageKind.COMPLETE, good, RecoveryPhase.COMPLETE),
        _box(other, y, half, height, "bad", MessageKind.FAILED, bad, RecoveryPhase.FAILED),
    ]
    end = y + height
    first = tops[0][0] + 22
    parts += [
        _way(f"M {_LEFT + 60} {end} v 24 H {WIDTH - 14} V {first} H {right + 3}"),
        _text(_LEFT + 72, end + 42, "The next epoch: a reconnect, a made-up fill, a trade", "note"),
        _text(_LEFT + 72, end + 61, "by somebody else, a proof that differs, an operator", "note"),
    ]
    body = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" xmlns="http://www.w3.org/2000/svg" role="img">\n'
        "<title>The life of an epoch</title>\n"
        f"<style>{_STYLE}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#b4bccb"/></marker></defs>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#171a21"/>\n{body}\n</svg>\n'
    )


def _box(
    x: int,
    y: int,
    width: int,
    height: int,
    kind: str,
    name: str,
    notes: tuple[str, ...],
    phase: str,
) -> str:
    lines = [
        f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>',
        _text(x + 14, y + 25, name, "name"),
        # Beside the name, or where a narrow box leaves a line for it
        _text(x + width - 12, y + (24 if "" not in notes else 84), phase, "phase"),
    ]
    lines += [
        _text(x + 14, y + 46 + _LINE * number, note, "note") for number, note in enumerate(notes)
    ]
    return "\n".join(lines)


def _text(x: int, y: int, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _way(path: str) -> str:
    return f'<path class="way" d="{path}"/>'
