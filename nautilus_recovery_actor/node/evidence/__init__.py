"""
Asks the venues: what stands between each execution client and the engine, and the second answer.
"""
