"""
Who may run a trader: what a node decides, on the model of a server.
"""

import msgspec
import pytest

from nautilus_recovery_actor.core import lease as deciding
from nautilus_recovery_actor.core.lease import Claim
from nautilus_recovery_actor.core.lease import Found
from nautilus_recovery_actor.core.lease import Holder
from nautilus_recovery_actor.core.lease import Lease
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.core.lease import Standing
from nautilus_recovery_actor.core.lease import Watch
from tests.core.lease_model import EPOCH
from tests.core.lease_model import HEARTBEAT
from tests.core.lease_model import LEASE
from tests.core.lease_model import SEC
from tests.core.lease_model import TENURE
from tests.core.lease_model import Node
from tests.core.lease_model import World


HERE = Process("host", 7, "boot/1", "100")
HOLDER = Holder("token", 4, Process("other", 5), "", EPOCH, EPOCH, 0, LEASE)
SEEN = Watch(HOLDER, 0)


def serve(world: World, node: Node, turns: int = 3) -> None:
    """
    Answer what a node asks.
    """
    for _ in range(turns):
        if node.asked is not None:
            world.server.carry_out(node.asked)
            node.answered()


def wait(world: World, secs: float, *nodes: Node) -> None:
    """
    Let time go by for some nodes, while all others are cut off.
    """
    for _ in range(round(secs * 2)):
        for node in nodes:
            serve(world, node)
        assert len(world.trading) <= 1
        world.pass_by(0.5)


def started(world: World, *, machine: str = "") -> Node:
    node = world.start(machine=machine)
    serve(world, node)
    return node


# -- WHO WANTS IT --


@pytest.mark.parametrize(
    ("changes", "is_alive", "at", "expected"),
    [
        ({}, None, 0, Claim.WAIT),
        ({}, None, LEASE - 0.1, Claim.WAIT),
        ({}, None, LEASE, Claim.TAKE),
        ({}, False, 0, Claim.TAKE),
        ({}, True, 0, Claim.REFUSED),
        ({"ts_renewed": EPOCH + 1}, None, 0, Claim.REFUSED),
        ({"ts_renewed": EPOCH - 1}, None, LEASE, Claim.REFUSED),
        ({"is_free": True}, None, 0, Claim.TAKE),
        ({"lasts_secs": 60.0}, None, LEASE, Claim.WAIT),
        ({"token": ""}, None, 0, Claim.WAIT),
        ({"token": ""}, True, 0, Claim.WAIT),
        ({"token": "", "is_free": True}, True, 0, Claim.TAKE),
        ({"token": ""}, False, 0, Claim.TAKE),
    ],
)
def test_only_who_is_known_to_have_stopped_is_not_waited_for(
    changes: dict[str, object], is_alive: bool | None, at: float, expected: Claim
) -> None:
    """Whatever the server's clock says, also of when it was renewed."""
    last = msgspec.structs.replace(HOLDER, **changes)
    for now in (EPOCH, EPOCH + 500 * SEC, EPOCH - 500 * SEC):
        found = Found(now, last, is_held=True)
        assert deciding.claim(found, SEEN, round(at * SEC), is_alive=is_alive) is expected


def test_what_ran_out_is_waited_for_unless_that_was_long_ago() -> None:
    """The server's clock may have been set forward, but not by ten minutes."""
    for secs, expected in ((599, Claim.WAIT), (600, Claim.TAKE)):
        found = Found(EPOCH + secs * SEC, HOLDER)
        assert deciding.claim(found, SEEN, 0, is_alive=None) is expected
        held = msgspec.structs.replace(found, is_held=True)
        assert deciding.claim(held, SEEN, 0, is_alive=None) is Claim.WAIT


def test_a_process_that_runs_may_have_been_stopped_for_longer_than_its_lease() -> None:
    """So it is refused only while the lease has not run out."""
    assert deciding.claim(Found(EPOCH, HOLDER), SEEN, 0, is_alive=True) is Claim.WAIT
    waited = round(LEASE * SEC)
    assert deciding.claim(Found(EPOCH, HOLDER), SEEN, waited, is_alive=True) is Claim.TAKE


def test_a_server_that_knows_of_nobody_gives_it_at_once() -> None:
    """There is nobody to be waited for."""
    assert deciding.claim(Found(EPOCH), None, 0, is_alive=None) is Claim.TAKE


def test_the_wait_begins_anew_with_another_holder_and_not_with_a_renewal() -> None:
    """Who takes it has to be waited for as long as anybody."""
    found = Found(EPOCH, HOLDER)
    first = deciding.watched(None, found, 1)
    assert first == Watch(HOLDER, 1)
    renewed = msgspec.structs.replace(HOLDER, ts_renewed=EPOCH + 1)
    assert deciding.watched(first, Found(EPOCH, renewed), 2) is first
    other = msgspec.structs.replace(HOLDER, fence=5)
    assert deciding.watched(first, Found(EPOCH, other), 2) == Watch(other, 2)
    assert deciding.watched(first, Found(EPOCH), 2) is None


@pytest.mark.parametrize(
    ("process", "started_now", "expected"),
    [
        (HERE, "100", True),
        (HERE, "200", False),  # Another one has its number
        (HERE, None, False),
        (msgspec.structs.replace(HERE, started=""), "100", None),
        (msgspec.structs.replace(HERE, started=""), None, False),
        (msgspec.structs.replace(HERE, machine="boot/2"), None, None),
        (msgspec.structs.replace(HERE, host="copy"), None, None),
    ],
)
def test_a_process_is_judged_on_its_own_machine_only(
    process: Process, started_now: str | None, expected: bool | None
) -> None:
    """Elsewhere its number says nothing."""
    assert deciding.is_alive(process, HERE, started_now) is expected
    nowhere = msgspec.structs.replace(HERE, machine="")
    assert deciding.is_alive(process, nowhere, started_now) is None


# -- WHO HAS IT --


def test_a_holder_relies_on_it_for_less_than_others_wait() -> None:
    """From before it asked."""
    lease = deciding.taken(3, EPOCH, 1 * SEC, TENURE)
    assert lease == Lease(Standing.HELD, 3, round((1 + TENURE) * SEC), "", EPOCH)
    assert TENURE < LEASE == deciding.lease_secs(HEARTBEAT)
    assert deciding.over(lease, lease.until - 1) is lease
    over = deciding.over(lease, lease.until)
    assert (over.standing, over.until) == (Standing.OVER, 0)
    assert "this process was not running" in over.problem


def test_a_server_that_is_away_is_named_once_it_is_too_late() -> None:
    """Until then trading goes on."""
    lease = deciding.away(deciding.taken(3, EPOCH, 0, TENURE), "it is gone")
    assert lease.standing is Standing.AWAY
    assert lease.standing.may_trade
    assert lease.until == round(TENURE * SEC)
    over = deciding.over(lease, lease.until)
    assert not over.standing.may_trade
    assert over.problem.endswith("The lease cannot be renewed (it is gone)")
    assert deciding.away(over, "again") is over
    assert deciding.renewed(over, None, 0, TENURE).problem == ""


@pytest.mark.parametrize("standing", list(Standing))
def test_what_raises_while_it_is_kept_takes_the_permission_away(standing: Standing) -> None:
    """Nobody renews it any more."""
    lease = deciding.broken(Lease(standing, 3, 99), "ValueError")
    if standing is not Standing.TAKEN:
        assert lease.standing is Standing.OVER
        assert lease.until == 0
        assert "ValueError" in lease.problem
    assert not lease.standing.may_trade


@pytest.mark.parametrize("standing", [Standing.HELD, Standing.AWAY, Standing.OVER])
@pytest.mark.parametrize(
    ("last", "in_time", "too_late"),
    [
        (None, True, True),  # Emptied
        (msgspec.structs.replace(HOLDER, token="own", fence=9), True, True),  # Ran out
        (msgspec.structs.replace(HOLDER, fence=10, ts_since=EPOCH + 1), False, False),
        # An old copy of the server's, from before this node took it
        (msgspec.structs.replace(HOLDER, fence=8, ts_since=EPOCH - 1), True, True),
        # Another one took it from a server that had been emptied
        (msgspec.structs.replace(HOLDER, fence=1, ts_since=EPOCH + 1), False, False),
        (msgspec.structs.replace(HOLDER, fence=10, ts_since=EPOCH - 1), False, False),
        (msgspec.structs.replace(HOLDER, token="", fence=10), False, False),
    ],
)
def test_a_lease_is_taken_again_only_if_nobody_had_it(
    standing: Standing, last: Holder | None, in_time: bool, too_late: bool
) -> None:
    """What another node did meanwhile is not in this one's cache."""
    lease = Lease(standing, 9, 100, "", EPOCH)
    after, is_to_take = deciding.lost(lease, "own", Found(EPOCH, last))
    assert is_to_take is (too_late if standing is Standing.OVER else in_time)
    assert after.standing is (standing if is_to_take else Standing.TAKEN)
    if not is_to_take:
        assert after.until == 0
        assert "has taken the lease" in after.problem


def test_an_old_copy_in_which_somebody_has_it_is_not_taken_back_once_it_ran_out() -> None:
    """Who it names may run all the same."""
    older = Found(EPOCH, msgspec.structs.replace(HOLDER, fence=8, ts_since=EPOCH - 1), is_held=True)
    held, over = (Lease(one, 9, 100, "", EPOCH) for one in (Standing.HELD, Standing.OVER))
    assert deciding.lost(held, "own", older) == (held, True)
    assert deciding.lost(over, "own", older)[0].standing is Standing.TAKEN


# -- ON THE MODEL --


def test_of_two_nodes_that_start_in_the_same_moment_one_has_it() -> None:
    """Both have seen that it is free."""
    world = World()
    one, two = world.start(), world.start()
    for _ in range(3):
        for node in (one, two):
            serve(world, node, 1)
    assert [node.may_trade for node in (one, two)] == [True, False]


def test_a_clock_of_the_server_that_is_set_forward_makes_no_second_node() -> None:
    """The lease has run out there, and its holder does not know."""
    world = World()
    one = started(world)
    world.server.offset += 300 * SEC
    two = started(world)
    wait(world, TENURE - 1, two)
    assert one.may_trade
    wait(world, LEASE, two)
    assert two.may_trade
    serve(world, one)
    assert one.lease.standing is Standing.TAKEN


def test_a_renewal_in_the_last_moment_keeps_the_next_node_from_it() -> None:
    """Who waits has looked before, and takes after it."""
    world = World()
    one, two = started(world), started(world)
    wait(world, LEASE - 0.5, two)
    world.pass_by(0.5)
    world.server.offset -= SEC
    serve(world, two, 2)
    assert two.asked is not None
    assert two.asked.what == "take"
    serve(world, one, 1)
    serve(world, two, 1)
    assert two.lease.standing is Standing.OVER
    serve(world, one)
    assert [node.may_trade for node in (one, two)] == [True, False]


def test_who_waits_begins_anew_when_another_one_is_faster() -> None:
    """Two wait for the same dead node."""
    world = World()
    started(world).is_alive = False
    two, three = started(world), started(world)
    wait(world, LEASE - 0.5, three)
    wait(world, LEASE, two)
    assert two.may_trade
    wait(world, TENURE - 1, three)
    assert [node.may_trade for node in (two, three)] == [True, False]


def test_a_taken_over_node_is_waited_for_until_its_gates_are_closed() -> None:
    """An older one that was taken over before says nothing of it."""
    world = World()
    one = started(world)
    world.server.take_over()
    serve(world, one, 2)  # Closed, and its word on the way
    two = started(world)
    assert not two.may_trade
    serve(world, one)
    serve(world, two)
    assert two.may_trade
    world.server.take_over()
    world.server.yielded(one.lease.fence)
    three = started(world)
    assert [node.may_trade for node in (two, three)] == [True, False]
    wait(world, LEASE + 1, three)
    assert [node.may_trade for node in (two, three)] == [False, True]


def test_the_first_contact_with_an_emptied_server_closes_the_older_node() -> None:
    """Another one has started there, and nothing said that it must not."""
    world = World()
    for _ in range(3):
        one = started(world)
        one.stop()
    one = started(world)
    world.server.flush()
    two = started(world)
    serve(world, one)
    assert one.lease.standing is Standing.TAKEN
    wait(world, LEASE, two)
    assert two.may_trade


def test_an_emptied_server_gives_it_back_to_who_had_it() -> None:
    """Without a moment in between, and with a higher fence."""
    world = World()
    started(world).stop()
    one = started(world)
    assert one.lease.fence == 2
    world.server.flush()
    serve(world, one)
    assert one.may_trade
    assert one.lease.fence == 3


# -- IN WORDS --


def test_a_refusal_names_the_other_node_and_what_to_do_in_one_line() -> None:
    """Also where what is stored tries to write a second one."""
    holder = Holder("t", 3, Process("ho\nst", 42), "", EPOCH, EPOCH + 60 * SEC, 0, LEASE)
    line = deciding.refusal("LIVE-001", Found(EPOCH + 62 * SEC, holder))
    assert line.startswith("Another node runs LIVE-001: process 42 on ho")
    assert "for 1 min 2 s (renewed 2 s ago)" in line
    assert "nautilus-recovery lease --trader LIVE-001 --take-over" in line
    assert len(line.splitlines()) == 1
    assert "in this very process" in deciding.refusal("T", Found(EPOCH, holder), is_here=True)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("this user has no permissions to run the 'eval' command", "+eval"),
        ("WRONGTYPE Operation against a key", "--take-over"),
        ("Connection refused", None),
    ],
)
def test_an_error_of_the_server_says_what_to_do(error: str, expected: str | None) -> None:
    """At the registration, where it is seen first."""
    remedy = deciding.remedy(error, "LIVE-001")
    assert (expected in remedy) if expected else not remedy
