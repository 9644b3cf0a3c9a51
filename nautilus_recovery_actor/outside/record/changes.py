"""
What changes at a node, each once, whether it was read from the record or heard on a stream.
"""

from collections.abc import Iterator

import msgspec

from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.enums import MessageKind
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.outside.record.entries import Message
from nautilus_recovery_actor.outside.record.status import NodeStatus
from nautilus_recovery_actor.outside.record.status import State


_PHASES = list(RecoveryPhase)
_OVER = _PHASES.index(RecoveryPhase.COMPLETE)


class Change(msgspec.Struct, frozen=True):
    """Something that has changed."""

    # When (UNIX ns)
    ts: int
    trader_id: str
    epoch: int | None
    # A phase, or ``RELEASED``, ``RELEASE_ENDED``, ``STOPPED`` or ``NO_HEARTBEAT``
    what: str
    # Details in one line
    text: str = ""
    # The report of an epoch that has ended
    report: RecoveryReport | None = None


class Changes:
    """The changes of one trader, each once."""

    def __init__(self, trader_id: str) -> None:
        self._trader_id = trader_id
        self._epoch = 0
        self._phase = -1
        self._ts = 0
        self._absence = ""
        self._releases: set[tuple[str, int, bool]] = set()

    def look(
        self, found: NodeStatus, ts: int | None, report: RecoveryReport | None, now: int
    ) -> Iterator[Change]:
        """Return what has changed since the last look."""
        if found.state is State.NO_HEARTBEAT or ts is None:
            what = "STOPPED" if found.is_stopped else "NO_HEARTBEAT"
            if self._absence != what:
                self._absence = what
                text = f"{self._trader_id}: {found.reason}"
                yield Change(now, self._trader_id, found.epoch, what, text)
            return
        self._absence = ""
        assert found.epoch is not None
        assert found.phase is not None
        if found.epoch < self._epoch and ts > self._ts:
            self._epoch = 0  # Its record was lost, and it counts anew
        yield from self._change(found.epoch, found.phase, ts, report)

    def hear(self, message: Message) -> Iterator[Change]:
        """Return what a message of the monitor changes."""
        report = message.report
        if report.trader_id != self._trader_id:
            return
        match message.type:
            case MessageKind.STARTED if report.trigger == "startup":
                phase = RecoveryPhase.PENDING
            case MessageKind.STARTED:
                phase = RecoveryPhase.RECONCILING
            case MessageKind.FAILED:
                phase = RecoveryPhase.FAILED
            case _:
                phase = RecoveryPhase.COMPLETE
        yield from self._change(report.epoch, phase, report.ts_started, report)

    def _change(
        self, epoch: int, phase: RecoveryPhase, ts: int, report: RecoveryReport | None
    ) -> Iterator[Change]:
        rank = min(_PHASES.index(phase), _OVER)
        if (epoch, rank) < (self._epoch, self._phase):
            return
        if (epoch, rank) > (self._epoch, self._phase):
            if epoch > self._epoch:
                self._releases.clear()
            self._epoch, self._phase, self._ts = epoch, rank, max(ts, self._ts)
            if rank < _OVER:
                opened = wording.opened(report) if report else ""
                yield Change(ts, self._trader_id, epoch, phase, opened)
                return
            when = ts if report is None else report.ts_completed or ts
            yield Change(when, self._trader_id, epoch, phase, _verdict(report), report)
        if rank == _OVER and report is not None:
            yield from self._releases_in(report)

    def _releases_in(self, report: RecoveryReport) -> Iterator[Change]:
        for one in report.overrides:
            is_over = one.ts_ended is not None
            change = (one.instrument_id, one.ts_started, is_over)
            if change in self._releases:
                continue
            self._releases.add(change)
            what = "RELEASE_ENDED" if is_over else "RELEASED"
            yield Change(
                one.ts_started if one.ts_ended is None else one.ts_ended,
                self._trader_id,
                report.epoch,
                what,
                wording.release_line(one),
            )


def _verdict(report: RecoveryReport | None) -> str:
    return "no report on record" if report is None else wording.verdict(report)
