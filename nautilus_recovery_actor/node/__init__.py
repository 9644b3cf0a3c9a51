"""
The host on NautilusTrader 1.x: looks, and carries out what the core decides.
"""
