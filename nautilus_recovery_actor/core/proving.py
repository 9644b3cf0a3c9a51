"""
When the venues are asked while nothing is recovered, and what their answers call for (long: one
state, from the question to the epoch that it opens).

An answer that holds changes a time and nothing else. One that does not hold is asked for again
before anything happens. `recovery` opens what `taken` returns.
"""

from collections.abc import Iterable
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.enums import FailureReason
from nautilus_recovery_actor.core.happenings import Proved
from nautilus_recovery_actor.core.policy import Policy
from nautilus_recovery_actor.core.report import Discrepancy
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import seconds


_SEC = 1_000_000_000
# How often, and for how long, a difference is seen before it counts: of an instrument that trades,
# an answer may be older than what the cache holds by now
_SEEN, _SEEN_ACTIVE, _ACTIVE_FOR = 2, 3, 3 * _SEC
_PAUSE, _PAUSE_ACTIVE = _SEC // 2, 3 * _SEC // 2
# By how much the interval varies, so that many nodes do not ask at the same time
_JITTER = 0.2
# Between two questions after orders of a blocked instrument changed
_STIRRED = 3 * _SEC
# How long a venue that failed is left alone, and a block that an epoch did not lift
_FAILED_PAUSE, _LONGEST_PAUSE = 10 * _SEC, 3_600 * _SEC
_NAMED = 3
# Of an account's instrument
Place = tuple[str, str]

_key = attrgetter("kind", "account_id", "instrument_id", "position_id", "client_order_id")
_values = attrgetter("venue", "cache")


class Pace(msgspec.Struct, frozen=True):
    """How often the venues are asked, and how long one may answer errors (ns)."""

    # ``None`` for never, but on an operator's command
    interval: int | None = None
    limit: int = 80 * _SEC
    patience: int = 800 * _SEC


class Seen(msgspec.Struct, frozen=True):
    """In how many answers in a row, and since when (UNIX ns)."""

    count: int = 0
    since: int = 0


class Proving(msgspec.Struct, frozen=True):
    """What is asked, and what the answers since the end of the last epoch have shown."""

    # A number from 0 to 1, which the host draws
    chance: float = 0.5
    # When to ask by the interval, and when sooner than that (UNIX ns)
    due_at: int | None = None
    again_at: int | None = None
    # Since when an answer is awaited, and until when (UNIX ns)
    asked_at: int | None = None
    until: int = 0
    # When the venues were last asked, when they were asked for what held, and when each account
    # was, for an epoch may be about some (UNIX ns)
    ts_asked: int = 0
    ts_proven: int | None = None
    proofs: Mapping[str, int] = {}
    # The differences that nothing was done about yet, by what they are about, and the blocked
    # places without one
    seen: Mapping[tuple[str, ...], Seen] = {}
    healing: Mapping[Place, Seen] = {}
    # How the blocked places look in one answer alone, ``None`` before the first; to an operator
    # who asks that is as new as any
    accepted: frozenset[tuple[str, ...]] | None = None
    # The accounts that do not answer, and since when (UNIX ns)
    failing: Mapping[str, int] = {}
    # How often an epoch was opened for a place that is blocked all the same, and not before when
    # the next one is (UNIX ns); of a recovery that failed, under no place
    tries: Mapping[Place, Seen] = {}
    # How often the past of a blocked place was asked for in vain, so that nothing is planned, and
    # when it is asked for again (UNIX ns)
    unexplored: Mapping[Place, Seen] = {}
    # The operator's command that waits for a proof
    command_id: str | None = None

    @property
    def wake_at(self) -> int | None:
        """When something is due (UNIX ns)."""
        if self.asked_at is not None:
            return self.until
        due = [at for at in (self.due_at, self.again_at) if at is not None]
        return min((*due, *(one.since for one in self.unexplored.values())), default=None)

    @property
    def ts_unanswered(self) -> int | None:
        """Since when an answer is missing (UNIX ns)."""
        asked_at = () if self.asked_at is None else (self.asked_at,)
        return min((*self.failing.values(), *asked_at), default=None)

    def unexplored_at(self, now: int) -> frozenset[Place]:
        """Return the places whose past is asked for again now."""
        return frozenset(place for place, one in self.unexplored.items() if one.since <= now)


class Opening(msgspec.Struct, frozen=True):
    """An epoch to open, and why, in one line."""

    accounts: frozenset[str]
    text: str
    doubts: tuple[Discrepancy, ...] = ()
    # Whether it takes up a recovery that failed
    is_retry: bool = False


_NO_PLACE: Place = ("", "")
_replace = msgspec.structs.replace


# -- WHEN --


def ended(
    proving: Proving,
    report: RecoveryReport,
    now: int,
    pace: Pace,
    *,
    is_all: bool,
    explored: frozenset[Place] = frozenset(),
    unexplored: frozenset[Place] = frozenset(),
) -> Proving:
    """
    Return what follows the end of an epoch, which was about all accounts if `is_all`, asked for the
    past of the places `explored`, and got no answer for those `unexplored`.
    """
    is_over = report.failure is None
    standing = _blocked(report) if is_over else {_NO_PLACE, *(place for place in proving.tries)}
    tries = {place: tried for place, tried in proving.tries.items() if place in standing}
    waiting = {
        place: one
        for place, one in proving.unexplored.items()
        if place in standing and (place in unexplored or place not in explored)
    }
    if is_over and pace.interval is not None:
        waiting |= _put_off(waiting, unexplored, now)
    if is_over:
        proving = _proven(proving, report, is_all=is_all)
    due_at = proving.due_at
    if pace.interval is None or not (is_over or silent(report)):
        due_at = None
    elif not is_over:
        due_at = now + _pause(tries, _NO_PLACE, min(pace.interval, _FAILED_PAUSE))
    elif is_all or due_at is None:
        due_at = _next(proving, now, pace.interval)
    return _replace(
        proving,
        due_at=due_at,
        again_at=None,
        asked_at=None,
        seen={},
        healing={},
        accepted=None,
        failing={},
        tries=tries,
        unexplored=waiting,
    )


def _proven(proving: Proving, report: RecoveryReport, *, is_all: bool) -> Proving:
    # As old as that of the account that was asked the longest ago
    made = {one.account_id: one.ts_proof for one in report.accounts}
    new = {account_id: ts for account_id, ts in made.items() if ts is not None}
    if not new or (is_all and len(new) < len(made)) or (proving.ts_proven is None and not is_all):
        return proving
    proofs = new if is_all else {**proving.proofs, **new}
    return _replace(
        proving, proofs=proofs, ts_proven=max(min(proofs.values()), proving.ts_proven or 0)
    )


def soon(proving: Proving, now: int, pause: int = 0, spacing: int = 0) -> Proving:
    """Ask before it is due, `spacing` after the last question at the earliest."""
    at = max(now + pause, proving.ts_asked + spacing)
    return _replace(proving, again_at=min(at, proving.again_at or at))


def stirred(proving: Proving, now: int, pace: Pace) -> Proving:
    """Ask soon, for an order of a blocked instrument has changed."""
    return proving if pace.interval is None else soon(proving, now, _PAUSE, _STIRRED)


def asked(proving: Proving, now: int, pace: Pace) -> Proving:
    """Return what follows a question."""
    due_at = None if pace.interval is None else _next(proving, now, pace.interval)
    return _replace(
        proving, due_at=due_at, again_at=None, asked_at=now, ts_asked=now, until=now + pace.patience
    )


def _next(proving: Proving, now: int, interval: int) -> int:
    return now + int(interval * (1 - _JITTER * proving.chance))


def _pause(tries: Mapping[Place, Seen], place: Place, pause: int) -> int:
    return int(min(pause * 2 ** min(tries.get(place, Seen()).count, 30), _LONGEST_PAUSE))


def _put_off(waiting: Mapping[Place, Seen], places: Iterable[Place], now: int) -> dict[Place, Seen]:
    return {
        place: Seen(
            waiting.get(place, Seen()).count + 1, now + _pause(waiting, place, _FAILED_PAUSE)
        )
        for place in places
    }


# -- WHAT AN ANSWER CALLS FOR --


def silent(report: RecoveryReport) -> dict[str, Kind]:
    """Return the accounts whose silence failed a recovery, and how each was missed."""
    if report.failure is not FailureReason.NOT_RECONCILED:
        return {}
    return {
        found.account_id: found.kind
        for found in report.discrepancies
        if found.kind in (Kind.NO_MASS_STATUS, Kind.UNPROVEN_REPORT)
        and found.is_blocking
        and not found.instrument_id
    }


def retried(
    proving: Proving, proved: Proved, report: RecoveryReport, pace: Pace
) -> tuple[Proving, Opening | None]:
    """Return what follows an answer while trading is off because venues did not answer."""
    missed = silent(report)
    answered = {one.account_id for one in proved.answers if one.problem is None}
    is_due = proved.now >= proving.tries.get(_NO_PLACE, Seen()).since
    can_report = proved.can_report or Kind.NO_MASS_STATUS not in missed.values()
    proving = _replace(proving, asked_at=None, chance=proved.chance)
    if not (missed and missed.keys() <= answered and can_report and is_due):
        if pace.interval is not None:
            proving = _replace(proving, due_at=proved.now + min(pace.interval, _FAILED_PAUSE))
        return proving, None
    proving = _tried(proving, {_NO_PLACE}, proved.now, min(pace.interval or 0, _FAILED_PAUSE))
    text = f"{', '.join(sorted(missed))} answered again: checking whether trading may go on"
    return proving, Opening(frozenset(missed), text, is_retry=True)


def taken(
    proving: Proving,
    proved: Proved,
    report: RecoveryReport,
    pace: Pace,
    policy: Policy,
    required: frozenset[str],
) -> tuple[Proving, Opening | None]:
    """Return what follows an answer; the accounts `required` must not be silent for long."""
    now, asked_at = proved.now, proving.ts_asked
    answered = {one.account_id for one in proved.answers if one.problem is None}
    failing = {
        one.account_id: proving.failing.get(one.account_id, asked_at)
        for one in proved.answers
        if one.problem is not None
    }
    blocked = _blocked(report)
    blocking = [one for one in proved.found if one.is_blocking and one.account_id in answered]
    accepted = proving.accepted
    if accepted is None:
        accepted = frozenset(_exactly(one) for one in blocking if _place(one) in blocked)
    is_commanded = proving.command_id is not None
    known = frozenset(_exactly(one) for one in report.discrepancies if not one.resolved)
    if not is_commanded:
        known |= accepted
    news = [one for one in blocking if _is_news(one) and _exactly(one) not in known]
    seen = {
        # What was not asked about is not known to be over
        **{key: one for key, one in proving.seen.items() if key[1] in failing},
        **{_key(one): _again(proving.seen.get(_key(one)), asked_at) for one in news},
    }
    found = {_place(one) for one in blocking}
    healing = {
        **{place: one for place, one in proving.healing.items() if place[0] in failing},
        **{
            place: _again(proving.healing.get(place), asked_at)
            for place in blocked - found
            if place[0] in answered
        },
    }
    past = proving.unexplored_at(asked_at) & blocked
    told = {(one.account_id, each) for one in proved.answers for each in one.explored}
    waiting = {place: one for place, one in proving.unexplored.items() if place in blocked}
    proving = _replace(
        proving,
        unexplored=waiting | _put_off(waiting, past, now),
        chance=proved.chance,
        asked_at=None,
        **({} if news or failing else _held(proving, answered, asked_at)),
        seen=seen,
        healing=healing,
        accepted=accepted,
        failing=failing,
    )

    def may_try(place: Place) -> bool:
        since = proving.tries.get(place, Seen()).since
        return is_commanded or place not in blocked or now >= since

    late = {one for one, ts in failing.items() if one in required and now - ts >= pace.limit}
    news = [one for one in news if may_try(_place(one))]
    differing = [one for one in news if _counts(seen[_key(one)], one, proved, asked_at)]
    healed = {one for one in healing if healing[one].count >= _SEEN and may_try(one)}
    found_past = past & told
    if late or differing or healed or found_past:
        places = (healed | {_place(one) for one in differing}) & blocked
        proving = _tried(proving, places, now, pace.interval or _FAILED_PAUSE)
        accounts = late | {one.account_id for one in differing}
        accounts |= {one[0] for one in healed | found_past}
        doubts = (*differing, *(_unanswered(one, proved, pace, policy) for one in sorted(late)))
        why = _why(doubts, healed, found_past)
        return proving, Opening(frozenset(accounts), why, doubts)
    is_healing = any(may_try(one) for one in healing)
    if is_healing or any(_place(one) not in proved.active for one in news):
        proving = soon(proving, now, _PAUSE)
    elif news:
        proving = soon(proving, now, _PAUSE_ACTIVE)
    elif failing and pace.interval is not None:
        proving = soon(proving, now, min(pace.limit // 4, pace.interval))
    return proving, None


def _held(proving: Proving, answered: Iterable[str], asked_at: int) -> dict[str, Any]:
    proofs = dict.fromkeys(answered, asked_at)
    return {"ts_proven": asked_at, "proofs": {**proving.proofs, **proofs}} if proofs else {}


def _blocked(report: RecoveryReport) -> set[Place]:
    return {_place(one) for one in report.discrepancies if one.is_blocking and one.instrument_id}


def _place(found: Discrepancy) -> Place:
    return found.account_id, found.instrument_id


def _exactly(found: Discrepancy) -> tuple[str, ...]:
    return (*_key(found), *_values(found))


def _is_news(found: Discrepancy) -> bool:
    # The engine itself looks after an order that is on its way
    return found.kind.is_difference and found.kind is not Kind.INFLIGHT_ORDER


def _again(seen: Seen | None, now: int) -> Seen:
    return Seen(1, now) if seen is None else Seen(seen.count + 1, seen.since)


def _counts(seen: Seen, found: Discrepancy, proved: Proved, asked_at: int) -> bool:
    if _place(found) not in proved.active:
        return seen.count >= _SEEN
    return seen.count >= _SEEN_ACTIVE and asked_at - seen.since >= _ACTIVE_FOR


def _tried(proving: Proving, places: Iterable[Place], now: int, pause: int) -> Proving:
    tried = {
        place: Seen(
            proving.tries.get(place, Seen()).count + 1, now + _pause(proving.tries, place, pause)
        )
        for place in places
    }
    return _replace(proving, tries={**proving.tries, **tried})


def _unanswered(account_id: str, proved: Proved, pace: Pace, policy: Policy) -> Discrepancy:
    problems = {one.account_id: one.problem for one in proved.answers}
    return policy.difference(
        Kind.UNPROVEN_REPORT,
        account_id,
        venue="no answer",
        detail=f"{account_id} has answered with errors for {seconds(pace.limit / _SEC)} or more "
        f"({problems.get(account_id)}), so nothing about it is proven: the venue keeps being "
        "asked, and trading goes on once it answers; check the log for errors of its client",
    )


# -- IN WORDS --


def _why(
    doubts: Iterable[Discrepancy], healed: Iterable[Place], found_past: Iterable[Place]
) -> str:
    parts = [line(one) if one.instrument_id else one.detail for one in doubts]
    parts += [f"{place[1]} is blocked, and no longer differs" for place in sorted(healed)]
    parts += [f"{place[1]} can be planned: its past was reported" for place in sorted(found_past)]
    more = f"; {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
    return f"The venue was asked by itself: {'; '.join(parts[:_NAMED])}{more}"


def past_missing(places: Iterable[Place], pace: Pace) -> str:
    """Return that no repair is planned for want of the past of these places."""
    named = ", ".join(f"{instrument_id} ({account_id})" for account_id, instrument_id in places)
    then = "run `nautilus-recovery verify`" if pace.interval is None else "it is asked again"
    return (
        f"The venue did not report past orders and trades of {named}, so no repair is planned: "
        f"{then}; check the log for errors of the client"
    )


def line(found: Discrepancy) -> str:
    """Return a difference in a few words."""
    what = found.client_order_id or found.position_id or found.account_id
    return f"{found.instrument_id} {found.kind} ({what}: venue {found.venue}, cache {found.cache})"


def said(proved: Proved, report: RecoveryReport) -> tuple[bool, str]:
    """Return whether all is proven, and what an operator is answered who asked for that."""
    problems = [
        f"{one.account_id} did not answer ({one.problem})" for one in proved.answers if one.problem
    ]
    if report.failure is not None:
        problems.append(f"Recovery epoch {report.epoch} has failed: {report.message}")
    standing = [line(one) for one in proved.found if one.is_blocking]
    places = {_place(one) for one in proved.found if one.is_blocking}
    standing += [f"{one[1]} is blocked" for one in sorted(_blocked(report) - places)]
    problems += [f"Differs: {'; '.join(standing)}"] if standing else []
    if problems:
        return False, "; ".join(problems)
    if not proved.answers:
        return False, "Nothing is proven: there is no account that can be asked"
    instruments = counted(proved.instruments, "instrument")
    accounts = counted(len(proved.answers), "account")
    return True, f"Proven: {instruments} of {accounts} agree with the venue"
