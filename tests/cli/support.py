"""
What the tests of the commands that read a record share.
"""

import os
import subprocess
import sys
from typing import Any

import msgspec

from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue


class Recording:
    """
    The record of one trader in a Redis, as its monitor writes it.
    """

    def __init__(self, valkey: EmbeddedValkey, trader_id: str, **where: Any) -> None:
        self.client: Any = valkey.client()
        self.trader_id = trader_id
        self._namespace = Namespace(trader_id=trader_id, **where)
        self.journal = RecoveryJournal(self, 100, lambda _: None)

    def key(self, name: str) -> str:
        return self._namespace.key(f"general:{name}")

    def get(self, key: str) -> bytes | None:
        value: bytes | None = self.client.get(self.key(key))
        return value

    def add(self, key: str, value: bytes) -> None:
        self.client.set(self.key(key), value)

    def heartbeat(self) -> Heartbeat:
        """
        Return the last sign of life; one of epoch zero if there is none.
        """
        return self.journal.heartbeat() or msgspec.json.decode(
            b'{"ts":0,"epoch":0,"phase":"PENDING"}', type=Heartbeat
        )


def monitored(
    valkey: EmbeddedValkey,
    venue: PaperVenue,
    trader_id: str,
    node: str = "monitored",
    **fields: Any,
) -> NodeProcess:
    """
    Run a node with a monitor.
    """
    database = msgspec.structs.asdict(valkey.database_config())
    return NodeProcess(
        f"tests.cli.monitored:{node}",
        port=venue.port,
        database=database,
        trader_id=trader_id,
        **fields,
    )


def reached(valkey: EmbeddedValkey, trader_id: str, epoch: int, phase: str) -> None:
    """
    Wait until the record of a node tells of a phase.
    """
    record = Recording(valkey, trader_id)

    def is_reached(_: Any) -> bool:
        beat = record.heartbeat()
        return (beat.epoch, beat.phase) == (epoch, phase)

    valkey.wait_for(is_reached, 30.0)


def command(*arguments: str, stdout: int = subprocess.PIPE, **env: str) -> subprocess.Popen[str]:
    """
    Start the command line in a process of its own.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "nautilus_recovery_actor", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONUNBUFFERED": "",  # As a user has it
            **env,
        },
    )
