"""
What the tests with two nodes of one trader share.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeProcessError
from nautilus_recovery_actor.testkit import PaperVenue
from tests.server.stand_ins import listening
from tests.server.stand_ins import passes_to


TRADER = "TWINS-001"
OWN = Namespace(trader_id=TRADER)
LEASE, FENCE = OWN.own_key(names.LEASE), OWN.own_key(names.FENCE)
ANOTHER_NODE = "ANOTHER_NODE"


class Scene:
    """
    One trader, one server, one venue, and nodes.
    """

    def __init__(self, valkey: EmbeddedValkey, venue: PaperVenue) -> None:
        self._nodes = contextlib.ExitStack()
        self.valkey = valkey
        self.venue = venue

    def start(self, *, at: int | None = None, **fields: Any) -> NodeProcess:
        """
        Start a node, whose server is at a port.
        """
        database = msgspec.structs.asdict(self.valkey.database_config())
        if at is not None:
            database["port"] = at
        fields = {"port": self.venue.port, "database": database, **fields}
        return self._nodes.enter_context(NodeProcess("tests.lease.nodes:ticking", **fields))

    def close(self) -> None:
        self._nodes.close()

    def put_elsewhere(self) -> None:
        """
        Let the node that holds the lease be on a machine of which nothing is known here.
        """
        with self.valkey.client() as client:
            for key in (LEASE, FENCE):
                if client.exists(key):
                    client.hset(key, "machine", "another")

    def holder(self) -> int:
        """
        Return the process that holds the lease, zero for none.
        """
        with self.valkey.client() as client:
            return int(client.hget(LEASE, "pid") or 0)

    def starts_again(self) -> None:
        """
        Kill all, and start the trader: at once, or once what two nodes have written is taken out.
        """
        self.close()
        node = self.start(repair="auto")
        try:
            node.wait_for("started")
        except NodeProcessError:
            assert "load_cache" in node.log, node.log
            self.close()
            self.valkey.wait_for(lambda _: self.forget() == 0)
            node = self.start(repair="auto")
        node.wait_for(lambda fact: fact["fact"] == "ended" and fact["failure"] is None)
        self.close()

    def forget(self) -> int:
        return main(
            ["forget", "--all-that-stop", "--apply", "--trader", TRADER, "--redis", self.valkey.url]
        )


def trades(node: NodeProcess) -> float:
    """
    Wait until a node sends an order, and return when it did.
    """
    at: float = node.wait_for("sent")["at"]
    return at


def is_closed(node: NodeProcess) -> str:
    """
    Wait until a node knows that another one may run, and return why.
    """
    message: str = node.wait_for(lambda fact: fact.get("failure") == ANOTHER_NODE)["message"]
    return message


def sent_last(node: NodeProcess) -> float:
    at: float = [fact for fact in node.facts if fact["fact"] == "sent"][-1]["at"]
    return at


def denied(node: NodeProcess, count: int = 5) -> None:
    """
    Wait for some more ticks of a node, none of which may send an order.
    """
    facts = len(node.facts)

    def is_enough(_: object) -> bool:
        later = [fact["fact"] for fact in node.facts[facts:]]
        assert "sent" not in later
        return later.count("denied") >= count

    node.wait_for(is_enough)


def ended(node: NodeProcess) -> int:
    """
    Wait until a process ends by itself, and return its exit code.
    """
    return node._process.wait(60)


def says(node: NodeProcess, text: str) -> None:
    """
    Wait for a text in the log of a node.
    """
    given_up = threading.Event()
    for _ in range(3000):
        if text in node.log:
            return
        given_up.wait(0.01)
    raise AssertionError(f"not said: {text}; {node.log[-2000:]}")


@contextlib.contextmanager
def stopped(node: NodeProcess) -> Iterator[None]:
    """
    Stop a process, which goes on at the end.
    """
    os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)


class Way:
    """
    The way to a server, which can be cut: what is sent then arrives once it is there again.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._is_there = threading.Event()
        self._is_there.set()

    def _held(self, data: bytes) -> bytes:
        self._is_there.wait()
        return data

    @contextlib.contextmanager
    def cut(self) -> Iterator[None]:
        self._is_there.clear()
        try:
            yield
        finally:
            self._is_there.set()


@contextlib.contextmanager
def way_to(port: int) -> Iterator[Way]:
    way = Way(0)
    with listening(passes_to(port, ask=way._held, rewrite=way._held)) as way.port:
        try:
            yield way
        finally:
            way._is_there.set()
