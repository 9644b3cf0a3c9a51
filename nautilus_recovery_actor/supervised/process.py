"""
Watches the process of a node: deadlines and signals, whatever that process is stuck in.

`TradingNode(...)` and `dispose()` hold the GIL while they wait for Redis, so that neither a thread
nor a signal handler of the same process runs then.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.connection import wait
from typing import Any

from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.supervised import server
from nautilus_recovery_actor.supervised.endings import Ending
from nautilus_recovery_actor.supervised.endings import Exit
from nautilus_recovery_actor.supervised.endings import Phase
from nautilus_recovery_actor.supervised.order import Order
from nautilus_recovery_actor.supervised.server import Server


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Until it runs, a node has nothing to stop
_UNBUILT_SECS = 1.0
_PR_SET_PDEATHSIG = 1


class Asked:
    """The signal that asked this process to stop, if one has."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.fd, self._write = os.pipe()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Take the signals that ask for a stop."""
        before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(self.fd)
            os.close(self._write)

    def sleep(self, secs: float) -> None:
        """Wait, but not once asked to stop."""
        wait([self.fd], secs)

    def _take(self, number: int, _: Any) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
            os.write(self._write, b"\0")


class NodeProcess:
    """A node in a process of its own, until its end."""

    def __init__(self, order: Order, asked: Asked, build_secs: float, stop_secs: float) -> None:
        self._asked = asked
        self._build_secs = build_secs
        self._stop_secs = stop_secs
        self._servers: list[Server] = []
        self._phase = Phase.BUILDING
        # If a recovery has completed in it
        self.has_recovered = False
        self._ending: Ending | None = None
        self._deadline: float | None = time.monotonic() + build_secs
        self._is_forwarded = False
        context = multiprocessing.get_context("fork")
        self._told, telling = context.Pipe(duplex=False)
        # Not a daemon: a node may start processes
        self._process = context.Process(target=_enter, args=(order, telling), daemon=False)
        with warnings.catch_warnings(), _blocked():
            # Libraries have threads of their own; of what runs in Python the user is told
            warnings.filterwarnings("ignore", "(?s).*fork", DeprecationWarning)
            self._process.start()
        telling.close()

    def ended(self) -> Ending:
        """Wait for the end of the node, or bring it about, and return how it ended."""
        sources: list[Any] = [self._told, self._process.sentinel, self._asked.fd]
        while True:
            ready = wait(sources, self._secs_left())
            if self._told in ready and not self._hear():
                sources.remove(self._told)
            if self._asked.signal is not None and not self._is_forwarded:
                sources.remove(self._asked.fd)
                self._forward()
            if self._process.sentinel in ready:
                while self._told in sources and self._told.poll() and self._hear():
                    pass
                self._process.join()
                return self._own_ending()
            if self._secs_left() == 0.0:
                self._process.kill()
                self._process.join()
                return self._late_ending()

    def _hear(self) -> bool:
        try:
            told = self._told.recv()
        except (EOFError, OSError):
            return False
        match told:
            case Server():
                self._servers.append(told)
            case Ending():
                self._ending = told
            case Phase.RECOVERED:
                self.has_recovered = True
            case Phase() if told is not self._phase and self._phase is not Phase.STOPPING:
                self._phase = told
                is_running = told is Phase.RUNNING and not self._is_forwarded
                self._deadline = None if is_running else time.monotonic() + self._stop_secs
        return True

    def _forward(self) -> None:
        self._is_forwarded = True
        if self._phase is not Phase.STOPPING:
            is_built = self._phase is Phase.RUNNING
            secs = self._stop_secs if is_built else min(self._stop_secs, _UNBUILT_SECS)
            self._deadline = time.monotonic() + secs
        if self._process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def _secs_left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _own_ending(self) -> Ending:
        if self._phase is Phase.BUILDING and self._asked.signal is not None:
            return self._not_started()
        if self._ending is not None:
            return self._ending
        code = self._process.exitcode or 0
        doing = {Phase.BUILDING: "was built", Phase.STOPPING: "stopped"}
        while_ = f"while the node {doing.get(self._phase, 'ran')}"
        if code < 0:
            with suppress(ValueError):
                return Ending(Exit.TRY_AGAIN, f"the process was killed by {_name(-code)} {while_}")
        return Ending(code, f"the process ended itself with code {code} {while_}")

    def _late_ending(self) -> Ending:
        if self._phase is Phase.BUILDING:
            if self._asked.signal is not None:
                return self._not_started()
            why = f"the node was not built within {seconds(self._build_secs)}, and was killed"
        elif self._ending is not None:
            return self._ending  # Only its process had not ended
        else:
            why = f"the node did not stop within {seconds(self._stop_secs)}, and was killed"
        states = dict.fromkeys(server.state(one) for one in self._servers)
        return Ending(Exit.TRY_AGAIN, ". ".join([why, *states]))

    def _not_started(self) -> Ending:
        assert self._asked.signal is not None
        number = self._asked.signal
        return Ending(128 + number, f"{number.name} before the node had started")


def _name(number: int) -> str:
    return signal.Signals(number).name


@contextmanager
def _blocked() -> Iterator[None]:
    # Between its start and its first line the other process would take a signal for its own
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _enter(order: Order, telling: Connection) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    _end_with_parent()

    one_at_a_time = threading.Lock()

    def tell(what: Phase | Server | Ending) -> None:
        with one_at_a_time, suppress(OSError):  # Nobody is there to hear it
            telling.send(what)

    tell(order.run(order, tell))


def _end_with_parent() -> None:
    # Else a node would go on trading beside the one that a supervisor starts in its place
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent.pid:
            os.kill(os.getpid(), signal.SIGKILL)
        return
    end = partial(_wait_and_end, wait, parent.sentinel)
    threading.Thread(target=end, name="end-with-parent", daemon=True).start()


def _wait_and_end(wait_for: Callable[[list[int]], object], sentinel: int) -> None:
    wait_for([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
