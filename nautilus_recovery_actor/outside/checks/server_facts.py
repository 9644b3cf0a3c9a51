"""
What can be known of a Redis server, read from its answers.

Nothing in these answers is trusted: a value of an unexpected kind counts as unknown.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.outside.record import entries


_LONGEST_NUMBER = 20  # Digits, enough for 64 bits
_LONGEST_WORD = 80


class Trouble(StrEnum):
    """
    Why nothing more can be read of a server.

    ``URL``: not a valid URL. ``UNREACHABLE``: no connection, or no answer in time. ``TLS``: no
    encrypted connection. ``LOGIN``: the user or the password is refused. ``LOADING``: it reads its
    data. ``ANSWER``: what it says is not the protocol of Redis, or an error.
    """

    URL = "URL"
    UNREACHABLE = "UNREACHABLE"
    TLS = "TLS"
    LOGIN = "LOGIN"
    LOADING = "LOADING"
    ANSWER = "ANSWER"


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """A replica of the server."""

    # Such as ``online``
    state: str
    # The seconds since it last said how far it is
    lag_secs: int | None = None
    # How much of the stream of writes it has not confirmed
    behind_bytes: int | None = None


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a Redis server. ``None``: unknown."""

    # Where it is, without anything secret
    address: str
    # Why it cannot be used. What follows is then as far as it was read
    trouble: Trouble | None = None
    # What was said about the trouble
    detail: str = ""
    # If the connection does not leave this machine
    is_local: bool = True
    # If the connection uses TLS
    is_encrypted: bool = False
    # If its certificate stands before the roots that NautilusTrader has built in
    is_publicly_trusted: bool | None = None
    # The median time of an answer
    ping_secs: float | None = None
    # What time it is (UNIX ns), here and at the server
    clocks: tuple[int, ...] = ()
    # The version of Redis that it speaks
    version: str | None = None
    # If it is one node of a cluster
    is_cluster: bool | None = None
    # Such as ``master``
    role: str | None = None
    # Those connected
    replicas: tuple[Replica, ...] = ()
    # The bytes that count towards `maxmemory`
    used_memory: int | None = None
    # The limit in bytes, zero for none
    maxmemory: int | None = None
    # Such as ``noeviction``
    eviction_policy: str | None = None
    # How many since its start
    evicted_keys: int | None = None
    # If it writes an append-only file
    is_aof: bool | None = None
    # How often that file reaches the disk
    appendfsync: str | None = None
    # When it writes snapshots, empty for never
    save_points: str | None = None
    # If the last write to that file failed
    is_aof_failed: bool | None = None
    # If the last snapshot failed
    is_save_failed: bool | None = None
    # ``stop-writes-on-bgsave-error``
    is_refusing_after_failed_save: bool | None = None
    # The age of the last snapshot
    saved_secs_ago: int | None = None
    # The changes since
    unsaved_changes: int | None = None
    # Commands of NautilusTrader that this user may not use on the keys of this trader
    denied: tuple[str, ...] = ()
    # What of that by which a monitor hears commands
    denied_hearing: tuple[str, ...] = ()
    # Why it would refuse to write now, in its words
    refusal: str | None = None
    # If it was asked whether it would write
    is_writing_tried: bool = False
    # If it holds anything of this trader as configured
    has_keys: bool | None = None
    # Prefixes under which it holds this trader otherwise
    elsewhere: tuple[str, ...] = ()
    # How many keys it holds in all
    key_count: int | None = None
    # The last sign of life of this trader's monitor
    heartbeat: Heartbeat | None = None
    # If there is one that cannot be read
    is_heartbeat_damaged: bool = False
    # What was asked and not answered
    unread: tuple[str, ...] = ()


def facts_in_info(info: Mapping[str, object], now_secs: float) -> dict[str, Any]:
    """Return the facts in the answer to ``INFO``."""
    used = _number(info.get("used_memory"))
    uncounted = _number(info.get("mem_not_counted_for_evict")) or 0
    saved = _number(info.get("rdb_last_save_time"))
    return {
        "version": _version(info.get("redis_version")),
        "is_cluster": _is(info.get("cluster_enabled"), "1"),
        "role": _word(info.get("role")),
        "replicas": _replicas(info),
        "used_memory": None if used is None else max(0, used - uncounted),
        "maxmemory": _number(info.get("maxmemory")),
        "eviction_policy": _word(info.get("maxmemory_policy")),
        "evicted_keys": _number(info.get("evicted_keys")),
        "is_aof": _is(info.get("aof_enabled"), "1"),
        "is_aof_failed": _is(info.get("aof_last_write_status"), "err"),
        "is_save_failed": _is(info.get("rdb_last_bgsave_status"), "err"),
        "saved_secs_ago": None if saved is None else max(0, int(now_secs - saved)),
        "unsaved_changes": _number(info.get("rdb_changes_since_last_save")),
    }


def facts_in_config(config: Mapping[str, object]) -> dict[str, Any]:
    """Return the facts in the answer to ``CONFIG GET``."""
    save = config.get("save")
    return {
        "appendfsync": _word(config.get("appendfsync")),
        "save_points": save if isinstance(save, str) else None,
        "is_refusing_after_failed_save": _is(config.get("stop-writes-on-bgsave-error"), "yes"),
    }


def facts_in_heartbeat(value: Any) -> dict[str, Any]:
    """Return the facts in the entry that holds the heartbeat."""
    if value is None:
        return {}
    try:
        heartbeat = entries.heartbeat(value)
    except (entries.DamagedError, TypeError):
        return {"is_heartbeat_damaged": True}
    if heartbeat.ts < 0:
        return {"is_heartbeat_damaged": True}
    return {"heartbeat": heartbeat}


def _number(value: object) -> int | None:
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and value.isdecimal():
        return int(value)
    if isinstance(value, int) and abs(value) < 10**_LONGEST_NUMBER:
        return int(value)
    return None


def _word(value: object) -> str | None:
    is_word = isinstance(value, str) and len(value) <= _LONGEST_WORD and value.isprintable()
    return str(value) if is_word and value else None


def _is(value: object, word: str) -> bool | None:
    return str(value) == word if isinstance(value, (str, int)) else None


def _version(value: object) -> str | None:
    # redis-py reads a version of one dot as a number
    return _word(str(value) if isinstance(value, float) else value)


def _replicas(info: Mapping[str, object]) -> tuple[Replica, ...]:
    written = _number(info.get("master_repl_offset"))
    replicas = []
    for name, entry in info.items():
        if not (isinstance(name, str) and name.removeprefix("slave").isdecimal()):
            continue
        if isinstance(entry, Mapping):
            confirmed = _number(entry.get("offset"))
            is_unknown = written is None or confirmed is None
            replicas.append(
                Replica(
                    state=_word(entry.get("state")) or "",
                    lag_secs=_number(entry.get("lag")),
                    behind_bytes=None if is_unknown else max(0, (written or 0) - (confirmed or 0)),
                )
            )
    return tuple(replicas)
