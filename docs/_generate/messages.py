"""
The page of the messages: what is said, where, and what is kept.
"""

import inspect
from collections.abc import Iterable
from collections.abc import Iterator
from enum import StrEnum
from types import ModuleType

import msgspec
from nautilus_trader.serialization.serializer import MsgSpecSerializer

from docs._generate import samples
from docs._generate import schema
from nautilus_recovery_actor.core import delivery
from nautilus_recovery_actor.core import enums
from nautilus_recovery_actor.core import journal
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core import report
from nautilus_recovery_actor.link import command as commands
from nautilus_recovery_actor.node import messages
from nautilus_recovery_actor.node.messages import RecoveryMessage


STREAM = "trader-{trader}:stream:{topic}"

# What each key of the cache holds, and the struct that describes it; a key without an entry here
# is an error
_KEYS: dict[str, tuple[str, type | None]] = {
    names.EPOCH_KEY: ("the number of the newest epoch", None),
    names.HEARTBEAT_KEY: ("the last sign of life", journal.Heartbeat),
    names.HISTORY_KEY: (
        "a report; `slot` is the epoch modulo `history_size`",
        report.RecoveryReport,
    ),
    names.LOST_KEY: ("the lost orders that no strategy has taken, an array", report.LostOrder),
    names.REPORTING_KEY: ("the accounts that have ever reported a position, an array", None),
    names.CHECKPOINT_KEY: (
        "the state of a strategy, not JSON: `NRCP`, a version, a checksum, then msgpack",
        None,
    ),
    names.DAMAGED_CHECKPOINT_KEY: ("the copy of a checkpoint that could not be read", None),
    names.STALE_CHECKPOINT_KEY: ("which checkpoint is held because it may be old", None),
}

_HEAD = """
# Messages

What the monitor says on the message bus, what reaches a Redis stream, and what it keeps in the
cache. All of it is JSON, or can be. Identifiers are strings, times are UNIX nanoseconds, quantities
and prices are decimal strings, signed where a side exists: long and buy positive.
"""

_COMPATIBLE = """
## What stays compatible

- A new field is optional and has a default. Code that does not know it passes over it, and data
  that lack it get the default. So a monitor and a reader of different versions understand each
  other, in both directions, and so do a node and the reports that an older one left in Redis.
- **Pass over fields that you do not know.** Do not fail on a new one.
- No field changes its meaning or its type, and none is removed, within a major version.
- An enum may get a new value in a minor version. Take one that you do not know for the worst case:
  a severity for `BLOCK`, an outcome for `DEGRADED`.
- A message says what somebody published, not who. Gates believe only the monitor of their own node,
  whatever arrives on these topics from an external stream.
- Delivery is at least once. Tell one message from another by `trader_id` and `epoch`, and a
  `RecoveryOverridden` also by `ts_event`. The newest epoch counts: what comes late of an older one
  changes nothing.
"""

_OUTSIDE = """
## Read them outside the node

A node whose message bus has a database streams every message to Redis
(`MessageBusConfig(database=..., encoding="json", autotrim_mins=60)`). Import
`nautilus_recovery_actor` before the node is made. The `*` at the end of a topic is a part of the
name of the stream, not a pattern. In `redis-cli`:

```
XREVRANGE "{stream}" + - COUNT 1
```

An entry has the fields `topic` and `payload` (1.231 writes `type` and `encoding` too). The payload
is the message in the `encoding` of the `MessageBusConfig`, whose default is msgpack on 1.221 and
JSON on 1.231. On the stream **`ts_event` and `ts_init` of the message are strings**; those inside
the report are numbers. With `stream_per_topic=False` all topics share the stream
`trader-{trader}:stream`. This reader takes JSON:

```python
{reader}
```
"""

_COMMAND = """
It is no message: it goes to the monitor and to nobody else, and what comes on a topic of the bus is
not obeyed. A component of the node sends it to the endpoint `{endpoint}`; the log has the answer.
From outside, use `nautilus-recovery release`, `resume`, `verify` and `repair`. In Redis, below
`{prefix}`, a command lies in the list `{commands}` until the node takes it
or its sender gives up; the token is that of the [lease](one-node.md), or `{unleased}`. The
[CommandAnswer](#commandanswer) lies in the list `{answer}` until the
sender takes it, or for a minute.
"""

_KEPT = """
The monitor writes them through the cache of the node, the checkpoints of the strategies over its
own connection, all under `trader-{trader}:general:`. Each is overwritten in place: what Redis holds
does not grow. Do not write them.
"""

READER = '''
import json
import os

import redis

TOPICS = ("RecoveryStarted", "RecoveryComplete", "RecoveryFailed", "RecoveryOverridden")


def unread(client, seen):
    """Return what came since `seen`, and remember it there: entry ID by stream."""
    messages = []
    for stream, entries in client.xread(seen, block=1000) or ():
        for entry_id, fields in entries:
            seen[stream.decode()] = entry_id.decode()
            messages.append(json.loads(fields[b"payload"]))
    return messages


client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379"))
seen = {f"trader-LIVE-001:stream:data.{topic}*": "0" for topic in TOPICS}
for message in unread(client, seen):
    print(message["epoch"], message["type"], message["report"]["message"])
'''


def messages_page() -> str:
    """
    Return the page.

    Returns
    -------
    str

    """
    return schema.page(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    yield _index()
    yield _OUTSIDE.format(
        reader=READER.strip(),
        stream=STREAM.format(trader=samples.TRADER_ID, topic=messages.RecoveryComplete.topic()),
        trader=samples.TRADER_ID,
    )
    yield _COMPATIBLE
    yield from _messages()
    yield from _command()
    yield "## The report and its parts"
    for struct in sorted(_structs(report), key=lambda one: one is not report.RecoveryReport):
        yield from _struct(struct)
    yield "## The words"
    for enum in _defined(enums, StrEnum):
        yield f"### {enum.__name__}"
        yield schema.summary(enum).split("\n\n")[0]
        yield schema.enum_table(enum)
    yield from _keys()


def _index() -> str:
    rows = [
        f"| [`{kind.__name__}`](#{kind.__name__.lower()}) | `{kind.topic()}` | "
        f"{schema.summary(kind).split('.')[0].replace(chr(10), ' ')}. |"
        for kind in samples.messages()
    ]
    return "\n".join(["| message | topic on the bus | |", "|---|---|---|", *rows])


def _messages() -> Iterator[str]:
    yield "## The messages"
    yield "Each has these fields, and a `type` with its name."
    hints = {**inspect.get_annotations(RecoveryMessage.__init__, eval_str=True)}
    del hints["return"]
    yield schema.table(RecoveryMessage, hints, {})
    shown = samples.messages()
    for kind in _data(messages):
        if kind is RecoveryMessage:
            continue
        yield f"### {kind.__name__}"
        yield schema.summary(kind)
        yield schema.block(shown[kind].to_bytes())
    serializer = MsgSpecSerializer(encoding=msgspec.json, timestamps_as_str=True)
    yield "The same `RecoveryStarted` as the payload of an entry of a Redis stream:"
    yield schema.block(serializer.serialize(shown[messages.RecoveryStarted]))


def _command() -> Iterator[str]:
    kind = commands.OperatorCommand
    yield f"## {kind.__name__}"
    yield schema.summary(kind)
    yield _COMMAND.format(
        endpoint=names.COMMAND_ENDPOINT,
        prefix=f"{names.TRADER_PREFIX}{samples.TRADER_ID}:",
        commands=names.COMMANDS,
        unleased=names.UNLEASED,
        answer=names.ANSWER,
    )
    hints = {**inspect.get_annotations(kind.__init__, eval_str=True)}
    del hints["return"]
    yield schema.table(kind, hints, {"ts_expires": "`ts_init` + 10 s"})
    yield schema.block(samples.command().to_bytes())
    yield from _struct(delivery.CommandAnswer)
    yield schema.block(msgspec.json.encode(samples.answer()))


def _struct(struct: type[msgspec.Struct]) -> Iterator[str]:
    yield f"### {struct.__name__}"
    yield schema.summary(struct)
    yield schema.struct_table(struct)


def _keys() -> Iterator[str]:
    yield "## The keys in Redis"
    yield _KEPT.format(trader=samples.TRADER_ID)
    rows = []
    for key in _kept_keys():
        if key not in _KEYS:
            raise schema.UndescribedError(f"The key {key} has no description: add one to `_KEYS`")
        text, struct = _KEYS[key]
        link = f": [{struct.__name__}](#{struct.__name__.lower()})" if struct else ""
        rows.append(f"| `{key}` | {text}{link} |")
    yield "\n".join(["| key | value |", "|---|---|", *rows])
    for struct in _structs(journal):
        yield from _struct(struct)
    yield "What they look like, the report left out:"
    for key, value in sorted(samples.journal().items()):
        if key != names.HISTORY_KEY.format(slot=7):
            yield f"`{names.TRADER_PREFIX}{samples.TRADER_ID}:{names.general_key(key)}`"
            yield schema.block(value)


def _kept_keys() -> list[str]:
    keys = [value for name, value in vars(names).items() if name.endswith("_KEY")]
    return [key for key in keys if key != names.PREFLIGHT_KEY]


def _structs(module: ModuleType) -> Iterable[type[msgspec.Struct]]:
    return _defined(module, msgspec.Struct)


def _data(module: ModuleType) -> Iterable[type[RecoveryMessage]]:
    return _defined(module, RecoveryMessage)


def _defined(module: ModuleType, base: type) -> Iterator[type]:
    for name, found in vars(module).items():
        if (
            isinstance(found, type)
            and issubclass(found, base)
            and found.__module__ == module.__name__
            and not name.startswith("_")
        ):
            yield found
