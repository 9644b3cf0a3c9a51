"""
What a host without an event loop needs and that is free of NautilusTrader.
"""
