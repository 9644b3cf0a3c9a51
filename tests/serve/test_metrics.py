"""
What Prometheus is answered.
"""

import asyncio
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from nautilus_recovery_actor.outside.holding import Keeping
from nautilus_recovery_actor.outside.holding import LeaseStatus
from nautilus_recovery_actor.serve import metrics
from nautilus_recovery_actor.serve.alerts import Alerts
from nautilus_recovery_actor.serve.board import Board
from nautilus_recovery_actor.serve.sources import Watch
from tests.serve.boards import CLEAN
from tests.serve.boards import DEGRADED
from tests.serve.boards import FAILED
from tests.serve.boards import NAKED
from tests.serve.boards import NOW
from tests.serve.boards import SEC
from tests.serve.boards import board
from tests.serve.boards import seen


ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "examples" / "deploy" / "prometheus-rules.yaml"
GRAFANA = ROOT / "examples" / "deploy" / "grafana-board.json"
NAME = re.compile(r"nautilus_recovery_\w+")
HELD = LeaseStatus(trader_id="T-1", state=Keeping.HELD, reason="", fence=3)


class Silent:
    name = "alert 1 (JSON)"
    id = "x"

    async def send(self, title: str, body: str) -> str:
        return ""


def scraped(shown: Board, accept: str = "") -> str:
    watch = Watch()
    watch.put(shown)

    async def scrape() -> httpx.Response:
        site = Starlette(routes=metrics.routes(watch, Alerts([Silent()])))
        transport = httpx.ASGITransport(app=site)
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            return await client.get("/metrics", headers={"accept": accept})

    answer = asyncio.run(scrape())
    assert answer.status_code == 200
    return answer.text


def values(shown: Board) -> dict[str, float]:
    """
    Return the values by name and labels but those that say which trader it is.
    """
    found = {}
    for family in text_string_to_metric_families(scraped(shown)):
        for one in family.samples:
            more = [v for k, v in one.labels.items() if k not in ("server", "trader")]
            found[" ".join([one.name.removeprefix("nautilus_recovery_"), *more])] = one.value
    return found


FULL = seen(
    DEGRADED,
    unprotected=[msgspec.to_builtins(NAKED)],
    ts_proven=NOW - 9 * SEC,
    prove_interval_secs=60,
    more={"lease": HELD},
)


def exported() -> dict[str, str]:
    """
    Return each metric with its type.
    """
    lines = scraped(board(FULL)).splitlines()
    types = (line.split() for line in lines if line.startswith("# TYPE"))
    return {words[2]: words[3] for words in types}


def test_a_trader_that_is_degraded() -> None:
    found = values(board(FULL))
    expected = {
        "ready": 1,
        "state OPEN": 1,
        "state FAILED": 0,
        "phase COMPLETE": 1,
        "phase FAILED": 0,
        "outcome DEGRADED": 1,
        "outcome CLEAN": 0,
        "epoch": 7,
        "heartbeat_age_seconds": 1,
        "heartbeat_timestamp_seconds": NOW / SEC - 1,
        "proof_timestamp_seconds": NOW / SEC - 9,
        "proof_stale": 0,
        "blocked_instruments": 1,
        "unprotected_positions": 1,
        "repairs planned": 1,
        "repairs proven": 0,
        "discrepancies BLOCK": 1,
        "discrepancies INFO": 0,
        "last_duration_seconds": 2,
        "last_completed_timestamp_seconds": NOW / SEC - 60,
        "shadow": 0,
        "lease_held": 1,
        "lease_fence": 3,
        "server_up": 1,
        "server_traders": 1,
        "server_last_read_timestamp_seconds": NOW / SEC,
        "trader_up": 1,
        "trader_last_read_timestamp_seconds": NOW / SEC,
        "alerts_sent_total alert 1 (JSON)": 0,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_a_trader_that_failed_is_not_ready() -> None:
    found = values(board(seen(FAILED)))
    assert (found["ready"], found["state FAILED"], found["state OPEN"]) == (0, 1, 0)


@pytest.mark.parametrize("trouble", ["Connection refused", ""])
def test_what_cannot_be_seen_has_no_value(trouble: str) -> None:
    """Neither that of a server nor that of a trader: an old one that was good is a lie."""
    one = seen(CLEAN, more={"trouble": trouble or "no report of epoch 7 on record"})
    found = values(board(one, trouble=trouble))
    assert (found["server_up"], found["trader_up"]) == (0 if trouble else 1, 0)
    seen_names = {name for name in found if not name.startswith(("serve_", "alerts_", "incidents"))}
    assert seen_names == {
        "server_up",
        "server_last_read_timestamp_seconds",
        "trader_up",
        "trader_last_read_timestamp_seconds",
    } | ({"server_traders"} if not trouble else set())


def test_a_report_that_is_missing_gives_no_zero() -> None:
    """What is blocked is not known then."""
    found = values(board(seen(None, phase="RECONCILING")))
    assert "blocked_instruments" not in found
    assert found["ready"] == 0


def test_hostile_names_stay_labels() -> None:
    """And one that is there twice does not take the others with it."""
    evil = 'T"} 1\nnautilus_recovery_ready{trader="x'
    text = scraped(board(seen(trader_id=evil), seen(trader_id=evil), seen(trader_id="T-1")))
    (ready,) = [
        family
        for family in text_string_to_metric_families(text)
        if family.name == "nautilus_recovery_ready"
    ]
    assert [one.labels["trader"] for one in ready.samples] == [evil, "T-1"]


def test_instruments_are_counted_and_never_labels() -> None:
    assert "ETHUSDT" not in scraped(board(FULL))


def test_before_anything_was_read_nothing_is_ready() -> None:
    assert "nautilus_recovery_ready{" not in scraped(Board(ts=0))


def test_a_thousand_traders_are_answered() -> None:
    shown = board(*(seen(trader_id=f"T-{n}") for n in range(1_000)))
    scraped(shown)
    text = scraped(shown)
    assert text.count("nautilus_recovery_ready{") == 1_000


def test_who_asks_again_and_again_is_answered_from_what_was_made() -> None:
    """Once for each board, so that it takes nothing from the pages."""
    shown = board(*(seen(trader_id=f"T-{n}") for n in range(1_000)))
    watch = Watch()
    watch.put(shown)
    (route,) = metrics.routes(watch)

    async def scrape() -> tuple[float, list[bytes]]:
        transport = httpx.ASGITransport(app=Starlette(routes=[route]))
        async with httpx.AsyncClient(transport=transport, base_url="http://board") as client:
            began = time.process_time()
            await client.get("/metrics")
            made = time.process_time()
            answers = [(await client.get("/metrics")).content for _ in range(20)]
            again = (time.process_time() - made) / (made - began)
            watch.put(board(seen(FAILED, trader_id="T-9999"), at=NOW + SEC))
            return again, [*answers, (await client.get("/metrics")).content]

    again, answers = asyncio.run(scrape())
    assert again < 10  # And not 20 times as much
    assert [b"T-9999" in one for one in answers] == [False] * 20 + [True]


def test_the_page_lists_exactly_what_is_exported() -> None:
    """With its type and its labels."""
    rows = re.findall(r"^\| `(\w+)` \| (gauge|counter) \|", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == exported()
    assert len(rows) == len(dict(rows))


def test_the_names_keep_to_the_conventions() -> None:
    """`promtool` finds nothing wrong."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=scraped(board(FULL)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_prometheus_takes_the_rules() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


WHO = 'server="s",trader="T-1"'
FIRES = {
    "nothing": ({f"ready{{{WHO}}}": 1, f'phase{{{WHO},phase="COMPLETE"}}': 1}, set()),
    "failed": ({f'phase{{{WHO},phase="FAILED"}}': 1}, {"Failed"}),
    "killed": (
        {f'state{{{WHO},state="NO_HEARTBEAT"}}': 1, f"stopped{{{WHO}}}": 0},
        {"NoHeartbeat"},
    ),
    "stopped": ({f'state{{{WHO},state="NO_HEARTBEAT"}}': 1, f"stopped{{{WHO}}}": 1}, set()),
    "naked": ({f"unprotected_positions{{{WHO}}}": 2}, {"Naked"}),
    "blocked": ({f"blocked_instruments{{{WHO}}}": 1, f"shadow{{{WHO}}}": 0}, {"Degraded"}),
    "shadow": ({f"blocked_instruments{{{WHO}}}": 1, f"shadow{{{WHO}}}": 1}, set()),
    "waiting": ({f'repairs{{{WHO},state="planned"}}': 1}, {"RepairWaiting"}),
    "unseen": (
        {'server_up{server="s"}': 0, f"trader_up{{{WHO}}}": 0},
        {"ServerUnseen", "TraderUnseen"},
    ),
    "not proven": ({f"proof_stale{{{WHO}}}": 1, f"stopped{{{WHO}}}": 0}, {"NotProven"}),
    "twins": ({f"twins{{{WHO}}}": 1}, {"Twins"}),
    "unstored": ({f"storage_incidents{{{WHO}}}": 1}, {"Unstored"}),
}


def test_the_rules_fire_when_they_are_to_and_not_else(tmp_path: Path) -> None:
    """As Prometheus evaluates them, three minutes after each state began."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    tests = [
        {
            "name": name,
            "interval": "15s",
            "input_series": [
                {"series": f"nautilus_recovery_{series}", "values": f"{value}x20"}
                for series, value in {**given, "serve_build_info": 1}.items()
            ],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "3m",
                    "exp_samples": [
                        {"labels": f'{{alertname="NautilusRecovery{one}"}}', "value": 1}
                        for one in sorted(fired)
                    ],
                }
            ],
        }
        for name, (given, fired) in FIRES.items()
    ]
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": tests}))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_rules_say_what_and_what_to_do() -> None:
    """Each has a severity, a summary and a description, and uses only what is exported."""
    known = {*exported()}
    assert len(rules()) > 8
    for rule in rules():
        assert set(NAME.findall(rule["expr"])) <= known
        assert NAME.search(rule["expr"])
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {*rule["annotations"]} == {"summary", "description"}


def is_promql(query: str, path: Path) -> bool:
    """
    Ask `promtool`, where it is, whether a query can be read.
    """
    if shutil.which("promtool") is None:
        return True
    rule = {"groups": [{"name": "x", "rules": [{"record": "x", "expr": query}]}]}
    path.write_text(yaml.safe_dump(rule))
    done = subprocess.run(
        ["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    return done.returncode == 0


def test_the_grafana_board_uses_only_what_is_exported(tmp_path: Path) -> None:
    found = json.loads(GRAFANA.read_text())
    assert found["schemaVersion"] >= 36
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    queries = [target["expr"] for panel in found["panels"] for target in panel["targets"]]
    assert queries
    known = {*exported()}
    for query in queries:
        assert is_promql(query, tmp_path / "rules.yaml")
        assert set(NAME.findall(query)) <= known
        assert NAME.search(query)
    for panel in found["panels"]:
        assert {"title", "type", "gridPos", "datasource", "targets"} <= {*panel}
