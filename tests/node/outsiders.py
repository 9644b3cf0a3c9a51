"""
Whoever writes to a stream that a node listens to: their messages, with our types, and the node.
"""

import json
import time
from collections.abc import AsyncIterator
from collections.abc import Iterator
from contextlib import asynccontextmanager
from contextlib import contextmanager
from itertools import product
from typing import Any

from nautilus_trader.config import MessageBusConfig

from nautilus_recovery_actor import FailureReason
from nautilus_recovery_actor import OperatorCommand
from nautilus_recovery_actor import RecoveryComplete
from nautilus_recovery_actor import RecoveryFailed
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor import RecoveryOutcome
from nautilus_recovery_actor import RecoveryOverridden
from nautilus_recovery_actor import RecoveryReport
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor import halt_until_recovered
from nautilus_recovery_actor import signals
from nautilus_recovery_actor.core.report import Override
from nautilus_recovery_actor.node.messages import MESSAGES
from nautilus_recovery_actor.node.messages import RecoveryMessage
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.facts.support import eventually
from tests.node.support import ETH
from tests.node.support import Recorder
from tests.node.support import Watched
from tests.node.support import command
from tests.node.support import monitor_config


EPOCHS = (2**53, -1, 10**30, 0, 1, 2)
# To be known among what a node's own monitor says
ID = "FROM-OUTSIDE"


def message(
    kind: type[RecoveryMessage], trader_id: str, epoch: int, *, shadow: bool = False
) -> RecoveryMessage:
    """
    Return what somebody who is not the monitor says of a recovery.
    """
    report = RecoveryReport(
        trader_id,
        ID,
        epoch,
        "startup",
        outcome=RecoveryOutcome.CLEAN if kind in (RecoveryComplete, RecoveryOverridden) else None,
        failure=FailureReason.TIMEOUT if kind is RecoveryFailed else None,
        message="said outside",
        shadow=shadow,
        overrides=(Override(ETH.value, "r", "o", 1, time.time_ns() + 10**13),),
    )
    return kind(trader_id, ID, epoch, report, 1, 1)


def messages(trader_id: str) -> Iterator[RecoveryMessage]:
    """
    Return messages of every kind, of every epoch that may be worth trying.
    """
    for kind, epoch, shadow in product(MESSAGES, EPOCHS, (False, True)):
        yield message(kind, trader_id, epoch, shadow=shadow)


def garbled(trader_id: str) -> Iterator[dict[str, Any]]:
    """
    Return messages that are damaged in one field each.
    """
    for kind in MESSAGES:
        sound = wire(message(kind, trader_id, 2**53))
        for field, value in product(sound, (None, "x", -1, [], {}, {"epoch": []}, "\x00" * 1000)):
            if field != "type":  # Then it would be none of ours
                yield sound | {field: value}
            if field not in ("type", "ts_event", "ts_init"):  # Without, it is the bus that stops
                yield {key: each for key, each in sound.items() if key != field}


def wire(one: RecoveryMessage) -> dict[str, Any]:
    """
    Return a message as a bus writes it.
    """
    values = one.to_dict()
    return values | {key: str(values[key]) for key in ("ts_event", "ts_init")}


class Outsider:
    """
    Writes to the stream that a node listens to.
    """

    def __init__(self, valkey: EmbeddedValkey, stream: str) -> None:
        self.valkey = valkey
        self.stream = stream
        self._client: Any = valkey.client()
        self._sent = 0
        self.heard: list[str] = []

    def readers(self) -> set[str]:
        return {c["id"] for c in self._client.client_list() if c["cmd"] == "xread"}

    def send(self, *entries: tuple[str, dict[str, Any]]) -> None:
        """
        Send entries, each a topic and the values of a message.
        """
        pipeline = self._client.pipeline(transaction=False)
        for topic, values in entries:
            payload = json.dumps(values).encode()
            pipeline.xadd(self.stream, {"topic": topic, "payload": payload})
        pipeline.execute()

    def mark(self) -> str:
        """
        Send the last message, and return the ID by which a subscriber knows it.
        """
        self._sent += 1
        last = message(RecoveryStarted, "NOBODY-001", 1)
        last.recovery_id = f"LAST-{self._sent}"
        self.send(("outsider.last", wire(last)))
        return last.recovery_id

    async def all_read(self, node: Watched) -> None:
        """
        Wait until the node has read all that was sent.
        """
        last = self.mark()
        await node.run.until(lambda: last in self.heard, 60.0)


@asynccontextmanager
async def listening(
    venue: PaperVenue, outsider: Outsider, *strategies: Recorder, wait: bool = True, **fields: Any
) -> AsyncIterator[Watched]:
    """
    Run a guarded node that passes on all our types from a stream, and subscribes to them itself.
    """
    before = outsider.readers()
    bus = MessageBusConfig(
        database=outsider.valkey.database_config(),
        encoding="json",
        external_streams=[outsider.stream],
    )
    config = paper_node_config(
        [venue.exec_config(symbols=("ETHUSDT-PERP", "BTCUSDT-PERP"), **fields.pop("clients", {}))],
        message_bus=bus,
        **fields,
    )
    node = paper_node(config)
    for kind in MESSAGES:  # As who subscribes to their data with an external client
        node.kernel.msgbus.add_streaming_type(kind)
    node.kernel.msgbus.subscribe(
        "outsider.last", lambda one: outsider.heard.append(one.recovery_id)
    )
    halt_until_recovered(node)
    node.trader.add_actor(monitor := RecoveryMonitorActor(monitor_config()))
    for strategy in strategies:
        node.trader.add_strategy(strategy)
    found = Watched(node, monitor)
    eventually(lambda: outsider.readers() - before)
    async with running(node, wait=wait) as run:
        found.run = run
        yield found


def standing(node: Watched, strategy: Recorder, sent: list[str]) -> dict[str, Any]:
    """
    Return where a node stands, as far as a message could move it.
    """
    gate, monitor, kernel = strategy.gate, node.monitor, node.node.kernel
    return {
        "gate": (gate.is_open, gate.epoch, gate.reason(), gate.reason(ETH), sorted(gate.blocked)),
        "hooks": list(strategy.told),
        "shadow": consumer(strategy)._following.is_shadow,
        "guard": kernel.risk_engine.trading_state,
        "monitor": (monitor.epoch, monitor.phase, len(monitor.history())),
        "report": monitor.report,
        "signals": list(sent),
    }


def consumer(strategy: Recorder) -> Any:
    """
    Return the part of a strategy that hears of recoveries.
    """
    return strategy._RecoverableStrategy__consumer


@contextmanager
def noting_signals() -> Iterator[list[str]]:
    """
    Keep the name of every signal that is sent.
    """
    sent: list[str] = []
    receivers = []
    for signal in signals._namespace.values():

        def note(_: object, name: str = signal.name, **__: Any) -> None:
            sent.append(name)

        signal.connect(note)
        receivers.append((signal, note))
    try:
        yield sent
    finally:
        for signal, note in receivers:
            signal.disconnect(note)


def elsewhere(action: Any = "release") -> OperatorCommand:
    """
    Return a command for another trader.
    """
    return command(action, ETH.value, trader_id="OTHER-001")
