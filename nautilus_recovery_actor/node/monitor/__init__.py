"""
The monitor on the node.
"""
