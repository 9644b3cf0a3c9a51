"""
Never two nodes of one trader that may trade at the same moment.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from nautilus_recovery_actor.core.lease import Standing
from tests.core.lease_model import HEARTBEAT
from tests.core.lease_model import LEASE
from tests.core.lease_model import SEC
from tests.core.lease_model import TENURE
from tests.core.lease_model import Asked
from tests.core.lease_model import Node
from tests.core.lease_model import World


NODES = st.integers(0, 3)
SECS = st.sampled_from([0.0, 0.5, 1.0, HEARTBEAT, TENURE, LEASE + 0.5])
# Ten minutes are what may be made up by a server's clock that is set
STEPS = st.sampled_from([-300.0, -LEASE, LEASE, 300.0])


class LeaseMachine(RuleBasedStateMachine):
    """
    Nodes that start, stop, are killed, paused and cut off; questions that arrive late; a server
    whose clock is set, that is emptied, and an operator who takes over.

    Whoever starts on a server that was emptied is taken to need as long for that as a lease lasts:
    nothing there says that there is another node.
    """

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.on_the_way: list[Asked] = []
        self.cut_off: set[str] = set()

    def node(self, number: int) -> Node | None:
        nodes = [node for node in self.world.nodes if node.is_alive]
        return nodes[number % len(nodes)] if nodes else None

    @precondition(lambda self: sum(node.is_alive for node in self.world.nodes) < 3)
    @rule(machine=st.sampled_from(["", "", "one"]))
    def a_node_starts(self, machine: str) -> None:
        self.world.start(machine=machine)

    @rule(number=NODES)
    def a_question_is_carried_out(self, number: int) -> None:
        node = self.node(number)
        if node is not None and node.asked is not None and not node.asked.is_carried_out:
            self.world.server.carry_out(node.asked)

    @rule(number=NODES)
    def an_answer_arrives(self, number: int) -> None:
        node = self.node(number)
        if node is not None and node.asked is not None and node.asked.is_carried_out:
            node.answered()

    @rule(number=NODES)
    def a_node_gives_up(self, number: int) -> None:
        node = self.node(number)
        if node is not None and node.asked is not None and not node.is_paused:
            if not node.asked.is_carried_out:
                self.on_the_way.append(node.asked)
            node.give_up()

    @precondition(lambda self: self.on_the_way)
    @rule()
    def a_question_comes_late(self) -> None:
        self.world.server.carry_out(self.on_the_way.pop(0))

    @rule(number=NODES)
    def a_node_is_cut_off_or_comes_back(self, number: int) -> None:
        if node := self.node(number):
            self.cut_off ^= {node.token}

    @rule(secs=SECS)
    def time_goes_by(self, secs: float) -> None:
        for _ in range(round(secs * 2) or 1):
            for node in self.world.nodes:
                if node.is_alive and node.token not in self.cut_off:
                    self.serve(node)
            self.one_node_at_most_may_trade()
            self.world.pass_by(0.5)

    def serve(self, node: Node) -> None:
        for _ in range(3):
            if node.asked is not None and not node.is_paused:
                if not node.asked.is_carried_out:
                    self.world.server.carry_out(node.asked)
                node.answered()
                self.one_node_at_most_may_trade()

    @rule(number=NODES)
    def a_process_is_paused_or_goes_on(self, number: int) -> None:
        if node := self.node(number):
            node.is_paused = not node.is_paused

    @rule(number=NODES)
    def a_node_stops(self, number: int) -> None:
        node = self.node(number)
        if node is not None and not node.is_paused:
            node.stop()

    @rule(number=NODES)
    def a_process_is_killed(self, number: int) -> None:
        if node := self.node(number):
            node.is_alive = False

    @rule()
    def an_operator_takes_over(self) -> None:
        self.world.server.take_over()

    @rule(secs=STEPS)
    def the_clock_of_the_server_is_set(self, secs: float) -> None:
        self.world.server.offset += round(secs * SEC)

    @rule()
    def the_server_is_emptied(self) -> None:
        self.world.server.flush()

    @invariant()
    def one_node_at_most_may_trade(self) -> None:
        trading = [node.token for node in self.world.trading]
        assert len(trading) <= 1, trading

    def teardown(self) -> None:
        """
        Once all others are dead there is always a start that trades.
        """
        for node in self.world.nodes:
            node.is_alive = False
        self.world.pass_by(LEASE)
        node = self.world.start()
        for _ in range(round(LEASE) + 2):
            while node.asked is not None and not node.may_trade:
                self.world.server.carry_out(node.asked)
                node.answered()
                if node.asked is not None and node.asked.what == "renew":
                    break
            self.world.pass_by(1.0)
        assert node.lease.standing is Standing.HELD


def test_two_nodes_of_one_trader_never_trade_at_the_same_moment() -> None:
    run_state_machine_as_test(
        LeaseMachine, settings=settings(max_examples=200, stateful_step_count=40)
    )
