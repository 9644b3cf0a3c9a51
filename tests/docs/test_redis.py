"""
The settings of Redis that the pages advise, on a real server and with real nodes.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig

from nautilus_recovery_actor.cli import main
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.docs.nodes import SYMBOL
from tests.docs.nodes import TRADER
from tests.docs.servers import CONFIG
from tests.docs.servers import serving
from tests.facts.support import eventually


ROOT = CONFIG.parents[2]
NODE, OPERATOR = "live-001", "operator-live-001"


def allowed(user: str) -> set[str]:
    """
    Return the commands that the configuration names for a user.
    """
    line = re.search(rf"^user {user} .*$", CONFIG.read_text(), re.MULTILINE)
    assert line
    return set(re.findall(r" \+([a-z|]+)", line[0]))


def test_the_page_shows_the_configuration_that_is_tested() -> None:
    """The page names each setting of the file with its value."""
    page = (ROOT / "docs" / "redis.md").read_text()
    for setting in ("appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction"):
        assert re.search(rf"^{setting}$", CONFIG.read_text(), re.MULTILINE)
        assert f"`{setting}`" in page


def test_a_node_trades_is_killed_and_recovers_with_the_rights_of_its_user(tmp_path: Path) -> None:
    """Nothing that the node or the operator does is denied, and no right of the node is idle."""
    with serving(tmp_path) as server, PaperVenue() as venue, server.client() as admin:
        venue.set_price(SYMBOL, 2000)
        given: dict[str, Any] = {"port": venue.port, "database": server.database(NODE)}
        with NodeProcess("tests.docs.nodes:protected", **given) as process:
            process.wait_for("recovered")
            process.wait_for("purged")
            (stop,) = venue.wait_for_order(None, "ACCEPTED")
            key = f"trader-{TRADER}:orders:{stop.client_order_id}"
            eventually(lambda: admin.llen(key) == 3)  # Initialized, submitted, accepted
            process.kill()
        venue.set_price(SYMBOL, 1890)
        with NodeProcess("tests.docs.nodes:protected", **given) as process:
            recovered = process.wait_for("recovered")
            asked = ["resume", "--trader", TRADER, "--reason", "to be refused"]
            assert main([*asked, "--redis", server.url(OPERATOR), "--encoding", "json"]) == 1
            assert process.stop() == 0
        assert recovered["epoch"] == 2
        assert recovered["outcome"] == "ADJUSTED"
        assert recovered["positions"] == []
        assert admin.acl_log() == []
        used = {name.removeprefix("cmdstat_") for name in admin.info("commandstats")}
    assert allowed(NODE) - used == set()


def test_the_rights_of_a_node_end_at_its_own_keys_and_cannot_empty_the_server(
    tmp_path: Path,
) -> None:
    """Not even `flush_on_start` can; the operator changes no key of the trader."""
    own, other = f"trader-{TRADER}:general:a", "trader-OTHER-001:general:a"
    with serving(tmp_path) as server, server.client() as admin:

        def may(user: str, *command: str) -> bool:
            answer = admin.execute_command("ACL", "DRYRUN", user, *command)
            return answer in (b"OK", "OK")

        assert may(NODE, "SET", own, "1")
        assert not may(NODE, "SET", other, "1")
        assert not may(NODE, "GET", other)
        for command in ("FLUSHDB", "FLUSHALL", "SHUTDOWN"):
            assert not may(NODE, command)
            assert not may(OPERATOR, command)
        assert not may(NODE, "CONFIG", "SET", "maxmemory", "1")
        assert not may(NODE, "XADD", "recovery-commands", "*", "topic", "payload")
        assert may(OPERATOR, "XADD", "recovery-commands", "*", "topic", "payload")
        assert may(OPERATOR, "GET", own)
        assert not may(OPERATOR, "SET", own, "1")
        assert not may(OPERATOR, "DEL", own)


@pytest.mark.parametrize(
    ("config", "options", "is_kept"),
    [
        (CONFIG, (), True),
        (None, ("--appendonly", "no", "--save", "3600 1"), False),
    ],
    ids=["advised", "snapshots"],
)
def test_a_killed_server_has_what_it_answered_if_it_appends(
    tmp_path: Path,
    config: Path | None,
    options: tuple[str, ...],
    is_kept: bool,
) -> None:
    """With snapshots alone all is lost since the last one."""
    with serving(tmp_path, *options, config=config) as server:
        with server.client() as client:
            client.set("answered", "1")
        server.kill()
        server.start()
        with server.client() as client:
            assert bool(client.exists("answered")) is is_kept


def test_a_node_loses_the_first_write_into_a_dead_server_and_keeps_the_others(
    tmp_path: Path,
) -> None:
    """What is written while the server is away arrives later, but for the first transaction."""

    async def write(node: Any, server: Any) -> None:
        node.cache.add("before", b"1")
        await until(server, "before")
        server.kill()
        for key in ("first", "second", "third"):
            node.cache.add(key, b"1")
            await asyncio.sleep(0.3)  # A transaction each: what is written at once goes in one
        server.start()
        await until(server, "third")

    async def until(server: Any, key: str) -> None:
        with server.client() as client:
            for _ in range(1000):
                if client.exists(f"trader-{TRADER}:general:{key}"):
                    return
                await asyncio.sleep(0.01)
        raise AssertionError(key)

    async def scenario(server: Any, venue: PaperVenue) -> None:
        config = paper_node_config(
            [venue.exec_config(symbols=(SYMBOL,))],
            trader_id=TRADER,
            database=DatabaseConfig(**server.database(NODE)),
        )
        node = paper_node(config)
        async with running(node):
            await write(node, server)

    with serving(tmp_path) as server, PaperVenue() as venue:
        asyncio.run(scenario(server, venue))
        with server.client() as client:
            names = ("before", "first", "second", "third")
            keys = [f"trader-{TRADER}:general:{name}" for name in names]
            assert [bool(client.exists(key)) for key in keys] == [True, False, True, True]


@pytest.mark.parametrize(("user", "is_kept"), [("admin", False), (NODE, True)])
def test_flush_on_start_deletes_also_what_belongs_to_another_trader(
    tmp_path: Path,
    user: str,
    is_kept: bool,
) -> None:
    """Only the rights of its user stop a node that is configured so."""

    async def scenario(database: DatabaseConfig) -> None:
        cache = CacheConfig(database=database, flush_on_start=True)
        async with running(paper_node(paper_node_config(trader_id=TRADER, cache=cache))):
            pass

    with serving(tmp_path) as server, server.client() as admin:
        admin.set("trader-OTHER-001:general:a", "1")
        asyncio.run(scenario(DatabaseConfig(**server.database(user))))
        assert bool(admin.exists("trader-OTHER-001:general:a")) is is_kept
