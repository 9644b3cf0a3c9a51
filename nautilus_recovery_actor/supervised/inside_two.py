"""
What happens in the process of a node of 2.0: build it, look at its server, run it until it stops.

A node of 2.0 connects to Redis when it runs, after its monitor, and hangs at a server that does not
answer or refuses the password, without a line (100 attempts on 2.0.0rc7): the server is looked at
before the monitor is made.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from nautilus_trader.common import logger_flush
from nautilus_trader.live import LiveNode

from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Database
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.node2.monitor import MONITORS
from nautilus_recovery_actor.node2.monitor import RecoveryMonitor
from nautilus_recovery_actor.node2.preset import ENCODINGS
from nautilus_recovery_actor.node2.runner import BEFORE
from nautilus_recovery_actor.node2.runner import run_node
from nautilus_recovery_actor.outside.checks.redact import secrets_in
from nautilus_recovery_actor.outside.checks.redact import without_secrets
from nautilus_recovery_actor.supervised import entries_two as entries
from nautilus_recovery_actor.supervised import server
from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.endings import Phase
from nautilus_recovery_actor.supervised.endings import RefusedError
from nautilus_recovery_actor.supervised.endings import raised
from nautilus_recovery_actor.supervised.endings import stopped
from nautilus_recovery_actor.supervised.healing import heal
from nautilus_recovery_actor.supervised.order import Order
from nautilus_recovery_actor.supervised.order import Tell
from nautilus_recovery_actor.supervised.order import say
from nautilus_recovery_actor.supervised.server import Server


# How what `run` raises begins (seen on 2.0.0rc7); what begins otherwise is the venue's, or the
# network's
_NOT_LOADED = "Failed to load persistent cache"
_NOT_BEGUN = "Failed to start trader"
_NOT_DISCONNECTED = ("disconnect", "failed while awaiting")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECS = 0.05
_TIMER = "RECOVERY-STOP-IN-START"


class Place(msgspec.Struct, frozen=True):
    """A `RedisCacheConfig` that goes from one process to another."""

    host: str | None
    port: int | None
    username: str | None
    password: str | None
    ssl: bool


class Asked:
    """The signal that asked the node to stop, if one has, and how far the node had come."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.is_loaded = False
        self.has_started = False


def has_run() -> bool:
    """Return whether NautilusTrader has run in this process: a fork of it would not get on."""
    for thread in Path("/proc/self/task").glob("*/comm"):  # Elsewhere nothing tells
        with suppress(OSError):  # It has ended
            if thread.read_text().startswith("tokio"):
                return True
    return False


def run(order: Order, tell: Tell) -> Ending:
    """Build and run the node, and return how it ended."""
    servers: list[Server] = []
    try:
        node = _built(order, tell, servers)
    except RefusedError as e:
        return e.ending
    except Exception as e:
        return raised("the build", e, servers)
    return _run(node, order, tell, servers)


def _built(order: Order, tell: Tell, servers: list[Server]) -> LiveNode:
    with _before_each_monitor(order, tell, servers):
        node: object = order.build()
    if not isinstance(node, LiveNode):
        raise TypeError(f"`build` returned a {type(node).__name__}, not a LiveNode")
    if str(node.trader_id) not in MONITORS:
        raise TypeError("the node has no monitor: call `add_recovery_monitor` in `build`")
    return node


def _run(node: LiveNode, order: Order, tell: Tell, servers: list[Server]) -> Ending:
    monitor, error, asked = MONITORS[str(node.trader_id)], None, Asked()
    with _stopping_once(node, order, asked, tell), _recovery(monitor, order, asked, tell):
        try:
            run_node(node)
        except Exception as e:
            error = e
        tell(Phase.STOPPING)
        phase = monitor.phase
        with suppress(Exception):  # What it raises says nothing of the run
            node.dispose()
    logger_flush()
    if asked.signal is not None and not asked.has_started:
        return _not_begun(asked.signal)
    text = without_secrets(_without_traceback(error), secrets_in(servers))
    remark = ""
    if text.startswith(_NOT_DISCONNECTED):  # It had stopped by then
        error, remark = None, f"the clients did not disconnect in time: {text}"
    if error is not None and phase is not RecoveryPhase.FAILED:
        return raised("the node", error, servers)
    if error is not None:
        return _not_started(text, str(node.trader_id), servers)
    return stopped([phase], remark)


def _not_begun(number: signal.Signals) -> Ending:
    return Ending(128 + number, f"{number.name} before the node had started")


def _without_traceback(error: Exception | None) -> str:
    # What a strategy or an actor raises is in its text as Python prints it
    begin, _, rest = str(error or "").partition("Traceback (most recent call last):")
    if not rest:
        return begin
    print(error, file=sys.stderr, flush=True)  # noqa: T201
    return f"{begin.strip()} {rest.strip().splitlines()[-1]}"


def _not_started(text: str, trader_id: str, servers: list[Server]) -> Ending:
    if text.startswith(_NOT_BEGUN):
        return Ending(Exit.RAISED, f"the node raised: {text}")
    if text.startswith(_NOT_LOADED):
        found = (entries.stopped_by_entries(one, ENCODINGS) for one in servers)
        ending = next(filter(None, found), None)
        if ending is not None:
            return ending
    return Ending(
        Exit.TRY_AGAIN,
        f"the node did not start, and its recovery failed: {text}. If a restart does not help, "
        f"check the address, the keys and the timeouts of its clients; `nautilus-recovery status "
        f"--trader {one_line(trader_id)}` shows what is on record",
    )


@contextmanager
def _before_each_monitor(order: Order, tell: Tell, servers: list[Server]) -> Iterator[None]:
    def look(database: Database, namespace: Namespace) -> None:
        names = Place.__struct_fields__
        place = Place(**{name: getattr(database, name) for name in names})
        one = Server(place, namespace, is_cache=True, config="RedisCacheConfig")
        servers.append(one)
        tell(one)
        server.check(one)
        if order.heal:
            heal(one, entries.what_stops, say)

    BEFORE.append(look)
    try:
        yield
    finally:
        BEFORE.remove(look)


@contextmanager
def _stopping_once(node: LiveNode, order: Order, asked: Asked, tell: Tell) -> Iterator[None]:
    # Until its strategies run, a signal kills a node of 2.0 at once, and nothing is on record. Only
    # its handle may be used from another thread, and only another thread runs at any moment.
    handle, trader_id = node.handle(), str(node.trader_id)
    is_over = threading.Event()
    heard, waking = os.pipe()
    os.set_blocking(waking, False)

    def watch() -> None:
        is_stopping = False
        while not is_over.is_set():
            ready = select.select([heard], [], [], _LOOK_SECS)[0]
            found = [one for one in os.read(heard, 64) if one in _SIGNALS] if ready else []
            # Its monitor stops first, whoever asked
            if not is_stopping and (found or trader_id not in MONITORS):
                is_stopping = True
                tell(Phase.STOPPING)
            if found and asked.signal is None:
                asked.signal = signal.Signals(found[0])
                handle.stop()

    with ExitStack() as stack:
        for number in _SIGNALS:
            before = signal.signal(number, lambda *_: None)
            # A second one must not cut the end of the process short
            after = signal.SIG_IGN if order.is_in_own_process else before
            stack.callback(signal.signal, number, after)
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(waking))
        thread = threading.Thread(target=watch, name="stop-when-asked", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
    os.close(heard)
    os.close(waking)


@contextmanager
def _recovery(monitor: RecoveryMonitor, order: Order, asked: Asked, tell: Tell) -> Iterator[None]:
    def look(_: Any) -> None:
        # A client that connects holds up a stop for as long as that takes
        if monitor.decisions.recovery.is_trader_running:
            asked.has_started = True
            monitor.clock.cancel_timer(_TIMER)
        elif asked.signal is not None and order.is_in_own_process:
            monitor.abort()
            logger_flush()
            tell(_not_begun(asked.signal))
            os._exit(0)

    def on_started(*_: Any, **__: Any) -> None:
        if not asked.is_loaded:  # Only then the recovery starts
            asked.is_loaded = True
            tell(Phase.RUNNING)
            monitor.clock.set_timer_ns(_TIMER, int(_LOOK_SECS * 1e9), callback=look)

    def on_completed(*_: Any, **__: Any) -> None:
        tell(Phase.RECOVERED)

    with (
        signals.recovery_started.connected_to(on_started),
        signals.recovery_completed.connected_to(on_completed),
    ):
        yield
