"""
Which accounts each client reports on, and which of them report positions.
"""

from collections.abc import Iterable
from collections.abc import Iterator

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.execution.reports import ExecutionMassStatus
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import AccountType
from nautilus_trader.model.identifiers import AccountId

from nautilus_recovery_actor.core.journal import RecoveryJournal
from nautilus_recovery_actor.node.adapters import adapter_of
from nautilus_recovery_actor.node.evidence.questions import Questions
from nautilus_recovery_actor.node.observing.accounts import known_accounts
from nautilus_recovery_actor.node.observing.observation import Sources


class Reporters:
    """
    The clients of one node. What an account was seen to do counts more than its adapter's name.
    """

    def __init__(self, cache: CacheFacade, journal: RecoveryJournal) -> None:
        self._cache = cache
        self._journal = journal
        # By client
        self.questions: dict[str, Questions] = {}
        # The accounts that have ever reported a position: what they do not report is not there
        self._seen: frozenset[str] = frozenset()

    def restore(self) -> None:
        """Take what earlier runs have seen."""
        self._seen = self._journal.reporting()

    def note(self, positions: Iterable[PositionStatusReport]) -> None:
        """Remember which accounts report positions."""
        held = (report for report in positions if report.quantity)  # A flat may be made up
        new = {report.account_id.value for report in held} - self._seen
        if new:
            self._seen |= new
            self._journal.record_reporting(self._seen)

    # -- ACCOUNTS --

    def accounts_of(
        self, client: LiveExecutionClient, known: frozenset[str] | None = None
    ) -> frozenset[str]:
        """
        Return the accounts that a client reports on.

        Some adapters report under another account id than their client's: those of the cache that
        are of its venue, and no client's, are its own too, unless two clients may be meant. Those
        of the cache are `known`, if they were looked up.
        """
        own = frozenset() if client.account_id is None else frozenset({client.account_id.value})
        clients = list(self._clients())
        if sum(_issuer(one) == _issuer(client) for one in clients) > 1:
            return own
        named = {one.account_id.value for one in clients if one.account_id is not None}
        others = (known_accounts(self._cache) if known is None else known) - named
        return own | {one for one in others if AccountId(one).get_issuer() == _issuer(client)}

    def accounts(self, mass_status: ExecutionMassStatus) -> frozenset[str]:
        """Return the accounts that a mass status is about, whatever it says of them."""
        questions = self.questions.get(mass_status.client_id.value)
        own = frozenset() if questions is None else self.accounts_of(questions.client)
        account_id = mass_status.account_id
        return own if account_id is None else own | {account_id.value}

    def account_id(self, mass_status: ExecutionMassStatus) -> AccountId | None:
        """Return the account of a mass status; the sandbox of 1.221 gives none."""
        if mass_status.account_id is not None:
            return mass_status.account_id
        accounts = self.accounts(mass_status)
        return AccountId(min(accounts)) if accounts else None

    # -- WHAT THEY REPORT --

    def sources(self, known: frozenset[str]) -> Sources:
        """Return what the accounts of the node are known to report; the cache has `known`."""
        each = [(client, self.accounts_of(client, known)) for client in self._clients()]
        none = frozenset[str]()
        return Sources(
            askable=none.union(*(accounts for _, accounts in each)),
            reporting=self._seen.union(*(accounts for one, accounts in each if _reports(one))),
            mute=none.union(*(accounts for one, accounts in each if _is_mute(one))) - self._seen,
        )

    def is_reporting(self, client: LiveExecutionClient) -> bool:
        """Return whether a client ever reports positions, as far as is known."""
        return _reports(client) or bool(self._seen & self.accounts_of(client))

    def is_price_average(self, mass_status: ExecutionMassStatus) -> bool:
        """Return whether an average price comes in the place of the order's own."""
        questions = self.questions.get(mass_status.client_id.value)
        return questions is not None and self.is_client_price_average(questions.client)

    def is_client_price_average(self, client: LiveExecutionClient) -> bool:
        """Return whether a client reports an average price in the place of the order's own."""
        adapter = adapter_of(client)
        return adapter is not None and adapter.price_is_average

    def _clients(self) -> Iterator[LiveExecutionClient]:
        return (questions.client for questions in self.questions.values())


def _reports(client: LiveExecutionClient) -> bool:
    adapter = adapter_of(client)
    is_cash = client.account_type == AccountType.CASH
    return adapter is not None and adapter.can_report_position(is_cash=is_cash)


def _is_mute(client: LiveExecutionClient) -> bool:
    return adapter_of(client) is not None and not _reports(client)


def _issuer(client: LiveExecutionClient) -> str:
    # The client of the sandbox of 1.221 has no account either
    account_id = client.account_id
    return str(client.id.value if account_id is None else account_id.get_issuer())
