"""
What NautilusTrader 2.0 stores, and what it makes of it when it starts (seen in 2.0.0rc7, whose
sources say which field is which).
"""
