"""
The words of a recovery: each enum is a `str`, so that a report reads the same in JSON, in a log
line and in Redis.
"""

from enum import StrEnum


class MessageKind(StrEnum):
    """
    The messages of the monitor, by the names of their types.

    ``RecoveryStarted``: an epoch opened. ``RecoveryComplete``: it ended with permission to trade.
    ``RecoveryFailed``: it ended without. ``RecoveryOverridden``: an operator changed what is
    blocked.
    """

    STARTED = "RecoveryStarted"
    COMPLETE = "RecoveryComplete"
    FAILED = "RecoveryFailed"
    OVERRIDDEN = "RecoveryOverridden"


class RecoveryPhase(StrEnum):
    """
    Where the current epoch stands.

    ``PENDING``: until the kernel reconciles. ``RECONCILING``: from the first sign of that.
    ``VERIFYING``: from the start of the trader. ``COMPLETE``: trading is allowed, except on
    blocked instruments. ``FAILED``: trading is not allowed.
    """

    PENDING = "PENDING"
    RECONCILING = "RECONCILING"
    VERIFYING = "VERIFYING"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


class RecoveryOutcome(StrEnum):
    """
    What a completed recovery means for trading.

    ``CLEAN``: nothing was changed. ``ADJUSTED``: reconciliation changed something and the result
    equals what the venue answers. ``DEGRADED``: differences remain; the affected instruments stay
    blocked, and the rest may trade.
    """

    CLEAN = "CLEAN"
    ADJUSTED = "ADJUSTED"
    DEGRADED = "DEGRADED"


class FailureReason(StrEnum):
    """
    Why a recovery ended without permission to trade.

    ``RECONCILIATION_FAILED``: the kernel aborted its start, or the result did not last: too many
    epochs in too short a time. ``TIMEOUT``: no result within the configured time.
    ``NOT_RECONCILED``: reconciliation is off, or an account never reported, or did not answer when
    it was asked again. ``ANOTHER_NODE``: another node runs the trader, or may by now.
    ``INTERNAL_ERROR``: the monitor itself raised.
    """

    RECONCILIATION_FAILED = "RECONCILIATION_FAILED"
    TIMEOUT = "TIMEOUT"
    NOT_RECONCILED = "NOT_RECONCILED"
    ANOTHER_NODE = "ANOTHER_NODE"
    INTERNAL_ERROR = "INTERNAL_ERROR"


class FillOrigin(StrEnum):
    """
    Where a reconciliation fill came from.

    ``VENUE``: a real fill of an order placed by this node. ``EXTERNAL``: a real fill of an order
    placed elsewhere. ``INFERRED``: deduced from an order's status, without a fill report.
    ``SYNTHETIC``: made up by the engine to align a position.
    """

    VENUE = "VENUE"
    EXTERNAL = "EXTERNAL"
    INFERRED = "INFERRED"
    SYNTHETIC = "SYNTHETIC"


class Severity(StrEnum):
    """
    What a discrepancy does.

    ``INFO``: it is reported. ``WARN``: it is logged as a warning. ``BLOCK``: it stops trading.
    """

    INFO = "INFO"
    WARN = "WARN"
    BLOCK = "BLOCK"


class StorageTrouble(StrEnum):
    """
    What is the matter with the server of a cache.

    ``LOST``: what was written is gone, or an older state is back. ``REFUSED``: it refuses writes.
    ``REPLICA``: it has become a replica, so that what is written to it is refused or lost.
    ``AWAY``: it does not answer.
    """

    LOST = "LOST"
    REFUSED = "REFUSED"
    REPLICA = "REPLICA"
    AWAY = "AWAY"


class Correction(StrEnum):
    """
    What was evidently wrong in a venue's report, and corrected before the engine saw it.

    ``DUPLICATE_FILL``: a trade that was reported twice. ``VENUE_ORDER_ID_CHANGED``: an order that
    the cache knew under another venue order ID, which it was given. ``CLIENT_ORDER_ID_CUT``: a
    client order ID of which the venue returned a part or a number. ``CASH_POSITION_FLAT``: a
    position report for a cash account, which holds balances. ``PRICE_IS_AVERAGE``: a price that was
    none. ``ALREADY_APPLIED``: orders and trades that the cache had exactly so. ``ORDER_ASKED``: an
    order that the report lacked, and that the venue knew when it was asked for it.
    """

    DUPLICATE_FILL = "DUPLICATE_FILL"
    VENUE_ORDER_ID_CHANGED = "VENUE_ORDER_ID_CHANGED"
    CLIENT_ORDER_ID_CUT = "CLIENT_ORDER_ID_CUT"
    CASH_POSITION_FLAT = "CASH_POSITION_FLAT"
    PRICE_IS_AVERAGE = "PRICE_IS_AVERAGE"
    ALREADY_APPLIED = "ALREADY_APPLIED"
    ORDER_ASKED = "ORDER_ASKED"


class DiscrepancyKind(StrEnum):
    """
    How the cache differs from the venue's report, or what else somebody has to know.

    ``POSITION_QTY_MISMATCH``: both hold the position, with different quantities.
    ``HEDGE_LEG_MISMATCH``: the legs of a hedged position differ, whatever their net quantity.
    ``POSITION_NOT_AT_VENUE``: held in the cache, absent from the venue's report.
    ``INSTRUMENT_NOT_LOADED``: reported by the venue on an instrument that the node has not loaded.
    ``UNCLAIMED_POSITION``: at the venue and in the cache, owned by no strategy of this node.
    ``SPLIT_OWNERSHIP``: one net position at the venue, owned in parts in the cache.
    ``ORDER_NOT_IN_CACHE``: open at the venue, unknown to the cache.
    ``ORDER_NOT_AT_VENUE``: open in the cache, absent from the venue's report.
    ``ORDER_MISMATCH``: known to both, with a different status, side, quantity, filled quantity
    or price.
    ``INFLIGHT_ORDER``: sent before the restart, and still unanswered.
    ``NO_MASS_STATUS``: an account that must report has not reported.
    ``UNPROVEN_REPORT``: two answers of the venue in a row differ, or there was no second one.
    ``AVG_PX_MISMATCH``: equal in quantity, with a different average open price.
    ``UNPROTECTED_POSITION``: in the cache, and stops do not cover it.
    ``ORPHAN_EXIT``: an open order that has outlived the position that it would have closed.
    ``ABSENT_STRATEGY``: a position or an order of a strategy that this node does not run.
    ``STALE_CACHE``: what was restored is older than what the runs before have written.
    """

    POSITION_QTY_MISMATCH = "POSITION_QTY_MISMATCH"
    HEDGE_LEG_MISMATCH = "HEDGE_LEG_MISMATCH"
    POSITION_NOT_AT_VENUE = "POSITION_NOT_AT_VENUE"
    INSTRUMENT_NOT_LOADED = "INSTRUMENT_NOT_LOADED"
    UNCLAIMED_POSITION = "UNCLAIMED_POSITION"
    SPLIT_OWNERSHIP = "SPLIT_OWNERSHIP"
    ORDER_NOT_IN_CACHE = "ORDER_NOT_IN_CACHE"
    ORDER_NOT_AT_VENUE = "ORDER_NOT_AT_VENUE"
    ORDER_MISMATCH = "ORDER_MISMATCH"
    INFLIGHT_ORDER = "INFLIGHT_ORDER"
    NO_MASS_STATUS = "NO_MASS_STATUS"
    UNPROVEN_REPORT = "UNPROVEN_REPORT"
    AVG_PX_MISMATCH = "AVG_PX_MISMATCH"
    UNPROTECTED_POSITION = "UNPROTECTED_POSITION"
    ORPHAN_EXIT = "ORPHAN_EXIT"
    ABSENT_STRATEGY = "ABSENT_STRATEGY"
    STALE_CACHE = "STALE_CACHE"

    @property
    def is_difference(self) -> bool:
        """
        Whether it means that venue and cache differ, or that it is unknown if they do.
        """
        return self not in (
            DiscrepancyKind.UNPROTECTED_POSITION,
            DiscrepancyKind.ORPHAN_EXIT,
            DiscrepancyKind.ABSENT_STRATEGY,
            DiscrepancyKind.STALE_CACHE,
        )

    @property
    def default_severity(self) -> Severity:
        """
        The severity of this kind where the configuration does not override it.
        """
        match self:
            case (
                DiscrepancyKind.UNCLAIMED_POSITION
                | DiscrepancyKind.ORPHAN_EXIT
                | DiscrepancyKind.ABSENT_STRATEGY
                | DiscrepancyKind.STALE_CACHE
            ):
                return Severity.WARN
            case DiscrepancyKind.AVG_PX_MISMATCH | DiscrepancyKind.UNPROTECTED_POSITION:
                return Severity.INFO
            case _:
                return Severity.BLOCK
