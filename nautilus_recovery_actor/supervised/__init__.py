"""
Runs a node in a process of its own, and always ends with an exit code.
"""
