"""
What ``nautilus-recovery paper`` prints.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from nautilus_recovery_actor.console.venue import PORT
from nautilus_recovery_actor.core.text import wrapped
from nautilus_recovery_actor.testkit.offer import REFUSES
from nautilus_recovery_actor.testkit.offer import TAKES


_NETTING = "NETTING"
_WIDTH = 79
_LOWER = Decimal("0.95")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How a paper venue runs."""

    port: int
    # The first price of each symbol
    prices: dict[str, Decimal]
    oms: str
    # The seed of the moves, ``None`` for prices that hold
    seed: int | None
    interval_secs: float
    # The port of the Valkey that was started, if one was
    redis_port: int | None


def block(setting: Setting) -> Iterator[str]:
    """Yield the lines that a user needs to trade at the venue."""
    yield f"Paper venue: 127.0.0.1:{setting.port}, account PAPER-001 ({setting.oms})"
    prices = ", ".join(f"{symbol}.PAPER at {px}" for symbol, px in setting.prices.items())
    yield from wrapped(f"Instruments: {prices}")
    if setting.seed is None:
        yield "Prices: they hold until you set them"
    else:
        every = f"every {setting.interval_secs:g} s"
        yield f"Prices: they move {every}; --seed {setting.seed} makes the same moves again"
    if setting.redis_port is None:
        yield "Redis: none was started; --valkey starts one that outlives your bot"
    else:
        yield f"Redis: 127.0.0.1:{setting.redis_port}, a Valkey that outlives your bot"
    yield ""
    yield "For your node:"
    yield ""
    yield from configuration(setting)
    yield ""
    yield "For another terminal:"
    yield ""
    if setting.redis_port is not None:
        yield f"export REDIS_URL=redis://127.0.0.1:{setting.redis_port}"
    yield from _explained(list(_actions(setting)))
    yield ""
    yield "Ctrl-C ends it. What it takes and refuses: nautilus-recovery paper --list"


def configuration(setting: Setting) -> Iterator[str]:
    """Yield the lines to paste into a node."""
    server = "" if setting.redis_port is None else f"port={setting.redis_port}"
    yield "from nautilus_recovery_actor import recovery_cache_config, testkit"
    yield ""
    symbols = [f'"{symbol}",' for symbol in setting.prices]
    yield "VENUE = {"
    yield f'    "port": {setting.port},'
    yield from wrapped(f'    "symbols": ({" ".join(symbols)}),')
    yield "}"
    yield "config = TradingNodeConfig("
    yield "    # ... what your node has, and"
    yield f"    cache=recovery_cache_config({server}),"
    yield '    data_clients={"PAPER": testkit.PaperVenueDataClientConfig(**VENUE)},'
    if setting.oms == _NETTING:
        yield '    exec_clients={"PAPER": testkit.PaperVenueExecClientConfig(**VENUE)},'
    else:
        yield "    exec_clients={"
        oms = f'oms_type="{setting.oms}"'
        yield f'        "PAPER": testkit.PaperVenueExecClientConfig(**VENUE, {oms})'
        yield "    },"
    yield ")"
    yield 'node.add_data_client_factory("PAPER", testkit.PaperVenueLiveDataClientFactory)'
    yield 'node.add_exec_client_factory("PAPER", testkit.PaperVenueLiveExecClientFactory)'


def offer() -> Iterator[str]:
    """Yield what the venue takes and refuses."""
    yield "A paper venue takes"
    yield from _listed(TAKES)
    yield ""
    yield "It refuses, and the reason it gives"
    yield from _listed(REFUSES)


def _actions(setting: Setting) -> Iterator[tuple[str, str]]:
    symbol, px = next(iter(setting.prices.items()))
    port = "" if setting.port == PORT else f" --port {setting.port}"
    paper = f"nautilus-recovery paper{port}"
    yield f"{paper} show", "what it holds"
    yield f"{paper} price {symbol} {(px * _LOWER).normalize():f}", "set a price"
    yield f"{paper} trade {symbol} SELL 1", "as from a phone"
    yield f"{paper} drop 10", "no connection for 10 s"
    yield f"{paper} fault missing-position", "it lies"
    yield f"{paper} fault none", "it is honest"


def _explained(actions: list[tuple[str, str]]) -> Iterator[str]:
    width = max(len(command) for command, _ in actions)
    for command, what in actions:
        line = f"{command:<{width}}  # {what}"
        yield line if len(line) <= _WIDTH else command


def _listed(rows: dict[str, str]) -> Iterator[str]:
    for name, text in rows.items():
        yield f"  {name}: {text}"
