"""
What ``nautilus-recovery repair`` says of the age of a plan, before anything is done.
"""

import time

import pytest

from nautilus_recovery_actor.core.enums import RecoveryOutcome
from nautilus_recovery_actor.core.report import AccountRecovery
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.test_operator import run
from tests.serve.world import ACCOUNT
from tests.serve.world import BLOCKING
from tests.serve.world import BTC
from tests.serve.world import PLANNED
from tests.serve.world import SEC
from tests.serve.world import Desk


@pytest.mark.parametrize(
    ("answered_secs", "proven_secs", "is_old"),
    [(90, 90, True), (90, 2, False), (2, 90, False), (90, None, True)],
)
def test_a_plan_by_an_old_answer_is_to_be_verified_first(
    valkey: EmbeddedValkey, answered_secs: int, proven_secs: int | None, is_old: bool
) -> None:
    """It may be of what a venue answered then alone; `verify` makes the answer a new one."""
    trader_id = f"OLD-{answered_secs}-{proven_secs}"
    now = time.time_ns()
    with Desk(valkey) as desk:
        desk.ended(
            trader_id,
            outcome=RecoveryOutcome.DEGRADED,
            ts_completed=now - answered_secs * SEC,
            discrepancies=(BLOCKING,),
            blocked_instruments=(BTC,),
            repairs=(PLANNED,),
            accounts=(AccountRecovery(ACCOUNT, "X", ts_proof=now - answered_secs * SEC),),
        )
        proven = None if proven_secs is None else now - proven_secs * SEC
        desk.beat(trader_id, ts_proven=proven)
    code, out, _ = run("repair", "--trader", trader_id, "--redis", valkey.url)
    assert code == 64  # Nobody can be asked here
    said = " ".join(out.split())
    assert "Planned at " in said
    assert "nothing is done, and the node plans anew" in said
    how = f"asked again first, with `nautilus-recovery verify --trader {trader_id}`"
    assert (how in said) == is_old
