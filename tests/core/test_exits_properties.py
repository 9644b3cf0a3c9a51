"""
No sequence of calls at a closed gate ends worse than natively, and nothing grows: the core alone.

The same calls go to a world without a gate and to one whose gate is closed, with messages that
cross in between: what a venue does is known later, and what is sent arrives later.
"""

from collections import deque
from collections.abc import Callable
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nautilus_recovery_actor.core.exits import Cancel
from nautilus_recovery_actor.core.exits import Held
from nautilus_recovery_actor.core.exits import cancel
from nautilus_recovery_actor.core.exits import close_whole
from nautilus_recovery_actor.core.exits import may_change
from nautilus_recovery_actor.core.exits import passage
from nautilus_recovery_actor.core.protection import Holding
from nautilus_recovery_actor.core.protection import OwnOrder


ZERO, START = Decimal(0), Decimal(4)
KINDS = ("MARKET", "STOP_MARKET", "LIMIT")
OVER = ("FILLED", "CANCELED", "DENIED")
replace = msgspec.structs.replace


class Venue:
    """
    A long position, resting orders, and what it has to say.
    """

    def __init__(self) -> None:
        self.qty = START
        self.resting: dict[str, OwnOrder] = {}
        self.said: deque[tuple[str, str, Decimal]] = deque()
        self.most, self.least = START, START

    def take(self, order: OwnOrder) -> None:
        self.resting[order.client_order_id] = order
        self.said.append(("ACCEPTED", order.client_order_id, ZERO))
        if order.kind == "MARKET":
            self.fill(order.client_order_id)

    def fill(self, order_id: str) -> None:
        order = self.resting.pop(order_id)
        qty = abs(order.leaves)
        if order.is_reduce_only:
            qty = min(qty, max(self.qty, ZERO))
        self.qty -= qty
        self.most, self.least = max(self.most, self.qty), min(self.least, self.qty)
        self.said.append(("FILLED", order_id, qty))

    def cancel(self, order_id: str) -> None:
        if self.resting.pop(order_id, None) is not None:
            self.said.append(("CANCELED", order_id, ZERO))

    def shrink(self, order_id: str, leaves: Decimal) -> None:
        if order_id in self.resting:
            self.resting[order_id] = replace(self.resting[order_id], leaves=leaves)
            self.said.append(("SHRUNK", order_id, leaves))

    @property
    def is_naked(self) -> bool:
        stops = (abs(one.leaves) for one in self.resting.values() if one.kind == "STOP_MARKET")
        return self.qty != 0 and abs(self.qty) > sum(stops, ZERO)

    @property
    def is_clean(self) -> bool:
        # All that rests together cannot open anything
        unbound = (abs(one.leaves) for one in self.resting.values() if not one.is_reduce_only)
        return sum(unbound, ZERO) <= self.qty


class World:
    """
    A node without a gate: everything is sent.
    """

    def __init__(self) -> None:
        self.venue = Venue()
        self.qty = START
        self.orders: dict[str, OwnOrder] = {}
        self.sent: deque[Callable[[], None]] = deque()
        self.count = 0

    # -- WHAT THE STRATEGY CALLS --

    def submit(self, kind: str, qty: Decimal, flag: bool) -> None:
        self.count += 1
        order = OwnOrder(
            f"O-{self.count}", -qty, "INITIALIZED", kind, is_reduce_only=flag, is_new=True
        )
        self.pass_on(order)

    def pass_on(self, order: OwnOrder) -> None:
        self.orders[order.client_order_id] = replace(order, status="SUBMITTED")
        self.sent.append(lambda: self.venue.take(order))

    def cancel(self, order_ids: list[str]) -> None:
        for order_id in order_ids:
            self.orders[order_id] = replace(self.orders[order_id], status="PENDING_CANCEL")
            self.sent.append(lambda order_id=order_id: self.venue.cancel(order_id))  # type: ignore[misc]

    def shrink(self, order_id: str, leaves: Decimal) -> None:
        self.sent.append(lambda: self.venue.shrink(order_id, leaves))

    def open_orders(self, kind: str | None = None) -> list[str]:
        return [
            order_id
            for order_id, order in self.orders.items()
            if order.status in ("SUBMITTED", "ACCEPTED") and kind in (None, order.kind)
        ]

    # -- WHAT HAPPENS --

    def deliver(self) -> None:
        if self.sent:
            self.sent.popleft()()

    def hear(self) -> None:
        if not self.venue.said:
            return
        what, order_id, qty = self.venue.said.popleft()
        order = self.orders[order_id]
        if what == "FILLED":
            self.qty -= qty
        if what == "SHRUNK":
            self.orders[order_id] = replace(order, leaves=qty)
        elif what == "ACCEPTED":
            if order.status == "SUBMITTED":
                self.orders[order_id] = replace(order, status=what)
        else:
            self.orders[order_id] = replace(order, status=what)
            self.answered(order_id)

    def answered(self, order_id: str) -> None:
        pass

    def end_turn(self) -> None:
        pass

    def settle(self) -> None:
        self.end_turn()
        while self.sent or self.venue.said:
            self.deliver()
            self.hear()
            self.end_turn()


class Guarded(World):
    """
    A node whose gate is closed: the core decides, as `host.held_back` asks it.
    """

    def __init__(self, *, is_proven: bool, is_flag_binding: bool) -> None:
        super().__init__()
        self.is_proven = is_proven
        self.is_flag_binding = is_flag_binding
        self.waiting: list[tuple[OwnOrder, frozenset[str]]] = []
        self.put_off: list[str] = []
        self.obstructed: list[OwnOrder] = []
        self.was_refused, self.used = False, list[Decimal]()

    @property
    def held(self) -> Held:
        alive = tuple(one for one in self.orders.values() if one.status not in OVER)
        venue = self.qty if self.is_proven else None
        holding = Holding("P", "A", "I", self.qty)
        return Held(holding, alive, venue, is_flag_binding=self.is_flag_binding)

    def pass_on(self, order: OwnOrder) -> None:
        self.decide(order, is_turn_over=False)

    def decide(self, order: OwnOrder, *, is_turn_over: bool) -> None:
        found = passage(order, self.held)
        useful = [] if order.kind == "LIMIT" else [abs(order.leaves)]
        if found.is_obstructed and not is_turn_over:
            self.used += useful
            self.obstructed.append(order)
        elif found.refusal:
            self.was_refused = True
            for qty in useful if is_turn_over else []:
                self.used.remove(qty)
        elif found.awaits:
            self.used += useful
            self.waiting.append((order, found.awaits))
        else:
            self.used += useful
            self.was_refused &= not useful
            super().pass_on(order)

    def cancel(self, order_ids: list[str]) -> None:
        means = {one: cancel(one, frozenset(order_ids), self.held) for one in order_ids}
        depends = [Cancel.DEPENDS, *([Cancel.CLOSABLE] if self.was_refused else [])]
        self.put_off += [one for one in order_ids if means[one] in depends]
        passes = [one for one in order_ids if one not in self.put_off]
        super().cancel([one for one in passes if means[one] is not Cancel.LEAVES_NAKED])

    def give_up(self) -> None:
        self.waiting = [one for one in self.waiting if one[0].kind == "MARKET"]
        given_up = [one for one in self.obstructed if one.kind != "MARKET"]
        self.obstructed = [one for one in self.obstructed if one.kind == "MARKET"]
        for order in given_up:
            if order.kind != "LIMIT":
                self.used.remove(abs(order.leaves))

    def shrink(self, order_id: str, leaves: Decimal) -> None:
        order = self.orders[order_id]
        is_refused = self.was_refused or bool(self.used)
        changed = replace(order, leaves=leaves)
        if may_change(order, changed, self.held, is_refused=is_refused):
            super().shrink(order_id, leaves)

    def answered(self, order_id: str) -> None:
        answered = [order for order, awaits in self.waiting if order_id in awaits]
        self.waiting = [one for one in self.waiting if order_id not in one[1]]
        for order in sorted(answered, key=lambda one: KINDS.index(one.kind)):
            self.pass_on(order)

    def end_turn(self) -> None:
        put_off, self.put_off = self.put_off, []
        obstructed, self.obstructed = self.obstructed, []
        for order in obstructed:
            if passage(order, self.held, going=frozenset(put_off)).refusal:
                self.decide(order, is_turn_over=True)
            else:
                self.obstructed.append(order)
        for order_id in put_off:
            is_flagged = self.orders[order_id].is_reduce_only
            if close_whole(self.qty, self.used) or (is_flagged and not self.was_refused):
                super().cancel([order_id])
        obstructed, self.obstructed = self.obstructed, []
        for order in obstructed:
            self.decide(order, is_turn_over=True)
        self.used.clear()


STEPS = st.lists(
    st.sampled_from(
        [
            "close",
            "close half",
            "stop",
            "profit",
            "cancel all",
            "cancel stops",
            "shrink",
            "deliver",
            "hear",
            "turn",
            "trigger",
            "settle",
        ]
    ),
    max_size=14,
)


def act(world: World, step: str, flag: bool) -> None:  # noqa: C901  One case each
    match step:
        case "close":
            if world.qty > 0:
                world.submit("MARKET", world.qty, flag)
        case "close half":
            if world.qty > 1:
                world.submit("MARKET", world.qty / 2, flag)
        case "stop":
            if world.qty > 0:
                world.submit("STOP_MARKET", world.qty, flag)
        case "profit" if flag:  # Without one it leaves no room for a close, and protects nothing
            if world.qty > 0:
                world.submit("LIMIT", world.qty, flag)
        case "cancel all":
            if isinstance(world, Guarded):
                world.give_up()
            world.cancel(world.open_orders())
        case "cancel stops":
            world.cancel(world.open_orders("STOP_MARKET"))
        case "shrink" if flag:  # What a strategy takes off by itself, without one, stays off
            for order_id in world.open_orders("STOP_MARKET")[:1]:
                if abs(world.orders[order_id].leaves) > 1:
                    world.shrink(order_id, Decimal(-1))
        case "deliver":
            world.deliver()
        case "hear":
            world.end_turn()
            world.hear()
        case "turn":
            world.end_turn()
        case "trigger":
            for order_id, order in list(world.venue.resting.items()):
                if order.kind == "STOP_MARKET":
                    world.venue.fill(order_id)
        case "settle":
            world.settle()


@given(steps=STEPS, flag=st.booleans(), is_proven=st.booleans(), binds=st.booleans())
@settings(max_examples=1_000, deadline=None)
def test_no_sequence_ends_naked_that_natively_ends_flat_or_protected(
    steps: list[str], flag: bool, is_proven: bool, binds: bool
) -> None:
    """And at no moment is the position larger than at the start, or on the other side."""
    native, ours = World(), Guarded(is_proven=is_proven, is_flag_binding=binds)
    for world in (native, ours):
        # The stop was there before the gate closed
        stop = OwnOrder("O-0", -START, "INITIALIZED", "STOP_MARKET", is_reduce_only=flag and binds)
        World.pass_on(world, stop)
        world.settle()
        for step in steps:
            act(world, step, flag and binds)
        world.settle()
    assert (ours.venue.most, ours.venue.least >= 0) == (START, True)
    if native.venue.is_clean and not native.venue.is_naked:
        assert not ours.venue.is_naked
