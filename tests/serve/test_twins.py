"""
One trader on two servers: no lease keeps its nodes apart, and who reads both is the first to see.
"""

from collections.abc import Iterator

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.outside.record.twins import ADVICE
from nautilus_recovery_actor.serve import view
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.board import Light
from nautilus_recovery_actor.serve.board import light
from nautilus_recovery_actor.serve.sources import Sources
from nautilus_recovery_actor.serve.sources import Watch
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.cli.support import Recording
from tests.serve.support import Serving
from tests.serve.test_board import boards
from tests.serve.test_board import until
from tests.serve.world import Desk


SECS = 60.0


@pytest.fixture
def other() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as valkey:
        yield valkey


@pytest.fixture
def elsewhere(other: EmbeddedValkey) -> Iterator[Desk]:
    with Desk(other) as traders:
        yield traders


def lights(board: Board) -> dict[str, Light]:
    return {one.server: light(one) for one in board.traders if one.trader_id == "X-1"}


def name(valkey: EmbeddedValkey) -> str:
    return valkey.url.removeprefix("redis://").partition("/")[0]


def starts(desk: Desk, recovery_id: str = "R-2") -> None:
    desk.ended("X-1", recovery_id=recovery_id)


def test_one_trader_on_two_servers_needs_somebody_until_one_is_stopped(
    desk: Desk, elsewhere: Desk, valkey: EmbeddedValkey, other: EmbeddedValkey
) -> None:
    """Each says where the other is, and what to do. One that is not read ends nothing."""
    starts(desk, "R-1")
    desk.ended("Y-1")
    starts(elsewhere)

    async def look(watch: Watch, _: Sources) -> None:
        both = {name(valkey): Light.RED, name(other): Light.RED}
        board = await until(watch, lambda board: lights(board) == both)
        lines = {one.server: [line.text for line in view.row(one).lines] for one in board.traders}
        assert lines[name(other)] == [f"Two nodes: it runs on {name(valkey)} too: {ADVICE}"]
        assert [one.twins for one in board.traders if one.trader_id == "Y-1"] == [()]
        elsewhere.stops("X-1")
        alone = {name(valkey): Light.GREEN, name(other): Light.WHITE}
        await until(watch, lambda board: lights(board) == alone)
        starts(elsewhere)
        await until(watch, lambda board: lights(board) == both)
        for one in elsewhere.traders.values():
            one.client.close()
        other.close()
        unseen = {name(valkey): Light.RED, name(other): Light.GRAY}
        board = await until(watch, lambda board: Light.GRAY in lights(board).values())
        assert lights(board) == unseen

    boards([valkey.url, other.url], look, SECS)


def test_a_replica_is_no_twin(desk: Desk, valkey: EmbeddedValkey, other: EmbeddedValkey) -> None:
    """It shows the same node."""
    starts(desk)
    with other.client() as client:
        host, _, port = name(valkey).partition(":")
        client.execute_command("REPLICAOF", host, port)

    async def look(watch: Watch, _: Sources) -> None:
        both = {name(valkey): Light.GREEN, name(other): Light.GREEN}
        seen: set[Light] = set()

        def is_there(board: Board) -> bool:
            seen.update(lights(board).values())
            return lights(board) == both

        await until(watch, is_there)
        assert Light.RED not in seen

    boards([valkey.url, other.url], look, SECS)


def test_a_page_a_probe_and_a_metric_say_that_a_trader_runs_twice(
    desk: Desk, elsewhere: Desk, valkey: EmbeddedValkey, other: EmbeddedValkey
) -> None:
    starts(desk, "R-1")
    starts(elsewhere)
    place = f"server={name(valkey)}"
    with Serving.of(valkey.url, other.url) as serving:
        serving.wait_for(
            f"Two nodes: it runs on {name(other)} too: both may trade", timeout_secs=SECS
        )
        assert "it runs on" in serving.text(f"/readyz?trader=X-1&{place}", 503)
        series = f'nautilus_recovery_twins{{server="{name(valkey)}",trader="X-1"}} 1.0'
        assert series in serving.text("/metrics")


def test_the_list_of_traders_warns_of_those_that_run_twice(
    desk: Desk,
    elsewhere: Desk,
    valkey: EmbeddedValkey,
    other: EmbeddedValkey,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On several servers, or as several instances on one; the latter on one server, too."""
    starts(desk, "R-1")
    desk.ended("Y-1")
    starts(elsewhere)
    given = ("--redis", valkey.url, "--redis", other.url)
    assert main(["traders", *given]) == 0
    out, err = capsys.readouterr()
    rows = [line.split()[:3] for line in out.splitlines()]
    assert rows == [
        ["Server", "Trader", "State"],
        [name(valkey), "X-1", "OPEN"],
        [name(valkey), "Y-1", "OPEN"],
        [name(other), "X-1", "OPEN"],
    ]
    assert err.splitlines() == [
        f"Two nodes of X-1 on {name(valkey)}: it runs on {name(other)} too: {ADVICE}",
        f"Two nodes of X-1 on {name(other)}: it runs on {name(valkey)} too: {ADVICE}",
    ]
    desk.traders["twin"] = twin = Recording(valkey, "Y-1", instance_id="I-1")
    twin.journal.beat(desk.trader("Y-1").heartbeat())
    assert main(["traders", "--redis", valkey.url]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Trader ")
    assert err.splitlines() == [
        f"Two nodes of Y-1 on {name(valkey)}: it runs as Y-1{named} too: {ADVICE}"
        for named in (" --instance-id I-1", "")
    ]
