"""
What is looked at before a node starts: its configuration, what Redis holds of it, the server.

A module of facts reads, a module of rules decides. `preflight` brings them together.
"""
