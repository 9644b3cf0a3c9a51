"""
A command that is killed has done all of it or nothing.
"""

import os
import random
import signal
import time
from typing import Any

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.forget.support import GARBAGE
from tests.forget.support import POSITION
from tests.forget.support import Run
from tests.forget.support import left_behind
from tests.forget.support import stored


# Whether it was taken out before the kill, and after it: carried out or not, in both directions
ALL = {(False, False), (False, True), (True, True), (True, False)}


def without_ids(found: dict[bytes, Any]) -> tuple[dict[bytes, Any], list[Any]]:
    # What is kept is named by the second in which it was taken
    kept = {key for key in found if b":forgotten:" in key}
    entries = sorted(str(found[key]) for key in kept if key.count(b":") > 2)
    return {key: value for key, value in found.items() if key not in kept}, entries


def test_a_kill_leaves_what_was_before_or_what_is_after(
    venue: PaperVenue, valkey: EmbeddedValkey, run: Run
) -> None:
    """Killed at any moment of taking out and of putting back, which are one transaction each."""
    orders = left_behind(venue, valkey)
    with valkey.client() as client:
        for key in (POSITION, *orders.values()):
            client.rpush(key, GARBAGE)
    before = without_ids(stored(valkey))
    began = time.monotonic()
    assert run("--all-that-stop", "--apply")[0] == 0
    took = time.monotonic() - began
    after = without_ids(stored(valkey))
    assert before != after

    clients = len(valkey.client().client_list())  # Of the node that has ended
    dice = random.Random(7)
    seen: set[tuple[bool, bool]] = set()
    for tries in range(400):
        if len(seen) == len(ALL):
            break
        is_taken = without_ids(stored(valkey)) == after
        what = "--undo" if is_taken else "--all-that-stop"
        child = os.fork()
        if not child:  # pragma: no cover
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            os._exit(main(["forget", what, "--apply"]))
        # It takes longer on a machine that does other things meanwhile
        time.sleep(dice.random() * took * (1.5 + tries / 20))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        # What it had sent in full is carried out, also after its death
        valkey.wait_for(lambda client: len(client.client_list()) <= clients)
        found = without_ids(stored(valkey))
        assert found in (before, after)
        seen.add((is_taken, found == after))
    assert seen == ALL
    if without_ids(stored(valkey)) == after:
        assert run("--undo", "--apply")[0] == 0
    assert without_ids(stored(valkey)) == before
