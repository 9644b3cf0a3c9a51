"""
What the page of the messages tells readers outside the node is true of what a real node streams.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docs._generate import samples
from docs._generate.messages import READER
from nautilus_recovery_actor import RecoveryStarted
from nautilus_recovery_actor.core.names import HEARTBEAT_KEY
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from nautilus_recovery_actor.testkit import PaperVenue
from tests.docs.nodes import SYMBOL
from tests.docs.nodes import TRADER


PAGE = (Path(__file__).parents[2] / "docs" / "messages.md").read_text()


def shape(value: Any) -> Any:
    """
    Return the types of a JSON value, those of its parts by their names.
    """
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return type(value).__name__


def test_the_reader_of_the_page_reads_what_a_node_streams(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is run as it stands there, and finds each message in the shape of the example."""
    assert READER.strip() in PAGE
    with PaperVenue() as venue, EmbeddedValkey() as valkey, valkey.client() as client:
        venue.set_price(SYMBOL, 2000)
        database = msgspec.structs.asdict(valkey.database_config())
        fields = {name: database[name] for name in ("host", "port", "username", "password")}
        with NodeProcess("tests.docs.nodes:protected", port=venue.port, database=fields) as process:
            process.wait_for("recovered")
            valkey.wait_for(
                lambda redis: redis.exists(f"trader-{TRADER}:stream:data.RecoveryComplete*")
            )
            monkeypatch.setenv("REDIS_URL", valkey.url)
            names: dict[str, Any] = {}
            exec(READER, names)
            assert process.stop() == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[1] for line in lines] == ["RecoveryStarted", "RecoveryComplete"]
        assert names["unread"](names["client"], names["seen"]) == []
        names["client"].close()
        stream = f"trader-{TRADER}:stream:data.RecoveryStarted*"
        ((_, entry),) = client.xrange(stream)
        heartbeat = json.loads(client.get(f"trader-{TRADER}:general:{HEARTBEAT_KEY}"))
    assert {b"topic", b"payload"} <= set(entry)
    streamed = json.loads(entry[b"payload"])
    example = json.loads(samples.messages()[RecoveryStarted].to_bytes())
    example |= {"ts_event": "", "ts_init": ""}
    first = {"ts_last_alive": None, "clean_shutdown": None}  # Of a first start
    assert shape(streamed) == shape(example | {"report": example["report"] | first})
    assert shape(heartbeat) == shape(json.loads(samples.journal()[HEARTBEAT_KEY]))


def test_every_example_is_json_and_the_messages_are_readable() -> None:
    """What the page shows comes back as the message that made it."""
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    shown = [block for block in blocks if isinstance(block, dict)]
    for kind, message in samples.messages().items():
        assert any(
            block.get("type") == kind.__name__ and kind.from_dict(block) == message
            for block in shown
        )
    assert samples.command().to_dict() in shown
