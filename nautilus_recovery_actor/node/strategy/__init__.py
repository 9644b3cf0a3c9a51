"""
The strategy that waits for its node's recovery.
"""
