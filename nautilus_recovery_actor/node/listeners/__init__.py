"""
Who is informed of a recovery, and in which order.
"""
