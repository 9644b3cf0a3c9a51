"""
Run a command that ends when this process's standard input is closed.

A third-party server does not watch the process that started it. This process does: its standard
input is a pipe held by the parent, which closes when the parent ends, however it ends.
Usage: ``python -I lifeline.py COMMAND ...``.
"""

import os
import subprocess
import sys
import threading


def main() -> int:
    """Run the command in the arguments, and return its exit code."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def end_with_parent() -> None:
        os.read(0, 1)  # Returns when the parent's end of the pipe is closed
        process.kill()

    threading.Thread(target=end_with_parent, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
