"""
What the fuzzer begins with, for the tests.
"""

from pathlib import Path

import fuzzing


_DIRECTORY = Path(fuzzing.__file__).with_name("corpus")

CORPUS = [path.read_bytes() for path in sorted(_DIRECTORY.iterdir())]
