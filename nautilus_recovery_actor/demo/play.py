"""
Plays an act: starts a node, kills it, lets the venue go on, starts it again, records what happens.
"""

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from typing import Protocol

import msgspec

from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.demo import scene
from nautilus_recovery_actor.demo import words
from nautilus_recovery_actor.demo.record import ActRecord
from nautilus_recovery_actor.demo.record import Answer
from nautilus_recovery_actor.demo.record import Belief
from nautilus_recovery_actor.demo.record import Moment
from nautilus_recovery_actor.demo.record import Mood
from nautilus_recovery_actor.demo.record import VenueTruth
from nautilus_recovery_actor.demo.scene import Act
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue


Fact = dict[str, Any]

_NODE = "nautilus_recovery_actor.demo.node:node"
_RESULTS = ("RecoveryComplete", "RecoveryFailed")
_ANSWERS = ("OrderAccepted", "OrderDenied", "OrderRejected")
_KERNEL_LINE = re.compile(r"\[\w+\] \S+: (Execution state \w.*)")
_ORDER_EVENTS_OF_A_RESTING_ORDER = 3  # Initialized, submitted, accepted
_PATIENCE_SECS = 5.0
_POLL_SECS = 0.01


class PlayError(Exception):
    """Raised when an act cannot go on."""


class Audience(Protocol):
    """Who watches an act."""

    def moment(self, moment: Moment) -> None:
        """Something happened."""

    def waiting(self, for_what: str) -> None:
        """The act waits."""


class _Fact(msgspec.Struct, frozen=True):
    # A condition on a fact that reads well in an error
    names: tuple[str, ...]
    instrument_id: str | None = None
    not_order_id: str | None = None

    def __call__(self, fact: Fact) -> bool:
        return (
            fact["fact"] in self.names
            and self.instrument_id in (None, fact.get("instrument_id"))
            and (self.not_order_id is None or self.not_order_id != fact.get("order_id"))
        )

    def __str__(self) -> str:
        subject = f" of {self.instrument_id}" if self.instrument_id else ""
        return " or ".join(self.names) + subject


def play(act: Act, valkey: EmbeddedValkey, logs: Path, audience: Audience) -> ActRecord:
    """Play an act with a trader and a venue of its own."""
    trader_id = f"DEMO-{secrets.token_hex(2)}"
    with PaperVenue() as venue, _keys_of(trader_id, valkey):
        return _Play(act, trader_id, valkey, venue, logs, audience).run()


class _Play:
    def __init__(
        self,
        act: Act,
        trader_id: str,
        valkey: EmbeddedValkey,
        venue: PaperVenue,
        logs: Path,
        audience: Audience,
    ) -> None:
        self._act = act
        self._trader_id = trader_id
        self._valkey = valkey
        self._venue = venue
        self._logs = logs
        self._audience = audience

    def run(self) -> ActRecord:
        self._venue.set_price(scene.SYMBOL, scene.ENTRY_PX)
        self._venue.set_price(scene.OTHER_SYMBOL, scene.OTHER_PX)
        with self._node("starts a node", "before") as node:
            first = self._result(node)
            stop_id = self._enter(node)
            self._say("demo", f"kill -9 {node.pid}", Mood.BAD)
            node.kill()
        self._fall(stop_id)
        truth = self._truth(stop_id)
        with self._node("starts the node again", "after") as node:
            early = self._begin(node)
            report = self._result(node)
            is_complete = report.failure is None
            belief = self._belief(node, report) if is_complete else None
            bids = self._bids(node, early) if is_complete else ()
            orders = {o.client_order_id or "": str(o.state) for o in self._venue.state().orders}
        return ActRecord(
            act=self._act,
            trader_id=self._trader_id,
            stop_id=stop_id,
            first=first,
            report=report,
            belief=belief,
            venue=msgspec.structs.replace(truth, orders=orders),
            early=early,
            bids=bids,
        )

    # -- THE FIRST LIFE --

    def _enter(self, node: NodeProcess) -> str:
        entry_id = node.wait_for("OrderFilled")["order_id"]
        resting = _Fact(("OrderAccepted",), scene.INSTRUMENT_ID, entry_id)
        stop_id: str = node.wait_for(resting)["order_id"]
        orders = {o.client_order_id: o for o in self._venue.state().orders}
        entry, stop = orders[entry_id], orders[stop_id]
        self._show(
            Moment(
                entry.ts_last,
                "venue",
                f"the entry fills: {entry.side} {words.number(entry.filled_qty)} "
                f"{entry.symbol} at {words.number(entry.avg_px)}",
            )
        )
        self._show(
            Moment(
                stop.ts_last,
                "venue",
                f"the stop-loss rests: {stop.side} {words.number(stop.qty)} "
                f"{stop.symbol} at {words.number(stop.trigger_px)}",
            )
        )
        self._wait_until_stored(stop_id)
        return stop_id

    def _wait_until_stored(self, order_id: str) -> None:
        # The cache writes to the server in the background, in order: this is the newest of it
        self._audience.waiting("the cache to be written to the server")
        key = Namespace(trader_id=self._trader_id).key(f"orders:{order_id}")
        deadline = time.monotonic() + _PATIENCE_SECS
        with self._valkey.client() as client:
            while client.llen(key) < _ORDER_EVENTS_OF_A_RESTING_ORDER:
                if time.monotonic() > deadline:
                    raise PlayError(f"{key} was not written to {self._valkey.host}")
                time.sleep(_POLL_SECS)

    # -- WHILE NO NODE RUNS --

    def _fall(self, stop_id: str) -> None:
        if self._act.loses_fills:
            self._venue.set_faults(lose_fills_since=self._venue.mark())
            self._say("venue", "loses its record of every fill from now on", Mood.WARN)
        for px in scene.FALL:
            self._venue.set_price(scene.SYMBOL, px)
        self._say("venue", f"the price falls to {words.number(scene.FALL[-1])}")
        for fill in self._venue.state().fills:
            if fill.client_order_id == stop_id:
                self._show(
                    Moment(
                        fill.ts,
                        "venue",
                        f"the stop-loss fills: {fill.side} {words.number(fill.qty)} "
                        f"{fill.symbol} at {words.number(fill.px)}",
                        Mood.WARN,
                    )
                )

    def _truth(self, stop_id: str) -> VenueTruth:
        state = self._venue.state()
        return VenueTruth(
            position=sum((p.qty for p in state.positions if p.symbol == scene.SYMBOL), Decimal(0)),
            stop_state=next(str(o.state) for o in state.orders if o.client_order_id == stop_id),
            stop_trade_ids=tuple(f.trade_id for f in state.fills if f.client_order_id == stop_id),
        )

    # -- THE SECOND LIFE --

    def _begin(self, node: NodeProcess) -> Answer | None:
        fact = node.wait_for("RecoveryStarted")
        report = RecoveryReport.from_dict(fact["report"])
        self._show(words.began(fact["ts"], report))
        fact = node.wait_for(_Fact(_ANSWERS + _RESULTS))
        if fact["fact"] in _RESULTS:
            return None  # The trader never started
        early = msgspec.convert(fact, Answer)
        self._show(words.answered(early))
        return early

    def _belief(self, node: NodeProcess, report: RecoveryReport) -> Belief:
        gate = node.wait_for("gate_opened")
        self._show(words.opened(gate["ts"], report))
        belief = node.wait_for("belief")
        return Belief(
            log_line=_kernel_line(node),
            net_position=Decimal(belief["net_position"]),
            orders_open=tuple(belief["orders_open"]),
            trading_state=gate["trading_state"],
        )

    def _bids(self, node: NodeProcess, early: Answer | None) -> tuple[Answer, ...]:
        early_id = early.order_id if early else None
        answers = []
        for instrument_id in scene.BIDS:
            answered = _Fact(_ANSWERS, instrument_id, early_id)
            answers.append(msgspec.convert(node.wait_for(answered), Answer))
            self._show(words.answered(answers[-1]))
        return tuple(answers)

    # -- BOTH LIVES --

    @contextmanager
    def _node(self, doing: str, life: str) -> Iterator[NodeProcess]:
        with NodeProcess(
            _NODE,
            log_path=self._logs / f"act-{self._act.number}-{life}.log",
            port=self._venue.port,
            trader_id=self._trader_id,
            # A password is not for the command line: the child has the same environment
            valkey_url=None if os.environ.get("REDIS_URL") else self._valkey.url,
        ) as node:
            self._say("demo", f"{doing}, process {node.pid}")
            self._audience.waiting("the node to start and reconcile")
            yield node

    def _result(self, node: NodeProcess) -> RecoveryReport:
        fact = node.wait_for(_Fact(_RESULTS))
        report = RecoveryReport.from_dict(fact["report"])
        self._show(words.ended(report))
        if report.failure is not None and report.epoch == 1:
            raise PlayError(f"the first start failed: {report.failure}: {report.message}")
        return report

    def _say(self, who: str, what: str, mood: Mood = Mood.PLAIN) -> None:
        self._show(Moment(time.time_ns(), who, what, mood))

    def _show(self, moment: Moment) -> None:
        self._audience.moment(moment)


def _kernel_line(node: NodeProcess) -> str:
    deadline = time.monotonic() + _PATIENCE_SECS
    while not (found := _KERNEL_LINE.search(node.log)):
        if time.monotonic() > deadline:
            return ""
        time.sleep(_POLL_SECS)
    return found[1].strip()


@contextmanager
def _keys_of(trader_id: str, valkey: EmbeddedValkey) -> Iterator[None]:
    try:
        yield
    finally:
        # The server may be the user's own
        with valkey.client() as client:
            keys = list(client.scan_iter(Namespace(trader_id=trader_id).key("*")))
            if keys:
                client.delete(*keys)
