"""
How the recoveries of a node went and go, read from outside.
"""
