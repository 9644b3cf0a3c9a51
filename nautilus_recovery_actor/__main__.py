"""
The command line as ``python -m nautilus_recovery_actor``.
"""

import sys

from nautilus_recovery_actor.cli import main


if __name__ == "__main__":
    sys.exit(main())
