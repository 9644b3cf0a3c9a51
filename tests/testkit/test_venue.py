import os
import signal
import socket
import subprocess
import sys
import threading
import time
from decimal import Decimal
from typing import Self

import pytest

from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import PaperVenueControl
from nautilus_recovery_actor.testkit import PaperVenueError
from nautilus_recovery_actor.testkit.controls import Controls
from nautilus_recovery_actor.testkit.exchange import Exchange
from nautilus_recovery_actor.testkit.records import BalanceEvent
from nautilus_recovery_actor.testkit.records import NewOrder
from nautilus_recovery_actor.testkit.records import OrderEvent
from nautilus_recovery_actor.testkit.records import OrderState
from nautilus_recovery_actor.testkit.records import Quote
from nautilus_recovery_actor.testkit.records import Side
from nautilus_recovery_actor.testkit.session import Session
from nautilus_recovery_actor.testkit.wire import Answer
from nautilus_recovery_actor.testkit.wire import Call
from nautilus_recovery_actor.testkit.wire import Failed
from nautilus_recovery_actor.testkit.wire import Message
from nautilus_recovery_actor.testkit.wire import answer
from nautilus_recovery_actor.testkit.wire import call
from nautilus_recovery_actor.testkit.wire import decode
from tests.testkit.probe import wait_until_ended


D = Decimal
ETH = "ETHUSDT-PERP"
HELLO = call(Session.hello_trading, "PAPER-001")
SUBMIT = call(
    Session.submit_orders, (NewOrder(symbol=ETH, side=Side.BUY, qty=D(1), client_order_id="A"),)
)


class Wire:
    """
    A bare connection to a venue.
    """

    def __init__(self, venue: PaperVenue) -> None:
        self.socket = socket.create_connection((venue.host, venue.port), timeout=60)
        self.lines = self.socket.makefile("rb")

    def send(self, *calls: Call[None]) -> None:
        self.socket.sendall(b"".join(c.line(n) for n, c in enumerate(calls, start=1)))

    def read(self) -> Message:
        return decode(self.lines.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.socket.close()


def test_a_trading_session_gets_the_events_of_its_own_account_only(venue: PaperVenue) -> None:
    venue.open_account("OTHER-001")
    with Wire(venue) as wire:
        wire.send(HELLO)
        assert wire.read() == answer(1, None)
        venue.place(ETH, "BUY", 1, account_id="OTHER-001")
        wire.send(SUBMIT)
        events = [wire.read() for _ in range(4)]
        assert [type(e) for e in events] == [OrderEvent, OrderEvent, BalanceEvent, Answer]
        assert isinstance(events[1], OrderEvent)
        assert (events[1].account_id, events[1].order.client_order_id) == ("PAPER-001", "A")


def test_a_data_session_gets_the_prices_so_far_and_all_later_ones(venue: PaperVenue) -> None:
    with Wire(venue) as wire:
        wire.send(call(Session.hello_data))
        messages = [wire.read(), wire.read()]
        venue.set_price(ETH, "2001.5")
        messages.append(wire.read())
    assert [m.px for m in messages if isinstance(m, Quote)] == [D(2000), D("2001.5")]


def test_the_commands_of_trading_sessions_are_kept_and_those_of_control_are_not(
    venue: PaperVenue,
) -> None:
    with Wire(venue) as wire:
        wire.send(HELLO, SUBMIT, call(Session.cancel_orders, ("A",)))
        venue.place(ETH, "BUY", 1, client_order_id="ELSEWHERE")
        venue.wait_for_commands("CancelOrders")
        assert [(c.kind, c.order_ids) for c in venue.commands()] == [
            ("SubmitOrders", ("A",)),
            ("CancelOrders", ("A",)),
        ]
        assert venue.submitted() == ["A"]


def test_a_line_that_is_no_message_is_answered_and_the_session_goes_on(venue: PaperVenue) -> None:
    with Wire(venue) as wire:
        wire.socket.sendall(b'{"type":"Nonsense"}\n')
        reply = wire.read()
        assert isinstance(reply, Failed)
        assert reply.message.startswith("not a message of the paper venue protocol")
        mark = call(Controls.mark)
        wire.socket.sendall(mark.line(7))
        reply = wire.read()
        assert isinstance(reply, Answer)
        assert reply.id == 7
        assert mark.result(reply) > 0


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Exchange.account", '{"account_id":"PAPER-001"}', "does not serve Exchange.account"),
        ("Exchange.set_price", '{"symbol":"ETH","px":"high"}', "wrong arguments: Invalid decimal"),
        ("Exchange.set_price", '{"symbol":"ETH"}', "wrong arguments: Object missing"),
        ("Exchange.set_price", '{"symbol":"ETH","px":1,"py":1}', "wrong arguments: Object contain"),
    ],
)
def test_a_call_that_the_venue_does_not_serve_like_this_is_refused_and_the_session_goes_on(
    venue: PaperVenue, name: str, arguments: str, message: str
) -> None:
    with Wire(venue) as wire:
        line = f'{{"type":"Request","id":7,"call":"{name}","arguments":{arguments}}}\n'
        wire.socket.sendall(line.encode())
        reply = wire.read()
        assert isinstance(reply, Failed)
        assert (reply.id, message in reply.message) == (7, True)
        wire.send(HELLO)
        assert wire.read() == answer(1, None)


def test_a_served_method_is_called_with_the_types_that_it_declares(venue: PaperVenue) -> None:
    placed = venue.place(ETH, "BUY", 4, "LIMIT", px=1000)
    filled = venue.request(call(Exchange.fill, venue.account_id, placed.venue_order_id, qty=D(1)))
    assert (filled.state, filled.filled_qty) == (OrderState.PARTIALLY_FILLED, D(1))


def test_a_query_without_a_trading_session_is_refused(venue: PaperVenue) -> None:
    with pytest.raises(PaperVenueError, match="QueryOrders: this call needs a trading session"):
        venue.request(call(Session.query_orders))


def test_an_order_placed_elsewhere_has_no_client_order_id(venue: PaperVenue) -> None:
    order = venue.place(ETH, "SELL", 2)
    assert (order.client_order_id, order.state) == (None, OrderState.FILLED)
    assert [q.qty for q in venue.state().positions] == [D(-2)]


def test_a_price_path_is_played_while_the_caller_does_something_else(venue: PaperVenue) -> None:
    venue.place(ETH, "BUY", 1)
    stop = venue.place(ETH, "SELL", 1, "STOP_MARKET", trigger_px=1900)
    venue.play([(0.01, ETH, 1950), (0.01, ETH, 1890), (0.01, ETH, 1990)])
    assert venue.state().orders[-1].state is OrderState.ACCEPTED
    [filled] = venue.wait_for_order(stop.venue_order_id, "FILLED")
    assert filled.avg_px == D(1890)


def test_waiting_ends_with_the_event_and_not_with_the_timeout(venue: PaperVenue) -> None:
    other = PaperVenueControl(venue.port)
    began = time.monotonic()
    thread = threading.Thread(target=other.wait_for_fill, kwargs={"timeout_secs": 60})
    thread.start()
    venue.place(ETH, "BUY", 1)
    thread.join()
    assert time.monotonic() - began < 30
    other.close()


def test_waiting_in_vain_says_for_what_and_what_there_is(venue: PaperVenue) -> None:
    order = venue.place(ETH, "BUY", 1, "LIMIT", px=1000, client_order_id="A")
    with pytest.raises(PaperVenueError) as error:
        venue.wait_for_order("A", "FILLED", timeout_secs=0.05)
    assert str(error.value).startswith("Wait: not true within 0.05 s: OrdersAre(")
    assert f"orders: [('A', '{order.venue_order_id}', 'ACCEPTED')]" in str(error.value)


def test_a_position_and_a_balance_can_be_put_in_place(venue: PaperVenue) -> None:
    venue.set_position(ETH, "-2.5", 1990)
    venue.set_balance(5000)
    state = venue.state()
    assert (state.positions[0].qty, state.positions[0].avg_px) == (D("-2.5"), D(1990))
    assert (state.balances[0].currency, state.balances[0].total) == ("USDT", D(5000))


def test_orders_are_canceled_expired_and_filled_by_control(venue: PaperVenue) -> None:
    for name in "ABCD":
        venue.place(ETH, "BUY", 4, "LIMIT", px=1000, client_order_id=name)
    venue.cancel("A")
    venue.expire("B")
    venue.fill("C", 1, 999)
    venue.cancel()
    states = {o.client_order_id: (o.state.value, o.filled_qty) for o in venue.state().orders}
    assert states == {
        "A": ("CANCELED", D(0)),
        "B": ("EXPIRED", D(0)),
        "C": ("CANCELED", D(1)),
        "D": ("CANCELED", D(0)),
    }


def test_faults_are_replaced_and_ended(venue: PaperVenue) -> None:
    venue.set_faults(hold_acks=True, query_errors=True)
    assert venue.state().faults.query_errors
    venue.set_faults(hold_acks=True)
    assert not venue.state().faults.query_errors
    venue.set_faults()
    assert not venue.state().faults.hold_acks


def test_connections_are_dropped_and_refused(venue: PaperVenue) -> None:
    with Wire(venue) as wire:
        wire.send(HELLO)
        venue.wait_for_connections(1)
        venue.drop_connections()
        venue.wait_for_connections(0)
        venue.refuse_connections()
        assert isinstance(wire.read(), Answer)
        assert wire.lines.readline() == b""
    with Wire(venue) as refused:
        refused.send(HELLO)
        assert refused.lines.readline() == b""
    venue.refuse_connections(False)
    with Wire(venue) as again:
        again.send(HELLO)
        assert isinstance(again.read(), Answer)


def test_connections_can_be_dropped_for_a_while(venue: PaperVenue) -> None:
    """They are refused meanwhile, and taken again by themselves."""
    with Wire(venue) as wire:
        wire.send(HELLO)
        assert wire.read() == answer(1, None)
        assert venue.drop_connections(refuse_secs=3.0) == 1
        assert wire.lines.readline() == b""
    with Wire(venue) as refused:
        refused.send(HELLO)
        assert refused.lines.readline() == b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with Wire(venue) as again:
            again.send(HELLO)
            if again.lines.readline():
                return
    pytest.fail("still refused")


def test_a_silent_venue_keeps_the_connection_and_answers_when_it_speaks_again(
    venue: PaperVenue,
) -> None:
    """Neither answers nor events come meanwhile, and controls work all the same."""
    with Wire(venue) as wire:
        wire.send(HELLO)
        assert wire.read() == answer(1, None)
        venue.set_faults(silent=True)
        wire.socket.sendall(call(Session.query_positions).line(7))
        venue.place(ETH, "BUY", 1)
        wire.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.socket.recv(1)
        assert venue.commands("QueryPositions") == []
        wire.socket.settimeout(60)
        venue.set_faults()
        reply = wire.read()
        assert isinstance(reply, Answer)
        assert reply.id == 7


def test_an_account_can_be_taken_as_it_is() -> None:
    """A control that does not know how an account holds positions finds out."""
    with PaperVenue(oms="HEDGING") as venue:
        control = PaperVenueControl(venue.port, oms=None)
        assert control.oms == "HEDGING"
        assert control.prices() == {}
        control.close()
        with pytest.raises(PaperVenueError, match="is HEDGING, not NETTING"):
            PaperVenueControl(venue.port)


def test_a_port_in_use_is_said_in_one_line(venue: PaperVenue) -> None:
    with pytest.raises(PaperVenueError) as error:
        PaperVenue(port=venue.port)
    assert str(error.value) == (
        f"port {venue.port} cannot be used (Address already in use): give another one"
    )


def test_the_prefix_starts_every_id_of_the_venue() -> None:
    with PaperVenue(prefix="BETA", fee_rate="0.001") as venue:
        venue.set_price(ETH, 100)
        order = venue.place(ETH, "BUY", 1)
        fill = venue.state().fills[0]
        assert (order.venue_order_id, fill.trade_id, fill.fee) == ("BETA-1", "BETA-T1", D("0.1"))


def test_a_venue_that_has_ended_is_named_in_the_error() -> None:
    venue = PaperVenue()
    venue.request(call(Controls.shut_down))
    assert venue._process.wait(timeout=60) == 0
    with pytest.raises(PaperVenueError, match=r"Mark: paper venue 127\.0\.0\.1"):
        venue.mark()
    venue.close()
    with pytest.raises(PaperVenueError, match="is its process running"):
        PaperVenueControl(venue.port)


def test_a_venue_that_cannot_start_says_how_to_find_out_why() -> None:
    with pytest.raises(PaperVenueError, match="the paper venue exited at once"):
        PaperVenue(fee_rate="much")


def test_the_venue_ends_when_its_parent_is_killed() -> None:
    code = (
        "from nautilus_recovery_actor.testkit import PaperVenue; import time\n"
        "venue = PaperVenue(); print(venue.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        child = int(lines.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until_ended(child)


def test_the_venue_runs_as_a_module_too() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "nautilus_recovery_actor.testkit.venue", "--port", "0"],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    with process.stdout as lines:
        port = int(lines.readline().split(b":")[1].strip(b" }\n"))
        control = PaperVenueControl(port)
        assert control.mark() > 0
        control.request(call(Controls.shut_down))
        control.close()
        assert process.wait(timeout=60) == 0


def test_a_server_that_is_not_a_paper_venue_is_named_in_the_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        def answer_in_vain() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"-ERR unknown command\r\n")

        thread = threading.Thread(target=answer_in_vain)
        thread.start()
        with pytest.raises(PaperVenueError, match=rf"127\.0\.0\.1:{port} is not a paper venue"):
            PaperVenueControl(port)
        thread.join()
