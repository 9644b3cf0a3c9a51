"""
The commands of ``nautilus-recovery``, a module each.
"""
