"""
The hooks of a strategy on 2.0, between a recovery and the permission to trade.
"""

import time

from nautilus_recovery_actor.core.order_ids import made_at
from tests.node2.support import RESTING
from tests.node2.support import SYMBOL
from tests.node2.support import TRADER
from tests.node2.support import Bench


GENERAL = f"trader-{TRADER}:general:recovery"


def test_an_exit_that_has_outlived_its_position_is_named(bench: Bench) -> None:
    """
    Before trading is enabled, and its cancel passes the closed gate.
    """
    with bench.node(way="Taking") as node:
        node.wait_for(lambda _: len(node.all("accepted")) == 3)
        bench.venue.set_price(SYMBOL, "150.00")
        node.wait_for("closed")
        bench.valkey.wait_for(
            lambda client: client.scard(f"trader-{TRADER}:index:positions_closed") == 1
        )
        node.kill()
    with bench.node(way="Taking") as node:
        assert node.wait_for("complete")["outcome"] == "CLEAN"
        assert node.wait_for("orphans")["orders"] == ["STOP_MARKET"]
        node.wait_for("canceled")
        node.wait_for("enabled")
        facts = [one["fact"] for one in node.facts]
        assert facts.index("complete") < facts.index("orphans") < facts.index("enabled")


def test_a_submit_that_nobody_has_answered_is_named(bench: Bench) -> None:
    """
    It may be at the venue: the strategy hears of it before it may trade.
    """
    bench.venue.fail("POST order", "hang")
    with bench.node(way="Hanging") as node:
        sent = node.wait_for("submitted")["client_order_id"]
        bench.valkey.wait_for(lambda client: client.llen(f"trader-{TRADER}:orders:{sent}") == 2)
        node.kill()
    bench.venue.heal()
    with bench.node(way="Hanging") as node:
        node.wait_for("complete")
        assert sent in node.wait_for("unresolved")["orders"]
        facts = [one["fact"] for one in node.facts]
        assert "enabled" not in facts[: facts.index("unresolved")]


def test_an_order_that_the_cache_lost_is_named_until_it_was_taken(bench: Bench) -> None:
    """
    It rests at the venue, and Redis never got it. Each start names it, until the hook has returned
    and what was made of it is stored.
    """
    with bench.after_a_kill(way="Losing"), bench.valkey.client() as client:
        events = {key: client.llen(key) for key in client.keys(f"trader-{TRADER}:orders:*")}
        (key,) = (key for key, count in events.items() if count == RESTING)
        client.delete(key)
        lost = key.decode().rpartition(":")[2]
        # What is made in the second of a start counts as made by that start
        while (made := made_at(lost)) is None or made >= int(time.time()):
            time.sleep(0.05)
        for index in client.scan_iter(f"trader-{TRADER}:index:*"):
            if client.type(index) == b"set":
                client.srem(index, lost)
            elif client.type(index) == b"hash":
                client.hdel(index, lost)
    with bench.node(way="Refusing") as node:
        node.wait_for("lost")
        node.kill()
    with bench.node(way="Losing") as node:
        assert node.wait_for("lost")["orders"] == [f"{lost} 2.000"]
        node.wait_for("enabled")
        facts = [one["fact"] for one in node.facts]
        assert facts.index("complete") < facts.index("lost") < facts.index("enabled")
        # In this order: what is lost, the checkpoint, and that it was taken
        bench.valkey.wait_for(lambda client: client.keys(f"{GENERAL}:checkpoint:Trial-001:*"))
        bench.valkey.wait_for(lambda client: client.get(f"{GENERAL}:lost") == b"[]")
        node.kill()
    with bench.node(way="Losing") as node:
        assert node.wait_for("loaded")["filled"] == "71"
        node.wait_for("enabled")
        assert lost not in str(node.all("lost"))
