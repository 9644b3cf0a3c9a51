"""
How a server is looked at: in time, without writing, without telling a secret.
"""

import socket
import threading
import time
from tempfile import gettempdir
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from nautilus_trader.config import DatabaseConfig

from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.link.address import address
from nautilus_recovery_actor.link.address import database_url
from nautilus_recovery_actor.outside.checks.server import look_at_login
from nautilus_recovery_actor.outside.checks.server import look_at_server
from nautilus_recovery_actor.outside.checks.server import read_server
from nautilus_recovery_actor.outside.checks.server_facts import Trouble
from nautilus_recovery_actor.testkit import EmbeddedValkey
from tests.server.faults import OWN
from tests.server.faults import beat
from tests.server.faults import certified
from tests.server.faults import config
from tests.server.faults import run
from tests.server.stand_ins import Serve
from tests.server.stand_ins import drips
from tests.server.stand_ins import listening
from tests.server.stand_ins import never_answers
from tests.server.stand_ins import passes_to
from tests.server.stand_ins import says


SECRET = "s3cret-and-l0ng"


@pytest.mark.parametrize("serve", [never_answers, drips, says(b"$9999999\r\n")])
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_look_ends_in_time_whatever_the_server_does(serve: Serve, scheme: str) -> None:
    """Also when each single read is answered in time."""
    with listening(serve) as port:
        started = time.monotonic()
        facts = read_server(f"{scheme}://127.0.0.1:{port}", OWN, timeout_secs=0.4)
        assert time.monotonic() - started < 1.0
    assert facts.trouble in {Trouble.UNREACHABLE, Trouble.TLS}


def test_a_look_that_was_given_up_leaves_nothing_running() -> None:
    """Its thread ends with its connection."""
    with listening(drips) as port:
        read_server(f"redis://127.0.0.1:{port}", OWN, timeout_secs=0.2)
        looks = [thread for thread in threading.enumerate() if thread.name == "look-at-redis"]
        for look in looks:
            look.join(5)
        assert not [look for look in looks if look.is_alive()]


def test_what_was_seen_before_the_server_fell_silent_is_told() -> None:
    """And that it fell silent."""
    asked = []

    def forget(data: bytes) -> bytes:
        asked.append(data)
        return b"" if b"CONFIG" in data else data

    with EmbeddedValkey() as server, listening(passes_to(server.port, ask=forget)) as port:
        facts = read_server(f"redis://127.0.0.1:{port}", OWN, timeout_secs=0.5)
    assert facts.trouble is Trouble.UNREACHABLE
    assert facts.role == "master"


def test_nothing_is_written() -> None:
    """The server counts what it executes, and what changes."""
    with EmbeddedValkey() as server, server.client() as client:
        beat(server, age_secs=100)
        client.rpush("trader-T-1:orders:O-1", "x")
        client.config_resetstat()
        before = client.info("persistence")["rdb_changes_since_last_save"]
        assert look_at_server(server.url, OWN)
        assert client.info("persistence")["rdb_changes_since_last_save"] == before
        executed = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
        assert len(client.keys()) == 2
    words = "get mget getrange lrange smembers hgetall scan info ping time dbsize multi discard"
    words += " hmget pttl"
    words += " config|get config|resetstat config hello auth client client|setinfo client|setname"
    assert executed <= set(words.split())


def test_a_sound_server_has_no_findings_but_what_can_always_be_lost() -> None:
    """With its file, and what the trader stored."""
    with EmbeddedValkey(appendonly=True) as server:
        beat(server, age_secs=100)
        codes = [finding.code for finding in look_at_server(server.url, OWN)]
    assert codes == ["REDIS_LOSS_WINDOW"]


def test_a_node_that_may_run_is_no_finding() -> None:
    """For a look at a node that is up."""
    with EmbeddedValkey() as server:
        beat(server)
        assert "ANOTHER_LIVE_NODE" in {f.code for f in look_at_server(server.url, OWN)}
        up = look_at_server(server.url, OWN, is_live_ok=True)
        assert "ANOTHER_LIVE_NODE" not in {finding.code for finding in up}


def test_a_user_with_no_more_than_a_node_needs_is_enough_to_see_another_node() -> None:
    """What else it may not ask is told as not known, and blocks nothing."""
    rights = "+get +mget +set +del +scan +rpush +rpushx +lrange +sadd +srem +smembers +hset +hdel"
    rights += " +hgetall +hmget +pttl +pexpire +time +eval +info +client +hello +auth"
    with EmbeddedValkey() as server:
        beat(server)
        acl = ("on", f">{SECRET}", "~trader-T-1:*", "-@all", *rights.split())
        run(server, "ACL", "SETUSER", "node", *acl)
        found = {
            finding.code: finding
            for finding in look_at_server(f"redis://node:{SECRET}@127.0.0.1:{server.port}", OWN)
        }
    assert set(found) == {"ANOTHER_LIVE_NODE", "REDIS_NOT_TOLD"}
    assert found["REDIS_NOT_TOLD"].message == (
        "Could not be determined: CONFIG GET appendfsync, CONFIG GET save, "
        "CONFIG GET stop-writes-on-bgsave-error, DBSIZE, whether it accepts writes."
    )


def test_what_a_user_may_not_do_is_listed() -> None:
    """By the words that the ACL uses."""
    with EmbeddedValkey() as server:
        acl = ("on", f">{SECRET}", "~trader-T-1:*", "+@all", "-del", "-rpush", "-smembers")
        run(server, "ACL", "SETUSER", "node", *acl)
        url = f"redis://node:{SECRET}@127.0.0.1:{server.port}"
        messages = {f.code: f.message for f in look_at_server(url, OWN)}
    assert messages["REDIS_NOT_PERMITTED"] == "This user may not use SMEMBERS, RPUSH, DEL."


@pytest.mark.parametrize(
    "serve",
    [
        says(f"-ERR unknown command 'AUTH', with args: '{SECRET}'\r\n".encode()),
        says(f"-WRONGPASS {SECRET}\r\n".encode()),
        says(f"+{SECRET}\r\n".encode()),
        says(b"\x00\xff\x1b[31m\r\n"),
        never_answers,
    ],
)
@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_password_is_never_told(serve: Serve, scheme: str) -> None:
    """Not even when the server says it."""
    with listening(serve) as port:
        url = f"{scheme}://node:{SECRET}@127.0.0.1:{port}"
        found = look_at_server(url, OWN, timeout_secs=0.4)
        facts = read_server(url, OWN, timeout_secs=0.4)
    assert found
    assert SECRET not in f"{found}{facts}"
    assert all(finding.message.isprintable() for finding in found)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://node:{SECRET}/@127.0.0.1:6379",
        f"redis://:{SECRET}@127.0.0.1:no",
        f"http://:{SECRET}@127.0.0.1",
        f"redis://:{SECRET}@[::1",
        f":{SECRET}",
        "",
    ],
)
def test_a_url_that_is_none_is_a_finding(url: str) -> None:
    """Without a word of what it holds after the place where a password is."""
    found = look_at_server(url, OWN, timeout_secs=0.4)
    assert [finding.code for finding in found if finding.severity == "BLOCK"]
    assert SECRET not in str(found)


def test_a_login_is_encoded_in_a_url_as_nautilus_trader_reads_it() -> None:
    """What is percent-encoded in the configuration stays so, and the rest is encoded."""
    for given, sent in (("a%2Fb", "a/b"), ("p@:s s", "p@:s s"), ("100%", "100%"), ("ü", "ü")):
        database = DatabaseConfig(host="127.0.0.1", username="node", password=given)
        with EmbeddedValkey() as server:
            run(server, "ACL", "SETUSER", "node", "on", f">{sent}", "~*", "+@all")
            database = msgspec.structs.replace(database, port=server.port)
            assert look_at_login(database) == ()
            codes = {finding.code for finding in look_at_server(database_url(database), OWN)}
        assert "REDIS_NOT_AUTHENTICATED" not in codes, given
        assert "REDIS_NOT_PERSISTENT" in codes


@pytest.mark.parametrize(
    ("database", "told"),
    [
        ({"password": f"{SECRET}/"}, "The password contains / or ? or #"),
        ({"username": "a#", "password": SECRET}, "The username contains / or ? or #"),
        ({"username": "node"}, "A username without a password"),
        ({"host": "::1"}, "An IPv6 address as the host needs brackets: [::1]"),
        ({"host": "localhost:6379"}, "The host contains a port"),
        ({"host": f"redis://me:{SECRET}@db"}, "The host must be a name or an address"),
        ({"host": f"me:{SECRET}@db"}, "The host must be a name or an address"),
        ({"host": "/run/redis.sock"}, "The host must be a name or an address"),
    ],
)
def test_a_login_that_nautilus_trader_cannot_use_is_told(
    database: dict[str, Any], told: str
) -> None:
    """Before anything is sent."""
    (finding,) = look_at_login(DatabaseConfig(**database))
    assert finding.code == "REDIS_URL_INVALID"
    assert finding.message.startswith(told)
    assert SECRET not in str(finding)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://:pw@host:1", "host:1"),
        ("redis://[::1]:7", "[::1]:7"),
        ("redis://", "127.0.0.1:6379"),
        ("unix://:pw@/run/redis.sock?db=2", "/run/redis.sock"),
        (f"redis://:{SECRET}@host:x", "an unreadable address"),
    ],
)
def test_where_a_server_is_told_without_its_password(url: str, where: str) -> None:
    """As host and port, or as a path."""
    assert address(url) == where


def test_a_server_with_an_ipv6_address_is_reached() -> None:
    """With the brackets that NautilusTrader wants."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        listener.listen()
        database = DatabaseConfig(host="[::1]", port=listener.getsockname()[1])
        assert database_url(database) == f"redis://[::1]:{database.port}"
        (finding,) = look_at_server(database_url(database), OWN, timeout_secs=0.3)
        assert finding.code == "REDIS_UNREACHABLE"  # It listens, and never answers
        assert finding.message.startswith("It does not answer in time")
        assert finding.subject == f"Redis at [::1]:{database.port}"


def test_a_password_for_a_server_without_one_is_told_as_that() -> None:
    """A node that is given one never starts, although other clients get in."""
    with EmbeddedValkey() as server:
        findings = look_at_server(f"redis://:{SECRET}@{server.host}:{server.port}", OWN)
        told = {finding.code: finding.message for finding in findings}
        assert told["REDIS_NOT_AUTHENTICATED"].startswith("It has no password, and NautilusTrader")
        assert SECRET not in str(findings)


def test_a_unix_socket_is_for_our_commands() -> None:
    """It is as near as can be."""
    path = f"{gettempdir()}/{uuid4().hex}.sock"
    with EmbeddedValkey(arguments=("--unixsocket", path)):
        facts = read_server(f"unix://{path}", OWN)
    assert (facts.trouble, facts.is_local, facts.address) == (None, True, path)


def test_a_login_over_tls() -> None:
    """The user, the password and the encryption of a managed server."""
    with EmbeddedValkey() as server, certified(server) as (url, authority):
        config(server, requirepass=SECRET)
        login = url.replace("://", f"://:{SECRET}@")
        facts = read_server(f"{login}?ssl_ca_certs={authority}", OWN)
    assert (facts.trouble, facts.is_encrypted, facts.role) == (None, True, "master")


def test_a_plain_server_at_a_port_for_tls_is_named_as_what_it_may_be() -> None:
    """It waits for the end of a line that never comes."""
    with EmbeddedValkey() as server:
        (finding,) = look_at_server(f"rediss://127.0.0.1:{server.port}", OWN, timeout_secs=0.4)
    assert finding.code == "REDIS_UNREACHABLE"
    assert finding.message == "It does not answer in time: does this port speak TLS?"


def test_a_trader_id_is_no_pattern() -> None:
    """What would match other keys is taken as it is."""
    with EmbeddedValkey() as server, server.client() as client:
        client.set("trader-TX1:general:a", "b")
        assert read_server(server.url, Namespace(trader_id="T?1")).has_keys is False
        assert read_server(server.url, Namespace(trader_id="T*")).has_keys is False
        client.set("trader-T[1]*:general:a", "b")
        assert read_server(server.url, Namespace(trader_id="T[1]*")).has_keys is True


def test_a_trader_with_many_keys_of_others_is_found() -> None:
    """More than are looked at in one step."""
    with EmbeddedValkey() as server, server.client() as client:
        with client.pipeline() as pipe:
            for number in range(30_000):
                pipe.set(f"trader-OTHER-1:orders:{number}", "x")
            pipe.execute()
        assert read_server(server.url, OWN).has_keys is False
        client.set("T-1:general:a", "b")
        facts = read_server(server.url, OWN)
        assert (facts.has_keys, facts.elsewhere, facts.key_count) == (False, ("T-1:",), 30_001)
        bare = Namespace(trader_id="T-1", use_trader_prefix=False)
        assert read_server(server.url, bare).has_keys is True


def test_an_instance_of_a_trader_has_keys_of_its_own() -> None:
    """Those of another instance are elsewhere."""
    mine, other = str(uuid4()), str(uuid4())
    namespace = Namespace(trader_id="T-1", instance_id=mine)
    with EmbeddedValkey() as server, server.client() as client:
        client.set(f"trader-T-1:{other}:general:a", "b")
        facts = read_server(server.url, namespace)
        assert (facts.has_keys, facts.elsewhere) == (False, (f"trader-T-1:{other}:",))
        client.set(f"trader-T-1:{mine}:general:a", "b")
        assert read_server(server.url, namespace).has_keys is True
