"""
A server and nodes that want one lease, in plain values: what the scripts do, and the keeper.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from nautilus_recovery_actor.core import lease as deciding
from nautilus_recovery_actor.core.lease import Claim
from nautilus_recovery_actor.core.lease import Found
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.core.lease import Watch


SEC = 1_000_000_000
HEARTBEAT = 5.0
LEASE = deciding.lease_secs(HEARTBEAT)
TENURE = deciding.tenure_secs(HEARTBEAT)
EPOCH = 1_800_000_000 * SEC


class World:
    """
    Time as it goes by, whatever clocks say.
    """

    def __init__(self) -> None:
        self.now = 0
        self.server = Server(self)
        self.nodes: list[Node] = []
        # Until when whoever starts on a server that has lost all it knew is still starting
        self.starting = 0

    def pass_by(self, secs: float) -> None:
        self.now += round(secs * SEC)

    def start(self, *, machine: str = "") -> "Node":
        node = Node(self, len(self.nodes), machine)
        self.nodes.append(node)
        return node

    @property
    def trading(self) -> list["Node"]:
        return [node for node in self.nodes if node.may_trade]


class Server:
    """
    What the scripts do. Its clock can be set.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.offset = 0
        self.last: Holder | None = None
        self.expires = 0
        self.fence = 0

    @property
    def time(self) -> int:
        return EPOCH + self._world.now + self.offset

    @property
    def stamp(self) -> bytes:
        last = self.last
        return b"" if last is None else f"{last.token}/{last.fence}/{last.ts_renewed}".encode()

    @property
    def is_held(self) -> bool:
        return self.last is not None and self.time < self.expires

    def survey(self) -> Found:
        return Found(self.time, self.last, self.is_held, self.stamp)

    def take(
        self, stamp: bytes, token: str, process: Process, least: int
    ) -> tuple[int, int] | None:
        if stamp != self.stamp:
            return None
        now = self.time
        self.fence = max(self.fence + 1, least)
        self.last = Holder(token, self.fence, process, "", now, now, 0, LEASE)
        self.expires = now + round(LEASE * SEC)
        return self.fence, now

    def renew(self, token: str) -> int:
        if not self.is_held or self.last is None or self.last.token != token:
            return 0
        self.last = msgspec.structs.replace(self.last, ts_renewed=self.time)
        self.expires = self.time + round(LEASE * SEC)
        return self.fence

    def take_over(self) -> None:
        now, last = self.time, self.last
        self.fence += 1
        is_free = last is None or last.is_free
        # Whose gates have to be closed is kept where the model needs it: in the operator's name
        fenced = "" if last is None else (last.operator if last.is_reserved else str(last.fence))
        process = Process("", 0) if last is None else last.process
        self.last = Holder("", self.fence, process, fenced, now, now, 0, LEASE, is_free)
        self.expires = now + round(LEASE * SEC)

    def yielded(self, fence: int) -> None:
        last = self.last
        if last is not None and last.is_reserved and last.operator == str(fence):
            self.last = msgspec.structs.replace(last, is_free=True)

    def give_back(self, token: str) -> None:
        if self.last is not None and self.last.token == token:
            self.last = msgspec.structs.replace(self.last, is_free=True)
            self.expires = 0

    def flush(self) -> None:
        self.last, self.fence, self.expires = None, 0, 0
        self._world.starting = self._world.now + round(LEASE * SEC)

    def carry_out(self, asked: "Asked") -> None:
        asked.answer = getattr(self, asked.what)(*asked.arguments)
        asked.is_carried_out = True


class Asked(msgspec.Struct):
    """
    A question on its way, which the server may answer long after the node has given up.
    """

    what: str
    arguments: tuple[Any, ...] = ()
    answer: Any = None
    is_carried_out: bool = False


class Node:
    """
    What the keeper does: one question at a time, and the decisions of the core.
    """

    def __init__(self, world: World, number: int, machine: str) -> None:
        self._world = world
        self.token = f"token-{number}"
        self.process = Process("host", number, machine, "1" if machine else "")
        self.lease = Lease(Standing.OVER)
        self.is_alive = True
        self.is_paused = False
        self.is_refused = False
        self.trades_from = 0
        self.asked: Asked | None = None
        self._watch: Watch | None = None
        self._steps = self._run()
        self._next()

    @property
    def may_trade(self) -> bool:
        # A process that is stopped sends nothing; when it goes on it looks at the clock first
        now = self._world.now
        is_running = self.is_alive and not self.is_paused and not self.is_refused
        return is_running and self.trades_from <= now < self.lease.until

    def answered(self) -> None:
        if self.is_alive and not self.is_paused and self.asked is not None:
            self._next(self.asked.answer)

    def give_up(self) -> None:
        if self.is_alive and not self.is_paused:
            self.lease = deciding.away(self.lease, "away")
            self._steps, self.asked = self._run(), None
            self._next()

    def look(self) -> None:
        self.lease = deciding.over(self.lease, self._world.now)

    def stop(self) -> None:
        self.lease = deciding.broken(self.lease, "disposed of")
        self.is_alive = False
        self._world.server.give_back(self.token)

    def _next(self, answer: Any = None) -> None:
        self.look()
        try:
            self.asked = self._steps.send(answer) if self.asked else next(self._steps)
        except StopIteration:
            self.asked = None

    def _run(self) -> Any:
        while self.lease.standing is not Standing.TAKEN and not self.is_refused:
            yield from self._turn()

    def _turn(self) -> Iterator[Asked]:
        asked = self._world.now
        answer: Any
        fence: Any = yield Asked("renew", (self.token,))
        if fence:
            self.lease = deciding.renewed(self.lease, fence, asked, TENURE)
            self.look()
            return
        found: Any = yield Asked("survey")
        if self._is_to_take(found):
            asked, least = self._world.now, self.lease.fence + 1
            answer = yield Asked("take", (found.stamp, self.token, self.process, least))
            if answer:
                if not self.lease.fence:
                    self.trades_from = self._world.starting
                fence, since = answer
                self.lease = deciding.taken(fence, since, asked, TENURE)
                self.look()
        if self.lease.standing is Standing.TAKEN:
            yield Asked("yielded", (self.lease.fence,))

    def _is_to_take(self, found: Found) -> bool:
        if self.lease.fence:
            self.lease, is_to_take = deciding.lost(self.lease, self.token, found)
            return is_to_take
        now = self._world.now
        self._watch = deciding.watched(self._watch, found, now)
        claim = deciding.claim(found, self._watch, now, is_alive=self._does_run(found.last))
        self.is_refused = claim is Claim.REFUSED
        return claim is Claim.TAKE

    def _does_run(self, holder: Holder | None) -> bool | None:
        if holder is None:
            return None
        runs = any(n.is_alive and n.process == holder.process for n in self._world.nodes)
        started = holder.process.started if runs else None
        return deciding.is_alive(holder.process, self.process, started)
