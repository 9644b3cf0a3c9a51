"""
The messages of the monitor on the external streams of a node's message bus, read as they come.
"""

import time
from collections.abc import Iterator
from typing import Any

import redis

from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.names import data_topic
from nautilus_recovery_actor.core.names import streamed_topic
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.record import entries
from nautilus_recovery_actor.outside.record.entries import DamagedError
from nautilus_recovery_actor.outside.record.entries import Message


# A node has the second of these if it imported this package after its bus was made
_TOPICS = tuple(topic for kind in MessageKind for topic in (data_topic(kind), streamed_topic(kind)))


class MessageStream:
    """The streams of one trader, from now on."""

    def __init__(self, client: redis.Redis, namespace: Namespace) -> None:
        self._client = client
        spaces = {namespace, Namespace(trader_id=namespace.trader_id)}
        self._last: dict[Any, Any] = {
            f"{space.key('stream')}:{topic}".encode(): "$" for space in spaces for topic in _TOPICS
        }
        self._is_usable = True

    def begin(self) -> None:
        """Take what comes from here on."""
        try:
            answer: Any = self._client.time()
        except redis.ResponseError:
            self._is_usable = False
            return
        seconds, microseconds = answer
        # From the millisecond before: the first entry of this one would be left out
        self._last = dict.fromkeys(self._last, seconds * 1000 + microseconds // 1000 - 1)

    def wait(self, secs: float) -> Iterator[Message]:
        """Wait until something comes, and return it; at most for a time."""
        if not self._is_usable:
            time.sleep(secs)
            return
        try:
            # One entry of each stream: nobody knows beforehand how large it is
            answer: Any = self._client.xread(self._last, count=1, block=max(int(secs * 1000), 1))
        except redis.ResponseError:  # Not a stream, or not allowed: the record is read anyway
            self._is_usable = False
            return
        for key, found in answer or ():
            for entry, fields in found:
                self._last[key] = entry
                try:
                    yield entries.message((fields or {}).get(b"payload", b""))
                except DamagedError:
                    continue
