"""
``nautilus-recovery repair``: show how the cache becomes equal to the venue, and have it done.
"""

import argparse
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from nautilus_recovery_actor.console import operator
from nautilus_recovery_actor.console.common import DONE
from nautilus_recovery_actor.console.common import REFUSED
from nautilus_recovery_actor.console.common import CommandError
from nautilus_recovery_actor.console.common import Commands
from nautilus_recovery_actor.console.common import UsageError
from nautilus_recovery_actor.console.common import add_command
from nautilus_recovery_actor.console.common import complain
from nautilus_recovery_actor.console.common import positive
from nautilus_recovery_actor.console.common import say
from nautilus_recovery_actor.console.common import say_in_lines
from nautilus_recovery_actor.console.record import connected
from nautilus_recovery_actor.console.record import namespace
from nautilus_recovery_actor.console.record import with_known
from nautilus_recovery_actor.core import wording
from nautilus_recovery_actor.core.repair.steps import plan_id
from nautilus_recovery_actor.core.repair.steps import planned
from nautilus_recovery_actor.core.text import duration
from nautilus_recovery_actor.core.text import moment
from nautilus_recovery_actor.core.text import one_line
from nautilus_recovery_actor.core.text import seconds


if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Iterator

    from nautilus_recovery_actor.core.report import RecoveryReport
    from nautilus_recovery_actor.core.report import RepairStep

_POLL_SECS = 0.2
# A plan may be of what was so then alone, as while a venue lied
_OLD_SECS = 30
_DEFAULT_REASON = "the plan was read and approved"


def add_to(commands: Commands) -> None:
    """Add the command."""
    text = "show how the cache becomes equal to the venue, and have the node do it"
    repair = add_command(
        commands,
        "repair",
        text,
        _repair,
        epilog="exit codes: 0 repaired and proven, or nothing to repair; 1 refused, or not proven; "
        "2 the node does not answer, or Redis cannot be used",
    )
    operator.add_addressee(repair, reason=_DEFAULT_REASON)
    repair.add_argument("--instrument", metavar="INSTRUMENT", default="", help="only this one")
    repair.add_argument("--apply", action="store_true", help="do not ask before it is done")
    repair.add_argument(
        "--wait",
        metavar="SECS",
        type=positive,
        default=120.0,
        help="how long to wait until it is proven (default: %(default)g)",
    )


def _repair(arguments: argparse.Namespace) -> int:
    report, ts_proven = _newest(arguments)
    steps = planned(report.repairs, arguments.instrument)
    refused = [
        step
        for step in report.repairs
        if step.state == "refused" and arguments.instrument in ("", step.instrument_id)
    ]
    if not arguments.json:
        _show(report, (*steps, *refused))
    if not steps:
        if arguments.json:
            _dump(report, arguments.instrument)
        is_over = not report.blocked_instruments or _can_repair(arguments)
        return DONE if is_over and not refused else REFUSED
    if not arguments.json:
        say_in_lines(_when(report, steps, ts_proven, time.time_ns()))
    if not (arguments.apply or arguments.json) and not _is_agreed(len(steps)):
        complain("Nothing was done")
        return REFUSED
    if arguments.json and not arguments.apply:
        _dump(report, arguments.instrument)
        return DONE
    return _apply(arguments, report, steps)


def _can_repair(arguments: argparse.Namespace) -> bool:
    from nautilus_recovery_actor.outside.store.majors import Major  # noqa: PLC0415
    from nautilus_recovery_actor.outside.store.written_by import written_in  # noqa: PLC0415

    with connected(arguments) as client:
        if written_in(client, namespace(arguments)) != {Major.TWO}:
            return True
    complain(
        f"{one_line(arguments.trader)}: on NautilusTrader 2.0 nothing is repaired. Make the venue "
        "equal to the cache, or stop the node and take out what is wrong with `nautilus-recovery "
        "forget`; its next start asks the venue again"
    )
    return False


def _apply(
    arguments: argparse.Namespace, before: "RecoveryReport", steps: "tuple[RepairStep, ...]"
) -> int:
    plan = plan_id(steps)
    command, answer = operator.ask(
        arguments, "repair", instrument_id=arguments.instrument, plan_id=plan
    )
    if not answer.is_accepted:
        complain(f"{command.trader_id} refused: {one_line(answer.text)}")
        return REFUSED
    if not arguments.json:
        say(f"{command.trader_id}: {one_line(answer.text)}")
    arguments.interrupted = (
        "Interrupted: the node goes on, `nautilus-recovery history` says how it ends"
    )
    after = _outcome(arguments, before.epoch, plan)
    if after is None:
        raise CommandError(
            f"The repair has not ended within {seconds(arguments.wait)}: look at it with "
            "`nautilus-recovery status`"
        )
    if arguments.json:
        _dump(after, arguments.instrument)
    else:
        _show(after, after.repairs)
    own = [one for one in after.repairs if arguments.instrument in ("", one.instrument_id)]
    is_proven = bool(own) and all(one.state == "proven" for one in own)
    return DONE if is_proven else REFUSED


def _newest(arguments: argparse.Namespace) -> "tuple[RecoveryReport, int]":
    # And when the venues were last asked for what held (UNIX ns), zero if that is not known
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415

    with connected(arguments) as client:
        reader = RecordReader(client, namespace(arguments))
        reports, _ = reader.history(1)
        newest = next(reports, None)
        stamps = reader.stamps()
        if newest is None:
            line = (
                f"No recovery of {one_line(arguments.trader)} on record: is this its ID, and the "
                "server of the node's cache?"
            )
            raise CommandError(with_known(arguments, client, line))
    if stamps.heartbeat is not None and stamps.heartbeat.epoch > newest.epoch:
        raise CommandError(
            f"Recovery epoch {stamps.heartbeat.epoch} is in progress: try again when it has ended"
        )
    return newest, (stamps.heartbeat and stamps.heartbeat.ts_proven) or 0


def _when(
    report: "RecoveryReport", steps: "Iterable[RepairStep]", ts_proven: int, now: int
) -> "Iterator[str]":
    accounts = {step.account_id for step in steps}
    answered = [one.ts_proof or 0 for one in report.accounts if one.account_id in accounts]
    age = now - max(min(answered, default=0) or report.ts_completed or 0, ts_proven)
    planned_at = moment(report.ts_completed or 0)[11:]
    yield f"Planned at {planned_at} UTC, by what the venue answered {duration(max(age, 0))} ago"
    if age > _OLD_SECS * 1_000_000_000:
        text = "That is old: have the venue asked again first, with `nautilus-recovery verify`"
        yield wording.with_trader(text, report.trader_id)
    yield "If venue or cache have changed since, nothing is done, and the node plans anew"


def _outcome(arguments: argparse.Namespace, epoch: int, plan: str) -> "RecoveryReport | None":
    from nautilus_recovery_actor.outside.record.reader import RecordReader  # noqa: PLC0415

    deadline = time.monotonic() + arguments.wait
    with connected(arguments) as client:
        reader = RecordReader(client, namespace(arguments))
        while time.monotonic() < deadline:
            reports, _ = reader.history(5)
            for report in reports:
                approval = report.approval
                if report.epoch > epoch and approval is not None and approval.plan_id == plan:
                    return report
            time.sleep(_POLL_SECS)
    return None


def _show(report: "RecoveryReport", steps: "Iterable[RepairStep]") -> None:
    lines = [wording.repair_line(step) for step in steps] or ["No repair is planned"]
    say_in_lines((wording.headline(report), *(f"  {line}" for line in lines)))


def _dump(report: "RecoveryReport", instrument_id: str) -> None:
    steps = [one for one in report.repairs if instrument_id in ("", one.instrument_id)]
    found = {
        "trader_id": report.trader_id,
        "epoch": report.epoch,
        "outcome": report.outcome,
        "plan_id": plan_id(planned(steps)),
        "repairs": steps,
        "approval": report.approval,
    }
    say(msgspec.json.encode(found).decode())


def _is_agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked here: give --apply to have the plan carried out")
    try:
        answer = input(f"Carry out {'this step' if count == 1 else f'these {count} steps'}? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
