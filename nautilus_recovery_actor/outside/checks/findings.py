"""
What is found before a node starts: each finding has a stable code, and says what can happen and
how to fix it.
"""

import msgspec

from nautilus_recovery_actor.core.enums import Severity


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something in the configuration, the stored data or the Redis server that makes a restart unsafe.

    Parameters
    ----------
    code : str
        What is found, as a stable word such as ``RECONCILIATION_OFF``.
    severity : Severity
        ``BLOCK``: the node must not start like this. ``WARN``: a restart can go wrong. ``INFO``:
        worth knowing.
    subject : str
        What it concerns: a setting such as ``exec_engine.reconciliation``, a strategy, a server.
    message : str
        What was found, in one line, with the values that were seen. Never a secret.
    consequence : str
        What can happen, in one line.
    remedy : str
        How to fix it, in one line.

    """

    code: str
    severity: Severity
    subject: str
    message: str
    consequence: str
    remedy: str


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A possible finding: everything about it that does not depend on what is seen."""

    # The stable word
    code: str
    # How much it matters
    severity: Severity
    # What can happen, in one line
    consequence: str
    # How to fix it, in one line
    remedy: str

    def found(self, subject: str, message: str, *, remedy: str | None = None) -> Finding:
        """Return the finding."""
        return Finding(
            code=self.code,
            severity=self.severity,
            subject=subject,
            message=message,
            consequence=self.consequence,
            remedy=remedy or self.remedy,
        )


class PreflightReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    All that was found before the start of a node, the worst first.

    Parameters
    ----------
    trader_id : str
        The trader.
    findings : tuple[Finding, ...]
        What was found.
    ts : int
        When it was looked at (UNIX ns).

    """

    trader_id: str
    findings: tuple[Finding, ...]
    ts: int

    @property
    def is_blocked(self) -> bool:
        """
        Whether the node must not start like this.
        """
        return any(finding.severity == Severity.BLOCK for finding in self.findings)

    @property
    def codes(self) -> frozenset[str]:
        """
        The codes of all findings.
        """
        return frozenset(finding.code for finding in self.findings)

    def to_json(self) -> bytes:
        """
        Return the report as JSON.
        """
        return msgspec.json.encode(self)
