"""
How long whoever asks the command line waits: each command in a process of its own.

Run it alone: ``python -m benchmarks.console``.
"""

import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

from nautilus_recovery_actor.testkit import EmbeddedValkey


_RUNS = 9
_TRADER_ID = "BENCH-001"
_PROGRAM = "import sys; from nautilus_recovery_cli import main; sys.exit(main())"
_TARGET = "benchmarks.console:config"


def config() -> Any:
    """
    Return the configuration that is checked.

    Returns
    -------
    TradingNodeConfig

    """
    from nautilus_trader.config import ImportableActorConfig  # noqa: PLC0415
    from nautilus_trader.config import TradingNodeConfig  # noqa: PLC0415

    from nautilus_recovery_actor import recovery_cache_config  # noqa: PLC0415
    from nautilus_recovery_actor import recovery_exec_engine_config  # noqa: PLC0415

    return TradingNodeConfig(
        trader_id=_TRADER_ID,
        cache=recovery_cache_config("127.0.0.1", int(os.environ["BENCH_PORT"])),
        exec_engine=recovery_exec_engine_config(),
        actors=[
            ImportableActorConfig(
                actor_path="nautilus_recovery_actor:RecoveryMonitorActor",
                config_path="nautilus_recovery_actor:RecoveryMonitorConfig",
                config={},
            )
        ],
    )


def main() -> int:
    """
    Print the figures.

    Returns
    -------
    int
        One if a median is over its target, else zero.

    """
    is_over = False
    with EmbeddedValkey() as valkey:
        where = ["--redis", valkey.url]
        for arguments, target in (
            (["--version"], 0.3),
            (["--help"], 0.3),
            ([], 0.3),
            (["statsu"], 0.3),
            (["check", "--help"], 0.3),
            (["status", "--trader", _TRADER_ID, *where], 0.3),
            (["traders", *where], 0.3),
            (["check", _TARGET], 2.0),
        ):
            runs = [_run(arguments, valkey.port) for _ in range(_RUNS)]
            secs, busy_secs = (median(one) for one in zip(*runs, strict=True))
            is_over |= secs > target
            named = " ".join(one for one in arguments if one not in where)
            print(
                f"{f'nautilus-recovery {named}':<52} median {secs:.2f} s "
                f"(at best {min(runs)[0]:.2f}), {busy_secs:.2f} s of it on a processor, "
                f"target {target} s"
            )
    return int(is_over)


def _run(arguments: list[str], port: int) -> tuple[float, float]:
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "BENCH_PORT": str(port)},
    ) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0  # It has been waited for
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
