"""
The command line as ``python -m nautilus_recovery_actor``.
"""

import sys

from nautilus_recovery_actor.console.common import end_answer
from nautilus_recovery_actor.console.main import main


if __name__ == "__main__":
    code = main()
    end_answer()
    sys.exit(code)
