"""
What both hosts share, and what one without an event loop needs: free of NautilusTrader.
"""
