"""
The history of a paper venue, as it is and with each fault.
"""

import asyncio
import itertools
from typing import Any

import pytest
from nautilus_trader.model.data import Bar
from nautilus_trader.model.data import BarType
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor.testkit import HistoryFault
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_bars
from nautilus_recovery_actor.testkit import paper_instrument
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import paper_quotes
from nautilus_recovery_actor.testkit import paper_trades
from nautilus_recovery_actor.testkit import running
from nautilus_recovery_actor.testkit.history import with_fault


INSTRUMENT = paper_instrument("ETHUSDT-PERP")
BARS = BarType.from_str(f"{INSTRUMENT.id}-1-SECOND-LAST-EXTERNAL")
SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


def test_history_is_a_function_of_time() -> None:
    """The same time has the same bars, quotes and trades, however it is asked for."""
    bars = paper_bars(INSTRUMENT, BARS, T0 - 1, T0 + 9 * SECOND)
    assert [bar.ts_event for bar in bars] == [T0 + i * SECOND for i in range(10)]
    assert paper_bars(INSTRUMENT, BARS, T0 + 1, T0 + 5 * SECOND) == bars[1:6]
    assert len({bar.close for bar in bars}) == 7
    for made in (paper_quotes, paper_trades):
        ticks: list[Any] = made(INSTRUMENT, T0, T0 + 9 * SECOND)
        assert [tick.ts_event for tick in ticks] == [bar.ts_event for bar in bars]


def test_each_bar_has_a_range_and_opens_where_the_last_one_closed() -> None:
    """A bar whose prices are all the same makes half of all indicators divide by zero."""
    bars = paper_bars(INSTRUMENT, BARS, T0, T0 + 20 * SECOND)
    for before, bar in itertools.pairwise(bars):
        assert bar.open == before.close
        assert bar.low < min(bar.open, bar.close) < max(bar.open, bar.close) < bar.high


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (HistoryFault.OK, [0, 1, 2, 3, 4, 5]),
        (HistoryFault.EMPTY, []),
        (HistoryFault.SHORT, [3, 4, 5]),
        (HistoryFault.REVERSED, [5, 4, 3, 2, 1, 0]),
        (HistoryFault.DUPLICATED, [0, 1, 2, 3, 3, 4, 5]),
        (HistoryFault.GAP, [0, 1, 2, 4, 5]),
        (HistoryFault.OLD, [0, 1, 2]),
    ],
)
def test_each_fault_spoils_what_was_asked_for(fault: HistoryFault, expected: list[int]) -> None:
    """What is answered differs by that fault alone."""
    assert with_fault(list(range(6)), fault) == expected


def test_a_data_client_answers_with_history_and_sends_live_bars() -> None:
    """The live bars continue those of the answer."""
    ends: list[object] = []
    seen: list[Bar] = []

    class Watcher(Strategy):
        def on_start(self) -> None:
            now = self.clock.utc_now()
            self.subscribe_bars(BARS)
            self.request_bars(BARS, start=now.floor("s") - now.resolution, callback=ends.append)

        def on_stop(self) -> None:
            self.unsubscribe_bars(BARS)

        def on_bar(self, bar: Bar) -> None:
            seen.append(bar)

    async def scenario() -> None:
        with PaperVenue() as venue:
            data = venue.data_config(symbols=("ETHUSDT-PERP",))
            node = paper_node(paper_node_config(data_clients=[data]))
            node.trader.add_strategy(Watcher())
            async with running(node) as run:
                await run.until(lambda: ends and len(seen) == 2)
                first, second = seen
                assert second.ts_event == first.ts_event + SECOND
                assert paper_bars(INSTRUMENT, BARS, first.ts_event, second.ts_event) == seen
                history = node.cache.bars(BARS)
                assert first.ts_event - SECOND in [bar.ts_event for bar in history]

    asyncio.run(scenario())
