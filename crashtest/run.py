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

from crashtest import claims
from crashtest import faults
from crashtest.claims import Claims
from crashtest.market import TICK
from crashtest.market import Market
from crashtest.market import Seen
from crashtest.plan import Kill
from crashtest.plan import Moment
from crashtest.plan import Stop
from crashtest.state import BLANK
from crashtest.state import FIRST_PX
from crashtest.state import stored_state
from crashtest.strategy import SYMBOL
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import NodeProcessError
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit import ValkeyError


_SLOW_SECS = 1.0
_ENDS_A_TURN = ("protected", "denied", "refused")


class Result(NamedTuple):
    """
    What came of one kill.
    """

    kill: Kill
    # Of the recovery after it; of two, if the instrument was blocked after the first
    outcome: str
    # What is wrong then
    claims: Claims
    # From the restart until all was checked
    secs: float
    # What else is wrong
    error: str = ""
    # The known fault of the engine that it met, see `faults`
    fault: str = ""
    # Whether the instrument stays blocked because of that
    is_stuck: bool = False

    @property
    def is_good(self) -> bool:
        """
        Return whether all went as it should.
        """
        return not self.error and not any(self.claims)


def run(kills: Sequence[Kill], *, stops_natively: bool = False) -> Iterator[Result]:
    """
    Return the results one by one. After one that is not good, or is stuck, a new venue and server
    are used.
    """
    while kills:
        with PaperVenue() as venue, EmbeddedValkey() as valkey:
            for result in CrashTest(venue, valkey, stops_natively=stops_natively).run(kills):
                kills = kills[1:]
                yield result


class CrashTest:
    """
    One venue and one empty server, and the nodes that live and die on them one after the other.
    """

    def __init__(self, venue: PaperVenue, valkey: EmbeddedValkey, *, stops_natively: bool) -> None:
        self._stops_natively = stops_natively
        self._venue = venue
        self._market = Market(venue)
        self._valkey = valkey
        self._px = FIRST_PX
        self._entries: dict[str, str] = {}
        self._saved = [BLANK]
        self._alive: set[str] = set()
        self._seen_version = 0
        self._lost = ""
        self._nodes: ExitStack
        venue.set_price(SYMBOL, self._px)

    def run(self, kills: Sequence[Kill]) -> Iterator[Result]:
        """
        Return the results one by one, until one is not good or is stuck: what comes after it could
        tell nothing new.
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
                if result.is_stuck or not result.is_good:
                    return

    # -- BEFORE A KILL --

    def _start(self, factory: str, **fields: Any) -> NodeProcess:
        port, redis_port = self._venue.port, self._valkey.port
        process = NodeProcess(
            f"crashtest.node:{factory}", port=port, redis_port=redis_port, **fields
        )
        return self._nodes.enter_context(process)

    def _node(self, kill: Kill, *, flattens: bool = False) -> NodeProcess:
        return self._start(
            "node",
            qty=str(kill.qty),
            only_checkpoints=kill.moment is Moment.CHECKPOINT,
            replaces_exits=kill.replaces_exits,
            flattens=flattens,
        )

    def _kill_at_its_moment(self, process: NodeProcess, kill: Kill) -> None:
        process.wait_for("enabled")
        self._wait_for_moment(process, kill)
        self._kill(process, kill.delay_ms)
        if kill.moment is Moment.WARM_UP:
            self._kill_in_warm_up(kill)
        if not kill.is_answer_late:
            self._venue.release()
        self._market.go_on(kill.meanwhile, self._px)

    def _wait_for_moment(self, process: NodeProcess, kill: Kill) -> None:
        if kill.moment is Moment.BEFORE_ACCEPT:
            self._venue.set_faults(hold_acks=True)
        self._px += TICK
        self._venue.set_price(SYMBOL, self._px)
        if kill.moment is Moment.CHECKPOINT:
            wanted = process.wait_for("restored")["state"]["version"] + kill.checkpoints
            self._valkey.wait_for(lambda _: stored_state(self._valkey)["version"] >= wanted)
            return

        decided = process.wait_for(
            lambda fact: fact["fact"] == "decided" and Decimal(fact["signal"]) == self._px
        )
        entry: str = decided["order_id"]
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

    def _kill_in_warm_up(self, kill: Kill) -> None:
        self._venue.set_history(delay_secs=_SLOW_SECS)
        process = self._node(kill)
        process.wait_for("warming")
        self._kill(process, kill.delay_ms)
        self._venue.set_history()

    def _kill(self, process: NodeProcess, delay_ms: int) -> None:
        time.sleep(delay_ms / 1_000)
        self._seen_version = stored_state(self._valkey)["version"]
        process.kill()
        self._venue.wait_for_connections(0)
        self._note(process)
        submitted, stored = self._venue.submitted(), stored_state(self._valkey)
        self._lost = self._lost or claims.acknowledged(submitted, self._entries, stored)

    def _note(self, process: NodeProcess) -> None:
        for fact in process.facts:
            if fact["fact"] == "decided":
                self._entries[fact["order_id"]] = fact["signal"]
            elif fact["fact"] == "saved":
                self._saved.append(fact["state"])
            elif fact["fact"] == "loaded":
                self._alive |= set(fact["alive"])

    # -- AFTER IT --

    def _recover(self, kill: Kill, next_kill: Kill) -> tuple[NodeProcess, Result]:
        start = time.monotonic()
        self._alive.clear()
        naked = self._stop(kill) if kill.stop else ""
        outcomes, fault, error = [], "", ""
        for _ in range(2):
            # Before a node that is blocked stores more, and is killed itself
            stored, seen = stored_state(self._valkey), self._market.look()
            seen_version = self._seen_version
            process = self._node(next_kill)
            process.wait_for("started")
            if kill.is_answer_late:
                self._venue.release()
            enabled, recovered = process.wait_for("enabled"), process.wait_for("recovered")
            outcomes.append(recovered["outcome"])
            if is_open := enabled["is_open"]:
                break
            # The engine has it wrong and the monitor has seen it: an operator looks, and restarts
            process.wait_for(lambda fact: fact["fact"] in _ENDS_A_TURN)
            self._kill(process, 0)
            fault = self._fault(process, recovered["blocking"], Decimal(enabled["qty"]))
            error = error or claims.blocked(self._market.sent(seen), fault, recovered["blocking"])
            naked = naked or self._no_less_protected(seen, Decimal(enabled["qty"]))
        cached = Decimal(enabled["qty"])
        found = self._check(process, stored, seen, seen_version, cached, is_open=is_open)
        secs = time.monotonic() - start
        found = found._replace(exits=naked or found.exits)
        outcome = ", ".join(outcomes)
        return process, Result(kill, outcome, found, secs, error, fault, is_stuck=not is_open)

    def _stop(self, kill: Kill) -> str:
        seen = self._market.look()
        process = self._node_to_be_stopped(kill)
        process.stop()
        self._venue.set_history()
        self._venue.wait_for_connections(0)
        self._note(process)
        cached = Decimal(process.wait_for("stopping")["qty"])
        natively = claims.unseen(seen.cover.held, cached)
        return claims.no_less_protected(
            seen.cover, self._market.cover(), natively, self._market.canceled(seen)
        )

    def _node_to_be_stopped(self, kill: Kill) -> NodeProcess:
        if kill.stop is Stop.IN_RECOVERY:
            self._venue.set_history(delay_secs=_SLOW_SECS)
        process = (
            self._start("native_node") if self._stops_natively else self._node(kill, flattens=True)
        )
        if self._stops_natively or kill.stop is Stop.IN_RECOVERY:
            process.wait_for("started")
        elif process.wait_for("enabled")["is_open"]:
            process.wait_for("protected")
        else:
            process.wait_for(lambda fact: fact["fact"] in _ENDS_A_TURN)
        return process

    def _check(
        self,
        process: NodeProcess,
        stored: dict[str, Any],
        seen: Seen,
        seen_version: int,
        cached: Decimal,
        *,
        is_open: bool,
    ) -> Claims:
        held, naked = self._market.cover().held, ""
        if is_open:
            try:
                process.wait_for("protected", timeout_secs=10.0)
            except NodeProcessError as e:
                naked = str(e)
        self._note(process)
        # One that is reduce-only opens nothing: it would close a short position that the engine has
        # made up
        bids = [
            order.client_order_id or ""
            for order in self._venue.state().orders
            if order.side == "BUY" and not order.reduce_only
        ]
        restored = process.wait_for("restored")["state"]
        found = Claims(
            once=claims.once(self._venue.submitted(), self._entries, bids),
            exits=self._no_less_protected(seen, cached),
            state=self._lost or claims.state(restored, stored, seen_version, self._saved),
        )
        if not is_open:
            return found
        return found._replace(
            protected=claims.protected(*self._market.cover()) or naked,
            position=claims.position(cached, held),
        )

    def _fault(self, process: NodeProcess, blocking: list[dict[str, Any]], cached: Decimal) -> str:
        state = self._venue.state()
        evidence = faults.Evidence(
            ended=faults.dropped(self._alive, state.orders, state.fills),
            torn=Decimal(process.wait_for("loaded")["torn"]),
            missing=self._market.cover().held - cached,
        )
        return faults.known_fault(blocking, evidence)

    def _no_less_protected(self, seen: Seen, cached: Decimal) -> str:
        cover = self._market.cover()
        natively = min(seen.cover.naked, claims.unseen(cover.held, cached))
        return claims.no_less_protected(seen.cover, cover, natively, self._market.canceled(seen))
