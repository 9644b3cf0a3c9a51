"""
What `run_supervised` asks of who calls it.
"""

import threading
from typing import Any

import pytest

from nautilus_recovery_actor import run_supervised
from tests.supervised.node import nothing


@pytest.mark.parametrize(
    "options", [{"build_timeout_secs": 0}, {"stop_timeout_secs": -1.0}, {"restarts": -1}]
)
def test_an_option_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    """Before anything is built."""
    with pytest.raises(ValueError, match="must be greater than 0"):
        run_supervised(nothing, **options)


def test_it_is_called_in_the_main_thread() -> None:
    """Signals come nowhere else."""
    raised: list[str] = []

    def call() -> None:
        try:
            run_supervised(nothing)
        except RuntimeError as e:
            raised.append(str(e))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert raised == ["run_supervised has to be called in the main thread"]
