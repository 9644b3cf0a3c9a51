"""
The paper venue as a command, and what a user does to it.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.console.venue import FaultName
from nautilus_recovery_actor.console.venue_actions import FAULTS
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit.offer import REFUSES
from nautilus_recovery_actor.testkit.offer import TAKES


ETH = "ETHUSDT-PERP"
ENTRY = ("-c", "import sys; from nautilus_recovery_cli import main; sys.exit(main())", "paper")
# As a shell starts what shall run in the background
BEHIND = ("-c", f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{ENTRY[1]}", "paper")
# A port that nothing else takes while the tests run
PORTS = iter(range(17_000 + os.getpid() % 2_000, 32_000))


@pytest.fixture
def paper(capsys: pytest.CaptureFixture[str]) -> Any:
    """
    Return what does something to the venue of a test, and returns what is printed.
    """

    def act(venue: PaperVenue, *arguments: str) -> list[str]:
        code = main(["paper", "--port", str(venue.port), *arguments])
        printed = capsys.readouterr()
        assert (code, printed.err) == (0, ""), printed.err
        return printed.out.splitlines()

    return act


@contextmanager
def foreground(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """
    Run the command, and yield it with what it has printed first.
    """
    with subprocess.Popen(
        [sys.executable, *BEHIND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
    ) as process:
        try:
            lines = []
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if "Ctrl-C ends it" in line:
                    break
            yield process, lines
        finally:
            process.kill()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_venue_and_its_valkey_run_until_they_are_interrupted(end: signal.Signals) -> None:
    """One block says where they are; Ctrl-C ends both, in one line."""
    port, redis_port = next(PORTS), next(PORTS)
    more = [f"--symbol={base}USDT-PERP" for base in ("BTC", "SOL", "XRP", "ADA", "BNB")]
    symbols = ("--symbol", f"{ETH}=1900.5", *more, "--price", "50000")
    ports = ("--port", str(port), "--valkey", "--redis-port", str(redis_port))
    with foreground(*ports, *symbols, "--still") as (process, lines):
        assert lines[:4] == [
            f"Paper venue: 127.0.0.1:{port}, account PAPER-001 (NETTING)",
            f"Instruments: {ETH}.PAPER at 1900.5, BTCUSDT-PERP.PAPER at 50000,",
            "    SOLUSDT-PERP.PAPER at 50000, XRPUSDT-PERP.PAPER at 50000,",
            "    ADAUSDT-PERP.PAPER at 50000, BNBUSDT-PERP.PAPER at 50000",
        ]
        assert "Prices: they hold until you set them" in lines
        assert f"Redis: 127.0.0.1:{redis_port}, a Valkey that outlives your bot" in lines
        assert max(map(len, lines)) <= 80
        control = PaperVenueControl(port, oms=None)
        prices = control.prices()
        assert len(prices) == 6
        assert (str(prices[ETH]), str(prices["BNBUSDT-PERP"])) == ("1900.5", "50000")
        control.close()
        with redis.Redis(port=redis_port) as client:
            assert client.config_get("appendonly") == {"appendonly": "yes"}
        process.send_signal(end)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "\nEnded: what the paper venue held is gone\n", "")
    with pytest.raises(PaperVenueError):
        PaperVenueControl(port)
    with redis.Redis(port=redis_port) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_prices_move_by_the_seed_that_is_given() -> None:
    """So that a run can be had again."""
    port = next(PORTS)
    with foreground("--port", str(port), "--seed", "7", "--interval", "0.05") as (_, lines):
        assert lines[2] == "Prices: they move every 0.05 s; --seed 7 makes the same moves again"
        control = PaperVenueControl(port, oms=None)
        while control.prices() == {ETH: 2000}:
            time.sleep(0.02)
        control.set_price(ETH, 90_000)
        while (px := control.prices()[ETH]) == 90_000:
            time.sleep(0.02)
        assert abs(px - 90_000) < 500  # It goes on from there
        control.close()


def test_a_port_in_use_is_said_in_one_line(venue: PaperVenue) -> None:
    done = subprocess.run(
        [sys.executable, *ENTRY, "--port", str(venue.port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = f"Port {venue.port} cannot be used (Address already in use): give another one\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_venue_that_dies_is_said_in_one_line() -> None:
    """The command does not outlive it."""
    port = next(PORTS)
    with foreground("--port", str(port)) as (process, _):
        control = PaperVenueControl(port, oms=None)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        control.close()
        _, err = process.communicate(timeout=60)
    said = f"The paper venue at port {port} has ended by itself: start it anew\n"
    assert (process.returncode, err) == (2, said)


def test_the_configuration_that_is_printed_runs_a_node(tmp_path: Path) -> None:
    """It is pasted as it stands, into a node that has nothing else."""
    port = next(PORTS)
    redis_port = next(PORTS)
    where = ("--port", str(port), "--valkey", "--redis-port", str(redis_port), "--hedging")
    symbols = [f"--symbol={base}USDT-PERP" for base in ("BTC", "SOL", "XRP", "ADA", "BNB")]
    with foreground(*where, *symbols) as (_, lines):
        begin, end = lines.index("For your node:") + 2, lines.index("For another terminal:") - 1
        pasted = lines[begin:end]
        at = next(n for n, line in enumerate(pasted) if line.startswith("node.add"))
        bot = "\n".join(
            [
                "from nautilus_trader.config import TradingNodeConfig",
                "from nautilus_trader.live.node import TradingNode",
                *pasted[:at],
                "node = TradingNode(config=config)",
                *pasted[at:],
                "node.build()",
                "node.run()",
            ]
        )
        (tmp_path / "bot.py").write_text(bot)
        with subprocess.Popen(
            [sys.executable, "bot.py"], cwd=tmp_path, stdout=subprocess.DEVNULL
        ) as node:
            try:
                control = PaperVenueControl(port, oms=None)
                control.wait_for_connections(1)
                assert control.oms == "HEDGING"
                control.wait_for_commands("QueryPositions")
                control.close()
                with redis.Redis(port=redis_port) as client:
                    assert client.info("clients")["connected_clients"] > 1
            finally:
                node.kill()


def test_a_position_is_changed_by_hand_and_shown(venue: PaperVenue, paper: Any) -> None:
    """As from a phone."""
    assert paper(venue, "show") == [
        f"Paper venue at 127.0.0.1:{venue.port}, NETTING: no bot is connected",
        f"price {ETH} 2000",
    ]
    assert paper(venue, "trade", ETH, "buy", "2") == [
        f"BUY 2 {ETH} at 2000",
        f"position {ETH} LONG 2 at 2000.00",
    ]
    venue.place(ETH, "SELL", 1, "STOP_MARKET", trigger_px=1900, client_order_id="O-1")
    assert paper(venue, "show")[2:] == [
        f"position {ETH} LONG 2 at 2000.00",
        f"order PAPER-2 O-1: SELL 1 {ETH} STOP_MARKET trigger 1900, accepted",
    ]
    assert paper(venue, "price", ETH, "1899.5") == [
        f"{ETH} is at 1899.5",
        "filled SELL 1 at 1899.5 of order O-1",
    ]
    assert paper(venue, "trade", ETH, "SELL", "1")[1:] == [f"position {ETH} FLAT"]


def test_orders_are_filled_and_canceled_by_hand(venue: PaperVenue, paper: Any) -> None:
    """Of a fill in part the rest stays open."""
    for order_id in ("O-1", "O-2"):
        venue.place(ETH, "BUY", 3, "LIMIT", px=1000, client_order_id=order_id)
    assert paper(venue, "fill", "O-1", "1") == [
        f"1 of 3 is filled: PAPER-1 O-1: BUY 3 {ETH} LIMIT at 1000",
        f"position {ETH} LONG 1 at 1000.00",
    ]
    assert paper(venue, "cancel", "O-2") == [f"canceled PAPER-2 O-2: BUY 3 {ETH} LIMIT at 1000"]
    assert paper(venue, "cancel") == [f"canceled PAPER-1 O-1: BUY 3 {ETH} LIMIT at 1000"]


def test_a_trade_whose_record_is_lost_stays_lost(venue: PaperVenue, paper: Any) -> None:
    """Whatever fault is set after it, and ended."""
    venue.place(ETH, "BUY", 1)
    said = paper(venue, "trade", ETH, "SELL", "1", "--unreported")
    assert said[1] == "The venue has lost its record of that trade (PAPER-2)"
    paper(venue, "fault", "errors")
    paper(venue, "fault", "none")
    assert paper(venue, "show")[2:] == ["lost PAPER-2: that trade is never reported"]
    faults = venue.state().faults
    assert (faults.hide_orders, faults.silent_when_flat) == (("PAPER-2",), True)


@pytest.mark.parametrize("name", [name for name in FaultName if name is not FaultName.NONE])
def test_a_fault_is_set_shown_and_ended(venue: PaperVenue, paper: Any, name: str) -> None:
    """Each is one that the venue really has."""
    venue.place(ETH, "BUY", 1)
    before = venue.state().faults
    assert paper(venue, "fault", name) == [
        f"From now on {FAULTS[FaultName(name)]}",
        "It ends with: nautilus-recovery paper fault none",
    ]
    assert venue.state().faults != before
    assert paper(venue, "show")[-1] == f"fault {name}: {FAULTS[FaultName(name)]}"
    assert paper(venue, "fault", "none") == ["The venue is honest, and answers"]
    assert venue.state().faults == before


def test_connections_are_dropped_by_hand(venue: PaperVenue, paper: Any) -> None:
    assert paper(venue, "drop") == ["Dropped 0 connections"]
    assert paper(venue, "drop", "2") == ["Dropped 0 connections; none is accepted for 2 s"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trade", "NONE", "BUY", "1"), f"NONE is not traded here: it is {ETH}"),
        (("fill", "O-9"), "account PAPER-001 has no order O-9"),
        (("cancel",), "No order is open: see `nautilus-recovery paper show`"),
        (("cancel", "O-9"), "No order O-9 is open: see `nautilus-recovery paper show`"),
        (
            ("fault", "missing-position"),
            "No position is open that could be missing: let your bot open one first",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    venue: PaperVenue, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(["paper", *arguments, "--port", str(venue.port)]) == 2
    assert capsys.readouterr() == ("", f"{said}\n")


def test_where_no_venue_is_the_command_that_starts_one_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = next(PORTS)
    assert main(["paper", "show", "--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"No paper venue is at 127.0.0.1:{port}: start `nautilus-recovery paper`, "
        "or give its --port\n"
    )


def test_what_it_takes_and_refuses_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a venue that runs."""
    assert main(["paper", "--list"]) == 0
    listed = capsys.readouterr().out
    for name, text in {**TAKES, **REFUSES}.items():
        assert f"  {name}: {text}\n" in listed


@pytest.mark.parametrize(
    "arguments",
    [("--symbol", "E T H"), ("--symbol", "ETH=-1"), ("--port", "0"), ("price", "A", "x")],
)
def test_wrong_usage_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit):
        main(["paper", *arguments])
    assert re.search(r"error: argument .*: give a ", capsys.readouterr().err)


def test_neither_the_venue_nor_its_controls_import_nautilus_trader() -> None:
    """They answer in a moment."""
    code = (
        "import sys; from nautilus_recovery_cli import main; main()\n"
        "print('nautilus_trader' in sys.modules, file=sys.stderr)"
    )
    with PaperVenue() as venue:
        done = subprocess.run(
            [sys.executable, "-c", code, "paper", "show", "--port", str(venue.port)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert done.stderr == "False\n"
