"""
The monitor's own connection to Redis, beside the cache's: the only place in a node that uses redis.
"""
