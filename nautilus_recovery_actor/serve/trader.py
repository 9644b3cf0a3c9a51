"""
One trader of a server, as far as it has been read.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.core.liveness import Life
from nautilus_recovery_actor.core.liveness import liveness
from nautilus_recovery_actor.core.names import EPOCH_KEY
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.core.names import HISTORY_KEY
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.outside.record import entries
from nautilus_recovery_actor.outside.record.entries import Broken
from nautilus_recovery_actor.outside.record.entries import DamagedError
from nautilus_recovery_actor.outside.record.entries import Record
from nautilus_recovery_actor.outside.record.status import State
from nautilus_recovery_actor.outside.record.status import node_status
from nautilus_recovery_actor.serve.board import Seen


# A report that is larger is kept without its longest parts: a board shows them of one epoch alone
_LARGE_BYTES = 32 * 1024
# How often what nobody is known to have changed is read again (seconds)
_OPEN_SECS = 3.0
_OTHER_SECS = 30.0
_MISSING_SECS = 1.0
_LEASE_SECS = 5.0
# How many reports a monitor keeps if its heartbeat does not say
_DEFAULT_HISTORY_SIZE = 100

_Value = TypeVar("_Value")


class Trader:
    """What is known of one trader, and what of it is due to be read."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.heartbeat: Heartbeat | None = None
        self.lease: LeaseStatus | None = None
        # Since when it has had no record, by a steady clock, ``None`` if it has one
        self.gone_at: float | None = None
        self._epoch: int | None = None
        self._stamps: dict[str, bytes | None] = {}
        self._broken: dict[str, Broken] = {}
        self._report: RecoveryReport | None = None
        self._report_mark: object = None
        self._report_trouble = ""
        self._report_place: object = None
        # When they were read last, by a steady clock
        self.report_at = self.lease_at = float("-inf")
        self._standing: object = None
        self._ts_since: int | None = None

    # -- WHAT IS READ --

    def take_stamps(self, beat: bytes | None, epoch: bytes | None, at: float) -> None:
        """Take the heartbeat and the epoch, empty if there is none, ``None`` if refused."""
        if self._is_new(HEARTBEAT_KEY, beat):
            self.heartbeat = self._decoded(HEARTBEAT_KEY, beat, entries.heartbeat)
        if self._is_new(EPOCH_KEY, epoch):
            self._epoch = self._decoded(EPOCH_KEY, epoch, entries.epoch)
        if beat != b"" or epoch != b"":
            self.gone_at = None
        elif self.gone_at is None:
            self.gone_at = at

    def refuse(self, key: str, why: str, at: float) -> None:
        """Take what is in place of an entry for damaged."""
        if key in (HEARTBEAT_KEY, EPOCH_KEY):
            self._stamps.pop(key, None)
            self._broken[key] = Broken(key, why)
            if key == HEARTBEAT_KEY:
                self.heartbeat = None
            else:
                self._epoch = None
            return
        self._report, self._report_mark = None, None
        self._report_trouble = f"{key} cannot be read: {why}"
        self._report_place, self.report_at = self._place, at

    def report_key(self, at: float) -> str | None:
        """Return where the report is that is due, ``None`` if none is."""
        beat = self.heartbeat
        if beat is None or not self._is_over or not self._slots:
            return None
        wait_secs = _OTHER_SECS
        if self._place == self._report_place:
            if self._report is None:
                wait_secs = _MISSING_SECS
            elif (
                self._report.blocked_instruments
                or self._report.repairs
                or self._report.outcome is None
            ):
                wait_secs = _OPEN_SECS
            if at - self.report_at < wait_secs:
                return None
        return HISTORY_KEY.format(slot=self.epoch % self._slots)

    def take_report(self, key: str, data: bytes, at: float) -> None:
        """Take the report that was due, empty if there is none."""
        self._report_place, self.report_at = self._place, at
        mark = (hash(data), self.epoch)
        if mark == self._report_mark:
            return
        self._report, self._report_mark, self._report_trouble = None, mark, ""
        try:
            report = entries.report(data) if data else None
        except DamagedError as e:
            self._report_trouble = f"{key} cannot be read: {one_line(str(e))}"
            return
        if report is None or report.epoch != self.epoch:
            self._report_trouble = f"no report of epoch {self.epoch} on record"
            return
        if len(data) > _LARGE_BYTES:
            report = msgspec.structs.replace(
                report, fills=(), strategies=(), balances=(), positions=()
            )
        self._report = report

    def is_lease_due(self, at: float) -> bool:
        """Return whether it is time to ask who has the lease."""
        return at - self.lease_at >= _LEASE_SECS

    def take_lease(self, lease: LeaseStatus | None, at: float) -> None:
        """Take who has the lease, ``None`` if that cannot be read."""
        self.lease, self.lease_at = lease, at

    # -- WHERE IT STANDS --

    @property
    def epoch(self) -> int:
        """The newest epoch."""
        return max(self.heartbeat.epoch if self.heartbeat else 0, self._epoch or 0)

    def is_alive(self, now: int) -> bool:
        """Return whether its node runs."""
        return self.heartbeat is not None and liveness(self.heartbeat, now).life is Life.ALIVE

    def may_run(self, now: int) -> bool:
        """Return whether its node runs, or may: by a clock that is ahead nobody knows."""
        return self.heartbeat is not None and liveness(self.heartbeat, now).life in (
            Life.ALIVE,
            Life.AHEAD,
        )

    @property
    def ts(self) -> int:
        """When its last heartbeat was written (UNIX ns)."""
        return self.heartbeat.ts if self.heartbeat else 0

    def seen(self, server: str, now: int, twins: tuple[str, ...] = ()) -> Seen:
        """Return where it stands."""
        report = self._report
        if report is not None and (not self._is_over or report.epoch != self.epoch):
            report = None
        record = Record(
            heartbeat=self.heartbeat,
            epoch=self._epoch,
            report=report,
            broken=tuple(self._broken.values()),
        )
        status = node_status(self.namespace.trader_id, record, now)
        standing = (status.state, status.phase, status.epoch, status.is_stopped)
        if standing != self._standing:
            self._ts_since = self._since(status.state, report, now)
            self._standing = standing
        return Seen(
            server=server,
            trader_id=self.namespace.trader_id,
            status=status,
            lease=self.lease,
            report=report,
            ts_read=now,
            trouble=self._why_unknown(report) if status.state is State.OPEN else "",
            ts_since=self._ts_since,
            twins=twins,
            namespace=self.namespace,
        )

    def _since(self, state: State, report: RecoveryReport | None, now: int) -> int | None:
        beat = self.heartbeat
        if beat is None or state is State.NO_HEARTBEAT:
            return None if beat is None else beat.ts
        if report is not None:
            return report.ts_completed
        # Seen to begin, or begun before anybody looked
        return now if self._standing is not None else beat.ts

    def _why_unknown(self, report: RecoveryReport | None) -> str:
        # A newer epoch may have begun
        if self._broken:
            return "; ".join(
                f"{one.key} cannot be read: {one.why}" for one in self._broken.values()
            )
        if report is not None:
            failed = f"the report of epoch {self.epoch} says that it failed, the heartbeat does not"
            return failed if report.outcome is None else ""
        # What is blocked stands in the report alone
        if not self._slots:
            return "its monitor keeps no reports (history_size=0), so what is blocked is unknown"
        if self._place != self._report_place:
            return f"the report of epoch {self.epoch} has not been read yet"
        return self._report_trouble or f"no report of epoch {self.epoch} on record"

    @property
    def _is_over(self) -> bool:
        beat = self.heartbeat
        if beat is None or beat.epoch < self.epoch:
            return False
        return beat.phase in (RecoveryPhase.COMPLETE, RecoveryPhase.FAILED)

    @property
    def _place(self) -> object:
        return self.epoch, self.heartbeat and self.heartbeat.phase

    @property
    def _slots(self) -> int:
        size = self.heartbeat.history_size if self.heartbeat else None
        return _DEFAULT_HISTORY_SIZE if size is None else max(size, 0)

    # -- WHAT IS IN AN ENTRY --

    def _is_new(self, key: str, data: bytes | None) -> bool:
        is_new = self._stamps.get(key) != data
        self._stamps[key] = data
        return is_new

    def _decoded(
        self, key: str, data: bytes | None, decode: Callable[[bytes], _Value]
    ) -> _Value | None:
        self._broken.pop(key, None)
        if not data:
            return None
        try:
            return decode(data)
        except DamagedError as e:
            self._broken[key] = Broken(key, one_line(str(e)))
            return None
