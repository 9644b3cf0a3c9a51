"""
The state of a strategy as it is kept in the cache, so that it survives a kill.

A checkpoint is written to one of two slots in turn, so that the last good one survives whatever
happens to the next, and it has a checksum, so that a torn one is never used.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from nautilus_recovery_actor.core.journal import CHECKPOINT_SLOTS
from nautilus_recovery_actor.core.journal import Store
from nautilus_recovery_actor.core.names import CHECKPOINT_KEY
from nautilus_recovery_actor.core.names import DAMAGED_CHECKPOINT_KEY
from nautilus_recovery_actor.core.names import STALE_CHECKPOINT_KEY
from nautilus_recovery_actor.core.text import counted


FORMAT_VERSION = 1

_MAGIC = b"NRCP"
_DIGEST_SIZE = 8
_HEADER_SIZE = len(_MAGIC) + 1 + _DIGEST_SIZE
# A clean stop writes one; the one before it is what is found if that write was lost in a kill
_KEPT_SAVES = 2


class CheckpointError(ValueError):
    """A state that cannot be kept, or a checkpoint that cannot be read."""


class Checkpoint(msgspec.Struct, frozen=True):
    """
    What a strategy's `on_save` returned at one moment.

    Parameters
    ----------
    run : int
        The number of the strategy's run, one more with each that wrote a checkpoint. Of two
        checkpoints that of the newer run counts: what a run before wrote late is not taken.
    sequence : int
        The number of the checkpoint, one more with each.
    ts : int
        When it was made (UNIX ns).
    state : dict[str, bytes]
        The state.
    saves : tuple[bytes, ...], default ()
        The digests of the states that NautilusTrader's own `save_state` wrote, and that this one
        is at least as new as.

    """

    run: int
    sequence: int
    ts: int
    state: dict[str, bytes]
    saves: tuple[bytes, ...] = ()


_DECODER = msgspec.msgpack.Decoder(Checkpoint)


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the checkpoint as bytes."""
    body = msgspec.msgpack.encode(checkpoint)
    return _MAGIC + bytes([FORMAT_VERSION]) + _digest(body) + body


def decode(data: bytes) -> Checkpoint:
    """Return the checkpoint that `encode` wrote."""
    header, body = data[:_HEADER_SIZE], data[_HEADER_SIZE:]
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise CheckpointError("it is not a checkpoint")
    if (version := header[len(_MAGIC)]) != FORMAT_VERSION:
        raise CheckpointError(f"its format is {version}; this version reads {FORMAT_VERSION}")
    if header[-_DIGEST_SIZE:] != _digest(body):
        raise CheckpointError("its checksum does not match")
    try:
        return _DECODER.decode(body)
    except msgspec.MsgspecError as e:
        raise CheckpointError(f"it cannot be decoded: {e}") from e


def state_digest(state: Mapping[str, Any]) -> bytes:
    """
    Return a digest of a state, the same before NautilusTrader stored it and after.

    A cache that is encoded in JSON gives text back for bytes, in base64 (seen on 1.221 and 1.231).
    """
    # msgspec writes bytes into JSON in base64, as that cache does
    return _digest(msgspec.json.encode(sorted(state.items()), enc_hook=repr))


def newest_state(
    checkpoint: Checkpoint | None, saved: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Return which state to go on with."""
    if checkpoint is None:
        return saved or None
    if not saved or state_digest(saved) in checkpoint.saves:
        return checkpoint.state
    return saved


class CheckpointJournal:
    """
    Keeps the checkpoints of one strategy in the cache, or wherever `add` brings them.

    Nothing here blocks: `add` buffers what it writes.
    """

    def __init__(self, store: Store, strategy_id: str, max_bytes: int) -> None:
        self._store = store
        self.add: Callable[[str, bytes], None] = store.add
        self._strategy_id = strategy_id
        self._max_bytes = max_bytes
        self._run = 1
        self._saves: tuple[bytes, ...] = ()
        self._damaged: set[int] = set()
        self.newest: Checkpoint | None = None  # The last good one

    @property
    def damaged(self) -> list[str]:
        """The keys of the checkpoints that cannot be read."""
        return [self._key(CHECKPOINT_KEY, slot) for slot in sorted(self._damaged)]

    @property
    def keys(self) -> list[str]:
        """The keys of all checkpoints."""
        return [self._key(CHECKPOINT_KEY, slot) for slot in range(CHECKPOINT_SLOTS)]

    def restore(self, get: Callable[[str], bytes | None] | None = None) -> list[str]:
        """
        Read the newest checkpoint that is whole, and keep a copy of each that is not.

        It may be called for more than one place with another `get` each: the newest of all counts.
        """
        errors = []
        for slot, data in self._stored(get or self._store.get):
            try:
                found = decode(data)
            except CheckpointError as e:
                key, copy = self._key(CHECKPOINT_KEY, slot), self._key(DAMAGED_CHECKPOINT_KEY, slot)
                self._store.add(copy, data)
                self._damaged.add(slot)
                errors.append(f"The checkpoint '{key}' cannot be read: {e}; copied to '{copy}'")
                continue
            if self.newest is None or _age(found) > _age(self.newest):
                self.newest = found
        if self.newest is not None:
            self._run, self._saves = self.newest.run + 1, self.newest.saves
        return errors

    @property
    def is_stale(self) -> bool:
        """Whether the newest one was held before for what it may lack."""
        mark = self._store.get(self._stale_key)
        return mark is not None and self.newest is not None and mark == _mark(self.newest)

    def hold(self) -> None:
        """Keep in mind that the newest one may be older than what the strategy wrote last."""
        if self.newest is not None:
            self._store.add(self._stale_key, _mark(self.newest))

    def know(self, saved: Mapping[str, Any]) -> None:
        """Take note of what NautilusTrader itself saves: what is written from now on is as new."""
        digest = state_digest(saved)
        self._saves = (*(other for other in self._saves if other != digest), digest)[-_KEPT_SAVES:]

    def write(self, state: Any, ts: int) -> Checkpoint | None:
        """Write a checkpoint, in place of the one before the last."""
        _check(state)
        last = self.newest or Checkpoint(run=0, sequence=0, ts=0, state={})
        if (state, self._saves) == (last.state, last.saves):
            return None
        checkpoint = Checkpoint(self._run, last.sequence + 1, ts, dict(state), self._saves)
        data = encode(checkpoint)
        if len(data) > self._max_bytes:
            raise CheckpointError(
                f"it has {counted(len(data), 'byte')}; the limit is {self._max_bytes}"
            )
        # What could not be read has a copy, and is replaced
        for slot in {checkpoint.sequence % CHECKPOINT_SLOTS, *self._damaged}:
            self.add(self._key(CHECKPOINT_KEY, slot), data)
        self._damaged.clear()
        self.newest = checkpoint
        return checkpoint

    def _stored(self, get: Callable[[str], bytes | None]) -> Iterator[tuple[int, bytes]]:
        for slot, key in enumerate(self.keys):
            data = get(key)
            if data is not None:
                yield slot, data

    @property
    def _stale_key(self) -> str:
        return STALE_CHECKPOINT_KEY.format(strategy_id=self._strategy_id)

    def _key(self, key: str, slot: int) -> str:
        return key.format(strategy_id=self._strategy_id, slot=slot)


def is_checkpoint(key: str) -> bool:
    """Return whether an entry is a checkpoint, and not what is kept beside one."""
    return key.startswith(CHECKPOINT_KEY.partition("{")[0]) and key[-1:].isdigit()


def _check(state: Any) -> None:
    if not isinstance(state, dict):
        raise CheckpointError(f"it must be a dict[str, bytes], was {type(state).__name__}")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, bytes):
            raise CheckpointError(
                f"it must be a dict[str, bytes], was {type(value).__name__} for {key!r}"
            )


def _age(checkpoint: Checkpoint) -> tuple[int, int]:
    return checkpoint.run, checkpoint.sequence


def _mark(checkpoint: Checkpoint) -> bytes:
    return msgspec.json.encode(_age(checkpoint))


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_DIGEST_SIZE).digest()
