"""
All that was seen of an epoch, as the core judges it.
"""

from nautilus_trader.cache.base import CacheFacade
from nautilus_trader.common.component import MessageBus

from nautilus_recovery_actor.core.observation import Observation
from nautilus_recovery_actor.core.recovery import Recovery
from nautilus_recovery_actor.core.recovery import Rules
from nautilus_recovery_actor.core.report import RecoveryReport
from nautilus_recovery_actor.node.monitor.start import NodeStart
from nautilus_recovery_actor.node.observing import native
from nautilus_recovery_actor.node.observing import past
from nautilus_recovery_actor.node.observing.intake import Intake
from nautilus_recovery_actor.node.observing.lost import lost_orders


class Observer:
    """Looks at the cache and the node's clients, besides what came in."""

    def __init__(
        self,
        trader_id: str,
        intake: Intake,
        node_start: NodeStart,
        cache: CacheFacade,
        msgbus: MessageBus,
        rules: Rules,
    ) -> None:
        self._trader_id = trader_id
        self._intake = intake
        self._node_start = node_start
        self._cache = cache
        self._msgbus = msgbus
        self._rules = rules

    def disconnected(self) -> frozenset[str]:
        """Return the accounts whose execution clients are disconnected."""
        accounts, exec_engine = self._rules.accounts, self._node_start.exec_engine
        if exec_engine is None:
            return frozenset()
        return frozenset(
            account_id
            for account_id, is_connected in native.connections(exec_engine).items()
            if not is_connected and (accounts is None or account_id in accounts)
        )

    def opening_report(self, recovery: Recovery) -> RecoveryReport:
        """Return what is known of an epoch when nothing was compared."""
        heartbeat = self._intake.last_heartbeat
        return RecoveryReport(
            trader_id=self._trader_id,
            recovery_id=self._intake.recovery_id,
            epoch=recovery.epoch,
            trigger=recovery.trigger,
            ts_started=recovery.ts_started,
            ts_last_alive=heartbeat.ts if heartbeat else None,
            clean_shutdown=heartbeat.is_stopped if heartbeat else None,
            shadow=self._rules.policy.shadow,
        )

    def observation(self, recovery: Recovery) -> Observation:
        """Return all that was seen of this epoch so far."""
        cache, intake = self._cache, self._intake
        exec_engine = self._node_start.exec_engine
        reports = tuple(read() for read in recovery.reports.values())
        late = {
            event
            for report in reports
            for event in intake.flagged[report.seen_events :]
            if event.account_id is not None and event.account_id.value == report.account_id
        }
        repeated = native.repeated_fills((*intake.flagged, *intake.live_fills))
        made_up = intake.made_up_fills(cache, recovery.reports)
        heartbeat = intake.last_heartbeat
        new = intake.flagged[intake.reported_events :]
        return Observation(
            trader_id=self._trader_id,
            recovery_id=intake.recovery_id,
            epoch=recovery.epoch,
            trigger=recovery.trigger,
            ts_started=recovery.ts_started,
            ts_reconciled=recovery.ts_reconciled,
            ts_last_alive=heartbeat.ts if heartbeat else None,
            clean_shutdown=heartbeat.is_stopped if heartbeat else None,
            required_accounts=recovery.required_accounts(self._rules, native.known_accounts(cache)),
            is_reconciling=exec_engine is not None and exec_engine.reconciliation,
            accounts=native.account_states(cache, exec_engine),
            instruments=native.loaded_instruments(cache, reports),
            before=intake.before,
            after=native.cached_positions(cache),
            orders=native.cached_orders(cache, reports, late, intake.restored),
            reports=reports,
            events=len(intake.flagged),
            fills=native.observed_fills(
                cache, intake.flagged, intake.ts_registered, made_up, repeated
            ),
            live_fills=native.observed_fills(
                cache,
                intake.live_fills,
                intake.ts_registered,
                repeated=repeated,
            ),
            told_events=intake.reported_events,
            carried=recovery.carried,
            earlier=recovery.earlier,
            ended=past.ended_orders(cache, new, intake.statuses_before),
            contracts=past.contracts(cache, (*new, *intake.live_fills)),
            balances_before=intake.balances_before,
            balances_after=past.balances(cache),
            lost_orders=lost_orders(intake, reports, self._trader_id, cache, self._msgbus),
        )
