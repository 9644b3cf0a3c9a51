"""
Reads what is to be seen of a recovery into the core's plain values.
"""
