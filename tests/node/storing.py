"""
A server that can be killed and started again as something else, and a node that stores there.
"""

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from nautilus_trader.config import DatabaseConfig
from nautilus_trader.live.node import TradingNode

from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.journal import StorageIncident
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import emit
from nautilus_recovery_actor.testkit import lifeline
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit.valkey import server_binary
from tests.node.support import Recorder
from tests.node.support import monitor_config
from tests.scenes import SYMBOL


TRADER_ID = "TESTER-001"
HEARTBEAT_SECS = 0.5


class Server(EmbeddedValkey):
    """
    A server without a log of what is written: after a kill it has its last snapshot, or nothing.
    """

    def __init__(self) -> None:
        super().__init__(arguments=("--loglevel", "notice"))

    @property
    def snapshot(self) -> Path:
        """Where it keeps its snapshot."""
        return Path(self._directory_path()) / "dump.rdb"

    def save(self) -> None:
        """Make a snapshot now."""
        with self.client() as client:
            client.save()

    def kill(self) -> None:
        """End it, as a crash does."""
        self._end_process()

    def start(self) -> None:
        """Start it on the same port, with its snapshot if it has one."""
        command = [sys.executable, "-I", str(lifeline.__file__), server_binary()]
        command += ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--appendonly", "no", "--dir", self._directory_path()]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._is_answering()

    def keep_snapshot(self, kept: Path) -> None:
        """Make a snapshot, and keep it aside."""
        self.save()
        shutil.move(self.snapshot, kept)

    def go_back(self, kept: Path) -> None:
        """Come back with a snapshot that was kept."""
        self.kill()
        shutil.copy(kept, self.snapshot)
        self.start()

    def set(self, **values: object) -> None:
        """Configure it."""
        with self.client() as client:
            for name, value in values.items():
                client.config_set(name.replace("_", "-"), value)


class Trader(Recorder):
    """
    Holds a position with a stop, counts in its checkpoints, and buys a little every so often.
    """

    order_secs: float | None = None
    number = 0

    def on_start(self) -> None:
        emit("began", number=self.number)

    def on_save(self) -> dict[str, bytes]:
        self.number += 1
        return {"number": str(self.number).encode()}

    def on_load(self, state: dict[str, bytes]) -> None:
        self.number = int(state["number"])

    def on_orders_lost(self, lost: Any) -> None:
        emit("lost", orders=sorted(one.client_order_id for one in lost))

    def on_trading_enabled(self) -> None:
        if not self.cache.positions_open():
            self.submit_order(self.market())
            self.submit_order(self.stop_loss("1900.00"))
        self.checkpoint()
        if self.order_secs is not None:
            every = timedelta(seconds=self.order_secs)
            self.clock.set_timer("buy", every, callback=self.buy)
        emit("enabled")

    def buy(self, _: object) -> None:
        self.submit_order(self.market("0.001"))


def node(
    port: int,
    redis_port: int,
    monitor: dict[str, Any],
    strategy: dict[str, Any],
    order_secs: float | None,
) -> TradingNode:
    """
    Return the node of the process.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port, symbols=(SYMBOL,))],
        trader_id=TRADER_ID,
        database=DatabaseConfig(host="127.0.0.1", port=redis_port),
        log_level="INFO",
    )
    built = paper_node(config)
    actor = RecoveryMonitorActor(monitor_config(**{"heartbeat_secs": HEARTBEAT_SECS, **monitor}))
    built.trader.add_actor(actor)
    trader = Trader(
        RecoverableStrategyConfig(strategy_id="Trader", checkpoint_secs=0.2, **strategy)
    )
    trader.order_secs = order_secs
    built.trader.add_strategy(trader)

    def on_storage(_: object, incident: StorageIncident) -> None:
        emit("storage", kind=incident.kind, is_over=incident.is_over)

    def on_result(event: RecoveryComplete | RecoveryFailed) -> None:
        report = event.report
        emit(
            "result",
            epoch=event.epoch,
            outcome=report.outcome,
            kinds=[one.kind for one in report.discrepancies],
            stale=[[o.venue, o.cache] for o in report.discrepancies if o.kind == "STALE_CACHE"],
            hold=trader.gate.reason(),
            is_stale=report.stale_checkpoints,
        )

    signals.storage_changed.connect(on_storage, weak=False)
    for kind in (RecoveryComplete, RecoveryFailed):
        built.kernel.msgbus.subscribe(kind.topic(), on_result, priority=0)
    return built


def started(
    venue: PaperVenue,
    server: EmbeddedValkey,
    monitor: dict[str, Any] | None = None,
    order_secs: float | None = None,
    **strategy: Any,
) -> NodeProcess:
    """
    Return the node in a process of its own.
    """
    return NodeProcess(
        "tests.node.storing:node",
        port=venue.port,
        redis_port=server.port,
        monitor=monitor or {},
        strategy=strategy,
        order_secs=order_secs,
    )
