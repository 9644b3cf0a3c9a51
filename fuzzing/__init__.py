"""
Feeds what reads Redis with values that no node wrote.
"""
