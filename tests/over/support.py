"""
What NautilusTrader 2.0 leaves in Redis, as 2.0.0rc7 wrote it when a node traded on Binance's
stand-in: a bid that filled, one that was denied, and a stop that the node holds.
"""

import json
import os
import subprocess
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import msgspec
import redis


_ROOT = Path(__file__).parents[2]
_RECORDED = Path(__file__).parent / "stored_by_2_0_0rc7.json"


def store_of_two(client: redis.Redis, trader_id: str, encoding: str = "msgpack") -> None:
    """Store it as the cache of a trader."""
    encode = msgspec.msgpack.encode if encoding == "msgpack" else msgspec.json.encode
    recorded: dict[str, dict[str, Any]] = json.loads(_RECORDED.read_bytes())
    for name, entry in recorded.items():
        key = f"trader-{trader_id}:{name}"
        match entry:
            case {"list": values}:
                client.rpush(key, *map(encode, values))
            case {"string": str(value)}:
                client.set(key, value)
            case {"string": value}:
                client.set(key, encode(value))
            case {"set": members}:
                client.sadd(key, *members)
            case {"hash": fields}:
                client.hset(key, mapping=fields)


# The interpreter that has NautilusTrader 2.0: its environment stands beside those of 1.x
PYTHON_OF_TWO = Path(os.environ.get("PYTHON_OF_TWO", _ROOT / ".venv-2/bin/python"))


class Two:
    """A node of 2.0 that has come and gone: the facts it told, and its log."""

    def __init__(self, **arguments: Any) -> None:
        with NamedTemporaryFile() as told:
            run = subprocess.run(
                [
                    PYTHON_OF_TWO,
                    _ROOT / "tests/over/two.py",
                    json.dumps({**arguments, "facts": told.name}),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=60,
                text=True,
            )
            facts = [json.loads(line) for line in told.read().splitlines()]
        self.log = run.stdout
        self.facts: dict[str, dict[str, Any]] = {fact.pop("fact"): fact for fact in facts}
        assert self.facts, self.log[-2000:]
