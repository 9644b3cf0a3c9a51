"""
Values of a Redis server: many are read at a time, but never more than a few megabytes of them.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from itertools import islice
from typing import Any
from typing import TypeAlias

import redis
from redis.exceptions import NoPermissionError

from nautilus_recovery_actor.outside.store.decoding import BrokenEntryError


MAX_VALUE_BYTES = 64 * 2**20

_BATCH_KEYS = 500
_BATCH_BYTES = 4 * 2**20
_PART_BYTES = 2**20

_Read: TypeAlias = Iterable[bytes] | BrokenEntryError


def read_values(
    client: redis.Redis, keys: Iterable[bytes], *, are_lists: bool, max_bytes: int = MAX_VALUE_BYTES
) -> Iterator[tuple[bytes, _Read]]:
    """Yield each key with its value."""
    args = (0, -1) if are_lists else ()
    command = "LRANGE" if are_lists else "GET"
    remaining = iter(keys)
    while batch := list(islice(remaining, _BATCH_KEYS)):
        few: list[bytes] = []
        total = 0
        for key, size in zip(batch, pipelined(client, "MEMORY USAGE", batch), strict=True):
            if isinstance(size, redis.ResponseError):
                yield key, BrokenEntryError(f"Redis answers: {size}")
            elif size is None:
                continue  # Gone meanwhile
            elif size > max_bytes:
                why = f"not read: {size / 2**20:,.0f} MiB, the limit is {max_bytes / 2**20:,.0f}"
                yield key, BrokenEntryError(why)
            elif size > _PART_BYTES and are_lists:
                yield key, _parts(client, key, size)
            else:
                if few and total + size > _BATCH_BYTES:
                    yield from _read(client, command, few, args)
                    few, total = [], 0
                few.append(key)
                total += size
        yield from _read(client, command, few, args)


def only(value: _Read) -> bytes:
    """Return the value of a key that is not a list."""
    if isinstance(value, BrokenEntryError):
        raise value
    return next(iter(value))


def shapes(client: redis.Redis, keys: list[bytes]) -> list[tuple[str, int | None]]:
    """Return the Redis type of each key, and of lists how many values they have."""
    found: list[tuple[str, int | None]] = []
    for start in range(0, len(keys), _BATCH_KEYS):
        some = keys[start : start + _BATCH_KEYS]
        types = [kind.decode() for kind in pipelined(client, "TYPE", some)]
        lists = [key for key, kind in zip(some, types, strict=True) if kind == "list"]
        counts = iter(pipelined(client, "LLEN", lists) if lists else ())
        found += [(kind, next(counts) if kind == "list" else None) for kind in types]
    return found


def pipelined(
    client: redis.Redis, command: str, keys: list[bytes], args: tuple[int, ...] = ()
) -> list[Any]:
    """Return what the server answers to one command for many keys."""
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.execute_command(command, key, *args)  # type: ignore[no-untyped-call]
        answers: list[Any] = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, NoPermissionError):
            raise answer
    return answers


def _read(
    client: redis.Redis, command: str, keys: list[bytes], args: tuple[int, ...]
) -> Iterator[tuple[bytes, _Read]]:
    for key, value in zip(keys, pipelined(client, command, keys, args), strict=True):
        if isinstance(value, redis.ResponseError):
            yield key, BrokenEntryError(_of_another_type(value))
        elif value is not None and value != []:
            yield key, value if isinstance(value, list) else [value]


def _parts(client: redis.Redis, key: bytes, size: int) -> Iterator[bytes]:
    try:
        length = client.llen(key)
        step = max(1, length * _PART_BYTES // size)
        for start in range(0, length, step):
            part: Any = client.lrange(key, start, min(start + step, length) - 1)
            yield from part
    except NoPermissionError:
        raise
    except redis.ResponseError as e:
        raise BrokenEntryError(_of_another_type(e)) from e


def _of_another_type(error: redis.ResponseError) -> str:
    if "WRONGTYPE" in str(error):
        return "its Redis type is not the one that NautilusTrader writes"
    return f"Redis answers: {error}"
