"""
One epoch after another: when a new one opens, what it takes over, how it ends.

What `epoch` is inside an epoch, this is between them: `decide` takes the state and what happened,
and returns the next state and what to do, in order. A host states facts, carries the actions out,
answers `Judge` with `Judged` and `Fail` with `Described`, and decides nothing.

`state` is what it takes and returns, `opening` opens epochs, `judging` brings them to their end,
`repairing` and `operators` are what happens meanwhile, `proofs` is what is done between two of
them.
"""

import msgspec

from nautilus_recovery_actor.core import epoch
from nautilus_recovery_actor.core import happenings as happened
from nautilus_recovery_actor.core import proving
from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.happenings import Happening
from nautilus_recovery_actor.core.proving import Proving
from nautilus_recovery_actor.core.recovery import judging
from nautilus_recovery_actor.core.recovery import opening
from nautilus_recovery_actor.core.recovery import operators
from nautilus_recovery_actor.core.recovery import proofs
from nautilus_recovery_actor.core.recovery import repairing
from nautilus_recovery_actor.core.recovery.repairing import MOST_REPAIRINGS
from nautilus_recovery_actor.core.recovery.state import Decision
from nautilus_recovery_actor.core.recovery.state import Recovery
from nautilus_recovery_actor.core.recovery.state import Rules
from nautilus_recovery_actor.core.recovery.state import advance


__all__ = ["MOST_REPAIRINGS", "Decision", "Recovery", "Rules", "decide"]

_replace = msgspec.structs.replace


def decide(recovery: Recovery, happening: Happening, rules: Rules) -> Decision:
    """
    Return the next state and what to do, in order.

    An epoch opens only when the one before has ended, and nothing follows the end of an epoch but
    the next one: so each has exactly one terminal message.
    """
    later, actions = _decided(recovery, happening, rules)
    return proofs.follow(recovery, later, happening, actions, rules)


def _decided(recovery: Recovery, happening: Happening, rules: Rules) -> Decision:  # noqa: C901  One case each
    match happening:
        case happened.KernelStarted(now):
            state = epoch.open_startup(now, rules.timing)
            recovery = _replace(recovery, proving=Proving(chance=happening.chance))
            return _replace(recovery, ts_started=now, state=state), (happened.Open(),)
        case happened.BacktestStarted(now):
            return opening.on_backtest(recovery, now, rules)
        case happened.Broke():
            return opening.on_broken(recovery, happening, rules)
        case happened.Commanded():
            return operators.on_commanded(recovery, happening, rules)
        case happened.Leased():
            return opening.on_leased(recovery, happening, rules)
        case happened.TraderRuns():
            return _replace(recovery, is_trader_running=True), ()
        case _ if recovery.state is None:
            return recovery, ()
        case epoch.Stopped():
            return advance(_replace(recovery, is_trader_running=False), happening, rules)
        case epoch.TraderStarted() | epoch.Changed():
            return advance(recovery, happening, rules)
        case epoch.Woke():
            return judging.on_woken(recovery, happening, rules)
        case happened.Reported():
            return opening.on_reported(recovery, happening, rules)
        case happened.FlaggedAtRuntime(is_made_up=is_made_up):
            if opening.may_reopen(recovery, is_made_up and rules.reopens_on_synthetic_fill):
                return opening.open_next(
                    recovery, happening, rules, "synthetic_fill", concerned=happening.accounts
                )
            is_over = recovery.phase is RecoveryPhase.COMPLETE
            return recovery, (happened.Absorb(),) if is_over else ()
        case happened.Doubted():
            return opening.on_doubted(recovery, happening, rules)
        case happened.Proved():
            return proofs.on_proved(recovery, happening, rules)
        case happened.Stirred(now):
            stirred = proving.stirred(recovery.proving, now, rules.pace)
            return _replace(recovery, proving=stirred), ()
        case happened.Looked():
            return opening.on_looked(recovery, happening, rules)
        case happened.Returning():
            return opening.on_returning(recovery, happening, rules)
        case happened.StrangerTraded():
            return opening.on_stranger(recovery, happening, rules)
        case happened.Returned(now, flagged):
            return advance(recovery, epoch.Returned(now, flagged), rules)
        case happened.Answered():
            return judging.on_answered(recovery, happening, rules)
        case happened.Judged():
            return judging.on_judged(recovery, happening, rules)
        case happened.Repaired():
            return repairing.on_repaired(recovery, happening, rules)
        case happened.Described():
            return judging.on_described(recovery, happening, rules)
        case _:
            raise TypeError(f"Not a happening: {happening!r}")
