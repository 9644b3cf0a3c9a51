"""
What the cache holds now, beside what the venues have just answered.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from itertools import takewhile

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.model.events import OrderEvent
from nautilus_trader.model.events import OrderFilled

from nautilus_recovery_actor.core.drift import ACTIVE
from nautilus_recovery_actor.core.drift import as_report
from nautilus_recovery_actor.core.observation import Answer
from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.observation import ObservedFill
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.node.observing.accounts import account_states
from nautilus_recovery_actor.node.observing.accounts import bases
from nautilus_recovery_actor.node.observing.accounts import cash_accounts
from nautilus_recovery_actor.node.observing.accounts import known_accounts
from nautilus_recovery_actor.node.observing.exits import closed_positions
from nautilus_recovery_actor.node.observing.fills import observed_fills
from nautilus_recovery_actor.node.observing.fills import repeated_fills
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.observation import Sources
from nautilus_recovery_actor.node.observing.positions import closed_by_engine
from nautilus_recovery_actor.node.observing.reading import Reading
from nautilus_recovery_actor.node.observing.reading import at_once
from nautilus_recovery_actor.node.observing.start import NodeStart


class Current:
    """Looks at the cache between two epochs. What it has read is kept until it changes."""

    def __init__(
        self,
        trader_id: str,
        intake: Intake,
        node_start: NodeStart,
        cache: CacheFacade,
        sources: Callable[[frozenset[str]], Sources],
        busy: Callable[[], Collection[str]],
    ) -> None:
        self._trader_id = trader_id
        self._intake = intake
        self._node_start = node_start
        self._cache = cache
        self._sources = sources
        self._busy = busy
        self._reading: Reading | None = None

    def known(self) -> frozenset[str]:
        """Return the accounts that the cache knows."""
        return known_accounts(self._cache)

    def steps(self, answers: Iterable[Answer]) -> Iterator[None]:
        """Read what has changed since it was read last, slice by slice."""
        yield from self._read().steps(answers, {})

    def _read(self) -> Reading:
        if self._reading is None:
            intake = self._intake
            self._reading = Reading(self._cache, intake.restored, intake.ts_registered)
        return self._reading

    def observation(self, recovery: Recovery, answers: tuple[Answer, ...]) -> Observation:
        """Return what the cache holds now, and the answers in the place of reports."""
        at_once(self.steps(answers))
        reading, cache, intake = self._read(), self._cache, self._intake
        exec_engine = self._node_start.exec_engine
        after, live = reading.positions, reading.live_orders
        states = account_states(cache, exec_engine, self._busy())
        wallets = cash_accounts(cache, intake.ts_registered)
        since = [one.ts - ACTIVE for one in answers]
        # A balance counts what was traded before it came
        since += [one.ts_account or 0 for one in states if one.account_id in wallets]
        fills = self._newest_fills(min(since, default=0))
        held = {one.instrument_id for one in after if one.account_id in wallets}
        held |= {one.instrument_id for one in fills if one.account_id in wallets}
        held |= {p.instrument_id for a in answers if a.account_id in wallets for p in a.positions}
        closed = closed_by_engine(cache, wallets) if wallets else ()
        held |= {one.instrument_id for one in closed}
        based = bases(cache, held)
        known = known_accounts(cache, reading.accounts)
        sources = self._sources(known)
        is_owned = bool(after or live)
        return Observation(
            trader_id=self._trader_id,
            closed_by_engine=closed,
            recovery_id=intake.recovery_id,
            epoch=recovery.epoch,
            trigger="proof",
            ts_started=recovery.ts_started,
            accounts=states,
            instruments={
                **{one: increment for one, (_, increment) in based.items()},
                **reading.increments,
            },
            after=after,
            claims=self._node_start.claims if is_owned else {},
            orders=reading.orders,
            live_orders=live,
            closed=closed_positions(cache, live),
            strategies=self._node_start.strategies if is_owned else None,
            reports=tuple(as_report(one, len(fills)) for one in answers),
            live_fills=fills,
            reporting=sources.reporting,
            mute=sources.mute,
            cash_accounts=wallets,
            base_currencies={one: currency for one, (currency, _) in based.items()},
        )

    def _newest_fills(self, since: int) -> tuple[ObservedFill, ...]:
        intake = self._intake
        newest: list[OrderEvent] = list(
            takewhile(lambda fill: fill.ts_init >= since, reversed(intake.live_fills))
        )
        newest.reverse()
        made_up = intake.made_up_fills(self._cache)
        newest += [one for one in intake.flagged if type(one) is OrderFilled and one not in made_up]
        repeated = repeated_fills(newest)
        return observed_fills(self._cache, newest, intake.ts_registered, repeated=repeated)
