"""
Takes the lease of a trader before anything is written, and keeps it while the node runs.
"""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

import redis
from nautilus_trader.common.component import Logger

from nautilus_recovery_actor.core import lease as deciding
from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.lease import AnotherNodeError
from nautilus_recovery_actor.core.lease import Claim
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.node.alarms import Alarm
from nautilus_recovery_actor.node.alarms import is_running_here
from nautilus_recovery_actor.node.link import scripts
from nautilus_recovery_actor.node.link.client import RedisUnusableError
from nautilus_recovery_actor.node.link.process import is_known_dead
from nautilus_recovery_actor.node.link.process import steady_ns
from nautilus_recovery_actor.node.link.process import this_process
from nautilus_recovery_actor.node.link.server import Server


_LEASE = (names.LEASE,)
_LEASE_AND_FENCE = (names.LEASE, names.FENCE)
_POLL_SECS = 0.1
# While the server does not answer it is asked again after this, and then less and less often
_FIRST_PAUSE_SECS = 0.25
_NS = 1_000_000_000

# Those that nodes of this process hold: the clock of a process that waits does not go on for them
_held_here: set[str] = set()


class LeaseKeeper:
    """Holds the lease for one monitor, and says where it stands whenever that changes."""

    def __init__(
        self,
        server: Server,
        heartbeat_secs: float,
        log: Logger,
        epoch: Callable[[], int],
        on_changed: Callable[[Lease], None],
    ) -> None:
        self._server = server
        self._heartbeat_secs = heartbeat_secs
        self._lease_secs = deciding.lease_secs(heartbeat_secs)
        self._tenure_secs = deciding.tenure_secs(heartbeat_secs)
        self._log = log
        self._epoch = epoch
        self._on_changed = on_changed
        self._alarm = Alarm(self._on_alarm)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._canary = ""
        self.token = uuid4().hex
        self.lease = Lease(Standing.OVER, problem="The lease has not been taken yet")

    @property
    def is_over(self) -> bool:
        """
        Whether this node may not trade by now. Who sees that first has the gates closed: a process
        that was stopped may act before its event loop notices how late it is.
        """
        if self.lease.standing.may_trade and steady_ns() < self.lease.until:
            return False
        self._check()
        return True

    # -- AT THE REGISTRATION --

    def take(self) -> None:
        """
        Take it, and wait where it is not known whether its holder lives: until that renews it, or
        it runs out.
        """
        seen: Holder | None = None
        until = time.monotonic() + self._lease_secs + 1
        while True:
            try:
                now, holder = scripts.read_look(self._server.ask_now(scripts.LOOK, _LEASE))
                match self._claim(holder, seen, now):
                    case Claim.TAKE if self._taken_now(holder):
                        return
                    case Claim.REFUSED:
                        assert holder is not None
                        trader_id = self._server.namespace.trader_id
                        raise AnotherNodeError(deciding.refusal(trader_id, holder, now))
            except (redis.RedisError, RedisUnusableError, OSError) as e:
                self._log.error(
                    f"The lease cannot be taken, and nothing trades without it: {self._why(e)}"
                )
                return
            if time.monotonic() > until:
                return  # It changes hands faster than it can be looked at: the loop goes on
            if seen is None and holder is not None:
                self._log.warning(
                    f"Waiting for the lease of this trader, at most {self._lease_secs:g} s: "
                    f"{holder.where} holds it, and is not known to have ended"
                )
            seen = seen or holder
            time.sleep(_POLL_SECS)

    def _claim(self, holder: Holder | None, seen: Holder | None, now: int) -> Claim:
        if holder is not None and holder.token in _held_here:
            return Claim.REFUSED
        return deciding.claim(holder, seen, now, is_dead=self._is_dead(holder))

    def _taken_now(self, holder: Holder | None) -> bool:
        asked = steady_ns()
        answer = self._server.ask_now(scripts.TAKE, _LEASE_AND_FENCE, *self._arguments(holder))
        return self._take(answer, asked)

    def _arguments(self, holder: Holder | None) -> tuple[object, ...]:
        process, least = this_process(), self.lease.fence + 1
        return scripts.take_arguments(holder, self.token, process, "", self._lease_secs, least)

    def _take(self, answer: list[int], asked: int) -> bool:
        if not answer:
            return False
        _held_here.add(self.token)
        self._change(deciding.taken(int(answer[0]), asked, self._tenure_secs))
        return True

    @staticmethod
    def _is_dead(holder: Holder | None) -> bool:
        if holder is None or holder.is_reserved:
            return False
        # A node of this very process that does not hold it any more has ended without a word
        is_here = holder.process == this_process() and holder.token not in _held_here
        return is_here or is_known_dead(holder.process)

    # -- WHILE THE NODE RUNS --

    def give_back(self) -> None:
        """Let the next node have it at once. Waits for the server, but not for long."""
        self._alarm.cancel()
        self._loop = None
        _held_here.discard(self.token)
        if self.lease.standing is not Standing.HELD:
            return
        try:
            self._server.ask_now(scripts.GIVE_BACK, _LEASE, self.token)
        except (redis.RedisError, RedisUnusableError, OSError) as e:
            self._log.warning(f"The lease was not given back, it runs out: {self._why(e)}")

    async def keep(self) -> None:
        """Renew it from now on."""
        self._loop = asyncio.get_running_loop()
        self._arm()
        pause_secs = _FIRST_PAUSE_SECS
        while self.lease.standing is not Standing.TAKEN:
            try:
                await self._renew()
                pause_secs = _FIRST_PAUSE_SECS
                await asyncio.sleep(self._heartbeat_secs)
            except (redis.RedisError, OSError) as e:  # Timeouts too
                self._change(deciding.away(self.lease, self._why(e)))
                await asyncio.sleep(pause_secs)
                pause_secs = min(pause_secs * 2, self._heartbeat_secs)

    async def _renew(self) -> None:
        asked, canary = steady_ns(), uuid4().hex
        keys = [self._server.namespace.own_key(name) for name in _LEASE_AND_FENCE]
        answer = await self._server.ask(
            scripts.RENEW,
            keys,
            self.token,
            round(self._lease_secs * 1000),
            self._epoch(),
            canary,
            self.lease.fence,
        )
        renewal = scripts.read_renewal(answer)
        if renewal.is_renewed:
            self._canary = canary
            self._change(deciding.taken(self.lease.fence, asked, self._tenure_secs))
            return
        now, holder = scripts.read_look(await self._server.ask(scripts.LOOK, keys[:1]))
        lease, is_to_take = deciding.lost(
            self.lease, holder, renewal.fence, now, is_dead=self._is_dead(holder)
        )
        self._change(lease)
        if is_to_take:
            asked = steady_ns()
            answer = await self._server.ask(scripts.TAKE, keys, *self._arguments(holder))
            self._take(answer, asked)

    # -- WHERE IT STANDS --

    def _on_alarm(self) -> None:
        self._check()
        self._arm()

    def _arm(self) -> None:
        if self._loop is not None and self.lease.standing in (Standing.HELD, Standing.AWAY):
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
            self._on_changed(lease)
        self._arm()

    def _why(self, error: BaseException) -> str:
        text = one_line(str(error)).rstrip(".") or type(error).__name__
        return f"{self._server.address}: {text}"
