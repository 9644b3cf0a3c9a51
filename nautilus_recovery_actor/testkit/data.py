"""
The data client of a paper venue.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock
from nautilus_trader.common.component import MessageBus
from nautilus_trader.data import messages
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.identifiers import Symbol
from nautilus_trader.model.identifiers import Venue

from nautilus_recovery_actor.testkit.config import PaperVenueDataClientConfig
from nautilus_recovery_actor.testkit.connection import VenueConnection
from nautilus_recovery_actor.testkit.faults import HistoryFault
from nautilus_recovery_actor.testkit.history import paper_bars
from nautilus_recovery_actor.testkit.history import paper_quotes
from nautilus_recovery_actor.testkit.history import paper_trades
from nautilus_recovery_actor.testkit.history import quote_tick
from nautilus_recovery_actor.testkit.history import trade_tick
from nautilus_recovery_actor.testkit.history import with_fault
from nautilus_recovery_actor.testkit.instruments import configured_provider
from nautilus_recovery_actor.testkit.market import Market
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.session import Session
from nautilus_recovery_actor.testkit.wire import CallError
from nautilus_recovery_actor.testkit.wire import Push
from nautilus_recovery_actor.testkit.wire import call


class PaperVenueDataClient(LiveMarketDataClient):
    """
    Provides quotes and trades of a paper venue: one of each per price, of size 1.

    History and bars of time are made up, see `testkit.paper_bars`: they do not depend on the prices
    that are set, unless the venue's prices move by themselves, see `PaperVenue.walk`. How requests
    for history are answered can be set, see `PaperVenue.set_history`.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
        The event loop for the client.
    name : str
        The client ID.
    config : PaperVenueDataClientConfig
        The configuration for the client.
    msgbus : MessageBus
        The message bus for the client.
    cache : Cache
        The cache for the client.
    clock : LiveClock
        The clock for the client.

    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: PaperVenueDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=ClientId(name),
            venue=Venue(config.venue),
            instrument_provider=configured_provider(config),
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self._quoted: set[InstrumentId] = set()
        self._traded: set[InstrumentId] = set()
        self._last: dict[InstrumentId, Quote] = {}
        self._barred: dict[BarType, asyncio.Task[None]] = {}
        self._connection = VenueConnection(
            config.host, config.port, hello=call(Session.hello_data), on_push=self._on_push
        )

    async def _connect(self) -> None:
        await self._instrument_provider.initialize()
        for instrument in self._instrument_provider.list_all():
            self._handle_data(instrument)
        await self._connection.open()

    async def _disconnect(self) -> None:
        for task in self._barred.values():
            task.cancel()
        self._barred.clear()
        await self._connection.close()

    # -- DATA --------------------------------------------------------------------------------------

    def _on_push(self, push: Push) -> None:
        if isinstance(push, Quote):
            instrument_id = InstrumentId(Symbol(push.symbol), self.venue)
            self._last[instrument_id] = push
            if instrument_id in self._quoted:
                self._send(quote_tick, push)
            if instrument_id in self._traded:
                self._send(trade_tick, push)

    def _send(self, tick: Callable[[Any, Any, int, int], Any], quote: Quote) -> None:
        instrument = self._instrument_provider.find(InstrumentId(Symbol(quote.symbol), self.venue))
        if instrument is not None:
            self._handle_data(tick(instrument, quote.px, quote.ts, self._clock.timestamp_ns()))

    async def _send_bars(self, bar_type: BarType, last: int) -> None:
        instrument = self._instrument_provider.find(bar_type.instrument_id)
        interval = bar_type.spec.timedelta.value
        market = None
        while instrument is not None:
            await asyncio.sleep((interval - last % interval) / 1e9)
            with suppress(CallError):  # The connection comes back by itself
                market = await self._market(bar_type.instrument_id)
            now = self._clock.timestamp_ns()
            for bar in paper_bars(instrument, bar_type, last + 1, now, market):
                self._handle_data(bar)
            last = now

    # -- SUBSCRIPTIONS -----------------------------------------------------------------------------

    async def _subscribe_quote_ticks(self, command: messages.SubscribeQuoteTicks) -> None:
        self._quoted.add(command.instrument_id)
        if command.instrument_id in self._last:
            self._send(quote_tick, self._last[command.instrument_id])

    async def _unsubscribe_quote_ticks(self, command: messages.UnsubscribeQuoteTicks) -> None:
        self._quoted.discard(command.instrument_id)

    async def _subscribe_trade_ticks(self, command: messages.SubscribeTradeTicks) -> None:
        self._traded.add(command.instrument_id)

    async def _unsubscribe_trade_ticks(self, command: messages.UnsubscribeTradeTicks) -> None:
        self._traded.discard(command.instrument_id)

    async def _subscribe_bars(self, command: messages.SubscribeBars) -> None:
        if command.bar_type not in self._barred:
            # From now on, and not from when the task begins: no bar is missing after a request
            sending = self._send_bars(command.bar_type, self._clock.timestamp_ns())
            self._barred[command.bar_type] = asyncio.create_task(sending)

    async def _unsubscribe_bars(self, command: messages.UnsubscribeBars) -> None:
        task = self._barred.pop(command.bar_type, None)
        if task is not None:
            task.cancel()

    async def _ignore(self, command: Any) -> None:
        pass  # Instruments never change

    _subscribe_instrument = _unsubscribe_instrument = _ignore
    _subscribe_instruments = _unsubscribe_instruments = _ignore

    # -- REQUESTS ----------------------------------------------------------------------------------

    async def _request_instrument(self, request: messages.RequestInstrument) -> None:
        instrument = self._instrument_provider.find(request.instrument_id)
        if instrument is None:
            self._log.error(f"Cannot find instrument for {request.instrument_id}")
            return
        self._handle_instrument(instrument, *_reply_to(request))

    async def _request_instruments(self, request: messages.RequestInstruments) -> None:
        self._handle_instruments(
            self.venue, self._instrument_provider.list_all(), *_reply_to(request)
        )

    async def _request_bars(self, request: messages.RequestBars) -> None:
        def made(instrument: Any, start: int, end: int, market: Market | None) -> list[Any]:
            return paper_bars(instrument, request.bar_type, start, end, market)

        data = await self._history(request, request.bar_type.instrument_id, made)
        self._handle_bars(request.bar_type, data, *_reply_to(request))

    async def _request_quote_ticks(self, request: messages.RequestQuoteTicks) -> None:
        self._handle_quote_ticks(
            request.instrument_id,
            await self._history(request, request.instrument_id, paper_quotes),
            *_reply_to(request),
        )

    async def _request_trade_ticks(self, request: messages.RequestTradeTicks) -> None:
        self._handle_trade_ticks(
            request.instrument_id,
            await self._history(request, request.instrument_id, paper_trades),
            *_reply_to(request),
        )

    async def _history(
        self,
        request: Any,
        instrument_id: InstrumentId,
        made: Callable[[Any, int, int, Market | None], list[Any]],
    ) -> list[Any]:
        fault = await self._connection.request(call(Session.begin_history))
        if fault is HistoryFault.RAISE:
            raise RuntimeError(f"history of {instrument_id} is set to fail")
        instrument = self._instrument_provider.find(instrument_id)
        if instrument is None:
            return []
        start = 0 if request.start is None else request.start.value
        end = self._clock.timestamp_ns() if request.end is None else request.end.value
        market = await self._market(instrument_id)
        if market is None:
            data = made(instrument, start, end, None)
        else:  # Takes seconds for many bars
            data = await asyncio.to_thread(made, instrument, start, end, market)
        return with_fault(data[-request.limit :] if request.limit else data, fault)

    async def _market(self, instrument_id: InstrumentId) -> Market | None:
        query = call(Session.query_market, instrument_id.symbol.value)
        return await self._connection.request(query)


def _reply_to(request: Any) -> tuple[Any, ...]:
    return request.id, request.start, request.end, request.params
