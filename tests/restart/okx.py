"""
Restarts of a node with OKX: what its strategies hold is set up once, then the node is killed, and
comes back without our monitor and with it, both from the same stored state.
"""

from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Self

from nautilus_recovery_actor.testkit import EmbeddedValkey
from nautilus_recovery_actor.testkit import NodeProcess
from tests.venues.okx.control import FakeOKX


SWAPS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP")
SPOT = ("BTC-USDT", "BTC-USDC")

_READY = "trader-TESTER-001:general:ready"


@dataclass(frozen=True)
class Restart:
    """
    A node that was killed while it held something, and can come back more than once.
    """

    venue: FakeOKX
    valkey: EmbeddedValkey
    instruments: tuple[str, ...]
    claimed: bool
    stored: dict[bytes, bytes] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)

    @classmethod
    def after_kill(
        cls, venue: FakeOKX, valkey: EmbeddedValkey, instruments: tuple[str, ...], *, claimed: bool
    ) -> Self:
        """Let the strategies of a node trade as planned, and kill it."""
        restart = cls(venue, valkey, instruments, claimed)
        venue.reset(*instruments)
        for name in instruments:
            venue.set_slices(name, 3)
        valkey.flush()
        with restart._node(monitored=False, sets_up=True) as node, valkey.client() as client:
            held = node.wait_for("state")["positions"]
            valkey.wait_for(lambda stored: stored.exists(_READY))
            node.kill()
            restart.stored.update((key, client.dump(key)) for key in client.scan_iter())
        restart.held.update((each["instrument"], each["qty"]) for each in held)
        venue.save(restart._name)
        return restart

    def rewound(self) -> Self:
        """Return this, with the venue as it was at the kill."""
        self.venue.restore(self._name)
        return self

    @property
    def stop(self) -> str:
        """The client order ID of the resting stop."""
        (client_order_id,) = self.venue.state()["orders"]
        return str(client_order_id)

    def run(self, *, monitored: bool, reports_wallet: bool = False) -> dict[str, Any]:
        """Return what the node came back with, with a setting of the client for spot."""
        self.venue.requests()  # From here on
        self.valkey.flush()
        with self.valkey.client() as client:
            for key, value in self.stored.items():
                client.restore(key, 0, value)
        with self._node(monitored=monitored, reports_wallet=reports_wallet) as node:
            return node.wait_for("state")

    def run_both(self, title: str, **options: bool) -> dict[str, Any]:
        """Return what the node came back with under our monitor; print it beside the other."""
        native, ours = self.run(monitored=False, **options), self.run(monitored=True, **options)
        outcome = ours["report"]["outcome"] or ours["report"]["failure"]
        print(f"\n{title}{', claimed' if self.claimed else ''}")  # noqa: T201 (the comparison)
        print(f"  venue   {self.venue.state()}")  # noqa: T201
        print(f"  native  {_text(native)}")  # noqa: T201
        print(f"  ours    {outcome} {_text(ours)}")  # noqa: T201
        return ours

    @property
    def _name(self) -> str:
        return f"{self.instruments} {self.claimed}"

    def _node(self, **options: Any) -> NodeProcess:
        return NodeProcess(
            "tests.restart.okx_node:node",
            venue_port=self.venue.port,
            redis_port=self.valkey.port,
            instruments=list(self.instruments),
            claimed=self.claimed,
            **options,
        )


def positions(state: dict[str, Any]) -> dict[str, str]:
    """Return the quantity of each open position, by instrument and strategy."""
    held = state["positions"]
    return {f"{each['instrument']} {each['strategy']}": each["qty"] for each in held}


def open_orders(state: dict[str, Any]) -> dict[str, str]:
    """Return the strategy of each open order."""
    return {each["client_id"]: each["strategy"] for each in state["orders"] if each["is_open"]}


def _text(state: dict[str, Any]) -> str:
    blocked = [reason for reason in state["gates"].values() if reason]
    parts = [f"{positions(state)}", f"open orders {open_orders(state)}"]
    return ", ".join(parts + [f"blocked {blocked}"] * bool(blocked))
