"""
The demo: a node is killed with ``kill -9`` and restarted, and the monitor says what that did.
"""
