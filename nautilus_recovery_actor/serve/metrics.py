"""
The board as metrics for Prometheus.

What cannot be seen has no value, and ``nautilus_recovery_trader_up`` is 0: never an old value that
was good.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from importlib.metadata import version
from platform import python_version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.enums import Severity
from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.serve.alerts import Alerts
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Seen
from nautilus_recovery_actor.serve.incidents import Kind
from nautilus_recovery_actor.serve.sources import Watch


PREFIX = "nautilus_recovery_"
_PACKAGE = "nautilus_recovery_actor"
_NS = 1_000_000_000
_REPAIRS = ("planned", "made", "proven", "refused")

# What is known of a trader that can be seen: name, help, more labels
_OF_TRADER = {
    "ready": "1 if the last recovery allows trading and Redis keeps what the node writes, else 0",
    "state": "1 for the state that a probe finds, 0 for the others",
    "phase": "1 for the phase of the newest epoch, 0 for the others",
    "outcome": "1 for the outcome of the newest epoch if it completed, 0 for the others",
    "epoch": "The newest recovery epoch",
    "stopped": "1 if the node was stopped and not killed, else 0",
    "heartbeat_timestamp_seconds": "When the node wrote its last heartbeat, by its own clock",
    "heartbeat_age_seconds": "How old the last heartbeat was when it was read",
    "proof_timestamp_seconds": "When the venues were last asked for what then proved to be so",
    "proof_stale": "1 if the proof is older than three of its intervals, else 0",
    "blocked_instruments": "How many instruments must not be traded",
    "released_instruments": "How many of the blocked instruments an operator has released",
    "unprotected_positions": "How many open positions no stop covers",
    "corrections": "How many entries of venues' reports the last recovery has corrected",
    "repairs": "How many steps of a repair the last recovery has, by what became of them",
    "discrepancies": "How many differences of the last recovery stand, by severity",
    "last_duration_seconds": "How long the last recovery took that has ended",
    "last_completed_timestamp_seconds": "When the last recovery ended",
    "shadow": "1 if the monitor is in shadow mode and blocks nothing, else 0",
    "storage_incidents": "How many things are the matter with the server of the cache",
    "lease_held": "1 if a node holds the lease of the trader, else 0",
    "lease_fence": "How often the lease of the trader was taken",
    "twins": "How many other nodes of the trader run, on any of the servers that are read",
}
_MORE = {
    "state": ("state",),
    "phase": ("phase",),
    "outcome": ("outcome",),
    "repairs": ("state",),
    "discrepancies": ("severity",),
}
_PLACE = ("server", "trader")


class BoardCollector(Collector):
    """What `prometheus_client` asks for the newest board."""

    def __init__(self, board: Callable[[], Board], alerts: Alerts | None = None) -> None:
        self._board = board
        self._alerts = alerts

    def describe(self) -> Iterable[Metric]:
        """Return nothing: what there is depends on the board."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        board = self._board()
        yield _gauge(
            "serve_build_info",
            "1, with the versions of this process",
            ("version", "python"),
            [((version(_PACKAGE), python_version()), 1)],
        )
        yield from _servers(board)
        yield from _traders(board)
        yield from _alerts(self._alerts)


def routes(watch: Watch, alerts: Alerts | None = None) -> list[Route]:
    """Return what answers Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BoardCollector(watch.board, alerts))

    at_once = asyncio.Lock()
    made: dict[str, tuple[int, bytes]] = {}

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        # Of many traders that takes a while: once for each board, however many ask
        async with at_once:
            ts, text = made.get(content_type, (-1, b""))
            if ts != watch.board().ts:
                ts = watch.board().ts
                text = await run_in_threadpool(encode, registry)
                made[content_type] = (ts, text)
        return Response(text, headers={"content-type": content_type})

    return [Route("/metrics", metrics, methods=["GET"])]


def _servers(board: Board) -> Iterator[Metric]:
    up, counts, read = [], [], []
    for one in board.servers:
        place = (one.name,)
        up.append((place, 0 if one.trouble else 1))
        if not one.trouble:
            counts.append((place, one.traders))
        if one.ts_read is not None:
            read.append((place, one.ts_read / _NS))
    yield _gauge("server_up", "1 if the Redis server can be read, else 0", ("server",), up)
    yield _gauge("server_traders", "How many traders have a record there", ("server",), counts)
    text = "When the Redis server answered last"
    yield _gauge("server_last_read_timestamp_seconds", text, ("server",), read)


def _traders(board: Board) -> Iterator[Metric]:
    values: dict[str, list[tuple[Sequence[str], float]]] = {name: [] for name in _OF_TRADER}
    up, read = [], []
    places = set()
    for seen in board.traders:
        place = (seen.server, seen.trader_id)
        if place in places:
            continue  # A series twice would make Prometheus refuse all of them
        places.add(place)
        is_seen = not seen.trouble
        up.append((place, 1 if is_seen else 0))
        read.append((place, seen.ts_read / _NS))
        if is_seen:
            for name, more, value in _of_trader(seen):
                if value is not None:
                    values[name].append(((*place, *more), value))
    yield _gauge("trader_up", "1 if the record of the trader can be read, else 0", _PLACE, up)
    text = "When the record of the trader was read last"
    yield _gauge("trader_last_read_timestamp_seconds", text, _PLACE, read)
    for name, text in _OF_TRADER.items():
        yield _gauge(name, text, (*_PLACE, *_MORE.get(name, ())), values[name])


def _of_trader(seen: Seen) -> Iterator[tuple[str, tuple[str, ...], float | None]]:
    status, report, lease = seen.status, seen.report, seen.lease
    yield "twins", (), len(seen.twins)
    yield "ready", (), status.state is State.OPEN
    for state in State:
        yield "state", (state,), status.state is state
    if status.phase is not None:
        for phase in RecoveryPhase:
            yield "phase", (phase,), status.phase is phase
        yield "epoch", (), status.epoch
        yield "stopped", (), status.is_stopped
        yield "proof_stale", (), status.is_proof_old
        yield "storage_incidents", (), len(status.storage)
        yield "unprotected_positions", (), len(status.unprotected) + status.unprotected_more
    age = status.heartbeat_age_secs
    yield "heartbeat_age_seconds", (), age
    yield "heartbeat_timestamp_seconds", (), None if age is None else seen.ts_read / _NS - age
    yield "proof_timestamp_seconds", (), _secs(status.ts_proven)
    if lease is not None:
        yield "lease_held", (), lease.state is Keeping.HELD
        yield "lease_fence", (), lease.fence
    if report is None:
        return
    for outcome in RecoveryOutcome:
        yield "outcome", (outcome,), status.outcome is outcome
    yield "blocked_instruments", (), len(status.blocked_instruments)
    yield "released_instruments", (), len(status.released_until)
    yield "corrections", (), sum(one.count for one in status.corrections)
    repairs = Counter(one.state for one in status.repairs)
    for what in _REPAIRS:
        yield "repairs", (what,), repairs[what]  # type: ignore[index]
    differences = Counter(one.severity for one in report.discrepancies if not one.resolved)
    for severity in Severity:
        yield "discrepancies", (severity,), differences[severity]
    yield "shadow", (), status.is_shadow
    yield "last_completed_timestamp_seconds", (), _secs(report.ts_completed)
    if report.ts_completed is not None:
        yield "last_duration_seconds", (), (report.ts_completed - report.ts_started) / _NS


def _alerts(alerts: Alerts | None) -> Iterator[Metric]:
    if alerts is None:
        return
    for what, text in (
        ("sent", "Messages that a service has taken"),
        ("failed", "Attempts to send a message that failed"),
        ("dropped", "Messages that were given up"),
    ):
        counter = CounterMetricFamily(f"{PREFIX}alerts_{what}", text, labels=("target",))
        for outbox in alerts.outboxes:
            counter.add_metric((outbox.name,), getattr(outbox.counts, what))
        yield counter
    pending = [((outbox.name,), len(outbox)) for outbox in alerts.outboxes]
    yield _gauge("alerts_pending", "Messages that are still to be sent", ("target",), pending)
    kinds = Counter(one.key.kind for one in alerts.incidents.told())
    found = [((kind,), kinds[kind]) for kind in Kind]
    yield _gauge("incidents", "Incidents that were alerted and are not over", ("kind",), found)


def _gauge(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"{PREFIX}{name}", text, labels=labels)
    for place, value in values:
        gauge.add_metric(place, float(value))
    return gauge


def _secs(ns: int | None) -> float | None:
    return None if ns is None else ns / _NS
