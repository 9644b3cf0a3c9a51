"""
The Redis server of a node, before the node uses it: can it be used?
"""

from typing import Any

import msgspec

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.outside.checks import server_catalog as found
from nautilus_recovery_actor.outside.checks.findings import Finding
from nautilus_recovery_actor.outside.checks.server import look_at_login
from nautilus_recovery_actor.outside.checks.server import look_at_server
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.endings import RefusedError


_LOOK_SECS = 2.5  # Both servers together in 5 s
# What may pass without anybody's doing
_PASSING = (
    found.UNREACHABLE,
    found.LOADING,
    found.REPLICA,
    found.REFUSES_WRITES,
    found.MEMORY_FULL,
)
_LASTING = (
    found.URL_INVALID,
    found.TLS_FAILED,
    found.TLS_PRIVATE_CA,
    found.NOT_AUTHENTICATED,
    found.BAD_ANSWER,
    found.NOT_PERMITTED,
    found.CLUSTER,
)
_CODES = {rule.code: Exit.TRY_AGAIN for rule in _PASSING}
_CODES |= {rule.code: Exit.MISCONFIGURED for rule in _LASTING}


class Server(msgspec.Struct, frozen=True):
    """A server that a node is configured to use, and where its entries are on it."""

    database: Any  # A `Database`, which goes from one process to another
    namespace: Namespace
    # If the cache is there; else only the message bus
    is_cache: bool
    # What this version of NautilusTrader calls its configuration
    config: str = "DatabaseConfig"


def check(server: Server) -> None:
    """Refuse a server that no node can use."""
    finding = _unusable(server)
    if finding is not None:
        raise RefusedError(_CODES[finding.code], _told(server, finding))


def state(server: Server) -> str:
    """Return how a server is, for who wonders why a node does not get on."""
    finding = _unusable(server)
    if finding is None:
        return f"Redis at {server.database.host}:{server.database.port} answers"
    return _told(server, finding)


def _told(server: Server, finding: Finding) -> str:
    told = f"{finding.subject}: {finding.message} {finding.remedy}"
    return told.replace("DatabaseConfig", server.config)


def _unusable(server: Server) -> Finding | None:
    findings = look_at_login(server.database) or look_at_server(
        database_url(server.database), server.namespace, _LOOK_SECS, is_live_ok=True
    )
    for finding in findings:
        is_of_cache = finding.code == found.NOT_PERMITTED.code
        if finding.code in _CODES and (server.is_cache or not is_of_cache):
            return finding
    return None
