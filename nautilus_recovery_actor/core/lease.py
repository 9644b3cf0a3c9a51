"""
Who may run a trader: one process at a time, by a lease in Redis (long: all who may hold it).

The holder renews it, and relies on it for a little less than it lasts, from before it asked, on a
clock that nobody can set. Who wants it waits for as long as it lasts, on such a clock too, from
when it saw the last renewal. So it does not matter what the server's own clock says.
"""

from enum import StrEnum

import msgspec

from nautilus_recovery_actor.core.liveness import max_age_of
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import one_line


_NS = 1_000_000_000
# What ran out so long ago need not be waited for: no server's clock is set forward by so much
_LONG_AGO_SECS = 600.0


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
    Who holds a lease, or had it last.

    Parameters
    ----------
    token : str
        Another one for each monitor, empty if an operator took the lease from a node.
    fence : int
        One more each time that the lease is taken.
    process : Process
        Where it runs, or the node that an operator took it from.
    operator : str
        Who took it, if an operator did.
    ts_since : int
        When it was taken, by the server's clock (UNIX ns).
    ts_renewed : int
        When it was renewed last, by the server's clock (UNIX ns).
    ts_until : int
        When it runs out, by the server's clock (UNIX ns).
    lasts_secs : float, default 0.0
        For how long who has it may rely on it after a renewal (seconds).
    is_free : bool, default False
        Whether it was given back, or the node that an operator took it from has closed its gates.

    """

    token: str
    fence: int
    process: Process
    operator: str
    ts_since: int
    ts_renewed: int
    ts_until: int
    lasts_secs: float = 0.0
    is_free: bool = False

    @property
    def is_reserved(self) -> bool:
        """Whether an operator keeps it for the next node that starts."""
        return not self.token

    @property
    def where(self) -> str:
        """Where it runs, in words."""
        process = f"process {self.process.pid} on {one_line(self.process.host)}"
        if self.is_reserved:
            return f"operator {one_line(self.operator)} (who took it from {process})"
        return process


class Found(msgspec.Struct, frozen=True):
    """
    What the server says of a lease at a time.

    Parameters
    ----------
    now : int
        The time, by the server's clock (UNIX ns).
    last : Holder, optional
        Who holds it or had it last, ``None`` if the server knows of nobody.
    is_held : bool, default False
        Whether it has not run out, by the server's clock.
    stamp : bytes, default b""
        What is as it was only as long as nobody takes it or renews it.

    """

    now: int
    last: Holder | None = None
    is_held: bool = False
    stamp: bytes = b""


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
    # Until when it relies on that, by a clock that nobody sets (ns), zero where it may not
    until: int = 0
    # Why it may not trade, or what is the matter, in one line
    problem: str = ""
    # When it was taken last, by the server's clock (UNIX ns)
    ts_since: int = 0


# -- WHO WANTS IT --


class Claim(StrEnum):
    """What to do about a lease: ``TAKE`` it, ``WAIT`` and look again, or be ``REFUSED``."""

    TAKE = "TAKE"
    WAIT = "WAIT"
    REFUSED = "REFUSED"


class Watch(msgspec.Struct, frozen=True):
    """Who had a lease when that was looked at first, and when that was, by a steady clock (ns)."""

    holder: Holder
    since: int


def watched(watch: Watch | None, found: Found, at: int) -> Watch | None:
    """Return the watch over who has a lease, where the server's answer came `at` (ns)."""
    last = found.last
    if last is None:
        return None
    if watch is not None and _names(watch.holder) == _names(last):
        return watch
    return Watch(last, at)


def claim(found: Found, watch: Watch | None, at: int, *, is_alive: bool | None) -> Claim:
    """
    Return what a node that does not hold the lease does about it.

    `watch` is that over who has it, `at` when the answer came, and `is_alive` whether the process
    of who has it runs, ``None`` if that cannot be known.
    """
    last = found.last
    if last is None or watch is None or last.is_free or is_alive is False:
        return Claim.TAKE
    if not found.is_held and found.now - last.ts_renewed >= _LONG_AGO_SECS * _NS:
        return Claim.TAKE
    if is_alive and found.is_held and not last.is_reserved:
        return Claim.REFUSED
    # Another time, and not only a later one: the server's clock may have been set back
    if watch.holder.ts_renewed != last.ts_renewed:
        return Claim.REFUSED
    return Claim.TAKE if at - watch.since >= last.lasts_secs * _NS else Claim.WAIT


def _names(holder: Holder) -> tuple[str, int]:
    return holder.token, holder.fence


def is_alive(process: Process, here: Process, started: str | None) -> bool | None:
    """
    Return whether a process runs, ``None`` if that cannot be known.

    `here` is the process that asks, and `started` when the process runs that has its number now,
    ``None`` if there is none.
    """
    # A copy of a virtual machine has the same marks
    if not here.machine or (process.machine, process.host) != (here.machine, here.host):
        return None
    if started is None:
        return False
    return process.started == started if process.started else None


# -- WHO HAS IT --


def taken(fence: int, ts_since: int, asked: int, secs: float) -> Lease:
    """Return the lease that was taken for what was asked at a time (ns)."""
    return Lease(Standing.HELD, fence, asked + round(secs * _NS), ts_since=ts_since)


def renewed(lease: Lease, fence: int | None, asked: int, secs: float) -> Lease:
    """
    Return it renewed, for what was asked at a time (ns).

    `fence` is what the server says: the answer to taking it may have been lost.
    """
    return taken(lease.fence or fence or 1, lease.ts_since, asked, secs)


def away(lease: Lease, why: str) -> Lease:
    """Return it where the server does not answer."""
    if lease.standing not in (Standing.HELD, Standing.AWAY):
        return lease
    problem = f"The lease cannot be renewed ({why})"
    return msgspec.structs.replace(lease, standing=Standing.AWAY, problem=problem)


def over(lease: Lease, now: int) -> Lease:
    """Return it at a time (ns): it may have run out."""
    if lease.standing not in (Standing.HELD, Standing.AWAY) or now < lease.until:
        return lease
    why = lease.problem or "this process was not running"
    problem = f"The lease ran out, so that another node may have it: {why}"
    return _without(lease, Standing.OVER, problem)


def broken(lease: Lease, why: str) -> Lease:
    """Return it where what keeps it has failed: it may be had again."""
    if lease.standing is Standing.TAKEN:
        return lease
    return _without(lease, Standing.OVER, f"The lease is not kept: {why}")


def lost(lease: Lease, token: str, found: Found) -> tuple[Lease, bool]:
    """
    Return it where the server says that it is not this node's, and whether to take it again.

    A server that knows less than this node has lost what was written. Whose lease was taken in
    between does not know what was done then, and must be started anew.
    """
    last = found.last
    if last is None or last.token == token:
        return lease, True
    is_older = last.fence < lease.fence and last.ts_since < lease.ts_since
    if is_older and (lease.standing is not Standing.OVER or not found.is_held):
        # An old copy of the server's: this node took it after that, and nobody has it now
        return lease, True
    return forgone(lease, last), False


def forgone(lease: Lease, holder: Holder) -> Lease:
    """Return it where somebody else has it, or had it."""
    who = f"{holder.where[0].upper()}{holder.where[1:]}"
    problem = (
        f"{who} has taken the lease of this trader: stop this node, and start it again once no "
        "other one runs"
    )
    return _without(lease, Standing.TAKEN, problem)


def _without(lease: Lease, standing: Standing, problem: str) -> Lease:
    return msgspec.structs.replace(lease, standing=standing, until=0, problem=problem)


def lease_secs(heartbeat_secs: float) -> float:
    """Return how long a lease lasts that is renewed with each heartbeat (seconds)."""
    return max_age_of(heartbeat_secs)


def tenure_secs(heartbeat_secs: float) -> float:
    """Return how long its holder relies on it, from before it asked (seconds): a little less."""
    return lease_secs(heartbeat_secs) * 0.9


# -- IN WORDS --

# What the scripts do there that run as one step
RIGHTS = "+eval +time +hset +del +pexpire"


def remedy(error: str, trader_id: str) -> str:
    """Return what to do about an error of the server's, empty if nothing is known."""
    if "permission" in error.lower() or "NOPERM" in error:
        return f"; the Redis user of the node needs {RIGHTS} and to read"
    if "WRONGTYPE" in error:
        return (
            "; something else has written there: once no node runs, `nautilus-recovery lease "
            f"--trader {one_line(trader_id)} --take-over` replaces it"
        )
    return ""


def refusal(trader_id: str, found: Found, *, is_here: bool = False) -> str:
    """Return why a node is not started, who runs instead, and what to do, in one line."""
    holder = found.last
    assert holder is not None
    trader = one_line(trader_id)
    since = duration(max(found.now - holder.ts_since, 0))
    renewed_ago = duration(max(found.now - holder.ts_renewed, 0))
    line = f"Another node runs {trader}: {holder.where}, for {since} (renewed {renewed_ago} ago)."
    if is_here:
        return f"{line} It is in this very process: dispose of it first"
    return (
        f"{line} Stop it first; or, if it is out of reach, take over with `nautilus-recovery lease "
        f"--trader {trader} --take-over` and start this node again"
    )
