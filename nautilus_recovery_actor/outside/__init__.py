"""
Looks at a node from outside: its configuration, its Redis, its record.
"""
