"""
A board of all traders, beside their nodes: it reads their Redis servers, and never writes to them.
"""
