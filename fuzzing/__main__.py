"""
Run the fuzzer: ``python -m fuzzing [SECONDS]``. What it finds it writes to the present directory.
"""

import sys
import tempfile
from pathlib import Path

import atheris


with atheris.instrument_imports(include=["nautilus_recovery_actor"]):
    from nautilus_recovery_actor.outside.store import accounts  # noqa: F401 (to be watched)
    from nautilus_recovery_actor.outside.store import decoding  # noqa: F401
    from nautilus_recovery_actor.outside.store import orders  # noqa: F401
    from nautilus_recovery_actor.outside.store import positions  # noqa: F401 (to be watched)

from fuzzing.targets import survive


_CORPUS = Path(__file__).with_name("corpus")


def main() -> None:
    """
    Fuzz for a limited time.
    """
    secs = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as found:
        # A hang is an input of more than 5 s; memory is watched by the fuzzer itself
        options = [f"-max_total_time={secs}", "-timeout=5", "-rss_limit_mb=1024", "-max_len=8192"]
        atheris.Setup([sys.argv[0], *options, found, str(_CORPUS)], survive)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
