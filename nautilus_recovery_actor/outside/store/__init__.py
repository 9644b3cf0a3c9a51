"""
What the next start of a node would restore, decoded from Redis without a node.
"""
