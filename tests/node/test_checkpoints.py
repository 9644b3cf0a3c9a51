"""
What a strategy's `on_save` returned survives a kill, and is there again before `on_start`.
"""

import asyncio
import re
import threading
from typing import Any

import pytest
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig
from nautilus_trader.config import StrategyConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.trading.strategy import Strategy

from nautilus_recovery_actor import RecoverableStrategy
from nautilus_recovery_actor import RecoverableStrategyConfig
from nautilus_recovery_actor import RecoveryMonitorActor
from nautilus_recovery_actor.core.checkpoint import decode
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import MassStatusFault
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueExecClientConfig
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.node.support import ETH
from tests.node.support import Orders
from tests.node.support import monitor_config
from tests.node.support import watched


KEY = "trader-TESTER-001:general:recovery:checkpoint:Keeper-000"


class Keeper(RecoverableStrategy):
    """
    Keeps one number.
    """

    def __init__(self, config: StrategyConfig | None = None) -> None:
        super().__init__(config)
        self.number = 0
        self.told: list[str] = []
        self.loaded: list[dict[str, bytes]] = []
        self.saved_on: set[int] = set()

    def on_start(self) -> None:
        self.told.append("start")

    def on_stop(self) -> None:
        self.told.append("stop")

    def on_save(self) -> dict[str, Any]:
        self.saved_on.add(threading.get_ident())
        return {"number": str(self.number).encode()}

    def on_load(self, state: dict[str, Any]) -> None:
        self.told.append("load")
        self.loaded.append(state)
        if isinstance(state["number"], bytes):  # NautilusTrader gives text where it stores JSON
            self.number = int(state["number"])

    def on_trading_enabled(self) -> None:
        self.told.append("enabled")


class Worker(Keeper):
    """
    Goes on from the number that it has: one more with each start.
    """

    def on_start(self) -> None:
        self.number += 1

    def on_trading_enabled(self) -> None:
        if self.config.checkpoint_secs is None:
            self.checkpoint()


def keeper(**fields: Any) -> Keeper:
    return Keeper(RecoverableStrategyConfig(**{"checkpoint_secs": None, **fields}))


def worker_node(port: int, redis_port: int, checkpoint_secs: float | None) -> TradingNode:
    """
    Return the node that the process to be killed runs.
    """
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port)],
        database=DatabaseConfig(host="127.0.0.1", port=redis_port),
    )
    node = paper_node(config)
    node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
    strategy = RecoverableStrategyConfig(strategy_id="Keeper", checkpoint_secs=checkpoint_secs)
    node.trader.add_strategy(Worker(strategy))
    return node


class Plain(Strategy):
    """
    A strategy that knows nothing of checkpoints, in the place of one that does.
    """

    def __init__(self) -> None:
        super().__init__(StrategyConfig(strategy_id="Keeper"))

    def on_start(self) -> None:
        pass

    def on_stop(self) -> None:
        pass

    def on_save(self) -> dict[str, bytes]:
        return {"number": b"100"}


def saving_node(port: int, redis_port: int, encoding: str, strategy: Strategy) -> TradingNode:
    """
    Return a node that saves and loads the state of its strategies by NautilusTrader's own means.
    """
    database = DatabaseConfig(host="127.0.0.1", port=redis_port)
    config = paper_node_config(
        [PaperVenueExecClientConfig(port=port)],
        cache=CacheConfig(database=database, encoding=encoding),
        save_state=True,
    )
    node = paper_node(config)
    node.trader.add_actor(RecoveryMonitorActor(monitor_config()))
    node.trader.add_strategy(strategy)
    node.trader.load()  # As a node does for the strategies of its configuration
    return node


def saving_worker_node(port: int, redis_port: int, encoding: str) -> TradingNode:
    """
    Return the node that the process to be killed runs.
    """
    config = RecoverableStrategyConfig(strategy_id="Keeper", checkpoint_secs=None)
    return saving_node(port, redis_port, encoding, Worker(config))


def stored(valkey: EmbeddedValkey) -> list[tuple[int, bytes]]:
    """
    Return the sequences and the numbers of the checkpoints in Redis, the oldest first.
    """
    client: Any = valkey.client()
    found = [decode(data) for slot in (0, 1) if (data := client.get(f"{KEY}:{slot}"))]
    return sorted((checkpoint.sequence, checkpoint.state["number"]) for checkpoint in found)


async def leave(venue: PaperVenue, valkey: EmbeddedValkey, *numbers: int) -> None:
    """
    Run a node whose strategy makes a checkpoint of each number, and stop it.
    """
    async with watched(venue, valkey, strategy := keeper()) as node:
        await node.result()
        for number in numbers:
            strategy.number = number
            strategy.checkpoint()


@pytest.mark.parametrize("checkpoint_secs", [None, 0.02])
def test_a_checkpoint_survives_kill_9(
    venue: PaperVenue, valkey: EmbeddedValkey, checkpoint_secs: float | None
) -> None:
    """The strategy's own call and the interval write it alike, and each run goes on from it."""
    for number in (b"1", b"2", b"3"):
        with NodeProcess(
            "tests.node.test_checkpoints:worker_node",
            port=venue.port,
            redis_port=valkey.port,
            checkpoint_secs=checkpoint_secs,
        ) as process:
            process.wait_for("started")
            valkey.wait_for(lambda _: stored(valkey)[-1:] == [(int(number), number)])  # noqa: B023
            process.kill()

    async def after() -> None:
        async with watched(venue, valkey, strategy := keeper()) as node:
            await node.result()
            assert strategy.told == ["load", "start", "enabled"]
            assert strategy.loaded == [{"number": b"3"}]

    asyncio.run(after())


def test_a_clean_stop_writes_what_on_stop_left(venue: PaperVenue, valkey: EmbeddedValkey) -> None:
    """NautilusTrader's own saving is off, and the newest state is there at the next start."""

    class Stopping(Keeper):
        def on_stop(self) -> None:
            self.number = 7

    async def scenario() -> None:
        config = RecoverableStrategyConfig(strategy_id="Keeper", checkpoint_secs=None)
        async with watched(venue, valkey, Stopping(config)) as node:
            await node.result()
        async with watched(venue, valkey, strategy := keeper()) as node:
            await node.result()
            assert strategy.loaded == [{"number": b"7"}]

    asyncio.run(scenario())


@pytest.mark.skipif(
    "manage_stop" not in StrategyConfig.__struct_fields__,
    reason="This NautilusTrader does not exit the market at a stop",
)
def test_a_strategy_that_exits_the_market_first_writes_what_on_stop_left(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """It stops later than it was told to."""

    class Stopping(Orders, Keeper):
        def on_stop(self) -> None:
            self.number = 7

    async def scenario() -> None:
        # Not every NautilusTrader has these two
        exit_at_stop: dict[str, Any] = {"manage_stop": True, "market_exit_interval_ms": 20}
        config: Any = RecoverableStrategyConfig(
            strategy_id="Keeper", checkpoint_secs=None, **exit_at_stop
        )
        symbols = ("ETHUSDT-PERP",)
        async with watched(venue, valkey, strategy := Stopping(config), symbols=symbols) as node:
            await node.result()
            strategy.submit_order(strategy.market())
            await node.run.until(lambda: strategy.portfolio.is_net_long(ETH))
            strategy.stop()
            assert strategy.is_running
            await node.run.until(lambda: strategy.is_stopped)
            assert strategy.portfolio.is_flat(ETH)
            await node.run.until(lambda: stored(valkey)[-1:] == [(1, b"7")])

    asyncio.run(scenario())


def test_nothing_is_written_while_nothing_has_changed(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Of two slots each holds one of the last two states, however often they were told."""

    async def scenario() -> None:
        await leave(venue, valkey, 1, 1, 2, 2, 2, 3)
        assert stored(valkey) == [(2, b"2"), (3, b"3")]
        await leave(venue, valkey)
        assert stored(valkey) == [(2, b"2"), (3, b"3")]

    asyncio.run(scenario())


@pytest.mark.parametrize(("encoding", "found"), [("msgpack", b"100"), ("json", "MTAw")])
def test_of_what_nautilus_trader_saved_and_a_checkpoint_the_newer_is_loaded_once(
    venue: PaperVenue, valkey: EmbeddedValkey, encoding: str, found: Any
) -> None:
    """A checkpoint after the clean stop is newer; so is what a plain strategy saved after that."""

    async def run(strategy: Strategy, number: int | None = None) -> None:
        node = saving_node(venue.port, valkey.port, encoding, strategy)
        async with running(node) as process:
            if isinstance(strategy, Keeper):
                assert strategy.told in (["start"], ["load", "start"])
                await process.until(lambda: strategy.gate.is_open or not strategy.number)
                strategy.number = number or strategy.number

    asyncio.run(run(strategy := keeper(), 4))
    assert strategy.loaded == []
    asyncio.run(run(strategy := keeper()))
    assert strategy.loaded == [{"number": b"4"}]

    with NodeProcess(
        "tests.node.test_checkpoints:saving_worker_node",
        port=venue.port,
        redis_port=valkey.port,
        encoding=encoding,
    ) as process:
        process.wait_for("started")
        valkey.wait_for(lambda _: stored(valkey)[-1][1] == b"5")
        process.kill()
    asyncio.run(run(strategy := keeper()))
    assert strategy.loaded == [{"number": b"5"}]

    asyncio.run(run(Plain()))
    asyncio.run(run(strategy := keeper()))
    assert strategy.loaded == [{"number": found}]


def test_a_start_that_fails_does_not_replace_the_state_of_before(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """The strategy never started, and NautilusTrader saves it all the same when the node stops."""

    async def run(strategy: Keeper, *, is_started: bool) -> None:
        node = saving_node(venue.port, valkey.port, "msgpack", strategy)
        async with running(node, wait=is_started) as process:
            wanted = "None" if is_started else "RECOVERY_FAILED"
            await process.until(lambda: str(strategy.gate.reason()).startswith(wanted))
            strategy.number = 9 if is_started else 0

    asyncio.run(run(keeper(), is_started=True))
    venue.set_faults(mass_status=MassStatusFault.RAISE)
    asyncio.run(run(strategy := keeper(), is_started=False))
    assert strategy.told == []
    venue.set_faults()
    asyncio.run(run(strategy := keeper(), is_started=True))
    assert strategy.loaded == [{"number": b"9"}]


@pytest.mark.parametrize(("damaged", "loaded"), [((1,), [{"number": b"2"}]), ((0, 1), [])])
@pytest.mark.parametrize("action", ["start", "hold"])
def test_a_checkpoint_that_cannot_be_read_is_kept_and_does_what_the_configuration_says(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    capfd: pytest.CaptureFixture[str],
    damaged: tuple[int, ...],
    loaded: list[dict[str, bytes]],
    action: Any,
) -> None:
    """It starts with the one before, if that can be read, or the gate stays closed."""
    asyncio.run(leave(venue, valkey, 1, 2, 3))
    client: Any = valkey.client()
    torn = {slot: client.get(f"{KEY}:{slot}")[:-3] for slot in damaged}
    for slot, data in torn.items():
        client.set(f"{KEY}:{slot}", data)

    async def scenario() -> None:
        strategy = keeper(on_bad_checkpoint=action)
        async with watched(venue, valkey, strategy, log_level="ERROR") as node:
            await node.result()
            assert strategy.loaded == loaded
            assert strategy.gate.is_open is (action == "start")
            strategy.number = 50
            strategy.checkpoint()
            if action == "hold":
                assert "enabled" not in strategy.told
                reason = strategy.gate.reason(ETH)
                assert reason is not None
                assert reason.startswith("RECOVERY_BAD_CHECKPOINT: ")
                venue.push_mass_status()
                await node.result(2)  # No later epoch opens it
                assert not strategy.gate.is_open

    asyncio.run(scenario())
    told = capfd.readouterr().err
    for slot, data in torn.items():
        assert client.get(f"{KEY}:{slot}:damaged") == data
        key = f"recovery:checkpoint:Keeper-000:{slot}"
        reason = "its checksum does not match"
        error = f"The checkpoint '{key}' cannot be read: {reason}; copied to '{key}:d"
        assert told.count(error) == 1
    if action == "start":
        assert stored(valkey)[-1][1] == b"50"
        asyncio.run(leave(venue, valkey))
        assert "cannot be read" not in capfd.readouterr().err
    else:
        assert [client.get(f"{KEY}:{slot}") for slot in damaged] == list(torn.values())


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"number": b"x" * 1000}, "bytes; the limit is 500"),
        ({"number": 4}, "it must be a dict[str, bytes], was int for 'number'"),
        (None, "it must be a dict[str, bytes], was NoneType"),
        (ZeroDivisionError("no"), "`on_save` raised ZeroDivisionError('no')"),
    ],
)
def test_a_state_that_cannot_be_kept_is_told_once_in_one_line_and_the_last_one_stays(
    venue: PaperVenue,
    valkey: EmbeddedValkey,
    capfd: pytest.CaptureFixture[str],
    state: Any,
    error: str,
) -> None:
    """Also at an interval, and trading goes on."""

    class Odd(Keeper):
        calls = 0

        def on_save(self) -> Any:
            if self.number < 2:
                return super().on_save()
            self.calls += 1
            if isinstance(state, Exception):
                raise state
            return state

    async def scenario() -> None:
        config = RecoverableStrategyConfig(
            strategy_id="Keeper", checkpoint_secs=0.01, max_checkpoint_bytes=500
        )
        async with watched(venue, valkey, strategy := Odd(config)) as node:
            await node.result()
            strategy.number = 1
            strategy.checkpoint()
            strategy.number = 2
            await node.run.until(lambda: strategy.calls > 3)
            assert strategy.gate.is_open
        async with watched(venue, valkey, heir := keeper()) as node:
            await node.result()
            assert heir.loaded == [{"number": b"1"}]

    asyncio.run(scenario())
    told = [line for line in capfd.readouterr().err.splitlines() if "No checkpoint" in line]
    assert len(told) == 1
    assert error in told[0]
    assert re.search(
        r"; the last one, number \d of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, is kept", told[0]
    )


def test_an_on_load_that_raises_keeps_the_gate_closed_and_the_checkpoint_as_it_is(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """What took up half a state must not trade, nor write it over the whole one."""

    class Failing(Keeper):
        def on_load(self, state: dict[str, bytes]) -> None:
            self.number = 77
            raise KeyError("spread")

    async def scenario() -> None:
        await leave(venue, valkey, 3)
        config = RecoverableStrategyConfig(strategy_id="Keeper", on_bad_checkpoint="start")
        async with watched(venue, valkey, strategy := Failing(config)) as node:
            await node.result()
            assert strategy.told == ["start"]
            assert not strategy.gate.is_open
            assert (
                strategy.gate.reason()
                == "RECOVERY_HOOK_RAISED: Failing.on_load: KeyError('spread')"
            )
            strategy.checkpoint()
        assert stored(valkey) == [(1, b"3")]

    asyncio.run(scenario())


def test_a_checkpoint_asked_for_on_another_thread_is_made_on_the_loops(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """Timers of a live clock call back on a thread of their own."""

    async def scenario() -> None:
        async with watched(venue, valkey, strategy := keeper()) as node:
            await node.result()
            strategy.number = 6
            await asyncio.to_thread(strategy.checkpoint)
            await node.run.until(lambda: stored(valkey) == [(1, b"6")])
            assert strategy.saved_on == {threading.get_ident()}

    asyncio.run(scenario())


def test_a_buffered_checkpoint_is_pushed_out_by_the_heartbeat(
    venue: PaperVenue, valkey: EmbeddedValkey
) -> None:
    """On 1.221 what is buffered leaves with the next write only, and the monitor writes always."""

    async def scenario() -> None:
        async with watched(
            venue,
            valkey,
            strategy := keeper(),
            monitor=monitor_config(heartbeat_secs=0.05),
            buffer_interval_ms=20,
        ) as node:
            await node.result()
            strategy.number = 8
            strategy.checkpoint()
            await node.run.until(lambda: stored(valkey) == [(1, b"8")])

    asyncio.run(scenario())
