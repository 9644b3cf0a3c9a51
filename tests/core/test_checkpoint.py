"""
How a strategy's state is kept: two slots, a checksum, and which of several states is the newest.
"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautilus_recovery_actor.core.checkpoint import FORMAT_VERSION
from nautilus_recovery_actor.core.checkpoint import Checkpoint
from nautilus_recovery_actor.core.checkpoint import CheckpointError
from nautilus_recovery_actor.core.checkpoint import CheckpointJournal
from nautilus_recovery_actor.core.checkpoint import decode
from nautilus_recovery_actor.core.checkpoint import encode
from nautilus_recovery_actor.core.checkpoint import newest_state
from nautilus_recovery_actor.core.checkpoint import state_digest


KEYS = [f"recovery:checkpoint:S-1:{slot}" for slot in (0, 1)]
STATES = st.dictionaries(st.text(max_size=5), st.binary(max_size=20), max_size=4)
ONE = Checkpoint(run=3, sequence=7, ts=1_000, state={"a": b"\x00\xff"}, saves=(b"12345678",))


class Memory(dict[str, bytes]):
    """
    A store in memory.
    """

    def add(self, key: str, value: bytes) -> None:
        self[key] = value


def journal(store: Memory, max_bytes: int = 1_000) -> CheckpointJournal:
    return CheckpointJournal(store, "S-1", max_bytes)


def restored(store: Memory) -> CheckpointJournal:
    found = journal(store)
    assert found.restore() == []
    return found


@given(STATES)
def test_what_is_encoded_is_decoded(state: dict[str, bytes]) -> None:
    """
    Keys are any text and values any bytes.
    """
    checkpoint = Checkpoint(run=1, sequence=2, ts=3, state=state, saves=(b"x" * 8,))
    assert decode(encode(checkpoint)) == checkpoint


def test_the_format_is_a_magic_number_a_version_a_checksum_and_msgpack() -> None:
    """
    So that an operator can tell what it is, and a later version can read it.
    """
    data = encode(ONE)
    assert data[:5] == b"NRCP\x01"
    assert FORMAT_VERSION == 1
    assert msgspec.msgpack.decode(data[13:]) == {
        "run": 3,
        "sequence": 7,
        "ts": 1_000,
        "state": {"a": b"\x00\xff"},
        "saves": [b"12345678"],
    }


@given(st.data())
def test_no_torn_or_changed_checkpoint_is_ever_taken(data: st.DataObject) -> None:
    """
    Whatever is cut off or changed, it is an error.
    """
    whole = encode(ONE)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(CheckpointError):
        decode(whole[:cut])
    bit = data.draw(st.integers(0, 7))
    with pytest.raises(CheckpointError):
        decode(whole[:cut] + bytes([whole[cut] ^ (1 << bit)]) + whole[cut + 1 :])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "it is not a checkpoint"),
        (b'{"state": {}}' * 2, "it is not a checkpoint"),
        (encode(ONE)[:12], "it is not a checkpoint"),
        (b"NRCP\x02" + encode(ONE)[5:], "its format is 2; this version reads 1"),
        (encode(ONE)[:-1], "its checksum does not match"),
    ],
)
def test_the_error_tells_what_is_wrong(data: bytes, error: str) -> None:
    """
    A newer format is told from a damaged one.
    """
    with pytest.raises(CheckpointError, match=f"^{error}$"):
        decode(data)


def test_a_checkpoint_that_is_whole_and_says_something_else_is_an_error() -> None:
    """
    Its checksum is right and it lacks what it must have.
    """
    other = encode({"run": 1})  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"^it cannot be decoded: .*`sequence`"):
        decode(other)


def test_an_unknown_field_is_no_error() -> None:
    """
    A later version may add one that this version can do without.
    """
    other = encode(msgspec.to_builtins(ONE, builtin_types=(bytes,)) | {"mood": 1})
    assert decode(other) == ONE


def test_the_slots_take_turns_and_the_newest_is_restored() -> None:
    """
    Sequences go on over the runs.
    """
    store = Memory()
    first = restored(store)
    for number in (b"1", b"2", b"3"):
        written = first.write({"n": number}, ts=10)
        assert written is first.newest
    assert [decode(store[key]).sequence for key in KEYS] == [2, 3]
    second = restored(store)
    assert second.newest == Checkpoint(run=1, sequence=3, ts=10, state={"n": b"3"})
    assert second.write({"n": b"4"}, ts=20) == Checkpoint(2, 4, 20, {"n": b"4"})
    assert [decode(store[key]).sequence for key in KEYS] == [4, 3]
    assert set(store) == set(KEYS)


def test_what_a_run_before_writes_late_is_not_taken() -> None:
    """
    Of two checkpoints that of the newer run counts, whatever its number.
    """
    store = Memory()
    old = restored(store)
    for number in (b"1", b"2"):
        old.write({"n": number}, ts=10)
    new = restored(store)
    new.write({"n": b"new"}, ts=20)  # The third
    store[KEYS[0]] = encode(Checkpoint(run=1, sequence=8, ts=30, state={"n": b"late"}))
    found = restored(store).newest
    assert found is not None
    assert found.state == {"n": b"new"}


def test_a_state_that_has_not_changed_is_not_written() -> None:
    """
    Also the empty one of a strategy that keeps nothing.
    """
    store = Memory()
    kept = restored(store)
    assert kept.write({}, ts=1) is None
    assert store == {}
    assert kept.write({"n": b"1"}, ts=2) is not None
    assert kept.write({"n": b"1"}, ts=3) is None
    assert restored(store).write({"n": b"1"}, ts=4) is None
    assert kept.write({}, ts=5) == Checkpoint(1, 2, 5, {})


def test_a_state_is_copied() -> None:
    """
    What the strategy does to its dictionary afterwards is a change.
    """
    kept, state = restored(Memory()), {"n": b"1"}
    kept.write(state, ts=1)
    state["n"] = b"2"
    assert kept.write(state, ts=2) is not None


def test_a_limit_is_for_the_whole_checkpoint() -> None:
    """
    What is as large as the limit is written, and what is larger leaves the last one as it is.
    """
    store = Memory()
    size = len(encode(Checkpoint(1, 1, 5, {"n": b"123"})))
    kept = journal(store, max_bytes=size)
    assert kept.write({"n": b"123"}, ts=5) is not None
    before = dict(store)
    with pytest.raises(CheckpointError, match=f"^it has {size + 1} bytes; the limit is {size}$"):
        kept.write({"n": b"1234"}, ts=5)
    assert store == before
    assert kept.newest == Checkpoint(1, 1, 5, {"n": b"123"})


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (None, "was NoneType"),
        ([("a", b"")], "was list"),
        ({"a": b"", "b": "text"}, "was str for 'b'"),
        ({"a": b"", 1: b""}, "was bytes for 1"),
    ],
)
def test_a_state_must_be_a_dictionary_of_bytes(state: object, error: str) -> None:
    """
    The error names the entry.
    """
    store = Memory()
    with pytest.raises(CheckpointError, match=rf"^it must be a dict\[str, bytes\], {error}$"):
        journal(store).write(state, ts=1)
    assert store == {}


@pytest.mark.parametrize(("damaged", "left"), [(0, b"3"), (1, b"2")])
def test_beside_a_damaged_checkpoint_the_other_is_taken_and_the_damaged_one_copied(
    damaged: int, left: bytes
) -> None:
    """
    The next one that is written replaces it.
    """
    store = Memory()
    before = restored(store)
    for number in (b"1", b"2", b"3"):
        before.write({"n": number}, ts=10)
    store[KEYS[damaged]] = torn = store[KEYS[damaged]][:-1]
    kept = journal(store)
    key, copy = KEYS[damaged], f"{KEYS[damaged]}:damaged"
    assert kept.restore() == [
        f"The checkpoint '{key}' cannot be read: its checksum does not match; copied to '{copy}'"
    ]
    assert store[copy] == torn
    assert kept.newest is not None
    assert kept.newest.state == {"n": left}
    kept.write({"n": b"9"}, ts=20)
    found = restored(store).newest
    assert found is not None
    assert found.state == {"n": b"9"}
    kept.write({"n": b"10"}, ts=20)
    assert len({store[key] for key in KEYS}) == 2


def test_with_two_damaged_checkpoints_a_run_begins_anew() -> None:
    """
    Both are copied, in the order of the slots.
    """
    store = Memory({KEYS[0]: b"a", KEYS[1]: b"b"})
    kept = journal(store)
    assert [error.split("'")[1] for error in kept.restore()] == KEYS
    assert kept.newest is None
    assert [store[f"{key}:damaged"] for key in KEYS] == [b"a", b"b"]
    assert kept.write({"n": b"1"}, ts=1) == Checkpoint(1, 1, 1, {"n": b"1"})
    assert store[KEYS[0]] == store[KEYS[1]]


def test_strategies_have_slots_of_their_own() -> None:
    """
    By their ids.
    """
    store = Memory()
    restored(store).write({"n": b"1"}, ts=1)
    other = CheckpointJournal(store, "S-2", 1_000)
    assert other.restore() == []
    assert other.newest is None


def test_of_a_checkpoint_and_what_was_saved_the_newer_is_the_state() -> None:
    """
    A checkpoint knows what was saved before it, and only what it does not know came later.
    """
    saved, other = {"n": b"1"}, {"n": b"2"}
    checkpoint = Checkpoint(1, 1, 1, {"n": b"3"}, saves=(state_digest(saved),))
    assert newest_state(None, None) is None
    assert newest_state(None, {}) is None
    assert newest_state(None, saved) is saved
    assert newest_state(checkpoint, None) is checkpoint.state
    assert newest_state(checkpoint, {}) is checkpoint.state
    assert newest_state(checkpoint, saved) is checkpoint.state
    assert newest_state(checkpoint, other) is other


def test_a_save_that_was_lost_in_a_kill_leaves_the_one_before_known() -> None:
    """
    The checkpoint of a clean stop is written, and what is saved after it may not be.
    """
    store = Memory()
    kept = restored(store)
    states = [{"n": bytes([number])} for number in range(4)]
    for state in states:
        kept.know(state)
        kept.write(state, ts=1)
    found = restored(store).newest
    assert found is not None
    assert found.saves == tuple(map(state_digest, states[2:]))
    assert newest_state(found, states[2]) is found.state
    assert newest_state(found, states[1]) is states[1]


def test_to_know_a_save_is_a_change_and_to_know_it_again_is_none() -> None:
    """
    What is known goes on over the runs.
    """
    store = Memory()
    kept = restored(store)
    kept.write({"n": b"1"}, ts=1)
    kept.know({"n": b"1"})
    assert kept.write({"n": b"1"}, ts=2) is not None
    kept.know({"n": b"1"})
    assert kept.write({"n": b"1"}, ts=3) is None
    again = restored(store).write({"n": b"2"}, ts=4)
    assert again is not None
    assert again.saves == (state_digest({"n": b"1"}),)


def test_the_one_saved_last_is_known_longest() -> None:
    """
    Also if it was known before.
    """
    kept = restored(Memory())
    for number in (b"1", b"2", b"1", b"3"):
        kept.know({"n": number})
    written = kept.write({}, ts=1)
    assert written is not None
    assert written.saves == (state_digest({"n": b"1"}), state_digest({"n": b"3"}))


@given(STATES)
def test_a_digest_is_the_same_after_a_cache_in_json_has_stored_the_state(
    state: dict[str, bytes],
) -> None:
    """
    It gives the bytes back as text, and the order of the keys is nobody's business.
    """
    again = msgspec.json.decode(msgspec.json.encode(dict(reversed(state.items()))))
    assert state_digest(again) == state_digest(state)
    assert state_digest({**state, "more": b""}) != state_digest(state) or "more" in state


def test_a_digest_is_to_be_had_of_any_state() -> None:
    """
    NautilusTrader saves what is not bytes as well.
    """
    assert state_digest({"a": 1, "b": object}) != state_digest({"a": 2, "b": object})
    assert len(state_digest({})) == 8
