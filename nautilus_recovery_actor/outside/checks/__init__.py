"""
What is checked before a node starts: its configuration, its entries in Redis, and the server.

Modules of facts read, modules of rules decide, and `preflight` brings them together.
"""
