"""
The venue as a test sees it: its process, and its controls.
"""

from typing import Any

import nautilus_trader

from tests.venues.process import VenueProcess


class FakeBinance(VenueProcess):
    """
    Binance USDT futures on this machine, in a process that ends with this object or this process.

    It takes conditional orders where the adapter of this version sends them: as algo orders
    (`is_algo`), or, as the venue was until December 2025, as orders.
    """

    is_algo = nautilus_trader.__version__ != "1.221.0"

    def __init__(self) -> None:
        super().__init__("tests.venues.binance.server")

    def reset(self, *symbols: str, price: str = "100.00", is_hedged: bool = False) -> None:
        """Start anew, with these symbols at one price, and no fault; with two legs if hedged."""
        prices = dict.fromkeys(symbols, price)
        self._call("reset", symbols=prices, is_algo=self.is_algo, is_hedged=is_hedged)

    def set_price(self, symbol: str, price: str) -> None:
        """Move a price: what it reaches is executed."""
        self._call("price", symbol=symbol, price=price)

    def set_slices(self, symbol: str, parts: int) -> None:
        """Let each market order of a symbol fill in several trades."""
        self._call("slices", symbol=symbol, parts=parts)

    def place(self, **fields: str) -> dict[str, Any]:
        """Place an order from a phone, with the fields of the venue's `POST /fapi/v1/order`."""
        placed: dict[str, Any] = self._call("place", **fields)
        return placed

    def fill(self, client_id: str, qty: str) -> None:
        """Fill a resting order in part, at its price."""
        self._call("fill", client_id=client_id, qty=qty)

    def cancel(self, client_id: str) -> None:
        """Cancel an order as the venue does, without a request."""
        self._call("cancel", client_id=client_id)

    def fail(self, endpoint: str, how: str, *, times: int = -1, after: int = 0) -> None:
        """
        Let an endpoint, such as ``"GET userTrades"``, fail: always, or that many times.

        `how`: ``"503"`` or ``"400"`` (HTTP, with a code), ``"empty"`` or ``"hang"``. The first
        requests are answered, as many as `after` says.
        """
        self._call("fault", endpoint=endpoint, how=how, times=times, after=after)

    def heal(self) -> None:
        """Let every endpoint answer again."""
        self._call("heal")

    def leave_out(self, endpoint: str, symbol: str, *, times: int = -1, after: int = 0) -> None:
        """
        Let what concerns a symbol be missing from the answers of an endpoint that lists.

        Only answers that would have it are counted.
        """
        self._call("leave_out", endpoint=endpoint, symbol=symbol, times=times, after=after)

    def mute(self, symbol: str) -> None:
        """Send nothing more of a symbol to the user stream, until the next `reset`."""
        self._call("mute", symbol=symbol)

    def forget_history(self, symbol: str | None = None) -> None:
        """Let a week pass: trades and closed orders from before are no longer in the answers."""
        self._call("forget_history", symbol=symbol)

    def forget_order(self, client_id: str) -> None:
        """Let an order and its trades be unknown, also when the order is asked for by its ID."""
        self._call("forget_order", client_id=client_id)

    def save(self, name: str) -> None:
        """Remember the account as it is, under a name."""
        self._call("save", name=name)

    def restore(self, name: str) -> None:
        """Set the account back to what was saved, with no fault."""
        self._call("restore", name=name)

    def send_bar(self, symbol: str, interval: str, opened: int, px: str) -> None:
        """Send a bar that is over, by the time (ms) at which it opened."""
        self._call("bar", symbol=symbol, interval=interval, opened=opened, px=px)

    def lose_bar(self, opened: int) -> None:
        """Let a bar be missing from the history, by the time (ms) at which it opened."""
        self._call("gap", opened=opened)

    def requests(self) -> dict[str, int]:
        """Return how often each endpoint was asked since the last call."""
        counted: dict[str, int] = self._call("requests")
        return counted

    def shift_clock(self, milliseconds: int) -> None:
        """Let the venue's clock differ from this machine's."""
        self._call("skew", milliseconds=milliseconds)

    def drop_streams(self) -> None:
        """Close the connections of the user stream, and refuse new ones."""
        self._call("drop_streams")

    def accept_streams(self) -> None:
        """Take connections of the user stream again."""
        self._call("accept_streams")

    def lose_events(self, *, lose: bool = True) -> None:
        """Keep the user stream open, and send nothing on it, or send again."""
        self._call("lose_events", lose=lose)

    def expire_listen_key(self) -> None:
        """Send that the key of the user stream has expired."""
        self._call("expire_listen_key")

    def state(self) -> dict[str, Any]:
        """Return prices, positions, orders, algo orders and trades, as the venue writes them."""
        state: dict[str, Any] = self._call("state")
        return state
