"""
What can be wrong with a real server. Each fault shows itself, and then its nearest neighbour, which
is all right.
"""

import contextlib
import re
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterator
from functools import partial
from os import kill
from pathlib import Path
from random import randbytes
from tempfile import gettempdir
from uuid import uuid4

import msgspec
import redis
import trustme

from nautilus_recovery_actor.core.enums import RecoveryPhase
from nautilus_recovery_actor.core.journal import Heartbeat
from nautilus_recovery_actor.link.address import Namespace
from nautilus_recovery_actor.outside.checks import server_catalog as rules
from nautilus_recovery_actor.outside.checks import server_tls
from nautilus_recovery_actor.outside.checks.findings import Rule
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import ValkeyError
from tests.server.stand_ins import closes_at_once
from tests.server.stand_ins import listening
from tests.server.stand_ins import never_answers
from tests.server.stand_ins import passes_to
from tests.server.stand_ins import says


TRADER = "T-1"
OWN = Namespace(trader_id=TRADER)
BEAT = OWN.key("general:recovery:heartbeat")

Fault = Callable[[], Generator[str, None, None]]
FAULTS: list[tuple[Rule, Fault]] = []


def fault(rule: Rule) -> Callable[[Fault], Fault]:
    def register(scene: Fault) -> Fault:
        FAULTS.append((rule, scene))
        return scene

    return register


def config(server: EmbeddedValkey, **values: object) -> None:
    with server.client() as client:
        for name, value in values.items():
            client.config_set(name.replace("_", "-"), value)


def run(server: EmbeddedValkey, *command: object) -> object:
    with server.client() as client:
        return client.execute_command(*command)


def login(server: EmbeddedValkey, user: str) -> str:
    return f"redis://{user}:secret@{server.host}:{server.port}"


@fault(rules.UNREACHABLE)
def nobody_listens() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        url = server.url
        server.close()
        yield url
    with EmbeddedValkey() as server:
        yield server.url


@fault(rules.UNREACHABLE)
def it_accepts_and_never_answers() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, listening(never_answers) as port:
        yield f"redis://127.0.0.1:{port}"
        with listening(passes_to(server.port)) as through:
            yield f"redis://127.0.0.1:{through}"


@fault(rules.UNREACHABLE)
def it_closes_at_once() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, listening(closes_at_once) as port:
        yield f"redis://127.0.0.1:{port}"
        yield server.url


@fault(rules.UNREACHABLE)
def no_socket_is_there() -> Generator[str, None, None]:
    path = f"{gettempdir()}/{uuid4().hex}.sock"
    yield f"unix://{path}"
    with EmbeddedValkey(arguments=("--unixsocket", path)):
        yield f"unix://{path}"


@fault(rules.BAD_ANSWER)
def it_is_a_web_server() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        with listening(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            yield f"redis://127.0.0.1:{port}"
        yield server.url


@fault(rules.URL_INVALID)
def the_url_is_for_something_else() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        yield f"http://{server.host}:{server.port}"
        yield f"redis://{server.host}:{server.port}"


@fault(rules.NOT_AUTHENTICATED)
def no_password_is_given() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, requirepass="secret")
        yield server.url
        yield f"redis://:secret@{server.host}:{server.port}"


@fault(rules.NOT_AUTHENTICATED)
def a_password_is_given_to_a_server_without_one() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        yield f"redis://:secret@{server.host}:{server.port}"
        yield server.url


@fault(rules.NOT_AUTHENTICATED)
def the_password_of_a_user_is_wrong() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        run(server, "ACL", "SETUSER", "node", "on", ">other", "~*", "+@all")
        yield login(server, "node")
        run(server, "ACL", "SETUSER", "node", ">secret")
        yield login(server, "node")


@fault(rules.NOT_PERMITTED)
def a_user_may_not_write() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        rights = ("on", ">secret", f"~trader-{TRADER}:*", "+@all", "-@write")
        run(server, "ACL", "SETUSER", "node", *rights)
        yield login(server, "node")
        run(server, "ACL", "SETUSER", "node", "+@write")
        yield login(server, "node")


@fault(rules.COMMANDS_NOT_PERMITTED)
def a_user_may_not_wait_for_commands() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        rights = ("on", ">secret", f"~trader-{TRADER}:*", "+@all", "-blpop")
        run(server, "ACL", "SETUSER", "node", *rights)
        yield login(server, "node")
        run(server, "ACL", "SETUSER", "node", "+blpop")
        yield login(server, "node")


@fault(rules.NOT_PERMITTED)
def a_user_may_not_touch_the_keys_of_this_trader() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        run(server, "ACL", "SETUSER", "node", "on", ">secret", "~trader-T-2:*", "+@all")
        yield login(server, "node")
        run(server, "ACL", "SETUSER", "node", "~trader-T-1:*")
        yield login(server, "node")


@fault(rules.NOT_PERMITTED)
def a_user_may_not_ask_for_the_version() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        run(server, "ACL", "SETUSER", "node", "on", ">secret", "~*", "+@all", "-info")
        yield login(server, "node")
        run(server, "ACL", "SETUSER", "node", "+info")
        yield login(server, "node")


@fault(rules.NOT_TOLD)
def a_user_may_not_see_the_settings() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        run(server, "ACL", "SETUSER", "node", "on", ">secret", "~*", "+@all", "-config")
        yield login(server, "node")
        run(server, "ACL", "SETUSER", "node", "+config")
        yield login(server, "node")


@fault(rules.NOT_TOLD)
def the_settings_are_under_another_name() -> Generator[str, None, None]:
    with EmbeddedValkey() as plain, contextlib.ExitStack() as stack:
        forbid = partial(re.compile(rb"CONFIG").sub, b"XXXXXX")
        port = stack.enter_context(listening(passes_to(plain.port, ask=forbid)))
        yield f"redis://127.0.0.1:{port}"
        yield plain.url


@fault(rules.TLS_FAILED)
def its_certificate_is_of_no_known_authority() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, certified(server) as (url, authority):
        yield url
        yield f"{url}?ssl_ca_certs={authority}"


@fault(rules.TLS_FAILED)
def its_certificate_is_for_another_host() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        with certified(server, "redis.example") as (url, authority):
            yield f"{url}?ssl_ca_certs={authority}"
        with certified(server) as (url, authority):
            yield f"{url}?ssl_ca_certs={authority}"


@fault(rules.TLS_PRIVATE_CA)
def its_certificate_is_of_a_private_authority() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, certified(server) as (url, authority):
        known = f"{url}?ssl_ca_certs={authority}"
        yield known
        before = server_tls.public_roots
        server_tls.public_roots = lambda: authority  # As if it were a public one
        try:
            yield known
        finally:
            server_tls.public_roots = before


@fault(rules.NOT_ENCRYPTED)
def it_is_reached_over_a_network() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, listening(passes_to(server.port), "0.0.0.0") as port:
        yield f"redis://{own_address()}:{port}"
        yield f"redis://127.0.0.1:{port}"


@fault(rules.SLOW)
def it_is_far_away() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        for delay_secs in (0.03, 0.0):
            with listening(passes_to(server.port, delay_secs=delay_secs)) as port:
                yield f"redis://127.0.0.1:{port}"


@fault(rules.VERSION)
def it_is_old() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        version = str(run(server, "INFO", "server")["redis_version"]).encode()  # type: ignore[index]
        for older in (b"6.0", b"6.2"):
            old = b"redis_version:" + older + b"." + b"0" * (len(version) - 4)

            def rewrite(data: bytes, old: bytes = old) -> bytes:
                return data.replace(b"redis_version:" + version, old)

            with listening(passes_to(server.port, rewrite=rewrite)) as port:
                yield f"redis://127.0.0.1:{port}"


@fault(rules.LOADING)
def it_is_loading() -> Generator[str, None, None]:
    with EmbeddedValkey() as primary, EmbeddedValkey() as server:
        with primary.client() as client, client.pipeline() as pipe:
            for number in range(20_000):
                pipe.set(f"key-{number}", randbytes(1000))
            pipe.execute()
        config(server, key_load_delay=300)
        with contextlib.suppress(redis.ResponseError):  # Redis 6.2 has a fixed one
            config(server, loading_process_events_interval_bytes=1024)
        config(primary, repl_diskless_sync_delay=0)
        run(server, "REPLICAOF", primary.host, primary.port)
        with server.client() as client:
            wait_until(lambda: client.info("persistence")["loading"] == 1)
        yield server.url
        config(server, key_load_delay=0)
        with server.client() as client:
            wait_until(lambda: client.info("persistence")["loading"] == 0)
        run(server, "REPLICAOF", "NO", "ONE")
        yield server.url


@fault(rules.REPLICA)
def it_is_a_replica() -> Generator[str, None, None]:
    with EmbeddedValkey() as primary, EmbeddedValkey() as server:
        follow(server, primary)
        yield server.url
        yield primary.url


@fault(rules.REPLICA)
def it_is_a_replica_that_can_be_written_to() -> Generator[str, None, None]:
    with EmbeddedValkey() as primary, EmbeddedValkey() as server:
        config(server, replica_read_only="no")
        follow(server, primary)
        yield server.url
        run(server, "REPLICAOF", "NO", "ONE")
        yield server.url


@fault(rules.REPLICA_LAG)
def its_replica_is_behind() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, EmbeddedValkey() as replica:
        follow(replica, server)
        pid = int(run(replica, "INFO", "server")["process_id"])  # type: ignore[index]
        kill(pid, signal.SIGSTOP)
        try:
            with server.client() as client:
                client.set("large", b"x" * 2_000_000)
            yield server.url
        finally:
            kill(pid, signal.SIGCONT)
        with server.client() as client:
            client.set("a", "b")
            wait_until(lambda: client.wait(1, 100))
        yield server.url


@fault(rules.CLUSTER)
def it_is_part_of_a_cluster() -> Generator[str, None, None]:
    with clustered() as server:
        yield server.url
    with EmbeddedValkey() as server:
        yield server.url


@fault(rules.EVICTING)
def it_evicts_when_memory_is_short() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, maxmemory="1gb", maxmemory_policy="allkeys-lru")
        yield server.url
        config(server, maxmemory_policy="noeviction")
        yield server.url


@fault(rules.EVICTION_POLICY)
def its_policy_would_evict_with_a_limit() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, maxmemory_policy="allkeys-lfu")
        yield server.url
        config(server, maxmemory_policy="noeviction")
        yield server.url


@fault(rules.EVICTION_POLICY)
def it_evicts_what_expires() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, maxmemory="1gb", maxmemory_policy="volatile-lru")
        yield server.url
        config(server, maxmemory_policy="noeviction")
        yield server.url


@fault(rules.KEYS_EVICTED)
def it_has_evicted() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        with server.client() as client:
            client.set("a", "b")
        config(server, maxmemory_policy="allkeys-random", maxmemory=1)
        with server.client() as client:
            wait_until(lambda: client.info("stats")["evicted_keys"])
        config(server, maxmemory=0, maxmemory_policy="noeviction")
        yield server.url
        run(server, "CONFIG", "RESETSTAT")
        yield server.url


@fault(rules.MEMORY_FULL)
def its_memory_is_full() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, maxmemory=1)
        yield server.url
        config(server, maxmemory="1gb")
        yield server.url


@fault(rules.MEMORY_SHORT)
def its_memory_is_nearly_full() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        with server.client() as client:
            client.set("large", b"x" * 20_000_000)
        with server.client() as client:
            used = client.info("memory")["used_memory"]
        config(server, maxmemory=int(used / 0.85))
        yield server.url
        config(server, maxmemory=int(used / 0.75))
        yield server.url


@fault(rules.REFUSES_WRITES)
def it_wants_a_replica_to_write() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, min_replicas_to_write=1)
        yield server.url
        config(server, min_replicas_to_write=0)
        yield server.url


@fault(rules.REFUSES_WRITES)
def it_stops_writes_as_its_snapshot_failed() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        fail_to_save(server)
        config(server, save="3600 1")
        yield server.url
        config(server, stop_writes_on_bgsave_error="no")
        yield server.url


@fault(rules.SAVE_FAILED)
def its_last_snapshot_failed() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, save="3600 1", stop_writes_on_bgsave_error="no")
        directory = fail_to_save(server)
        yield server.url
        directory.mkdir()
    with EmbeddedValkey() as server:
        config(server, save="3600 1")
        save(server)
        yield server.url


@fault(rules.NOT_PERSISTENT)
def it_writes_nothing_to_disk() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        yield server.url
        config(server, save="3600 1")
        yield server.url


@fault(rules.SNAPSHOTS_ONLY)
def it_writes_snapshots_only() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        config(server, save="3600 1")
        yield server.url
        config(server, appendonly="yes")
        yield server.url


@fault(rules.LOSS_WINDOW)
def its_disk_is_a_second_late() -> Generator[str, None, None]:
    with EmbeddedValkey(appendonly=True) as server:
        yield server.url
        config(server, appendfsync="always")
        yield server.url


@fault(rules.LIVE_NODE)
def another_node_is_alive() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        beat(server, age_secs=12)
        yield server.url
        beat(server, age_secs=17)
        yield server.url


@fault(rules.LIVE_NODE)
def another_node_has_not_stopped() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        beat(server)
        yield server.url
        beat(server, is_stopped=True)
        yield server.url


@fault(rules.LIVE_NODE)
def the_clock_of_another_node_is_ahead() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        beat(server, age_secs=-3600)
        yield server.url
        beat(server, age_secs=3600)
        yield server.url


@fault(rules.HEARTBEAT_DAMAGED)
def its_heartbeat_is_cut_short() -> Generator[str, None, None]:
    with EmbeddedValkey() as server:
        beat(server, age_secs=100)
        with server.client() as client:
            whole = client.get(BEAT)
            client.set(BEAT, whole[:-5])
            yield server.url
            client.set(BEAT, whole)
        yield server.url


@fault(rules.HEARTBEAT_DAMAGED)
def its_heartbeat_is_a_list() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, server.client() as client:
        client.rpush(BEAT, "x")
        yield server.url
        client.delete(BEAT)
        yield server.url


@fault(rules.KEYS_ABSENT)
def nothing_of_the_trader_is_there() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, server.client() as client:
        client.set("trader-T-11:general:a", "another trader")
        client.set("trader-XT-1:general:a", "another trader")
        yield server.url
        client.sadd("trader-T-1:index:orders", "O-1")
        yield server.url


@fault(rules.KEYS_ELSEWHERE)
def the_trader_is_stored_without_its_prefix() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, server.client() as client:
        client.set("T-1:general:a", "b")
        yield server.url
        client.set("trader-T-1:general:a", "b")
        yield server.url


@fault(rules.KEYS_ELSEWHERE)
def the_trader_is_stored_by_instance() -> Generator[str, None, None]:
    with EmbeddedValkey() as server, server.client() as client:
        client.set(f"trader-T-1:{uuid4()}:general:a", "b")
        yield server.url
        client.set("trader-T-1:general:a", "b")
        yield server.url


def beat(server: EmbeddedValkey, age_secs: float = 0, *, is_stopped: bool = False) -> None:
    ts = time.time_ns() - int(age_secs * 1e9)
    heartbeat = Heartbeat(ts=ts, epoch=1, phase=RecoveryPhase.COMPLETE, is_stopped=is_stopped)
    with server.client() as client:
        client.set(BEAT, msgspec.json.encode(heartbeat))


def follow(replica: EmbeddedValkey, primary: EmbeddedValkey) -> None:
    config(primary, repl_diskless_sync_delay=0)
    run(replica, "REPLICAOF", primary.host, primary.port)
    with replica.client() as client:
        wait_until(lambda: client.info("replication")["master_link_status"] == "up")
    with primary.client() as client:
        wait_until(lambda: client.wait(1, 100))


def fail_to_save(server: EmbeddedValkey) -> Path:
    with server.client() as client:
        directory = Path(client.config_get("dir")["dir"])
        shutil.rmtree(directory)
        client.set("a", "b")
        client.bgsave()
        wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
    return directory


def clustered() -> EmbeddedValkey:
    for _ in range(20):
        with contextlib.suppress(ValkeyError):  # It wants a second port, 10,000 higher
            return EmbeddedValkey(arguments=("--cluster-enabled", "yes"))
    raise ValkeyError("found no two ports")


def save(server: EmbeddedValkey) -> None:
    with server.client() as client:
        client.set("a", "b")
        client.save()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "not in time"


@contextlib.contextmanager
def certified(server: EmbeddedValkey, name: str = "localhost") -> Iterator[tuple[str, str]]:
    """
    Yield the URL of the server behind TLS, and the file of the authority of its certificate.
    """
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    with authority.cert_pem.tempfile() as path, listening(passes_to(server.port, tls=tls)) as port:
        yield f"rediss://localhost:{port}", path


def own_address() -> str:
    """
    Return an address of this machine that is not a loopback one.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # Nothing is sent
        name: str = probe.getsockname()[0]
    return name
