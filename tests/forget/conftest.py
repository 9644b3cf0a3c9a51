import pytest

from nautilus_recovery_actor.console.main import main
from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import PaperVenue
from tests.forget.support import TRADER
from tests.forget.support import Run


@pytest.fixture
def venue(venue: PaperVenue) -> PaperVenue:
    venue.set_price("BTCUSDT-PERP", 50_000)
    return venue


@pytest.fixture
def run(
    valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """
    Return what runs the command on the server, and returns its exit code and what it said.
    """
    monkeypatch.setenv("RECOVERY_TRADER", TRADER)
    monkeypatch.setenv("REDIS_URL", valkey.url)

    def call(*arguments: str, columns: int = 80) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        capsys.readouterr()
        try:
            code = main(["forget", *arguments])
        except SystemExit as e:  # From argparse
            code = int(e.code or 0)
        return code, *capsys.readouterr()

    return call
