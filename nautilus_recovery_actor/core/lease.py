"""
Who may run a trader: one process at a time, by a lease in Redis that it renews and others can take.

The server's clock says when a lease runs out there. The holder counts from before it asked, on a
clock that nobody can set, so that it stops first.
"""

from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core.liveness import max_age_of
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line


_NS = 1_000_000_000
_MS = 1_000_000


class AnotherNodeError(RuntimeError):
    """Raised at the registration of a monitor while another node holds the lease of its trader."""


class Process(msgspec.Struct, frozen=True):
    """A process, so that one on the same machine can be told from one that took its number."""

    host: str
    pid: int
    # What tells this boot of this machine, or this container, from any other, empty if unknown
    machine: str = ""
    # When it started, in the machine's own units, empty if unknown
    started: str = ""


class Holder(msgspec.Struct, frozen=True):
    """
    Who holds a lease.

    Parameters
    ----------
    token : str
        Another one for each monitor, empty if an operator took the lease from a node.
    fence : int
        One more each time that the lease is taken.
    process : Process
        Where it runs.
    operator : str
        Who took it, if an operator did.
    ts_since : int
        When it was taken, by the server's clock (UNIX ns).
    ts_renewed : int
        When it was renewed last, by the server's clock (UNIX ns).
    ts_until : int
        When it runs out, by the server's clock (UNIX ns).
    ts_ready : int, default 0
        When the next node may have what an operator took, by the server's clock (UNIX ns): the one
        that had it has stopped by then.

    """

    token: str
    fence: int
    process: Process
    operator: str
    ts_since: int
    ts_renewed: int
    ts_until: int
    ts_ready: int = 0

    @property
    def is_reserved(self) -> bool:
        """Whether an operator keeps it for the next node that starts."""
        return not self.token

    @property
    def where(self) -> str:
        """Where it runs, in words."""
        if self.is_reserved:
            return f"operator {one_line(self.operator)}"
        return f"process {self.process.pid} on {one_line(self.process.host)}"


class Standing(StrEnum):
    """
    Where a node stands with the lease of its trader.

    ``NONE``: there is none to hold. ``HELD``: it is the node's. ``AWAY``: the server does not
    answer, and nobody else can have it yet. ``OVER``: it ran out, or was never taken, and may be
    had again. ``TAKEN``: somebody else has, or had it: what this node knows may be old for good.
    """

    NONE = "NONE"
    HELD = "HELD"
    AWAY = "AWAY"
    OVER = "OVER"
    TAKEN = "TAKEN"

    @property
    def may_trade(self) -> bool:
        """Whether nobody else can be the one node of the trader."""
        return self in (Standing.NONE, Standing.HELD, Standing.AWAY)


class Lease(msgspec.Struct, frozen=True):
    """What a node knows of the lease of its trader."""

    standing: Standing = Standing.NONE
    # Of the lease that it took last, zero if it never took one
    fence: int = 0
    # Until when it relies on that, by a clock that nobody sets (ns)
    until: int = 0
    # Why it may not trade, or what is the matter, in one line
    problem: str = ""
    # Who had it when it was looked at last
    seen: Holder | None = None


class Claim(StrEnum):
    """What to do about a lease: ``TAKE`` it, ``WAIT`` and look again, or be ``REFUSED``."""

    TAKE = "TAKE"
    WAIT = "WAIT"
    REFUSED = "REFUSED"


def claim(holder: Holder | None, seen: Holder | None, now: int, *, is_dead: bool) -> Claim:
    """
    Return what a node that does not hold the lease does about it.

    `seen` is who held it when that was looked at first, `now` the server's time, and `is_dead`
    whether the process of the holder is known to have ended. Only who renews it is known to live.
    """
    if holder is None or is_dead or (holder.is_reserved and now >= holder.ts_ready):
        return Claim.TAKE
    if seen is not None and seen.token == holder.token and seen.ts_renewed < holder.ts_renewed:
        return Claim.REFUSED
    return Claim.WAIT


def taken(fence: int, asked: int, secs: float) -> Lease:
    """Return the lease that was taken, or renewed, for what was asked at a time (ns)."""
    return Lease(Standing.HELD, fence, asked + round(secs * _NS))


def away(lease: Lease, why: str) -> Lease:
    """Return it where the server does not answer."""
    if lease.standing not in (Standing.HELD, Standing.AWAY):
        return lease
    problem = f"Redis does not answer ({why})"
    return msgspec.structs.replace(lease, standing=Standing.AWAY, problem=problem)


def over(lease: Lease, now: int) -> Lease:
    """Return it at a time (ns): it may have run out."""
    if lease.standing not in (Standing.HELD, Standing.AWAY) or now < lease.until:
        return lease
    why = lease.problem or "this process was not running"
    problem = f"The lease ran out, so that another node may have it: {why}"
    return msgspec.structs.replace(lease, standing=Standing.OVER, problem=problem)


def lost(
    lease: Lease, holder: Holder | None, fence: int | None, now: int, *, is_dead: bool
) -> tuple[Lease, bool]:
    """
    Return it where the server says that it is not this node's, and whether to take it again.

    A server that knows less than this node has lost what was written: the lease is still the
    node's, unless it had run out. Whose lease was taken in between does not know what was done
    then, and must be started anew.
    """
    if lease.standing is Standing.TAKEN:
        return lease, False
    if not lease.fence:  # It never had one
        match claim(holder, lease.seen, now, is_dead=is_dead):
            case Claim.TAKE:
                return lease, True
            case Claim.WAIT:
                assert holder is not None
                return msgspec.structs.replace(lease, seen=lease.seen or holder), False
    elif holder is not None:
        if holder.fence < lease.fence and lease.standing is not Standing.OVER:
            return lease, True
    elif (fence or 0) <= lease.fence:
        return lease, True
    who = "Another node" if holder is None else holder.where
    problem = (
        f"{who} has taken the lease of this trader: stop this node, and start it again once no "
        "other one runs"
    )
    return Lease(Standing.TAKEN, lease.fence, 0, problem, holder), False


def lease_secs(heartbeat_secs: float) -> float:
    """Return how long a lease lasts that is renewed with each heartbeat (seconds)."""
    return max_age_of(heartbeat_secs)


def tenure_secs(heartbeat_secs: float) -> float:
    """Return how long its holder relies on it, from before it asked (seconds): a little less."""
    return lease_secs(heartbeat_secs) * 0.9


def is_dead(process: Process, here: Process, started: str | None) -> bool:
    """
    Return whether a process is known to have ended.

    `here` is the process that asks, and `started` when the process runs that has its number now,
    ``None`` if there is none.
    """
    if not here.machine or process.machine != here.machine:
        return False
    return started is None or (bool(process.started) and started != process.started)


def refusal(trader_id: str, holder: Holder, now: int) -> str:
    """Return why a node is not started, who runs instead, and what to do, in one line."""
    trader = one_line(trader_id)
    since = duration(max(now - holder.ts_since, 0))
    renewed = duration(max(now - holder.ts_renewed, 0))
    return (
        f"Another node runs {trader}: {holder.where}, for {since} (renewed {renewed} ago). Stop it "
        f"first; or, if it is out of reach, take over with `nautilus-recovery lease --trader "
        f"{trader} --take-over` and start this node again"
    )
