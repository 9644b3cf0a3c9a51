"""
Who holds the lease of a trader, and taking it from whoever does.
"""

import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
import redis

from nautilus_recovery_actor.core.lease import Found
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.liveness import max_age_of
from nautilus_recovery_actor.core.names import FENCE
from nautilus_recovery_actor.core.names import LEASE
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.link import scripts
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.process import does_run


_NS = 1_000_000_000
# How long the next node has to start before an operator's name goes from the lease (ms)
_RESERVED_MS = 15 * 60 * 1000
_LASTS_MS = round(max_age_of(None) * 1000)


class Keeping(StrEnum):
    """
    Who has the lease of a trader.

    ``HELD``: a node. ``RESERVED``: nobody, an operator took it for the next node that starts.
    ``RAN_OUT``: nobody, who had it did not give it back. ``FREE``: nobody.
    """

    HELD = "HELD"
    RESERVED = "RESERVED"
    RAN_OUT = "RAN_OUT"
    FREE = "FREE"

    @property
    def exit_code(self) -> int:
        """The exit code of a command that found it."""
        return 0 if self is Keeping.HELD else 1


class LeaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the lease of a trader, for who asks from outside."""

    trader_id: str
    state: Keeping
    # In one line
    reason: str
    # Who has it, had it last, or was taken over
    host: str | None = None
    pid: int | None = None
    # Who took it over
    operator: str | None = None
    # One more each time that it is taken
    fence: int | None = None
    # When it was taken, renewed last and runs out, by the server's clock (UNIX ns)
    ts_since: int | None = None
    ts_renewed: int | None = None
    ts_until: int | None = None
    # How long the next node that starts may have to wait for it (seconds)
    wait_secs: float = 0.0


def found(client: redis.Redis, namespace: Namespace) -> Found:
    """Return what a server says of the lease, by commands that read alone."""
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        ask(pipe, namespace)
        told, *answers = pipe.execute(raise_on_error=False)
    return answered(told, answers)


def ask(pipe: Any, namespace: Namespace) -> None:
    """Ask for the lease of a trader, among other questions."""
    lease, fence = namespace.own_key(LEASE), namespace.own_key(FENCE)
    pipe.hmget(lease, list(scripts.FIELDS))
    pipe.pttl(lease)
    pipe.hmget(fence, list(scripts.FIELDS))


def answered(told: Any, answers: Sequence[Any]) -> Found:
    """Return what the answers to `ask` say, with the server's answer to ``TIME``."""
    for answer in answers:
        if isinstance(answer, redis.RedisError):
            raise answer
    held, lasting, last = answers
    now_ms = time.time_ns() // scripts.MS
    if not isinstance(told, redis.RedisError):  # Whoever may only read may not ask that
        now_ms = int(told[0]) * 1000 + int(told[1]) // 1000
    is_held = held[0] is not None
    who = scripts.read_who(held if is_held else last, now_ms * scripts.MS, int(lasting))
    return Found(now_ms * scripts.MS, who, is_held)


def lease_status(trader_id: str, at: Found) -> LeaseStatus:
    """Return who has the lease of a trader."""
    last = at.last
    if last is None:
        reason = "nobody has it: no node with a lease has run on this server"
        return LeaseStatus(trader_id=trader_id, state=Keeping.FREE, reason=reason)
    state = _state(at, last)
    wait_secs = 0.0 if last.is_free or state is Keeping.FREE else last.lasts_secs
    return LeaseStatus(
        trader_id=trader_id,
        state=state,
        reason=_reason(state, at, last),
        host=last.process.host,
        pid=last.process.pid,
        operator=last.operator or None,
        fence=last.fence,
        ts_since=last.ts_since,
        ts_renewed=last.ts_renewed,
        ts_until=last.ts_until if at.is_held else None,
        wait_secs=wait_secs,
    )


def _state(at: Found, last: Holder) -> Keeping:
    if last.is_reserved:
        return Keeping.RESERVED
    if at.is_held:
        return Keeping.HELD
    return Keeping.FREE if last.is_free else Keeping.RAN_OUT


def _reason(state: Keeping, at: Found, last: Holder) -> str:
    since = f"since {moment(last.ts_since)} UTC"
    renewed = f"renewed {duration(max(at.now - last.ts_renewed, 0))} ago"
    process = f"process {last.process.pid} on {one_line(last.process.host)}"
    match state:
        case Keeping.HELD:
            until = duration(max(last.ts_until - at.now, 0))
            gone = ", and is not running any more" if does_run(last.process) is False else ""
            return f"{process} holds it {since}, {renewed}, lasts {until} more{gone}"
        case Keeping.RESERVED:
            closed = "has closed its gates" if last.is_free else "is not known to have noticed"
            return f"{last.where} keeps it for the next node {since}; the one before {closed}"
        case Keeping.RAN_OUT:
            return f"nobody has it: {process} had it, {renewed}, and did not give it back"
        case _:
            return f"nobody has it: {process} gave it back"


def keeping_line(status: LeaseStatus) -> str:
    """Return who has the lease, in a line that stays true as long as nobody else takes it."""
    process = f"process {status.pid} on {one_line(status.host or '')}"
    match status.state:
        case Keeping.HELD:
            return f"{process} since {moment(status.ts_since or 0)} UTC"
        case Keeping.RESERVED:
            return f"operator {one_line(status.operator or '')} keeps it for the next node"
        case Keeping.RAN_OUT:
            return f"nobody has it: {process} had it, and did not give it back"
        case _:
            return "nobody has it"


def holding_line(at: Found) -> str:
    """Return who holds the lease, in one line, empty if no node does."""
    last = at.last
    if last is None or not at.is_held or last.is_reserved:
        return ""
    since = f"since {moment(last.ts_since)} UTC"
    return f"process {last.process.pid} on {one_line(last.process.host)} {since}"


def why_held(client: redis.Redis, namespace: Namespace) -> str | None:
    """Return why a node of a trader may run, by its lease, and what to do, in one line."""
    trader = one_line(namespace.trader_id)
    look = f"`nautilus-recovery lease --trader {trader}`"
    try:
        at = found(client, namespace)
    except redis.ResponseError as e:
        if "WRONGTYPE" not in str(e):
            raise
        return (
            f"The lease of {trader} cannot be read ({one_line(str(e))}), so that nothing says "
            f"whether a node runs: make sure that none does, and take over ({look} --take-over)"
        )
    if not (line := holding_line(at)) or at.last is None or does_run(at.last.process) is False:
        return None
    until = duration(max(at.last.ts_until - at.now, 0))
    return (
        f"A node of {trader} holds its lease: {line}. Stop it first ({look} shows it). If it was "
        f"killed, the lease runs out in {until}"
    )


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a take-over did."""

    trader_id: str
    # Who had the lease, in words, empty if nobody had
    holder: str
    fence: int
    # How long the next node that starts may have to wait for it (seconds)
    wait_secs: float


def take_over(client: redis.Redis, namespace: Namespace, operator: str) -> Taken:
    """Take the lease from whoever has it, for the next node that starts."""
    keys = [namespace.own_key(LEASE), namespace.own_key(FENCE)]
    answer: Any = client.eval(
        scripts.TAKE_OVER, len(keys), *keys, operator, _RESERVED_MS, _LASTS_MS
    )
    fence, is_free, lasts, now, values = answer
    last = scripts.read_who(values, int(now) * scripts.MS)
    is_gone = bool(is_free) or (last is not None and does_run(last.process) is False)
    return Taken(
        trader_id=namespace.trader_id,
        holder="" if is_free or last is None else last.where,
        fence=int(fence),
        wait_secs=0.0 if is_gone else int(lasts) / 1000,
    )
