import subprocess
import sys
from pathlib import Path

import pytest

from nautilus_recovery_actor import testkit


def test_all_names_are_sorted_and_can_be_had() -> None:
    assert testkit.__all__ == sorted(testkit.__all__)
    assert [name for name in testkit.__all__ if not hasattr(testkit, name)] == []
    assert dir(testkit) == testkit.__all__


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = testkit.Nothing


def test_the_venue_needs_no_nautilus_trader() -> None:
    code = (
        "import sys; sys.argv = ['standalone.py', 'venue', '--help']\n"
        "import runpy\n"
        "try: runpy.run_path({path!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "assert not [m for m in sys.modules if m.startswith('nautilus_trader')]"
    )
    path = Path(testkit.__file__).with_name("standalone.py")
    subprocess.run([sys.executable, "-c", code.format(path=str(path))], check=True)
