"""
Reads what a node's message bus writes to a Redis stream.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.link.client import disconnect
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.server import Server


# Where the bus of a trader writes to, what venues report before it is reconciled, and what
# the monitor sends after all of that
BUS_STREAM = "stream"
RAW_REPORTS = "reconciliation.raw."
# Where nobody writes: a bus that listens to no stream publishes none of these (seen on rc7)
SILENT_STREAM = "recovery.silence"
PORTFOLIO_EVENTS = "events.portfolio."
MARK = "RECOVERYMARK"
MARK_TOPIC = "data.SignalRecoverymark"
# What it sends to hear whether the bus still comes
PROBE = "RECOVERYPROBE"
PROBE_TOPIC = "data.SignalRecoveryprobe"

_WAIT_SECS = 5
_PAUSE_SECS = 0.25
_AT_ONCE = 2_000
# What comes within this after an answer is taken with the next one
_GATHER_SECS = 0.02
_WANTED = tuple(
    one.encode()
    for one in (
        RAW_REPORTS,
        names.ORDER_EVENTS,
        names.ACCOUNT_EVENTS,
        PORTFOLIO_EVENTS,
        MARK_TOPIC,
        PROBE_TOPIC,
    )
)
_LAST = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return last[1] and last[1][1] or '0-0'
"""


class Entry(NamedTuple):
    """One message of the bus, as it was encoded."""

    topic: str
    payload: bytes
    is_json: bool


class Stream:
    """
    The stream of one trader's bus, read from where it ends now. `take` is called with all that came
    at once, on the thread of the loop.
    """

    def __init__(self, server: Server, log: Log, take: Callable[[Sequence[Entry]], None]) -> None:
        self._server = server
        self._log = log
        self._take = take
        self._key = server.namespace.own_key(BUS_STREAM)
        self._last: bytes | str = server.ask_now(_LAST, (BUS_STREAM,))

    async def read(self) -> None:
        """Read from now on, whatever happens to the server."""
        is_away = False
        while True:
            client: Any = self._server.listener()
            try:
                while True:
                    async with asyncio.timeout(_WAIT_SECS * 2):
                        found = await client.xread(
                            {self._key: self._last}, count=_AT_ONCE, block=_WAIT_SECS * 1000
                        )
                    is_away = False
                    for _, entries in found:
                        self._read(entries)
                    await asyncio.sleep(_GATHER_SECS)  # Each answer costs more than an entry
            except Exception as e:
                if not is_away:
                    self._log.warning(f"The bus cannot be read now: {self._server.why(e)}")
                is_away = True
            finally:
                await disconnect(client)
            await asyncio.sleep(_PAUSE_SECS)

    def _read(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        self._last = entries[-1][0]
        read = []
        for _, fields in entries:
            topic = fields.get(b"topic", b"")  # Whoever else may write there
            if topic.startswith(_WANTED):
                is_json = fields.get(b"encoding", b"").lower() == b"json"
                payload = fields.get(b"payload", b"")
                read.append(Entry(topic.decode(errors="replace"), payload, is_json))
        if read:
            self._take(read)
