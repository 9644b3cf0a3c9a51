"""
What differs between the positions of a cash account and its balances.

A report of such a position is the wallet once more, or says "flat" of what was bought. Coins beyond
the positions are nobody's concern.
"""

from collections.abc import Iterator

from nautilus_recovery_actor.core.compare import advice
from nautilus_recovery_actor.core.compare.subject import ZERO
from nautilus_recovery_actor.core.compare.subject import Subject
from nautilus_recovery_actor.core.compare.wallets import Wallet
from nautilus_recovery_actor.core.enums import DiscrepancyKind as Kind
from nautilus_recovery_actor.core.report import Discrepancy


def balances_differ(subject: Subject, wallet: Wallet) -> Iterator[Discrepancy]:
    """Yield the positions of one instrument that the balance of its base does not prove."""
    held = [position for position in subject.cached if not subject.is_dust(position.qty)]
    aligned = subject.closed_by_engine or subject.aligned or ZERO
    if wallet.total is None or not wallet.covers(wallet.held):
        for position in held:
            yield subject.differs(
                _kind(subject, wallet),
                wallet.told,
                str(position.qty),
                position.position_id,
                detail=advice.on_balance(wallet, position),
            )
    elif aligned < 0 and not wallet.is_exact and wallet.covers(wallet.held - aligned):
        yield subject.differs(
            Kind.POSITION_QTY_MISMATCH,
            wallet.told,
            str(subject.held),
            detail=advice.on_closing(aligned),
        )


def _kind(subject: Subject, wallet: Wallet) -> Kind:
    if wallet.total is None:
        return Kind.UNPROVEN_REPORT
    is_empty = not wallet.total or subject.is_dust(wallet.total)
    return Kind.POSITION_NOT_AT_VENUE if is_empty else Kind.POSITION_QTY_MISMATCH
