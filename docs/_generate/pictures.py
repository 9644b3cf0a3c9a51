"""
Pictures of the terminal: what the demo shows, of a demo that was recorded.
"""

import io
import tempfile
from pathlib import Path

import msgspec
from rich.console import Console

from nautilus_recovery_actor.demo import screen
from nautilus_recovery_actor.demo.command import Stage
from nautilus_recovery_actor.demo.play import play
from nautilus_recovery_actor.demo.record import ActRecord
from nautilus_recovery_actor.demo.scene import ACTS
from nautilus_recovery_actor.testkit import EmbeddedValkey


RECORDED = Path(__file__).parent / "recorded"
_WIDTH = 84
# rich's own, without its fonts from elsewhere: a page loads nothing that is not beside it
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" \
role="img">
<title>{label}</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def verdict(number: int, label: str) -> str:
    """
    Return the result of a recorded act as a picture.

    Parameters
    ----------
    number : int
        The number of the act.
    label : str
        What the picture shows, for those who do not see it.

    """
    record = recorded(number)
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), highlight=False, markup=False)
    console.print(screen.result(record))
    drawn = console.export_svg(
        title="nautilus-recovery demo",
        code_format=_SVG.replace("{label}", label),
        unique_id=f"act-{number}",
    )
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def recorded(number: int) -> ActRecord:
    """
    Return an act as it was played.
    """
    return msgspec.json.decode(_path(number).read_bytes(), type=ActRecord)


def record() -> None:
    """
    Play the demo, and keep what happened: ``python -m docs._generate --record``.
    """
    console = Console(quiet=True)
    with EmbeddedValkey() as valkey, tempfile.TemporaryDirectory() as logs:
        for act in ACTS:
            with Stage(console, act) as stage:
                played = play(act, valkey, Path(logs), stage)
            text = msgspec.json.format(msgspec.json.encode(played), indent=1)
            _path(act.number).write_bytes(text + b"\n")


def _path(number: int) -> Path:
    return RECORDED / f"act-{number}.json"
