"""
The hooks of a strategy on 2.0, between a recovery and the permission to trade.
"""

from tests.node2.support import SYMBOL
from tests.node2.support import TRADER
from tests.node2.support import Bench


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
