"""
With which versions of NautilusTrader 2.0 all of this was compared: what a real node of each loads.
"""

# Whoever adds one runs `tests/over` on it; CI runs the newest
VERSIONS = ("2.0.0rc7",)


def installed() -> str | None:
    """Return the version of NautilusTrader 2.0 that is installed, ``None`` if none is."""
    # It takes its time, which a command that does not ask has no use for
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    try:
        found = version("nautilus_trader")
    except PackageNotFoundError:
        return None
    return None if found.startswith(("0.", "1.")) else found
