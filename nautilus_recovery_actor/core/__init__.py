"""
What decides: pure functions over plain values, on msgspec and the standard library alone.
"""
