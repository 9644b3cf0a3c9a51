"""
A paper venue in a process of its own.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Self

from nautilus_recovery_actor.testkit.control import Number
from nautilus_recovery_actor.testkit.control import PaperVenueControl
from nautilus_recovery_actor.testkit.control import PaperVenueError
from nautilus_recovery_actor.testkit.records import Oms


class PaperVenue(PaperVenueControl):
    """
    A paper venue in a process of its own, which ends with this object or with this process.

    Parameters
    ----------
    account_id : str, default "PAPER-001"
        The account used where none is given. It is opened at once.
    oms : Oms or str, default ``NETTING``
        How that account holds positions.
    prefix : str, default "PAPER"
        Starts every venue order ID and trade ID. Use different ones for venues of one node.
    fee_rate : Decimal or int or str, default 0
        The fee as a fraction of the notional value of a fill.
    port : int, default 0
        The port, 0 for a free one.

    Raises
    ------
    PaperVenueError
        If the process does not start.

    Examples
    --------
    >>> with PaperVenue() as venue:
    ...     venue.set_price("ETHUSDT-PERP", "2000")
    ...     venue.exec_config(symbols=("ETHUSDT-PERP",))

    """

    def __init__(
        self,
        account_id: str = "PAPER-001",
        oms: Oms | str = Oms.NETTING,
        prefix: str = "PAPER",
        fee_rate: Number = 0,
        port: int = 0,
    ) -> None:
        standalone = Path(__file__).with_name("standalone.py")
        command = [sys.executable, "-P", str(standalone), "venue", "--exit-with-parent"]
        command += ["--port", str(port), "--prefix", prefix, "--fee-rate", str(fee_rate)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {}
        if "error" in said:
            self._end_process()
            raise PaperVenueError(said["error"])
        if not line:
            self._end_process()
            raise PaperVenueError(
                f"the paper venue exited at once (exit code {self._process.returncode}): "
                f"run `{' '.join(command)}` to see why"
            )
        super().__init__(port=said["port"], account_id=account_id, oms=oms)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Return the process ID of the venue."""
        return self._process.pid

    def wait_until_ended(self) -> None:
        """Wait until the process of the venue has ended by itself."""
        self._process.wait()

    def close(self) -> None:
        """End the venue."""
        super().close()
        self._end_process()

    def _end_process(self) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
