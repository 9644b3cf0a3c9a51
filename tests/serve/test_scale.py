"""
Many traders: a smaller one of what ``python -m benchmarks.board`` measures.
"""

import json
import time

from tests.serve.support import Serving
from tests.serve.world import Desk


TRADERS = 300


def test_many_traders_are_shown_at_once_and_one_that_fails_alone(
    serving: Serving, desk: Desk
) -> None:
    """
    A page is made of what was read before; a failure comes to a page that is open.
    """
    with desk.together():
        for number in range(TRADERS):
            desk.ended(f"LIVE-{number:03}")
    serving.wait_for(f"All {TRADERS} may trade")
    times = []
    for _ in range(20):
        began = time.monotonic()
        serving.text("/")
        times.append(time.monotonic() - began)
    assert min(times) < 0.2
    with serving.http.stream("GET", "/events", params={"v": ""}) as answer:
        changes = (
            json.loads(line.removeprefix("data: "))
            for line in answer.iter_lines()
            if line.startswith("data: ")
        )
        next(changes)
        desk.fails("LIVE-123")
        change = next(one for one in changes if one["light"] == "RED")
        # What has not changed is not sent again
        assert len(change["parts"]) < 10
