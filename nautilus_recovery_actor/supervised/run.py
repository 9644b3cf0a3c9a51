"""
Build and run a node, and return the exit code for its supervisor.
"""

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING
from typing import Any

from nautilus_recovery_actor.core.text import seconds


if TYPE_CHECKING:
    from nautilus_trader.live.node import TradingNode


_FIRST_PAUSE_SECS = 1.0
_LONGEST_PAUSE_SECS = 60.0


def run_supervised(
    build: "Callable[[], TradingNode]",
    *,
    build_timeout_secs: float = 60.0,
    stop_timeout_secs: float = 30.0,
    heal: bool = False,
    restarts: int = 0,
) -> int:
    """
    Build and run a node, and return the exit code of the process.

    The node runs in a process of its own, which this one watches: both end together, SIGTERM and
    SIGINT are obeyed at any moment, and no deadline depends on what the node is stuck in. Before
    the node uses its Redis server, that is looked at; why a node did not start or did not end well
    is one line on stderr.

    Parameters
    ----------
    build : Callable[[], TradingNode]
        Makes the node, with all that it needs: threads that were started before are not there in
        the process of the node. It may leave `node.build()` out. On NautilusTrader 2.0 it returns a
        `LiveNode`, to which `add_recovery_monitor` has added the monitor.
    build_timeout_secs : float, default 60.0
        How long `build` may take (seconds), in which the cache is loaded; on NautilusTrader 2.0
        that comes after it, and counts too.
    stop_timeout_secs : float, default 30.0
        How long a node may take to stop (seconds), whoever asked for it. Then it is killed.
    heal : bool, default False
        If stored entries that would stop the start are taken out first, and kept, as ``forget
        --all-that-stop`` does: such as a fill that two nodes have written. Every entry is read for
        that. NautilusTrader 2.0 starts without an order or a position that has such a fill: there
        it is taken out so that they are loaded.
    restarts : int, default 0
        How often the node is built again where the exit code would be 75, after 1, 2, 4, ... 60
        seconds. The count begins anew once a recovery has completed.

    Returns
    -------
    int
        0: it stopped, and its last recovery has completed. 75: to be started again. 65: stored
        entries stop the start. 70: `build` or the node raised. 78: the configuration or the server
        needs somebody. 128 + N: signal N before the node had started.

    Raises
    ------
    RuntimeError
        If it is not called in the main thread, where alone Python takes signals.

    Notes
    -----
    Where NautilusTrader has run in this process before, and on Windows, the node runs in this
    process. All of the above holds there but the deadlines, and `restarts` must be 0.

    """
    if build_timeout_secs <= 0 or stop_timeout_secs <= 0 or restarts < 0:
        raise ValueError("the timeouts must be greater than 0, and `restarts` not less than 0")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("run_supervised has to be called in the main thread")
    # Only who runs a node needs redis-py
    from nautilus_recovery_actor.supervised.order import Order  # noqa: PLC0415
    from nautilus_recovery_actor.supervised.order import say  # noqa: PLC0415

    inside = _inside()
    is_alone = sys.platform != "win32" and not inside.has_run()
    order = Order(build, heal, inside.run, is_alone)
    if not is_alone:
        if restarts:
            raise ValueError("`restarts` needs a process in which NautilusTrader has not run")
        say("the node runs in this process, in which NautilusTrader has run: without deadlines")
        ending = order.run(order, lambda _: None)
        return _told(ending.code, ending.why, say)
    threads = [thread.name for thread in threading.enumerate()[1:]]
    if threads:
        say(f"threads that the node will not have, start them in `build`: {', '.join(threads)}")
    from nautilus_recovery_actor.supervised.endings import Exit  # noqa: PLC0415
    from nautilus_recovery_actor.supervised.process import Asked  # noqa: PLC0415
    from nautilus_recovery_actor.supervised.process import NodeProcess  # noqa: PLC0415

    asked = Asked()
    with asked.heard():
        again, pause = restarts, _FIRST_PAUSE_SECS
        while True:
            node = NodeProcess(order, asked, build_timeout_secs, stop_timeout_secs)
            ending = node.ended()
            if node.has_recovered:
                again, pause = restarts, _FIRST_PAUSE_SECS
            is_over = ending.code != Exit.TRY_AGAIN or not again or asked.signal is not None
            if is_over:
                return _told(ending.code, ending.why, say)
            say(f"{ending.why}: again in {seconds(pause)}, {again} left")
            asked.sleep(pause)
            if asked.signal is not None:
                return _told(128 + asked.signal, f"{asked.signal.name} between two starts", say)
            again, pause = again - 1, min(2 * pause, _LONGEST_PAUSE_SECS)


def _inside() -> Any:
    # What happens in the process of the node, on the NautilusTrader that is installed
    one = find_spec("nautilus_trader.common.actor")
    return import_module(f"{__package__}.{'inside' if one else 'inside_two'}")


def _told(code: int, why: str, say: Callable[[str], None]) -> int:
    if why:
        say(f"{why} (exit code {int(code)})")
    return int(code)
