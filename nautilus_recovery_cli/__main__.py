"""
The command line as ``python -m nautilus_recovery_cli``.
"""

import sys

from nautilus_recovery_cli import main


if __name__ == "__main__":
    sys.exit(main())
