"""
The documentation, and what writes those of its pages that the code knows best: ``make pages``.
"""
