"""
The monitor of a running node, reached from outside: a command goes to who holds the lease of its
trader, and the answer comes back the same way.
"""

import time
from contextlib import closing
from contextlib import suppress
from typing import Any

import msgspec
import redis

from nautilus_recovery_actor.core import delivery
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.delivery import CommandAnswer
from nautilus_recovery_actor.core.delivery import NobodyHearsError
from nautilus_recovery_actor.core.delivery import Seen
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.client import connect
from nautilus_recovery_actor.link.command import OperatorCommand
from nautilus_recovery_actor.link.process import does_run
from nautilus_recovery_actor.outside.causes import unusable
from nautilus_recovery_actor.outside.holding import found
from nautilus_recovery_actor.outside.record.reader import RecordReader


# How often it is looked whether the node still runs, and how long the server is given to answer
_LOOK_SECS = 1.0
_SOCKET_SECS = 3.0
# The shortest time that a server can be asked to wait: with zero it waits for ever
_LEAST_SECS = 0.01
_NS = 1_000_000_000


class RemoteError(Exception):
    """Raised when a command was not carried out, as far as is known."""


class NoNodeError(RemoteError):
    """Raised when no node of the trader runs."""


class NoAnswerError(RemoteError):
    """Raised when no monitor answered in time."""


def send(
    command: OperatorCommand,
    url: str,
    namespace: Namespace | None = None,
    record_url: str | None = None,
) -> CommandAnswer:
    """
    Send a command to the monitor of a running node, and return what it answers until the command
    expires, be it a refusal.

    `url` is the server of the monitor's own connection, `record_url` that of the node's cache if it
    is another one. The command is taken off at the end, whatever that is: a node that starts later
    must not find it.
    """
    namespace = namespace or Namespace(trader_id=command.trader_id)
    exchange = None
    try:
        with closing(connect(url, _SOCKET_SECS)) as client:
            exchange = _Exchange(client, command, namespace, record_url)
            return exchange.answer()
    except NobodyHearsError as e:
        raise NoNodeError(str(e)) from e
    except redis.RedisError as e:
        is_sent = exchange is not None and exchange.is_sent
        what = "the node's log says whether it did what was asked" if is_sent else ""
        raise RedisUnusableError(unusable(e, url, what)) from e


class _Exchange:
    """One command, and the wait for its answer."""

    def __init__(
        self,
        client: redis.Redis,
        command: OperatorCommand,
        namespace: Namespace,
        record_url: str | None,
    ) -> None:
        self._client: Any = client
        self._command = command
        self._namespace = namespace
        self._record_url = record_url
        self.is_sent = False
        self._secs = (command.ts_expires - command.ts_init) / _NS
        self._until = time.monotonic() + self._secs
        answer = names.ANSWER.format(command_id=command.command_id)
        self._answer_key = namespace.own_key(answer)

    def answer(self) -> CommandAnswer:
        seen = self._look()
        token = delivery.addressee(self._command.trader_id, seen)
        key = self._namespace.own_key(names.COMMANDS.format(token=token))
        entry = delivery.entry(self._command.to_bytes(), seen.now, self._secs)
        if len(entry) > delivery.MAX_BYTES:
            raise RemoteError("The command is too long for a node to read: give a shorter reason")
        answer, gone, is_taken = None, "", True
        try:
            self._push(key, self._namespace.own_key(names.COMMANDS_BELL.format(token=token)), entry)
            answer = self._wait(token)
        except NobodyHearsError as e:
            gone = str(e)
        finally:
            # Whoever was interrupted has half an answer in the connection
            self._client.connection_pool.disconnect()
            with suppress(redis.RedisError):
                is_taken = not self._client.lrem(key, 0, entry)
        if answer is None and is_taken:
            answer = self._read(self._client.lpop(self._answer_key))
        if answer is None:
            trader_id = self._command.trader_id
            raise NoAnswerError(
                delivery.unanswered(trader_id, self._secs, seen, gone, is_taken=is_taken)
            )
        return answer

    def _push(self, key: str, bell: str, entry: bytes) -> None:
        # It goes by itself in the end, also if this process is killed
        self.is_sent = True
        pipe = self._client.pipeline(transaction=False)
        for name, value in ((key, entry), (bell, b"1")):
            pipe.rpush(name, value)
            pipe.expire(name, round(delivery.MAX_VALID_SECS))
        pipe.execute()

    def _wait(self, token: str) -> CommandAnswer | None:
        while (left_secs := self._until - time.monotonic()) > 0:
            wait_secs = min(max(left_secs, _LEAST_SECS), _LOOK_SECS)
            found = self._client.blpop([self._answer_key], timeout=wait_secs)
            answer = self._read(None if found is None else found[1])
            if answer is not None:
                return answer
            delivery.still(self._command.trader_id, token, self._look())
        return None

    def _read(self, data: bytes | None) -> CommandAnswer | None:
        try:
            answer = None if data is None else msgspec.json.decode(data, type=CommandAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        is_ours = answer is not None and answer.command_id == self._command.command_id
        return answer if is_ours else None

    # -- WHO HEARS IT --

    def _look(self) -> Seen:
        at = found(self._client, self._namespace)
        holder = at.last if at.is_held else None
        listener_key = self._namespace.own_key(names.LISTENER)
        listener = _process(self._client.getrange(listener_key, 0, delivery.MAX_BYTES))
        process = listener if holder is None else holder.process
        is_dead = process is not None and does_run(process) is False
        heartbeat = self._heartbeat() if process is None or is_dead else None
        return Seen(
            now=at.now, holder=holder, listener=listener, is_dead=is_dead, heartbeat=heartbeat
        )

    def _heartbeat(self) -> Any:
        # It is only named: whether a node runs does not depend on it
        with suppress(redis.RedisError, RedisUnusableError):
            if self._record_url is None:
                return RecordReader(self._client, self._namespace).stamps().heartbeat
            with closing(connect(self._record_url, _SOCKET_SECS)) as client:
                return RecordReader(client, self._namespace).stamps().heartbeat
        return None


def _process(mark: bytes) -> Process | None:
    try:
        return msgspec.json.decode(mark, type=Process) if mark else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
