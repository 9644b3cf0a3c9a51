"""
Takes the lease of a trader before anything is written, and keeps it while the node runs.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

import redis

from nautilus_recovery_actor.core import lease as deciding
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.lease import AnotherNodeError
from nautilus_recovery_actor.core.lease import Claim
from nautilus_recovery_actor.core.lease import Found
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.core.lease import Watch
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.link import scripts
from nautilus_recovery_actor.link.alarms import Alarm
from nautilus_recovery_actor.link.alarms import is_running_here
from nautilus_recovery_actor.link.client import RedisUnusableError
from nautilus_recovery_actor.link.client import in_words
from nautilus_recovery_actor.link.log import Log
from nautilus_recovery_actor.link.process import does_run
from nautilus_recovery_actor.link.process import steady_ns
from nautilus_recovery_actor.link.process import this_process
from nautilus_recovery_actor.link.server import Server


_KEYS = (names.LEASE, names.FENCE)
_POLL_SECS = 0.1
# Whose lease lasts longer than this is not waited for
_LONGEST_WAIT_SECS = 60.0
# While the server does not answer it is asked again after this, and then less and less often
_FIRST_PAUSE_SECS = 0.25
_NS = 1_000_000_000

# Those of this process: one that waits for another keeps it from renewing
_keepers: "WeakValueDictionary[str, LeaseKeeper]" = WeakValueDictionary()


class LeaseKeeper:
    """Holds the lease for one monitor, and says where it stands whenever that changes."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        log: Log,
        epoch: Callable[[], int],
        on_changed: Callable[[Lease], None],
    ) -> None:
        self._server = server
        self._heartbeat_secs = heartbeat_secs
        self._lease_secs = deciding.lease_secs(heartbeat_secs)
        self._tenure_secs = deciding.tenure_secs(heartbeat_secs)
        # Another question must have time while nobody else can have it
        self._answer_secs = self._lease_secs / 3
        self._log = log
        self._epoch = epoch
        self._on_changed = on_changed
        self._alarm = Alarm(self._on_alarm)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: Watch | None = None
        # Whether another node may have written something since this one was made
        self.has_waited = False
        self.token = uuid4().hex
        self.lease = Lease(Standing.OVER, problem="The lease has not been taken yet")

    def is_over(self) -> bool:
        """
        Return whether this node may not trade by now. Who sees that first has the gates closed: a
        process that was stopped may act before its event loop notices how late it is.
        """
        if steady_ns() < self.lease.until:
            return False
        self._check()
        return True

    def is_forgone(self) -> bool:
        """Return whether another node answers for what this one holds."""
        return self.lease.standing is Standing.TAKEN

    # -- AT THE REGISTRATION --

    def take(self, *, may_wait: bool) -> None:
        """
        Take it, and wait where it is not known whether its holder lives: until that renews it, or
        would have had to. Raises `AnotherNodeError` if it lives, or would have to be waited for.
        """
        until = time.monotonic() + _LONGEST_WAIT_SECS
        try:
            while not self._taken_now(is_last=not may_wait or time.monotonic() > until):
                if not self.has_waited and self._watch is not None:
                    self._log.warning(
                        f"Waiting for the lease of this trader, at most "
                        f"{seconds(min(self._watch.holder.lasts_secs, _LONGEST_WAIT_SECS))}: "
                        f"{self._watch.holder.where} has it, and is not known to have ended"
                    )
                self.has_waited = True
                time.sleep(_POLL_SECS)
        except (redis.RedisError, RedisUnusableError, OSError) as e:
            why = (
                f"{self._server.why(e)}{deciding.remedy(str(e), self._server.namespace.trader_id)}"
            )
            self._log.error(f"The lease cannot be taken, and nothing trades without it: {why}")
            self._change(deciding.broken(self.lease, why))

    def _taken_now(self, *, is_last: bool) -> bool:
        found = scripts.read_survey(self._server.ask_now(scripts.SURVEY, _KEYS))
        match self._claim(found):
            case Claim.TAKE:
                asked = steady_ns()
                return self._take(
                    self._server.ask_now(scripts.TAKE, _KEYS, *self._arguments(found)), asked
                )
            case Claim.WAIT if not is_last:
                return False
            case _:
                raise AnotherNodeError(
                    deciding.refusal(
                        self._server.namespace.trader_id, found, is_here=_is_here(found.last)
                    )
                )

    def _claim(self, found: Found) -> Claim:
        now, last = steady_ns(), found.last
        self._watch = deciding.watched(self._watch, found, now)
        if _is_here(last):
            return Claim.REFUSED
        return deciding.claim(found, self._watch, now, is_alive=_does_run(last))

    def _arguments(self, found: Found) -> tuple[object, ...]:
        least = self.lease.fence + 1
        return scripts.take_arguments(found, self.token, this_process(), self._lease_secs, least)

    def _take(self, answer: list[Any], asked: int) -> bool:
        if not answer:
            return False
        fence, now = int(answer[0]), int(answer[1])
        _keepers[self.token] = self
        lease = deciding.taken(fence, now * scripts.MS, asked, self._tenure_secs)
        self._change(deciding.over(lease, steady_ns()))
        return True

    # -- WHILE THE NODE RUNS --

    def give_back(self) -> None:
        """Let the next node have it at once. Waits for the server, but not for long."""
        self._alarm.cancel()
        self._loop = None
        lease, self.lease = self.lease, deciding.broken(self.lease, "this node was disposed of")
        if not lease.fence or lease.standing is Standing.TAKEN:
            return
        try:
            self._server.ask_now(scripts.GIVE_BACK, _KEYS, self.token)
        except (redis.RedisError, RedisUnusableError, OSError) as e:
            self._log.warning(f"The lease was not given back, it runs out: {self._server.why(e)}")

    async def keep(self) -> None:
        """Renew it from now on."""
        self._loop = asyncio.get_running_loop()
        self._check()  # The node may have been built long ago
        self._arm()
        pause_secs = _FIRST_PAUSE_SECS
        while self.lease.standing is not Standing.TAKEN:
            try:
                async with asyncio.timeout(self._answer_secs):
                    await self._renew()
                pause_secs = _FIRST_PAUSE_SECS
                await asyncio.sleep(self._heartbeat_secs)
                continue
            except (redis.RedisError, OSError) as e:  # Timeouts too
                self._change(deciding.away(self.lease, self._server.why(e)))
            except Exception as e:  # Nobody would hear of it, and the gates be open
                self._log.exception("The lease is not kept", e)
                self._change(deciding.broken(self.lease, in_words(e)))
            await asyncio.sleep(pause_secs)
            pause_secs = min(pause_secs * 2, self._heartbeat_secs)

    async def _renew(self) -> None:
        asked, lasting_ms = steady_ns(), round(self._lease_secs * 1000)
        answer = await self._ask(scripts.RENEW, self.token, lasting_ms, self._epoch())
        renewal = scripts.read_renewal(answer)
        if renewal.is_renewed:
            lease = deciding.renewed(self.lease, renewal.fence, asked, self._tenure_secs)
            self._change(deciding.over(lease, steady_ns()))
            return
        found = scripts.read_survey(await self._ask(scripts.SURVEY))
        if self._is_to_take(found):
            asked = steady_ns()
            self._take(await self._ask(scripts.TAKE, *self._arguments(found)), asked)
        if self.lease.standing is Standing.TAKEN:  # Its gates are closed: who waits may know
            await self._ask(scripts.YIELD, self.lease.fence)

    def _is_to_take(self, found: Found) -> bool:
        if self.lease.fence:
            lease, is_to_take = deciding.lost(self.lease, self.token, found)
            self._change(lease)
            return is_to_take
        claim = self._claim(found)
        if claim is Claim.REFUSED and found.last is not None:
            self._change(deciding.forgone(self.lease, found.last))
        return claim is Claim.TAKE

    async def _ask(self, script: str, *values: object) -> Any:
        keys = [self._server.namespace.own_key(name) for name in _KEYS]
        return await self._server.ask(script, keys, *values)

    # -- WHERE IT STANDS --

    def _on_alarm(self) -> None:
        self._check()
        self._arm()

    def _arm(self) -> None:
        if self._loop is not None and self.lease.until:
            delay_secs = (self.lease.until - steady_ns()) / _NS
            self._alarm.arm(self._loop, max(delay_secs, 0))

    def _check(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed() and not is_running_here(loop):
            loop.call_soon_threadsafe(self._check)  # Timers call on another thread
            return
        self._change(deciding.over(self.lease, steady_ns()))

    def _change(self, lease: Lease) -> None:
        before, self.lease = self.lease, lease
        if before.standing is not lease.standing:
            self._say(before, lease)
            self._on_changed(lease)
        self._arm()

    def _say(self, before: Lease, lease: Lease) -> None:
        if lease.standing is Standing.AWAY:
            secs = max(lease.until - steady_ns(), 0) / _NS
            self._log.warning(
                f"{lease.problem}: trading goes on for {secs:.1f} s, while no other node can have "
                "the lease"
            )
        elif lease.standing is Standing.TAKEN and before.standing is Standing.OVER:
            self._log.error(lease.problem)  # The gates are closed, so that no message says it
        elif lease.standing is Standing.HELD and before.problem and before.fence:
            self._log.info(f"The lease is held again (fence {lease.fence})")


def _is_here(holder: Holder | None) -> bool:
    # A node of this process that may trade: it cannot renew while another one is registered
    keeper = None if holder is None else _keepers.get(holder.token)
    return keeper is not None and steady_ns() < keeper.lease.until


def _does_run(holder: Holder | None) -> bool | None:
    if holder is None:
        return None
    if holder.process == this_process() and not holder.is_reserved:
        return _is_here(holder)  # A node of this very process may have ended without a word
    return does_run(holder.process)
