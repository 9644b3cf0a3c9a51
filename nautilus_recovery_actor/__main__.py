"""
The command line as ``python -m nautilus_recovery_actor``.
"""

import sys

from nautilus_recovery_actor.cli import main
from nautilus_recovery_actor.console.common import end_answer


if __name__ == "__main__":
    code = main()
    end_answer()
    sys.exit(code)
