"""
The way out through a closed gate: what passes it, what waits, and what is held back.
"""
