"""
The monitor of a running node, reached from outside: a command goes through a Redis stream that the
node listens to, its answer comes back through the node's cache.
"""

import time
from contextlib import closing
from typing import Any

import msgspec
import redis
from nautilus_trader.config import MessageBusConfig
from nautilus_trader.serialization.serializer import MsgSpecSerializer

from nautilus_recovery_actor.core.journal import CommandAnswer
from nautilus_recovery_actor.core.names import ANSWER_KEY
from nautilus_recovery_actor.core.names import COMMAND_STREAM
from nautilus_recovery_actor.core.names import general_key
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.node.commands import OperatorCommand
from nautilus_recovery_actor.node.link.address import Namespace
from nautilus_recovery_actor.node.link.address import address
from nautilus_recovery_actor.node.link.client import RedisUnusableError
from nautilus_recovery_actor.node.link.client import connect


_ENCODINGS: dict[str, Any] = {"json": msgspec.json, "msgpack": msgspec.msgpack}
_POLL_SECS = 0.05


class RemoteError(Exception):
    """Raised when a command was not carried out, as far as is known."""


class NoAnswerError(RemoteError):
    """Raised when no monitor answered in time."""


def send(
    command: OperatorCommand,
    url: str,
    stream: str = COMMAND_STREAM,
    encoding: str | None = None,
    namespace: Namespace | None = None,
) -> CommandAnswer:
    """
    Send a command to the monitor of a running node, and return what it answers until the command
    expires, be it a refusal.

    The command is taken off the stream at the end, whatever that is: a node that starts later must
    not find it, and the stream does not grow.
    """
    encoding = encoding or MessageBusConfig().encoding
    namespace = namespace or Namespace(trader_id=command.trader_id)
    try:
        with closing(connect(url)) as client:
            answer = _exchange(client, command, stream, encoding, namespace)
    except redis.RedisError as e:
        why = one_line(str(e)).rstrip(".")
        raise RedisUnusableError(
            f"Redis at {address(url)} cannot be used ({why}): is it running, and is this the "
            f"server of the node's message bus?"
        ) from e
    if answer is None:
        raise NoAnswerError(
            f"No answer from {command.trader_id} within {_valid_secs(command):g} s: is the node "
            f"running with a RecoveryMonitorActor, are its cache and its message bus in this "
            f"Redis, and has the bus external_streams=['{stream}'] and encoding='{encoding}'?"
        )
    return answer


def _exchange(
    client: redis.Redis, command: OperatorCommand, stream: str, encoding: str, namespace: Namespace
) -> CommandAnswer | None:
    # 1.221 takes the fields by their place, 1.231 by their name. Both want timestamps as text.
    serializer = MsgSpecSerializer(encoding=_ENCODINGS[encoding], timestamps_as_str=True)
    payload = serializer.serialize(command)
    deadline = time.monotonic() + _valid_secs(command)
    entry = client.xadd(stream, {"topic": command.topic(), "payload": payload})
    try:
        while time.monotonic() < deadline:
            answer = _answer(client, command, namespace)
            if answer is not None:
                return answer
            time.sleep(_POLL_SECS)
        return _answer(client, command, namespace)
    finally:
        client.xdel(stream, entry)


def _answer(
    client: redis.Redis, command: OperatorCommand, namespace: Namespace
) -> CommandAnswer | None:
    data = client.get(namespace.key(general_key(ANSWER_KEY)))
    if data is None:
        return None
    try:
        answer = msgspec.json.decode(data, type=CommandAnswer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None  # The answer to another command, and damaged: ours is written over it
    return answer if answer.command_id == command.command_id else None


def _valid_secs(command: OperatorCommand) -> float:
    return (command.ts_expires - command.ts_init) / 1_000_000_000
