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

    Returns
    -------
    str or ``None``
        ``None`` if `certifi`, which has them too, is not installed.

    """
    if find_spec("certifi") is None:
        return None
    path: str = importlib.import_module("certifi").where()
    return path


def is_publicly_trusted(host: str, port: int, timeout_secs: float) -> bool | None:
    """
    Return whether the certificate of a server is of a public authority, and for this host.

    Parameters
    ----------
    host : str
        The host.
    port : int
        The port.
    timeout_secs : float
        How long to wait for a connection, and for each answer (seconds).

    Returns
    -------
    bool or ``None``
        ``None`` if it cannot be told.

    """
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
