"""
Kills a node with ``kill -9`` again and again, and checks after each restart what must be true.
"""
