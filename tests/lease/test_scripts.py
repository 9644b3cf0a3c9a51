"""
What the scripts do on a real server.
"""

import random
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis

from nautilus_recovery_actor.core import names
from nautilus_recovery_actor.core.lease import Process
from nautilus_recovery_actor.link import scripts
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.server import Server
from nautilus_recovery_actor.outside import holding
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.core.lease_model import World


OWN = Namespace(trader_id="T-1")
KEYS = (names.LEASE, names.FENCE)
PROCESS = Process("host", 7, "boot/1", "100")
SECS = 15.0


class Lease:
    """
    The lease of one trader on a server.
    """

    def __init__(self, valkey: EmbeddedValkey) -> None:
        self._server = Server(valkey.url, OWN)
        self.client: Any = valkey.client()
        self.lease, self.fence = map(OWN.own_key, KEYS)

    def ask(self, script: str, *values: object) -> Any:
        return self._server.ask_now(script, KEYS, *values)

    def survey(self) -> Any:
        return scripts.read_survey(self.ask(scripts.SURVEY))

    def take(self, token: str, least: int = 1, found: Any = None) -> Any:
        at = found or self.survey()
        return self.ask(scripts.TAKE, *scripts.take_arguments(at, token, PROCESS, SECS, least))

    def renew(self, token: str) -> bool:
        answer = self.ask(scripts.RENEW, token, 15_000, 3)
        return scripts.read_renewal(answer).is_renewed

    def take_over(self) -> holding.Taken:
        return holding.take_over(self.client, OWN, "ann@desk")


@pytest.fixture
def lease(valkey: EmbeddedValkey) -> Iterator[Lease]:
    found = Lease(valkey)
    yield found
    found.client.close()


def test_it_is_taken_once_for_what_was_seen(lease: Lease) -> None:
    """A renewal in between counts as well."""
    before = lease.survey()
    assert before.last is None
    assert int(lease.take("one", found=before)[0]) == 1
    assert lease.take("two", found=before) == []
    found = lease.survey()
    assert (found.last.token, found.last.process, found.is_held) == ("one", PROCESS, True)
    assert found.last.lasts_secs == SECS
    time.sleep(0.002)  # The stamp has milliseconds
    assert lease.renew("one")
    assert not lease.renew("two")
    assert lease.take("two", found=found) == []
    assert int(lease.take("two")[0]) == 2
    assert not lease.renew("one")


def test_who_had_it_is_known_when_it_has_run_out(lease: Lease) -> None:
    """But not when it was given back."""
    lease.take("one")
    lease.client.delete(lease.lease)
    found = lease.survey()
    assert (found.last.token, found.is_held, found.last.is_free) == ("one", False, False)
    assert not lease.renew("one")
    lease.take("two")
    assert lease.ask(scripts.GIVE_BACK, "one") == 0
    assert lease.ask(scripts.GIVE_BACK, "two") == 1
    found = lease.survey()
    assert (found.last.token, found.is_held, found.last.is_free) == ("two", False, True)
    assert lease.client.keys() == [lease.fence.encode()]


def test_a_fence_never_goes_back(lease: Lease) -> None:
    """Whatever stands there, and whoever knows of a later one."""
    lease.take("one", least=7)
    assert lease.survey().last.fence == 7
    lease.client.flushall()
    assert int(lease.take("two", least=8)[0]) == 8
    for damage in (b"x", b"-5", b"1e400", b"nan", b"9" * 400, b"\xff\0"):
        lease.client.hset(lease.fence, "fence", damage)
        assert int(lease.take("three", least=9)[0]) == 9
        assert lease.take_over().fence >= 10


@pytest.mark.parametrize("name", ["token", "fence", "renewed", "lasts", "pid", "since", "free"])
@pytest.mark.parametrize("damage", [b"", b"\xff\0\n", b"9" * 10_000, b"9" * 17, b"-1"])
def test_damaged_entries_read_as_unknown(lease: Lease, name: str, damage: bytes) -> None:
    """And are taken for what they are: somebody who has to be waited for."""
    lease.take("one")
    for key in (lease.lease, lease.fence):
        lease.client.hset(key, name, damage)
    found = lease.survey()
    assert found.last.lasts_secs == SECS
    status = holding.lease_status("T-1", holding.found(lease.client, OWN))
    assert status.reason
    assert msgspec.json.encode(status)
    assert lease.take("two", found=found)
    assert lease.survey().last.token == "two"


def test_what_is_no_lease_stays_until_an_operator_takes_over(lease: Lease) -> None:
    """Nobody knows who has written it."""
    for key in (lease.lease, lease.fence):
        lease.client.set(key, b"x" * 1_000_000)
        with pytest.raises(Exception, match="WRONGTYPE"):
            lease.survey()
        with pytest.raises(Exception, match="WRONGTYPE"):
            holding.found(lease.client, OWN)
        assert lease.take_over().fence == 1
        assert lease.survey().last.is_reserved
        lease.client.flushall()


def test_a_taken_over_node_frees_it_for_the_next_one(lease: Lease) -> None:
    """Once its gates are closed, and not one that was taken over before."""
    lease.take("one")
    taken = lease.take_over()
    assert (taken.fence, taken.wait_secs) == (2, SECS)
    assert "process 7 on host" in taken.holder
    assert lease.take_over().wait_secs == SECS  # Still the same node
    assert not lease.renew("one")
    assert lease.ask(scripts.YIELD, 2) == 0
    assert not lease.survey().last.is_free
    assert lease.ask(scripts.YIELD, 1) == 1
    assert lease.survey().last.is_free
    assert lease.take_over().wait_secs == 0.0
    assert int(lease.take("two")[0]) == 5
    assert lease.ask(scripts.YIELD, 1) == 0
    assert not lease.survey().last.is_free


@pytest.mark.parametrize("seed", range(10))
def test_the_server_does_what_the_model_does(lease: Lease, seed: int) -> None:
    """Of whatever is asked, in whatever order."""
    chance, world, old = random.Random(seed), World(), []
    model = world.server
    for number in range(60):
        token = chance.choice("abc")
        match chance.choice(["take", "late", "renew", "give_back", "take_over", "yield"]):
            case "take":
                world.pass_by(0.01)
                mine = model.take(model.stamp, token, PROCESS, number % 5)
                assert int(lease.take(token, number % 5)[0]) == mine[0]  # type: ignore[index]
            case "late":
                old.append((lease.survey(), model.stamp))
                at, stamp = old[0]
                mine = model.take(stamp, token, PROCESS, 1)
                assert bool(lease.take(token, 1, at)) is bool(mine)
            case "renew":
                time.sleep(0.002)
                world.pass_by(0.01)
                assert lease.renew(token) is bool(model.renew(token))
            case "give_back":
                model.give_back(token)
                lease.ask(scripts.GIVE_BACK, token)
            case "take_over":
                model.take_over()
                lease.take_over()
            case _:
                fence = chance.randint(1, 4)
                model.yielded(fence)
                lease.ask(scripts.YIELD, fence)
        found, expected = lease.survey(), model.survey()
        assert found.is_held is expected.is_held or found.last.is_reserved
        if expected.last is not None:
            assert (found.last.token, found.last.fence) == (
                expected.last.token,
                expected.last.fence,
            )
            assert found.last.is_free is expected.last.is_free


def test_a_server_that_is_full_still_lets_it_be_renewed(lease: Lease) -> None:
    """Else a healthy node would lose it, and take it again, and again."""
    lease.take("a")
    lease.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.OutOfMemoryError):
            lease.client.set("x", "y")
        lease.client.pexpire(lease.lease, 5_000)
        assert lease.renew("a")
        assert lease.client.pttl(lease.lease) > 5_000
        assert not lease.renew("b")
    finally:
        lease.client.config_set("maxmemory", 0)
