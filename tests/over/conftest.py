from typing import Protocol

import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey


class Run(Protocol):
    def __call__(self, *arguments: str, columns: int = 80) -> tuple[int, str, str]: ...


@pytest.fixture
def run(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Return what runs a command on the server, and returns its exit code and what it said."""
    monkeypatch.setenv("REDIS_URL", valkey.url)

    def call(*arguments: str, columns: int = 80) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as e:  # From argparse
            code = int(e.code or 0)
        return code, *capsys.readouterr()

    return call
