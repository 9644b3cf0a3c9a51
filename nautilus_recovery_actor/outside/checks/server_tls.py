"""
The certificate of a Redis server, seen as NautilusTrader sees it.
"""

import importlib
import socket
import ssl
from importlib.util import find_spec


def public_roots() -> str | None:
    """
    Return the file of the public authorities that NautilusTrader has built in: those of Mozilla.
    """
    if find_spec("certifi") is None:
        return None
    path: str = importlib.import_module("certifi").where()
    return path


def is_publicly_trusted(host: str, port: int, timeout_secs: float) -> bool | None:
    """Return whether the certificate of a server is of a public authority, and for this host."""
    roots = public_roots()
    if roots is None:
        return None
    context = ssl.create_default_context(cafile=roots)
    try:
        with (
            socket.create_connection((host, port), timeout_secs) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False
    except OSError:
        return None
