"""
A webhook that keeps what it is sent.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer


class Webhook:
    """Takes messages at a port of this machine."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        kept = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                sent = json.loads(self.rfile.read(size))
                kept.append(f"{sent.get('title', '')}\n{sent.get('message', '')}".strip())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Return where apprise finds it."""
        return f"json://127.0.0.1:{self._server.server_port}/"

    def found(self, *parts: str) -> str | None:
        """Return the newest message that has all of these, ``None`` if there is none."""
        return next((m for m in reversed(self.messages) if all(p in m for p in parts)), None)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
