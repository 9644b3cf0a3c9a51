"""
The settings of Redis that the pages advise, on a real server and with real nodes.
"""

import asyncio
import re
import shutil
from collections.abc import Awaitable
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nautilus_trader.config import CacheConfig
from nautilus_trader.config import DatabaseConfig

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from nautilus_recovery_actor.testkit import paper_node
from nautilus_recovery_actor.testkit import paper_node_config
from nautilus_recovery_actor.testkit import running
from tests.docs.nodes import SYMBOL
from tests.docs.nodes import TRADER
from tests.docs.servers import CONFIG
from tests.docs.servers import Server
from tests.docs.servers import serving
from tests.facts.support import eventually


ROOT = CONFIG.parents[2]
NODE, OPERATOR = "live-001", "operator-live-001"
# What `check` asks with the rights of the node, beyond what the node does
CHECKED = {"discard", "config|get"}


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
    user = re.search(rf"^user {NODE} .*$", CONFIG.read_text(), re.MULTILINE)
    assert user
    assert user[0] in page.splitlines()


def test_a_node_trades_is_killed_and_recovers_with_the_rights_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that node, operator or check do is denied, and no right of the node is idle."""
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
            assert main([*asked, "--redis", server.url(OPERATOR)]) == 1
            looked = ["--trader", TRADER, "--redis", server.url(OPERATOR)]
            for command in ("status", "history", "inspect"):
                assert main([command, *looked]) == 0
            assert process.stop() == 0
        monkeypatch.setenv("CHECKED_URL", server.url(NODE))
        assert main(["check", "tests.docs.nodes:checked"]) == 0
        assert recovered["epoch"] == 2
        assert recovered["outcome"] == "ADJUSTED"
        assert recovered["positions"] == []
        assert admin.acl_log() == []
        used = {name.removeprefix("cmdstat_") for name in admin.info("commandstats")}
    assert allowed(NODE) - used <= CHECKED


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
        assert may(OPERATOR, "RPUSH", f"trader-{TRADER}:recovery:commands:a", "1")
        assert not may(OPERATOR, "RPUSH", "trader-OTHER-001:recovery:commands:a", "1")
        assert not may(OPERATOR, "LPOP", f"trader-{TRADER}:orders:a")
        assert may(OPERATOR, "GET", own)
        assert not may(OPERATOR, "SET", own, "1")
        assert not may(OPERATOR, "DEL", own)


@pytest.mark.parametrize(
    ("config", "options", "is_kept"),
    [(CONFIG, (), True), (None, ("--appendonly", "no", "--save", "3600 1"), False)],
    ids=["advised", "snapshots"],
)
def test_a_killed_server_has_what_it_answered_if_it_appends(
    tmp_path: Path, config: Path | None, options: tuple[str, ...], is_kept: bool
) -> None:
    """With snapshots alone all is lost since the last one."""
    with serving(tmp_path, *options, config=config) as server:
        with server.client() as client:
            client.set("answered", "1")
        server.kill()
        server.start()
        with server.client() as client:
            assert bool(client.exists("answered")) is is_kept


def test_a_backup_is_restored_as_the_page_says(tmp_path: Path) -> None:
    """A server that is told to append finds no file to append to, and starts empty."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with serving(first) as server, server.client() as client:
        client.set("kept", "1")
        client.save()
    with serving(second, "--appendonly", "yes") as server, server.client() as client:
        assert client.dbsize() == 0
        client.shutdown(nosave=True)
    for path in second.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy(first / "dump.rdb", second)
    with serving(second, "--appendonly", "no") as server, server.client() as client:
        assert client.get("kept") == b"1"
        client.config_set("appendonly", "yes")
        eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        server.kill()
    with serving(second) as server, server.client() as client:
        assert client.get("kept") == b"1"


class Writer:
    """
    A node whose cache is written to.
    """

    def __init__(self, server: Server, node: Any) -> None:
        self._server = server
        self._node = node

    async def write(self, *keys: str) -> None:
        """
        Write in a transaction each: what is written at once goes in one.
        """
        for key in keys:
            self._node.cache.add(key, b"1")
            await asyncio.sleep(0.3)

    async def until_stored(self, key: str) -> None:
        for _ in range(2000):
            if key in self.stored():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{key} was never stored")

    def stored(self) -> set[str]:
        prefix = f"trader-{TRADER}:general:"
        with self._server.client() as client:
            return {key.decode().removeprefix(prefix) for key in client.scan_iter(f"{prefix}*")}


def write(server: Server, scenario: Callable[[Writer], Awaitable[None]]) -> None:
    """
    Run a scenario with a node of the trader.
    """

    async def run() -> None:
        database = DatabaseConfig(**server.database(NODE))
        node = paper_node(paper_node_config(trader_id=TRADER, database=database))
        async with running(node):
            await scenario(Writer(server, node))

    asyncio.run(run())


def test_a_node_loses_the_first_write_into_a_dead_server_and_keeps_the_others(
    tmp_path: Path,
) -> None:
    """What is written while the server is away arrives later, but for the first transaction."""

    async def scenario(writer: Writer) -> None:
        await writer.write("before")
        await writer.until_stored("before")
        server.kill()
        await writer.write("first", "second", "third")
        server.start()
        await writer.until_stored("third")
        assert writer.stored() == {"before", "second", "third"}

    with serving(tmp_path) as server:
        write(server, scenario)


def test_what_the_server_refuses_is_lost(tmp_path: Path) -> None:
    """A full memory costs events, also when there is room again."""

    async def scenario(writer: Writer) -> None:
        with server.client() as client:
            client.config_set("maxmemory", "1")
            await writer.write("refused")
            client.config_set("maxmemory", "0")
        await writer.write("after")
        await writer.until_stored("after")
        assert writer.stored() == {"after"}

    with serving(tmp_path) as server:
        write(server, scenario)


@pytest.mark.parametrize(("user", "is_kept"), [("admin", False), (NODE, True)])
def test_flush_on_start_deletes_also_what_belongs_to_another_trader(
    tmp_path: Path, user: str, is_kept: bool
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
