"""
Asks one execution client, within a time limit, and again where the answer is of no use.
"""

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any
from typing import NamedTuple
from typing import TypeVar

from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import Logger
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import GenerateFillReports
from nautilus_trader.execution.messages import GenerateOrderStatusReport
from nautilus_trader.execution.messages import GenerateOrderStatusReports
from nautilus_trader.execution.messages import GeneratePositionStatusReports
from nautilus_trader.execution.messages import QueryAccount
from nautilus_trader.execution.reports import FillReport
from nautilus_trader.execution.reports import OrderStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.orders import Order

from nautilus_recovery_actor.core.text import counted
from nautilus_recovery_actor.core.text import seconds
from nautilus_recovery_actor.node import internals


_T = TypeVar("_T")
# Before a question is asked again, doubled each time
_PAUSE_SECS = 0.25
# Orders that are asked for one by one, at a time and in all: each costs the venue a request
_AT_A_TIME = 4
MAX_SINGLE = 500

# Set while the monitor asks: what the adapter then calls of itself is part of the question
is_asking: ContextVar[bool] = ContextVar("is_asking", default=False)


class Limits(NamedTuple):
    """How long one question may take, and how often it is asked again."""

    secs: float
    retries: int


class Asked(NamedTuple):
    """An answer, and why it is of no use, if it is."""

    value: Any
    problem: str | None = None


class Questions:
    """What a client can be asked. No answer is taken that an adapter made up after an error."""

    def __init__(
        self, client: LiveExecutionClient, limits: Limits, clock: LiveClock, log: Logger
    ) -> None:
        self.client = client
        self._limits = limits
        self._clock = clock
        self._log = log
        self._errors = internals.note_errors(client)

    def close(self) -> None:
        """Leave the client as it was."""
        internals.stop_noting_errors(self.client)

    async def ask(
        self,
        what: str,
        question: Callable[[], Awaitable[_T]],
        is_useless: Callable[[_T, int], str | None] = lambda _, __: None,
    ) -> Asked:
        """
        Return the answer to a question, asked again while it raises, takes too long or is useless.

        `is_useless` is called with the answer and the number of the attempt.
        """
        problem: str | None = None
        value: Any = None
        for attempt in range(self._limits.retries + 1):
            if attempt:
                await asyncio.sleep(_PAUSE_SECS * 2 ** (attempt - 1))
            value, problem = await self._once(question)
            problem = problem or is_useless(value, attempt)
            if problem is None:
                return Asked(value)
            self._log.warning(
                f"{self.client.id} was asked for {what} ({attempt + 1} of "
                f"{self._limits.retries + 1}): {problem}"
            )
        return Asked(value, problem)

    async def _once(self, question: Callable[[], Awaitable[_T]]) -> tuple[_T | None, str | None]:
        errors = self._errors.count
        token = is_asking.set(True)
        try:
            value = await asyncio.wait_for(question(), self._limits.secs)
        except TimeoutError:
            return None, f"no answer within {seconds(self._limits.secs)} (`query_timeout_secs`)"
        except Exception as e:
            return None, repr(e)
        finally:
            is_asking.reset(token)
        if self._errors.count > errors:
            return value, f"the adapter logged an error: {self._errors.newest}"
        return value, None

    async def positions(self) -> Asked:
        """Ask for all positions."""
        return await self.ask(
            "positions",
            lambda: self.client.generate_position_status_reports(
                GeneratePositionStatusReports(
                    instrument_id=None, start=None, end=None, **self._stamped()
                )
            ),
        )

    async def open_orders(self) -> Asked:
        """Ask for all open orders."""
        return await self.ask(
            "open orders",
            lambda: self.client.generate_order_status_reports(
                GenerateOrderStatusReports(
                    instrument_id=None, start=None, end=None, open_only=True, **self._stamped()
                )
            ),
        )

    @property
    def knows_balances(self) -> bool:
        """Whether the client can be asked for its balances."""
        return internals.answers_account(self.client)

    async def balances(self, came: asyncio.Event) -> Asked:
        """Ask for the balances, which come as an account's event, and set `came`."""

        async def question() -> None:
            came.clear()
            self.client.query_account(
                QueryAccount(
                    trader_id=self.client.trader_id,
                    account_id=self.client.account_id,
                    **self._stamped(),
                )
            )
            await came.wait()

        return await self.ask("balances", question)

    async def single(self, orders: Iterable[Order]) -> list[OrderStatusReport]:
        """Ask for orders one by one, and return those that the venue knows."""
        free = asyncio.Semaphore(_AT_A_TIME)

        async def one(order: Order) -> OrderStatusReport | None:
            async with free:
                report, problem = await self._once(lambda: self._single(order))
                if problem and self._limits.retries:
                    report, problem = await self._once(lambda: self._single(order))
                if problem:
                    self._log.warning(
                        f"{self.client.id} was asked for {order.client_order_id}: {problem}"
                    )
                return report

        asked = list(orders)
        if not asked:
            return []
        if len(asked) > MAX_SINGLE:
            self._log.warning(
                f"{self.client.id} did not report {counted(len(asked), 'order')} of the cache: "
                f"only {MAX_SINGLE} are asked for one by one"
            )
        # An adapter may take an error for the end of the order
        with internals.no_rejections(self.client):
            found = await asyncio.gather(*map(one, asked[:MAX_SINGLE]))
        return [report for report in found if report is not None]

    async def _single(self, order: Order) -> OrderStatusReport | None:
        return await self.client.generate_order_status_report(
            GenerateOrderStatusReport(
                instrument_id=order.instrument_id,
                client_order_id=order.client_order_id,
                venue_order_id=order.venue_order_id,
                **self._stamped(),
            )
        )

    async def past(self, instrument_id: InstrumentId) -> Asked:
        """Ask for the orders and the trades of an instrument, as far back as the venue tells."""

        async def question() -> tuple[list[OrderStatusReport], list[FillReport]]:
            orders = await self.client.generate_order_status_reports(
                GenerateOrderStatusReports(
                    instrument_id=instrument_id,
                    start=None,
                    end=None,
                    open_only=False,
                    **self._stamped(),
                )
            )
            fills = await self.client.generate_fill_reports(
                GenerateFillReports(
                    instrument_id=instrument_id,
                    venue_order_id=None,
                    start=None,
                    end=None,
                    **self._stamped(),
                )
            )
            return orders, fills

        return await self.ask(f"the past of {instrument_id}", question)

    async def fills(self, report: OrderStatusReport) -> list[FillReport]:
        """Ask for the trades of one order."""
        fills, _ = await self._once(
            lambda: self.client.generate_fill_reports(
                GenerateFillReports(
                    instrument_id=report.instrument_id,
                    venue_order_id=report.venue_order_id,
                    start=None,
                    end=None,
                    **self._stamped(),
                )
            )
        )
        return [fill for fill in fills or () if fill.venue_order_id == report.venue_order_id]

    def _stamped(self) -> dict[str, Any]:
        return {"command_id": UUID4(), "ts_init": self._clock.timestamp_ns()}
