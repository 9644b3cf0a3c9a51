"""
The venues' further answers: what the monitor asks for itself, after the engine has reconciled.
"""

import asyncio
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from typing import Any
from typing import TypeVar

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.execution.reports import PositionStatusReport
from nautilus_trader.model.events import AccountState
from nautilus_trader.model.identifiers import AccountId
from nautilus_trader.model.identifiers import InstrumentId

from nautilus_recovery_actor.core.names import ACCOUNT_EVENTS
from nautilus_recovery_actor.core.names import EXEC_ENGINE_RECONCILE
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import VenueOrder
from nautilus_recovery_actor.core.observation import VenueTrade
from nautilus_recovery_actor.node.evidence.known import missing_orders
from nautilus_recovery_actor.node.evidence.past import Past
from nautilus_recovery_actor.node.evidence.questions import Questions
from nautilus_recovery_actor.node.evidence.questions import is_asking
from nautilus_recovery_actor.node.evidence.reporters import Reporters
from nautilus_recovery_actor.node.evidence.reports import venue_order
from nautilus_recovery_actor.node.evidence.reports import venue_position
from nautilus_recovery_actor.node.evidence.seam import Seam
from nautilus_recovery_actor.node.observing.accounts import accounts_in_use
from nautilus_recovery_actor.node.observing.accounts import is_cash
from nautilus_recovery_actor.node.observing.accounts import known_accounts
from nautilus_recovery_actor.node.observing.reading import SLICE


_R = TypeVar("_R")
_T = TypeVar("_T")


class Answers:
    """
    Asks the clients behind a seam. `count` returns how many flagged events and live fills came.
    """

    def __init__(
        self,
        seam: Seam,
        reporters: Reporters,
        cache: CacheFacade,
        msgbus: MessageBus,
        clock: LiveClock,
        count: Callable[[], tuple[int, int]],
        past: Past,
    ) -> None:
        self._seam = seam
        self._reporters = reporters
        self._cache = cache
        self._msgbus = msgbus
        self._clock = clock
        self._count = count
        self._past = past

    async def ask(
        self,
        accounts: Collection[str] | None,
        again: Collection[str],
        explored: Collection[tuple[str, str]] = (),
    ) -> tuple[Answer, ...]:
        """
        Ask for what these accounts hold, all if ``None``; those of `again` report all before, and
        the past of the instruments in `explored` is asked for as well.
        """
        known = await self._known()
        asked = [
            (questions, own)
            for questions in self._reporters.questions.values()
            if (own := self._reporters.accounts_of(questions.client, known))
            and (accounts is None or own & frozenset(accounts))
        ]
        found = await asyncio.gather(
            *(
                self._client(
                    questions,
                    own,
                    own & frozenset(again),
                    sorted({instrument_id for each, instrument_id in explored if each in own}),
                )
                for questions, own in asked
            )
        )
        return tuple(answer for answers in found for answer in answers)

    async def _known(self) -> frozenset[str]:
        used = set()
        for number, account_id in enumerate(accounts_in_use(self._cache), 1):
            used.add(account_id)
            if number % (10 * SLICE) == 0:
                await asyncio.sleep(0)
        return known_accounts(self._cache, {account_id.value for account_id in used})

    async def _client(
        self,
        questions: Questions,
        accounts: frozenset[str],
        again: Collection[str],
        explored: Collection[str],
    ) -> list[Answer]:
        try:
            if not questions.client.is_connected:
                return _failed(accounts, self._clock, "its client is disconnected")
            if again and self._seam.may_report_again:
                await self._report_again(questions)
            return await self._answers(questions, accounts, explored)
        except Exception as e:  # Of one client, and nothing about the others
            return _failed(accounts, self._clock, repr(e))

    async def _report_again(self, questions: Questions) -> None:
        token = is_asking.set(True)
        try:
            mass_status = await questions.client.generate_mass_status(self._seam.lookback_mins)
        finally:
            is_asking.reset(token)
        if mass_status is not None:
            self._msgbus.send(EXEC_ENGINE_RECONCILE, mass_status)

    async def _answers(
        self, questions: Questions, accounts: frozenset[str], explored: Collection[str]
    ) -> list[Answer]:
        ts = self._clock.timestamp_ns()
        positions, orders, balances = await asyncio.gather(
            questions.positions(), questions.open_orders(), self._balances(questions, accounts)
        )
        seen_events, seen_live_fills = self._count()
        problem = positions.problem or orders.problem or balances
        if problem is not None:
            return _failed(accounts, self._clock, problem)
        reported: list[OrderStatusReport] = list(orders.value)
        reported += await questions.single(missing_orders(self._cache, accounts, reported))
        held: list[PositionStatusReport] = list(positions.value)
        self._reporters.note(held)
        history, trades, known_past = await self._explored(questions, accounts, explored, reported)
        found_positions = await _in_slices(held, venue_position)
        found_orders = await _in_slices(reported, venue_order)
        return [
            Answer(
                account_id=account_id,
                ts=ts,
                venue="" if questions.client.venue is None else questions.client.venue.value,
                seen_events=seen_events,
                seen_live_fills=seen_live_fills,
                positions=_of(account_id, found_positions),
                orders=_of(account_id, found_orders),
                explored=known_past,
                history=_of(account_id, history),
                trades=_of(account_id, trades),
            )
            for account_id in sorted({*accounts, *found_positions, *found_orders})
        ]

    async def _explored(
        self,
        questions: Questions,
        accounts: Collection[str],
        explored: Collection[str],
        reported: Collection[OrderStatusReport],
    ) -> tuple[dict[str, list[VenueOrder]], dict[str, list[VenueTrade]], frozenset[str]]:
        if not explored:
            return {}, {}, frozenset()
        orders: list[OrderStatusReport] = []
        fills: list[FillReport] = []
        known: set[str] = set()
        for instrument_id in explored:
            asked = await questions.past(InstrumentId.from_str(instrument_id))
            if asked.problem is None:
                known.add(instrument_id)
                orders += asked.value[0]
                fills += asked.value[1]
        orders += (report for report in reported if report.instrument_id.value in known)
        history, trades = self._past.take(
            accounts,
            [report for report in orders if report.instrument_id.value in known],
            [fill for fill in fills if fill.instrument_id.value in known],
            is_price_average=self._reporters.is_client_price_average(questions.client),
        )
        return history, trades, frozenset(known)

    async def _balances(self, questions: Questions, accounts: Iterable[str]) -> str | None:
        # What a cash account holds is in its balances; the first were reported on connecting
        has_cash = any(is_cash(self._cache, AccountId(each)) for each in accounts)
        if not (has_cash and questions.knows_balances):
            return None
        came = asyncio.Event()

        def on_account(event: Any) -> None:
            if isinstance(event, AccountState):
                came.set()

        topics = [f"{ACCOUNT_EVENTS}{account_id}" for account_id in accounts]
        for topic in topics:
            self._msgbus.subscribe(topic, on_account)
        try:
            asked = await questions.balances(came)
        finally:
            for topic in topics:
                self._msgbus.unsubscribe(topic, on_account)
        return asked.problem


def _failed(accounts: Iterable[str], clock: LiveClock, problem: str) -> list[Answer]:
    ts = clock.timestamp_ns()
    return [Answer(account_id, ts, problem=problem) for account_id in sorted(accounts)]


async def _in_slices(reports: Iterable[_R], read: Callable[[_R], _T]) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = {}
    for index, report in enumerate(reports, 1):
        found.setdefault(report.account_id.value, []).append(read(report))  # type: ignore[attr-defined]
        if index % SLICE == 0:
            await asyncio.sleep(0)
    return found


def _of(account_id: str, found: dict[str, list[_T]]) -> tuple[_T, ...]:
    return tuple(found.get(account_id, ()))
