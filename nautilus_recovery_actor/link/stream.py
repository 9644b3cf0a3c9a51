"""
Reads what a node's message bus writes to a Redis stream.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import msgspec

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

_WAIT_SECS = 5
_PAUSE_SECS = 0.25
_AT_ONCE = 2_000
_WANTED = (RAW_REPORTS, names.ORDER_EVENTS, names.ACCOUNT_EVENTS, PORTFOLIO_EVENTS)
_LAST = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return last[1] and last[1][1] or '0-0'
"""
_DECODERS: dict[bytes, Callable[[bytes], Any]] = {
    b"json": msgspec.json.decode,
    b"msgpack": msgspec.msgpack.decode,
}


class Entry(NamedTuple):
    """One message of the bus, decoded."""

    topic: str
    payload: Any


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
            except Exception as e:
                if not is_away:
                    self._log.warning(f"The bus cannot be read now: {self._server.why(e)}")
                is_away = True
            finally:
                await disconnect(client)
            await asyncio.sleep(_PAUSE_SECS)

    def _read(self, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        read = []
        for number, fields in entries:
            self._last = number
            topic = fields[b"topic"].decode()
            if topic.startswith(_WANTED):
                decode = _DECODERS[fields[b"encoding"].lower()]
                read.append(Entry(topic, decode(fields[b"payload"])))
            elif topic == MARK_TOPIC:
                read.append(Entry(topic, None))
        if read:
            self._take(read)
