"""
Kill a node by a plan, restart it after each kill, and say what is true then.
"""

import time
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any
from typing import NamedTuple

import msgspec

from crashtest import claims
from crashtest.claims import Claims
from crashtest.node import FIRST_PX
from crashtest.node import STOP_PX
from crashtest.node import STRATEGY_ID
from crashtest.node import SYMBOL
from crashtest.node import State
from crashtest.plan import Kill
from crashtest.plan import Meanwhile
from crashtest.plan import Moment
from nautilus_recovery_actor.core.checkpoint import decode
from nautilus_recovery_actor.core.names import CHECKPOINT_KEY
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeProcessError
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit import ValkeyError


_BLANK: dict[str, Any] = msgspec.to_builtins(State())
_TICK = Decimal("0.01")
_SLOW_SECS = 1.0
_STATE_KEY = f"trader-TESTER-001:general:{CHECKPOINT_KEY}"


class Result(NamedTuple):
    """
    What came of one kill.

    Parameters
    ----------
    kill : Kill
        The kill.
    outcome : str
        The outcome of the recovery after it; of two, if the instrument was blocked after the first.
    claims : Claims
        What is wrong then.
    secs : float
        The seconds from the restart until all was checked.
    error : str, default ""
        What else is wrong.

    """

    kill: Kill
    outcome: str
    claims: Claims
    secs: float
    error: str = ""

    @property
    def is_good(self) -> bool:
        """
        Return whether all went as it should.
        """
        return not self.error and not any(self.claims)


def run(kills: Sequence[Kill]) -> Iterator[Result]:
    """
    Return the results one by one. After one that is not good, a new venue and server are used.

    Parameters
    ----------
    kills : Sequence[Kill]
        The plan.

    Returns
    -------
    Iterator[Result]

    """
    while kills:
        with PaperVenue() as venue, EmbeddedValkey() as valkey:
            for result in CrashTest(venue, valkey).run(kills):
                kills = kills[1:]
                yield result


class CrashTest:
    """
    One venue and one server, and the nodes that live and die on them one after the other.

    Parameters
    ----------
    venue : PaperVenue
        The venue.
    valkey : EmbeddedValkey
        The server, empty.

    """

    def __init__(self, venue: PaperVenue, valkey: EmbeddedValkey) -> None:
        self._venue = venue
        self._valkey = valkey
        self._px = FIRST_PX
        self._entries: dict[str, str] = {}
        self._saved = [_BLANK]
        self._seen_version = 0
        self._nodes: ExitStack
        venue.set_price(SYMBOL, self._px)

    def run(self, kills: Sequence[Kill]) -> Iterator[Result]:
        """
        Return the results one by one, until one is not good: what comes after it could tell nothing
        new.
        """
        with ExitStack() as self._nodes:
            process = self._node(kills[0])
            for kill, next_kill in zip(kills, [*kills[1:], kills[-1]], strict=True):
                try:
                    self._kill_at_its_moment(process, kill)
                    process, result = self._recover(kill, next_kill)
                except (NodeProcessError, PaperVenueError, ValkeyError) as e:
                    result = Result(kill, "none", Claims(), 0.0, str(e))
                yield result
                if not result.is_good:
                    return

    # -- BEFORE A KILL --

    def _node(self, kill: Kill) -> NodeProcess:
        process = NodeProcess(
            "crashtest.node:node",
            port=self._venue.port,
            redis_port=self._valkey.port,
            qty=str(kill.qty),
            only_checkpoints=kill.moment is Moment.CHECKPOINT,
        )
        return self._nodes.enter_context(process)

    def _kill_at_its_moment(self, process: NodeProcess, kill: Kill) -> None:
        process.wait_for("enabled")
        self._wait_for_moment(process, kill)
        self._kill(process, kill.delay_ms)
        if kill.moment is Moment.WARM_UP:
            self._kill_in_warm_up(kill)
        if not kill.is_answer_late:
            self._venue.release()
        self._go_on(kill.meanwhile)

    def _wait_for_moment(self, process: NodeProcess, kill: Kill) -> None:
        if kill.moment is Moment.BEFORE_ACCEPT:
            self._venue.set_faults(hold_acks=True)
        self._px += _TICK
        self._venue.set_price(SYMBOL, self._px)
        if kill.moment is Moment.CHECKPOINT:
            wanted = process.wait_for("restored")["state"]["version"] + kill.checkpoints
            self._valkey.wait_for(lambda _: self._stored()["version"] >= wanted)
            return

        entry = self._decided_on(process, self._px)
        match kill.moment:
            case Moment.BEFORE_ACCEPT:
                self._venue.wait_for_order(entry, "HELD")
            case Moment.PARTIAL_FILL:
                self._venue.wait_for_order(entry, "ACCEPTED")
                self._venue.fill(entry, kill.part)
            case Moment.BEFORE_STOP | Moment.WARM_UP:
                self._venue.wait_for_order(entry, "ACCEPTED")
                self._venue.fill(entry)
                process.wait_for(
                    lambda fact: fact["fact"] == "filled" and fact["order_id"] == entry
                )

    def _decided_on(self, process: NodeProcess, signal: Decimal) -> str:
        fact = process.wait_for(
            lambda fact: fact["fact"] == "decided" and Decimal(fact["signal"]) == signal
        )
        order_id: str = fact["order_id"]
        return order_id

    def _kill_in_warm_up(self, kill: Kill) -> None:
        self._venue.set_history(delay_secs=_SLOW_SECS)
        process = self._node(kill)
        process.wait_for("warming")
        self._kill(process, kill.delay_ms)
        self._venue.set_history()

    def _kill(self, process: NodeProcess, delay_ms: int) -> None:
        time.sleep(delay_ms / 1_000)
        self._seen_version = self._stored()["version"]
        process.kill()
        self._venue.wait_for_connections(0)
        self._note(process)

    def _note(self, process: NodeProcess) -> None:
        for fact in process.facts:
            if fact["fact"] == "decided":
                self._entries[fact["order_id"]] = fact["signal"]
            elif fact["fact"] == "saved":
                self._saved.append(fact["state"])

    # -- AFTER IT --

    def _go_on(self, meanwhile: Meanwhile) -> None:
        venue = self._venue
        still_open = [order for order in venue.state().orders if order.state.is_open]
        entries = [order for order in still_open if order.side == "BUY"]
        stops = [order.venue_order_id for order in still_open if order.side == "SELL"]
        match meanwhile:
            case Meanwhile.FILLS_ENTRIES:
                for order in entries:
                    venue.fill(order.venue_order_id)
            case Meanwhile.FILLS_PARTS:
                for order in entries:
                    half = (order.leaves_qty / 2).quantize(Decimal("0.001"))
                    if half:
                        venue.fill(order.venue_order_id, half)
            case Meanwhile.CANCELS_ENTRIES if entries:
                venue.cancel(*(order.venue_order_id for order in entries))
            case Meanwhile.CANCELS_STOPS if stops:
                venue.cancel(*stops)
            case Meanwhile.TRIGGERS_STOPS:
                venue.set_price(SYMBOL, STOP_PX - _TICK)
                venue.set_price(SYMBOL, self._px)

    def _recover(self, kill: Kill, next_kill: Kill) -> tuple[NodeProcess, Result]:
        start = time.monotonic()
        stored, sent = self._stored(), self._venue.submitted()
        process = self._node(next_kill)
        process.wait_for("started")
        if kill.is_answer_late:
            self._venue.release()
        enabled = process.wait_for("enabled")
        outcome = process.wait_for("recovered")["outcome"]
        if not enabled["is_open"]:
            # The engine has it wrong and the monitor has seen it: an operator looks, and restarts
            self._kill(process, 0)
            blocked = claims.blocked(
                sent=self._venue.submitted()[len(sent) :],
                cached=Decimal(enabled["qty"]),
                held=self._held(),
            )
            stored, process = self._stored(), self._node(next_kill)
            enabled = process.wait_for("enabled")
            outcome = f"{outcome}, {process.wait_for('recovered')['outcome']}"
        else:
            blocked = ""
        found = self._check(process, stored, Decimal(enabled["qty"]))
        return process, Result(kill, outcome, found, time.monotonic() - start, blocked)

    def _check(self, process: NodeProcess, stored: dict[str, Any], cached: Decimal) -> Claims:
        held, naked = self._held(), ""
        try:
            process.wait_for("protected", timeout_secs=10.0)
        except NodeProcessError as e:
            naked = str(e)
        self._note(process)
        orders = self._venue.state().orders
        stops = sum(
            (o.leaves_qty for o in orders if o.state.is_open and o.side == "SELL"), Decimal(0)
        )
        bids = [o.client_order_id or "" for o in orders if o.side == "BUY"]
        restored = process.wait_for("restored")["state"]
        return Claims(
            once=claims.once(self._venue.submitted(), self._entries, bids),
            protected=claims.protected(self._held(), stops) or naked,
            state=claims.state(restored, stored, self._seen_version, self._saved),
            position=claims.position(cached, held),
        )

    def _held(self) -> Decimal:
        positions = self._venue.state().positions
        return sum((p.qty for p in positions if p.symbol == SYMBOL), Decimal(0))

    def _stored(self) -> dict[str, Any]:
        with self._valkey.client() as client:
            keys = [_STATE_KEY.format(strategy_id=STRATEGY_ID, slot=slot) for slot in (0, 1)]
            slots = [decode(data) for key in keys if (data := client.get(key)) is not None]
        if not slots:
            return _BLANK
        newest = max(slots, key=lambda checkpoint: (checkpoint.run, checkpoint.sequence))
        state: dict[str, Any] = msgspec.json.decode(newest.state["state"])
        return state
