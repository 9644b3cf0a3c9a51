"""
The walk of a new user.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.walk.steps import Walk


HAS_BOARD = find_spec("nautilus_recovery_actor.console.serve") is not None


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.skipif(not HAS_BOARD, reason="`serve` is not part of this build")
def test_a_new_user_gets_from_a_bot_of_their_own_to_a_proven_recovery(tmp_path: Path) -> None:
    """
    Each step is as expected, without the clone and the demo, and leaves its pictures.
    """
    with Walk(tmp_path, is_clone=False, is_demo=False) as walk:
        walk.go()
    assert walk.step == 11
    pictures = {path.stem for path in tmp_path.glob("*.png")}
    assert len(pictures) == 20
    assert not {name for name in pictures if "failed" in name}
