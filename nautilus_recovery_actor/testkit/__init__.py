"""
A paper venue, an embedded Valkey and trading nodes to run against them, for tests and demos.

Nothing is imported before it is used: the venue's own process needs no NautilusTrader.
"""

import importlib
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from nautilus_recovery_actor.testkit.clients import PaperInstrumentProvider
    from nautilus_recovery_actor.testkit.clients import PaperVenueDataClient
    from nautilus_recovery_actor.testkit.clients import PaperVenueDataClientConfig
    from nautilus_recovery_actor.testkit.clients import PaperVenueExecClientConfig
    from nautilus_recovery_actor.testkit.clients import PaperVenueExecutionClient
    from nautilus_recovery_actor.testkit.clients import PaperVenueLiveDataClientFactory
    from nautilus_recovery_actor.testkit.clients import PaperVenueLiveExecClientFactory
    from nautilus_recovery_actor.testkit.clients import paper_instrument
    from nautilus_recovery_actor.testkit.control import PaperVenueControl
    from nautilus_recovery_actor.testkit.control import PaperVenueError
    from nautilus_recovery_actor.testkit.facts import emit
    from nautilus_recovery_actor.testkit.faults import Faults
    from nautilus_recovery_actor.testkit.faults import HistoryFault
    from nautilus_recovery_actor.testkit.faults import MassStatusFault
    from nautilus_recovery_actor.testkit.history import paper_bars
    from nautilus_recovery_actor.testkit.history import paper_quotes
    from nautilus_recovery_actor.testkit.history import paper_trades
    from nautilus_recovery_actor.testkit.node import NodeError
    from nautilus_recovery_actor.testkit.node import NodeRun
    from nautilus_recovery_actor.testkit.node import paper_node
    from nautilus_recovery_actor.testkit.node import paper_node_config
    from nautilus_recovery_actor.testkit.node import running
    from nautilus_recovery_actor.testkit.paper_venue import PaperVenue
    from nautilus_recovery_actor.testkit.process import NodeProcess
    from nautilus_recovery_actor.testkit.process import NodeProcessError
    from nautilus_recovery_actor.testkit.records import Position
    from nautilus_recovery_actor.testkit.valkey import EmbeddedValkey
    from nautilus_recovery_actor.testkit.valkey import ValkeyError


__all__ = [
    "EmbeddedValkey",
    "Faults",
    "HistoryFault",
    "MassStatusFault",
    "NodeError",
    "NodeProcess",
    "NodeProcessError",
    "NodeRun",
    "PaperInstrumentProvider",
    "PaperVenue",
    "PaperVenueControl",
    "PaperVenueDataClient",
    "PaperVenueDataClientConfig",
    "PaperVenueError",
    "PaperVenueExecClientConfig",
    "PaperVenueExecutionClient",
    "PaperVenueLiveDataClientFactory",
    "PaperVenueLiveExecClientFactory",
    "Position",
    "ValkeyError",
    "emit",
    "paper_bars",
    "paper_instrument",
    "paper_node",
    "paper_node_config",
    "paper_quotes",
    "paper_trades",
    "running",
]

_MODULES = {
    "clients": (
        "PaperInstrumentProvider",
        "PaperVenueDataClient",
        "PaperVenueDataClientConfig",
        "PaperVenueExecClientConfig",
        "PaperVenueExecutionClient",
        "PaperVenueLiveDataClientFactory",
        "PaperVenueLiveExecClientFactory",
        "paper_instrument",
    ),
    "control": ("PaperVenueControl", "PaperVenueError"),
    "facts": ("emit",),
    "faults": ("Faults", "HistoryFault", "MassStatusFault"),
    "history": ("paper_bars", "paper_quotes", "paper_trades"),
    "node": ("NodeError", "NodeRun", "paper_node", "paper_node_config", "running"),
    "paper_venue": ("PaperVenue",),
    "process": ("NodeProcess", "NodeProcessError"),
    "records": ("Position",),
    "valkey": ("EmbeddedValkey", "ValkeyError"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
