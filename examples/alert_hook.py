"""
An alert to a webhook whenever a recovery ends otherwise than clean.

Import it where the node is configured, and call `alert_to` once. The request is made on another
thread, because a receiver runs on the node's event loop.
"""

import json
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import signals


_sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recovery-alert")


def _send(request: urllib.request.Request) -> None:
    try:
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
    except OSError as e:
        print(f"The recovery alert could not be sent: {e}", file=sys.stderr)  # noqa: T201


def alert_to(url: str) -> None:
    """
    Post every failure and every recovery that is not clean to `url`.
    """

    def on_failed(_: Any, event: RecoveryFailed) -> None:
        _post(f"{event.trader_id} does NOT trade: {event.reason}. {event.message}")

    def on_completed(_: Any, event: RecoveryComplete) -> None:
        if event.outcome is not RecoveryOutcome.CLEAN:
            _post(f"{event.trader_id} recovered {event.outcome}: {event.report.message}")

    def _post(text: str) -> None:
        request = urllib.request.Request(  # noqa: S310 (the URL is the operator's own)
            url,
            data=json.dumps({"text": text}).encode(),
            headers={"Content-Type": "application/json"},
        )
        _sender.submit(_send, request)

    signals.recovery_failed.connect(on_failed, weak=False)
    signals.recovery_completed.connect(on_completed, weak=False)
