"""
The venue as a test sees it: its process, and its controls.
"""

from typing import Any

from tests.venues.process import VenueProcess


class FakeOKX(VenueProcess):
    """
    OKX, perpetual swaps and spot, in a process that ends with this object or this process.

    The account is in net mode. Conditional orders are algo orders: they have an ID and lists of
    their own, and what they place when they are triggered is another order.
    """

    def __init__(self) -> None:
        super().__init__("tests.venues.okx.server")

    def reset(self, *inst_ids: str, price: str = "100.00") -> None:
        """Start anew, with instruments such as ``"BTC-USDT-SWAP"`` at one price, and no fault."""
        self._call("reset", prices=dict.fromkeys(inst_ids, price))

    def set_price(self, inst_id: str, price: str) -> None:
        """Move a price: what it reaches is executed."""
        self._call("set_price", inst_id=inst_id, px=price)

    def set_slices(self, inst_id: str, parts: int) -> None:
        """Let each market order of an instrument fill in several trades."""
        self._call("set_slices", inst_id=inst_id, parts=parts)

    def trade(self, inst_id: str, side: str, qty: str) -> None:
        """Trade at the market from a phone."""
        self._call("trade", inst_id=inst_id, side=side.lower(), sz=qty)

    def cancel(self, client_id: str) -> None:
        """Cancel an order as the venue does, without a request."""
        self._call("cancel", client_id=client_id)

    def fail(self, endpoint: str, how: str | None, times: int = -1, after: int = 0) -> None:
        """
        Let an endpoint, such as ``"trade/fills"``, fail, always or that many times, after some
        answers.

        `how`: ``"500"`` (HTTP 503), ``"error"`` (HTTP 200 and a code), ``"empty"``, ``"hang"``, or
        None to have it answer again.
        """
        self._call("fault", endpoint=endpoint, how=how, times=times, after=after)

    def requests(self) -> dict[str, int]:
        """Return how often each endpoint was asked since the last call."""
        counted: dict[str, int] = self._call("counted")
        return counted

    def drop_streams(self) -> None:
        """Close all WebSocket connections. Clients come back."""
        self._call("drop_streams")

    def is_heard(self) -> bool:
        """Return whether a client would hear now of what happens to orders."""
        return bool(self._call("is_heard"))

    def save(self, name: str) -> None:
        """Remember the account as it is, under a name."""
        self._call("save", name=name)

    def restore(self, name: str) -> None:
        """Set the account back to what was saved, with no fault."""
        self._call("restore", name=name)

    def state(self) -> dict[str, Any]:
        """Return positions by instrument, open orders by client order ID, and balances."""
        state: dict[str, Any] = self._call("state")
        return state
