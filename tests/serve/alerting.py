"""
A process that alerts of what a file says, shared with others over a Redis.

``python -m tests.serve.alerting REDIS WEBHOOK FILE NAME``: the file has ``FAILED`` or ``CLEAN`` and
a trader ID a line; it prints a line for what it logs.
"""

import asyncio
import logging
import sys
from pathlib import Path

from nautilus_recovery_actor.serve.alerts import Alerts
from nautilus_recovery_actor.serve.coordination import Shared
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.outbox import Pace
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.serve.targets import Target
from tests.serve.boards import CLEAN
from tests.serve.boards import FAILED
from tests.serve.boards import now


PACE = Pace(gather_secs=0.02, look_secs=0.1, retry_secs=0.1, pause_secs=0.2)
REPORTS = {"FAILED": FAILED, "CLEAN": CLEAN}


async def main(redis_url: str, webhook: str, path: str, name: str) -> None:
    watch, told = Watch(), Path(path)
    shared = Shared(redis_url, name, claim_ms=6_000)
    alerts = Alerts(
        [Target(webhook, 1)],
        coordination=shared,
        pace=PACE,
        after_secs=dict.fromkeys(Kind, 0.0),
        ends_after_secs=0.5,
        sync_secs=0.3,
    )
    task = asyncio.ensure_future(alerts.run(watch))
    print("ready", flush=True)  # noqa: T201 (the test waits for it)
    while not task.done():
        lines = (line.split() for line in told.read_text().splitlines())  # noqa: ASYNC240 (short)
        watch.put(now(*({"report": REPORTS[what], "trader_id": who} for what, who in lines)))
        await asyncio.sleep(0.1)
    task.result()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    asyncio.run(main(*sys.argv[1:]))
