"""
What can be told of a Redis server, and how it reads in the answers of one.

Nothing in these answers is taken on trust: what is of another kind than expected is not told.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from nautilus_recovery_actor.journal import Heartbeat
from nautilus_recovery_actor.record import recorded


_LONGEST_NUMBER = 20  # Digits, enough for 64 bits
_LONGEST_WORD = 80


class Trouble(StrEnum):
    """
    Why nothing more can be told of a server.

    ``URL``: there is no such URL. ``UNREACHABLE``: no connection, or no answer in time. ``TLS``: no
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
    """
    A replica of the server.

    Parameters
    ----------
    state : str
        Such as ``online``.
    lag_secs : int, optional
        The seconds since it last said how far it is.
    behind_bytes : int, optional
        How much of the stream of writes it has not confirmed.

    """

    state: str
    lag_secs: int | None = None
    behind_bytes: int | None = None


class ServerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was seen of a Redis server. ``None``: could not be told.

    Parameters
    ----------
    address : str
        Where it is, without anything secret.
    trouble : Trouble, optional
        Why it cannot be used. What follows is then as far as it was read.
    detail : str, default ""
        What was said about the trouble.
    is_local : bool, default True
        If the connection does not leave this machine.
    is_encrypted : bool, default False
        If the connection uses TLS.
    is_publicly_trusted : bool, optional
        If its certificate stands before the roots that NautilusTrader has built in.
    ping_secs : float, optional
        The median time of an answer.
    clocks : tuple[int, ...]
        What time it is (UNIX ns), here and at the server.
    version : str, optional
        The version of Redis that it speaks.
    is_cluster : bool, optional
        If it is one node of a cluster.
    role : str, optional
        Such as ``master``.
    replicas : tuple[Replica, ...]
        Those connected.
    used_memory : int, optional
        The bytes that count towards `maxmemory`.
    maxmemory : int, optional
        The limit in bytes, zero for none.
    eviction_policy : str, optional
        Such as ``noeviction``.
    evicted_keys : int, optional
        How many since its start.
    is_aof : bool, optional
        If it writes an append-only file.
    appendfsync : str, optional
        How often that file reaches the disk.
    save_points : str, optional
        When it writes snapshots, empty for never.
    is_aof_failed : bool, optional
        If the last write to that file failed.
    is_save_failed : bool, optional
        If the last snapshot failed.
    is_refusing_after_failed_save : bool, optional
        ``stop-writes-on-bgsave-error``.
    saved_secs_ago : int, optional
        The age of the last snapshot.
    unsaved_changes : int, optional
        The changes since.
    denied : tuple[str, ...]
        Commands of NautilusTrader that this user may not use on the keys of this trader.
    refusal : str, optional
        Why it would refuse to write now, in its words.
    is_writing_tried : bool, default False
        If it was asked whether it would write.
    has_keys : bool, optional
        If it holds anything of this trader as configured.
    elsewhere : tuple[str, ...]
        Prefixes under which it holds this trader otherwise.
    key_count : int, optional
        How many keys it holds in all.
    heartbeat : Heartbeat, optional
        The last sign of life of this trader's monitor.
    is_heartbeat_damaged : bool, default False
        If there is one that cannot be read.
    untold : tuple[str, ...]
        What was asked and not answered.

    """

    address: str
    trouble: Trouble | None = None
    detail: str = ""
    is_local: bool = True
    is_encrypted: bool = False
    is_publicly_trusted: bool | None = None
    ping_secs: float | None = None
    clocks: tuple[int, ...] = ()
    version: str | None = None
    is_cluster: bool | None = None
    role: str | None = None
    replicas: tuple[Replica, ...] = ()
    used_memory: int | None = None
    maxmemory: int | None = None
    eviction_policy: str | None = None
    evicted_keys: int | None = None
    is_aof: bool | None = None
    appendfsync: str | None = None
    save_points: str | None = None
    is_aof_failed: bool | None = None
    is_save_failed: bool | None = None
    is_refusing_after_failed_save: bool | None = None
    saved_secs_ago: int | None = None
    unsaved_changes: int | None = None
    denied: tuple[str, ...] = ()
    refusal: str | None = None
    is_writing_tried: bool = False
    has_keys: bool | None = None
    elsewhere: tuple[str, ...] = ()
    key_count: int | None = None
    heartbeat: Heartbeat | None = None
    is_heartbeat_damaged: bool = False
    untold: tuple[str, ...] = ()


def told_by_info(info: Mapping[str, object], now_secs: float) -> dict[str, Any]:
    """
    Return the facts in the answer to ``INFO``.

    Parameters
    ----------
    info : Mapping[str, object]
        The answer, as redis-py reads it.
    now_secs : float
        What time it is at the server (UNIX seconds).

    Returns
    -------
    dict[str, Any]
        Fields of `ServerFacts`.

    """
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


def told_by_config(config: Mapping[str, object]) -> dict[str, Any]:
    """
    Return the facts in the answer to ``CONFIG GET``.

    Parameters
    ----------
    config : Mapping[str, object]
        The answer, as redis-py reads it.

    Returns
    -------
    dict[str, Any]
        Fields of `ServerFacts`.

    """
    save = config.get("save")
    return {
        "appendfsync": _word(config.get("appendfsync")),
        "save_points": save if isinstance(save, str) else None,
        "is_refusing_after_failed_save": _is(config.get("stop-writes-on-bgsave-error"), "yes"),
    }


def told_by_heartbeat(value: Any) -> dict[str, Any]:
    """
    Return the facts in the entry that holds the heartbeat.

    Parameters
    ----------
    value : Any
        The entry, ``None`` if there is none.

    Returns
    -------
    dict[str, Any]
        Fields of `ServerFacts`.

    """
    if value is None:
        return {}
    try:
        heartbeat = recorded.heartbeat(value)
    except (recorded.DamagedError, TypeError):
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
                ),
            )
    return tuple(replicas)
