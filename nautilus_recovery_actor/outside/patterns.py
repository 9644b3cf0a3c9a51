"""
Patterns for ``SCAN``.
"""


def literal(text: str) -> str:
    """Return a pattern that only `text` itself matches."""
    return "".join(f"\\{c}" if c in "*?[]^\\" else c for c in text)
