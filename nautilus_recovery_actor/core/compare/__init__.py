"""
What differs between the venue's report and the cache.
"""
