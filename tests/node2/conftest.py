"""
What needs NautilusTrader 2.0: `make two` runs it, on 1.x there is nothing to collect.
"""

from importlib.util import find_spec


if find_spec("nautilus_trader.common.actor") is not None:
    collect_ignore_glob = ["test_*.py", "facts/test_*.py"]
